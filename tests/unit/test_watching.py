# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the prober is told to watch, and what becomes of its findings; prober and kernel only hold values here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, List, Tuple

import pytest

from ipmp import health
from ipmp.health import Note
from ipmp.model import Address, Config, Defaults, Group, Interface
from ipmp.news import News
from ipmp.probing import Changed, Finding, Instance, Orders, ProbeSource, Router, Seen, Snapshot, Verdict, Watch
from ipmp.runtime import Runtime
from ipmp.watching import Watching

DATA = Address("192.0.2.1", 24)
TEST1 = Address("192.0.2.81", 24, test=True, deprecated=True)
TEST2 = Address("192.0.2.82", 24, test=True, deprecated=True)
GATEWAY = "192.0.2.254"


def group(*interfaces: Interface, **changes: Any) -> Group:
    values: Any = {"gateways": (GATEWAY,), **changes}
    return Group("lan", interfaces or (nic("eth1", DATA, TEST1), nic("eth2", TEST2)), **values)


def nic(name: str, *addresses: Address, **changes: Any) -> Interface:
    return Interface(name, "lan", addresses=addresses, **changes)


class Prober:
    """Keeps the orders, hands out what a test puts into it."""

    def __init__(self) -> None:
        self.orders: List[Orders] = []
        self.found: List[Finding] = []
        self.shown = Snapshot()

    def assign(self, orders: Orders) -> None:
        self.orders.append(orders)

    def findings(self) -> List[Finding]:
        found, self.found = self.found, []
        return found

    def snapshot(self) -> Snapshot:
        return self.shown


class Bed:
    def __init__(self, *groups: Group, ungrouped: Tuple[Interface, ...] = (), track_all: bool = False) -> None:
        defaults = Defaults(failure_detection_time=1000, track_interfaces_only_with_groups=not track_all)
        self.runtime = Runtime()
        self.runtime.adopt(Config(groups, ungrouped, defaults), 0.0)
        for index, member in enumerate(self.runtime.nics.values(), 11):
            member.present, member.joined, member.ifindex, member.mac = True, True, index, f"02:00:00:00:00:{index:02x}"
        self.runtime.hosting = {"192.0.2.1": "eth1"}
        self.prober, self.news = Prober(), News()
        self.seen: List[Seen] = []
        self.kernel: Any = SimpleNamespace(own=frozenset({"192.0.2.81"}), link_locals={}, next_hops=())
        prober: Any = self.prober
        self.watching = Watching(self.runtime, self.kernel, prober, self.news, self.seen.append)

    def order(self) -> Orders:
        self.watching.order()
        return self.prober.orders[-1]

    def find(self, *findings: Finding) -> bool:
        self.prober.found += findings
        return self.watching.take()


def test_a_group_is_watched_from_its_test_addresses_towards_its_routers() -> None:
    bed = Bed(group(targets=("192.0.2.9",)))
    (ordered,) = bed.order().groups
    assert (ordered.name, ordered.failure_detection_time, ordered.targets) == ("lan", 1000, ("192.0.2.9",))
    assert ordered.routers == (Router(GATEWAY),)
    assert [(n.name, n.ifindex, n.link, n.online, n.failed, n.tests) for n in ordered.nics] == [
        ("eth1", 11, True, True, False, (ProbeSource("192.0.2.81", 24),)),
        ("eth2", 12, True, True, False, (ProbeSource("192.0.2.82", 24),)),
    ]
    assert bed.order() is bed.prober.orders[0], "the same orders are given once"


def test_without_test_addresses_there_is_nothing_to_watch() -> None:
    bed = Bed(group(nic("eth1", DATA), nic("eth2")))
    bed.watching.order()
    assert bed.prober.orders == []


def test_a_member_without_test_address_is_named_all_the_same() -> None:  # GRP-2, GRP-4 ask for it
    bed = Bed(group(nic("eth1", DATA, TEST1), nic("eth2")))
    assert [(n.name, len(n.tests)) for n in bed.order().groups[0].nics] == [("eth1", 1), ("eth2", 0)]


def test_a_deprecated_ipv4_test_address_is_preferred_else_the_last() -> None:  # TST-2
    plain, other = Address("192.0.2.83", 24, test=True), Address("192.0.2.84", 24, test=True)
    bed = Bed(group(nic("eth1", plain, TEST1, other), nic("eth2", plain, other)))
    assert [n.tests[0].ip for n in bed.order().groups[0].nics] == ["192.0.2.81", "192.0.2.84"]


def test_ipv6_is_probed_from_the_link_local_address_once_it_works_and_nobody_else_has_it() -> None:  # TST-1, TST-5
    bed = Bed(group(nic("eth1", DATA, link_local_test=True), nic("eth2", link_local_test=True)))
    bed.watching.order()
    assert bed.prober.orders == []
    bed.kernel.link_locals = {11: "fe80::1", 12: "fe80::2"}
    assert [n.tests[0] for n in bed.order().groups[0].nics] == [ProbeSource("fe80::1", 64), ProbeSource("fe80::2", 64)]
    bed.kernel.link_locals = {11: "fe80::1", 12: "fe80::1"}
    assert [len(n.tests) for n in bed.order().groups[0].nics] == [1, 0]
    assert bed.watching.doubles() == {"eth2": "fe80::1"}


@pytest.mark.parametrize("out", ["offline", "detached", "twin", "leaving"])
def test_what_is_out_of_use_is_not_probed(out: str) -> None:  # TST-3, OFF-8
    bed = Bed(group())
    setattr(bed.runtime.nics["eth1"], out, True)
    assert [n.online for n in bed.order().groups[0].nics] == [False, True]


def test_next_hops_of_others_routes_are_routers_ipv6_ones_only_through_a_member() -> None:  # TGT-2, TGT-3
    bed = Bed(group())
    bed.kernel.next_hops = (Router("192.0.2.7", "eth9"), Router("fe80::a", "eth1"), Router("fe80::b", "eth9"))
    assert bed.order().groups[0].routers == (Router(GATEWAY), Router("192.0.2.7", "eth9"), Router("fe80::a", "eth1"))


def test_interfaces_in_no_group_are_the_anonymous_one_where_all_are_tracked() -> None:  # M-4, T28
    alone = Interface("eth5", addresses=(Address("198.51.100.5", 24, test=True),))
    assert [g.name for g in Bed(group(), ungrouped=(alone,)).order().groups] == ["lan"]
    bed = Bed(group(), ungrouped=(alone,), track_all=True)
    assert [(g.name, [n.name for n in g.nics]) for g in bed.order().groups][1] == ("", ["eth5"])
    bed.find(Verdict("nic-failed", "eth5", 13))
    assert [n.text for n in bed.news.take().notes] == ["NIC failure detected on eth5"]


def test_a_verdict_fails_the_nic_and_is_counted_in_the_next_orders() -> None:  # FAIL-1
    bed = Bed(group())
    bed.order()
    bed.find(Verdict("nic-failed", "eth1", 11))
    news = bed.news.take()
    assert [n.name for n in news.failed] == ["eth1"]
    assert [n.text for n in news.notes] == ["NIC failure detected on eth1 of group lan"]
    assert news.causes == ("the probes of eth1 are lost",)
    orders = bed.order()
    assert (orders.taken, [n.failed for n in orders.groups[0].nics]) == (1, [True, False])
    bed.find(Verdict("nic-repaired", "eth1", 11))
    assert bed.runtime.nics["eth1"].usable
    assert bed.news.take().causes == ("eth1 is repaired",)
    assert bed.order().taken == 2


def test_a_verdict_on_a_card_that_had_the_name_before_is_counted_and_means_nothing() -> None:
    bed = Bed(group())
    bed.runtime.nics["eth1"].ifindex = 21
    bed.find(Verdict("nic-failed", "eth1", 11))
    assert bed.runtime.nics["eth1"].usable
    assert bed.news.take().failed == ()
    assert bed.order().taken == 1


def test_a_verdict_on_a_nic_that_has_failed_already_is_no_second_failure() -> None:
    bed = Bed(group())
    bed.find(Verdict("nic-failed", "eth1", 11), Verdict("nic-failed", "eth1", 11))
    assert len(bed.news.take().failed) == 1
    assert bed.runtime.nics["eth1"].health.failures == 1


def test_a_group_failure_fails_all_that_are_not_offline_and_accuses_none() -> None:  # GRP-5
    bed = Bed(group(nic("eth1", DATA, TEST1), nic("eth2", TEST2), nic("eth3")))
    bed.runtime.nics["eth3"].offline = True
    bed.find(Verdict("group-failed", "lan"))
    assert [n.health.failed for n in bed.runtime.nics.values()] == [True, True, False]
    news = bed.news.take()
    assert (news.failed, news.notes) == ((), ())
    assert bed.runtime.placed() == {"192.0.2.1": "eth1"}, "nothing moves"


def test_who_had_failed_before_its_group_did_is_not_newly_so() -> None:
    bed = Bed(group())
    bed.find(Verdict("nic-failed", "eth1", 11))
    bed.runtime.nics["eth1"].since = 7.0
    bed.find(Verdict("group-failed", "lan"))
    assert bed.runtime.nics["eth1"].since == 7.0
    assert bed.runtime.nics["eth2"].since > 7.0


def test_who_fell_with_the_group_and_is_not_probed_any_more_proves_its_path_once_the_group_works() -> None:  # GRP-5
    bed = Bed(group(nic("eth1", DATA, TEST1), nic("eth2")))
    eth1, eth2 = bed.runtime.nics["eth1"], bed.runtime.nics["eth2"]
    for each in (eth1, eth2):  # as a daemon finds it that starts after the group has failed: its detector knows nothing
        each.health = health.with_group(each.health)
    bed.order()
    assert eth2.health.group_lost, "nobody works"
    bed.find(Verdict("nic-repaired", "eth1", 11), Changed("eth1"))
    assert (eth2.health.group_lost, eth2.health.proving_since is not None) == (False, True)


@pytest.mark.parametrize("out", ["offline", "twin", "leaving"])
def test_time_repairs_nobody_who_is_out_of_use(out: str) -> None:  # OFF-8
    bed = Bed(group())
    eth1, eth2 = bed.runtime.nics["eth1"], bed.runtime.nics["eth2"]
    bed.order()
    bed.find(Verdict("nic-failed", "eth1", 11))
    eth2.health = health.suspect(eth2.health, 5.0)
    for each in (eth1, eth2):
        setattr(each, out, True)
    bed.prober.shown = Snapshot((Watch("eth1", "disabled", ()), Watch("eth2", "disabled", ())))
    bed.order()
    bed.find(Changed("eth1"), Changed("eth2"))
    assert (eth1.health.probes_lost, eth1.health.deadline, eth2.health.deadline) == (True, None, None)
    for each in (eth1, eth2):
        setattr(each, out, False)
    bed.order()
    assert eth1.health.probes_lost, "its probes are what repairs it"
    assert eth2.health.waiting


def test_what_the_prober_showed_before_it_heard_of_the_orders_is_not_believed() -> None:
    bed = Bed(group())
    bed.order()
    bed.prober.shown = Snapshot((Watch("eth1", "ok", (Instance(4, "routes", "192.0.2.81", (GATEWAY,)),)),))
    bed.runtime.adopt(Config((group(nic("eth1", DATA), nic("eth2")),)), 0.0)
    bed.order()
    bed.find(Changed("eth1"))
    assert not bed.runtime.nics["eth1"].probed


def test_the_first_repair_after_a_group_failure_waits_a_moment_for_the_others() -> None:  # GRP-7
    bed = Bed(group())
    bed.find(Verdict("group-failed", "lan"))
    bed.news.take()
    bed.find(Verdict("nic-repaired", "eth2", 12))
    news = bed.news.take()
    assert (news.causes, [round(seconds, 3) for seconds, _why in news.deferred]) == ((), [0.286])
    bed.find(Verdict("nic-repaired", "eth1", 11))
    assert bed.news.take().causes == ("eth1 is repaired",)


def test_what_the_prober_knows_is_what_status_shows() -> None:
    bed = Bed(group())
    bed.order()
    assert bed.runtime.nics["eth1"].probed, "foreseen: the group has a router"
    instance = Instance(4, "multicast", "192.0.2.81", ())
    bed.prober.shown = Snapshot((Watch("eth1", "unknown", (instance,)), Watch("eth2", "disabled", ())))
    assert bed.find(Changed("eth1"), Note("info", "n"))
    eth1, eth2 = bed.runtime.nics["eth1"], bed.runtime.nics["eth2"]
    assert (eth1.probe, eth1.state, eth1.usable) == ("unknown", "unknown", True)
    assert (eth2.probe, eth2.state) == ("disabled", "ok")
    assert [n.text for n in bed.news.take().notes] == ["n"]


def test_a_nic_whose_link_came_back_waits_for_probes_while_there_are_targets_else_for_its_path() -> None:
    bed = Bed(group())
    eth1 = bed.runtime.nics["eth1"]
    bed.order()
    eth1.health, _notes = health.link_down(eth1.health, "eth1", "lan")
    eth1.health, _notes = health.link_up(eth1.health, "eth1", 5.0, eth1.probed)
    assert eth1.health.proving_since is None
    bed.prober.shown = Snapshot((Watch("eth1", "failed", (Instance(4, "multicast", "192.0.2.81", ()),)),))
    bed.find(Changed("eth1"))
    assert eth1.health.proving_since is not None
    eth1.trusted = True  # a rollback needs it: probes are not waited for
    bed.prober.shown = Snapshot((Watch("eth1", "failed", (Instance(4, "routes", "192.0.2.81", (GATEWAY,)),)),))
    bed.find(Changed("eth1"))
    assert eth1.health.proving_since is not None


def test_single_probes_go_to_whoever_asked_for_them() -> None:
    bed = Bed(group())
    seen = Seen("eth1", 4, "lost", 1, GATEWAY, 0, 0, None, None, None, None)
    assert not bed.find(seen)
    assert bed.seen == [seen]
