# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The detector in a simulated network: schedule, verdicts, targets, strange replies."""

from __future__ import annotations

import pytest
from simulated_network import START, Network, group, nic

R, R2 = "192.0.2.1", "192.0.2.2"
HOSTS = [f"192.0.2.{n}" for n in range(101, 106)]
P = 0.142  # s, of 1000 ms


def two(seed: int = 1, **more: object) -> Network:
    """eth1 and eth2 with one router that answers; both have been answered already."""
    network = Network(group(nic(1), nic(2), routers=[R], **more), seed=seed)
    network.host(R)
    network.run(3)
    return network


# ---- when probes go out


@pytest.mark.parametrize(("fdt", "interval"), [(10000, 1.428), (1000, 0.142), (100, 0.014), (20, 0.002)])
def test_probes_leave_at_jittered_intervals(fdt: int, interval: float) -> None:
    """PRB-1."""
    network = Network(group(nic(1), fdt=fdt, routers=[R]))
    network.host(R, rtt=0.0001)
    network.run(300 * interval)
    times = [s.at for s in network.probes("eth1")]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert START <= times[0] <= START + interval
    assert min(gaps) >= interval / 2 - 1e-9 and max(gaps) <= interval * 1.5 + 1e-9
    assert min(gaps) < interval * 0.65 and max(gaps) > interval * 1.35  # it is jittered
    assert sum(gaps) / len(gaps) == pytest.approx(interval, rel=0.03)


def test_silent_nic_is_found() -> None:
    """FAIL-2, FAIL-4."""
    network = two()
    network.silent.add("eth1")
    fault = network.now
    network.run(2)
    assert network.verdicts == [("nic-failed", "eth1")]
    assert 4.5 * P <= network.when("nic-failed") - fault <= 7.5 * P
    assert network.watch("eth1").probe == "failed" and network.watch("eth2").probe == "ok"
    network.silent.clear()
    mended = network.now
    network.run(3)
    assert network.verdicts[1:] == [("nic-repaired", "eth1")]
    assert 9 * P <= network.when("nic-repaired") - mended <= 12.5 * P


def test_all_silent_is_the_group() -> None:
    """GRP-4."""
    network = two()
    network.silent |= {"eth1", "eth2"}
    network.run(5)
    assert network.verdicts == [("group-failed", "g")]
    network.silent.clear()
    network.run(5)
    assert sorted(network.verdicts[1:]) == [("nic-repaired", "eth1"), ("nic-repaired", "eth2")]
