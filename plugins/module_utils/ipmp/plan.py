# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel state a group needs, and the ordered steps from what is there to what is wanted. Pure.

The order is make before break: an address is deleted only after it is on another NIC, and routes leave a NIC
before its addresses do. `docs/architecture.md`, "What the kernel holds", says what each object is for.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Dict, FrozenSet, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union
from zlib import crc32

from .model import Address, Config, Group, Interface, IPNetwork, family_of
from .placement import Hosting, Member, active
from .spares import SPARE, numbered

NEXTHOP_BASE = 0x6E000000  # ids of ours: base + 24 bits
GROUP_METRIC = 50
FALLBACK_METRIC = 4096
ANCHOR_METRIC = 1


class Placed(NamedTuple):
    """An address of ours as one NIC should hold it."""

    nic: str
    ip: str
    prefixlen: int  # that of a host, or on an ungrouped NIC the file's: the kernel then adds the prefix route
    test: bool
    broadcast: Optional[str]


class Held(NamedTuple):
    """An address that the kernel holds. ours: it carries our mark, or our record says so. test: as one is written."""

    nic: str
    ip: str
    prefixlen: int
    ours: bool
    broadcast: Optional[str] = None
    test: bool = False


class Nexthop(NamedTuple):
    """A way out: a NIC, and a gateway unless the destination is on the link."""

    nic: str
    family: int
    gateway: Optional[str]


class RouteKey(NamedTuple):
    """What the kernel tells routes apart by. anchor: a ``local`` route in the local table."""

    family: int
    dst: str
    metric: int
    anchor: bool


class KernelRoute(NamedTuple):
    """Through a nexthop group (nhid) or through one NIC; src is the preferred source address."""

    nhid: Optional[int]
    nic: Optional[str]
    gateway: Optional[str]
    src: Optional[str]


@dataclass(frozen=True)
class Wanted:
    """All kernel objects of ours as they should be. mtus holds only NICs whose file names one."""

    nics: FrozenSet[str] = frozenset()  # members to be up, with the settings of a member
    mtus: Mapping[str, int] = field(default_factory=dict)
    addresses: FrozenSet[Placed] = frozenset()
    nexthops: Mapping[int, Nexthop] = field(default_factory=dict)
    nexthop_groups: Mapping[int, Tuple[int, ...]] = field(default_factory=dict)
    routes: Mapping[RouteKey, KernelRoute] = field(default_factory=dict)


@dataclass(frozen=True)
class Observed:
    """What the kernel has: every address; nexthops and routes only where they are ours."""

    addresses: FrozenSet[Held] = frozenset()
    nexthops: Mapping[int, Nexthop] = field(default_factory=dict)
    nexthop_groups: Mapping[int, Tuple[int, ...]] = field(default_factory=dict)
    routes: Mapping[RouteKey, KernelRoute] = field(default_factory=dict)


class AddAddress(NamedTuple):
    """Put an address on a NIC."""

    address: Placed


class AwaitAddresses(NamedTuple):
    """IPv6 addresses work only after their notification; the acknowledgement comes too early."""

    addresses: Tuple[Placed, ...]


class DelAddress(NamedTuple):
    """Take an address off a NIC."""

    address: Held


class SetNexthop(NamedTuple):
    """Create or replace a nexthop object."""

    id: int
    nexthop: Nexthop


class SetNexthopGroup(NamedTuple):
    """Create or replace a nexthop group."""

    id: int
    members: Tuple[int, ...]


class DelNexthop(NamedTuple):
    """Delete a nexthop object or group."""

    id: int


class SetRoute(NamedTuple):
    """Create or replace a route."""

    key: RouteKey
    route: KernelRoute


class DelRoute(NamedTuple):
    """Delete a route."""

    key: RouteKey
    route: KernelRoute


class Announce(NamedTuple):
    """Tell the link that an address is now behind this NIC."""

    nic: str
    ip: str


Step = Union[
    AddAddress, AwaitAddresses, DelAddress, SetNexthop, SetNexthopGroup, DelNexthop, SetRoute, DelRoute, Announce
]


def describe(step: Step) -> str:
    """The step as an operator would type it."""
    if isinstance(step, AddAddress):
        return f"add {step.address.ip} on {step.address.nic}"
    if isinstance(step, AwaitAddresses):
        return "wait for " + ", ".join(a.ip for a in step.addresses)
    if isinstance(step, DelAddress):
        return f"delete {step.address.ip}/{step.address.prefixlen} from {step.address.nic}"
    if isinstance(step, SetNexthop):
        via = f" via {step.nexthop.gateway}" if step.nexthop.gateway else ""
        return f"nexthop {step.id}{via} dev {step.nexthop.nic}"
    if isinstance(step, SetNexthopGroup):
        return f"nexthop group {step.id} of {', '.join(map(str, step.members))}"
    if isinstance(step, DelNexthop):
        return f"delete nexthop {step.id}"
    if isinstance(step, Announce):
        return f"announce {step.ip} on {step.nic}"
    kind = "anchor" if step.key.anchor else "route"
    verb = "delete " if isinstance(step, DelRoute) else ""
    way = f"nexthop {step.route.nhid}" if step.route.nhid else f"dev {step.route.nic}"
    return f"{verb}{kind} {step.key.dst} {way} metric {step.key.metric}"


@dataclass(frozen=True)
class View:
    """What the plan needs to know of one group now."""

    group: Group
    members: Mapping[str, Member]
    hosting: Hosting


def wanted(views: Iterable[View], ungrouped: Iterable[Interface] = ()) -> Wanted:
    """The kernel objects for these groups, and for interfaces that have a file but no group."""
    built = _Builder()
    for view in views:
        built.add(view)
    for interface in ungrouped:
        built.add_ungrouped(interface)
    return built.result()


class _Builder:
    """Collects objects of all groups; nexthop ids are handed out at the end, when all keys are known."""

    def __init__(self) -> None:
        self.nics: List[str] = []
        self.mtus: Dict[str, int] = {}
        self.addresses: List[Placed] = []
        self.hops: Dict[str, Nexthop] = {}
        self.bundles: Dict[str, Tuple[str, ...]] = {}
        self.through: List[Tuple[RouteKey, str, Optional[str]]] = []  # key, bundle, src
        self.routes: Dict[RouteKey, KernelRoute] = {}

    def add(self, view: View) -> None:
        plumbed = [i for i in view.group.interfaces if i.name in view.members and view.members[i.name].plumbed]
        for interface in plumbed:
            self.nics.append(interface.name)
            if interface.mtu is not None:
                self.mtus[interface.name] = interface.mtu
            self.addresses += [
                Placed(interface.name, a.ip, _host_length(a.ip), True, None) for a in interface.test_addresses if a.up
            ]
        data = [a for _owner, a in view.group.data_addresses if a.up]
        for address in data:
            nic = view.hosting.get(address.ip)
            if nic is not None:
                self.addresses.append(Placed(nic, address.ip, _host_length(address.ip), False, address.broadcast))
            key = RouteKey(address.family, f"{address.ip}/{_host_length(address.ip)}", ANCHOR_METRIC, True)
            self.routes[key] = KernelRoute(None, "lo", None, None)
        order = [i.name for i in view.group.interfaces]
        for family in (4, 6):
            ours = sorted((a for a in data if a.family == family), key=lambda a: ipaddress.ip_address(a.ip))
            self._family(view, family, [a for a in ours if view.hosting.get(a.ip)], order)
        self._test_networks(view, order)

    def add_ungrouped(self, interface: Interface) -> None:
        """Plain addresses, as any other tool would configure them."""
        if interface.mtu is not None:
            self.mtus[interface.name] = interface.mtu
        self.addresses += [
            Placed(interface.name, a.ip, a.prefixlen, False, a.broadcast) for a in interface.addresses if a.up
        ]

    def _family(self, view: View, family: int, data: Sequence[Address], order: Sequence[str]) -> None:
        """Prefixes, gateways and routes of one family. data is hosted and sorted."""
        if not data:
            return
        source: Dict[IPNetwork, str] = {}
        for address in data:
            source.setdefault(address.network, address.ip)
        out = active(view.members, view.hosting)

        def reachable(via: str) -> bool:
            """The kernel takes an IPv6 gateway only where a prefix leads to it; that it does not is warned of."""
            ip = ipaddress.ip_address(via)
            return family == 4 or ip.is_link_local or any(ip in network for network in source)

        ways: List[Tuple[str, Tuple[str, ...], str]] = [(str(n), (), src) for n, src in source.items()]
        gateways = tuple(g for g in view.group.gateways if family_of(g) == family and reachable(g))
        if gateways:
            ways.append(("0.0.0.0/0" if family == 4 else "::/0", gateways, _source_for(gateways[0], data)))
        for route in view.group.routes:
            if route.family == family and reachable(route.via):
                ways.append((route.to, (route.via,), _source_for(route.via, data)))
        for dst, via, src in ways:
            if out:
                hops = [self._hop(nic, family, gateway) for gateway in via or (None,) for nic in out]
                bundle = f"{view.group.name}/{family}/{' '.join(via) or 'link'}"
                self.bundles[bundle] = tuple(hops)
                self.through.append((RouteKey(family, dst, GROUP_METRIC, False), bundle, src))
            for position, nic in enumerate(order):
                if nic in view.members and view.members[nic].plumbed:
                    key = RouteKey(family, dst, FALLBACK_METRIC + position, False)
                    self.routes[key] = KernelRoute(None, nic, via[0] if via else None, src)

    def _test_networks(self, view: View, order: Sequence[str]) -> None:
        """A test address outside the data prefixes still needs a way to its own targets (TST-8)."""
        for position, nic in enumerate(order):
            interface = view.group.interface(nic)
            if interface is None or nic not in view.members or not view.members[nic].plumbed:
                continue
            for address in interface.test_addresses:
                key = RouteKey(address.family, str(address.network), FALLBACK_METRIC + position, False)
                if address.up and key not in self.routes:
                    self.routes[key] = KernelRoute(None, nic, None, None)

    def _hop(self, nic: str, family: int, gateway: Optional[str]) -> str:
        key = f"{nic}/{family}/{gateway or 'link'}"
        self.hops[key] = Nexthop(nic, family, gateway)
        return key

    def result(self) -> Wanted:
        ids = _identify([*self.hops, *self.bundles])
        routes = dict(self.routes)
        for key, bundle, src in self.through:
            routes[key] = KernelRoute(ids[bundle], None, None, src)
        return Wanted(
            nics=frozenset(self.nics),
            mtus=self.mtus,
            addresses=frozenset(self.addresses),
            nexthops={ids[key]: hop for key, hop in self.hops.items()},
            nexthop_groups={ids[key]: tuple(sorted(ids[h] for h in hops)) for key, hops in self.bundles.items()},
            routes=routes,
        )


def _source_for(gateway: str, data: Sequence[Address]) -> str:
    near = (a.ip for a in data if ipaddress.ip_address(gateway) in a.network)
    return next(near, data[0].ip)


def _host_length(ip: str) -> int:
    return 128 if family_of(ip) == 6 else 32


def _identify(keys: Iterable[str]) -> Dict[str, int]:
    """A nexthop id for each key: the same one at every start, so that a restart finds its own objects."""
    ids: Dict[str, int] = {}
    taken = set()
    for key in sorted(keys):
        low = crc32(key.encode()) & (SPARE - 1)
        while low in taken:
            low = (low + 1) & (SPARE - 1)
        taken.add(low)
        ids[key] = NEXTHOP_BASE + low
    return ids


def steps(observed: Observed, target: Wanted, *, hurried: bool = False) -> List[Step]:
    """Ordered steps from observed to wanted; none when they agree. hurried: as of ``spares.numbered``.

    Foreign addresses are never touched, except one that the configuration claims and that sits on a member:
    it is taken over. The anchor of an address that is on no NIC is kept, but not made: where the NIC was never there
    (MISS-1), the host would answer for the address through any other.
    """
    plan: List[Step] = []
    groups, hops = numbered(
        target.nexthop_groups, target.nexthops, observed.nexthop_groups, observed.nexthops, hurried=hurried
    )
    hosted = {f"{a.ip}/{_host_length(a.ip)}" for a in target.addresses}
    changed = {
        k: r
        for k, r in target.routes.items()
        if not _same_route(observed.routes.get(k), r) and (not k.anchor or k.dst in hosted)
    }
    plan += [SetRoute(k, r) for k, r in sorted(changed.items(), key=_route_order) if k.anchor]

    kinds = {_identity(a.nic, a.ip, a.prefixlen): a.test for a in target.addresses}
    turned = [h for h in sorted(observed.addresses) if h.ours and kinds.get(_place(h), h.test) != h.test]
    plan += [DelAddress(h) for h in turned]  # the kernel does not change a scope
    held = {_place(h) for h in observed.addresses.difference(turned)}
    missing = sorted(a for a in target.addresses if _identity(a.nic, a.ip, a.prefixlen) not in held)
    plan += [AddAddress(a) for a in missing]
    slow = tuple(a for a in missing if family_of(a.ip) == 6)
    if slow:
        plan.append(AwaitAddresses(slow))

    plan += [SetRoute(k, r) for k, r in sorted(changed.items(), key=_route_order) if not k.anchor and r.nhid is None]
    plan += [SetNexthop(i, n) for i, n in sorted(hops.items()) if observed.nexthops.get(i) != n]
    plan += [SetNexthopGroup(i, m) for i, m in sorted(groups.items()) if observed.nexthop_groups.get(i) != m]
    plan += [SetRoute(k, r) for k, r in sorted(changed.items(), key=_route_order) if r.nhid is not None]

    places: Dict[str, List[Tuple[str, str, int]]] = {}
    for address in target.addresses:
        places.setdefault(address.ip, []).append(_identity(address.nic, address.ip, address.prefixlen))
    leaving = [h for h in sorted(observed.addresses) if _superfluous(h, places.get(h.ip, ()), target.nics)]
    plan += [DelAddress(h) for h in leaving]
    emptied = {h.nic for h in leaving if family_of(h.ip) == 4} - _with_ipv4(observed, target, leaving)
    emptied |= {h.nic for h in turned if family_of(h.ip) == 4}
    stripped = {(h.nic, h.ip) for h in leaving if family_of(h.ip) == 6}  # their routes there lose the source
    plan += [
        SetRoute(k, r)
        for k, r in sorted(target.routes.items(), key=_route_order)
        if (k.family == 4 and r.nic in emptied) or (r.nic, r.src) in stripped
    ]
    plan += [DelRoute(k, r) for k, r in sorted(observed.routes.items()) if k not in target.routes]
    plan += [DelNexthop(i) for i in sorted(observed.nexthop_groups) if i not in groups]
    plan += [DelNexthop(i) for i in sorted(observed.nexthops) if i not in hops]
    plan += [Announce(a.nic, a.ip) for a in missing if not a.test]
    return plan


def _route_order(item: Tuple[RouteKey, KernelRoute]) -> Tuple[bool, RouteKey]:
    return item[1].gateway is not None, item[0]  # IPv6 checks a gateway against the prefix routes


def _same_route(have: Optional[KernelRoute], want: KernelRoute) -> bool:
    if have is None:
        return False
    if want.nhid is not None:
        return have.nhid == want.nhid and have.src == want.src
    return have == want


def _identity(nic: str, ip: str, prefixlen: int) -> Tuple[str, str, int]:
    """IPv6 knows an address by itself; IPv4 tells the same address with two prefix lengths apart."""
    return nic, ip, prefixlen if family_of(ip) == 4 else 128


def _place(held: Held) -> Tuple[str, str, int]:
    return _identity(held.nic, held.ip, held.prefixlen)


def _with_ipv4(observed: Observed, target: Wanted, leaving: Sequence[Held]) -> FrozenSet[str]:
    """NICs that still have an IPv4 address; the kernel drops all plain IPv4 routes of a NIC with its last one."""
    staying = {h.nic for h in observed.addresses.difference(leaving) if family_of(h.ip) == 4}
    return frozenset(staying | {a.nic for a in target.addresses if family_of(a.ip) == 4})


def _superfluous(held: Held, places: Sequence[Tuple[str, str, int]], members: FrozenSet[str]) -> bool:
    if _place(held) in places:
        return False
    return held.ours or (bool(places) and held.nic in members)


def owned(config: Config) -> FrozenSet[str]:
    """Every address that the configuration claims for a group."""
    return frozenset(a.ip for group in config.groups for i in group.interfaces for a in i.addresses)
