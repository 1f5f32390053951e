# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host as it runs: /proc/net/bonding, ``ip -json address`` and ``ip -json route``, for what no file described."""

from __future__ import annotations

import json
import posixpath
import re
from typing import Any, Dict, List, Mapping

from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp.model import ConfigError

from .found import Found

BONDING = "/proc/net/bonding/"
ADDRESSES = "ip -json address"
ROUTES = "ip -json route"


def read(found: Found, texts: Mapping[str, str]) -> None:
    """Add bonds that no file named, and addresses and routes of bonds that have none yet."""
    for path in sorted(path for path in texts if path.startswith(BONDING)):
        _bond(found, path, texts[path])
    bonds = {link.name: link for link in found.links.values() if link.members and not link.addresses}
    for item in _listed(ADDRESSES, texts):
        bond = bonds.get(item.get("ifname", ""))
        for address in item.get("addr_info") or [] if bond else []:
            if address.get("scope") == "global":
                bond.dhcp = bond.dhcp or bool(address.get("dynamic"))
                bond.add_address(address["local"], str(address["prefixlen"]))
        if bond and bond.mtu is None and item.get("mtu") != 1500:
            bond.set_mtu(item.get("mtu"))
    for item in _listed(ROUTES, texts):
        bond = bonds.get(item.get("dev", ""))
        if bond and item.get("gateway"):
            bond.add_route(item["dst"], item["gateway"])


def _bond(found: Found, path: str, text: str) -> None:
    said: Dict[str, List[str]] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            said.setdefault(key.strip().lower(), []).append(value.strip())
    if "bonding mode" not in said:
        raise ConfigError("this is not what the kernel writes there: it has no line 'Bonding Mode:'", file=path)
    name = posixpath.basename(path)
    if found.links.get(name) and found.links[name].members:
        return
    bond = found.link(name, path)
    bond.members += said.get("slave interface", [])
    primary = re.match(r"(\S+)", said.get("primary slave", ["None"])[0])
    chosen = primary.group(1) if primary and primary.group(1) != "None" else None
    targets = said.get("arp ip target/s (n.n.n.n form)", [""])[0]
    found.bond_options(bond, {"mode": said["bonding mode"][0], "primary": chosen, "arp_ip_target": targets})


def _listed(name: str, texts: Mapping[str, str]) -> List[Dict[str, Any]]:
    try:
        listed = json.loads(texts.get(name) or "[]")
    except ValueError:
        raise ConfigError("this is not JSON", file=name) from None
    if not isinstance(listed, list):
        raise ConfigError("this is not what ip prints: give all of its list", file=name)
    return [item for item in listed if isinstance(item, dict)]
