# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel says over route netlink, as tuples: links, addresses, routes and nexthops, and their ends."""

from __future__ import annotations

import socket
import struct
from typing import Dict, Iterator, NamedTuple, Optional, Tuple, Union

from . import nl

_LINK = struct.Struct("=4xH2xI8xiI")  # of header and body: type, sequence number, index, flags
_RUNNING = nl.IFF_UP | nl.IFF_LOWER_UP


class LinkEvent(NamedTuple):
    """One network interface as the kernel shows it, or its end (``deleted``)."""

    ifindex: int
    name: str
    flags: int
    carrier: Optional[bool]  # the driver's own word, whether the link is administratively up or not; None: not said
    mtu: int
    mac: str  # "" where there is none
    master: int  # ifindex of the bridge or bond that it is enslaved to, or 0
    parent: int  # ifindex of the lower device (VLAN) or peer (veth) if it is in this network namespace, else 0
    kind: str  # "veth", "vlan", "tun", ...; "" for hardware
    permanent_mac: str
    altnames: Tuple[str, ...]
    deleted: bool = False

    @property
    def up(self) -> bool:
        """Administratively up."""
        return bool(self.flags & nl.IFF_UP)

    @property
    def running(self) -> bool:
        """Up and with carrier, as ``carrier`` says it of a whole message."""
        return self.flags & _RUNNING == _RUNNING

    @property
    def loopback(self) -> bool:
        """Whether this is ``lo``."""
        return bool(self.flags & nl.IFF_LOOPBACK)


class AddrEvent(NamedTuple):
    """One address on one interface, or its end."""

    ifindex: int
    family: int
    ip: str
    prefixlen: int
    flags: int  # IFA_F_*
    scope: int
    proto: int  # 0 where the kernel does not keep it (before 5.18)
    preferred_lft: int  # s, FOREVER
    valid_lft: int
    broadcast: Optional[str]
    label: Optional[str]
    deleted: bool = False


class RouteEvent(NamedTuple):
    """One route, or its end."""

    family: int
    dst: str  # CIDR
    table: int
    kind: int  # UNICAST, LOCAL, ...
    scope: int
    protocol: int
    metric: int
    nhid: int  # 0: no nexthop object
    ifindex: int  # 0: none, or several
    gateway: Optional[str]
    prefsrc: Optional[str]
    hops: Tuple[Tuple[int, Optional[str]], ...] = ()  # of a multipath route: ifindex and gateway of each way
    deleted: bool = False


class NexthopEvent(NamedTuple):
    """One nexthop object or group of them, or its end."""

    id: int
    family: int  # 0: a group
    ifindex: int
    gateway: Optional[str]
    group: Tuple[int, ...]
    protocol: int
    flags: int  # RTNH_F_*
    deleted: bool = False


Event = Union[LinkEvent, AddrEvent, RouteEvent, NexthopEvent]


class Message(NamedTuple):
    """Where one message lies in what was received: its body is ``data[start:end]``."""

    type: int
    flags: int
    seq: int
    start: int
    end: int


def messages(data: bytes) -> Iterator[Message]:
    """The messages in one received datagram; a truncated rest is left out."""
    offset = 0
    while offset + 16 <= len(data):
        length, kind, flags, seq, _pid = nl.HEADER.unpack_from(data, offset)
        if length < 16 or offset + length > len(data):
            return
        yield Message(kind, flags, seq, offset + 16, offset + length)
        offset += (length + 3) & ~3


def attributes(data: bytes, start: int, end: int) -> Dict[int, bytes]:
    """Attribute number -> value; a malformed rest is left out."""
    found: Dict[int, bytes] = {}
    while start + 4 <= end:
        length, kind = nl.ATTRIBUTE.unpack_from(data, start)
        if length < 4 or start + length > end:
            break
        found[kind & 0x3FFF] = data[start + 4 : start + length]
        start += (length + 3) & ~3
    return found


def carrier(data: bytes) -> Optional[Tuple[int, int, bool]]:
    """(seq, ifindex, up and with carrier) of a datagram that is one nl.RTM_NEWLINK message; None when it is another.

    The flags say it, so that the attributes, some forty, need not be read.
    """
    if len(data) < _LINK.size:
        return None
    kind, seq, ifindex, flags = _LINK.unpack_from(data)
    return (seq, ifindex, flags & _RUNNING == _RUNNING) if kind == nl.RTM_NEWLINK else None


def failure(data: bytes, message: Message) -> Tuple[int, str]:
    """(errno, the kernel's own words or "") of an NLMSG_ERROR message; errno 0 is an acknowledgement."""
    (error,) = nl.S32.unpack_from(data, message.start)
    (length,) = nl.U32.unpack_from(data, message.start + 4)
    start = message.start + (20 if message.flags & nl.NLM_F_CAPPED else 4 + length)
    text = attributes(data, start, message.end).get(1, b"")
    return -error, _text(text)


def parse(data: bytes, message: Message) -> Optional[Event]:
    """The event that a message means; None for those that mean nothing to us (bridge ports, neighbours, ...)."""
    parser = _PARSERS.get(message.type)
    if parser is None:
        return None
    return parser(data, message)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")


def _mac(value: bytes) -> str:
    return value.hex(":") if len(value) == 6 else ""


def _ip(value: Optional[bytes]) -> Optional[str]:
    if value is None or len(value) not in (4, 16):
        return None
    return nl.ip_text(value)


def _number(value: Optional[bytes]) -> int:
    return int(nl.U32.unpack(value)[0]) if value is not None and len(value) == 4 else 0


def _parse_link(data: bytes, message: Message) -> Optional[LinkEvent]:
    family, _type, ifindex, flags, _change = nl.LINK_BODY.unpack_from(data, message.start)
    found = attributes(data, message.start + 16, message.end)
    # Bridge ports are announced as links of family AF_BRIDGE; wireless events are links without an MTU.
    if family != socket.AF_UNSPEC or 4 not in found:
        return None
    information = attributes(found.get(18, b""), 0, len(found.get(18, b"")))
    return LinkEvent(
        ifindex=ifindex,
        name=_text(found.get(3, b"")),
        flags=flags,
        carrier=bool(found[33][0]) if found.get(33) else None,
        mtu=_number(found.get(4)),
        mac=_mac(found.get(1, b"")),
        master=_number(found.get(10)),
        parent=0 if 37 in found else _number(found.get(5)),  # IFLA_LINK_NETNSID: an index of another namespace
        kind=_text(information.get(1, b"")),
        permanent_mac=_mac(found.get(54, b"")),
        altnames=tuple(_names(found.get(52, b""))),
        deleted=message.type == nl.RTM_DELLINK,
    )


def _names(properties: bytes) -> Iterator[str]:
    offset = 0
    while offset + 4 <= len(properties):
        length, _kind = nl.ATTRIBUTE.unpack_from(properties, offset)
        if length < 4:
            return
        yield _text(properties[offset + 4 : offset + length])
        offset += (length + 3) & ~3


def _parse_address(data: bytes, message: Message) -> Optional[AddrEvent]:
    af, prefixlen, flags, scope, ifindex = nl.ADDRESS_BODY.unpack_from(data, message.start)
    found = attributes(data, message.start + 8, message.end)
    ip = _ip(found.get(2, found.get(1)))  # IFA_ADDRESS is the peer's on a point-to-point link
    if af not in nl.FAMILY_OF or ip is None:
        return None
    preferred, valid = nl.CACHE.unpack(found[6])[:2] if len(found.get(6, b"")) == 16 else (nl.FOREVER, nl.FOREVER)
    return AddrEvent(
        ifindex=ifindex,
        family=nl.FAMILY_OF[af],
        ip=ip,
        prefixlen=prefixlen,
        flags=_number(found[8]) if 8 in found else flags,
        scope=scope,
        proto=found[11][0] if found.get(11) else 0,
        preferred_lft=preferred,
        valid_lft=valid,
        broadcast=_ip(found.get(4)),
        label=_text(found[3]) if 3 in found else None,
        deleted=message.type == nl.RTM_DELADDR,
    )


def _parse_route(data: bytes, message: Message) -> Optional[RouteEvent]:
    af, length, _src, _tos, table, protocol, scope, kind, _flags = nl.ROUTE_BODY.unpack_from(data, message.start)
    if af not in nl.FAMILY_OF:
        return None
    found = attributes(data, message.start + 12, message.end)
    anywhere = "0.0.0.0" if af == socket.AF_INET else "::"
    return RouteEvent(
        family=nl.FAMILY_OF[af],
        dst=f"{_ip(found.get(1)) or anywhere}/{length}",
        table=_number(found[15]) if 15 in found else table,
        kind=kind,
        scope=scope,
        protocol=protocol,
        metric=_number(found.get(6)),
        nhid=_number(found.get(30)),
        ifindex=_number(found.get(4)),
        gateway=_ip(found.get(5)),
        prefsrc=_ip(found.get(7)),
        hops=tuple(_hops(found.get(9, b""))),
        deleted=message.type == nl.RTM_DELROUTE,
    )


def _hops(data: bytes) -> Iterator[Tuple[int, Optional[str]]]:
    """The ways of a multipath route (RTA_MULTIPATH)."""
    offset = 0
    while offset + 8 <= len(data):
        length, _flags, _hops, ifindex = nl.RTNEXTHOP.unpack_from(data, offset)
        if length < 8:
            return
        yield ifindex, _ip(attributes(data, offset + 8, min(offset + length, len(data))).get(5))
        offset += (length + 3) & ~3


def _parse_nexthop(data: bytes, message: Message) -> Optional[NexthopEvent]:
    af, _scope, protocol, _reserved, flags = nl.NEXTHOP_BODY.unpack_from(data, message.start)
    found = attributes(data, message.start + 8, message.end)
    members = found.get(2, b"")
    return NexthopEvent(
        id=_number(found.get(1)),
        family=nl.FAMILY_OF.get(af, 0),
        ifindex=_number(found.get(5)),
        gateway=_ip(found.get(6)),
        group=tuple(nl.MEMBER.unpack_from(members, offset)[0] for offset in range(0, len(members) - 7, 8)),
        protocol=protocol,
        flags=flags,
        deleted=message.type == nl.RTM_DELNEXTHOP,
    )


_PARSERS = {
    nl.RTM_NEWLINK: _parse_link,
    nl.RTM_DELLINK: _parse_link,
    nl.RTM_NEWADDR: _parse_address,
    nl.RTM_DELADDR: _parse_address,
    nl.RTM_NEWROUTE: _parse_route,
    nl.RTM_DELROUTE: _parse_route,
    nl.RTM_NEWNEXTHOP: _parse_nexthop,
    nl.RTM_DELNEXTHOP: _parse_nexthop,
}
