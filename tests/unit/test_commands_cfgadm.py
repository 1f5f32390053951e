# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cfgadm: listing, unconfigure as a transaction, configure, and every way in which they fail."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import pytest
from control_bed import Bed, serving
from status_fixture import status

from ipmp.commands import cfgadm
from ipmp.control import Reply

OURS = str(Path(__file__).resolve().parents[2] / "plugins/module_utils")
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
NO_SLOT = {**COMPONENT, "hardware": "slot", "slot": "nosuch"}
MOVES = [{"address": "192.0.2.1", "from": "eth1", "to": "eth2"}]
PREPARED = {
    "transaction": "t1",
    "component": COMPONENT,
    "moves": MOVES,
    "lost": [],
    "messages": [],
    "deadline": 60,
}
COMMITTED = {"transaction": "t1", "state": "confirmed", "deadline": None}
ROLLED_BACK = {"changed": True, "rolled_back": True, "moves": [], "differences": []}
HEADING = "Ap_Id                          Type         Receptacle   Occupant     Condition\n"


def run(root: str | Path, *argv: str) -> Tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    return cfgadm.main(argv, out, err, str(root)), out.getvalue(), err.getvalue()


def refusing(kind: str, message: str, **details: Any) -> Callable[[Any, Reply], None]:
    return lambda args, reply: reply.error(kind, message, **details)


def detaching(root: Path, **changes: Any) -> Any:
    """A daemon that lets eth1 go, but for the changes."""
    answers: Dict[str, Any] = {"detach_prepare": PREPARED, "detach_commit": COMMITTED, "detach_rollback": ROLLED_BACK}
    answers["transactions"] = {"open": None, "records": [], "history": [], "wait_timeout": 444.0}
    return serving(str(root), **{**answers, **changes})


def asked(bed: Bed) -> List[str]:
    return [request["op"] for request in bed.requests]


@pytest.fixture(autouse=True)
def no_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)


# --- listing ----------------------------------------------------------------------------------------------------------


def listed(*names: str, **changes: Any) -> Dict[str, Any]:
    """The answer to ``components``: NICs, and with changes one more component."""
    nics = [{**COMPONENT, "name": name, "interfaces": [name], "state": "attached"} for name in names]
    return {"components": [*nics, {**COMPONENT, "state": "attached", **changes}] if changes else nics}


def test_the_listing_shows_every_component_and_its_state(tmp_path: Path) -> None:
    shown = status()
    shown["interfaces"][2]["state"] = "offline"
    shown["interfaces"].append({**shown["interfaces"][0], "name": "eth8", "state": "absent", "present": False})
    components = listed("eth0", "eth1", "eth2", "eth9", "veth0", name="eth3", state="detached", present=False)
    components["components"] += listed(name="eth8", present=False)["components"]
    with serving(str(tmp_path), status=shown, components=components):
        for argv in ((), ("-l",), ("-a",), ("-al",)):
            assert run(tmp_path, *argv) == (
                0,
                HEADING + "eth0                           ethernet     connected    configured   failed\n"
                "eth1                           ethernet     connected    configured   ok\n"
                "eth2                           ethernet     connected    configured   ok\n"
                "eth3                           ethernet     disconnected unconfigured unknown\n"
                "eth8                           ethernet     empty        unconfigured unknown\n"
                "eth9                           ethernet     connected    configured   ok\n"
                "veth0                          ethernet     connected    configured   unknown\n",
                "",
            )


def test_devices_and_slots_are_listed_after_their_interfaces_and_show_them_with_a(tmp_path: Path) -> None:
    components = listed("eth2", "eth1", name="0000:00:05", kind="pci", interfaces=["eth1", "eth2"])
    card = "0000:00:05                     pci          connected    configured   ok\n"
    with serving(str(tmp_path), status=status(), components=components):
        nics = "".join(
            f"{n}                           ethernet     connected    configured   ok\n" for n in ("eth1", "eth2")
        )
        assert run(tmp_path, "-l") == (0, HEADING + nics + card, "")
        ports = "".join(
            f"0000:00:05::{n}               ethernet     connected    configured   ok\n" for n in ("eth1", "eth2")
        )
        assert run(tmp_path, "-al") == (0, HEADING + nics + card + ports, "")
        assert run(tmp_path, "-l", "0000:00:05::eth2")[1].count("\n") == 2
        lines = run(tmp_path, "-v", "-l", "0000:00:05")[1].splitlines()
    assert lines[2] == "0000:00:05                     connected    configured   ok         eth1 eth2"
    assert lines[3].split()[1:] == ["pci", "n", "/sys/bus/pci/devices/0000:00:05.*"]


def test_a_card_is_failed_if_one_of_its_interfaces_is_and_gone_if_it_left(tmp_path: Path) -> None:
    components = listed(name="3", kind="slot", interfaces=["eth0", "eth1"])
    with serving(str(tmp_path), status=status(), components=components) as bed:
        assert run(tmp_path)[1].splitlines()[1].split() == ["3", "slot", "connected", "configured", "failed"]
        components["components"][0].update(present=False, state="detached")
        bed.answers["components"] = components
        assert run(tmp_path)[1].splitlines()[1].split() == ["3", "slot", "disconnected", "unconfigured", "failed"]


def test_a_listing_can_be_of_named_ones(tmp_path: Path) -> None:
    with serving(str(tmp_path), status=status(), components=listed("eth1", "eth2")):
        assert run(tmp_path, "-l", "eth1") == (
            0,
            HEADING + "eth1                           ethernet     connected    configured   ok\n",
            "",
        )
        assert run(tmp_path, "-l", "eth1", "eth77") == (1, "", "cfgadm: Attachment point not found: eth77\n")


def test_the_verbose_listing_has_two_lines_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    shown = status()
    shown["interfaces"][0]["since"] = 1_700_000_000
    shown["transaction"] = {"interfaces": ["eth1"]}
    with serving(str(tmp_path), status=shown, components=listed("eth0", "eth1")):
        code, out, err = run(tmp_path, "-v", "-l", "eth0", "eth1")
    assert (code, err) == (0, "")
    assert out == (
        "Ap_Id                          Receptacle   Occupant     Condition  Information\n"
        "When         Type         Busy     Phys_Id\n"
        "eth0                           connected    configured   failed     link down\n"
        "Nov 14 22:13 ethernet     n        /sys/class/net/eth0\n"
        "eth1                           connected    configured   ok         group web\n"
        "unavailable  ethernet     y        /sys/class/net/eth1\n"
    )


# --- unconfigure ------------------------------------------------------------------------------------------------------


def test_unconfigure_prepares_and_commits_and_is_quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "203.0.113.5 50022 192.0.2.1 22")
    with detaching(tmp_path) as bed:
        assert run(tmp_path, "-c", "unconfigure", "eth1") == (0, "", "")
    assert bed.requests == [
        {"op": "transactions"},
        {
            "op": "detach-prepare",
            "component": "eth1",
            "force": False,
            "peer": "203.0.113.5",
            "confirm_timeout": 0,
            "hardware": "none",
            "wait_timeout": 444.0,
        },
        {"op": "detach-commit", "transaction": "t1"},
    ]


def test_what_the_daemon_has_to_say_is_shown_and_moves_if_verbose(tmp_path: Path) -> None:
    with detaching(tmp_path, detach_prepare={**PREPARED, "messages": ["192.0.2.9 is lost: no interface can take it"]}):
        assert run(tmp_path, "-c", "unconfigure", "-f", "-y", "-v", "eth1") == (
            0,
            "192.0.2.9 is lost: no interface can take it\n192.0.2.1 moved from eth1 to eth2\n",
            "",
        )


@pytest.mark.oracle("T75")
def test_a_refusal_shows_who_objects(tmp_path: Path) -> None:
    refusals = [
        {"resource": "SUNW_network/eth1", "information": "eth1 hosts IP addresses: 192.0.2.1"},
        {"resource": "SUNW_ip/192.0.2.1", "information": "Plumbed IP Address"},
    ]
    with detaching(
        tmp_path, detach_prepare=refusing("refused", "eth1 is the last of group web", refusals=refusals)
    ) as b:
        assert run(tmp_path, "-c", "unconfigure", "eth1") == (
            1,
            "",
            (
                "cfgadm: Component system is busy, try again: eth1 is the last of group web\n"
                "     Resource                 Information\n"
                "-----------------  ----------------------------------\n"
                "SUNW_network/eth1  eth1 hosts IP addresses: 192.0.2.1\n"
                "SUNW_ip/192.0.2.1  Plumbed IP Address\n"
            ),
        )
    assert asked(b) == ["transactions", "detach-prepare"]


def test_a_failing_hardware_step_puts_everything_back(tmp_path: Path) -> None:
    for way in ("slot", "auto"):
        with detaching(tmp_path, detach_prepare={**PREPARED, "component": NO_SLOT}) as bed:
            code, out, err = run(tmp_path, "-o", f"hardware={way}", "-c", "unconfigure", "eth1")
        assert (code, out) == (1, "")
        assert err.startswith(
            "cfgadm: Hardware specific failure: /sys/bus/pci/slots/nosuch/power: writing '0' failed: "
        )
        assert err.endswith("; eth1 is as it was before\n")
        assert asked(bed) == ["transactions", "detach-prepare", "detach-rollback"]
        assert bed.requests[1]["hardware"] == way
        assert bed.requests[2]["transaction"] == "t1"
        assert "writing '0' failed" in bed.requests[2]["reason"]


def test_a_failing_commit_puts_everything_back_and_shows_what_differs(tmp_path: Path) -> None:
    with detaching(
        tmp_path,
        detach_commit=refusing("verify", "192.0.2.1 is nowhere"),
        detach_rollback={**ROLLED_BACK, "differences": ["eth1: mtu 1500, was 9000"]},
    ):
        assert run(tmp_path, "-c", "unconfigure", "eth1") == (
            1,
            "",
            "cfgadm: Library error: 192.0.2.1 is nowhere; eth1 was put back, except for: eth1: mtu 1500, was 9000\n",
        )


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        ({"messages": ["it is confirmed, so eth1 stays detached"]}, "it is confirmed, so eth1 stays detached"),
        ({}, "'cfgadm -al' shows how it is now"),  # of an older daemon
    ],
)
def test_what_was_not_put_back_is_not_said_to_be_as_before(tmp_path: Path, answer: Dict[str, Any], end: str) -> None:
    """The commit had arrived, its answer had not."""
    nothing = {**ROLLED_BACK, "changed": False, "rolled_back": False, **answer}
    with detaching(tmp_path, detach_commit=refusing("internal", "lost"), detach_rollback=nothing):
        assert run(tmp_path, "-c", "unconfigure", "eth1") == (1, "", f"cfgadm: Library error: lost; {end}\n")


def test_put_back_with_differences_is_put_back(tmp_path: Path) -> None:
    differs = "rolled back, but not everything is as it was: eth1: mtu"
    with detaching(
        tmp_path, detach_commit=refusing("timeout", "too late"), detach_rollback=refusing("verify", differs)
    ):
        assert run(tmp_path, "-c", "unconfigure", "eth1") == (1, "", f"cfgadm: Library error: too late; {differs}\n")


@pytest.mark.parametrize("function", ["configure", "unconfigure"])
def test_whoever_is_tired_of_waiting_gets_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    def interrupt(*_args: Any, **_more: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(cfgadm.Client, "call", interrupt)
    assert run(tmp_path, "-c", function, "eth1", "eth2") == (
        1,
        "",
        "cfgadm: Configuration operation cancelled: eth1: interrupted; 'cfgadm -al' shows how it is now\n",
    )


def test_a_failing_rollback_is_told(tmp_path: Path) -> None:
    with detaching(tmp_path, detach_commit=refusing("timeout", "too late"), detach_rollback=refusing("internal", "no")):
        assert run(tmp_path, "-c", "unconfigure", "eth1") == (
            1,
            "",
            "cfgadm: Library error: too late; and it could not be put back: no\n",
        )


@pytest.mark.parametrize(
    ("kind", "code", "text"),
    [
        ("busy", 1, "cfgadm: Component system is busy, try again: because\n"),
        ("denied", 1, "cfgadm: Insufficient privileges: because\n"),
        ("unknown", 1, "cfgadm: Attachment point not found: because\n"),
        ("hardware", 1, "cfgadm: Hardware specific failure: because\n"),
        ("timeout", 1, "cfgadm: Library error: because\n"),
        ("state", 3, f"cfgadm: Configuration operation invalid: invalid transition: because\n{cfgadm.USAGE}\n"),
        ("invalid", 3, f"cfgadm: Configuration operation invalid: because\n{cfgadm.USAGE}\n"),
    ],
)
def test_an_error_is_told_in_the_librarys_words_and_its_own(tmp_path: Path, kind: str, code: int, text: str) -> None:
    with detaching(tmp_path, detach_prepare=refusing(kind, "because")):
        assert run(tmp_path, "-c", "unconfigure", "eth1") == (code, "", text)


def test_without_a_daemon_nothing_is_done_not_even_by_force(tmp_path: Path) -> None:
    for argv in (("-l",), ("-f", "-c", "unconfigure", "eth1"), ("-c", "configure", "eth1")):
        code, out, err = run(tmp_path, *argv)
        assert (code, out) == (1, "")
        assert err.startswith("cfgadm: Library error: cannot contact in.mpathd at ")
        assert err.endswith("it is not running; start it with 'systemctl start ipmp'\n")


def test_several_are_done_one_after_another_and_the_first_failure_counts(tmp_path: Path) -> None:
    def pick(args: Dict[str, Any], reply: Reply) -> None:
        if args["component"] == "eth8":
            reply.error("unknown", "there is no eth8")
        else:
            reply.ok(PREPARED)

    with detaching(tmp_path, detach_prepare=pick) as bed:
        code, _out, err = run(tmp_path, "-c", "unconfigure", "eth1", "eth8", "eth2")
    assert (code, err) == (1, "cfgadm: Attachment point not found: there is no eth8\n")
    assert [r["component"] for r in bed.requests if "component" in r] == ["eth1", "eth8", "eth2"]


# --- questions --------------------------------------------------------------------------------------------------------

LOSING = {"detach_query": {"lost": ["192.0.2.1"]}}


def test_n_answers_the_question_and_nothing_is_done(tmp_path: Path) -> None:
    with detaching(tmp_path, **LOSING) as bed:
        assert run(tmp_path, "-f", "-n", "-c", "unconfigure", "eth1") == (
            1,
            "",
            "cfgadm: Configuration operation cancelled: eth1 would lose 192.0.2.1\n",
        )
    assert asked(bed) == ["detach-query"]


def test_where_nothing_would_be_lost_nothing_is_asked(tmp_path: Path) -> None:
    for argv in (("-n",), ("-f", "-n"), ("-f",), ("-f", "-y")):
        with detaching(tmp_path, detach_query={"lost": []}) as bed:
            assert run(tmp_path, *argv, "-c", "unconfigure", "eth1") == (0, "", "")
        assert asked(bed)[-2:] == ["detach-prepare", "detach-commit"]


@pytest.mark.parametrize(("answer", "goes"), [("yes", True), ("y", True), ("no", False), ("", False), ("yess", False)])
def test_on_a_terminal_a_forced_loss_is_asked_about(tmp_path: Path, answer: str, goes: bool) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode() + b"\n")
    code = "import sys; from ipmp.commands.cfgadm import main; sys.exit(main(sys.argv[1:]))"
    with detaching(tmp_path, **LOSING) as bed:
        done = subprocess.run(
            [sys.executable, "-c", code, "-f", "-c", "unconfigure", "eth1"],
            stdin=theirs,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": OURS, "IPMP_ROOT": str(tmp_path)},
        )
    os.close(ours)
    os.close(theirs)
    assert done.stdout == "Detaching eth1 loses 192.0.2.1. Continue (yes/no)? "
    assert done.returncode == (0 if goes else 1), done.stderr
    assert ("detach-commit" in asked(bed)) == goes


@pytest.mark.oracle("T72")
def test_without_a_terminal_force_is_the_answer(tmp_path: Path) -> None:
    code = "import sys; from ipmp.commands.cfgadm import main; sys.exit(main(sys.argv[1:]))"
    with detaching(tmp_path, **LOSING) as bed:
        subprocess.run(
            [sys.executable, "-c", code, "-f", "-c", "unconfigure", "eth1"],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": OURS, "IPMP_ROOT": str(tmp_path)},
            check=True,
        )
    assert asked(bed) == ["transactions", "detach-prepare", "detach-commit"]


# --- configure, and wrong use -----------------------------------------------------------------------------------------


def test_configure_attaches_and_waits(tmp_path: Path) -> None:
    answer = {"changed": True, "moves": [{"address": "192.0.2.1", "from": None, "to": "eth1"}], "messages": ["said"]}
    with serving(str(tmp_path), attach=answer, detach_query={"component": COMPONENT, "wait_timeout": 60.0}) as bed:
        assert run(tmp_path, "-v", "-c", "configure", "0000:00:05::eth1") == (
            0,
            "said\n192.0.2.1 moved from nowhere to eth1\n",
            "",
        )
    assert bed.requests[-1] == {"op": "attach", "component": "eth1", "wait_timeout": 60.0}


def test_configure_puts_back_first_what_was_taken_out(tmp_path: Path) -> None:
    gone = {"component": {**NO_SLOT, "present": False}}
    with serving(str(tmp_path), detach_query=gone) as bed:
        code, out, err = run(tmp_path, "-c", "configure", "eth1")
    assert (code, out) == (1, "")
    assert err.startswith(
        "cfgadm: Hardware specific failure: eth1: /sys/bus/pci/slots/nosuch/power: writing '1' failed"
    )
    assert asked(bed) == ["detach-query"]


@pytest.mark.parametrize(
    ("argv", "code", "text"),
    [
        (("-c", "insert", "eth1"), 2, "Configuration operation not supported: insert;"),
        (("-c", "disconnect", "eth1"), 2, "Configuration operation not supported: disconnect;"),
        (("-x", "reset", "eth1"), 2, "Configuration operation not supported: there is no -x"),
        (("-t", "eth1"), 2, "Configuration operation not supported: there is no -t"),
        (("-c", "explode", "eth1"), 3, "Configuration operation invalid: there is no function explode"),
        (("-c", "unconfigure"), 3, "Configuration operation invalid: -c unconfigure needs an ap_id"),
        (("-y", "-n", "-c", "unconfigure", "eth1"), 3, "Configuration operation invalid: -y and -n exclude"),
        (("-l", "-c", "unconfigure", "eth1"), 3, "Configuration operation invalid: -c and a listing exclude"),
        (("-o", "hardware=axe", "-c", "unconfigure", "eth1"), 3, "Configuration operation invalid: -o takes"),
        (("-o", "speed=9", "-c", "unconfigure", "eth1"), 3, "Configuration operation invalid: -o takes"),
        (("-z",), 3, "option -z not recognized"),
    ],
)
def test_wrong_use_does_nothing(tmp_path: Path, argv: Tuple[str, ...], code: int, text: str) -> None:
    with serving(str(tmp_path)) as bed:
        got, out, err = run(tmp_path, *argv)
    assert (got, out) == (code, "")
    assert err.startswith("cfgadm: " + text), err
    assert (cfgadm.USAGE in err) == (code == 3)
    assert bed.requests == []


def test_help_is_no_error(tmp_path: Path) -> None:
    assert run(tmp_path, "-h") == (0, cfgadm.USAGE + "\n", "")
