# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files' addresses in words that a shell script can pass to ``ip``, for hosts whose Python or daemon is broken."""

from __future__ import annotations

import ipaddress
from typing import Iterator, List, Tuple

from . import nl
from .model import Address, Config, Group, Interface, family_of
from .plan import FALLBACK_METRIC


def lines(config: Config) -> str:
    """One line a thing: link, address or route, then the words for ``ip link set``, ``address add``, ``route add``.

    Every data address is on its own interface; routes are those that in.mpathd keeps for each interface alone.
    """
    found: List[str] = []
    for interface in config.interfaces():
        found.append(f"link dev {interface.name} up")
        if interface.mtu:
            found.append(f"link dev {interface.name} mtu {interface.mtu}")
    for interface in config.interfaces():
        found += [_address(interface, address) for address in interface.data_addresses if address.up]
    for group in config.groups:
        found += _routes(group)
    return "".join(f"{line}\n" for line in found)


def _address(interface: Interface, address: Address) -> str:
    if interface.group is None:
        return f"address {address.cidr} dev {interface.name}"
    if address.family == 6:
        return f"address {address.ip}/128 dev {interface.name} nodad"
    broadcast = f" broadcast {address.broadcast}" if address.broadcast else ""
    return f"address {address.ip}/32 dev {interface.name}{broadcast}"


def _routes(group: Group) -> Iterator[str]:
    for place, interface in enumerate(group.interfaces):
        metric = FALLBACK_METRIC + place
        sources = [address for address in interface.data_addresses if address.up]
        prefixes = {str(address.network): address for address in reversed(sources)}
        for prefix, address in prefixes.items():
            yield _route(prefix, f"dev {interface.name}", address, metric)
        for to, via in _next_hops(group):
            nearest = next((a for a in sources if _inside(via, a)), None)
            if nearest is not None:
                yield _route(to, f"via {via} dev {interface.name} onlink", nearest, metric)


def _next_hops(group: Group) -> List[Tuple[str, str]]:
    return [("default", gateway) for gateway in group.gateways] + [(route.to, route.via) for route in group.routes]


def _inside(ip: str, address: Address) -> bool:
    return family_of(ip) == address.family and ipaddress.ip_address(ip) in address.network


def _route(to: str, way: str, source: Address, metric: int) -> str:
    return f"route {to} {way} src {source.ip} metric {metric} proto {nl.PROTO}"
