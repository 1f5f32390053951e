# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Consumers of a host: their refusal refuses, their failure puts everything back, and no failover waits for them."""

from __future__ import annotations

import json
import threading
import time
from typing import Any, Dict, Iterator, List

import pytest
from bed import Bed, eventually
from cards import at_rest

from ipmp.client import DaemonError, connect, socket_path
from lab import compare, dump

pytestmark = pytest.mark.kernel
A1, B1, C1, D1 = "192.0.2.11", "192.0.2.12", "198.51.100.13", "198.51.100.14"
PAIR: Dict[str, str] = {"hostname.eth1": f"{A1}/24 group g up\n", "hostname.eth2": f"{B1}/24 group g up\n"}
OTHERS: Dict[str, str] = {"hostname.eth3": f"{C1}/24 group h up\n", "hostname.eth4": f"{D1}/24 group h up\n"}
PROGRAM = """#!/bin/sh
case $1 in
{more}
scriptinfo) echo rcm_script_version=1; echo rcm_cmd_timeout=20 ;;
register) echo rcm_resource_name=SUNW_network/eth1; echo rcm_resource_name=SUNW_ip/{lost} ;;
resourceinfo) echo "rcm_resource_usage_info=the backup uses $2" ;;
queryremove|preremove|postremove|undoremove) ;;
*) exit 2 ;;
esac
echo "$1 $2 $RCM_ENV_FORCE" >>/run/told
"""


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=4) as made:
        yield made


def begin(bed: Bed, files: Dict[str, str], more: str = "", lost: str = "192.0.2.99") -> None:
    """A fresh host with one consumer, whose commands ``told`` shows."""
    bed.start(files)
    bed.host.run("rm -f /run/told")
    bed.host.write_file("/etc/ipmp/rcm/acme,backup", PROGRAM.format(more=more, lost=lost), 0o755)


def told(bed: Bed) -> List[str]:
    path = bed.root / "run/told"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in lines if line.split()[0] not in ("scriptinfo", "register")]


def test_a_refusal_refuses_with_its_row_and_nothing_is_touched(bed: Bed) -> None:
    begin(bed, PAIR, "queryremove) echo rcm_failure_reason=it is Monday; exit 3 ;;")
    before = at_rest(bed)
    for force in ((), ("-f", "-y")):
        result = bed.run("cfgadm", *force, "-c", "unconfigure", "eth1")
        assert result.returncode == 1
        lines = result.stderr.splitlines()
        assert lines[0].endswith("acme,backup does not let go of SUNW_network/eth1: it is Monday")
        assert lines[3:] == ["SUNW_network/eth1  the backup uses SUNW_network/eth1"]
    assert told(bed) == ["resourceinfo SUNW_network/eth1 FALSE", "resourceinfo SUNW_network/eth1 TRUE"]
    assert compare(before, dump(bed.host)) == []
    assert bed.call("transactions")["open"] is None
    bed.host.run("rm /etc/ipmp/rcm/acme,backup")
    assert bed.run("cfgadm", "-c", "unconfigure", "eth1").returncode == 0


def test_one_who_agrees_is_told_and_once_more_when_it_is_confirmed(bed: Bed) -> None:
    begin(bed, PAIR, "preremove) ip -br addr show dev eth1 >/run/then ;;")
    transaction = bed.call("detach-prepare", component="eth1", confirm_timeout=60)["transaction"]
    assert A1 in (bed.root / "run/then").read_text()  # it could still use it
    assert told(bed) == ["queryremove SUNW_network/eth1 FALSE", "preremove SUNW_network/eth1 FALSE"]
    bed.call("detach-commit", transaction=transaction)
    bed.call("detach-confirm", transaction=transaction)
    eventually(lambda: told(bed)[2:] == ["postremove SUNW_network/eth1 FALSE"], lambda: told(bed))


def test_a_rollback_tells_it_when_the_addresses_are_home(bed: Bed) -> None:
    begin(bed, PAIR, "undoremove) ip -br addr show dev eth1 >/run/then ;;")
    transaction = bed.call("detach-prepare", component="eth1", confirm_timeout=60)["transaction"]
    assert bed.call("detach-rollback", transaction=transaction)["rolled_back"]
    assert told(bed)[2:] == ["undoremove SUNW_network/eth1 FALSE"]
    assert A1 in (bed.root / "run/then").read_text()


def test_a_failure_after_the_query_puts_everything_back(bed: Bed) -> None:
    begin(bed, PAIR, "preremove) echo rcm_failure_reason=stuck; exit 1 ;;")
    before = at_rest(bed)
    with pytest.raises(DaemonError, match="put back: acme,backup could not let go of SUNW_network/eth1: stuck"):
        bed.call("detach-prepare", component="eth1")
    assert told(bed) == ["queryremove SUNW_network/eth1 FALSE", "undoremove SUNW_network/eth1 FALSE"]
    assert compare(before, dump(bed.host), nexthop_ids=False) == []
    assert bed.call("transactions")["open"] is None


def test_who_uses_an_address_is_asked_only_if_it_would_be_lost(bed: Bed) -> None:
    begin(bed, PAIR, lost=A1)
    bed.host.run("rm -f /run/told")
    assert bed.call("detach-query", component="eth1")["allowed"]
    assert told(bed) == ["queryremove SUNW_network/eth1 FALSE"]
    bed.start({"hostname.eth1": f"{A1}/24 up\n"})
    bed.host.run("rm -f /run/told")
    bed.host.write_file("/etc/ipmp/rcm/acme,backup", PROGRAM.format(more="", lost=A1), 0o755)
    assert bed.call("detach-query", component="eth1", force=True)["allowed"]
    assert told(bed) == ["queryremove SUNW_network/eth1 TRUE", f"queryremove SUNW_ip/{A1} TRUE"]


def test_no_failover_and_no_question_waits_for_one_but_a_second_detach_is_told_so(bed: Bed) -> None:
    begin(bed, {**PAIR, **OTHERS}, "queryremove|preremove) echo $$ >/run/$1; sleep 4 ;;")
    answers: List[Any] = []
    caller = threading.Thread(target=lambda: answers.append(bed.call("detach-prepare", component="eth1")))
    caller.start()
    try:
        for phase, nic, home in (("queryremove", "eth3", "eth4"), ("preremove", "eth4", "eth3")):
            eventually(lambda phase=phase: (bed.root / "run" / phase).exists(), f"it is at {phase}")  # type: ignore[misc]
            start = time.monotonic()
            bed.nic(nic).pull()
            eventually(bed.on(**{home: f"{C1} {D1}"}), "the other group has failed over")
            with pytest.raises(DaemonError) as caught:
                bed.call("detach-prepare", component="eth2")
            assert caught.value.kind == "busy"
            assert caught.value.details["transaction"]
            assert time.monotonic() - start < 3.8
            assert not answers
            bed.nic(nic).plug()
            if phase == "queryremove":
                eventually(bed.on(eth3=C1, eth4=D1), "home")
    finally:
        caller.join(60)
    assert answers[0]["moves"] == [{"address": A1, "from": "eth1", "to": "eth2"}]


def test_a_survivor_that_fails_while_consumers_work_is_seen_in_time(bed: Bed) -> None:
    begin(bed, PAIR, "preremove) touch /run/preremove; sleep 2 ;;")
    bed.host.run("rm -f /run/preremove")
    problems: List[DaemonError] = []

    def ask() -> None:
        try:
            bed.call("detach-prepare", component="eth1")
        except DaemonError as error:
            problems.append(error)

    caller = threading.Thread(target=ask)
    caller.start()
    eventually((bed.root / "run/preremove").exists, "it works")
    bed.nic("eth2").pull()
    caller.join(60)
    assert "no other interface of group g works, and eth1 would be missing" in str(problems[0])
    assert bed.hosting() == {A1: "eth1", B1: "eth1"}
    assert bed.call("transactions")["open"] is None
    assert told(bed)[-1] == "undoremove SUNW_network/eth1 FALSE"


def test_a_caller_who_leaves_while_they_are_asked_has_begun_nothing(bed: Bed) -> None:
    begin(bed, PAIR, "queryremove) touch /run/asked; sleep 1 ;;")
    bed.host.run("rm -f /run/asked")
    before = at_rest(bed)
    process = bed.host.popen(["cfgadm", "-c", "unconfigure", "eth1"])
    eventually((bed.root / "run/asked").exists, "it is asked")
    process.send_signal(9)
    process.wait()
    eventually(lambda: "queryremove SUNW_network/eth1 FALSE" in told(bed), "it has answered")
    eventually(lambda: not _busy(bed), "the host is free again")
    assert compare(before, dump(bed.host)) == []
    assert told(bed) == ["queryremove SUNW_network/eth1 FALSE"]


def _busy(bed: Bed) -> bool:
    try:
        bed.call("attach", component="eth2")
    except DaemonError as error:
        return error.kind == "busy"
    return False


def test_only_root_has_them_asked(bed: Bed) -> None:
    bed.host.run("grep -q ^ipmp: /etc/group || echo ipmp:x:64999: >>/etc/group")
    begin(bed, PAIR, "queryremove) exit 3 ;;")
    code = (
        "import sys; sys.path.insert(0, '/usr/local/lib/ipmp'); from ipmp.client import Client; "
        "print(Client().call('detach-query', component='eth1')['allowed'])"
    )
    reader = ("setpriv", "--reuid=65534", "--regid=ipmp", "--clear-groups")
    assert bed.run(*reader, "python3", "-c", code).stdout == "True\n"
    assert bed.run("python3", "-c", code).stdout == "False\n"
    assert told(bed) == ["resourceinfo SUNW_network/eth1 FALSE"]


def at_once(bed: Bed, *requests: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Each over a connection of its own, all sent before any answer is read; the answers in that order."""
    sockets = [connect(socket_path(str(bed.root)), 60) for _request in requests]
    try:
        for number, (one, request) in enumerate(zip(sockets, requests)):
            one.sendall(json.dumps({"v": 1, "id": number, **request}).encode() + b"\n")
        return [json.loads(one.makefile().readline()) for one in sockets]
    finally:
        for one in sockets:
            one.close()


@pytest.mark.parametrize("asked", [False, True], ids=["alone", "with consumers"])
def test_of_two_detaches_of_a_group_at_one_moment_one_wins(bed: Bed, asked: bool) -> None:
    if asked:
        begin(bed, PAIR, "queryremove|preremove) sleep 0.3 ;;")
    else:
        bed.start(PAIR)
    requests = [{"op": "detach-prepare", "component": name, "force": True} for name in ("eth1", "eth2")]
    before = at_rest(bed)
    answers = at_once(bed, *requests)
    (won,) = (n for n, answer in enumerate(answers) if answer["ok"])
    error = answers[1 - won]["error"]
    name, other = (("eth1", "eth2"), ("eth2", "eth1"))[won]
    assert (error["kind"], error["transaction"]) == ("busy", answers[won]["result"]["transaction"])
    assert [i["state"] for i in bed.status()["interfaces"]] == (["detached", "ok"], ["ok", "detached"])[won]
    assert bed.hosting() == {A1: other, B1: other}
    if asked:
        assert {line.split()[1] for line in told(bed)} == {f"SUNW_network/{name}"} if name == "eth1" else set()
    assert bed.call("detach-rollback")["differences"] == []
    eventually(lambda: compare(before, at_rest(bed), nexthop_ids=False) == [], "it is as before")
