# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The detector: the detection time of a group follows the round trip times."""

from __future__ import annotations

import math

import pytest
from simulated_network import HOSTS, R2, START, Network, P, R, group, nic, slow, two

from ipmp.health import Note
from ipmp.probing import RTT_ONLY, UNICAST, Changed, Reply
from ipmp.rtt import Estimate


def test_one_slow_answer_changes_nothing_and_two_slow_the_group_down() -> None:
    """RTT-3, FDT-1, T21."""
    network = Network(group(nic(1), fdt=10000, routers=[R, R2, HOSTS[0]]))
    network.host(R2, HOSTS[0])
    network.answers[R] = slow(0.001, 0.001, 0.001, 3.0, 0.001, 0.001, 3.0, 3.0, 0.001)
    network.run(26)
    assert network.notes == [] and network.detection_time() == 10000
    network.run(16)
    (note,) = network.all(Note)
    got = network.detection_time()
    estimate = Estimate()
    for sample in (1, 1, 1, 1, 1, 3000, 3000):
        estimate.take(sample, 1428)
    assert estimate.critical is not None and note.level == "err"
    assert got == 14 * math.ceil(estimate.critical)
    assert note.text == (
        "Cannot meet requested failure detection time of 10000 ms on (inet eth1) "
        f'new failure detection time for group "g" is {got} ms'
    )
    assert network.verdicts == [] and Changed("eth1") in [f.finding for f in network.found if f.at > START + 8]


def test_slowed_group_recovers_in_steps_after_a_minute() -> None:
    """FDT-2, FDT-3, T22."""
    network = Network(group(nic(1), nic(2), fdt=1000, routers=[R]))
    network.answers[R] = slow(*[0.4] * 12, 0.0005)
    network.run(4)
    slowed = [f.at for f in network.found if isinstance(f.finding, Note)][-1]
    top = network.detection_time()
    assert top > 2000
    extra = network.probes("eth1", RTT_ONLY)
    assert len(extra) > 10
    network.sent.clear()
    network.run(slowed + 60 - network.now - 0.001)
    assert network.detection_time() == top
    assert len(network.probes("eth1", RTT_ONLY)) == pytest.approx(56 / P, rel=0.05)  # each P that is wanted
    network.run(60)
    assert network.detection_time() == 1000
    improved = [n for n in network.all(Note) if n.text.startswith("Improved")]
    times = [int(n.text.split()[4]) for n in improved]
    assert times[0] == top // 2 and all(a // 2 == b for a, b in zip(times, times[1:-1])) and times[-1] == 1000
    assert improved[-1].text in [
        f'Improved failure detection time 1000 ms on (inet {name}) for group "g"' for name in ("eth1", "eth2")
    ]
    assert {n.level for n in improved} == {"err"}
    network.sent.clear()
    network.run(3)
    assert not network.probes("eth1", RTT_ONLY) and len(network.probes("eth1")) > 18
    assert network.verdicts == []


def test_no_recovery_while_any_target_is_slow() -> None:
    """FDT-3."""
    network = Network(group(nic(1), nic(2), fdt=1000, routers=[R, R2]))
    network.answers = {R: slow(0.2), R2: slow(0.0005)}
    network.run(200)
    assert 4 * 7 * 100 < network.detection_time() <= 8 * 7 * 200
    assert len([n for n in network.notes if n.startswith("Cannot meet")]) == 1


def test_one_slow_target_of_four_is_the_exception() -> None:
    """FDT-1, T23."""
    network = Network(group(nic(1), nic(2), fdt=1000, routers=[R, *HOSTS[:3]]))
    network.host(*HOSTS[:3])
    network.answers[R] = slow(0.1)
    network.run(5)
    network.sent.clear()
    network.run(50)
    assert network.detection_time() == 1000 and network.notes == []
    assert not [s for s in network.sent if s.send.target == R]
    network.run(20)
    assert [s for s in network.sent if s.send.target == R]
    assert network.verdicts == []


def test_slow_host_is_replaced() -> None:
    """FDT-1."""
    network = Network(group(nic(1), fdt=1000))
    network.host(*HOSTS[:3])
    network.answers[R] = slow(0.1)
    network.run(1)
    assert R in network.instance("eth1").targets
    network.sent.clear()
    changes = len(network.all(Changed))
    network.run(3)
    assert network.calls("eth1") and network.detection_time() == 1000
    assert len(network.all(Changed)) >= changes + 2  # gone, and back because it answers


def test_three_targets_are_too_few_for_an_exception() -> None:
    """FDT-1."""
    network = Network(group(nic(1), fdt=1000, routers=[R, *HOSTS[:2]]))
    network.host(*HOSTS[:2])
    network.answers[R] = slow(0.1)
    network.run(5)
    assert network.detection_time() > 1000


def test_no_exception_among_slow_ones() -> None:
    """FDT-1: all others are faster than half the interval, or the group slows down."""
    network = Network(group(nic(1), fdt=1000, routers=[R, *HOSTS[:3]]))
    for rtt in (0.3, 0.45, 0.6):
        network.host(R, *HOSTS[:3], rtt=rtt * P)
        network.run(20)
    assert network.detection_time() == 1000
    network.answers[R] = slow(0.2)
    network.run(5)
    assert network.detection_time() > 1000


def test_late_answers_of_a_target_that_was_given_up_say_nothing() -> None:
    """FDT-1: several slow answers were on their way."""
    network = Network(group(nic(1), fdt=1000, routers=[R, *HOSTS[:3]]))
    network.host(R, *HOSTS[:3])
    network.run(3)
    network.answers[R] = slow(9 * P)
    network.run(10)
    assert network.detection_time() == 1000 and network.notes == []
    assert R not in network.instance("eth1").targets


def test_older_answer_than_the_newest_is_no_sample() -> None:
    """RTT-2."""
    network = two()
    del network.answers[R]
    network.run(4 * P)
    older, newer = network.probes("eth1")[-2:]
    for (at, send), took, average in ((newer, 0.0005, 0.5), (older, 0.08, 0.5)):
        network.inject(Reply(11, 4, R, UNICAST, send.sequence, send.nonce, at + took, network.now))
        assert network.instance("eth1").average == pytest.approx(average)
    assert network.instance("eth1").unknown == 0


def test_only_the_true_answer_to_an_rtt_only_probe_counts() -> None:
    """FDT-2, PKT-4."""
    network = Network(group(nic(1), fdt=1000, routers=[R]))
    network.answers[R] = slow(*[0.4] * 6, 2.0)
    network.run(4)
    extra = network.probes("eth1", RTT_ONLY)[-1].send
    now = network.now
    true = Reply(11, 4, R, RTT_ONLY, extra.sequence, extra.nonce, now, now)
    for wrong in (true._replace(nonce=extra.nonce + 1), true._replace(source=R2)):
        before = network.instance("eth1")
        network.inject(wrong)
        assert network.instance("eth1") == before._replace(unknown=before.unknown + 1)
    before = network.instance("eth1")
    network.inject(true)
    after = network.instance("eth1")
    assert before.average is not None and after.average is not None
    assert after.average < before.average and after.unknown == before.unknown
    network.inject(true)
    assert network.instance("eth1").unknown == after.unknown + 1


def test_anonymous_group_adapts_without_a_word() -> None:
    """FDT-4."""
    network = Network(group(nic(1), fdt=1000, name="", routers=[R]))
    network.answers[R] = slow(0.1)
    network.run(5)
    assert network.detection_time("") > 1000 and network.notes == []


def test_other_configured_time_is_taken_at_once() -> None:
    network = two()
    network.assign(group(nic(1), nic(2), fdt=10000, routers=[R]))
    assert network.detection_time() == 10000
    network.run(3)
    network.sent.clear()
    network.run(15)
    assert 9 <= len(network.probes("eth1")) <= 12
    network.assign(group(nic(1), nic(2), fdt=100, routers=[R]))
    start = network.now
    network.sent.clear()
    network.run(0.1)
    assert network.probes("eth1")[0].at <= start + 0.014 and len(network.probes("eth1")) >= 6
    assert network.instance("eth1").acked > 20 and network.verdicts == []


def test_failure_forgets_round_trip_times() -> None:
    """RTT-2, RTT-4."""
    network = two()
    assert network.instance("eth1").average == pytest.approx(0.5)
    network.silent.add("eth1")
    network.run(2)
    assert network.instance("eth1").average is None and network.instance("eth2").average is not None
    network.silent.clear()
    network.run(8 * P)
    assert network.verdicts == [("nic-failed", "eth1")] and network.instance("eth1").average is None
    network.run(5 * P)
    assert network.instance("eth1").average is not None
