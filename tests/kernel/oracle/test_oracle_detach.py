# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the test oracle about taking components out: what is refused, what moves, what a failed step leaves."""

from __future__ import annotations

import subprocess
from typing import Any, Dict, Iterator, List

import pytest
from bed import Bed, eventually
from cards import Cards, at_rest

from lab import compare, dump

pytestmark = pytest.mark.kernel
A1, B1, C1, E1 = "192.0.2.11", "192.0.2.12", "192.0.2.13", "198.51.100.1"
TA, TB = "192.0.2.111", "192.0.2.112"
TEST = "addif {}/24 deprecated -failover up"
PAIR: Dict[str, str] = {"hostname.eth1": f"{A1}/24 group g up\n", "hostname.eth2": f"{B1}/24 group g up\n"}
PROBED: Dict[str, str] = {
    "hostname.eth1": f"{A1}/24 group g up {TEST.format(TA)}\n",
    "hostname.eth2": f"{B1}/24 group g up {TEST.format(TB)}\n",
}
LONE: Dict[str, str] = {"hostname.eth3": f"{E1}/24 up\n"}
GATEWAY = "[g]\ngateways = 192.0.2.254\n"
FDT = "FAILURE_DETECTION_TIME=700\n"  # a probe each 100 ms
CARD = "00f0:00:05"  # of a PCI domain that no machine has, lest anything happen to its own cards
LAST = "no other interface of group g works, and eth1 would be missing"

SERVER = """
import socket
listener = socket.create_server(("", 7777))
while True:
    peer, _ = listener.accept()
    while data := peer.recv(100):
        peer.sendall(data)
"""
TALKER = """
import socket, sys
peer = socket.create_connection((sys.argv[1], 7777), 5)
peer.settimeout(5)
for line in sys.stdin.buffer:
    peer.sendall(line)
    sys.stdout.buffer.write(peer.makefile("rb").readline())
    sys.stdout.flush()
"""


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=4) as made:
        yield made


def cfgadm(bed: Bed, *argv: str) -> subprocess.CompletedProcess[str]:
    return bed.run("cfgadm", *argv)


def detached(bed: Bed, *argv: str) -> None:
    result = cfgadm(bed, *argv)
    assert (result.returncode, result.stderr) == (0, ""), result


def refused(bed: Bed, *argv: str) -> List[str]:
    """The lines of the message; nothing has happened to the kernel, says dump, nor to any flag."""
    before, flags = at_rest(bed), [(i["name"], i["flags"], i["state"]) for i in bed.status()["interfaces"]]
    result = cfgadm(bed, *argv)
    assert (result.returncode, result.stdout) == (1, ""), result
    assert compare(before, dump(bed.host)) == []
    assert [(i["name"], i["flags"], i["state"]) for i in bed.status()["interfaces"]] == flags
    assert bed.call("transactions")["open"] is None
    return result.stderr.splitlines()


def point(bed: Bed, ap_id: str) -> List[str]:
    """A line of the listing, without its type."""
    words = cfgadm(bed, "-l", ap_id).stdout.splitlines()[1].split()
    return [words[0], *words[2:]]


def rows(lines: List[str]) -> Dict[str, str]:
    """The table: resource -> information."""
    found = [line.split("  ", 1) for line in lines[3:]]
    return {resource.strip(): information.strip() for resource, information in found}


@pytest.mark.oracle("T71")
def test_a_nic_in_no_group_with_an_address_is_refused(bed: Bed) -> None:
    bed.start({**PAIR, **LONE})
    lines = refused(bed, "-c", "unconfigure", "eth3")
    assert lines[0] == (
        "cfgadm: Component system is busy, try again: eth3 is in no group, so its addresses have nowhere to go"
    )
    assert rows(lines) == {"SUNW_network/eth3": f"eth3 hosts IP addresses: {E1}", f"SUNW_ip/{E1}": "Plumbed IP Address"}


@pytest.mark.oracle("T72")
def test_with_force_it_goes(bed: Bed) -> None:
    bed.start({**PAIR, **LONE})
    result = cfgadm(bed, "-f", "-c", "unconfigure", "eth3")
    assert (result.returncode, result.stdout) == (0, f"{E1} is lost: no interface can take it\n")
    assert E1 not in bed.hosting()
    assert "UP" not in bed.run("ip", "link", "show", "eth3").stdout.split(">")[0]
    assert point(bed, "eth3") == ["eth3", "connected", "unconfigured", "unknown"]
    detached(bed, "-c", "configure", "eth3")
    assert bed.hosting()[E1] == "eth3"


@pytest.mark.oracle("T73")
def test_a_nic_in_no_group_without_an_address_may_go(bed: Bed) -> None:
    bed.start(PAIR)
    bed.run("ip", "link", "set", "eth3", "up")
    detached(bed, "-c", "unconfigure", "eth3")
    assert "UP" not in bed.run("ip", "link", "show", "eth3").stdout.split(">")[0]


@pytest.mark.oracle("T74")
def test_a_member_goes_its_address_moves_and_connections_live_on(bed: Bed) -> None:
    bed.start(PROBED, groups=GATEWAY, defaults=FDT)
    proven(bed, "eth2")
    server = bed.host.popen(["python3", "-c", SERVER])
    try:
        with Cards(bed, {f"{CARD}.0": ["eth1"]}):
            pipes: Dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
            talker = eventually(lambda: _talking(bed, pipes), "a connection")
            detached(bed, "-o", "hardware=pci", "-c", "unconfigure", "eth1")
            assert bed.hosting() == {A1: "eth2", B1: "eth2", TB: "eth2"}
            assert bed.run("ip", "link", "show", "eth1").returncode == 1
            assert point(bed, "eth1") == ["eth1", "disconnected", "unconfigured", "unknown"]
            assert bed.log.find("Successfully failed over from NIC eth1 to NIC eth2")
            assert _said(talker, "still there\n") == "still there\n"
            talker.kill()
            talker.wait()
            detached(bed, "-c", "configure", "eth1")
            assert bed.hosting() == {A1: "eth1", TA: "eth1", B1: "eth2", TB: "eth2"}
    finally:
        server.send_signal(9)
        server.wait()


def _talking(bed: Bed, pipes: Dict[str, Any]) -> Any:
    talker = bed.client.popen(["python3", "-c", TALKER, A1], **pipes)
    try:
        if _said(talker, "hello\n") == "hello\n":
            return talker
    except BrokenPipeError:
        pass
    talker.wait()
    return None


def _said(talker: Any, text: str) -> str:
    talker.stdin.write(text)
    talker.stdin.flush()
    return str(talker.stdout.readline())


def proven(bed: Bed, name: str) -> None:
    """A probe through it has been answered."""
    eventually(lambda: any(p["acked"] for p in bed.interface(name)["probing"]), f"a probe of {name} answered")


@pytest.mark.oracle("T75")
def test_the_only_one_that_works_is_refused(bed: Bed) -> None:
    bed.start(PROBED, groups=GATEWAY, defaults=FDT)
    bed.nic("eth2").pull()
    bed.log.wait("NIC failure detected on eth2 of group g")
    eventually(bed.on(eth1=f"{A1} {TA} {B1}"), "all on eth1")
    lines = refused(bed, "-c", "unconfigure", "eth1")
    assert lines[0].endswith(LAST)
    assert rows(lines)["SUNW_network/eth1"] == f"eth1 hosts IP addresses: {A1}, {B1}"
    assert "OFFLINE" not in bed.flags("eth1")


@pytest.mark.oracle("T77")
def test_one_that_has_failed_and_is_empty_goes_without_moves(bed: Bed) -> None:
    bed.start(PAIR)
    bed.nic("eth1").pull()
    eventually(bed.on(eth2=f"{A1} {B1}"), "all on eth2")
    events = bed.events()
    detached(bed, "-v", "-c", "unconfigure", "eth1")
    eventually(lambda: [e for e in events.of("transaction") if e["state"] == "confirmed"], "told")
    events.close()
    assert events.of("move") == []
    assert bed.hosting() == {A1: "eth2", B1: "eth2"}


@pytest.mark.oracle("T78")
def test_a_sibling_that_is_offline_does_not_count_but_one_without_targets_does(bed: Bed) -> None:
    bed.start(PROBED)
    assert bed.interface("eth2")["probe"] == "unknown"
    assert bed.call("detach-query", component="eth1")["allowed"] is True
    assert bed.run("if_mpadm", "-d", "eth2").returncode == 0
    assert refused(bed, "-c", "unconfigure", "eth1")[0].endswith(LAST)
    assert bed.run("if_mpadm", "-r", "eth2").returncode == 0
    eventually(bed.on(eth2=B1), "home")
    detached(bed, "-c", "unconfigure", "eth1")
    assert bed.hosting() == {A1: "eth2", B1: "eth2", TB: "eth2"}


@pytest.mark.oracle("T79")
def test_a_standby_takes_over_and_is_active_then(bed: Bed) -> None:
    bed.start({"hostname.eth1": f"{A1}/24 group g up\n", "hostname.eth2": "group g standby up\n"})
    assert "INACTIVE" in bed.flags("eth2")
    detached(bed, "-c", "unconfigure", "eth1")
    assert bed.hosting() == {A1: "eth2"}
    assert bed.flags("eth2") == ["STANDBY"]


@pytest.mark.oracle("T81")
def test_a_step_that_fails_is_undone_and_told(bed: Bed) -> None:
    bed.start(PROBED, groups=GATEWAY, defaults=FDT)
    proven(bed, "eth2")
    before = at_rest(bed)
    for pages in range(1, 40):  # of room for the journal: some step will be the first that cannot be written down
        bed.host.run(f"mount -t tmpfs -o size={4 * pages}k,nr_inodes=20 full /var/lib/ipmp")
        mark = bed.log.mark()
        result = cfgadm(bed, "-c", "unconfigure", "eth1")
        bed.host.run("umount /var/lib/ipmp")
        assert result.returncode, "every step was done"
        if bed.log.find("Successfully failed over from NIC eth1 to NIC eth2", mark):
            break
    assert "a step failed and everything was put back: the journal cannot be written" in result.stderr
    assert bed.hosting() == {A1: "eth1", TA: "eth1", B1: "eth2", TB: "eth2"}
    eventually(lambda: not compare(before, dump(bed.host), nexthop_ids=False), "the kernel is as before", 10)


@pytest.mark.oracle("T82")
def test_a_card_that_cannot_be_put_back_stays_detached_and_no_address_is_lost(bed: Bed) -> None:
    bed.start(PAIR)
    with Cards(bed, {f"{CARD}.0": ["eth1"], f"{CARD}.1": ["eth3"]}) as cards:
        cards.stuck.add(f"{CARD}.1")
        (bed.root / "sys/bus/pci/rescan").unlink()
        result = cfgadm(bed, "-o", "hardware=pci", "-c", "unconfigure", CARD)
        assert result.returncode == 1
        assert "Hardware specific failure: eth3 did not leave within 10 s" in result.stderr
        assert "it could not be put back" in result.stderr
        assert "/sys/bus/pci/rescan: writing '1' failed" in result.stderr
        assert bed.hosting() == {A1: "eth2", B1: "eth2"}
        assert bed.interface("eth1")["state"] == "detached"
        assert bed.call("transactions")["open"] is None


@pytest.mark.oracle("T83", deviates="the query makes the real check and says no, so that no prepared step is in vain")
def test_a_query_touches_nothing_and_tells_the_truth(bed: Bed) -> None:
    bed.start(PAIR)
    before = at_rest(bed)
    query = bed.call("detach-query", component="eth1")
    assert (query["allowed"], query["moves"]) == (True, [{"address": A1, "from": "eth1", "to": "eth2"}])
    assert compare(before, dump(bed.host)) == []
    bed.nic("eth2").pull()
    eventually(bed.on(eth1=f"{A1} {B1}"), "all on eth1")
    before = at_rest(bed)
    query = bed.call("detach-query", component="eth1")
    assert (query["allowed"], query["warnings"]) == (False, [LAST])
    assert compare(before, dump(bed.host)) == []


@pytest.mark.oracle("T84", deviates="without a daemon it is refused, forced or not, for nobody can say what is safe")
def test_without_a_daemon_it_is_refused(bed: Bed) -> None:
    bed.start(PAIR)
    bed.stop()
    before = at_rest(bed)
    for options in ((), ("-f",)):
        result = cfgadm(bed, *options, "-c", "unconfigure", "eth1")
        assert (result.returncode, result.stdout) == (1, "")
        assert "cannot contact in.mpathd" in result.stderr
    assert compare(before, dump(bed.host)) == []


@pytest.mark.oracle("T86")
@pytest.mark.parametrize("force", [(), ("-f", "-y")])
def test_what_is_built_on_the_nic_is_in_the_way(bed: Bed, force: List[str]) -> None:
    bed.start(PAIR)
    bed.run("ip", "link", "add", "link", "eth1", "name", "mv7", "type", "macvlan")
    bed.run("ip", "link", "add", "br7", "type", "bridge")
    bed.run("ip", "link", "set", "eth3", "master", "br7")
    try:
        lines = refused(bed, *force, "-c", "unconfigure", "eth1")
        assert lines[0].endswith("mv7 is built on eth1 and would be destroyed; remove it first")
        assert rows(lines) == {"SUNW_network/eth1": "mv7 is built on eth1"}
        lines = refused(bed, *force, "-c", "unconfigure", "eth3")
        assert lines[0].endswith("eth3 belongs to br7; take it out of there first")
    finally:
        bed.run("ip", "link", "del", "mv7")
        bed.run("ip", "link", "del", "br7")


TRIO: Dict[str, str] = {**PAIR, "hostname.eth3": f"{C1}/24 group g up\n"}


@pytest.mark.oracle("T87")
def test_a_card_with_two_members_goes_to_the_third_without_a_stop_between(bed: Bed) -> None:
    bed.start(TRIO)
    with Cards(bed, {f"{CARD}.0": ["eth1", "eth2"]}):
        events = bed.events()
        detached(bed, "-o", "hardware=pci", "-c", "unconfigure", CARD)
        assert bed.hosting() == {A1: "eth3", B1: "eth3", C1: "eth3"}
        told = [move for event in events.of("move") for move in event["moves"]]
        assert told == [{"address": ip, "from": nic, "to": "eth3"} for ip, nic in ((A1, "eth1"), (B1, "eth2"))]
        assert [bed.nic(name).present for name in ("eth1", "eth2")] == [False, False]
        detached(bed, "-c", "configure", CARD)
        events.close()
    assert bed.hosting() == {A1: "eth1", B1: "eth2", C1: "eth3"}


@pytest.mark.oracle("T89")
def test_one_objection_is_enough_for_the_whole_card(bed: Bed) -> None:
    bed.start({**PAIR, **LONE})
    with Cards(bed, {f"{CARD}.0": ["eth1"], f"{CARD}.1": ["eth3"]}):
        events = bed.events()
        lines = refused(bed, "-o", "hardware=pci", "-c", "unconfigure", CARD)
        events.close()
    assert set(rows(lines)) == {"SUNW_network/eth3", f"SUNW_ip/{E1}"}
    assert events.of("move", "transaction") == []


@pytest.mark.oracle("T90")
def test_with_force_the_card_goes_and_what_can_be_saved_is(bed: Bed) -> None:
    bed.start({**PAIR, **LONE})
    with Cards(bed, {f"{CARD}.0": ["eth1"], f"{CARD}.1": ["eth3"]}, slots={"7": CARD}) as cards:
        result = cfgadm(bed, "-f", "-o", "hardware=auto", "-c", "unconfigure", "7")
        assert (result.returncode, result.stderr) == (0, "")
        assert cards.written == [("bus/pci/slots/7/power", "0")]
        assert bed.hosting() == {A1: "eth2", B1: "eth2"}
        detached(bed, "-c", "configure", "7")
        assert bed.hosting() == {A1: "eth1", B1: "eth2", E1: "eth3"}


@pytest.mark.oracle("T92")
def test_whoever_is_named_first_the_end_is_the_same(bed: Bed) -> None:
    ends = []
    for name, files in (
        ("eth1", TRIO),
        ("eth2", TRIO),
        (f"{CARD}.0", TRIO),
        ("eth2", {"hostname.eth1": TRIO["hostname.eth2"], "hostname.eth2": TRIO["hostname.eth1"], **_third()}),
    ):
        bed.start(files)
        with Cards(bed, {f"{CARD}.0": ["eth1", "eth2"]}):
            detached(bed, "-o", "hardware=driver", "-c", "unconfigure", name)
            together = bed.call("transactions")["history"][0]["interfaces"]
            ends.append((bed.hosting(), together, [bed.nic(n).present for n in ("eth1", "eth2", "eth3")]))
            detached(bed, "-c", "configure", name)
    assert ends == [({A1: "eth3", B1: "eth3", C1: "eth3"}, ["eth1", "eth2"], [False, False, True])] * 4


def _third() -> Dict[str, str]:
    return {"hostname.eth3": TRIO["hostname.eth3"]}
