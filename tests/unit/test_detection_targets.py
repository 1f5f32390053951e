# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The detector: who is probed, whose replies count."""

from __future__ import annotations

from typing import Optional

import pytest
from simulated_network import HOSTS, R2, Network, P, R, group, nic, two

from ipmp.health import Note
from ipmp.probing import MULTICAST, RTT_ONLY, UNICAST, Changed, ProbeSource, Reply, Router

# ---- targets


def test_hosts_are_found_by_multicast_and_shared() -> None:
    """TGT-10, T16: what one NIC finds all members use."""
    network = Network(group(nic(1), nic(2)))
    assert network.watch("eth1").probe == "unknown"
    network.answers = {ip: lambda name: 0.0005 if name == "eth1" else None for ip in [*HOSTS, "192.0.2.106"]}
    network.run(2 * P)
    assert len(network.instance("eth2").targets) == 5
    assert network.instance("eth1").mode == "multicast" and network.watch("eth1").probe == "ok"
    assert Changed("eth1") in [f.finding for f in network.found]
    network.sent.clear()
    network.run(2)
    assert not network.calls("eth1") and not network.calls("eth2")
    assert {s.send.target for s in network.probes("eth1")} == {*network.instance("eth1").targets}


def test_single_host_is_not_enough() -> None:
    """TGT-10, T18: a multicast goes with each probe."""
    network = Network(group(nic(1)))
    network.host(HOSTS[0])
    network.run(1)
    network.sent.clear()
    network.run(3)
    assert len(network.calls("eth1")) == len(network.probes("eth1")) > 15
    network.host(HOSTS[1])
    network.run(1)
    assert {*network.instance("eth1").targets} == {*HOSTS[:2]}


def test_router_replaces_hosts_and_nothing_is_called_for() -> None:
    """TGT-1, T16, T17."""
    network = Network(group(nic(1), nic(2)))
    network.host(R, *HOSTS)
    network.run(2)
    network.route(R)
    network.sent.clear()
    network.run(2)
    assert network.instance("eth1").targets == (R,) and network.instance("eth1").mode == "routes"
    assert {s.send.target for s in network.sent} == {R}


def test_own_addresses_are_no_targets() -> None:
    """TGT-2, T20."""
    own = frozenset((HOSTS[0], R2, "192.0.2.12"))
    network = Network(group(nic(1), nic(2), routers=[R2]), own=own)
    network.host(HOSTS[0], R2, "192.0.2.12")
    network.run(2)
    assert network.instance("eth1").targets == ()
    network.host(HOSTS[1])
    network.run(1)
    assert network.instance("eth1").targets == (HOSTS[1],)
    network.own = frozenset((HOSTS[1],))
    network.route()
    assert network.instance("eth1").targets == () and network.watch("eth1").probe == "unknown"


@pytest.mark.parametrize(
    ("source", "ip", "router", "host"),
    [
        (ProbeSource("192.0.2.11", 24), "192.0.2.200", True, True),
        (ProbeSource("192.0.2.11", 24), "192.0.3.1", False, False),
        (ProbeSource("192.0.2.11", 25), "192.0.2.200", False, False),
        (ProbeSource("192.0.2.11", 24), "192.0.2.11", False, False),
        (ProbeSource("192.0.2.11", 24), "fe80::1", False, False),
        (ProbeSource("fe80::11", 64), "fe80::1", True, True),
        (ProbeSource("fe80::11", 64), "2001:db8::1", True, False),
        (ProbeSource("fe80::11", 64), "192.0.2.1", False, False),
        (ProbeSource("fe80::11", 64), "ff02::1", False, False),
    ],
)
def test_who_may_be_a_target(source: ProbeSource, ip: str, router: bool, host: bool) -> None:
    """TGT-2..4, PKT-3."""
    family = 6 if ":" in source.ip else 4
    network = Network(group(nic(1, tests=(source,)), routers=[ip]))
    assert network.instance("eth1", family).targets == ((ip,) if router else ())
    network = Network(group(nic(1, tests=(source,))))
    network.run(2 * P)
    call = next(s.send for s in network.sent if s.send.kind == MULTICAST)
    network.inject(Reply(11, family, ip, MULTICAST, call.sequence, call.nonce, network.now, network.now))
    assert network.instance("eth1", family).targets == ((ip,) if host else ())


def test_router_of_one_nic_is_for_the_whole_group() -> None:
    """TGT-3."""
    routers = (Router("fe80::1", "eth1"), Router("fe80::2", "eth9"))
    network = Network(group(nic(1, v6=True), nic(2, v6=True))._replace(routers=routers))
    assert network.instance("eth2", 6).targets == ("fe80::1",)
    network = Network(group(nic(1, v6=True), nic(2, v6=True), name="")._replace(routers=routers))
    assert network.instance("eth2", 6).targets == () and network.instance("eth1", 6).targets == ("fe80::1",)


def test_configured_targets_come_first() -> None:
    network = Network(group(nic(1), routers=[R], targets=[HOSTS[0], "10.0.0.1"]))
    assert network.instance("eth1").targets == (HOSTS[0], R) and network.instance("eth1").mode == "routes"


def test_new_member_begins_with_the_hosts_of_the_others() -> None:
    """TGT-11."""
    network = Network(group(nic(1), nic(2, online=False)))
    network.host(*HOSTS)
    network.run(2)
    network.answers.clear()
    network.change("eth2", online=True)
    assert {*network.instance("eth2").targets} == {*HOSTS}


def test_dead_host_is_replaced() -> None:
    """TGT-12, T06."""
    network = Network(group(nic(1), nic(2)))
    network.host(*HOSTS)
    network.run(3)
    del network.answers[HOSTS[0]]
    network.host("192.0.2.150")
    network.sent.clear()
    network.run(5 * 5 * P + 3 * P)
    assert network.verdicts == []
    assert HOSTS[0] not in network.instance("eth1").targets and network.calls("eth1")
    network.run(3)
    assert "192.0.2.150" in network.instance("eth1").targets
    assert len(network.calls("eth1")) == 1


def test_dead_router_rests_and_is_tried_again() -> None:
    """TGT-7, TGT-12, T07."""
    network = Network(group(nic(1), nic(2), routers=[R, R2]))
    network.host(R, R2)
    network.run(3)
    del network.answers[R]
    network.run(3)
    assert network.verdicts == [] and network.instance("eth1").targets == (R2,)
    assert not network.calls("eth1")
    died = network.now
    network.sent.clear()
    network.run(70)
    again = next(s.at for s in network.probes("eth1") if s.send.target == R)
    assert 55 < again - died < 61
    assert network.verdicts == []


def test_dead_target_is_given_up_once() -> None:
    network = Network(group(nic(1), nic(2), routers=[R, R2]))
    network.host(R, R2, rtt=0.002)
    network.run(3)
    del network.answers[R]
    while R in network.instance("eth1").targets:
        network.run(0.0005)
    network.silent.add("eth1")
    network.found.clear()
    network.stall(2.2 * P)  # we are too late for the next one, so the lost one remains the newest
    network.run(0)
    assert network.detector.snapshot().missed_times > 0
    assert Changed("eth1") not in [f.finding for f in network.found]


def test_four_losses_do_not_make_a_target_dead() -> None:
    """TGT-12."""
    network = Network(group(nic(1), routers=[R, R2]))
    network.host(R2)
    answered = {"eth1": 0}

    def every_fifth(name: str) -> Optional[float]:
        answered[name] += 1
        return 0.0005 if answered[name] % 5 == 0 else None

    network.answers[R] = every_fifth
    network.run(20)
    assert network.verdicts == [] and {*network.instance("eth1").targets} == {R, R2}
    assert len(network.found) == 1


def test_silent_family_keeps_its_targets() -> None:
    """TGT-12: it is not one of them that is dead, it is the family."""
    network = Network(group(nic(1, v6=True), routers=[R, R2, "fe80::1"]))
    network.host(R, R2, "fe80::1")
    network.run(2)
    del network.answers[R], network.answers[R2]
    network.run(10)
    assert network.verdicts == [] and {*network.instance("eth1").targets} == {R, R2}


def test_last_target_gone_is_no_failure() -> None:
    """TGT-14, TGT-15."""
    network = two()
    network.silent.add("eth1")
    network.run(4 * P)
    network.route()
    assert network.watch("eth1").probe == "unknown"
    network.route(R)
    network.run(4.4 * P)
    assert network.verdicts == []  # the losses before were forgotten
    network.run(4 * P)
    assert network.verdicts == [("nic-failed", "eth1")]


# ---- strange replies


def test_only_the_true_answer_counts() -> None:
    """PKT-4, T26."""
    network = two()
    shown, probe = network.instance("eth1"), network.probes("eth1")[-1].send
    true = Reply(11, 4, R, UNICAST, probe.sequence, probe.nonce, network.now, network.now)
    network.detector._instances[11, 4].history.find(probe.sequence).state = 1  # type: ignore[union-attr]
    words = f"seq {probe.sequence} snxt {probe.sequence + 1} on eth1 from {R}"
    for wrong, note in (
        (true._replace(nonce=probe.nonce + 1), f"probe status 1 Fake probe reply {words}"),
        (true._replace(source=R2), f"probe status 1 Fake probe reply {words[: -len(R)]}{R2}"),
        (true._replace(sequence=probe.sequence - 1), f"probe status 2 Fake probe reply seq {probe.sequence - 1} "),
        (true._replace(sequence=(probe.sequence - 52) & 0xFFFF), "out of window probe seq "),
        (true._replace(sequence=probe.sequence + 1), f"out of window probe seq {probe.sequence + 1} "),
        (true._replace(kind=RTT_ONLY), "probe status 0 Fake probe reply "),
        (true._replace(kind=MULTICAST), "probe status 0 Fake probe reply "),
        (true._replace(kind=99), "probe status 0 Fake probe reply "),
    ):
        network.now += 1.5
        before = network.instance("eth1")
        network.inject(wrong)
        after = network.instance("eth1")
        assert (after.acked, after.unknown) == (before.acked, before.unknown + 1), wrong
        assert network.notes[-1].startswith(note) and network.all(Note)[-1].level == "info"
    network.inject(true._replace(ifindex=99))
    network.inject(true._replace(ifindex=12))
    assert (
        network.instance("eth1").acked == before.acked
        and network.instance("eth2").acked == network.instance("eth2").sent
    )
    network.inject(true)
    assert network.instance("eth1").acked == before.acked + 1
    network.now += 1.5
    network.inject(true)
    assert network.notes[-1] == f"probe status 2 Duplicate probe reply {words}"
    assert network.instance("eth1").acked == before.acked + 1
    assert shown.unknown == 0


def test_flood_does_not_fill_the_log() -> None:
    network = two()
    probe = network.probes("eth1")[-1].send
    for _ in range(1000):
        network.now += 0.01
        network.inject(Reply(11, 4, R, UNICAST, probe.sequence, 7, network.now, network.now))
    assert network.instance("eth1").unknown == 1000
    assert 9 <= len(network.notes) <= 11


def test_replies_without_link_are_ignored() -> None:
    """PKT-3."""
    network = two()
    probe = network.probes("eth1")[-1].send
    network.cable("eth1", False)
    network.inject(Reply(11, 4, R, UNICAST, probe.sequence, probe.nonce, network.now, network.now))
    assert network.instance("eth1").unknown == 0 and network.notes == []


def test_forger_without_the_nonce_keeps_nothing_alive_and_finds_no_target() -> None:
    """Somebody on the link who knows everything else."""
    network = Network(group(nic(1), nic(2), routers=[R]))
    network.host(R)
    network.run(3)
    network.silent.add("eth1")
    fault = network.now
    for _ in range(200):
        network.run(0.1 * P)
        for sent in network.probes("eth1")[-3:]:
            for nonce in (0, sent.send.nonce - 1, sent.send.nonce ^ 1 << 63):
                for kind in (UNICAST, MULTICAST, RTT_ONLY):
                    network.inject(Reply(11, 4, R, kind, sent.send.sequence, nonce, network.now, network.now))
        for old in network.replies[-60:]:
            network.inject(old)
    assert network.verdicts == [("nic-failed", "eth1")]
    assert network.when("nic-failed") - fault <= 7.5 * P
    assert network.instance("eth1").targets == (R,)
