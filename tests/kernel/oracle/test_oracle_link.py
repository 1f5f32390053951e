# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the test oracle about carrier: who fails, what moves where, how it comes home. On taps, since cards are so.

The conventions are the reference's: group g of a, b (and c), which are eth1, eth2, eth3 here.
"""

from __future__ import annotations

import itertools
import json
import signal
import socket
import threading
import time
from typing import Iterator, List

import pytest
from bed import Bed, eventually
from capture import ARP, TCP, Capture, Frame, inside

from lab import Host

pytestmark = pytest.mark.kernel
A1, B1, A6, TA, TB = "192.0.2.11", "192.0.2.12", "2001:db8::11", "192.0.2.111", "192.0.2.112"
LINK_ONLY = {"hostname.eth1": f"{A1}/24 group g up\n", "hostname.eth2": f"{B1}/24 group g up\n"}
GATEWAY = "[g]\ngateways = 192.0.2.254\n"
DOWN, UP = "The link has gone down on {}", "The link has come up on {}"
FAILED, REPAIRED = "NIC failure detected on {} of group g", "NIC repair detected on {} of group g"
OVER, BACK = "Successfully failed over from NIC {} to NIC {}", "Successfully failed back to NIC {}"


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=3, kind="tap") as made:
        yield made


@pytest.mark.oracle("T12")
@pytest.mark.parametrize("detection_time", [100, 60000])
def test_carrier_loss_is_a_failure_at_once_whatever_the_detection_time(bed: Bed, detection_time: int) -> None:
    bed.start(LINK_ONLY, groups=GATEWAY, defaults=f"FAILURE_DETECTION_TIME={detection_time}\n")
    begin = time.monotonic()
    bed.nic("eth1").pull()
    told = bed.log.wait(OVER.format("eth1", "eth2"))
    assert bed.log.texts()[-3:] == [DOWN.format("eth1"), FAILED.format("eth1"), OVER.format("eth1", "eth2")]
    assert told.at - begin < 1.0
    assert "FAILED" in bed.flags("eth1")
    assert bed.hosting() == {A1: "eth2", B1: "eth2"}


@pytest.mark.oracle("T15")
def test_a_link_that_is_down_at_start_is_failed_over_in_the_first_scan(bed: Bed) -> None:
    bed.start(LINK_ONLY)
    assert bed.hosting() == {A1: "eth1", B1: "eth2"}
    bed.stop(signal.SIGKILL)
    bed.nic("eth1").pull()
    bed.host.run("rm -r /var/lib/ipmp /run/ipmp")  # a boot: nobody has seen this link before
    bed.run_daemon()
    assert bed.hosting() == {A1: "eth2", B1: "eth2"}
    wanted = [DOWN.format("eth1"), FAILED.format("eth1"), OVER.format("eth1", "eth2")]
    eventually(lambda: bed.log.only(wanted) == wanted, bed.log.texts)


@pytest.mark.oracle("T32")
def test_a_failed_standby_is_passed_over(bed: Bed) -> None:
    bed.start({**LINK_ONLY, "hostname.eth3": "group g standby up\n"})
    bed.nic("eth3").pull()
    bed.log.wait(FAILED.format("eth3"))
    bed.nic("eth1").pull()
    bed.log.wait(OVER.format("eth1", "eth2"))
    assert bed.hosting() == {A1: "eth2", B1: "eth2"}


@pytest.mark.oracle("T35")
def test_the_data_address_leaves_the_nic_and_the_test_address_stays(bed: Bed) -> None:
    test = "addif {}/24 deprecated -failover up"
    bed.start(
        {
            "hostname.eth1": f"{A1}/24 group g up {test.format(TA)}\n",
            "hostname.eth2": f"{B1}/24 group g up {test.format(TB)}\n",
        },
        groups=GATEWAY,
    )
    assert {A1, TA} <= set(bed.held("eth1"))
    bed.nic("eth1").pull()
    bed.log.wait(OVER.format("eth1", "eth2"))
    assert [ip for ip in bed.held("eth1") if ":" not in ip] == [TA]
    assert {A1, B1, TB} <= set(bed.held("eth2"))
    assert (bed.address(TA)["state"], bed.address(TA)["interface"]) == ("up", "eth1")


@pytest.mark.oracle("T36")
def test_a_data_address_that_is_down_moves_and_stays_down(bed: Bed) -> None:
    idle = "192.0.2.13"
    bed.start({**LINK_ONLY, "hostname.eth1": f"{A1}/24 group g up\naddif {idle}/24 down\n"})

    def seen() -> List[str]:
        return [bed.address(idle)["interface"], bed.address(idle)["state"]]

    assert seen() == ["eth1", "down"]
    bed.nic("eth1").pull()
    bed.log.wait(OVER.format("eth1", "eth2"))
    assert seen() == ["eth2", "down"]
    assert bed.hosting() == {A1: "eth2", B1: "eth2"}
    bed.nic("eth1").plug()
    bed.log.wait(BACK.format("eth1"))
    assert seen() == ["eth1", "down"]
    assert bed.hosting() == {A1: "eth1", B1: "eth2"}


@pytest.mark.oracle("T37")
def test_a_global_ipv6_address_moves_and_a_link_local_one_does_not(bed: Bed) -> None:
    bed.start({**LINK_ONLY, "hostname6.eth1": f"group g up addif {A6}/64 up\n", "hostname6.eth2": "group g up\n"})

    def local(nic: str) -> List[str]:
        return [ip for ip in bed.held(nic) if ip.startswith("fe80")]

    eventually(lambda: local("eth1") and local("eth2"), "link-local addresses")
    before = local("eth1"), local("eth2")
    assert A6 in bed.held("eth1")
    bed.nic("eth1").pull()
    bed.log.wait(OVER.format("eth1", "eth2"))
    assert A6 in bed.held("eth2") and A6 not in bed.held("eth1")
    assert (local("eth1"), local("eth2")) == before


class Talk:
    """A TCP connection from the client to a data address of the host: a word each 10 ms, and its echo."""

    def __init__(self, bed: Bed, address: str, port: int = 4711) -> None:
        with inside(bed.host):
            self._listener = socket.create_server((address, port))
        with inside(bed.client):
            self._socket = socket.create_connection((address, port), 10)
        self._server, _ = self._listener.accept()
        self._end = threading.Event()
        self.said = 0
        self.problem: List[BaseException] = []
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._answer, self._speak)]
        for thread in self._threads:
            thread.start()

    def _answer(self) -> None:
        while word := self._server.recv(64):
            self._server.sendall(word)

    def _speak(self) -> None:
        try:
            while not self._end.wait(0.01):
                word = self.said.to_bytes(8, "big")
                self._socket.sendall(word)
                heard = b""
                while len(heard) < len(word):
                    heard += self._socket.recv(64) or b"the connection has ended"
                assert heard == word
                self.said += 1
        except (OSError, AssertionError) as problem:
            self.problem.append(problem)

    def close(self) -> None:
        """End the connection."""
        self._end.set()
        self._threads[1].join(15)
        for one in (self._socket, self._server, self._listener):
            one.close()


@pytest.mark.oracle("T38")
def test_a_tcp_connection_survives_failover_and_failback(bed: Bed) -> None:
    bed.start(LINK_ONLY, defaults="FAILURE_DETECTION_TIME=1000\n")
    with Capture(bed.client, "c0") as seen:
        talk = Talk(bed, A1)
        try:
            time.sleep(0.3)
            bed.nic("eth1").pull()
            eventually(bed.on(eth2=A1), "failed over")
            time.sleep(0.5)
            bed.nic("eth1").plug()
            eventually(bed.on(eth1=A1), "failed back")
            begin, said = time.time(), talk.said
            eventually(lambda: talk.said > said + 20, "it still talks")
        finally:
            talk.close()
    assert talk.problem == []
    heard = seen.all(lambda f: f.protocol == TCP and f.source == A1 and not f.outgoing and len(f.payload) > 20)
    stamps = [f.at for f in heard if f.at < begin]
    assert max(later - sooner for sooner, later in zip(stamps, stamps[1:])) < 3.0
    asked = [f.destination_mac for f in seen.all(lambda f: f.protocol == TCP and f.outgoing)]
    assert [mac for mac, _ in itertools.groupby(asked)] == [bed.nic(name).mac for name in ("eth1", "eth2", "eth1")]
    flags = [f.payload[13] for f in seen.all(lambda f: f.protocol == TCP)]
    assert len([f for f in flags if f & 0x02]) == 2  # SYN: one connection
    assert [f for f in flags if f & 0x04] == []  # RST


def neighbour(host: Host, address: str) -> str:
    """The MAC that a host's kernel has in its ARP or neighbour cache for the address."""
    rows = json.loads(host.run(["ip", "-j", "neigh", "show", address]).stdout or "[]")
    return "".join(row.get("lladdr", "") for row in rows)


@pytest.mark.oracle("T39")
@pytest.mark.parametrize("address", [A1, A6])
def test_a_peers_cache_follows_within_a_second(bed: Bed, address: str) -> None:
    bed.start({**LINK_ONLY, "hostname6.eth1": f"group g up addif {A6}/64 up\n", "hostname6.eth2": "group g up\n"})
    mac = {name: bed.nic(name).mac for name in ("eth1", "eth2")}
    ping = ["ping", "-c", "1", "-W", "1", address]
    eventually(lambda: bed.client.run(ping, check=False).returncode == 0, "the address answers")
    assert neighbour(bed.client, address) == mac["eth1"]
    with Capture(bed.client, "c0") as seen:

        def told(by: str) -> Frame:
            return seen.wait(lambda f: not f.outgoing and f.announces == address and f.source_mac == mac[by], begin)

        for act, host in ((bed.nic("eth1").pull, "eth2"), (bed.nic("eth1").plug, "eth1")):
            begin = time.time()
            act()
            frame = told(host)
            eventually(lambda mac=mac[host]: neighbour(bed.client, address) == mac, "the cache follows", 1.0)  # type: ignore[misc]
            line = bed.log.wait(OVER.format("eth1", "eth2") if host == "eth2" else BACK.format("eth1"))
            assert abs(frame.at - time.time() - (line.at - time.monotonic())) < 1.0
            assert bool(frame.kind == ARP) == (":" not in address)


@pytest.mark.oracle(
    "T46",
    deviates="an exchange of frames must show first that the path works, since a switch port may forward long after "
    "its link is up; after that at once",
)
def test_without_test_addresses_carrier_and_a_path_are_a_repair_at_once(bed: Bed) -> None:
    bed.start(LINK_ONLY, groups=GATEWAY)
    nic = bed.nic("eth1")
    nic.pull()
    bed.log.wait(OVER.format("eth1", "eth2"))
    mark, begin = bed.log.mark(), time.monotonic()
    nic.plug()
    assert bed.log.wait(BACK.format("eth1"), mark).at - begin < 2.0
    wanted = [UP.format("eth1"), REPAIRED.format("eth1"), BACK.format("eth1")]
    assert bed.log.only(wanted, mark) == wanted
    assert bed.hosting() == {A1: "eth1", B1: "eth2"}
    nic.pull()
    bed.log.wait(OVER.format("eth1", "eth2"), mark)
    mark = bed.log.mark()
    nic.delay_forwarding(1.0)
    try:
        begin = time.monotonic()
        nic.plug()
        assert bed.log.wait(REPAIRED.format("eth1"), mark).at - begin > 1.0
    finally:
        nic.delay_forwarding(0)


@pytest.mark.oracle("T50")
def test_without_failback_a_nic_with_a_usable_address_of_its_own_is_not_inactive(bed: Bed) -> None:
    bed.start(
        {**LINK_ONLY, "hostname.eth1": f"{A1}/24 group g up addif {TA}/24 -failover up\n"},
        groups=GATEWAY,
        defaults="FAILBACK=no\nFAILURE_DETECTION_TIME=1000\n",
    )
    bed.nic("eth1").pull()
    bed.log.wait(OVER.format("eth1", "eth2"))
    bed.nic("eth1").plug()
    bed.log.wait(REPAIRED.format("eth1"))
    eventually(lambda: "FAILED" not in bed.flags("eth1"), "no longer FAILED", 5)
    assert bed.hosting() == {A1: "eth2", B1: "eth2", TA: "eth1"}
    assert "INACTIVE" not in bed.flags("eth1")


@pytest.mark.oracle(
    "T52", deviates="a group of which every link is down is logged as failed, whether its members probe or not"
)
def test_a_group_without_any_carrier_moves_nothing_and_the_first_link_serves(bed: Bed) -> None:
    bed.start(LINK_ONLY)
    bed.nic("eth1").pull()
    bed.log.wait(OVER.format("eth1", "eth2"))
    bed.nic("eth2").pull()
    bed.log.wait("All Interfaces in group g have failed")
    assert bed.log.find(FAILED.format("eth2"))
    assert bed.hosting() == {A1: "eth2", B1: "eth2"}
    assert bed.log.find(OVER.format("eth2", "eth1")) is None
    mark = bed.log.mark()
    bed.nic("eth1").plug()
    eventually(bed.on(eth1=f"{A1} {B1}"), "both on the first that is back")
    wanted = [REPAIRED.format("eth1"), "At least 1 interface (eth1) of group g has repaired"]
    assert bed.log.only(wanted, mark) == wanted
