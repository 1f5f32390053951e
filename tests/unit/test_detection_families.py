# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The detector with two families, of which one has lost all its hosts: it looks for others, and no NIC fails."""

from __future__ import annotations

from simulated_network import Network, group, nic

from ipmp.probing import MULTICAST, Changed

R, P = "192.0.2.1", 0.142
OLD, NEW = ["fe80::1", "fe80::2", "fe80::3"], ["fe80::4", "fe80::5"]


def both_families() -> Network:
    network = Network(group(nic(1, v6=True), nic(2, v6=True), routers=[R]))
    network.host(R, *OLD)
    network.run(5)
    assert {*network.instance("eth1", 6).targets} == {*OLD}
    return network


def test_hosts_that_have_all_been_replaced_are_given_up() -> None:
    network = both_families()
    for host in OLD:
        del network.answers[host]
    network.host(*NEW)
    network.run(20 * P)
    assert network.probes("eth1", MULTICAST, 6) and {*network.instance("eth1", 6).targets} >= {*NEW}
    network.run(20 * P)
    for name in ("eth1", "eth2"):
        assert {*network.instance(name, 6).targets} == {*NEW}
        assert network.watch(name).probe == "ok"
    assert network.verdicts == []


def test_family_whose_hosts_are_all_gone_has_no_say() -> None:
    network = both_families()
    for host in OLD:
        del network.answers[host]
    network.run(40 * P)
    assert network.instance("eth1", 6).targets == () and network.verdicts == []
    network.silent.add("eth1")
    fault = network.now
    network.run(10 * P)
    assert network.verdicts == [("nic-failed", "eth1")]
    assert 4.5 * P <= network.when("nic-failed") - fault <= 7.5 * P


def test_no_host_is_given_up_because_the_nic_is_silent() -> None:
    for seed in range(50):
        network = Network(group(nic(1, v6=True), nic(2, v6=True)), seed=seed)
        network.host(R, OLD[0])
        network.run(5)
        network.silent.add("eth1")
        network.run(30 * P)
        assert network.verdicts == [("nic-failed", "eth1")]
        assert network.instance("eth1").targets == (R,) and network.instance("eth1", 6).targets == (OLD[0],)


def test_routers_are_not_given_up_for_the_other_family() -> None:
    network = Network(group(nic(1, v6=True), nic(2, v6=True), routers=[R, *OLD]))
    network.host(R)
    network.run(20)
    network.found.clear()
    network.run(40)
    assert network.all(Changed) == []
    assert {*network.instance("eth1", 6).targets} == {*OLD} and network.verdicts == []
