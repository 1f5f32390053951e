# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a NIC beside us: what is built on it, other people's routes and addresses, sockets, the caller itself.

The kernel is asked for these NICs only, so that a router with a million routes answers as fast as any host.
"""

from __future__ import annotations

import ipaddress
from typing import Callable, Collection, Dict, List, Optional, Tuple

from . import nl
from .boundsockets import bound
from .components import STACKED
from .daemon import Daemon
from .nlparse import RouteEvent
from .runtime import Nic

_ITS_OWN = (1, 2, 9, nl.PROTO)  # RTPROT_REDIRECT, _KERNEL, _RA, and ours: they come and go with the NIC
DAEMONS = {
    8: "gated",
    10: "mrt",
    11: "zebra",
    12: "bird",
    13: "dnrouted",
    14: "xorp",
    15: "ntk",
    16: "dhcp",
    18: "keepalived",
    42: "babel",
    186: "bgp",
    187: "isis",
    188: "ospf",
    189: "rip",
    192: "eigrp",
}


class Usage:
    """Looks, and changes nothing."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon

    def addresses(self) -> Dict[str, List[str]]:
        """By NIC, link-local ones excepted."""
        names = {link.ifindex: name for name, link in self.daemon.kernel.links.items()}
        held: Dict[str, List[str]] = {}
        for address in self.daemon.requests.dump_addresses():
            if address.ifindex in names and not address.ip.startswith("fe80:"):
                held.setdefault(names[address.ifindex], []).append(address.ip)
        return held

    def uppers(self, nic: Nic) -> Tuple[str, ...]:
        """What is built on it and has no file: a member leaves with it, and is judged with it."""
        links, ours = self.daemon.kernel.links.values(), self.daemon.runtime.nics
        above = [k.name for k in links if nic.present and k.parent == nic.ifindex and k.kind in STACKED]
        return tuple(name for name in above if name not in ours)

    def routes(self, nic: Nic) -> Tuple[List[str], List[str]]:
        """(destinations of static routes, those that cannot be moved as "10.0.0.0/8 (dhcp)"), through it alone."""
        static: List[str] = []
        pinned: List[str] = []
        for route in self._through(nic):
            if route.protocol in nl.BY_HAND:  # a person's, so they are moved
                if nic.group:
                    static.append(route.dst)
                else:
                    pinned.append(f"{route.dst} (static)")
            elif route.protocol not in _ITS_OWN:
                pinned.append(f"{route.dst} ({DAEMONS.get(route.protocol, f'protocol {route.protocol}')})")
        return list(dict.fromkeys(static)), list(dict.fromkeys(pinned))

    def _through(self, nic: Nic) -> List[RouteEvent]:
        try:
            routes = self.daemon.requests.dump_routes(0, nic.ifindex) if nic.present else []
        except OSError:  # it has gone while we asked
            return []
        return [r for r in routes if r.kind == nl.UNICAST and r.table != nl.TABLE_LOCAL and r.ifindex == nic.ifindex]

    def sockets(self, nic: Nic) -> Tuple[str, ...]:
        """Sockets of other processes that are bound to it."""
        try:
            return tuple(str(one) for one in bound(nic.ifindex)) if nic.present else ()
        except OSError as error:
            self.daemon.log("err", f"{nic.name}: sockets bound to it cannot be seen: {error}")
            return ()

    def way_to(self, peer: Optional[str], names: Collection[str], moved: Callable[[Nic], bool]) -> Optional[str]:
        """The NIC of these that leads to peer, if without them no other does; None where all is well.

        moved: do the static routes of this NIC go to another one?
        """
        if not peer:
            return None
        scope = peer.partition("%")[2]
        if scope:  # link-local: it is there and nowhere else
            return scope if scope in names else None
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return None
        now = self.daemon.requests.route_to(str(address))
        name = self.daemon.kernel.name_of(now.ifindex) if now is not None else None
        if name is None or name not in names:
            return None
        nic = self.daemon.runtime.nics.get(name)
        up = {link.ifindex for link in self.daemon.kernel.links.values() if link.up and link.carrier is not False}
        up -= {link.ifindex for n, link in self.daemon.kernel.links.items() if n in names}
        for protocol in (nl.PROTO, 2, 9, 16, *nl.BY_HAND):
            for route in self.daemon.requests.dump_routes(protocol):
                if route.kind != nl.UNICAST or address not in ipaddress.ip_network(route.dst):
                    continue
                stays = route.ifindex in up
                follows = protocol in nl.BY_HAND and nic is not None and route.ifindex == nic.ifindex and moved(nic)
                if stays or follows:
                    return None
        return name
