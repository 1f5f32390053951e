# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The detector: is it one NIC or the group, and what of the daemon's beliefs does it take over?"""

from __future__ import annotations

import random
from typing import Dict, Optional, Tuple

import pytest
from simulated_network import HOSTS, Network, P, R, group, nic, two

from ipmp.detection import Detector
from ipmp.probing import UNICAST, Orders, ProbeSource, Reply

# ---- the NIC or the group


def test_all_silent_is_the_group() -> None:
    """GRP-4, GRP-7: never a single NIC; afterwards each is repaired by answers of its own."""
    for seed in range(40):
        network = two(seed)
        network.run(network.rng.uniform(0, P))
        network.silent |= {"eth1", "eth2"}
        fault = network.now
        network.run(5)
        assert network.verdicts == [("group-failed", "g")]
        assert 4.5 * P <= network.when("group-failed") - fault <= 7.5 * P
        assert [network.watch(n).probe for n in ("eth1", "eth2")] == ["failed"] * 2
        network.silent.clear()
        network.run(5)
        assert sorted(network.verdicts[1:]) == [("nic-repaired", "eth1"), ("nic-repaired", "eth2")]


def test_accidental_loss_before_all_falls_silent_condemns_nobody() -> None:
    """GRP-4: stricter than Solaris, where one success after the first lost probe suffices."""
    for seed in range(60):
        network = two(seed)
        network.answers[R] = lambda name: None if name == "eth1" else 0.0005
        network.run(network.rng.uniform(0.5, 3.4) * P)  # at most four probes of eth1 are lost, eth2 is well
        network.silent |= {"eth1", "eth2"}
        network.run(3)
        assert network.verdicts == [("group-failed", "g")], seed


def test_two_losses_of_a_sibling_do_not_make_it_the_group() -> None:
    """GRP-4: what cannot be told yet is waited for."""
    for seed in range(200):
        network = two(seed)
        network.run(network.rng.uniform(0, P))
        network.silent.add("eth1")
        network.run(network.rng.uniform(1.5, 3.5) * P)
        left = {"eth2": 2}

        def lose(name: str, left: Dict[str, int] = left) -> Optional[float]:
            left[name] = left.get(name, 0) - 1
            return None if name == "eth1" or left[name] >= 0 else 0.0005

        network.answers[R] = lose
        network.run(10 * P)
        assert network.verdicts == [("nic-failed", "eth1")], seed


def test_failed_member_is_no_witness() -> None:
    """GRP-4: it has begun to answer again, but it is not RUNNING."""
    network = two()
    network.silent.add("eth2")
    network.run(3)
    network.silent = {"eth1"}
    network.run(8 * P)
    assert network.verdicts == [("nic-failed", "eth2"), ("group-failed", "g")]


def test_silence_begins_with_the_last_family() -> None:
    """GRP-4: one family of eth1 has been dead for long when everything falls silent."""
    network = Network(group(nic(1, v6=True), nic(2, v6=True), routers=[R, "fe80::1"]))
    network.host(R, "fe80::1")
    network.run(3)
    network.answers[R] = lambda name: None if name == "eth1" else 0.0005
    network.run(3)
    network.silent |= {"eth1", "eth2"}
    network.run(2)
    assert network.verdicts == [("group-failed", "g")]


def test_member_that_was_never_answered_is_no_witness_either_way() -> None:
    """GRP-4, PRB-7: nobody waits until its quiet period is over."""
    network = Network(group(nic(1), nic(2), routers=[R]))
    network.answers[R] = lambda name: 0.0005 if name == "eth1" else None
    network.run(3)
    network.silent.add("eth1")
    network.run(7.5 * P)
    assert network.verdicts == [("group-failed", "g")]


def test_dead_targets_do_not_make_a_single_nic_of_a_silent_group() -> None:
    """GRP-4, stricter: with four of five routers dead only each fifth probe says anything."""
    for seed in range(40):
        network = Network(group(nic(1), nic(2), routers=[R, *HOSTS[:4]]), seed=seed)
        network.host(R, *HOSTS[:4])
        network.run(12 * P)
        network.answers = {R: network.answers[R]}
        network.run(network.rng.uniform(0, 20) * P)
        network.silent |= {"eth1", "eth2"}
        network.run(3)
        assert network.verdicts == [("group-failed", "g")], seed


def test_last_nic_to_fail_fails_the_group() -> None:
    """GRP-4: nobody else is running."""
    network = two()
    network.silent.add("eth1")
    network.run(3)
    network.silent.add("eth2")
    network.run(3)
    assert network.verdicts == [("nic-failed", "eth1"), ("group-failed", "g")]


def test_nic_alone_is_a_nic() -> None:
    """GRP-2: nobody else is probe capable."""
    network = Network(group(nic(1), nic(2, v4=False), nic(3, online=False), routers=[R]))
    network.host(R)
    network.run(3)
    network.silent.add("eth1")
    network.run(3)
    assert network.verdicts == [("nic-failed", "eth1")]


def test_member_without_link_is_no_witness() -> None:
    """GRP-4: it had a success once, but its link is down; so it is the group."""
    network = two()
    network.cable("eth2", False)
    network.silent.add("eth1")
    network.run(3)
    assert network.verdicts == [("group-failed", "g")]


def test_nics_of_the_anonymous_group_have_nothing_to_do_with_each_other() -> None:
    """GRP-1, TGT-4, FDT-4."""
    network = Network(group(nic(1), nic(2), name=""))
    for host, name in zip(HOSTS, ("eth1", "eth2")):
        network.answers[host] = lambda n, name=name: 0.0005 if n == name else None  # type: ignore[misc]
    network.run(4)
    assert network.instance("eth1").targets == (HOSTS[0],) and network.instance("eth2").targets == (HOSTS[1],)
    network.silent |= {"eth1", "eth2"}
    network.run(4)
    assert sorted(network.verdicts) == [("nic-failed", "eth1"), ("nic-failed", "eth2")]
    assert network.instance("eth1").targets == (HOSTS[0],)


def test_failed_group_forgets_hosts_and_calls_for_others() -> None:
    """GRP-5, TGT-10: also T09."""
    network = Network(group(nic(1), nic(2), nic(3, online=False)))
    network.host(*HOSTS)
    network.run(4)
    network.silent |= {"eth1", "eth2"}
    network.run(2)
    assert network.verdicts == [("group-failed", "g")]
    assert network.instance("eth1").targets == network.instance("eth2").targets == ()
    assert network.watch("eth1").probe == "failed"  # NOTARGETS with FAILED
    last, acked = network.probes("eth1")[-1].send, network.instance("eth1").acked
    network.inject(Reply(11, 4, last.target, UNICAST, last.sequence, last.nonce, network.now, network.now))
    assert network.instance("eth1").acked == acked  # TGT-14
    network.sent.clear()
    network.run(2)
    assert len(network.calls("eth1")) >= 13 and not network.probes("eth1")
    network.silent.clear()
    network.run(4)
    assert sorted(network.verdicts[1:]) == [("nic-repaired", "eth1"), ("nic-repaired", "eth2")]


def test_failed_group_keeps_its_routers_until_it_is_well() -> None:
    """GRP-5, TGT-9: their routes probably went because of the failure."""
    network = two()
    network.silent |= {"eth1", "eth2"}
    network.run(2)
    network.route()
    assert network.instance("eth1").targets == (R,) and not network.calls("eth1")
    network.silent.remove("eth1")
    while len(network.verdicts) < 2:
        network.run(0.001)
    assert network.verdicts[1:] == [("nic-repaired", "eth1")]
    assert network.instance("eth1").targets == () == network.instance("eth2").targets
    assert network.watch("eth1").probe == "unknown" and network.watch("eth2").probe == "failed"


@pytest.mark.parametrize("tests", [(), (ProbeSource("198.51.100.13", 24),)])
def test_a_member_that_is_not_probed_is_a_place_to_go_while_its_link_is_up(tests: Tuple[ProbeSource, ...]) -> None:
    for up, expected in ((True, {("nic-failed", "eth1"), ("nic-failed", "eth2")}), (False, {("group-failed", "g")})):
        network = Network(group(nic(1), nic(2), nic(3, tests=tests), routers=[R]))
        network.host(R)
        network.cable("eth3", up)
        network.run(3)
        network.silent |= {"eth1", "eth2"}
        network.run(2)
        assert set(network.verdicts) == expected


def test_first_repair_clears_members_that_have_nobody_to_ask() -> None:
    """Hosts are looked for anew after a group failure (GRP-5); where none is found nothing speaks against a NIC."""
    other = nic(2, tests=(ProbeSource("198.51.100.12", 24),))
    network = Network(group(nic(1), other))
    network.host("192.0.2.99", "198.51.100.99")
    network.run(3)
    network.silent |= {"eth1", "eth2"}
    network.run(2)
    assert network.verdicts == [("group-failed", "g")]
    network.assign()
    del network.answers["198.51.100.99"]
    network.silent.clear()
    network.run(3)
    assert network.verdicts[1:] == [("nic-repaired", "eth1"), ("nic-repaired", "eth2")]
    assert network.watch("eth2").probe == "unknown"


# ---- what the daemon believes


def test_daemon_is_believed_when_it_has_taken_all_verdicts() -> None:
    network = two()
    network.failed.add("eth1")
    network.assign()
    assert network.watch("eth1").probe == "failed" and network.verdicts == []
    network.run(9 * P)
    assert network.verdicts == []  # what was answered before does not repair it (REP-1)
    network.run(4 * P)
    assert network.verdicts == [("nic-repaired", "eth1")]
    network.silent.add("eth1")
    network.run(2)
    assert network.verdicts[1:] == [("nic-failed", "eth1")]
    network.failed.clear()
    network.assign()
    assert network.watch("eth1").probe == "ok"
    network.run(4 * P)
    assert len(network.verdicts) == 2
    network.run(4 * P)
    assert network.verdicts[2:] == [("nic-failed", "eth1")]


def test_old_belief_is_no_news() -> None:
    """A verdict is on its way to the daemon: what it believed before does not undo it."""
    network = two()
    network.silent.add("eth1")
    network.run(2)
    assert network.verdicts == [("nic-failed", "eth1")]
    network.failed.clear()
    network.assign(taken=0)
    assert network.watch("eth1").probe == "failed"
    network.assign(taken=1)
    assert network.watch("eth1").probe == "ok"


def test_link_loss_fails_silently_even_while_verdicts_are_on_their_way() -> None:
    network = two()
    network.detector.assign(Orders((group(nic(1, link=False), nic(2), routers=[R]),), taken=0), network.now)
    network.detector.assign(Orders((group(nic(1, link=False), nic(2), routers=[R]),), taken=9), network.now)
    assert network.watch("eth1").probe == "failed" and network.verdicts == []
    network.change("eth1", link=False)
    network.silent.add("eth2")
    network.run(2)
    assert network.verdicts == [("group-failed", "g")]
    network.groups = tuple(g._replace(nics=tuple(n._replace(link=True) for n in g.nics)) for g in network.groups)
    network.failed.clear()
    network.assign(taken=0)
    assert network.watch("eth1").probe == "failed"  # repaired by ten answers only


@pytest.mark.parametrize("taken", [0, 7])
def test_new_nic_begins_as_the_daemon_believes(taken: int) -> None:
    detector = Detector(random.Random(1), iter(range(1, 9)).__next__)
    detector.assign(Orders((group(nic(1, failed=True), nic(2), nic(3, link=False)),), taken=taken), 0.0)
    assert [w.probe for w in detector.snapshot().watches] == ["failed", "unknown", "failed"]


def test_nic_in_another_group_is_a_new_nic() -> None:
    """LOOP-7."""
    network = two()
    network.assign(group(nic(2), routers=[R]), group(nic(1), name="h", routers=[R]))
    assert network.instance("eth1").sent == 0 and network.instance("eth2").sent > 0
    network.silent.add("eth2")
    network.run(2)
    assert network.verdicts == [("nic-failed", "eth2")]  # alone in its group


def test_new_nic_number_is_a_new_nic() -> None:
    """LOOP-7."""
    network = two()
    network.change("eth1", ifindex=77)
    assert network.instance("eth1").sent == 0 and network.watch("eth1").probe == "ok"
    network.run(1)
    assert network.probes("eth1")[-1].send.ifindex == 77


def test_nothing_counts_across_a_jump() -> None:
    """DESIGN: nothing is decided across a clock jump or a suspend."""
    for seed in range(20):
        network = two(seed)
        network.silent.add("eth1")
        network.run(4.4 * P)
        network.detector.jumped(network.now)
        network.run(4.4 * P)
        assert network.verdicts == []
        network.run(3.2 * P)
        assert network.verdicts == [("nic-failed", "eth1")]
    network = two()
    network.stall(1000)
    network.detector.jumped(network.now)
    network.run(3)
    assert network.verdicts == network.notes == [] and len(network.found) == 2


def test_what_we_come_too_late_for_is_forgotten() -> None:
    """PRB-3: replies that are not there when we are late are nobody's fault."""
    network = two()
    network.silent |= {"eth1", "eth2"}
    for _ in range(60):
        network.stall(2.2 * P)  # as a host whose processes hardly run
        network.run(0)
    assert network.verdicts == []
    shown = network.instance("eth1")
    assert shown.sent > shown.acked + shown.lost + 20
    network.run(3)  # we are on time again
    assert network.verdicts == [("group-failed", "g")]


def test_being_a_little_late_is_no_excuse() -> None:
    network = Network(group(nic(1), nic(2), routers=[R]), lag=0.4 * P)
    network.host(R)
    network.run(3)
    network.silent.add("eth1")
    fault = network.now
    network.run(3)
    assert network.verdicts == [("nic-failed", "eth1")]
    assert network.when("nic-failed") - fault <= 8 * P
