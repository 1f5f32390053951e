# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the test oracle that take minutes: the detector itself, in a network whose time is told."""

from __future__ import annotations

import pytest
from simulated_network import Network, group, nic

pytestmark = pytest.mark.sim
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
