# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bonds, and NICs that share a network, as groups; sentences about all that a group does otherwise."""

from __future__ import annotations

import ipaddress
from typing import Any, Dict, List

from .found import Found, Link

# The kernel's numbers and names of modes, and how /proc/net/bonding calls them.
ACTIVE_BACKUP = ("active-backup", "1", "fault-tolerance (active-backup)")
LACP = ("802.3ad", "4", "ieee 802.3ad dynamic link aggregation")
STATIC = ("balance-rr", "0", "balance-xor", "2", "broadcast", "3")
STATIC += ("load balancing (round-robin)", "load balancing (xor)", "fault-tolerance (broadcast)")


def groups_of(found: Found) -> List[Dict[str, Any]]:
    """A GROUP for each bond and for NICs in no bond that have addresses in one network; adds notes to found."""
    bonds = [link for link in found.links.values() if link.members]
    taken = {name for bond in bonds for name in bond.members}
    groups = [_from_bond(found, bond) for bond in bonds]
    plain = [link for link in found.links.values() if not link.members and link.name not in taken and link.addresses]
    for members in _sharing(plain):
        groups.append(_from_nics(found, members, f"net{len(groups) - len(bonds)}"))
    return groups


def _from_bond(found: Found, bond: Link) -> Dict[str, Any]:
    _explain(found, bond)
    names = list(dict.fromkeys(bond.members))
    if bond.primary in names:
        names = [bond.primary, *(name for name in names if name != bond.primary)]
    backup = bond.mode.lower() in ACTIVE_BACKUP
    interfaces: List[Dict[str, Any]] = []
    for place, name in enumerate(names):
        interface: Dict[str, Any] = {"name": name}
        own = bond.addresses if backup and place == 0 else [] if backup else bond.addresses[place :: len(names)]
        if own:
            interface["data_addresses"] = list(own)
        if backup and place:
            interface["standby"] = True
        if bond.mtu or (name in found.links and found.links[name].mtu):
            interface["mtu"] = bond.mtu or found.links[name].mtu
        if name in found.links and found.links[name].addresses:
            found.note(bond.source, f"{name} has addresses of its own beside {bond.name}; they are left out")
        interfaces.append(interface)
    return _group(bond.name, interfaces, [bond])


def _explain(found: Found, bond: Link) -> None:
    mode = bond.mode.lower()
    name = bond.name
    if mode in LACP:
        found.note(
            bond.source,
            f"LACP (802.3ad) of {name} cannot be carried over: take the switch's ports out of the link aggregation; "
            "each NIC is then a port of its own, and one address receives over one NIC at a time",
        )
    elif mode in STATIC:
        found.note(
            bond.source,
            f"mode {bond.mode} of {name} cannot be carried over: if the switch's ports form a static aggregation, "
            "undo that; each address receives over one NIC, and what is sent is spread over all",
        )
    elif mode not in ACTIVE_BACKUP:
        found.note(
            bond.source,
            f"mode {bond.mode} of {name} balances by itself; a group spreads what is sent over its active members, and "
            "each address receives over one of them",
        )
    if bond.dhcp:
        found.note(bond.source, f"{name} has its address from DHCP; give the group a fixed one in data_addresses")
    elif not bond.addresses:
        found.note(bond.source, f"{name} has no address here; add data_addresses to the group")
    if bond.targets:
        found.note(
            bond.source,
            f"{name} asks hosts by ARP; they became targets, and are probed once each member has a test address",
        )
    found.note(bond.source, f"the one MAC address of {name} goes: each member keeps its own")
    if len(bond.members) == 1:
        found.note(bond.source, f"{name} has a single member, {bond.members[0]}; a group needs a second to fail over")


def _from_nics(found: Found, members: List[Link], name: str) -> Dict[str, Any]:
    first = members[0]
    found.note(
        first.source,
        f"{' and '.join(link.name for link in members)} have addresses in one network and are taken for a group: "
        "make sure that they are on one link",
    )
    interfaces = []
    for link in members:
        interface: Dict[str, Any] = {"name": link.name, "data_addresses": list(link.addresses)}
        if link.mtu:
            interface["mtu"] = link.mtu
        if link.dhcp:
            found.note(link.source, f"{link.name} also has an address from DHCP, which never moves")
        interfaces.append(interface)
    return _group(name, interfaces, members)


def _group(name: str, interfaces: List[Dict[str, Any]], links: List[Link]) -> Dict[str, Any]:
    group: Dict[str, Any] = {"name": name, "interfaces": interfaces}
    for key in ("gateways", "routes", "targets"):
        listed: List[Any] = []
        for link in links:
            listed += [item for item in getattr(link, key) if item not in listed]
        if listed:
            group[key] = listed
    return group


def _sharing(links: List[Link]) -> List[List[Link]]:
    """Links that have addresses in one network, directly or over a third; each list in the order given."""
    parts: List[List[Link]] = []
    for link in links:
        near = [part for part in parts if any(_networks(link) & _networks(other) for other in part)]
        parts = [part for part in parts if part not in near]
        parts.append([*(other for part in near for other in part), link])
    return [part for part in parts if len(part) > 1]


def _networks(link: Link) -> set:
    return {ipaddress.ip_interface(address).network for address in link.addresses}
