# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's /etc/network/interfaces: bonds and NICs of its ``iface`` stanzas."""

from __future__ import annotations

import re
from typing import Dict, List, Tuple

from .found import Found, Link

_STANZA = re.compile(r"(iface|auto|allow-\S+|mapping|source|source-directory|no-auto-down|no-scripts|rename)\b")
_ROUTE = re.compile(r"(?:/sbin/)?ip (?:-[46] )?route (?:add|replace) (\S+) via (\S+)(?: dev \S+)?\s*(?:\|\| true)?\Z")


def read(found: Found, path: str, text: str) -> None:
    """Add what one file says."""
    for name, method, options in _stanzas(text):
        if name == "lo" or method == "loopback":
            continue
        # ``eth0:1`` is a label; its addresses are those of eth0.
        _stanza(found, found.link(name.partition(":")[0], path), method, options)


def _stanzas(text: str) -> List[Tuple[str, str, List[Tuple[str, str]]]]:
    """(name, method, options) of each ``iface``; options may repeat."""
    stanzas: List[Tuple[str, str, List[Tuple[str, str]]]] = []
    inside = False
    for line in re.sub(r"\\\n", " ", text).splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if _STANZA.match(words[0]):
            inside = words[0] == "iface" and len(words) >= 4
            if inside:
                stanzas.append((words[1], words[3], []))
        elif inside:
            stanzas[-1][2].append((words[0].replace("_", "-"), " ".join(words[1:])))
    return stanzas


def _stanza(found: Found, link: Link, method: str, options: List[Tuple[str, str]]) -> None:
    path, last = link.source, dict(options)
    link.dhcp = link.dhcp or method == "dhcp"
    for key, value in options:
        if key == "address":
            link.add_address(value, last.get("netmask"))
        elif key == "gateway":
            link.add_route("default", value)
        elif key == "mtu":
            link.set_mtu(value)
        elif key in ("up", "post-up", "pre-up", "down", "post-down", "pre-down"):
            route = _ROUTE.match(value)
            if route:
                link.add_route(*route.groups())
            elif not re.match(r"(?:/sbin/)?ip (?:-[46] )?route del", value):
                found.note(path, f"'{key} {value}' of {link.name} is not carried over")
        elif key.startswith("dns-"):
            found.note(path, f"{key} of {link.name} is the resolver's: keep it in /etc/resolv.conf")
        elif key in ("vlan-raw-device", "vlan-id"):
            found.note(path, f"{link.name} is a VLAN on {value}; make one on each member, and name those as interfaces")
        elif key == "bridge-ports" and value != "none":
            found.note(path, f"{link.name} is a bridge of {value}; a member can be in no bridge")
    if last.get("bond-slaves", last.get("slaves", "none")) != "none":
        link.members += [n for n in last.get("bond-slaves", last.get("slaves", "")).split() if n not in link.members]
    bond = {key[5:].replace("-", "_"): value for key, value in options if key.startswith("bond-")}
    if "mode" in bond or link.members:
        found.bond_options(link, bond)
    if "bond-master" in last or "bond-primary" in last:
        _port(found, link, last)


def _port(found: Found, link: Link, options: Dict[str, str]) -> None:
    """A NIC that names its bond; what its own stanza says of the primary counts for that bond."""
    if "bond-master" not in options:
        return
    bond = found.link(options["bond-master"], link.source)
    if link.name not in bond.members:
        bond.members.append(link.name)
    if link.name in options.get("bond-primary", "").split():
        bond.primary = link.name
    bond.mode = bond.mode or options.get("bond-mode", "balance-rr")
