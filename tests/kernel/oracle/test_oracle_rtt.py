# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the test oracle about answers that take long, and about such as nobody waits for; all on the wire.

The targets are an ``Echoer``'s. What takes minutes is shown in simulated time, in tests/sim/test_oracle_time.py.
"""

from __future__ import annotations

import math
import struct
import threading
import time
from typing import Callable, Iterator, List, Sequence, Tuple

import pytest
from bed import Bed, eventually
from capture import Capture, Frame
from echoer import Echoer

pytestmark = pytest.mark.kernel
A1, B1, TA, TB = "192.0.2.11", "192.0.2.12", "192.0.2.111", "192.0.2.112"
HOSTS = [f"192.0.2.{n}" for n in range(101, 105)]
STRANGER = "192.0.2.99"
FILES = {
    "hostname.eth1": f"{A1}/24 group g up addif {TA}/24 deprecated -failover up\n",
    "hostname.eth2": f"{B1}/24 group g up addif {TB}/24 deprecated -failover up\n",
}
CANNOT = r'^Cannot meet requested failure detection time of {} ms on \(inet eth1\) new failure .* group "g" is (\d+) ms'
RTT_ONLY = 0x9ABC  # PKT-1
WINDOW = 52  # probes whose answers are taken (PKT-4)


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=2) as made:
        yield made


def start(bed: Bed, milliseconds: int, targets: Sequence[str], answers: int) -> None:
    """Both NICs probe these and have had that many answers."""
    group = f"[g]\ntargets = {', '.join(targets)}\n"
    bed.start(FILES, groups=group, defaults=f"FAILURE_DETECTION_TIME={milliseconds}\n")
    eventually(lambda: min(acked(bed, nic) for nic in ("eth1", "eth2")) >= answers, "answers")


def acked(bed: Bed, nic: str) -> int:
    return sum(int(instance["acked"]) for instance in bed.interface(nic)["probing"])


def unknown(bed: Bed, nic: str) -> int:
    return sum(int(instance["unknown"]) for instance in bed.interface(nic)["probing"])


def detection_time(bed: Bed) -> int:
    return int(bed.status()["groups"][0]["failure_detection_time"])


def errors(bed: Bed) -> List[str]:
    """What was logged as an error; that a busy machine made us miss a probe is none."""
    return [line.text for line in bed.log.lines if line.level == "err"]


def kind(frame: Frame) -> int:
    return int(struct.unpack_from("!I", frame.payload, 16)[0])


def times(wire: Capture, host: str) -> List[float]:
    """How long this host's answers to probes took, in ms, in the order of the probes."""
    sent = {}
    found: List[Tuple[float, float]] = []
    for frame in wire.all(lambda f: host in (f.source, f.target) and (f.echo_request or f.echo_reply)):
        if frame.echo_request and kind(frame) != RTT_ONLY:
            sent[frame.payload[6:]] = frame.at
        elif frame.echo_reply and frame.payload[6:] in sent:
            asked = sent.pop(frame.payload[6:])
            found.append((asked, (frame.at - asked) * 1000))
    return [took for _, took in sorted(found)]


def critical(samples: Sequence[float]) -> float:
    """CRTT after these round trips, ms (RTT-1)."""
    sa, sd = 8 * samples[0], 2 * samples[0]
    for sample in samples[1:]:
        error = sample - sa / 8
        sa, sd = sa + error, sd + abs(error) - sd / 4
    return sa / 8 + sd


@pytest.mark.oracle("T21")
def test_one_slow_answer_is_forgiven_and_two_make_the_detection_time_longer(bed: Bed) -> None:
    """Three targets in turn, so that an answer that takes two intervals is there before the next to that target."""
    interval, slow = 0.2, 0.45
    later: List[threading.Timer] = []

    def some_late(request: Frame, answer: bytes) -> List[bytes]:
        if request.source != TA or request.target != HOSTS[0] or not late:
            return [answer]
        late.pop()
        later.append(threading.Timer(slow, peer.send, [answer]))
        later[-1].start()
        return []

    late: List[None] = []
    with Echoer(bed.client, "c0", HOSTS[:3]) as peer, Capture(bed.host, "eth1") as wire:
        peer.shape = some_late
        start(bed, 1400, HOSTS[:3], 6)
        before = len(times(wire, HOSTS[0]))
        late.append(None)
        eventually(lambda: len(times(wire, HOSTS[0])) >= before + 3, "a slow answer and two that are not")
        assert detection_time(bed) == 1400 and errors(bed) == []
        late += [None, None]
        told = bed.log.wait(CANNOT.format(1400))
        samples = times(wire, HOSTS[0])
        wanted = detection_time(bed)
        shown = errors(bed)
        begin = time.time()
        eventually(lambda: len(wire.all(extra, begin)) >= 6, "six probes for their time only")  # FDT-2
        took = wire.all(extra, begin)[5].at - begin
        for timer in later:
            timer.join()
    assert [sample > 400 for sample in samples[-2:]] == [True, True] and len([s for s in samples if s > 400]) == 3
    forgiven = next(s for s in samples if s > 400)
    expected = 14 * math.ceil(critical([s for s in samples if s is not forgiven]))
    assert wanted == pytest.approx(expected, rel=0.05)
    assert told.level == "err" and told.text.endswith(f" {wanted} ms") and shown == [told.text]
    assert 5 * interval * 0.9 <= took <= 12 * interval + 1
    assert bed.flags("eth1") == bed.flags("eth2") == [] and bed.on(eth1=A1, eth2=B1)()


def extra(frame: Frame) -> bool:
    return frame.echo_request and frame.outgoing and kind(frame) == RTT_ONLY


@pytest.mark.oracle("T23")
def test_one_slow_target_of_four_is_asked_no_more_and_the_detection_time_stays(bed: Bed) -> None:
    """That it is asked again after a minute is shown in simulated time."""
    with Echoer(bed.client, "c0", HOSTS) as peer, Capture(bed.host, "eth1") as wire:
        start(bed, 1400, HOSTS, 8)
        peer.delay[HOSTS[0]] = 0.25
        eventually(
            lambda: all(HOSTS[0] not in i["targets"] for i in bed.interface("eth1")["probing"]), "left out", limit=10
        )
        begin = time.time()
        eventually(lambda: len(wire.all(asks, begin)) >= 12, "twelve probes")
        asked = [f.target for f in wire.all(asks, begin + 0.02)]
        slow = [sample for sample in times(wire, HOSTS[0]) if sample > 200]
    assert set(asked) == {*HOSTS[1:]} and all(3 <= asked.count(host) <= 5 for host in HOSTS[1:])
    assert 2 <= len(slow) <= 3
    assert detection_time(bed) == 1400 and errors(bed) == []
    assert bed.flags("eth1") == bed.flags("eth2") == [] and bed.on(eth1=A1, eth2=B1)()


def asks(frame: Frame) -> bool:
    return frame.echo_request and frame.outgoing


class Wrong:
    """Beside the right answer to eth1, or in its stead, one that is wrong in one way; ``sent`` counts those."""

    def __init__(self, peer: Echoer) -> None:
        self.peer, self.sent = peer, 0
        self.right: List[bytes] = []
        self.instead = False
        self.make: Callable[[Frame, bytes], List[bytes]] = lambda _request, _answer: []

    def __call__(self, request: Frame, answer: bytes) -> List[bytes]:
        if request.source != TA or kind(request) == RTT_ONLY:
            return [answer]
        if not self.instead:
            self.right.append(answer)
        wrong = self.make(request, answer)
        self.sent += len(wrong)
        return wrong if self.instead else [answer, *wrong]

    def identifier(self, request: Frame, _answer: bytes) -> List[bytes]:
        return [self.peer.answer(request, HOSTS[0], identifier=request.identifier ^ 1)]

    def source(self, request: Frame, _answer: bytes) -> List[bytes]:
        return [self.peer.answer(request, STRANGER)]

    def again(self, _request: Frame, _answer: bytes) -> List[bytes]:
        return self.right[-1:]

    def too_old(self, _request: Frame, _answer: bytes) -> List[bytes]:
        return self.right[-WINDOW - 8 : -WINDOW - 7]

    def all(self, request: Frame, answer: bytes) -> List[bytes]:
        makers = (self.identifier, self.source, self.again, self.too_old)
        return [wrong for make in makers for wrong in make(request, answer)]


@pytest.mark.oracle(
    "T26",
    deviates="answers with a wrong identifier are not counted, since the kernel keeps them, which are other programs', "
    "from us; each of the others is counted, and at most one a second is logged",
)
def test_wrong_answers_are_counted_and_mean_nothing(bed: Bed) -> None:
    with Echoer(bed.client, "c0", [HOSTS[0], STRANGER]) as peer:
        peer.shape = wrong = Wrong(peer)
        start(bed, 210, HOSTS[:1], WINDOW + 10)
        assert unknown(bed, "eth1") == 0
        for make, words in (
            (wrong.identifier, ""),
            (wrong.source, f"^probe status 2 Fake probe reply seq .* on eth1 from {STRANGER}"),
            (wrong.again, f"^probe status 2 Duplicate probe reply seq .* on eth1 from {HOSTS[0]}"),
            (wrong.too_old, f"^out of window probe seq .* on eth1 from {HOSTS[0]}"),
        ):
            mark, before, wrong.sent = bed.log.mark(), unknown(bed, "eth1"), 0
            wrong.make = make
            eventually(lambda: wrong.sent >= 20, "20 wrong answers")
            if words:
                assert bed.log.wait(words, mark, limit=5).level == "info"
            wrong.make = lambda _request, _answer: []
            so_far = acked(bed, "eth1")
            eventually(lambda so_far=so_far: acked(bed, "eth1") >= so_far + 3, "all are read")  # type: ignore[misc]
            assert unknown(bed, "eth1") - before == (wrong.sent if words else 0), words
        assert bed.flags("eth1") == [] and unknown(bed, "eth2") == 0
        so_far = acked(bed, "eth1")
        wrong.instead, wrong.make, wrong.sent = True, wrong.all, 0
        bed.log.wait("NIC failure detected on eth1 of group g", limit=5)
        eventually(lambda: wrong.sent >= 200, "many wrong answers")
        assert bed.flags("eth1") == ["FAILED"] and bed.flags("eth2") == []
        assert acked(bed, "eth1") - so_far <= 2  # under way when the right ones ended
        assert bed.on(eth2=f"{A1} {B1}")()
