# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that only ask the daemon: what they send, what they return, and what a refusal looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, List

import control_bed
import pytest
from running import Failed, run

MOVES = [{"address": "192.0.2.11", "from": "eth1", "to": "eth2"}]
COMPONENT = {
    "name": "eth1",
    "kind": "ethernet",
    "interfaces": ["nosuch1"],
    "hardware": "none",
    "present": True,
    "reversible": True,
    "functions": [],
    "slot": None,
    "drivers": [],
}
NO_SLOT = {**COMPONENT, "hardware": "slot", "slot": "nosuch", "reversible": False}
REFUSALS = [{"resource": "SUNW_network/eth1", "information": "eth1 hosts IP addresses: 192.0.2.11"}]
QUERY = {
    "component": COMPONENT,
    "allowed": True,
    "refusals": [],
    "moves": MOVES,
    "lost": [],
    "warnings": [],
    "messages": [],
    "state": "attached",
    "busy": None,
    "wait_timeout": 60.0,
}
PREPARED = {
    "transaction": "t1",
    "component": COMPONENT,
    "moves": MOVES,
    "lost": [],
    "messages": [],
    "deadline": 60.0,
}
PROBING = {
    "family": 4,
    "mode": "routes",
    "test_address": "192.0.2.81",
    "targets": ["192.0.2.254"],
    "sent": 70,
    "acked": 69,
    "lost": 1,
    "unknown": 0,
    "average": 0.31,
    "deviation": 0.04,
}
STATUS = {
    "transaction": None,
    "version": "1.0.0",
    "protocol": [1],
    "groups": [{"name": "prod", "active": ["eth1"], "inactive": ["eth2"], "unusable": [], "targets": []}],
    "interfaces": [
        {"name": "eth1", "group": "prod", "flags": [], "probe": "ok", "failures": 0, "probing": [PROBING]},
        {
            "name": "eth2",
            "group": "prod",
            "flags": ["STANDBY", "INACTIVE"],
            "probe": "disabled",
            "failures": 0,
            "probing": [],
        },
    ],
    "addresses": [],
}


def refuse(kind: str, code: str = "", **details: Any) -> Callable[[Dict[str, Any], Any], None]:
    return lambda args, reply: reply.error(kind, "one sentence", code or None, **details)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("IPMP_ROOT", str(tmp_path))
    monkeypatch.setenv("SSH_CONNECTION", "198.51.100.7 40000 192.0.2.11 22")
    return str(tmp_path)


def serving(root: str, **answers: Any) -> ContextManager[control_bed.Bed]:
    """A daemon that says how long a detach may take, and this."""
    return control_bed.serving(root, **{"transactions": {"wait_timeout": 444.0}, **answers})


def ops(bed: Any) -> List[str]:
    return [request["op"] for request in bed.requests]


def test_detach_prepares_and_commits(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(root, detach_prepare=PREPARED, detach_commit={"state": "committed"}) as bed:
        result = run(monkeypatch, "ipmp_dr", component="eth1", confirm_timeout=120)
        assert (result["changed"], result["transaction"], result["moves"]) == (True, "t1", MOVES)
        assert ops(bed) == ["transactions", "detach-prepare", "detach-commit"]
        assert bed.requests[1]["peer"] == "198.51.100.7"
        assert bed.requests[1]["confirm_timeout"] == 120
        assert bed.requests[1]["wait_timeout"] == 444.0


def test_a_commit_that_fails_is_rolled_back(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    undone = {"changed": True, "rolled_back": True, "moves": [], "differences": []}
    with serving(root, detach_prepare=PREPARED, detach_commit=refuse("internal"), detach_rollback=undone) as bed:
        with pytest.raises(Failed) as failure:
            run(monkeypatch, "ipmp_dr", component="eth1")
        assert failure.value.result["rolled_back"] is True
        assert bed.requests[-1]["transaction"] == "t1"


@pytest.mark.parametrize("step", ["detach_prepare", "detach_commit"])
def test_a_daemon_that_ends_meanwhile_leaves_nobody_in_doubt(
    root: str, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """It is not said that nothing was changed, for nobody can tell."""

    def end(_args: Any, reply: Any) -> None:
        reply._connection.close()

    with serving(root, **{"detach_prepare": PREPARED, "detach_commit": end, "detach_rollback": end, step: end}):
        with pytest.raises(Failed, match="; what is not finished is undone by the daemon itself") as failure:
            run(monkeypatch, "ipmp_dr", component="eth1")
    assert failure.value.result["rolled_back"] is False


def test_one_that_has_been_undone_already_is_told_to_be(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    undone = {"changed": False, "rolled_back": True, "moves": [], "differences": [], "messages": ["it was too late"]}
    with serving(root, detach_prepare=PREPARED, detach_commit=refuse("state"), detach_rollback=undone):
        with pytest.raises(Failed, match="one sentence; it was too late") as failure:
            run(monkeypatch, "ipmp_dr", component="eth1")
        assert failure.value.result["rolled_back"] is True
        result = run(monkeypatch, "ipmp_dr", state="rolled_back", transaction="t1")
    assert (result["changed"], result["rolled_back"], result["messages"]) == (False, True, ["it was too late"])


def test_nobody_is_asked_to_let_go_of_what_is_attached(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And whatever way out is named with it may be none of this component's."""
    attached = {"changed": False, "moves": [], "messages": []}
    with serving(root, detach_query=QUERY, attach=attached, attach_query=attached) as bed:
        for check in (True, False):
            run(monkeypatch, "ipmp_dr", component="eth1", state="attached", hardware="slot", check=check)
    asked = [request for request in bed.requests if request["op"] == "detach-query"]
    assert [(request["consumers"], request["hardware"]) for request in asked] == [(False, "none")] * 2


@pytest.mark.parametrize("check", [True, False])
def test_a_refused_detach_fails_in_check_mode_too(root: str, monkeypatch: pytest.MonkeyPatch, check: bool) -> None:
    refused = {**QUERY, "allowed": False, "refusals": REFUSALS, "warnings": ["one sentence"]}
    with serving(root, detach_query=refused, detach_prepare=refuse("refused", refusals=REFUSALS)):
        with pytest.raises(Failed) as failure:
            run(monkeypatch, "ipmp_dr", component="eth1", check=check)
    result = failure.value.result
    assert (result["reason"], result["refusals"], result["changed"]) == ("refused", REFUSALS, False)
    assert result["msg"] == "one sentence: eth1 hosts IP addresses: 192.0.2.11"


def test_check_mode_is_the_query_alone(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(root, detach_query=QUERY) as bed:
        result = run(monkeypatch, "ipmp_dr", component="eth1", check=True, diff=True)
        assert (result["changed"], result["moves"]) == (True, MOVES)
        assert (result["diff"][0]["before"], result["diff"][0]["after"]) == (
            "192.0.2.11 on eth1\n",
            "192.0.2.11 on eth2\n",
        )
        assert ops(bed) == ["detach-query"]


def test_detached_when_detached_changes_nothing(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    detached = {**QUERY, "state": "detached", "moves": []}
    with serving(root, detach_prepare=refuse("state", "already-detached"), detach_query=detached):
        assert run(monkeypatch, "ipmp_dr", component="eth1")["changed"] is False
        assert run(monkeypatch, "ipmp_dr", component="eth1", check=True)["changed"] is False


def test_confirmed_after_the_timer_fails_and_says_so(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(root, detach_confirm=refuse("state", "no-transaction")), pytest.raises(Failed, match="one sentence"):
        run(monkeypatch, "ipmp_dr", state="confirmed", transaction="t1")


def test_a_busy_host_names_the_transaction_in_the_way_but_not_as_ours(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(root, detach_prepare=refuse("busy", transaction="theirs")):
        with pytest.raises(Failed) as failure:
            run(monkeypatch, "ipmp_dr", component="eth1")
    result = failure.value.result
    assert (result["reason"], result["busy_with"], "transaction" in result) == ("busy", "theirs", False)


@pytest.mark.parametrize("way", ["pci", "slot", "driver", "none", "auto"])
def test_the_way_goes_with_the_question_and_what_auto_chose_is_returned(
    root: str, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    gone = {**COMPONENT, "hardware": "pci"}  # nothing to write to, and nobody is there any more
    answers = {"detach_query": {**QUERY, "component": gone}, "detach_prepare": {**PREPARED, "component": gone}}
    with serving(root, detach_commit={"state": "confirmed"}, **answers) as bed:
        for check in (True, False):
            assert run(monkeypatch, "ipmp_dr", component="eth1", hardware=way, check=check)["hardware"] == "pci"
        assert ops(bed) == ["detach-query", "transactions", "detach-prepare", "detach-commit"]
        assert [request["hardware"] for request in bed.requests if "hardware" in request] == [way, way]


def test_a_hardware_step_that_fails_is_rolled_back(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    undone = {"changed": True, "rolled_back": True, "moves": [], "differences": []}
    with serving(root, detach_prepare={**PREPARED, "component": NO_SLOT}, detach_rollback=undone) as bed:
        with pytest.raises(Failed, match="^/sys/bus/pci/slots/nosuch/power: writing '0' failed: ") as failure:
            run(monkeypatch, "ipmp_dr", component="eth1", hardware="slot")
        assert ops(bed) == ["transactions", "detach-prepare", "detach-rollback"]
        assert bed.requests[-1]["wait_timeout"] == 444.0
        result = failure.value.result
        assert (result["reason"], result["rolled_back"], result["hardware"]) == ("hardware", True, "slot")


def test_a_rollback_that_fails_as_well_is_told_with_the_first_cause(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = refuse("hardware", rolled_back=False)
    with serving(root, detach_prepare={**PREPARED, "component": NO_SLOT}, detach_rollback=broken):
        with pytest.raises(Failed, match="writing '0' failed: .*; and one sentence$") as failure:
            run(monkeypatch, "ipmp_dr", component="eth1")
        assert (failure.value.result["reason"], failure.value.result["rolled_back"]) == ("hardware", False)


def test_attached_puts_back_what_was_taken_out(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    attached = {"changed": True, "moves": [], "messages": []}
    gone = {**QUERY, "state": "detached", "component": {**NO_SLOT, "present": False}}
    with serving(root, detach_query=gone, attach=attached) as bed:
        with pytest.raises(Failed, match="power: writing '1' failed: ") as failure:
            run(monkeypatch, "ipmp_dr", component="eth1", state="attached")
        assert (failure.value.result["reason"], ops(bed)) == ("hardware", ["detach-query"])
        bed.answers["detach-query"] = {**gone, "component": NO_SLOT}
        assert run(monkeypatch, "ipmp_dr", component="eth1", state="attached")["changed"] is True


def test_attached_with_something_otherwise_than_after_a_boot_fails_with_that(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "eth1: its MTU is 1300, not 1400"
    answer = refuse("verify", differences=[told])
    with serving(root, detach_query={**QUERY, "state": "detached"}, attach=answer):
        with pytest.raises(Failed) as failure:
            run(monkeypatch, "ipmp_dr", component="eth1", state="attached")
    assert (failure.value.result["reason"], failure.value.result["differences"]) == ("verify", [told])


def test_an_attach_is_waited_for_as_long_as_the_daemon_says_or_the_task(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    attached = {"changed": True, "moves": [], "messages": []}
    with serving(root, detach_query={**QUERY, "state": "detached", "wait_timeout": 137.0}, attach=attached) as bed:
        run(monkeypatch, "ipmp_dr", component="eth1", state="attached")
        run(monkeypatch, "ipmp_dr", component="eth1", state="attached", wait_timeout=5)
        waits = [r["wait_timeout"] for r in bed.requests if r["op"] == "attach"]
    assert waits == [137.0, 5]


@pytest.mark.parametrize("name", ["ipmp_dr", "ipmp_offline", "ipmp_info"])
def test_without_a_daemon_one_sentence_says_so(root: str, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    options = {"ipmp_dr": {"component": "eth1"}, "ipmp_offline": {"interface": "eth1", "state": "offline"}}
    with pytest.raises(Failed, match="cannot contact in.mpathd at"):
        run(monkeypatch, name, **options.get(name, {}))


def test_a_daemon_that_is_too_old_is_told_with_the_role_to_run(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(root, status=refuse("invalid", "old-protocol", protocol=[0])):
        with pytest.raises(Failed, match=r"too old.*role netpath\.ipmp\.mpathd"):
            run(monkeypatch, "ipmp_info")


def test_offline_and_back(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done = {"changed": True, "moves": MOVES}
    with serving(root, offline=done, undo_offline=done) as bed:
        assert run(monkeypatch, "ipmp_offline", interface="eth1", state="offline")["moves"] == MOVES
        assert run(monkeypatch, "ipmp_offline", interface="eth1", state="online")["changed"] is True
        assert ops(bed) == ["offline", "undo-offline"]


@pytest.mark.parametrize(("state", "code"), [("offline", "already-offline"), ("online", "not-offline")])
def test_what_is_so_already_changes_nothing(root: str, monkeypatch: pytest.MonkeyPatch, state: str, code: str) -> None:
    with serving(root, offline=refuse("state", code), undo_offline=refuse("state", code)):
        assert run(monkeypatch, "ipmp_offline", interface="eth1", state=state)["changed"] is False


def test_the_last_working_member_is_refused_in_check_mode_too(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(root, offline_query=refuse("refused", "min-redundancy", refusals=[])):
        with pytest.raises(Failed, match="one sentence") as failure:
            run(monkeypatch, "ipmp_offline", interface="eth1", state="offline", check=True)
    assert failure.value.result["reason"] == "refused"


@pytest.mark.parametrize("state", ["offline", "online"])
def test_in_check_mode_the_daemon_says_what_would_move_and_does_nothing(
    root: str, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    with serving(root, offline_query={"changed": True, "moves": MOVES}) as bed:
        result = run(monkeypatch, "ipmp_offline", interface="eth1", state=state, check=True)
        assert (result["changed"], result["moves"]) == (True, MOVES)
        assert [(r["op"], r["online"]) for r in bed.requests] == [("offline-query", state == "online")]


def test_what_waits_for_another_transaction_fails_in_check_mode_too(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = {"message": "transaction theirs is open", "transaction": "theirs"}
    with serving(root, detach_query={**QUERY, "busy": busy}), pytest.raises(Failed, match="theirs is open") as failure:
        run(monkeypatch, "ipmp_dr", component="eth1", check=True)
    assert (failure.value.result["reason"], failure.value.result["busy_with"]) == ("busy", "theirs")


@pytest.mark.parametrize("module", ["ipmp_dr", "ipmp_config"])
@pytest.mark.parametrize("end", ["confirmed", "rolled_back"])
def test_the_end_of_a_transaction_in_check_mode_is_the_daemons_answer(
    root: str, monkeypatch: pytest.MonkeyPatch, module: str, end: str
) -> None:
    moves = MOVES if end == "rolled_back" else []
    told = {"changed": True, "rolled_back": end == "rolled_back", "moves": moves}
    told["files"] = {"/etc/hostname.eth1": "group lan\n"}
    with serving(root, end_query=told) as bed:
        result = run(monkeypatch, module, check=True, diff=True, state=end, transaction="t1")
        assert (result["changed"], result["moves"], result["transaction"]) == (True, moves, "t1")
        kind = "detach" if module == "ipmp_dr" else "apply"
        assert {"op": "end-query", "kind": kind, "end": end, "transaction": "t1"}.items() <= bed.requests[0].items()
    if module == "ipmp_config":
        assert result["files"] == ["/etc/hostname.eth1"]
        assert result["diff"][0]["after"] == "group lan\n"


def test_an_attach_that_is_late_says_what_has_moved_all_the_same(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(root, detach_query=QUERY, attach=refuse("timeout", moves=MOVES)), pytest.raises(Failed) as failure:
        run(monkeypatch, "ipmp_dr", component="eth1", state="attached")
    result = failure.value.result
    assert (result["reason"], result["changed"], result["moves"]) == ("timeout", True, MOVES)


def test_info_returns_what_was_gathered_and_versions(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gathered = ["groups", "interfaces", "addresses", "targets", "probes", "components", "records", "transaction"]
    listed = {"components": [{**COMPONENT, "state": "attached"}]}
    records = {"records": [], "open": None}
    with serving(root, status=STATUS, components=listed, detach_query=QUERY, transactions=records) as bed:
        result = run(monkeypatch, "ipmp_info", gather=gathered)
        assert set(gathered) < set(result)
        (component,) = result["components"]
        assert (component["name"], component["state"], component["allowed"]) == ("eth1", "attached", True)
        assert [r["consumers"] for r in bed.requests if r["op"] == "detach-query"] == [False]
        (target,) = result["targets"]
        assert (target["interface"], target["mode"], target["targets"]) == ("eth1", "routes", ["192.0.2.254"])
        assert [(p["interface"], p["probe"], len(p["instances"])) for p in result["probes"]] == [
            ("eth1", "ok", 1),
            ("eth2", "disabled", 0),
        ]
        assert result["probes"][0]["instances"][0]["acked"] == 69
        assert result["versions"] == {"daemon": "1.0.0", "protocol": [1], "module_protocol": 1}
        assert "ansible_facts" not in result
        assert set(run(monkeypatch, "ipmp_info")) & set(gathered) == {"groups", "interfaces", "addresses"}
