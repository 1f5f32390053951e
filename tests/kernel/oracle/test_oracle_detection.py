# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the test oracle about silent failures: when they are found, what is logged, what probes are like.

Intervals are P = FDT / 7. What needs minutes is shown in simulated time, in tests/sim/test_oracle_time.py.
"""

from __future__ import annotations

import time
from typing import Dict, Iterator, List, Sequence, Tuple

import pytest
from bed import Bed, eventually
from capture import IPV6, Capture, Frame
from echoer import Echoer
from forger import Forger, Late, forged_and_replayed

from lab import Host

pytestmark = pytest.mark.kernel
A1, B1, TA, TB = "192.0.2.11", "192.0.2.12", "192.0.2.111", "192.0.2.112"
ROUTER, HOST, HOST6 = "192.0.2.254", "192.0.2.101", "fe80::1:101"
DOWN = "The link has gone down on {}"
FAILED = "NIC failure detected on {} of group g"
OVER, BACK = "Successfully failed over from NIC {} to NIC {}", "Successfully failed back to NIC {}"
SOONEST, LATEST = 4.0, 7.5  # P from the fault to the verdict (FAIL-4)
SLACK = 0.25  # s that a busy machine may keep the daemon, or us, from the processor
GRID = 0.010  # s: what is due waits for the next tick at most so long


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=2) as made:
        yield made


def files(*families: int) -> Dict[str, str]:
    """Group g of eth1 and eth2, each with a data address, and test addresses of these families."""
    found = {}
    for nic, data, test in (("eth1", A1, TA), ("eth2", B1, TB)):
        also = f" addif {test}/24 deprecated -failover up" if 4 in families else ""
        found[f"hostname.{nic}"] = f"{data}/24 group g up{also}\n"
        if 6 in families:
            found[f"hostname6.{nic}"] = "group g -failover up\n"
    return found


def detection_time(milliseconds: object) -> str:
    return f"FAILURE_DETECTION_TIME={milliseconds}\n"


def router(bed: Bed, family: int) -> str:
    """The router's address that is probed."""
    if family == 4:
        return ROUTER
    return bed.router.run("ip -6 -o addr show dev r0 scope link").stdout.split()[3].partition("/")[0]


def targets(bed: Bed, *families: int) -> str:
    return f"[g]\ntargets = {', '.join(router(bed, family) for family in families)}\n"


def probes_are_answered(bed: Bed, families: Sequence[int] = (4,), count: int = 3) -> None:
    """Each NIC has had that many answers in each family since the daemon began."""

    def answered() -> bool:
        instances = [i for nic in bed.status()["interfaces"] for i in nic["probing"]]
        return len(instances) == 2 * len(families) and all(i["acked"] >= count for i in instances)

    eventually(answered, lambda: f"answers: {[nic['probing'] for nic in bed.status()['interfaces']]}")


def mute(peers: Sequence[Host], muted: bool) -> None:
    """These answer no ping of IPv6 any more; one of IPv4 to all hosts they do not answer anyway."""
    for peer in peers:
        peer.run(["sysctl", "-qw", f"net.ipv6.icmp.echo_ignore_all={int(muted)}"])


def lost(bed: Bed, nic: str, family: int = 4) -> int:
    return next(int(i["lost"]) for i in bed.interface(nic)["probing"] if i["family"] == family)


def asks(frame: Frame) -> bool:
    return frame.echo_request and frame.outgoing


def answers(frame: Frame) -> bool:
    return frame.echo_reply and not frame.outgoing


# ---- when a silent NIC is found


@pytest.mark.oracle("T01")
@pytest.mark.parametrize(
    ("milliseconds", "rounds", "family"), [(100, 4, 4), (100, 2, 6), (500, 3, 4), (500, 1, 6), (1000, 1, 4)]
)
def test_a_silent_nic_has_failed_in_time(bed: Bed, milliseconds: int, rounds: int, family: int) -> None:
    interval = milliseconds // 7 / 1000
    bed.start(files(family), groups=targets(bed, family), defaults=detection_time(milliseconds))
    probes_are_answered(bed, [family])
    for number in range(rounds):
        a, b = ("eth1", "eth2") if number % 2 == 0 else ("eth2", "eth1")
        since = bed.log.mark()
        with Capture(bed.host, a) as wire:
            wire.wait(answers)
            before = time.monotonic()
            bed.nic(a).cut()
            after = time.monotonic()
            told = bed.log.wait(FAILED.format(a), since)
            bed.log.wait(OVER.format(a, b), since)
            verdict = bed.interface(a)["since"]
        assert told.at - after >= SOONEST * interval
        assert told.at - before <= LATEST * interval + SLACK
        assert bed.on(**{b: f"{A1} {B1}"})()
        assert (bed.flags(a), bed.flags(b)) == (["FAILED"], [])
        unanswered = [f.at for f in wire.all(asks) if wire.frames and wire.all(answers)[-1].at < f.at < verdict]
        assert len(unanswered) >= 5, unanswered
        assert SOONEST * interval <= verdict - unanswered[0] <= 5.5 * interval + SLACK
        bed.nic(a).mend()
        bed.log.wait(BACK.format(a), since)
        assert bed.log.only([FAILED.format(nic) for nic in (a, b)], since) == [FAILED.format(a)]
        assert bed.on(eth1=A1, eth2=B1)()


@pytest.mark.oracle("T02")
def test_gaps_between_probes_on_the_wire_are_random_within_their_bounds(bed: Bed) -> None:
    interval = 0.1
    bed.start(files(4), groups=targets(bed, 4), defaults=detection_time(700))
    with Capture(bed.host, "eth1") as wire:
        eventually(lambda: len(wire.all(asks)) > 30, "30 probes")
    sent = [f.at for f in wire.all(asks)]
    gaps = [b - a for a, b in zip(sent, sent[1:])]
    assert min(gaps) >= interval / 2 - GRID - 0.005
    assert max(gaps) <= interval * 3 / 2 + GRID + SLACK
    assert max(gaps) - min(gaps) > interval / 5
    assert sum(gaps) / len(gaps) == pytest.approx(interval, abs=0.1 * interval)


@pytest.mark.oracle(
    "T03", deviates="the floor is 20 ms and not 100; between them detection is experimental, and that is said"
)
def test_too_small_a_detection_time_is_raised_to_the_smallest(bed: Bed) -> None:
    bed.start(files(4), groups=targets(bed, 4), defaults=detection_time(10))
    bed.log.wait("^Too small failure detection time of 10, assuming minimum 20", limit=1)
    assert bed.status()["groups"][0]["failure_detection_time"] == 20
    bed.start(files(4), groups=targets(bed, 4), defaults=detection_time(50))
    assert bed.status()["groups"][0]["failure_detection_time"] == 50
    assert any("experimental" in warning for warning in bed.status()["warnings"])
    assert not [text for text in bed.log.texts() if "Too small" in text]


@pytest.mark.oracle("T04")
@pytest.mark.parametrize("wrong", ["abc", "-1", "0"])
def test_a_detection_time_that_is_none_becomes_the_default(bed: Bed, wrong: str) -> None:
    bed.start(files(4), groups=targets(bed, 4), defaults=detection_time(wrong))
    bed.log.wait(f"^Invalid failure detection time {wrong}, assuming default 10000", limit=1)
    assert bed.status()["defaults"]["failure_detection_time"] == 10000
    assert bed.status()["groups"][0]["failure_detection_time"] == 10000


@pytest.mark.oracle("T11")
def test_a_nic_fails_when_both_families_are_silent_and_not_before(bed: Bed) -> None:
    interval = 0.071
    bed.start(files(4, 6), groups=targets(bed, 4, 6), defaults=detection_time(500))
    probes_are_answered(bed, [4, 6])
    bed.drop(f"iifname {bed.nic('eth1').port} ip6 nexthdr icmpv6")
    eventually(lambda: lost(bed, "eth1", 6) >= 15, "15 probes of IPv6 are lost")
    assert lost(bed, "eth1") < 5
    assert bed.log.texts() == []
    assert bed.flags("eth1") == []
    with Capture(bed.host, "eth1") as wire:
        bed.nic("eth1").cut()
        after = time.monotonic()
        told = bed.log.wait(FAILED.format("eth1"))
    assert SOONEST * interval <= told.at - after <= LATEST * interval + SLACK
    bed.log.wait(OVER.format("eth1", "eth2"))
    assert {f.kind == IPV6 for f in wire.all(asks)} == {True, False}


@pytest.mark.oracle("T12")
@pytest.mark.parametrize("milliseconds", [100, 60000])
def test_carrier_loss_fails_a_nic_that_probes_at_once_and_in_solaris_order(bed: Bed, milliseconds: int) -> None:
    bed.start(files(4, 6), groups=targets(bed, 4, 6), defaults=detection_time(milliseconds))
    if milliseconds == 100:
        probes_are_answered(bed, [4, 6])
    begin = time.monotonic()
    bed.nic("eth1").pull()
    told = bed.log.wait(OVER.format("eth1", "eth2"))
    assert told.at - begin < 1.0
    assert bed.log.texts() == [DOWN.format("eth1"), FAILED.format("eth1"), OVER.format("eth1", "eth2")]
    assert bed.on(eth2=f"{A1} {B1}", eth1=TA)()


@pytest.mark.oracle("T13")
def test_a_nic_that_was_silent_at_start_has_time(bed: Bed) -> None:
    """The first seconds; tests/sim has all forty, and what comes after them."""
    bed.reset()
    bed.drop(f"iifname {bed.nic('eth1').port}")
    bed.write(files(4), groups=targets(bed, 4), defaults=detection_time(100))
    bed.run_daemon()
    eventually(lambda: lost(bed, "eth1") >= 150, "150 probes are lost")
    assert bed.log.texts() == []
    assert (bed.flags("eth1"), bed.interface("eth1")["probe"]) == ([], "ok")
    assert bed.on(eth1=A1, eth2=B1)()
    bed.pass_all()
    eventually(lambda: bed.interface("eth1")["probing"][0]["acked"] > 0, "an answer")
    bed.nic("eth1").cut()  # now it has been seen to work, and silence is a failure
    bed.log.wait(FAILED.format("eth1"), limit=5)


def test_probes_that_waited_for_a_mac_address_do_not_slow_the_group_down(bed: Bed) -> None:
    """The kernel keeps them until it knows the router's, and sends them at once: all answers but the last are late."""
    bed.reset()
    bed.drop(f"iifname {bed.nic('eth1').port} ether type arp")
    bed.write(files(4), groups=targets(bed, 4), defaults=detection_time(100))
    bed.run_daemon()
    eventually(lambda: lost(bed, "eth1") >= 30, "30 probes are lost")
    bed.pass_all()
    with Capture(bed.host, "eth1") as wire:
        first = wire.wait(asks).at
        probes_are_answered(bed, count=20)
    burst = wire.all(lambda f: asks(f) and f.at < first + 0.010)
    assert len(burst) >= 10, "the kernel did not keep them"
    assert bed.status()["groups"][0]["failure_detection_time"] == 100
    assert not [text for text in bed.log.texts() if "Cannot meet" in text]


# ---- what probes are like


@pytest.mark.oracle("T27")
def test_probes_leave_with_hop_limit_1_from_their_address_through_their_nic(bed: Bed) -> None:
    """Unicast and multicast ones of both families: a single host is there, so that others are asked for, too."""
    others = (bed.router, bed.lab.controller)
    mute(others, True)
    try:
        with Echoer(bed.client, "c0", [HOST, HOST6]):
            bed.start(files(4, 6), defaults=detection_time(350))
            with Capture(bed.host, "eth1") as one, Capture(bed.host, "eth2") as two:
                probes_are_answered(bed, [4, 6], 10)
            held = {nic: {ip for ip in bed.held(nic) if ":" in ip} for nic in ("eth1", "eth2")}
    finally:
        mute(others, False)
    for nic, test, wire in (("eth1", TA, one), ("eth2", TB, two)):
        probes: List[Tuple[str, str, int]] = [(f.source, f.target, f.ttl) for f in wire.all(asks)]
        assert {source for source, _, _ in probes} == {test, *held[nic]}
        assert {target for _, target, _ in probes} == {HOST, HOST6, "224.0.0.1", "ff02::1"}
        assert {ttl for _, _, ttl in probes} == {1}
        assert {f.source_mac for f in wire.all(asks)} == {bed.nic(nic).mac}


# ---- who is believed


def drop_answers(bed: Bed, nic: str, family: int) -> None:
    """The router's answers, and nothing else, reach this card no more."""
    what = "ip protocol icmp" if family == 4 else "icmpv6 type echo-reply"
    bed.drop(f"oifname {bed.nic(nic).port} ether saddr {bed.nic('r0', bed.router).mac} {what}")


def unknown(bed: Bed, nic: str) -> int:
    return sum(int(instance["unknown"]) for instance in bed.interface(nic)["probing"])


@pytest.mark.parametrize("family", [4, 6])
def test_a_forger_keeps_no_dead_nic_alive_and_fails_no_live_one(bed: Bed, family: int) -> None:
    """Thousands of answers a second, right in everything but the nonce, and genuine ones again and again."""
    interval = 0.071
    bed.start(files(family), groups=targets(bed, family), defaults=detection_time(500))
    probes_are_answered(bed, [family], 20)
    with Capture(bed.router, "r0") as router:
        with (
            Forger(bed, "eth1", router, forged_and_replayed) as one,
            Forger(bed, "eth2", router, forged_and_replayed) as two,
        ):
            eventually(lambda: min(one.sent, two.sent) > 2000, "2000 forged answers for each NIC")
            assert bed.flags("eth1") == bed.flags("eth2") == []
            before = time.monotonic()
            drop_answers(bed, "eth1", family)
            after = time.monotonic()
            told = bed.log.wait(FAILED.format("eth1"))
            assert SOONEST * interval <= told.at - after
            assert told.at - before <= LATEST * interval + 2 * SLACK
            time.sleep(25 * interval)  # ten answers in a row would have been a repair
            assert bed.flags("eth1") == ["FAILED"] and bed.flags("eth2") == []
            assert bed.on(eth2=f"{A1} {B1}")()
            assert min(unknown(bed, "eth1"), unknown(bed, "eth2")) > 2000
    assert len(bed.log.lines) < 30  # the flood did not fill the log
    assert bed.log.only([FAILED.format(nic) for nic in ("eth1", "eth2")]) == [FAILED.format("eth1")]
    bed.pass_all()
    bed.log.wait(BACK.format("eth1"))


def test_answers_that_come_too_late_repair_nothing(bed: Bed) -> None:
    """Genuine ones, each once, but more than 52 probes after their own."""
    bed.start(files(4), groups=targets(bed, 4), defaults=detection_time(100))
    probes_are_answered(bed)
    drop_answers(bed, "eth1", 4)
    bed.log.wait(FAILED.format("eth1"))
    with Capture(bed.router, "r0") as router, Forger(bed, "eth1", router, Late()) as late:
        eventually(lambda: late.sent > 100, "100 answers came late")
        assert bed.flags("eth1") == ["FAILED"]
        assert unknown(bed, "eth1") > 90
    bed.log.wait("^out of window probe seq .* on eth1 from 192.0.2.254")
    bed.pass_all()
    bed.log.wait(BACK.format("eth1"))
