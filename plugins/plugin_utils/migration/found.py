# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the readers of other configurations find: NICs and bonds with their addresses, and what stays behind."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional

from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp.hostname_words import decimal
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp.model import ConfigError

EVERYWHERE = ("default", "0.0.0.0/0", "::/0")


@dataclass
class Link:
    """A NIC, or a bond if it has members. addresses are CIDR texts; a route is ``{"to", "via"}``."""

    name: str
    source: str  # the file, or the command, that it was found in
    members: List[str] = field(default_factory=list)
    mode: str = ""  # of a bond, in the words of the kernel's bonding driver
    primary: Optional[str] = None
    addresses: List[str] = field(default_factory=list)
    gateways: List[str] = field(default_factory=list)
    routes: List[Dict[str, str]] = field(default_factory=list)
    targets: List[str] = field(default_factory=list)  # that the bond asks by ARP
    mtu: Optional[int] = None
    dhcp: bool = False

    def add_address(self, text: Any, length: Optional[str] = None) -> None:
        """An address with its length, or with a length or mask beside it; link-local ones are the kernel's own."""
        written = f"{text}/{length}" if length and "/" not in str(text) else str(text)
        try:
            if "/" not in written:
                raise ValueError
            parsed = ipaddress.ip_interface(written)
        except ValueError:
            problem = f"'{written}' of {self.name} is not an address with its length, such as 192.0.2.1/24"
            raise ConfigError(problem, file=self.source) from None
        cidr = f"{parsed.ip}/{parsed.network.prefixlen}"
        if not parsed.ip.is_link_local and cidr not in self.addresses:
            self.addresses.append(cidr)

    def add_route(self, to: Any, via: Any) -> None:
        """A route; one to everywhere is a gateway."""
        if str(to) in EVERYWHERE:
            self.gateways += [] if str(via) in self.gateways else [str(via)]
            return
        try:
            route = {"to": str(ipaddress.ip_network(str(to), strict=False)), "via": str(ipaddress.ip_address(str(via)))}
        except ValueError:
            raise ConfigError(f"'{to} via {via}' of {self.name} is not a route", file=self.source) from None
        self.routes += [] if route in self.routes else [route]

    def set_mtu(self, value: Any) -> None:
        """Bytes; ``auto`` and 0 stand for leaving it alone."""
        self.mtu = decimal(str(value)) or self.mtu


@dataclass
class Found:
    """Everything that was found: links by name, and sentences."""

    links: Dict[str, Link] = field(default_factory=dict)
    notes: List[str] = field(default_factory=list)

    def link(self, name: str, source: str) -> Link:
        """The link of that name, a new one if nothing spoke of it."""
        return self.links.setdefault(name, Link(name, source))

    def note(self, source: str, sentence: str) -> None:
        """A sentence about what cannot be carried over, once."""
        text = f"{source}: {sentence}"
        if text not in self.notes:
            self.notes.append(text)

    def bond_options(self, link: Link, options: Mapping[str, Any]) -> None:
        """What a bond's own settings mean, named with underscores as the kernel does; timing has no counterpart."""
        link.mode = str(options.get("mode") or link.mode or "balance-rr")
        link.primary = str(options["primary"]) if options.get("primary") else link.primary
        targets = options.get("arp_ip_target") or []
        listed = targets if isinstance(targets, list) else str(targets).replace(",", " ").split()
        link.targets += [str(target) for target in listed if str(target) not in link.targets]
