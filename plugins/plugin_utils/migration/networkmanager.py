# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NetworkManager's connections: keyfiles (``*.nmconnection``), and what ``nmcli connection show NAME`` prints."""

from __future__ import annotations

import configparser
import re
from typing import Dict, List, Mapping

from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp.model import ConfigError

from .found import Found, Link

Connection = Dict[str, str]  # "ipv4.method": "manual"
_LABELLED = re.compile(r"([a-z0-9-]+\.[a-z0-9-]+):\s*(.*)\Z")


def is_shown(text: str) -> bool:
    """Whether it is what ``nmcli connection show NAME`` prints, plain or terse."""
    return any(line.startswith("connection.id:") for line in text.splitlines())


def read(found: Found, texts: Mapping[str, str]) -> None:
    """Add what these connections say; ports name their bond by name, UUID or interface."""
    connections: List[Connection] = []
    for path in sorted(texts):
        made = _shown(texts[path]) if is_shown(texts[path]) else [_keyfile(path, texts[path])]
        connections += [{**connection, "source": path} for connection in made]
    bonds: Dict[str, Link] = {}
    for said in connections:
        if said.get("connection.type") == "bond":
            bond = found.link(_interface(said), said["source"])
            found.bond_options(bond, _bond_options(said))
            bonds.update({said[key]: bond for key in ("connection.id", "connection.uuid") if said.get(key)})
            bonds[bond.name] = bond
            _addresses(found, bond, said)
    for said in connections:
        kind, owner = said.get("connection.type"), _any(said, "connection.controller", "connection.master")
        if kind in ("ethernet", "802-3-ethernet"):
            nic = found.link(_interface(said), said["source"])
            nic.set_mtu(_any(said, "ethernet.mtu", "802-3-ethernet.mtu"))
            if owner in bonds:
                bonds[owner].members += [] if nic.name in bonds[owner].members else [nic.name]
            elif owner:
                found.note(said["source"], f"{nic.name} belongs to {owner}, which is no bond; a member can be in none")
            else:
                _addresses(found, nic, said)
        elif kind == "vlan":
            below = said.get("vlan.parent", "its parent")
            name = _interface(said)
            sentence = f"{name} is a VLAN on {below}; make one on each member, and name those as interfaces"
            found.note(said["source"], sentence)
        elif kind in ("bridge", "team"):
            found.note(said["source"], f"{_interface(said)} is a {kind}; a group takes NICs only")


def _keyfile(path: str, text: str) -> Connection:
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
    try:
        parser.read_string(text)
        parser["connection"]["id"]
    except (configparser.Error, KeyError):
        problem = "this is neither a NetworkManager keyfile nor what 'nmcli connection show NAME' prints"
        raise ConfigError(problem, file=path) from None
    return {f"{section}.{key}": value for section in parser.sections() for key, value in parser[section].items()}


def _shown(text: str) -> List[Connection]:
    """One for each ``connection.id``; terse output escapes colons, and ``--`` stands for nothing."""
    connections: List[Connection] = []
    for line in text.splitlines():
        match = _LABELLED.match(line)
        if not match:
            continue
        key, value = match.groups()
        if key == "connection.id":
            connections.append({})
        if connections and value not in ("", "--"):
            connections[-1][key] = value.replace("\\:", ":").strip()
    return connections


def _any(said: Connection, *keys: str) -> str:
    return next((said[key] for key in keys if said.get(key)), "")


def _interface(said: Connection) -> str:
    return _any(said, "connection.interface-name", "connection.id")


def _bond_options(said: Connection) -> Dict[str, str]:
    listed = [pair.partition("=") for pair in said.get("bond.options", "").split(",") if "=" in pair]
    own = {key[5:]: value for key, value in said.items() if key.startswith("bond.")}
    return {**own, **{key.strip(): value.strip() for key, _equals, value in listed}}


def _addresses(found: Found, link: Link, said: Connection) -> None:
    for family in ("ipv4", "ipv6"):
        link.dhcp = link.dhcp or (family == "ipv4" and said.get("ipv4.method") == "auto")
        for key in sorted(said):
            if re.fullmatch(rf"{family}\.address(?:es)?\d*", key):
                _keyfile_addresses(link, key, said[key])
            elif re.fullmatch(rf"{family}\.routes?\d*", key):
                _routes(found, link, said[key])
        if said.get(f"{family}.gateway"):
            link.add_route("default", said[f"{family}.gateway"])
        if said.get(f"{family}.dns"):
            found.note(link.source, f"dns of {link.name} is the resolver's: keep it in /etc/resolv.conf")
    link.set_mtu(_any(said, "ethernet.mtu", "802-3-ethernet.mtu"))


def _keyfile_addresses(link: Link, key: str, value: str) -> None:
    """``address1=192.0.2.1/24,192.0.2.254`` has a gateway behind the comma, ``addresses: a, b`` further ones."""
    words = [word for word in re.split(r"[,;\s]+", value) if word]
    for word in words:
        if "/" in word:
            link.add_address(word)
        elif key[-1].isdigit():
            link.add_route("default", word)


def _routes(found: Found, link: Link, value: str) -> None:
    """``route1=198.51.100.0/24,192.0.2.1,100``, ``198.51.100.0/24 192.0.2.1``, or ``{ ip = ..., nh = ... }; ...``."""
    for item in re.split(r";|(?<=\d), (?=[0-9a-f:.]+/)", value):
        words = [w for w in re.split(r"[{},=\s]+", item) if w and w not in ("ip", "nh", "mt")]
        if len(words) >= 2 and "/" in words[0]:
            link.add_route(words[0], words[1])
        elif words:
            found.note(link.source, f"the route '{item.strip()}' of {link.name} is not carried over")
