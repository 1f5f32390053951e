# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: in a simulated kernel it arrives, loses no address on the way, and touches nobody else's things."""

from __future__ import annotations

import copy
import ipaddress
from dataclasses import dataclass, replace
from typing import Dict, List, Optional, Set, Tuple

import pytest
from generated import NICS, STRANGER, configs, group_of, interface, members
from hypothesis import given, settings
from hypothesis import strategies as st

from ipmp import plan
from ipmp.model import Config, Route, family_of
from ipmp.placement import Member, active, place
from ipmp.plan import Held, KernelRoute, Nexthop, RouteKey, View, Wanted
from ipmp.simulate import Port, SimulatedKernel
from ipmp.spares import usual

RESERVED = range(0x6E000000, 0x6F000000)
FOREIGN = ("192.0.1.77/24", "192.0.2.77/32", "2001:db8:1::77/64", "fe80::77/64", "10.8.8.8/8")


@dataclass(frozen=True)
class Wish:
    """A configuration, the state of its members, and what they imply."""

    config: Config
    views: Tuple[View, ...]
    wanted: Wanted

    def __str__(self) -> str:
        return "\n".join(
            f"{v.group.name}: {[(i.name, [a.cidr for a in i.addresses]) for i in v.group.interfaces]}, "
            f"members {dict(v.members)}, hosting {dict(v.hosting)}"
            for v in self.views
        )


@st.composite
def wishes(draw: st.DrawFn) -> Wish:
    config = draw(configs())
    views = []
    for group in config.groups:
        states = draw(members(group))
        views.append(View(group, states, place(group, states, {}, config.failback(group))))
    return Wish(config, tuple(views), plan.wanted(views, config.ungrouped))


def no_carrier(wish: Wish) -> Set[str]:
    """NICs that are there but whose members are not fit; whether they have carrier is open."""
    return {name for v in wish.views for name, m in v.members.items() if m.plumbed and not m.usable}


def absent(wish: Wish) -> Set[str]:
    return {name for v in wish.views for name, m in v.members.items() if not m.plumbed}


def claimed(wish: Wish) -> Set[str]:
    return {a.ip for i in wish.config.interfaces() for a in i.addresses}


@st.composite
def kernels(draw: st.DrawFn, wish: Wish) -> SimulatedKernel:
    """A kernel left by another configuration, and then interfered with."""
    kernel = SimulatedKernel({nic: Port() for nic in (*NICS, STRANGER)}, {Held(STRANGER, "10.9.9.9", 8, False)})
    if draw(st.integers(0, 3)):
        earlier = draw(wishes())
        kernel.execute(plan.steps(kernel.observe(), earlier.wanted))
    stale = st.sampled_from((0x6E000001, 0x6E777777, 0x6EFFFFFF))
    for ident in draw(st.lists(stale, max_size=2, unique=True)):
        if ident not in kernel.nexthop_groups:
            kernel.nexthops[ident] = Nexthop(draw(st.sampled_from(NICS)), 4, None)
            kernel.routes[RouteKey(4, f"198.18.{ident & 255}.0/24", 50, False)] = KernelRoute(ident, None, None, None)
    for number in range(draw(st.integers(0, 2))):
        nic = draw(st.sampled_from(NICS))
        kernel.routes[RouteKey(4, f"198.19.{number}.0/24", 4096, False)] = KernelRoute(None, nic, None, None)
    ours = sorted(claimed(wish))
    for ip in draw(st.lists(st.sampled_from(ours), max_size=3)) if ours else []:
        length = 64 if family_of(ip) == 6 else draw(st.sampled_from((24, 32)))
        _put(kernel, Held(draw(st.sampled_from((*NICS, STRANGER))), ip, length, draw(st.booleans())))
    for cidr in draw(st.lists(st.sampled_from(FOREIGN), max_size=3)):
        ip, _, length = cidr.partition("/")
        _put(kernel, Held(draw(st.sampled_from((*NICS, STRANGER))), ip, int(length), False))
    kernel.foreign_routes[RouteKey(4, "0.0.0.0/0", 100, False)] = KernelRoute(None, STRANGER, "10.9.9.1", None)
    for key in draw(st.lists(st.sampled_from(sorted(kernel.routes)), max_size=3)) if kernel.routes else []:
        kernel.routes.pop(key, None)
    for nic in sorted(no_carrier(wish)):
        if draw(st.booleans()):
            kernel.set_carrier(nic, False)
    for nic in sorted(absent(wish)):
        if draw(st.booleans()):
            kernel.remove(nic)
    return kernel


def _put(kernel: SimulatedKernel, held: Held) -> None:
    same = [
        h
        for h in kernel.addresses
        if (h.nic, h.ip) == (held.nic, held.ip) and (family_of(h.ip) == 6 or h.prefixlen == held.prefixlen)
    ]
    if not same:
        kernel.addresses.add(held)


@st.composite
def situations(draw: st.DrawFn) -> Tuple[SimulatedKernel, Wish]:
    wish = draw(wishes())
    return draw(kernels(wish)), wish


def story(kernel: SimulatedKernel, wish: Wish, steps: List[plan.Step]) -> str:
    """What was there, what was wanted, what was done."""
    there = "\n".join(map(str, sorted(kernel.addresses)))
    return f"\nwas:\n{there}\nwanted:\n{wish}\n{sorted(wish.wanted.addresses)}\nsteps:\n" + "\n".join(
        plan.describe(s) if not isinstance(s, plan.AwaitAddresses) else "wait" for s in steps
    )


def run(kernel: SimulatedKernel, wish: Wish) -> Tuple[SimulatedKernel, str]:
    """The kernel after the plan, and the story for a failing test."""
    steps = plan.steps(kernel.observe(), wish.wanted)
    after, told = copy.deepcopy(kernel), story(kernel, wish, steps)
    try:
        after.execute(steps)
    except Exception as problem:
        raise AssertionError(f"{problem}{told}") from problem
    return after, told


MANY = settings(max_examples=150, deadline=None)


@MANY
@given(situations())
def test_the_wanted_state_is_reached(situation: Tuple[SimulatedKernel, Wish]) -> None:
    kernel, wish = situation
    after, told = run(kernel, wish)
    want = wish.wanted
    for a in want.addresses:
        lengths = [h.prefixlen for h in after.addresses if (h.nic, h.ip) == (a.nic, a.ip)]
        assert (a.prefixlen in lengths) or (family_of(a.ip) == 6 and lengths), f"{a} is not there{told}"
        assert len(lengths) == 1 or a.nic not in want.nics, f"{a} is there with prefix lengths {lengths}{told}"
    places = {(a.nic, a.ip) for a in want.addresses}
    wrong = [h for h in after.addresses if h.ours and (h.nic, h.ip) not in places]
    assert not wrong, f"{wrong} should have gone{told}"
    wanted_ips = {a.ip for a in want.addresses}
    twice = [h for h in after.addresses if h.ip in wanted_ips and h.nic in want.nics and (h.nic, h.ip) not in places]
    assert not twice, f"{twice} are on a second member{told}"
    assert len(after.nexthops) == len(want.nexthops), told
    assert {usual(i): hop for i, hop in after.nexthops.items()} == want.nexthops, told
    assert {i: tuple(sorted(map(usual, m))) for i, m in after.nexthop_groups.items()} == want.nexthop_groups, told
    homeless = {k for k in want.routes if k.anchor and k.dst.split("/")[0] not in wanted_ips}
    assert after.routes == {k: r for k, r in want.routes.items() if k not in homeless or k in kernel.routes}, told


@MANY
@given(situations())
def test_no_address_is_ever_nowhere(situation: Tuple[SimulatedKernel, Wish]) -> None:
    kernel, wish = situation
    steps = plan.steps(kernel.observe(), wish.wanted)
    wanted = {a.ip for a in wish.wanted.addresses}
    kinds = {(a.nic, a.ip): a.test for a in wish.wanted.addresses}
    turned = {h.ip for h in kernel.addresses if h.ours and kinds.get((h.nic, h.ip), h.test) != h.test}
    watched = sorted(ip for ip in wanted - turned if kernel.holders(ip))
    state = copy.deepcopy(kernel)
    for number, step in enumerate(steps):
        state.apply(step)
        lost = [ip for ip in watched if not state.holders(ip)]
        assert not lost, f"{lost} are nowhere after step {number + 1}{story(kernel, wish, steps)}"


@MANY
@given(situations())
def test_a_second_run_finds_nothing_to_do(situation: Tuple[SimulatedKernel, Wish]) -> None:
    kernel, wish = situation
    after, told = run(kernel, wish)
    again = [plan.describe(s) for s in plan.steps(after.observe(), wish.wanted)]
    assert again == [], told


@MANY
@given(situations())
def test_nobody_elses_things_are_touched(situation: Tuple[SimulatedKernel, Wish]) -> None:
    """Not even an address that the configuration claims, unless it sits on a member."""
    kernel, wish = situation
    after, told = run(kernel, wish)
    ours = {a.ip for a in wish.wanted.addresses}
    taken = {h for h in kernel.addresses - after.addresses if not h.ours}
    assert all(h.ip in ours and h.nic in wish.wanted.nics for h in taken), f"{taken} taken{told}"
    assert after.foreign_routes == kernel.foreign_routes, told


@MANY
@given(wishes(), wishes())
def test_nexthop_ids_are_unique_and_stable_and_in_our_range(one: Wish, other: Wish) -> None:
    """Given two configurations, what they have in common has the same id in both, so a restart finds its objects."""
    for wish in (one, other):
        hops, bundles = wish.wanted.nexthops, wish.wanted.nexthop_groups
        assert not set(hops) & set(bundles)
        assert all(ident in RESERVED for ident in (*hops, *bundles))
        assert len(set(hops.values())) == len(hops), f"two objects for one way out: {hops}"
    ids = {hop: ident for ident, hop in one.wanted.nexthops.items()}
    for ident, hop in other.wanted.nexthops.items():
        assert ids.get(hop, ident) == ident


def test_ids_that_collide_are_moved_apart_within_our_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "crc32", lambda _key: 0xFFFFFE)
    want = wanted_for(HOME)
    ids = {*want.nexthops, *want.nexthop_groups}
    assert len(ids) == 6, "a way out for each of two members and families, and a group for each family"
    assert all(ident in RESERVED for ident in ids)


@MANY
@given(wishes())
def test_only_active_members_carry_traffic(wish: Wish) -> None:
    for view in wish.views:
        names = {i.name for i in view.group.interfaces}
        out = {hop.nic for hop in wish.wanted.nexthops.values() if hop.nic in names}
        assert out <= set(active(view.members, view.hosting)), wish


@MANY
@given(situations())
def test_at_every_moment_a_hosted_prefix_has_a_route_that_works(situation: Tuple[SimulatedKernel, Wish]) -> None:
    """Given a group in order, when members fail, then its prefixes are reachable after each step of the plan."""
    _kernel, wish = situation
    for view in wish.views:
        fit = {n: Member(True, True, m.standby) for n, m in view.members.items()}
        before = plan.wanted([View(view.group, fit, place(view.group, fit, {}, True))])
        kernel = SimulatedKernel({nic: Port() for nic in fit})
        kernel.execute(plan.steps(kernel.observe(), before))
        usable = {n for n, m in view.members.items() if m.usable}
        if not usable:
            continue
        for nic in sorted(set(fit) - usable):
            kernel.set_carrier(nic, False)
        states = {n: Member(n in usable, True, m.standby) for n, m in fit.items()}
        hosting = place(view.group, states, place(view.group, fit, {}, True), True)
        steps = plan.steps(kernel.observe(), plan.wanted([View(view.group, states, hosting)]))
        prefixes = {(a.family, str(a.network)) for _owner, a in view.group.data_addresses if a.up}
        for number, step in enumerate([None, *steps]):
            if step is not None:
                kernel.apply(step)
            for family, dst in prefixes:
                good = any(_works(kernel, r) for k, r in kernel.routes.items() if (k.family, k.dst) == (family, dst))
                assert good, f"{dst} cannot be reached after {number} of {[plan.describe(s) for s in steps]} of {wish}"


def _works(kernel: SimulatedKernel, route: KernelRoute) -> bool:
    ids = kernel.nexthop_groups.get(route.nhid, ()) if route.nhid is not None else ()
    ways = [kernel.nexthops[i].nic for i in ids] if ids else [route.nic]
    return any(nic is not None and kernel.ports[nic].running for nic in ways)


# -- examples: what the wanted state is

A = interface("eth0", "192.0.2.1/24", "2001:db8::1/64", test="192.0.2.11/24")
B = interface("eth1", "192.0.2.2/24")
OK = Member()


def wanted_for(hosting: Dict[str, Optional[str]], states: Optional[Dict[str, Member]] = None, **more: object) -> Wanted:
    return plan.wanted([View(group_of(A, B, **more), states or {"eth0": OK, "eth1": OK}, hosting)])


HOME: Dict[str, Optional[str]] = {"192.0.2.1": "eth0", "2001:db8::1": "eth0", "192.0.2.2": "eth1"}


def test_addresses_are_hosts_and_test_addresses_stay() -> None:
    found = {(a.nic, a.ip, a.prefixlen, a.test) for a in wanted_for({**HOME, "192.0.2.1": "eth1"}).addresses}
    assert found == {
        ("eth0", "192.0.2.11", 32, True),
        ("eth1", "192.0.2.1", 32, False),
        ("eth1", "192.0.2.2", 32, False),
        ("eth0", "2001:db8::1", 128, False),
    }


def test_an_address_that_is_nowhere_keeps_its_anchor_but_gets_none() -> None:
    want = wanted_for(dict.fromkeys(HOME), {"eth0": Member(False, False), "eth1": Member(False, False)})
    assert not want.addresses
    kernel = SimulatedKernel({"eth0": Port(), "eth1": Port()})
    assert plan.steps(kernel.observe(), want) == []
    kernel.execute(plan.steps(kernel.observe(), wanted_for(HOME)))
    kernel.remove("eth0")
    kernel.remove("eth1")
    kernel.execute(plan.steps(kernel.observe(), want))
    assert {k.dst for k in kernel.routes if k.anchor} == {"192.0.2.1/32", "192.0.2.2/32", "2001:db8::1/128"}


def test_the_prefix_goes_through_all_active_members_with_the_first_address_as_source() -> None:
    want = wanted_for(HOME)
    for dst, src in (("192.0.2.0/24", "192.0.2.1"), ("2001:db8::/64", "2001:db8::1")):
        route = want.routes[RouteKey(family_of(src), dst, plan.GROUP_METRIC, False)]
        assert route.src == src
        assert {want.nexthops[i].nic for i in want.nexthop_groups[route.nhid or 0]} == {"eth0", "eth1"}


@pytest.mark.parametrize("state", [Member(False, True), Member(True, True, standby=True)])
def test_a_failed_or_idle_member_is_a_fallback_only(state: Member) -> None:
    want = wanted_for(dict.fromkeys(HOME, "eth0"), {"eth0": OK, "eth1": state})
    assert {hop.nic for hop in want.nexthops.values()} == {"eth0"}
    fallbacks = {k.metric: r.nic for k, r in want.routes.items() if k.dst == "192.0.2.0/24" and r.nic}
    assert fallbacks == {plan.FALLBACK_METRIC: "eth0", plan.FALLBACK_METRIC + 1: "eth1"}


def test_gateways_and_routes_go_through_every_active_member() -> None:
    want = wanted_for(HOME, gateways=("192.0.2.254",), routes=(Route("203.0.113.0/24", "192.0.2.253"),))
    for dst, via in (("0.0.0.0/0", "192.0.2.254"), ("203.0.113.0/24", "192.0.2.253")):
        route = want.routes[RouteKey(4, dst, plan.GROUP_METRIC, False)]
        hops = {want.nexthops[i] for i in want.nexthop_groups[route.nhid or 0]}
        assert hops == {Nexthop("eth0", 4, via), Nexthop("eth1", 4, via)}
        assert route.src == "192.0.2.1"


def test_a_test_network_of_its_own_has_a_route() -> None:  # TST-8
    group = group_of(interface("eth0", "192.0.2.1/24", test="10.0.0.1/24"))
    want = plan.wanted([View(group, {"eth0": OK}, {"192.0.2.1": "eth0"})])
    key = RouteKey(4, str(ipaddress.ip_network("10.0.0.0/24")), plan.FALLBACK_METRIC, False)
    assert want.routes[key] == KernelRoute(None, "eth0", None, None)


def test_a_planned_move_reads_as_make_before_break() -> None:
    kernel = SimulatedKernel({nic: Port() for nic in NICS})
    kernel.execute(plan.steps(kernel.observe(), wanted_for(HOME)))
    away: Dict[str, Optional[str]] = dict.fromkeys(HOME, "eth1")
    steps = plan.steps(kernel.observe(), wanted_for(away, {"eth0": Member(False, True), "eth1": OK}))
    told = [
        plan.describe(s)
        for s in steps
        if not isinstance(s, (plan.SetNexthop, plan.SetNexthopGroup, plan.SetRoute, plan.DelNexthop))
    ]
    assert told == [
        "add 192.0.2.1 on eth1",
        "add 2001:db8::1 on eth1",
        "wait for 2001:db8::1",
        "delete 192.0.2.1/32 from eth0",
        "delete 2001:db8::1/128 from eth0",
        "announce 192.0.2.1 on eth1",
        "announce 2001:db8::1 on eth1",
    ]
    order = [type(s) for s in steps]
    assert order.index(plan.SetNexthopGroup) < order.index(plan.DelAddress), "routes leave a NIC before its addresses"


def test_without_ipv4_left_the_fallbacks_of_a_nic_are_written_again() -> None:
    """Linux drops the plain IPv4 routes of a NIC with its last IPv4 address."""
    kernel = SimulatedKernel({nic: Port() for nic in NICS})
    kernel.execute(plan.steps(kernel.observe(), wanted_for(HOME)))
    away: Dict[str, Optional[str]] = dict.fromkeys(HOME, "eth0")
    want = wanted_for(away, {"eth0": OK, "eth1": Member(False, True)})
    kernel.execute(plan.steps(kernel.observe(), want))
    assert RouteKey(4, "192.0.2.0/24", plan.FALLBACK_METRIC + 1, False) in kernel.routes


@pytest.mark.parametrize("test", [False, True])
def test_an_address_that_turns_from_data_to_test_or_back_is_written_anew(test: bool) -> None:
    kernel = SimulatedKernel({nic: Port() for nic in NICS})
    want = wanted_for(HOME)
    address = next(a for a in want.addresses if a.test is test and family_of(a.ip) == 4)
    turned = replace(want, addresses=want.addresses - {address} | {address._replace(test=not test)})
    kernel.execute(plan.steps(kernel.observe(), turned))
    steps = plan.steps(kernel.observe(), want)
    assert [type(s) for s in steps if isinstance(s, (plan.AddAddress, plan.DelAddress))] == [
        plan.DelAddress,
        plan.AddAddress,
    ]
    kernel.execute(steps)
    assert plan.steps(kernel.observe(), want) == []


def test_a_claimed_address_on_a_member_is_taken_over_and_elsewhere_left_alone() -> None:
    for nic, kept in (("eth1", False), (STRANGER, True)):
        held = Held(nic, "192.0.2.1", 24, False)
        kernel = SimulatedKernel({n: Port() for n in (*NICS, STRANGER)}, {held})
        kernel.execute(plan.steps(kernel.observe(), wanted_for(HOME)))
        assert (held in kernel.addresses) is kept
