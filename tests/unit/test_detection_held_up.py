# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The detector when probes are held up together: until a MAC address is known, or a switch port forwards."""

from __future__ import annotations

from typing import Callable

import pytest
from simulated_network import Network, group, nic

R = "192.0.2.1"


def at_once(network: Network, moment: float) -> Callable[[str], float]:
    """All that is sent before is answered at that moment."""
    return lambda _nic: max(0.0002, moment - network.now)


@pytest.mark.parametrize("fdt", [100, 1000, 10000])
@pytest.mark.parametrize("held_up", [1.0, 2.0, 3.0])
def test_answers_that_were_held_up_together_do_not_slow_the_group_down(fdt: int, held_up: float) -> None:
    """RTT-3, FDT-1: the kernel keeps a second's probes until it knows the target's MAC, and then sends them at once."""
    for seed in range(20):
        network = Network(group(nic(1), nic(2), fdt=fdt, routers=[R]), seed=seed)
        for _ in range(2):
            network.answers[R] = at_once(network, network.now + held_up)
            network.run(held_up + 10 * fdt / 1000)
            assert network.detection_time() == fdt, (seed, network.notes)
        assert not [text for text in network.notes if "Cannot meet" in text]


@pytest.mark.parametrize("fdt", [100, 1000])
def test_what_was_lost_before_the_first_answer_fails_nobody(fdt: int) -> None:
    """PRB-7: of the probes that the kernel kept, it answers for some and has dropped others, perhaps the last ones."""
    interval = fdt // 7 / 1000
    for seed in range(20):
        network = Network(group(nic(1), nic(2), fdt=fdt, routers=[R]), seed=seed)
        held_up = network.now + 40 * interval
        kept = held_up - 10 * interval
        network.answers[R] = lambda _nic, n=network, k=kept, h=held_up: (  # type: ignore[misc]
            h - n.now if n.now < k else None if n.now < h else 0.0002
        )
        network.run(60 * interval)
        assert network.verdicts == []
        network.silent.add("eth1")
        fault = network.now
        network.run(10 * interval)
        assert network.verdicts == [("nic-failed", "eth1")]
        assert 4.5 * interval <= network.when("nic-failed") - fault <= 7.5 * interval


@pytest.mark.parametrize("fdt", [100, 1000])
def test_answers_that_were_held_up_together_are_one_success(fdt: int) -> None:
    """REP-1, REP-3: a path that was open for a moment has shown no more than that."""
    interval = fdt // 7 / 1000
    for seed in range(20):
        network = Network(group(nic(1), nic(2), fdt=fdt, routers=[R]), seed=seed)
        network.host(R)
        network.run(10 * interval)
        network.silent.add("eth1")
        network.run(10 * interval)
        assert network.verdicts == [("nic-failed", "eth1")]
        network.silent.clear()
        opened = network.now + 30 * interval
        answers = at_once(network, opened)
        network.answers[R] = lambda name, answers=answers: answers(name) if name == "eth1" else 0.0002  # type: ignore[misc]
        network.run(60 * interval)
        assert network.verdicts == [("nic-failed", "eth1"), ("nic-repaired", "eth1")]
        assert 8.5 * interval <= network.when("nic-repaired") - opened <= 12 * interval, seed
