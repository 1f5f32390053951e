# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before the host is put back as it was before us: would the connection that asks for it live on?"""

from __future__ import annotations

import ipaddress
from typing import AbstractSet, Iterator, Optional

from . import nl
from .daemon import Daemon
from .usage import DAEMONS

# Whose routes may be the way when ours are gone: the kernel's, a person's, router advertisements', routing daemons',
# who may have the most, last.
_OTHERS = (2, *nl.BY_HAND, 9, *DAEMONS)
_WAY_OUT = "connect over an interface outside all groups, or say force to lose it"


def cut_off(daemon: Daemon, address: Optional[str], peer: Optional[str]) -> Optional[str]:
    """Why the connection from peer to this address of ours would be lost, or None.

    An address that was there before us returns, its prefix route with it; one that only our files name goes.
    """
    if not address or not peer or "%" in address + peer:  # a link-local address is the kernel's
        return None
    try:
        ipaddress.ip_address(peer)
    except ValueError:
        return None
    returning = {held.ip for held in daemon.taken_over.held}
    there = daemon.kernel.observe(daemon.record).addresses
    if address not in returning and any(one.ip == address and one.ours for one in there):
        return f"this task's connection ends at {address}, which only the group has: {_WAY_OUT}"
    others = {one.nic for one in there if not one.ours and not one.ip.startswith("fe80:")}
    if not any(_leads(network, peer) for network in _remaining(daemon, others)):
        return f"this task's connection comes from {peer}, to which only the group has a route: {_WAY_OUT}"
    return None


def _remaining(daemon: Daemon, others: AbstractSet[str]) -> Iterator[str]:
    """The networks that are still reached when ours is gone, as CIDR. others: NICs with somebody else's address."""
    for held in daemon.taken_over.held:
        yield f"{held.ip}/{held.prefixlen}"
    before = daemon.runtime.up_before  # a link that was down before us is down again, unless somebody uses it by now
    stay = {k.ifindex for name, k in daemon.kernel.links.items() if k.up and (before.get(name, True) or name in others)}
    for protocol in _OTHERS:
        for route in daemon.requests.dump_routes(protocol):
            if route.kind != nl.UNICAST or route.table == nl.TABLE_LOCAL:
                continue
            if route.ifindex in stay or not route.ifindex:  # 0: several ways, which are nobody's alone
                yield route.dst


def _leads(network: str, peer: str) -> bool:
    return ipaddress.ip_address(peer) in ipaddress.ip_network(network, strict=False)
