# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Consumers are real programs here: who is asked, what they say, what is not run, and that nothing waits for them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Callable, List, Tuple

import pytest

from ipmp import consumers as module
from ipmp.command import MOST, Command, Outcome
from ipmp.consumers import Asked, Consumers
from ipmp.loop import Loop

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="programs have to belong to root")
NIC, IP = "SUNW_network/eth1", "SUNW_ip/192.0.2.1"

GOOD = """#!/bin/sh
echo "$1 $2 $RCM_ENV_FORCE" >>{seen}
case $1 in
{more}
scriptinfo) echo rcm_script_version=1; echo rcm_script_func_info=backup; echo rcm_cmd_timeout={limit} ;;
register) echo rcm_resource_name={resource} ;;
resourceinfo) echo "rcm_resource_usage_info=the backup uses $2" ;;
*) exit 2 ;;
esac
"""


class Bed:
    """A loop, a folder of programs, and what was logged."""

    def __init__(self, root: Path) -> None:
        self.folder, self.seen = root / "etc/ipmp/rcm", root / "seen"
        self.folder.mkdir(parents=True)
        self.logged: List[Tuple[str, str]] = []
        self.loop = Loop(lambda text: self.logged.append(("traceback", text)))
        self.consumers = Consumers(str(root), self.loop, lambda level, text: self.logged.append((level, text)))

    def write(self, name: str, text: str, mode: int = 0o755) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def good(self, name: str = "acme,backup", more: str = "", resource: str = NIC, limit: int = 5) -> Path:
        return self.write(name, GOOD.format(seen=self.seen, more=more, resource=resource, limit=limit))

    def until(self, start: Callable[[Callable[..., None]], object]) -> Any:
        """Run the loop until what was started has told."""
        told: List[Any] = []
        start(lambda *answer: told.append(answer))
        end = time.monotonic() + 30
        while not told:
            assert time.monotonic() < end, self.logged
            self.loop.run_once(0.1)
        return told[0][0] if told[0] else None

    def ask(self, *resources: str, force: bool = False) -> Asked:
        answer = self.until(lambda tell: self.consumers.ask(resources or (NIC,), force, tell))
        assert isinstance(answer, Asked)
        return answer

    def commands(self) -> List[str]:
        return self.seen.read_text().splitlines() if self.seen.exists() else []

    def close(self) -> None:
        assert [text for level, text in self.logged if level == "traceback"] == []
        self.loop.close()


@pytest.fixture
def bed(tmp_path: Path) -> Any:
    bed = Bed(tmp_path)
    yield bed
    bed.close()


def test_without_consumers_the_answer_comes_at_once(bed: Bed) -> None:
    told: List[Asked] = []
    bed.consumers.ask([NIC], False, told.append)
    assert told == [Asked([], ())]
    bed.folder.rmdir()
    bed.consumers.ask([NIC], False, told.append)
    assert len(told) == 2


def test_the_example_of_the_documentation_speaks_the_language(bed: Bed) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/consumers.md").read_text()
    path = bed.write("acme,backup", page.partition("```sh\n")[2].partition("```")[0])
    assert bed.ask() == Asked([[str(path), NIC]], ())
    bed.consumers.removed([[str(path), NIC]], False, lambda: None)
    bed.ask()
    assert bed.logged == [("info", f"acme,backup: no backups until {NIC} is back")]


def test_who_has_registered_it_is_asked_and_a_command_it_lacks_is_no_refusal(bed: Bed) -> None:
    path = bed.good()
    bed.good("acme,other", resource="SUNW_network/eth2")
    assert bed.ask(NIC, IP) == Asked([[str(path), NIC]], ())
    assert sorted(bed.commands()) == sorted(["scriptinfo  FALSE", "register  FALSE"] * 2 + [f"queryremove {NIC} FALSE"])


@pytest.mark.parametrize(("code", "force"), [(3, False), (3, True), (1, False), (77, True)])
def test_its_refusal_is_an_objection_that_force_does_not_override(bed: Bed, code: int, force: bool) -> None:
    bed.good(more=f"queryremove) echo rcm_failure_reason=not now; echo rcm_log_warn=busy; exit {code} ;;")
    (objection,) = bed.ask(force=force).objections
    assert objection.reason == f"acme,backup does not let go of {NIC}: not now"
    assert [row.as_dict() for row in objection.rows] == [{"resource": NIC, "information": f"the backup uses {NIC}"}]
    assert not objection.forcible
    assert ("err", "acme,backup: busy") in bed.logged
    assert f"queryremove {NIC} {'TRUE' if force else 'FALSE'}" in bed.commands()


def test_one_that_says_nothing_is_quoted_with_its_exit_code(bed: Bed) -> None:
    bed.good(more="queryremove|resourceinfo) exit 1 ;;")
    (objection,) = bed.ask().objections
    assert objection.reason.endswith(f"{NIC}: it ended with 1 and said nothing")
    assert objection.rows[0].information == "it ended with 1 and said nothing"


def test_one_that_hangs_refuses_by_it_and_dies_with_its_children(bed: Bed) -> None:
    pid = bed.folder.parent / "pid"
    bed.good(limit=1, more=f"queryremove) sleep 60 & echo $! >{pid}; wait ;;")
    begin = time.monotonic()
    (objection,) = bed.ask().objections
    assert "it was not done within 1 s and was killed" in objection.reason
    assert time.monotonic() - begin < 10
    deadline = time.monotonic() + 5
    while os.path.exists(f"/proc/{int(pid.read_text())}") and "Z" not in _state(int(pid.read_text())):
        assert time.monotonic() < deadline, "its child lives on"
        time.sleep(0.01)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_programs_work_side_by_side_and_the_loop_goes_on(bed: Bed) -> None:
    for number in range(4):
        bed.good(f"acme,{number}", more="queryremove) sleep 1 ;;")
    ticks: List[float] = []

    def tick() -> None:
        ticks.append(time.monotonic())
        bed.loop.call_later(0.01, tick)

    tick()
    begin = time.monotonic()
    assert len(bed.ask().taken) == 4
    assert time.monotonic() - begin < 3
    assert max(b - a for a, b in zip(ticks, ticks[1:])) < 0.5


def test_a_program_never_runs_twice_at_the_same_time(bed: Bed) -> None:
    lock = bed.folder.parent / "lock"
    bed.good(more=f"queryremove) mkdir {lock} || exit 3; sleep 0.2; rmdir {lock} ;;")
    answers: List[Asked] = []
    for _caller in range(2):
        bed.consumers.ask([NIC], False, answers.append)
    bed.until(lambda tell: bed.consumers.ask([NIC], False, tell))
    assert [answer.objections for answer in answers] == [(), ()]


def test_those_who_agreed_are_told_how_it_goes_on(bed: Bed) -> None:
    path = bed.good(more="queryremove|preremove|postremove|undoremove) ;;")
    taken = bed.ask().taken
    bed.seen.unlink()
    assert bed.until(lambda tell: bed.consumers.prepare(taken, True, tell)) == []
    bed.until(lambda tell: bed.consumers.restored(taken, False, tell))
    bed.consumers.removed(taken, False, lambda: None)
    while len(bed.commands()) < 3:
        bed.loop.run_once(0.1)
    assert bed.commands() == [f"preremove {NIC} TRUE", f"undoremove {NIC} FALSE", f"postremove {NIC} FALSE"]
    bed.ask()  # until the last has ended
    path.unlink()
    assert bed.until(lambda tell: bed.consumers.prepare(taken, False, tell)) == []


def test_what_fails_before_the_step_is_returned_and_afterwards_logged(bed: Bed) -> None:
    path = bed.good(more="preremove|undoremove) echo rcm_failure_reason=stuck; exit 1 ;;")
    taken = [[str(path), NIC]]
    failures = bed.until(lambda tell: bed.consumers.prepare(taken, False, tell))
    assert failures == [f"acme,backup could not let go of {NIC}: stuck"]
    bed.until(lambda tell: bed.consumers.restored(taken, False, tell))
    assert ("err", f"acme,backup undoremove {NIC}: stuck") in bed.logged


@pytest.mark.parametrize(
    ("said", "limit"),
    [("5", 5.0), ("9" * 5000, module.PHASE), *((word, module.LIMIT) for word in ("", "0", "-1", "²"))],
)
def test_what_is_no_time_is_the_usual_one(said: str, limit: float) -> None:
    assert module._seconds(said) == limit


@pytest.mark.parametrize("restarted", [False, True])
def test_each_command_has_the_time_that_the_program_asks_for(
    bed: Bed, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    monkeypatch.setattr(module, "LIMIT", 0.5)
    bed.good(more="preremove|undoremove) sleep 1 ;;", limit=5)
    taken = bed.ask().taken
    if restarted:
        bed.consumers = Consumers(str(bed.folder.parents[2]), bed.loop, bed.consumers.log)
    assert bed.until(lambda tell: bed.consumers.prepare(taken, False, tell)) == []
    bed.until(lambda tell: bed.consumers.restored(taken, False, tell))
    assert bed.logged == []


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: path.chmod(0o775), "can be written by others than root: it is not asked"),
        (lambda path: path.chmod(0o757), "can be written by others than root: it is not asked"),
        (lambda path: os.chown(path, 65534, 0), "does not belong to root: it is not asked"),
        (lambda path: path.chmod(0o644), "is not executable: it is not asked"),
        (
            lambda path: (path.rename(path.parent.parent / "x"), path.symlink_to("../x")),
            "is no regular file: it is not",
        ),
        (lambda path: path.parent.chmod(0o777), "can be written by others than root: no consumer is asked"),
        (lambda path: os.chown(path.parent, 65534, 0), "does not belong to root: no consumer is asked"),
    ],
)
def test_what_somebody_else_could_have_written_is_not_run_and_that_is_said(
    bed: Bed, spoil: Callable[[Path], object], why: str
) -> None:
    spoil(bed.good(more="queryremove) exit 3 ;;"))
    assert bed.ask() == Asked([], ())
    assert bed.commands() == []
    assert [level for level, text in bed.logged if why in text] == ["err"]


def test_backups_and_hidden_files_are_passed_over_in_silence(bed: Bed) -> None:
    bed.good("acme,backup~")
    bed.good(".acme,backup")
    assert bed.ask() == Asked([], ())
    assert (bed.logged, bed.commands()) == ([], [])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("#!/bin/sh\nexit 1\n", "it ended with 1 and said nothing"),
        ("#!/bin/sh\necho rcm_script_version=2\n", "rcm_script_version is 2, not 1"),
        ("#!/bin/sh\n", "rcm_script_version is missing, not 1"),
        ("#!/no/such/shell\n", "cannot be run: No such file or directory"),
        ("#!/bin/sh\necho rcm_script_version=1; [ $1 = scriptinfo ]\n", "it cannot say what it uses: it ended with 1"),
    ],
)
def test_one_that_does_not_speak_the_language_is_not_asked_and_that_is_said(bed: Bed, text: str, why: str) -> None:
    bed.write("broken", text)
    bed.good("acme,good")
    assert len(bed.ask().taken) == 1
    assert [level for level, line in bed.logged if why in line] == ["err"]


def run(bed: Bed, script: str, limit: float = 10) -> Outcome:
    answer = bed.until(lambda tell: Command(bed.loop, ["/bin/sh", "-c", script], {"LANG": "C"}, limit, tell))
    assert isinstance(answer, Outcome)
    return answer


def test_output_is_name_value_lines_and_the_rest_is_passed_over(bed: Bed) -> None:
    outcome = run(bed, "echo a=1; echo nonsense; echo 'a = x=y'; printf b=last")
    assert (outcome.code, outcome.all("a"), outcome.first("b"), outcome.first("c")) == (0, ["1", "x=y"], "last", "")


def test_endless_output_is_cut_and_the_program_ends_when_it_ends(bed: Bed) -> None:
    outcome = run(bed, "head -c 1000000 /dev/zero | tr '\\0' '\\n'; echo a=1; exit 5")
    assert (outcome.code, outcome.first("a")) == (5, "")
    assert MOST < 1000000


def test_a_child_that_is_left_behind_does_not_keep_anybody_waiting(bed: Bed) -> None:
    begin = time.monotonic()
    assert run(bed, "echo a=1; sleep 5 & exit 0").first("a") == "1"
    assert time.monotonic() - begin < 4


def test_a_signal_is_told_and_ordinary_scheduling_is_given(bed: Bed) -> None:
    assert run(bed, "kill -TERM $$").problem == "it was killed by signal 15"
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        pytest.skip("no real-time scheduling here")
    try:
        assert run(bed, "echo policy=$(cut -d' ' -f41 /proc/self/stat)").first("policy") == "0"
    finally:
        os.sched_setscheduler(0, *before)


def test_no_descriptor_is_left_open(bed: Bed) -> None:
    bed.good(more="queryremove) exit 3 ;;")
    bed.ask()
    before = len(os.listdir("/proc/self/fd"))
    for _turn in range(3):
        bed.ask()
        run(bed, "sleep 60", 0.1)
    assert len(os.listdir("/proc/self/fd")) == before


def test_everything_together_has_its_time(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PHASE", 1.0)
    bed.good(more="queryremove) sleep 60 ;;", limit=60)
    begin = time.monotonic()
    assert "was killed" in bed.ask().objections[0].reason
    assert time.monotonic() - begin < 5
