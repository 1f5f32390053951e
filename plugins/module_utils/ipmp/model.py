# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups, interfaces and addresses as the files under /etc describe them. Immutable; no clock, no socket, no file.

Words are Solaris' own (section 1 of the behaviour reference): a *data address* may move between the members
of its group, a *test address* (NOFAILOVER) never leaves its interface, the *owner* of an address is the
interface whose file names it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Iterator, Optional, Tuple, Union

MAX_GROUP_NAME = 31  # M-3
MAX_INTERFACE_NAME = 15  # IFNAMSIZ - 1
MIN_MTU, MAX_MTU = 68, 65535  # bytes
MIN_MTU6 = 1280  # bytes; below it the kernel takes IPv6 off a NIC
MIN_FAILURE_DETECTION_TIME = 20  # ms; below 100 is experimental (DESIGN.md lowers Solaris' floor)
MAX_FAILURE_DETECTION_TIME = 999_999_999  # ms; the kernel's timers take no number of any size
DEFAULT_FAILURE_DETECTION_TIME = 10000  # ms, CFG-2

IPNetwork = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


class ConfigError(Exception):
    """Wrong input. ``str()`` is one sentence that names the place and the way out.

    file, line and column (from 1) say where; they are None where they do not apply.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: Optional[str] = None,
        line: Optional[int] = None,
        column: Optional[int] = None,
    ) -> None:
        self.problem, self.file, self.line, self.column = problem, file, line, column
        super().__init__(problem)

    def __str__(self) -> str:
        where = self.file or ""
        if self.line is not None:
            where += f", line {self.line}"
        if self.column is not None:
            where += f", column {self.column}"
        return f"{where}: {self.problem}" if where else self.problem


def family_of(ip: str) -> int:
    """4 or 6."""
    return 6 if ":" in ip else 4


@lru_cache(maxsize=8192)  # asked for at each plan, and ipaddress takes its time
def _network(cidr: str) -> IPNetwork:
    return ipaddress.ip_network(cidr, strict=False)


@dataclass(frozen=True)
class Address:
    """One address of an interface: what Solaris calls a logical interface (M-2)."""

    ip: str  # canonical text, without prefix length
    prefixlen: int
    test: bool = False  # NOFAILOVER: stays on its interface (M-5)
    deprecated: bool = False  # never a default source address
    up: bool = True  # a down address exists in the model and in status only
    broadcast: Optional[str] = None  # IPv4 only

    @property
    def family(self) -> int:
        """4 or 6."""
        return family_of(self.ip)

    @property
    def cidr(self) -> str:
        """``192.0.2.1/24``."""
        return f"{self.ip}/{self.prefixlen}"

    @property
    def network(self) -> IPNetwork:
        """The connected prefix that this address implies."""
        return _network(self.cidr)


@dataclass(frozen=True)
class Interface:
    """What ``/etc/hostname.NAME`` and ``/etc/hostname6.NAME`` together say of one NIC."""

    name: str
    group: Optional[str] = None
    standby: bool = False
    mtu: Optional[int] = None
    addresses: Tuple[Address, ...] = ()  # both families, IPv4 first, each in the order of its file
    inet: bool = False  # there is a hostname.NAME
    inet6: bool = False  # there is a hostname6.NAME
    link_local_test: bool = False  # the IPv6 link-local address is the test address (TST-11)

    @property
    def data_addresses(self) -> Tuple[Address, ...]:
        """Addresses that move with failures, the down ones included."""
        return tuple(a for a in self.addresses if not a.test)

    @property
    def test_addresses(self) -> Tuple[Address, ...]:
        """Addresses that never leave this interface; the link-local one is not listed."""
        return tuple(a for a in self.addresses if a.test)


@dataclass(frozen=True)
class Route:
    """One of a group's routes. ``to`` is a CIDR (``default`` is written as 0.0.0.0/0 or ::/0)."""

    to: str
    via: str

    @property
    def family(self) -> int:
        """4 or 6."""
        return family_of(self.via)


@dataclass(frozen=True)
class Group:
    """Interfaces on one IP link, and what ``groups.conf`` says of them."""

    name: str
    interfaces: Tuple[Interface, ...] = ()  # sorted by name
    gateways: Tuple[str, ...] = ()
    routes: Tuple[Route, ...] = ()
    targets: Tuple[str, ...] = ()
    failure_detection_time: Optional[int] = None  # ms; None: the host's default
    failback: Optional[bool] = None  # None: the host's default

    def interface(self, name: str) -> Optional[Interface]:
        """The member of that name, or None."""
        return next((i for i in self.interfaces if i.name == name), None)

    @property
    def data_addresses(self) -> Tuple[Tuple[Interface, Address], ...]:
        """(owner, address) for every data address of the group."""
        return tuple((i, a) for i in self.interfaces for a in i.data_addresses)


@dataclass(frozen=True)
class Defaults:
    """``/etc/default/mpathd`` (CFG-2)."""

    failure_detection_time: int = DEFAULT_FAILURE_DETECTION_TIME  # ms
    failback: bool = True
    track_interfaces_only_with_groups: bool = True


@dataclass(frozen=True)
class Config:
    """All that the files of one host say."""

    groups: Tuple[Group, ...] = ()  # sorted by name
    ungrouped: Tuple[Interface, ...] = ()  # have a file of our grammar but no group; sorted by name
    defaults: Defaults = field(default_factory=Defaults)
    warnings: Tuple[str, ...] = ()  # sentences: files reported and left alone, values replaced by defaults

    def group(self, name: str) -> Optional[Group]:
        """The group of that name, or None."""
        return next((g for g in self.groups if g.name == name), None)

    def group_of(self, interface: str) -> Optional[Group]:
        """The group that the interface is a member of, or None."""
        return next((g for g in self.groups if g.interface(interface)), None)

    def interfaces(self) -> Iterator[Interface]:
        """Every interface that has a file, members first."""
        for group in self.groups:
            yield from group.interfaces
        yield from self.ungrouped

    def failback(self, group: Group) -> bool:
        """FAILBACK as it applies to that group."""
        return self.defaults.failback if group.failback is None else group.failback

    def failure_detection_time(self, group: Group) -> int:
        """FAILURE_DETECTION_TIME in ms as it applies to that group."""
        return group.failure_detection_time or self.defaults.failure_detection_time
