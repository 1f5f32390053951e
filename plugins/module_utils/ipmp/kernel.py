# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one writer: what the kernel has in the words of ``plan``, and ``plan``'s steps as netlink messages."""

from __future__ import annotations

import errno
import os
from typing import AbstractSet, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from . import fastpath, nl, plan
from .model import family_of
from .nlparse import AddrEvent, LinkEvent
from .probing import Router

WAIT = 1.0  # s for an IPv6 address to become usable; it takes a few ms

# An object that somebody else (or the kernel, with a link) took away meanwhile is as gone as we want it.
_GONE = frozenset({errno.ESRCH, errno.ENOENT, errno.EADDRNOTAVAIL, errno.ENODEV})


class Kernel:
    """``links`` maps the names of all interfaces to what the kernel last said of them."""

    def __init__(self, requests: fastpath.Requests) -> None:
        self.requests = requests
        self.links: Dict[str, LinkEvent] = {}
        self.own: FrozenSet[str] = frozenset()  # every address of this host
        self.link_locals: Dict[int, str] = {}  # by ifindex: one that is usable, and the same as long as it is
        self._link_locals: Dict[int, List[str]] = {}  # all of them, the oldest first
        self.next_hops: Tuple[Router, ...] = ()  # gateways of other people's routes
        self.nexthops: Dict[int, plan.Nexthop] = {}  # of ours, as last seen or made
        self.nexthop_groups: Dict[int, Tuple[int, ...]] = {}
        self.writes = 0  # messages that changed something, or tried to

    @property
    def newest(self) -> int:
        """The highest number of an interface; one that comes later has a higher one."""
        return max(link.ifindex for link in self.links.values())

    def read_links(self) -> None:
        """Read all interfaces anew."""
        self.links = {link.name: link for link in self.requests.dump_links()}

    def observe(self, record: AbstractSet[str]) -> plan.Observed:
        """What is there now. record: addresses that are ours although the kernel may not keep our mark."""
        names = {link.ifindex: name for name, link in self.links.items()}
        addresses = self.requests.dump_addresses()
        self._take_addresses(addresses)
        marks = any(a.proto for a in addresses)  # a kernel that keeps marks has its own on the loopback
        held = frozenset(
            plan.Held(
                names[a.ifindex],
                a.ip,
                a.prefixlen,
                a.proto == nl.PROTO or (not marks and a.ip in record),
                a.broadcast,
                a.scope == nl.SCOPE_LINK if a.family == 4 else a.preferred_lft == 0,
            )
            for a in addresses
            if a.ifindex in names
        )
        hops: Dict[int, plan.Nexthop] = {}
        groups: Dict[int, Tuple[int, ...]] = {}
        for hop in self.requests.dump_nexthops():
            if hop.id & nl.NH_MASK != nl.NH_BASE:
                continue
            if hop.group:
                groups[hop.id] = tuple(sorted(hop.group))
            elif hop.ifindex in names:
                hops[hop.id] = plan.Nexthop(names[hop.ifindex], hop.family, hop.gateway)
        routes = {
            plan.RouteKey(r.family, r.dst, r.metric, r.kind == nl.LOCAL): plan.KernelRoute(
                r.nhid or None, names.get(r.ifindex), r.gateway, r.prefsrc
            )
            for r in self.requests.dump_routes()
            if r.protocol == nl.PROTO
        }
        self.nexthops, self.nexthop_groups = dict(hops), dict(groups)
        return plan.Observed(held, hops, groups, routes)

    def _take_addresses(self, addresses: Sequence[AddrEvent]) -> None:
        self.own, self._link_locals = frozenset(a.ip for a in addresses), {}
        for address in reversed(addresses):
            self._note_link_local(address)
        self._choose_link_locals()

    def take_address(self, address: AddrEvent) -> bool:
        """Note an address that has come or gone; False when that is nothing new. Ours may be elsewhere by now."""
        new = not address.deleted and address.ip not in self.own
        if new:
            self.own |= {address.ip}
        if not self._note_link_local(address):
            return new
        self._choose_link_locals()
        return True

    def _note_link_local(self, address: AddrEvent) -> bool:
        """Is it one? Then it is among those that are usable from now on, or is not."""
        if address.family != 6 or address.scope != nl.SCOPE_LINK:
            return False
        known = self._link_locals.setdefault(address.ifindex, [])
        usable = not (address.deleted or address.flags & (nl.IFA_F_TENTATIVE | nl.IFA_F_DADFAILED))
        if usable != (address.ip in known):
            (known.append if usable else known.remove)(address.ip)
        return True

    def _choose_link_locals(self) -> None:
        before = self.link_locals
        self.link_locals = {
            ifindex: before[ifindex] if before.get(ifindex) in known else known[0]
            for ifindex, known in self._link_locals.items()
            if known
        }

    def read_next_hops(self) -> None:
        """Who forwards for this host (TGT-2): gateways of routes made by people, boot scripts, DHCP and routers.

        Not those of routing daemons: their tables may hold a million routes.
        """
        names = {link.ifindex: name for name, link in self.links.items()}
        found = {
            Router(gateway, names.get(ifindex))
            for protocol in nl.HAND_MADE
            for route in self.requests.dump_routes(protocol)
            if route.kind == nl.UNICAST
            for ifindex, gateway in (*route.hops, (route.ifindex, route.gateway))
            if gateway
        }
        self.next_hops = tuple(sorted(found, key=lambda router: (router.ip, router.nic or "")))

    def give_back(self, held: plan.Held) -> None:
        """An address that was taken over returns as it was, prefix route included."""
        index = self._index(held.nic)
        if index:
            message = nl.addr_add(
                index, held.ip, held.prefixlen, noprefixroute=False, broadcast=held.broadcast, proto=0
            )
            self.requests.batch([message])

    def execute(self, steps: Sequence[plan.Step]) -> List[str]:
        """Carry the steps out in order; returns a sentence for each that failed. Announcements are not ours to make."""
        failures: List[str] = []
        run: List[plan.Step] = []
        for step in steps:
            self._note_nexthops(step)
            if isinstance(step, plan.Announce):
                continue
            if isinstance(step, plan.AwaitAddresses):
                failures += self._send(run, step)
                run = []
            else:
                run.append(step)
        return failures + self._send(run, None)

    def _note_nexthops(self, step: plan.Step) -> None:
        if isinstance(step, plan.SetNexthop):
            self.nexthops[step.id] = step.nexthop
        elif isinstance(step, plan.SetNexthopGroup):
            self.nexthop_groups[step.id] = step.members
        elif isinstance(step, plan.DelNexthop):
            self.nexthops.pop(step.id, None)
            self.nexthop_groups.pop(step.id, None)

    def _send(self, steps: Sequence[plan.Step], slow: Optional[plan.AwaitAddresses]) -> List[str]:
        compiled = [(step, message) for step in steps for message in self.compile([step])]
        messages = [message for _step, message in compiled]
        if not messages:
            return []
        self.writes += len(messages)
        if slow is None:
            failed = self.requests.batch(messages)
        else:
            expected = {(self.links[a.nic].ifindex, a.ip) for a in slow.addresses if a.nic in self.links}
            failed = self.requests.add_addresses_and_wait(messages, expected, WAIT)
        return [
            f"cannot {plan.describe(compiled[f.index][0])}: {f.message or os.strerror(f.errno)}"
            for f in failed
            if not (_removes(compiled[f.index][0]) and f.errno in _GONE)
        ]

    def compile(self, steps: Sequence[plan.Step]) -> List[bytes]:
        """The netlink messages for these steps; steps about interfaces that are gone have none."""
        return [m for step in steps for m in (self._message(step),) if m is not None]

    def _message(self, step: plan.Step) -> Optional[bytes]:
        if isinstance(step, plan.AddAddress):
            return self._add(step.address)
        if isinstance(step, plan.DelAddress):
            index = self._index(step.address.nic)
            return nl.addr_del(index, step.address.ip, step.address.prefixlen) if index else None
        if isinstance(step, plan.SetNexthop):
            index, hop = self._index(step.nexthop.nic), step.nexthop
            onlink = bool(hop.gateway) and hop.family == 4
            return nl.nexthop_replace(step.id, index, hop.family, gateway=hop.gateway, onlink=onlink) if index else None
        if isinstance(step, plan.SetNexthopGroup):
            return nl.nexthop_group(step.id, step.members)
        if isinstance(step, plan.DelNexthop):
            return nl.nexthop_del(step.id)
        if isinstance(step, plan.SetRoute):
            return self._route(step.key, step.route)
        if isinstance(step, plan.DelRoute):
            table, kind = _place(step.key)
            return nl.route_del(step.key.dst, table=table, kind=kind, metric=step.key.metric)
        return None

    def _add(self, address: plan.Placed) -> Optional[bytes]:
        index = self._index(address.nic)
        if not index:
            return None
        v6 = family_of(address.ip) == 6
        if address.test:
            scope = nl.SCOPE_UNIVERSE if v6 else nl.SCOPE_LINK
            return nl.addr_add(index, address.ip, address.prefixlen, scope=scope, preferred_lft=0)
        alone = address.prefixlen == (128 if v6 else 32)
        return nl.addr_add(index, address.ip, address.prefixlen, noprefixroute=alone, broadcast=address.broadcast)

    def _route(self, key: plan.RouteKey, route: plan.KernelRoute) -> Optional[bytes]:
        table, kind = _place(key)
        if route.nhid is not None:
            return nl.route_replace(key.dst, nhid=route.nhid, metric=key.metric, prefsrc=route.src)
        index = self._index(route.nic)
        if not index:
            return None
        scope = nl.SCOPE_HOST if key.anchor else nl.SCOPE_UNIVERSE if route.gateway else nl.SCOPE_LINK
        return nl.route_replace(
            key.dst,
            ifindex=index,
            gateway=route.gateway,
            onlink=bool(route.gateway) and key.family == 4,
            table=table,
            kind=kind,
            scope=scope,
            metric=key.metric,
            prefsrc=route.src,
        )

    def name_of(self, ifindex: int) -> Optional[str]:
        """The name of the interface with that index, or None."""
        return next((name for name, link in self.links.items() if link.ifindex == ifindex), None)

    def _index(self, name: Optional[str]) -> int:
        link = self.links.get(name) if name else None
        return link.ifindex if link else 0

    def holders(self, ips: AbstractSet[str], nics: AbstractSet[str]) -> Mapping[str, List[str]]:
        """On which of these NICs each of these addresses is now, in name order."""
        names = {self.links[n].ifindex: n for n in sorted(nics) if n in self.links}
        found: Dict[str, List[str]] = {}
        for address in self.requests.dump_addresses():
            if address.ip in ips and address.ifindex in names:
                found.setdefault(address.ip, []).append(names[address.ifindex])
        return found


def _place(key: plan.RouteKey) -> Tuple[int, int]:
    return (nl.TABLE_LOCAL, nl.LOCAL) if key.anchor else (nl.TABLE_MAIN, nl.UNICAST)


def _removes(step: plan.Step) -> bool:
    return isinstance(step, (plan.DelAddress, plan.DelRoute, plan.DelNexthop))
