# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The path from wanted texts to a changed host: planned before, written once, put back when the daemon cannot do it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional

import pytest
from ansible_collections.netpath.ipmp.plugins.module_utils import declare
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp import client, model
from control_bed import Bed, serving

MOVES = [{"address": "192.0.2.1", "from": None, "to": "eth1"}]
OLD = "192.0.2.1/24 group a up\n"
NEW = "192.0.2.1/24 group b up\n"
PATH = "/etc/hostname.eth1"
NOTHING: Dict[str, Any] = {"moves": [], "operations": [], "warnings": []}
PLAN: Dict[str, Any] = {"moves": MOVES, "operations": ["add"], "warnings": []}
DONE: Dict[str, Any] = {"changed": True, "moves": MOVES, "warnings": ["beware"], "transaction": None}


class Module:
    """What of AnsibleModule is used."""

    def __init__(self, check: bool = False, **params: Any) -> None:
        self.check_mode, self._diff, self.warnings = check, True, []  # type: ignore[var-annotated]
        self.params = {"apply": True, "confirm_timeout": 0, "wait_timeout": 30, **params}

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IPMP_ROOT", str(tmp_path))
    (tmp_path / "etc").mkdir()
    (tmp_path / PATH[1:]).write_text(OLD)
    return tmp_path


def wants(text: Optional[str]) -> declare.Compute:
    return lambda before: {PATH: text}


def text(root: Path) -> Optional[str]:
    path = root / PATH[1:]
    return path.read_text() if path.exists() else None


def ops(bed: Bed) -> List[str]:
    return [request["op"] for request in bed.requests]


def refuse(kind: str) -> Callable[[Dict[str, Any], Any], None]:
    return lambda args, reply: reply.error(kind, "one sentence")


def test_nothing_to_do_is_no_change_and_one_question(root: Path) -> None:
    with serving(str(root), plan=NOTHING) as bed:
        result = declare.Declaration(Module(), wants(OLD)).result()
        assert (result["changed"], result["files"], result["moves"], result["diff"]) == (False, [], [], [])
        assert ops(bed) == ["plan"]


def test_files_are_planned_then_written_then_applied(root: Path) -> None:
    module = Module()
    with serving(str(root), plan=PLAN, apply=DONE) as bed:
        result = declare.Declaration(module, wants(NEW)).result()
        assert ops(bed) == ["plan", "apply"]
        assert bed.requests[0]["files"] == {PATH: NEW}
    assert (result["changed"], result["files"], result["moves"]) == (True, [PATH], MOVES)
    assert (result["diff"][0]["before"], result["diff"][0]["after"]) == (OLD, NEW)
    assert text(root) == NEW
    assert module.warnings == ["beware"]


def test_a_host_that_has_drifted_is_applied_though_no_file_differs(root: Path) -> None:
    with serving(str(root), plan=PLAN, apply=DONE) as bed:
        assert declare.Declaration(Module(), wants(OLD)).result()["changed"] is True
        assert ops(bed) == ["plan", "apply"]


def test_check_mode_plans_and_writes_nothing(root: Path) -> None:
    with serving(str(root), plan=PLAN) as bed:
        result = declare.Declaration(Module(check=True), wants(NEW)).result()
        assert (result["changed"], result["moves"], ops(bed)) == (True, MOVES, ["plan"])
    assert text(root) == OLD


@pytest.mark.parametrize("check", [True, False])
def test_with_another_transaction_open_nothing_is_written_and_check_mode_says_so(root: Path, check: bool) -> None:
    busy = {"message": "transaction theirs is open", "transaction": "theirs"}
    with serving(str(root), plan={**PLAN, "busy": busy}) as bed:
        with pytest.raises(client.DaemonError, match="theirs is open"):
            declare.Declaration(Module(check=check), wants(NEW)).result()
        assert ops(bed) == ["plan"]
    assert text(root) == OLD
    with serving(str(root), plan={**NOTHING, "busy": busy}):
        assert declare.Declaration(Module(check=check), wants(OLD)).result()["changed"] is False


def test_what_the_daemon_finds_wrong_is_never_written(root: Path) -> None:
    with serving(str(root), plan=refuse("invalid")), pytest.raises(client.DaemonError):
        declare.Declaration(Module(), wants("nonsense")).result()
    assert text(root) == OLD


@pytest.mark.parametrize("new", [NEW, None])
def test_files_are_put_back_when_apply_fails(root: Path, new: Optional[str]) -> None:
    seen: List[Optional[str]] = []

    def apply(args: Mapping[str, Any], reply: Any) -> None:
        seen.append(text(root))
        if len(seen) == 1:
            reply.error("timeout", "too late")
        else:
            reply.ok(DONE)

    with serving(str(root), plan=PLAN, apply=apply), pytest.raises(client.DaemonError, match="too late"):
        declare.Declaration(Module(), wants(new)).result()
    assert seen == [new, OLD]
    assert text(root) == OLD


def test_what_somebody_else_wrote_meanwhile_is_not_put_back(root: Path) -> None:
    def apply(args: Mapping[str, Any], reply: Any) -> None:
        (root / PATH[1:]).write_text("theirs\n")
        reply.error("timeout", "too late")

    with serving(str(root), plan=PLAN, apply=apply), pytest.raises(client.DaemonError):
        declare.Declaration(Module(), wants(NEW)).result()
    assert text(root) == "theirs\n"


def test_with_a_timer_the_host_knows_the_old_texts_before_anything_is_written(root: Path) -> None:
    seen: List[Optional[str]] = []

    def prepare(args: Mapping[str, Any], reply: Any) -> None:
        seen.append(text(root))
        assert (args["previous"], args["confirm_timeout"]) == ({PATH: OLD}, 60)
        reply.ok({"transaction": "t1"})

    with serving(str(root), plan=PLAN, apply_prepare=prepare, apply={**DONE, "transaction": "t1"}) as bed:
        result = declare.Declaration(Module(confirm_timeout=60), wants(NEW)).result()
        assert bed.requests[-1]["transaction"] == result["transaction"] == "t1"
    assert seen == [OLD]


def test_with_a_timer_a_failed_apply_is_rolled_back_by_the_host(root: Path) -> None:
    undone = {"changed": True, "moves": []}
    with serving(
        str(root), plan=PLAN, apply_prepare={"transaction": "t1"}, apply=refuse("internal"), apply_rollback=undone
    ) as bed:
        with pytest.raises(client.DaemonError):
            declare.Declaration(Module(confirm_timeout=60), wants(NEW)).result()
        assert ops(bed)[-1] == "apply-rollback"
    assert text(root) == OLD


def test_an_edit_that_comes_between_is_planned_again(root: Path) -> None:
    calls = []

    def compute(before: Mapping[str, Optional[str]]) -> Dict[str, Optional[str]]:
        return {PATH: (before[PATH] or "").replace("group a", "group b")}

    def plan(args: Mapping[str, Any], reply: Any) -> None:
        calls.append(args["files"])
        if len(calls) == 1:
            (root / PATH[1:]).write_text("# a comment\n" + OLD)
        reply.ok(PLAN)

    with serving(str(root), plan=plan, apply=DONE):
        declare.Declaration(Module(), compute).result()
    assert calls == [{PATH: NEW}, {PATH: "# a comment\n" + NEW}]
    assert text(root) == "# a comment\n" + NEW


def test_without_a_daemon_nothing_is_written(root: Path) -> None:
    with pytest.raises(client.ClientError, match=r"Run the role netpath\.ipmp\.mpathd first"):
        declare.Declaration(Module(), wants(NEW)).result()
    assert text(root) == OLD


def test_check_mode_without_a_daemon_shows_the_files_and_warns(root: Path) -> None:
    module = Module(check=True)
    result = declare.Declaration(module, wants(NEW)).result()
    assert (result["changed"], result["moves"], result["files"]) == (True, [], [PATH])
    assert "only the files could be compared" in module.warnings[-1]


def test_apply_false_writes_files_only_and_needs_no_daemon(root: Path) -> None:
    assert declare.Declaration(Module(check=True, apply=False), wants(NEW)).result()["changed"] is True
    assert text(root) == OLD
    assert declare.Declaration(Module(apply=False), wants(NEW)).result()["changed"] is True
    assert text(root) == NEW
    assert declare.Declaration(Module(apply=False), wants(NEW)).result()["changed"] is False


def test_apply_false_refuses_wrong_files_too(root: Path) -> None:
    with pytest.raises(model.ConfigError, match="grup"):
        declare.Declaration(Module(apply=False), wants("192.0.2.1/24 grup b up\n")).result()
    assert text(root) == OLD
