# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of hostname files, the names such files may have, and the cut of a text into words. Pure."""

from __future__ import annotations

import ipaddress
import re
from typing import List, NamedTuple, Optional

from .model import MAX_GROUP_NAME, MAX_INTERFACE_NAME

PREFIXES = {4: "/etc/hostname.", 6: "/etc/hostname6."}
_SUFFIX = re.compile(r"([^\s/:]+)(?::(\d+))?\Z")
_GROUP_NAME = re.compile(r"[!-~]+\Z")
_GROUP_NAME_NOT = re.compile(r"""^-|["'\\#;\[\]]""")
_BACKUP = re.compile(r"(?:^|\.)(?:bak|old|orig|save|rpm[a-z]*|dpkg[a-z-]*)\Z|~\Z")

FLAGS = {  # word: (attribute of the unit, value); None: accepted, no effect on Linux
    "up": ("up", True),
    "down": ("up", False),
    "deprecated": ("deprecated", True),
    "-deprecated": ("deprecated", False),
    "-failover": ("test", True),
    "failover": ("test", False),
    "private": None,  # nothing here ever announces an address to a routing protocol
    "-private": None,
    "-preferred": None,
    "plumb": None,
}
INTERFACE_WORDS = ("standby", "-standby")
VALUE_WORDS = {
    "set": "an address",
    "addif": "an address",
    "removeif": "an address",
    "netmask": "a mask or '+'",
    "broadcast": "an address or '+'",
    "group": "a name",
    "mtu": "a number of bytes",
}
KNOWN = (*FLAGS, *INTERFACE_WORDS, *VALUE_WORDS)

REFUSED = {
    "preferred": "mark the interface's other addresses 'deprecated' instead",
    "metric": "remove it; routes of a group belong into /etc/ipmp/groups.conf",
    "ether": "set the MAC address in a systemd .link file (MACAddress=)",
    "index": "remove it; the kernel chooses interface indexes",
    "token": "set it with 'ip token' or in the network manager's configuration",
    "zone": "remove it; give the interface to a network namespace instead",
    "all-zones": "remove it; Linux has no zones",
    "usesrc": "remove it; a group's routes already name a data address as their source",
    "router": "set net.ipv4.conf.IF.forwarding or net.ipv6.conf.IF.forwarding with sysctl",
    "arp": "remove it; members of a group always use ARP",
    "nud": "remove it; the kernel always watches its neighbours",
    "trailers": "remove it; no Linux network card sends trailers",
    "xmit": "remove it, or use 'down' to keep an address out of use",
    "local": "remove it; every address here is the host's own",
    "anycast": "remove it; anycast addresses cannot be members' addresses",
    "subnet": "write the address with its prefix length, such as 192.0.2.1/24",
    "destination": "IPMP needs a link with many hosts, not a point-to-point one",
    "modinsert": "remove it; Linux has no STREAMS modules",
    "modremove": "remove it; Linux has no STREAMS modules",
    "modlist": "remove it; Linux has no STREAMS modules",
    "dhcp": "leave the address to the DHCP client; it never moves",
    "auto-dhcp": "leave the address to the DHCP client; it never moves",
    "auto-revarp": "write the address into the file",
    "ipmp": "addresses sit on the NICs here: write them into the NICs' own files with 'group NAME'",
    "unplumb": "remove the file instead",
    "tsrc": "tunnels cannot be members of a group",
    "tdst": "tunnels cannot be members of a group",
}


class Token(NamedTuple):
    """One word and where it stands; lines and columns count from 1."""

    word: str
    line: int
    column: int


class FileName(NamedTuple):
    """What the path of a hostname file says: ``/etc/hostname6.eth1:2`` is (6, "eth1", 2)."""

    family: int
    interface: str
    unit: int


def file_name(path: str) -> Optional[FileName]:
    """Which hostname file a path (without root) is, or None: other files, backups, names no interface can have."""
    for family, prefix in PREFIXES.items():
        if path.startswith(prefix):
            match = _SUFFIX.match(path[len(prefix) :])
            if match and legal_interface(match.group(1)) and not _BACKUP.search(path[len(prefix) :]):
                return FileName(family, match.group(1), int(match.group(2) or 0))
    return None


def path_of(name: str, family: int) -> str:
    """``/etc/hostname.eth1`` for ("eth1", 4)."""
    return PREFIXES[family] + name


def legal_interface(name: str) -> bool:
    """Whether the kernel could give a NIC that name."""
    if not 0 < len(name.encode("utf-8", "surrogateescape")) <= MAX_INTERFACE_NAME:
        return False
    return name not in (".", "..") and not re.search(r"[\s/:]", name)


def is_backup(path: str) -> bool:
    """Whether the path is what an editor or a package manager leaves beside a hostname file."""
    return bool(_BACKUP.search(path))


def group_name_problem(name: str) -> Optional[str]:
    """Why it cannot be a group's name, as the end of a sentence, or None (M-3)."""
    if len(name) > MAX_GROUP_NAME:
        return (
            f"group name '{name}' has {len(name)} characters; "
            f"at most {MAX_GROUP_NAME} are allowed, choose a shorter name"
        )
    if not _GROUP_NAME.match(name) or _GROUP_NAME_NOT.search(name):
        return f"'{name}' is not a legal group name; use letters, digits and signs such as . _ - and no leading '-'"
    return None


def decimal(text: str) -> Optional[int]:
    """What decimal digits say; None for other text, and for more of them than any of our numbers has."""
    return int(text) if re.match(r"[0-9]{1,9}\Z", text) else None


def logical_lines(text: str) -> List[List[Token]]:
    """The words of each logical line: a trailing backslash joins lines, blank and ``#`` lines are skipped (HN-1)."""
    lines: List[List[Token]] = []
    joining = False
    for number, physical in enumerate(text.split("\n"), 1):
        body = physical.rstrip()
        if body.lstrip().startswith("#"):
            continue
        goes_on = body.endswith("\\")
        tokens = [Token(m.group(), number, m.start() + 1) for m in re.finditer(r"\S+", body[:-1] if goes_on else body)]
        if not joining:
            lines.append([])
        lines[-1].extend(tokens)
        joining = goes_on
    return [tokens for tokens in lines if tokens]


def default_broadcast(ip: str, prefixlen: int) -> Optional[str]:
    """The last address of the network; none where every address is a host's (/31, /32)."""
    if prefixlen > 30:
        return None
    return str(ipaddress.IPv4Network(f"{ip}/{prefixlen}", strict=False).broadcast_address)


def address_problem(ip: str, prefixlen: int) -> Optional[str]:
    """Why no interface of a host can have that address, as a sentence, or None."""
    address = ipaddress.ip_interface(f"{ip}/{prefixlen}")
    alone = address.ip  # with a prefix length, :: and ::1 do not count as what they are
    if alone.is_multicast or alone.is_loopback or alone.is_unspecified or ip == "255.255.255.255":
        return f"{ip} is not an address that a host can have on a network; write a unicast address"
    if address.version == 6 and address.is_link_local:
        return (
            f"{ip} is link-local, and the kernel makes that address itself; write '-failover' without an address "
            "(in a playbook, the test address 'link-local') to use it as the test address"
        )
    if address.version == 4 and prefixlen <= 30:
        if address.ip == address.network.network_address:
            return f"{ip}/{prefixlen} is the address of a whole network; write a host's address"
        if address.ip == address.network.broadcast_address:
            return f"{ip}/{prefixlen} is the broadcast address of its network; write a host's address"
    return None
