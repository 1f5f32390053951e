# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab that the demo runs on and that ``make lab-up`` leaves running: three hosts of three cards, one a standby."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

from .spec import describe

GATEWAY = "192.0.2.254"  # the router of describe()
# host -> card -> data addresses; None: a standby
ADDRESSES: Dict[str, Dict[str, Optional[List[str]]]] = {
    "h1": {"eth1": ["192.0.2.11/24"], "eth2": ["192.0.2.12/24"], "eth3": None},
    "h2": {"eth1": ["192.0.2.21/24", "2001:db8::21/64"], "eth2": ["192.0.2.22/24"], "eth3": ["192.0.2.23/24"]},
    "h3": {"eth1": ["192.0.2.31/24"], "eth2": ["192.0.2.32/24"], "eth3": ["192.0.2.33/24"]},
}


def description(bed: str = "quick", kind: str = "veth") -> Dict[str, Any]:
    """The hosts of ADDRESSES on one link with the client, the router and the controller."""
    return describe(hosts=len(ADDRESSES), nics=3, bed=bed, kind=kind)


def variables() -> Dict[str, Dict[str, Any]]:
    """What the inventory says of each host: ``ipmp_groups``, as a user would write it."""
    return {host: {"ipmp_groups": [_group(cards)]} for host, cards in ADDRESSES.items()}


def _group(cards: Mapping[str, Optional[List[str]]]) -> Dict[str, Any]:
    interfaces = [
        {"name": name, "standby": True} if listed is None else {"name": name, "data_addresses": listed}
        for name, listed in cards.items()
    ]
    return {"name": "lan", "interfaces": interfaces, "gateways": [GATEWAY]}


def data_addresses() -> Dict[str, List[str]]:
    """Every data address by host, without prefix length."""
    return {
        host: [address.partition("/")[0] for listed in cards.values() for address in listed or []]
        for host, cards in ADDRESSES.items()
    }


def owner(host: str, address: str) -> str:
    """The card whose file names the address."""
    return next(
        card for card, listed in ADDRESSES[host].items() if any(a.partition("/")[0] == address for a in listed or [])
    )
