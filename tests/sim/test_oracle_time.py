# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the test oracle that take minutes: the detector itself, in a network whose time is told."""

from __future__ import annotations

import math
from typing import List

import pytest
from simulated_network import Network, group, nic, slow

from ipmp.health import Note
from ipmp.probing import RTT_ONLY

pytestmark = pytest.mark.sim
HOSTS = [f"192.0.2.{n}" for n in range(101, 104)]
R, R2 = "192.0.2.1", "192.0.2.2"
P = 1.428  # s, of 10000 ms


@pytest.mark.oracle("T01")
@pytest.mark.parametrize("v6", [False, True])
@pytest.mark.parametrize("milliseconds", [100, 1000, 10000])
def test_silence_is_found_after_4_and_a_half_to_7_and_a_half_intervals(milliseconds: int, v6: bool) -> None:
    interval = milliseconds // 7 / 1000
    router = "fe80::1" if v6 else R
    took = []
    for seed in range(100):
        members = [nic(number, v4=not v6, v6=v6) for number in (1, 2)]
        network = Network(group(*members, fdt=milliseconds, routers=[router]), seed=seed)
        network.host(router, rtt=0.0003)
        network.run(8 * interval + network.rng.uniform(0, 3 * interval))
        network.silent.add("eth1")
        fault = network.now
        network.run(20 * interval)
        assert network.verdicts == [("nic-failed", "eth1")]
        took.append((network.when("nic-failed") - fault) / interval)
    assert 4.5 <= min(took) < 5.5 and 6.0 < max(took) <= 7.5


@pytest.mark.oracle("T02")
def test_two_hundred_probes_at_the_default() -> None:
    network = Network(group(nic(1), fdt=10000, routers=[R]))
    network.host(R)
    network.run(201 * P)
    times = [sent.at for sent in network.probes("eth1")]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert len(gaps) >= 199
    assert 0.714 <= min(gaps) < 0.9 and 1.95 < max(gaps) <= 2.142
    assert sum(gaps) / len(gaps) == pytest.approx(P, rel=0.03)


@pytest.mark.oracle("T07")
def test_a_dead_router_is_left_alone_for_a_minute() -> None:
    network = Network(group(nic(1), nic(2), fdt=10000, routers=[R, R2]))
    network.host(R, R2)
    network.run(20)
    del network.answers[R]
    silent = network.now
    network.run(60)
    assert network.verdicts == []
    assert network.instance("eth1").targets == network.instance("eth2").targets == (R2,)
    last = [s.at for s in network.probes("eth1") if s.send.target == R][-1]
    assert len([s for s in network.probes("eth1") if s.send.target == R and s.at > silent]) in (5, 6)
    network.run(30)
    again = next(s.at for s in network.probes("eth1") if s.send.target == R and s.at > last)
    assert 60 <= again - last <= 60 + 5 * P
    network.host(R)
    network.run(75)  # it had died once more
    assert {*network.instance("eth1").targets} == {R, R2} and network.verdicts == []


@pytest.mark.oracle("T13")
@pytest.mark.parametrize("milliseconds", [100, 10000])
def test_a_nic_that_was_silent_at_start_fails_after_forty_seconds(milliseconds: int) -> None:
    """It knows its targets from its sibling: hosts that only the latter has heard."""
    interval = milliseconds // 7 / 1000
    network = Network(group(nic(1), nic(2), fdt=milliseconds))
    begin = network.now
    network.silent.add("eth1")
    network.host(R, R2)
    network.run(40)
    assert network.verdicts == []
    assert network.instance("eth1").lost >= 5 and {*network.instance("eth1").targets} == {R, R2}
    network.run(10 * interval)
    assert network.verdicts == [("nic-failed", "eth1")]
    assert 40 <= network.when("nic-failed") - begin <= 40 + 2 * interval


def critical(samples: List[float]) -> float:
    """CRTT after these round trips, ms, with Jacobson's and Karels' arithmetic (RTT-1)."""
    sa, sd = 8 * samples[0], 2 * samples[0]
    for sample in samples[1:]:
        error = sample - sa / 8
        sa += error
        sd += abs(error) - sd / 4
    return sa / 8 + sd


def told(network: Network, words: str) -> List[float]:
    """When the log said what begins with these words."""
    return [f.at for f in network.found if isinstance(f.finding, Note) and f.finding.text.startswith(words)]


@pytest.mark.oracle("T21")
def test_one_answer_of_three_seconds_is_forgiven_and_two_make_the_detection_time_longer() -> None:
    network = Network(group(nic(1), fdt=10000, routers=[R, *HOSTS[:2]]))
    network.host(*HOSTS[:2])
    network.answers[R] = slow(0.001, 0.001, 3.0, 0.001, 0.001, 3.0, 3.0, 0.001)
    network.run(5 * 3 * P)
    assert network.notes == [] and network.detection_time() == 10000
    network.run(4 * 3 * P)
    wanted = 14 * math.ceil(critical([1, 1, 1, 1, 3000, 3000]))  # the one that was forgiven is forgotten
    words = "Cannot meet requested failure detection time of 10000 ms on (inet eth1) new failure detection time"
    assert network.notes == [f'{words} for group "g" is {wanted} ms']
    assert network.detection_time() == wanted and network.verdicts == []
    base = network.now
    network.run(28 * P)
    real = [s for s in network.probes("eth1") if s.at > base]
    extra = [s for s in network.probes("eth1", RTT_ONLY) if s.at > base]
    assert len(real) == pytest.approx(28 * P / (wanted / 7000), abs=1.5) and len(extra) in (27, 28)  # FDT-2


@pytest.mark.oracle("T22")
def test_the_detection_time_comes_back_in_halves_and_not_before_a_minute() -> None:
    network = Network(group(nic(1), nic(2), fdt=10000, routers=[R]))
    network.answers[R] = slow(*[2.0] * 8, 0.001)
    network.run(60)
    slowed = told(network, "Cannot meet")[-1]
    top = network.detection_time()
    assert top > 4 * 7 * 1428
    network.run(slowed + 59.9 - network.now)
    assert network.detection_time() == top
    network.run(240)
    steps = [top]
    while steps[-1] > 10000:
        steps.append(max(steps[-1] // 2, 10000))
    improved = [note for note in network.notes if note.startswith("Improved")]
    assert [note.partition(" on (inet eth")[0] for note in improved] == [
        f"Improved failure detection time {step} ms" for step in steps[1:]
    ]
    assert all(note.endswith(') for group "g"') for note in improved)
    assert told(network, "Improved")[0] >= slowed + 60
    assert network.detection_time() == 10000 and network.verdicts == []


@pytest.mark.oracle("T23")
def test_one_slow_target_of_four_is_left_out_for_a_minute() -> None:
    network = Network(group(nic(1), nic(2), fdt=10000, routers=[R, *HOSTS]))
    network.host(*HOSTS, rtt=0.1)
    network.answers[R] = slow(2.0)
    network.run(4 * 4 * P)
    last = [s.at for s in network.probes("eth1") if s.send.target == R][-1]
    assert R not in network.instance("eth1").targets
    network.run(last + 59 - network.now)
    assert [s.at for s in network.probes("eth1") if s.send.target == R][-1] == last
    network.run(5 * P + 4)
    assert [s.at for s in network.probes("eth1") if s.send.target == R][-1] > last
    assert network.detection_time() == 10000 and network.notes == [] and network.verdicts == []


@pytest.mark.oracle("T42")
@pytest.mark.parametrize("milliseconds", [100, 1000, 10000])
def test_a_nic_is_repaired_after_ten_intervals_and_within_two_detection_times(milliseconds: int) -> None:
    """Ten answers take between nine and a half and eleven and a half intervals."""
    interval = milliseconds // 7 / 1000
    took = []
    for seed in range(100):
        network = Network(group(nic(1), nic(2), fdt=milliseconds, routers=[R]), seed=seed)
        network.host(R, rtt=0.0003)
        network.run(8 * interval)
        network.silent.add("eth1")
        network.run(12 * interval + network.rng.uniform(0, 3 * interval))
        network.silent.clear()
        mended = network.now
        network.run(20 * interval)
        assert network.verdicts == [("nic-failed", "eth1"), ("nic-repaired", "eth1")]
        took.append((network.when("nic-repaired") - mended) / interval)
    assert 9.5 <= min(took) < 10.5 and 11 < max(took) <= 12 <= 2 * milliseconds / 1000 / interval


@pytest.mark.oracle("T43")
@pytest.mark.parametrize("routers", [[R], [R, R2]])
def test_a_loss_after_nine_answers_makes_ten_more_necessary(routers: List[str]) -> None:
    network = Network(group(nic(1), nic(2), fdt=10000, routers=routers))
    network.host(*routers)
    network.run(20)
    network.silent.add("eth1")
    network.run(15)
    assert network.verdicts == [("nic-failed", "eth1")]
    before = network.instance("eth1")
    network.silent.clear()
    while network.instance("eth1").acked < before.acked + 9:
        network.run(0.01)
    network.silent.add("eth1")
    lost = network.instance("eth1").lost
    while network.instance("eth1").lost == lost:
        network.run(0.01)
    network.silent.clear()
    begin = network.instance("eth1").acked
    while ("nic-repaired", "eth1") not in network.verdicts:
        network.run(0.001)
    assert network.instance("eth1").acked - begin in (10, 11)
