# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the test oracle about the repair of NICs that probe: ten answers in a row, counted on the wire.

One target answers, an ``Echoer`` at the client; P is a seventh of the detection time.
"""

from __future__ import annotations

import time
from typing import Dict, Iterator, List

import pytest
from bed import Bed, eventually
from capture import Capture, Frame
from echoer import Echoer

pytestmark = pytest.mark.kernel
A1, B1, TA, TB, TARGET = "192.0.2.11", "192.0.2.12", "192.0.2.111", "192.0.2.112", "192.0.2.101"
DOWN, UP = "The link has gone down on {}", "The link has come up on {}"
FAILED, REPAIRED = "NIC failure detected on {} of group g", "NIC repair detected on {} of group g"
OVER, BACK = "Successfully failed over from NIC {} to NIC {}", "Successfully failed back to NIC {}"
FLAPPING = "The link has come up on eth1 more than 2 times in the last minute; disabling failback until it stabilizes"
SOONEST = 9.5  # P: ten answers, since the gaps between probes are random (PRB-1)
SLACK = 0.25  # s that a busy machine may keep the daemon, or us, from the processor
TESTS = {
    "hostname.eth1": f"{A1}/24 group g up addif {TA}/24 deprecated -failover up\n",
    "hostname.eth2": f"{B1}/24 group g up addif {TB}/24 deprecated -failover up\n",
}
GROUP = f"[g]\ntargets = {TARGET}\n"


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=2) as made:
        yield made


@pytest.fixture
def target(bed: Bed) -> Iterator[Echoer]:
    with Echoer(bed.client, "c0", [TARGET]) as peer:
        yield peer
        bed.reset()


def start(bed: Bed, milliseconds: int, files: Dict[str, str] = TESTS) -> float:
    """Both NICs probe and have been answered; returns P in s."""
    bed.start(files, groups=GROUP, defaults=f"FAILURE_DETECTION_TIME={milliseconds}\n")
    eventually(lambda: all(acked(bed, nic) >= 3 for nic in ("eth1", "eth2")), "answers")
    return milliseconds // 7 / 1000


def acked(bed: Bed, nic: str) -> int:
    return sum(int(instance["acked"]) for instance in bed.interface(nic)["probing"])


def errors(bed: Bed, since: int) -> List[str]:
    """What was logged as an error; that a busy machine made us miss a probe is none."""
    return [line.text for line in bed.log.lines[since:] if line.level == "err"]


def answered(wire: Capture, since: float, until: float = float("inf")) -> List[Frame]:
    """The answers that have reached this NIC."""
    return wire.all(lambda f: f.echo_reply and not f.outgoing and f.at < until, since)


@pytest.mark.oracle("T42")
@pytest.mark.parametrize("milliseconds", [500, 1000])
def test_a_nic_is_repaired_after_ten_answers_and_its_address_comes_home(
    bed: Bed, target: Echoer, milliseconds: int
) -> None:
    interval = start(bed, milliseconds)
    before = bed.held("eth1")
    bed.nic("eth1").cut()
    bed.log.wait(OVER.format("eth1", "eth2"))
    mark = bed.log.mark()
    with Capture(bed.host, "eth1") as wire:
        begin, begun = time.monotonic(), time.time()
        bed.nic("eth1").mend()
        after = time.monotonic()
        told = bed.log.wait(REPAIRED.format("eth1"), mark)
        bed.log.wait(BACK.format("eth1"), mark)
        verdict = bed.interface("eth1")["since"]
    assert told.at - begin >= SOONEST * interval
    assert told.at - after <= 2 * milliseconds / 1000 + SLACK
    assert len(answered(wire, begun, verdict)) >= 10
    assert errors(bed, mark) == [REPAIRED.format("eth1"), BACK.format("eth1")]
    assert bed.flags("eth1") == [] and bed.on(eth1=A1, eth2=B1)()
    kept = ("prefixlen", "broadcast", "scope", "label")
    assert [before[A1].get(key) for key in kept] == [bed.held("eth1")[A1].get(key) for key in kept]


@pytest.mark.oracle("T42")
def test_probes_that_waited_for_a_mac_address_repair_nothing_at_once(bed: Bed, target: Echoer) -> None:
    """The kernel keeps up to three seconds of them, and sends them in one moment when the target is heard again."""
    interval = start(bed, 500)
    bed.nic("eth1").cut()
    bed.log.wait(OVER.format("eth1", "eth2"))
    bed.host.run("ip neigh flush dev eth1")
    time.sleep(16 * interval)
    mark = bed.log.mark()
    with Capture(bed.host, "eth1") as wire:
        begin, begun = time.monotonic(), time.time()
        bed.nic("eth1").mend()
        first = wire.wait(lambda f: f.echo_request and f.outgoing, begun).at
        told = bed.log.wait(REPAIRED.format("eth1"), mark)
    assert len(wire.all(lambda f: f.echo_request and f.outgoing and f.at < first + 0.010)) >= 10, "not kept"
    assert told.at - begin >= (SOONEST - 1) * interval + first - begun


@pytest.mark.oracle("T43")
def test_a_loss_after_nine_answers_makes_ten_more_necessary(bed: Bed, target: Echoer) -> None:
    start(bed, 500)
    moments: List[float] = []  # of eth1's requests since it is heard again

    def nine_then_none_then_all(request: Frame, answer: bytes) -> List[bytes]:
        if request.source == TA:
            moments.append(request.at)
        return [] if request.source == TA and len(moments) == 10 else [answer]

    def none(request: Frame, answer: bytes) -> List[bytes]:
        return [] if request.source == TA else [answer]

    with Capture(bed.host, "eth1") as wire:
        target.shape = none
        bed.log.wait(OVER.format("eth1", "eth2"))
        begun = time.time()
        target.shape = nine_then_none_then_all
        bed.log.wait(REPAIRED.format("eth1"))
        verdict = bed.interface("eth1")["since"]
        bed.log.wait(BACK.format("eth1"))
    assert len(answered(wire, begun, moments[9])) == 9
    assert 10 <= len(answered(wire, moments[9], verdict)) <= 20
    assert bed.on(eth1=A1, eth2=B1)()


@pytest.mark.oracle("T45")
def test_after_its_carrier_is_back_a_nic_that_probes_has_failed_until_ten_answers(bed: Bed, target: Echoer) -> None:
    interval = start(bed, 1000)
    bed.nic("eth1").pull()
    bed.log.wait(OVER.format("eth1", "eth2"))
    mark = bed.log.mark()
    with Capture(bed.host, "eth1") as wire:
        begin, begun = time.monotonic(), time.time()
        bed.nic("eth1").plug()
        up = bed.log.wait(UP.format("eth1"), mark)
        assert up.at - begin < 1.0
        eventually(lambda: len(answered(wire, begun)) >= 6, "six answers")
        assert bed.flags("eth1") == ["FAILED"] and bed.on(eth2=f"{A1} {B1}")()
        told = bed.log.wait(REPAIRED.format("eth1"), mark)
        bed.log.wait(BACK.format("eth1"), mark)
        verdict = bed.interface("eth1")["since"]
    assert SOONEST * interval <= told.at - begin <= 2.0 + SLACK
    assert 10 <= len(answered(wire, begun, verdict)) <= 20
    assert errors(bed, mark) == [UP.format("eth1"), REPAIRED.format("eth1"), BACK.format("eth1")]


@pytest.mark.oracle("T48")
def test_a_flapping_link_of_a_nic_that_probes_is_not_called_flapping(bed: Bed, target: Echoer) -> None:
    """Each time ten answers repair it, as often as they like; one that does not probe is damped by then."""
    start(bed, 100)
    flaps = [DOWN.format("eth1"), FAILED.format("eth1"), OVER.format("eth1", "eth2")]
    backs = [UP.format("eth1"), REPAIRED.format("eth1"), BACK.format("eth1")]
    for _ in range(4):
        mark = bed.log.mark()
        bed.nic("eth1").pull()
        bed.log.wait(OVER.format("eth1", "eth2"), mark)
        bed.nic("eth1").plug()
        bed.log.wait(BACK.format("eth1"), mark, limit=5)
        assert bed.log.only([*flaps, *backs, FLAPPING], mark) == [*flaps, *backs]
    bed.start({"hostname.eth1": f"{A1}/24 group g up\n", "hostname.eth2": f"{B1}/24 group g up\n"}, groups=GROUP)
    for _ in range(3):
        mark = bed.log.mark()
        bed.nic("eth1").pull()
        bed.log.wait(DOWN.format("eth1"), mark)
        bed.nic("eth1").plug()
        bed.log.wait(UP.format("eth1"), mark)
    bed.log.wait(FLAPPING)


def test_when_a_whole_group_was_silent_its_first_repair_is_told_once(bed: Bed, target: Echoer) -> None:  # GRP-6, GRP-7
    start(bed, 500)
    mark = bed.log.mark()
    bed.drop(f"ip daddr {TARGET}")
    bed.log.wait("All Interfaces in group g have failed", mark)
    bed.pass_all()
    for nic in ("eth1", "eth2"):
        bed.log.wait(REPAIRED.format(nic), mark)
    bed.log.wait(r"^At least 1 interface \(eth[12]\) of group g has repaired", mark)
    assert len([text for text in errors(bed, mark) if text.startswith("At least")]) == 1
