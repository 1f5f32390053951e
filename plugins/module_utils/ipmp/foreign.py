# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other people's IPv4 routes: the kernel drops those of a NIC with its last IPv4 address, so they are put back.

Only what a person or a boot script made is kept (protocols boot and static); DHCP clients and routing daemons look
after their own.
"""

from __future__ import annotations

from typing import Dict, Iterable, List

from . import nl
from .kernel import Kernel
from .nlparse import RouteEvent
from .runtime import Runtime


class ForeignRoutes:
    """``remember`` while all is well, ``restore`` after addresses have left."""

    def __init__(self, runtime: Runtime, kernel: Kernel) -> None:
        self.runtime, self.kernel = runtime, kernel
        self._routes: Dict[str, List[RouteEvent]] = {}  # by member

    def remember(self) -> None:
        """Take note of what goes through each member now."""
        found: Dict[str, List[RouteEvent]] = {}
        for route in self._dump():
            nic = self.runtime.by_index(route.ifindex)
            if nic is not None and nic.group:
                found.setdefault(nic.name, []).append(route)
        self._routes = found

    def restore(self, names: Iterable[str]) -> None:
        """Make anew what the kernel has dropped from these NICs."""
        lost: List[RouteEvent] = []
        for name in names:
            nic = self.runtime.nics.get(name)
            if nic is not None and nic.attached and nic.joined:
                lost += [r for r in self._routes.get(name, ()) if r.ifindex == nic.ifindex]
        if not lost:
            return
        there = set(self._dump())
        lost = [route for route in lost if route not in there]
        failed = self.kernel.requests.batch([_add(route, onlink=False) for route in lost])
        # A gateway in no prefix of this NIC was accepted once, when the address was there that is gone now.
        self.kernel.requests.batch([_add(lost[f.index], onlink=True) for f in failed if lost[f.index].gateway])
        self.kernel.writes += len(lost)

    def _dump(self) -> List[RouteEvent]:
        routes = (r for protocol in nl.BY_HAND for r in self.kernel.requests.dump_routes(protocol))
        return [r for r in routes if r.family == 4 and r.kind == nl.UNICAST and r.ifindex and not r.nhid]


def _add(route: RouteEvent, *, onlink: bool) -> bytes:
    return nl.route_add(
        route.dst,
        ifindex=route.ifindex,
        gateway=route.gateway,
        onlink=onlink,
        table=route.table,
        scope=route.scope,
        metric=route.metric,
        prefsrc=route.prefsrc,
        protocol=route.protocol,
    )
