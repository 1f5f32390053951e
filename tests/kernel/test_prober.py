# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The prober on real NICs: what it sends and where, whom it believes, and that nothing holds it up."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import pytest
from namespaces import Cable, Namespace, eventually
from oracle.capture import Frame
from probe_link import ICMP, ICMP6, PEER, TESTS, Eye, answer_to, link_local, prepare

from ipmp import icmp, probing
from ipmp.health import Note
from ipmp.prober import Prober
from ipmp.probing import Finding, Instance, Orders, ProbeSource, Router, Seen, Verdict, Watched, WatchedGroup

pytestmark = pytest.mark.kernel
ENOUGH = 8  # false answers: on a busy machine some are on their way when the NIC has failed


class Subject:
    """A prober with its findings; ``orders`` gives it NICs to probe."""

    def __init__(self) -> None:
        self.bell = threading.Event()
        self.prober = Prober(self.bell.set)
        self.found: List[Finding] = []

    def orders(
        self,
        nics: Sequence[Cable],
        *,
        v4: bool = True,
        v6: Sequence[str] = (),
        routers: Sequence[str] = (PEER,),
        fdt: int = 350,
        own: Sequence[str] = (),
    ) -> None:
        """Probe these NICs of one group; ``v6`` are their link-local addresses."""
        watched = []
        for number, nic in enumerate(nics):
            tests = [ProbeSource(TESTS[nic.name], 24)] if v4 else []
            tests += [ProbeSource(v6[number], 64)] if v6 else []
            watched.append(Watched(nic.name, nic.ifindex, True, True, False, tuple(tests)))
        group = WatchedGroup("g", fdt, tuple(watched), (), tuple(Router(ip) for ip in routers))
        self.prober.assign(Orders((group,), frozenset([*TESTS.values(), *own])))

    def instance(self, nic: str = "m0", family: int = 4) -> Optional[Instance]:
        """What status shows of it; None while it is not probed."""
        for watch in self.prober.snapshot().watches:
            for instance in watch.instances:
                if (watch.nic, instance.family) == (nic, family):
                    return instance
        return None

    def acked(self, nic: str = "m0", family: int = 4) -> int:
        instance = self.instance(nic, family)
        return instance.acked if instance else 0

    def lost(self, nic: str = "m0") -> int:
        instance = self.instance(nic)
        assert instance is not None
        return instance.lost

    def unknown(self, nic: str = "m0") -> int:
        instance = self.instance(nic)
        assert instance is not None
        return instance.unknown

    def more(self, count: int = 3, nic: str = "m0", family: int = 4) -> bool:
        """Waits for that many more acknowledgements."""
        before = self.acked(nic, family)
        return eventually(lambda: self.acked(nic, family) >= before + count)

    def findings(self) -> List[Finding]:
        """All so far."""
        self.found += self.prober.findings()
        return self.found

    def notes(self) -> List[str]:
        return [finding.text for finding in self.findings() if isinstance(finding, Note)]

    def verdicts(self) -> List[Tuple[str, str]]:
        return [(finding.kind, finding.name) for finding in self.findings() if isinstance(finding, Verdict)]

    def seen(self) -> List[Seen]:
        return [finding for finding in self.findings() if isinstance(finding, Seen)]


@pytest.fixture
def link(host: Namespace, peer: Namespace, nics: List[Cable]) -> Namespace:
    """The peer as the switch that both NICs hang on, and as the host 192.0.2.1 behind it."""
    prepare(host, peer, nics)
    return peer


@pytest.fixture
def eyes(link: Namespace, nics: List[Cable]) -> Iterator[Dict[str, Eye]]:
    made = {nic.name: Eye(link, nic) for nic in nics}
    yield made
    for eye in made.values():
        eye.close()


@pytest.fixture
def subject(link: Namespace) -> Iterator[Subject]:
    made = Subject()
    yield made
    made.prober.close()


def ignore_pings(peer: Namespace) -> None:
    peer.run("sysctl", "-q", "-w", "net.ipv4.icmp_echo_ignore_all=1", "net.ipv6.icmp.echo_ignore_all=1")


# ---- what it sends


def test_probes_leave_with_ttl_1_from_the_test_address_through_their_own_nic_only(
    host: Namespace, link: Namespace, nics: List[Cable], eyes: Dict[str, Eye], subject: Subject
) -> None:
    v6 = [link_local(host, nic.name) for nic in nics]
    subject.orders(nics, v6=v6, routers=[PEER, link_local(link, "sw")])
    for nic in nics:
        for family in (4, 6):
            assert subject.more(5, nic.name, family), subject.prober.snapshot()
    for number, nic in enumerate(nics):
        requests = eyes[nic.name].requests()
        assert {f.source for f in requests} == {TESTS[nic.name], v6[number]}
        assert {f.source_mac for f in requests} == {host.mac(nic.name)}
        assert {f.ttl for f in requests} == {1}
        assert {f.target for f in requests} == {PEER, link_local(link, "sw")}
        assert len({f.identifier for f in requests}) == 1
        nonces = [f.payload[8:16] for f in requests]
        assert len(set(nonces)) == len(nonces) >= 10
        first = [f.sequence for f in requests if f.source == TESTS[nic.name]]
        assert first == list(range(first[0], first[0] + len(first))), "a counter of its own"
    for nic in nics:
        shown = subject.instance(nic.name)
        assert shown is not None and (shown.lost, shown.unknown) == (0, 0)
        assert shown.test_address == TESTS[nic.name]
    assert subject.verdicts() == []


def test_a_gateways_route_that_covers_the_targets_leads_no_probe_astray(
    host: Namespace, link: Namespace, nics: List[Cable], eyes: Dict[str, Eye], subject: Subject
) -> None:
    host.ip("addr add 198.51.100.10/24 dev m0", "route add default via 198.51.100.1 dev m0")
    host.ip("route add 192.0.2.0/24 via 198.51.100.1 dev m0")
    subject.orders(nics[:1])
    assert subject.more()
    assert [f for f in eyes["m0"].frames() if f.target == "198.51.100.1"] == []


def test_all_hosts_are_asked_where_there_is_no_router_and_one_that_answers_is_probed(
    host: Namespace, link: Namespace, nics: List[Cable], eyes: Dict[str, Eye], subject: Subject
) -> None:
    host.run("sysctl", "-q", "-w", "net.ipv4.icmp_echo_ignore_broadcasts=0")  # we would answer, and must not hear it
    v6 = [link_local(host, nic.name) for nic in nics]
    far = link_local(link, "sw")
    subject.orders(nics[:1], v6=v6, routers=(), own=v6)
    assert subject.more(3, family=6)
    assert subject.acked() == 0, "Linux does not answer pings to all"
    link.run("sysctl", "-q", "-w", "net.ipv4.icmp_echo_ignore_broadcasts=0")
    assert subject.more(3, family=4)
    for family, target in ((4, PEER), (6, far)):
        shown = subject.instance(family=family)
        assert shown is not None and (shown.mode, shown.targets) == ("multicast", (target,))
    requests = eyes["m0"].requests()
    assert {f.target for f in requests} == {"224.0.0.1", "ff02::1", PEER, far}
    assert {f.ttl for f in requests} == {1}
    assert {f.source for f in requests} == {TESTS["m0"], v6[0]}
    assert eyes["m1"].requests() == []


# ---- what it hears


def test_the_round_trip_ends_when_the_kernel_has_the_answer_not_when_we_read_it(
    link: Namespace, nics: List[Cable], subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject.prober.watch(True)
    subject.orders(nics[:1])
    assert subject.more()
    subject.findings().clear()
    drain = subject.prober._drain
    monkeypatch.setattr(subject.prober, "_drain", lambda: (time.sleep(0.02), drain())[1])
    assert subject.more(10)
    answered = [seen for seen in subject.seen() if seen.state == "acked" and seen.received and seen.processed][1:]
    trips = [seen.received - seen.sent for seen in answered]
    assert min(trips) >= 0
    assert sorted(trips)[len(trips) // 2] < 5e6, "ns"
    assert min(seen.processed - seen.started for seen in answered) > 20e6
    assert abs(answered[-1].sent - time.time_ns()) < 60e9, "unix time"


def without_nonce(request: Frame) -> bytes:
    return answer_to(request, nonce=b"\xa5" * 8)


def from_another(request: Frame) -> bytes:
    return answer_to(request, source="192.0.2.77")


def with_options(request: Frame) -> bytes:
    return answer_to(request, extra=b"\1\1\1\1")


def of_another_daemon(request: Frame) -> bytes:
    return answer_to(request, identifier=bytes([request.payload[4] ^ 1, request.payload[5]]))


@pytest.mark.parametrize(
    ("forge", "counted"),
    [(without_nonce, True), (from_another, True), (with_options, False), (of_another_daemon, False)],
)
def test_a_forger_on_the_link_keeps_no_dead_nic_alive(
    forge: Callable[[Frame], bytes],
    counted: bool,
    link: Namespace,
    nics: List[Cable],
    eyes: Dict[str, Eye],
    subject: Subject,
) -> None:
    """It sees every probe and answers at once, with all right but one thing."""
    subject.orders(nics[:1])
    assert subject.more()
    ignore_pings(link)
    time.sleep(0.1)
    before, strange = subject.acked(), subject.unknown()
    heard = witness(nics[0])
    eyes["m0"].frames()
    forged = 0

    def go_on() -> bool:
        nonlocal forged
        for request in eyes["m0"].requests():
            eyes["m0"].send(forge(request))
            forged += 1
        return forged >= ENOUGH

    assert eventually(lambda: go_on() and subject.verdicts(), 20) == [("nic-failed", "m0")]
    assert subject.acked() == before
    assert (subject.unknown() >= strange + 3) == counted
    assert len(packets(heard)) >= 4, "the kernel did take the forgeries"


def test_an_honest_answer_of_our_own_making_is_believed(
    link: Namespace, nics: List[Cable], eyes: Dict[str, Eye], subject: Subject
) -> None:
    """What the forgeries differ from: else they could be refused for any reason."""
    subject.orders(nics[:1])
    assert subject.more()
    ignore_pings(link)
    time.sleep(0.1)
    before = subject.acked()
    assert eventually(lambda: answered(eyes["m0"], answer_to) and subject.acked() >= before + 5)
    assert subject.verdicts() == []


def test_a_flood_of_forgeries_hides_no_answer_and_does_not_fill_the_log(
    link: Namespace, nics: List[Cable], eyes: Dict[str, Eye], subject: Subject
) -> None:
    subject.orders(nics)
    assert subject.more() and subject.more(nic="m1")
    before = subject.acked()
    flooded = 0

    def flood() -> bool:
        nonlocal flooded
        for request in eyes["m0"].requests():
            for _ in range(100):
                eyes["m0"].send(without_nonce(request))
            flooded += 100
        return subject.acked() > before + 20

    assert eventually(flood)
    assert eventually(lambda: subject.unknown() >= flooded / 2 >= 500)
    assert (subject.lost(), subject.lost("m1"), subject.verdicts()) == (0, 0, [])
    assert 1 <= len(subject.notes()) <= 10, "one a second at most"


def test_a_replayed_answer_counts_once(
    link: Namespace, nics: List[Cable], eyes: Dict[str, Eye], subject: Subject
) -> None:
    subject.orders(nics[:1])
    assert subject.more()
    replay = [f.data for f in eyes["m0"].frames() if f.echo_reply and f.outgoing]
    ignore_pings(link)
    time.sleep(0.1)
    before = subject.acked()

    def send_all() -> bool:
        for frame in replay if eyes["m0"].requests() else ():
            eyes["m0"].send(frame)
        return True

    assert eventually(lambda: send_all() and subject.verdicts(), 20) == [("nic-failed", "m0")]
    assert subject.acked() == before
    assert subject.unknown() >= len(replay)
    assert any("Duplicate" in note for note in subject.notes())


def test_an_answer_that_comes_in_through_another_nic_is_not_heard(
    host: Namespace, link: Namespace, nics: List[Cable], eyes: Dict[str, Eye], subject: Subject
) -> None:
    subject.orders(nics)
    assert subject.more() and subject.more(nic="m1")
    ignore_pings(link)
    time.sleep(0.1)
    before, heard, other = subject.acked(), witness(nics[1]), host.mac("m1")
    strayed = 0

    def astray() -> bool:
        nonlocal strayed
        for request in eyes["m0"].requests():
            eyes["m1"].send(answer_to(request, mac=other))
            strayed += 1
        answered(eyes["m1"], answer_to)  # m1 itself works
        return strayed >= ENOUGH

    assert eventually(lambda: astray() and subject.verdicts(), 20) == [("nic-failed", "m0")]
    assert subject.acked() == before
    wrong = [p for p in packets(heard) if p[16:20] == socket.inet_aton(TESTS["m0"])]
    assert len(wrong) >= 4, "the kernel did take them, from m1"


def test_ipv6_answers_with_a_routing_header_are_not_heard(
    host: Namespace, link: Namespace, nics: List[Cable], eyes: Dict[str, Eye], subject: Subject
) -> None:
    v6 = [link_local(host, "m0")]
    subject.orders(nics[:1], v4=False, v6=v6, routers=[link_local(link, "sw")])
    assert subject.more(family=6)
    ignore_pings(link)
    time.sleep(0.1)
    before = subject.acked(family=6)
    assert eventually(lambda: answered(eyes["m0"], answer_to) and subject.acked(family=6) >= before + 3)
    before, heard = subject.acked(family=6), witness(nics[0], socket.AF_INET6)
    passed = bytes([ICMP6, 2, 0, 0]) + bytes(4) + socket.inet_pton(socket.AF_INET6, "fe80::9")  # none is left to go to
    assert eventually(
        lambda: answered(eyes["m0"], lambda request: answer_to(request, extra=passed)) and subject.verdicts(), 20
    ) == [("nic-failed", "m0")]
    assert subject.acked(family=6) == before
    assert len(packets(heard)) >= 4, "the kernel did take them"


def answered(eye: Eye, answer: Callable[[Frame], bytes]) -> bool:
    """Answers the requests that have come since the last time."""
    for request in eye.requests():
        eye.send(answer(request))
    return True


def witness(nic: Cable, family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
    """Hears all ICMP that the kernel takes on a NIC."""
    heard = socket.socket(family, socket.SOCK_RAW, ICMP if family == socket.AF_INET else ICMP6)
    heard.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, nic.name.encode())
    heard.setblocking(False)
    return heard


def packets(heard: socket.socket) -> List[bytes]:
    """The echo replies that a witness heard."""
    taken: List[bytes] = []
    try:
        while True:
            packet = heard.recv(2048)
            if packet[20 if heard.family == socket.AF_INET else 0 :][:1] in (b"\0", b"\x81") or packet[:1] == b"\x46":
                taken.append(packet)
    except BlockingIOError:
        return taken
    finally:
        heard.close()


def test_a_socket_hears_its_own_answers_only(host: Namespace, link: Namespace, nics: List[Cable]) -> None:
    with icmp.open_socket(nics[0].ifindex, TESTS["m0"], 7) as mine:
        for identifier in (6, 7):
            with icmp.open_socket(nics[0].ifindex, TESTS["m0"], identifier) as asking:
                echo = icmp.Echo(probing.UNICAST, 1, identifier)
                asking.sendto(icmp.request(4, identifier, echo), (PEER, 0))
                asking.settimeout(5)
                assert icmp.receive(asking, 4, identifier) is not None
        heard = icmp.receive(mine, 4, 7)
        assert heard is not None and heard.echo.nonce == 7, "the answer to 6 did not even wake it"
        assert heard.source == PEER
        assert heard.stamp is not None and 0 <= time.time() - heard.stamp < 60
        with pytest.raises(BlockingIOError):
            icmp.receive(mine, 4, 7)


# ---- trouble


def test_an_address_that_is_not_there_yet_is_probed_from_as_soon_as_it_is(
    host: Namespace, link: Namespace, nics: List[Cable], subject: Subject
) -> None:
    host.ip(f"addr del {TESTS['m0']}/32 dev m0")
    subject.orders(nics)
    assert subject.more(5, "m1")
    assert subject.instance() is None
    host.ip(f"addr add {TESTS['m0']}/32 dev m0")
    assert subject.more(5)
    assert (subject.lost(), subject.notes(), subject.verdicts()) == (0, [], [])


def test_a_tentative_address_is_waited_for(
    host: Namespace, link: Namespace, nics: List[Cable], subject: Subject
) -> None:
    host.ip("link set m0 down")
    host.run("sysctl", "-q", "-w", "net.ipv6.conf.m0.accept_dad=1", "net.ipv6.conf.m0.dad_transmits=1")
    host.ip("link set m0 up")
    assert eventually(lambda: host.show("-6 addr show dev m0 scope link")[0:])
    source = link_local(host, "m0")
    assert host.show("-6 addr show dev m0 tentative"), "else this tests nothing"
    subject.orders(nics[:1], v4=False, v6=[source], routers=[link_local(link, "sw")])
    assert subject.more(5, family=6)
    assert subject.notes() == []


def test_what_cannot_be_sent_is_lost_and_said_once(
    host: Namespace, link: Namespace, nics: List[Cable], subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject.orders(nics[:1])
    assert subject.more()
    assert subject.lost() == 0
    detector, errors = subject.prober._detector, []
    sent = detector.sent
    monkeypatch.setattr(detector, "sent", lambda send, at, error: (errors.append(error), sent(send, at, error)))
    host.ip("link set m0 down")
    assert eventually(subject.verdicts) == [("nic-failed", "m0")]
    assert subject.lost() >= 5
    assert errors[-5:] == [True] * 5, "lost at once, and not only because no answer came"
    said = [note for note in subject.notes() if note.startswith("probe: probe sendto (inet m0): ")]
    assert len(said) == 1, subject.notes()
    host.ip("link set m0 up")
    assert eventually(lambda: len(subject.verdicts()) > 1)
    assert subject.verdicts()[1:] == [("nic-repaired", "m0")]


def test_a_nic_that_disappears_hurts_nobody_else(
    host: Namespace, link: Namespace, nics: List[Cable], subject: Subject
) -> None:
    subject.orders(nics)
    assert subject.more() and subject.more(nic="m1")
    host.ip("link del m0")
    assert eventually(subject.verdicts) == [("nic-failed", "m0")]
    assert subject.more(5, "m1")
    subject.orders(nics[1:])
    assert subject.more(5, "m1")
    assert subject.instance() is None
    host.veth("m0", "p-m0", link)
    host.ip(f"addr add {TESTS['m0']}/32 dev m0")
    link.ip("link set p-m0 master sw")
    again = Cable.__new__(Cable)
    again.name, again.ifindex = "m0", host.ifindex("m0")
    subject.orders([again, nics[1]])
    assert subject.more(5)
    assert subject.lost("m1") == 0


def test_a_defect_is_told_and_probing_goes_on(
    link: Namespace, nics: List[Cable], subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject.orders(nics[:1])
    assert subject.more()
    monkeypatch.setattr("ipmp.prober._PAUSE", 0.1)
    with monkeypatch.context() as broken:
        broken.setattr(subject.prober._detector, "run", lambda now: {}[now])
        assert eventually(lambda: any("KeyError" in note for note in subject.notes()))
    assert subject.more()


# ---- time


def burn(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))


@pytest.mark.parametrize("busy", [time.sleep, burn], ids=["in a system call", "in Python"])
def test_a_busy_main_thread_delays_no_probe(
    busy: Callable[[float], None],
    host: Namespace,
    link: Namespace,
    nics: List[Cable],
    eyes: Dict[str, Eye],
    subject: Subject,
) -> None:
    """P is 15 ms: with Python's own switch interval of 5 ms a quarter of the probes is missed beside a busy thread."""
    subject.orders(
        nics, v6=[link_local(host, nic.name) for nic in nics], routers=[PEER, link_local(link, "sw")], fdt=105
    )
    for nic in nics:
        assert subject.more(nic=nic.name) and subject.more(nic=nic.name, family=6)
    for eye in eyes.values():
        eye.frames()
    before = subject.prober.snapshot()
    busy(2.0)
    requests = [eyes[nic.name].requests() for nic in nics]
    for number, watch in enumerate(subject.prober.snapshot().watches):
        for family, instance in enumerate(watch.instances):
            sent = instance.sent - before.watches[number].instances[family].sent
            assert sent >= 0.85 * 2000 / 15
            assert instance.lost == 0
        assert len(requests[number]) >= 2 * 0.85 * 2000 / 15
    assert subject.verdicts() == []


def test_a_suspend_and_a_stop_of_the_process_make_everything_before_them_void(
    link: Namespace, nics: List[Cable], subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject.orders(nics[:1])
    assert subject.more()
    detector, jumps = subject.prober._detector, []
    jumped = detector.jumped
    monkeypatch.setattr(detector, "jumped", lambda now: (jumps.append(now), jumped(now)))
    assert subject.more()
    assert jumps == []
    clock = time.clock_gettime
    monkeypatch.setattr(time, "clock_gettime", lambda number: clock(number) + 0.5 * (number == time.CLOCK_BOOTTIME))
    assert eventually(lambda: len(jumps) == 1)
    assert subject.more()
    assert len(jumps) == 1
    monkeypatch.setattr("ipmp.prober.LATE", 0.2)
    with subject.prober._lock:
        time.sleep(0.5)
    assert eventually(lambda: len(jumps) == 2)
    assert subject.more()
    assert subject.verdicts() == []


def test_a_wall_clock_that_is_set_makes_no_answer_older_than_it_can_be(
    link: Namespace, nics: List[Cable], subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject.prober.watch(True)
    subject.orders(nics[:1])
    assert subject.more()
    real = time.time
    for change in (3600.0, -3600.0):
        monkeypatch.setattr(time, "time", lambda by=change: real() + by)
        assert subject.more(20)
    acked = [seen for seen in subject.seen() if seen.state == "acked" and seen.received and seen.processed]
    assert len(acked) >= 40
    for seen in acked:
        assert -1e6 < seen.received - seen.sent < 1e9, "ns"
        assert -1e6 < seen.processed - seen.received < 1e9
    assert subject.lost() == 0


# ---- beginning and end


def test_orders_that_probe_nothing_need_no_thread(link: Namespace, nics: List[Cable], subject: Subject) -> None:
    subject.orders(nics, v4=False)
    assert [watch.probe for watch in subject.prober.snapshot().watches] == ["disabled", "disabled"]
    assert "prober" not in [thread.name for thread in threading.enumerate()]
    subject.orders(nics)
    assert subject.more()
    assert subject.bell.is_set(), "the daemon is told"


def test_a_nic_that_is_no_longer_ordered_is_left_in_peace(
    link: Namespace, nics: List[Cable], eyes: Dict[str, Eye], subject: Subject
) -> None:
    subject.orders(nics)
    assert subject.more() and subject.more(nic="m1")
    before = len(os.listdir("/proc/self/fd"))
    subject.orders(nics[:1])
    assert subject.more()
    assert len(os.listdir("/proc/self/fd")) == before - 1
    eyes["m1"].frames()
    assert subject.more()
    assert eyes["m1"].requests() == []


def test_after_the_end_there_is_silence_and_nothing_is_left_open(
    link: Namespace, nics: List[Cable], eyes: Dict[str, Eye]
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    subject = Subject()
    subject.orders(nics)
    assert subject.more()
    subject.prober.close()
    subject.prober.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert "prober" not in [thread.name for thread in threading.enumerate()]
    for eye in eyes.values():
        eye.frames()
    time.sleep(0.3)
    assert [eye.requests() for eye in eyes.values()] == [[], []]


def test_one_that_never_probed_ends_as_well() -> None:
    before = len(os.listdir("/proc/self/fd"))
    Prober(lambda: None).close()
    assert len(os.listdir("/proc/self/fd")) == before
