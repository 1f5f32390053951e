# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab consists of: links, hosts, their NICs, a client, a router, a controller. Plain data, checked when read.

    bed: quick                      # or systemd
    nic: veth                       # or tap; the kind of every NIC that does not say
    links: [lan, mgmt]              # each one a switch of its own
    hosts:
      h1:
        nics:
          eth0: {link: mgmt, addresses: [198.51.100.11/24]}
          eth1: {link: lan}         # mac, kind; addresses only for what the product does not configure
    client: {nics: {c0: {link: lan, addresses: [192.0.2.250/24]}}}
    router: {nics: {r0: {link: lan, addresses: [192.0.2.254/24]}}, forward: true}
    controller: {nics: {m0: {link: mgmt, addresses: [198.51.100.1/24]}}}

A MAC that is not given follows from the place in the description, so that two runs are alike.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

BEDS = ("quick", "systemd")
KINDS = ("veth", "tap")
ROLES = ("client", "router", "controller")
Description = Mapping[str, Any]


class LabError(Exception):
    """The lab cannot do what was asked; ``str()`` is one sentence, then a command's output if there is one."""


@dataclass(frozen=True)
class NicSpec:
    """One NIC: its name in the host, the link its cable goes to, its hardware address."""

    name: str
    link: str
    mac: str
    kind: str
    addresses: Tuple[str, ...]  # CIDR; given by the lab itself, which then also brings the link up


@dataclass(frozen=True)
class HostSpec:
    """One host; role is "host", "client", "router" or "controller"."""

    name: str
    role: str
    nics: Tuple[NicSpec, ...]
    routes: Tuple[Tuple[str, str], ...]  # (to, via)
    forward: bool


@dataclass(frozen=True)
class LabSpec:
    """A whole lab."""

    bed: str
    links: Tuple[str, ...]
    hosts: Tuple[HostSpec, ...]  # the client, router and controller included, after the others
    rootfs_packages: Tuple[str, ...]  # systemd bed: more packages than the usual ones


def describe(
    hosts: int = 1,
    nics: int = 2,
    *,
    kind: str = "veth",
    bed: str = "quick",
    mgmt: bool = False,
) -> Dict[str, Any]:
    """The usual description: h1..hN with eth1..ethM on link `lan`, a client at 192.0.2.250, a router at 192.0.2.254.

    Client and router also have 2001:db8::250 and ::254. With mgmt each host has an eth0 on link `mgmt`
    (198.51.100.11 and up) and the controller sits there at 198.51.100.1; without it the controller sits on `lan`
    at 192.0.2.253.
    """

    def numbered(last: int) -> List[str]:
        return [f"192.0.2.{last}/24", f"2001:db8::{last}/64"]

    found: Dict[str, Any] = {"bed": bed, "nic": kind, "links": ["lan", "mgmt"] if mgmt else ["lan"], "hosts": {}}
    for number in range(1, hosts + 1):
        cards: Dict[str, Any] = {}
        if mgmt:
            cards["eth0"] = {"link": "mgmt", "kind": "veth", "addresses": [f"198.51.100.{10 + number}/24"]}
        for card in range(1, nics + 1):
            cards[f"eth{card}"] = {"link": "lan"}
        found["hosts"][f"h{number}"] = {"nics": cards}
    side = {"link": "lan", "kind": "veth"}
    found["client"] = {"nics": {"c0": {**side, "addresses": numbered(250)}}}
    found["router"] = {"nics": {"r0": {**side, "addresses": numbered(254)}}, "forward": True}
    if mgmt:
        control = {"link": "mgmt", "kind": "veth", "addresses": ["198.51.100.1/24"]}
    else:
        control = {**side, "addresses": numbered(253)}
    found["controller"] = {"nics": {"m0": control}}
    return found


def read(description: Union[Description, str, Path]) -> LabSpec:
    """Check a description (a mapping, or the path of a YAML file) and fill in what it leaves out; LabError."""
    if isinstance(description, (str, Path)):
        import yaml

        try:
            description = yaml.safe_load(Path(description).read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as problem:
            raise LabError(f"{description}: cannot be read: {problem}") from problem
    if not isinstance(description, Mapping):
        raise LabError("the description of a lab is a mapping with links and hosts")
    _only(description, ("bed", "nic", "links", "hosts", "rootfs_packages", *ROLES), "the lab")
    bed = _one_of(description.get("bed", "quick"), BEDS, "bed")
    kind = _one_of(description.get("nic", "veth"), KINDS, "nic")
    links = tuple(str(name) for name in description.get("links", ()))
    for link in links:
        _name(link, "link", 12)
    entries = [(name, "host", body) for name, body in dict(description.get("hosts", {})).items()]
    entries += [(role, role, description[role]) for role in ROLES if role in description]
    entries += [(role, role, {}) for role in ROLES if role not in description]
    hosts = tuple(_host(name, role, body or {}, links, kind, n) for n, (name, role, body) in enumerate(entries, 1))
    macs = [nic.mac for host in hosts for nic in host.nics]
    for mac in macs:
        if macs.count(mac) > 1:
            raise LabError(f"two NICs have the MAC {mac}: give each its own")
    return LabSpec(bed, links, hosts, tuple(description.get("rootfs_packages", ())))


def _host(name: str, role: str, body: Mapping[str, Any], links: Tuple[str, ...], kind: str, number: int) -> HostSpec:
    _name(name, "host", 15)
    _only(body, ("nics", "routes", "forward"), f"host {name}")
    nics = []
    for place, (nic, given) in enumerate(dict(body.get("nics", {})).items(), 1):
        where = f"host {name}, NIC {nic}"
        _name(nic, "NIC", 15)
        _only(given, ("link", "mac", "kind", "addresses"), where)
        if given.get("link") not in links:
            raise LabError(f"{where}: link {given.get('link')!r} is none of the lab's links ({', '.join(links)})")
        mac = str(given.get("mac", f"02:00:5e:{number >> 8:02x}:{number & 255:02x}:{place:02x}")).lower()
        if not re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", mac) or int(mac[1], 16) & 1:
            raise LabError(f"{where}: {mac!r} is not the MAC of one NIC")
        addresses = tuple(str(a) for a in given.get("addresses", ()))
        for address in addresses:
            try:
                ipaddress.ip_interface(address)
            except ValueError as problem:
                raise LabError(f"{where}: {problem}") from problem
        nics.append(NicSpec(nic, given["link"], mac, _one_of(given.get("kind", kind), KINDS, where), addresses))
    routes = tuple((str(r["to"]), str(r["via"])) for r in body.get("routes", ()))
    return HostSpec(name, role, tuple(nics), routes, bool(body.get("forward", False)))


def _only(given: Mapping[str, Any], known: Tuple[str, ...], where: str) -> None:
    for key in given:
        if key not in known:
            raise LabError(f"{where}: unknown key {key!r}; known are {', '.join(known)}")


def _one_of(given: Optional[str], known: Tuple[str, ...], where: str) -> str:
    if given not in known:
        raise LabError(f"{where}: {given!r} is none of {', '.join(known)}")
    return str(given)


def _name(name: Any, what: str, longest: int) -> None:
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name) or len(name) > longest:
        raise LabError(f"{what} {name!r}: a name is a letter, then letters, digits, - and _, at most {longest} in all")
