# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kernel made of dicts, for tests: what Linux does by itself when NICs, addresses, nexthops and routes come and go.

It takes the steps of ``plan`` one by one and is stricter than the real one: whatever a plan should never try raises
``Refused``. Only the traps that a plan has to know are modelled; each is named where it is.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Callable, Dict, Iterable, List, Set, Tuple

from . import plan
from .model import family_of
from .plan import Held, KernelRoute, Nexthop, Observed, RouteKey, Step


class Refused(Exception):
    """The kernel would have answered with an error, or the step makes no sense."""


@dataclass
class Port:
    """One NIC."""

    up: bool = True  # administratively
    carrier: bool = True

    @property
    def running(self) -> bool:
        """Packets can leave."""
        return self.up and self.carrier


@dataclass
class SimulatedKernel:
    """``apply`` is the plan's way in; the other methods are what happens to a machine."""

    ports: Dict[str, Port] = field(default_factory=dict)
    addresses: Set[Held] = field(default_factory=set)
    nexthops: Dict[int, Nexthop] = field(default_factory=dict)
    nexthop_groups: Dict[int, Tuple[int, ...]] = field(default_factory=dict)
    routes: Dict[RouteKey, KernelRoute] = field(default_factory=dict)  # ours
    foreign_routes: Dict[RouteKey, KernelRoute] = field(default_factory=dict)

    def observe(self) -> Observed:
        """What is there, as ``plan.steps`` takes it."""
        return Observed(frozenset(self.addresses), dict(self.nexthops), dict(self.nexthop_groups), dict(self.routes))

    def execute(self, steps: Iterable[Step]) -> None:
        """All steps in order."""
        for step in steps:
            self.apply(step)

    def holders(self, ip: str) -> List[str]:
        """NICs that have the address."""
        return sorted({h.nic for h in self.addresses if h.ip == ip})

    # -- what happens to a machine

    def set_carrier(self, nic: str, carrier: bool) -> None:
        """A cable. Without carrier the nexthops of the NIC vanish; nothing brings them back."""
        self.ports[nic].carrier = carrier
        if not carrier:
            self._prune(nic)

    def set_up(self, nic: str, up: bool) -> None:
        """``ip link set``. Down takes nexthops and plain routes with it; addresses stay (keep_addr_on_down)."""
        self.ports[nic].up = up
        if not up:
            self._prune(nic)
            self._drop_routes(lambda key, route: route.nic == nic)

    def remove(self, nic: str) -> None:
        """The NIC is gone, and everything on it."""
        self._prune(nic)
        self._drop_routes(lambda key, route: route.nic == nic)
        for held in [h for h in self.addresses if h.nic == nic]:
            self._delete(held)
        del self.ports[nic]

    # -- steps

    def apply(self, step: Step) -> None:
        """One step of a plan."""
        if isinstance(step, plan.AddAddress):
            self._add(step)
        elif isinstance(step, plan.DelAddress):
            if step.address not in self.addresses:
                raise Refused(f"{plan.describe(step)}: it is not there")
            self._delete(step.address)
        elif isinstance(step, plan.SetNexthop):
            self._nexthop(step.id, step.nexthop)
        elif isinstance(step, plan.SetNexthopGroup):
            self._group(step.id, step.members)
        elif isinstance(step, plan.DelNexthop):
            self._delete_nexthop(step.id)
        elif isinstance(step, plan.SetRoute):
            self._route(step.key, step.route)
        elif isinstance(step, plan.DelRoute):
            self._drop_routes(lambda key, route: key == step.key, ours_only=True)
        elif isinstance(step, plan.Announce):
            if step.nic not in self.holders(step.ip):
                raise Refused(f"{plan.describe(step)}: it is not there")

    def _add(self, step: plan.AddAddress) -> None:
        nic, ip, prefixlen = step.address.nic, step.address.ip, step.address.prefixlen
        if nic not in self.ports:
            raise Refused(f"{plan.describe(step)}: there is no such NIC")
        for held in self.addresses:
            if (held.nic, held.ip) == (nic, ip) and (family_of(ip) == 6 or held.prefixlen == prefixlen):
                raise Refused(f"{plan.describe(step)}: it is there already")
        self.addresses.add(Held(nic, ip, prefixlen, True, test=step.address.test))

    def _delete(self, held: Held) -> None:
        self.addresses.discard(held)
        family = family_of(held.ip)
        if family == 4 and not any(h.nic == held.nic and family_of(h.ip) == 4 for h in self.addresses):
            # Linux disables IPv4 on a NIC without addresses: plain routes go, those through nexthop objects stay.
            self._drop_routes(lambda key, route: key.family == 4 and route.nic == held.nic)
        if family == 6:
            # Its plain routes forget it as their source, even if it is elsewhere by now (seen on Linux 6.1).
            for key, route in list(self.routes.items()):
                if route.nic == held.nic and route.src == held.ip:
                    self.routes[key] = route._replace(src=None)
        if not self._is_source(held.ip):
            self._source_lost(held.ip)

    def _is_source(self, ip: str) -> bool:
        """May a route name it? IPv4 looks into the local table, where anchors are; IPv6 looks at addresses only."""
        anchored = any(key.anchor and key.dst.split("/")[0] == ip for key in self.routes)
        return bool(self.holders(ip)) or (anchored and family_of(ip) == 4)

    def _source_lost(self, ip: str) -> None:
        """IPv4 drops the routes that name the address, IPv6 only forgets the name."""
        if family_of(ip) == 4:
            self._drop_routes(lambda key, route: route.src == ip)
            return
        for routes in (self.routes, self.foreign_routes):
            for key, route in list(routes.items()):
                if route.src == ip:
                    routes[key] = route._replace(src=None)

    def _nexthop(self, ident: int, hop: Nexthop) -> None:
        if hop.nic not in self.ports or not self.ports[hop.nic].running:
            raise Refused(f"nexthop {ident} dev {hop.nic}: no carrier")
        if ident in self.nexthop_groups:
            raise Refused(f"nexthop {ident} is a group and cannot become a single one")
        if hop.family == 6 and hop.gateway:
            self._reachable(hop.nic, hop.gateway)
        self.nexthops[ident] = hop

    def _reachable(self, nic: str, gateway: str) -> None:
        """IPv6 accepts a gateway on a NIC only with a route to it there; IPv4 is told ``onlink``."""
        address = ipaddress.ip_address(gateway)
        for key, route in self.routes.items():
            if not key.anchor and route.nic == nic and not route.gateway and address in ipaddress.ip_network(key.dst):
                return
        raise Refused(f"via {gateway} dev {nic}: no route to the gateway")

    def _group(self, ident: int, members: Tuple[int, ...]) -> None:
        if ident in self.nexthops:
            raise Refused(f"nexthop {ident} is a single one and cannot become a group")
        missing = [m for m in members if m not in self.nexthops]
        if missing or not members:
            raise Refused(f"nexthop group {ident}: no members {missing}")
        if len({self.nexthops[m].family for m in members}) > 1:
            raise Refused(f"nexthop group {ident}: members of both families")
        self.nexthop_groups[ident] = members

    def _delete_nexthop(self, ident: int) -> None:
        """Groups shrink; without members they go, and their routes with them."""
        if self.nexthops.pop(ident, None) is not None:
            for group, members in list(self.nexthop_groups.items()):
                if ident in members:
                    self.nexthop_groups[group] = tuple(m for m in members if m != ident)
                    if not self.nexthop_groups[group]:
                        self._delete_nexthop(group)
        else:
            self.nexthop_groups.pop(ident, None)
        self._drop_routes(lambda key, route: route.nhid == ident)

    def _prune(self, nic: str) -> None:
        for ident in [i for i, hop in self.nexthops.items() if hop.nic == nic]:
            self._delete_nexthop(ident)

    def _route(self, key: RouteKey, route: KernelRoute) -> None:
        what = f"route {key.dst} metric {key.metric}"
        if key in self.foreign_routes:
            raise Refused(f"{what}: it would replace somebody else's")
        if route.src is not None and not self._is_source(route.src):
            raise Refused(f"{what}: {route.src} is no local address")
        if route.nhid is not None:
            if route.nhid not in self.nexthops and route.nhid not in self.nexthop_groups:
                raise Refused(f"{what}: there is no nexthop {route.nhid}")
        elif route.nic != "lo":
            if route.nic not in self.ports or not self.ports[route.nic].up:
                raise Refused(f"{what}: {route.nic} is not up")
            if key.family == 6 and route.gateway:
                self._reachable(route.nic, route.gateway)
        self.routes[key] = route

    def _drop_routes(self, doomed: Callable[[RouteKey, KernelRoute], bool], ours_only: bool = False) -> None:
        sources = set()
        for routes in (self.routes,) if ours_only else (self.routes, self.foreign_routes):
            for key, route in list(routes.items()):
                if doomed(key, route):
                    del routes[key]
                    if key.anchor:
                        sources.add(key.dst.split("/")[0])
        for ip in sources:
            if not self._is_source(ip):
                self._source_lost(ip)
