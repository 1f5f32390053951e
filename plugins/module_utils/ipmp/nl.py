# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Route netlink requests as bytes; ``nlparse`` reads what the kernel says and ``fastpath`` has the sockets.

Every builder returns one complete message whose sequence number is 0 until it is sent, so that messages can be
packed long before they are needed. ``family`` is 4 or 6, addresses are canonical text, prefixes are CIDR text.
"""

from __future__ import annotations

import functools
import ipaddress
import socket
import struct
from typing import List, Optional, Sequence

PROTO = 199  # marks our addresses, routes and nexthops
BY_HAND = (3, 4)  # RTPROT_BOOT, RTPROT_STATIC: routes by an administrator's hand
HAND_MADE = (1, 3, 4, 9, 16)  # RTPROT_REDIRECT, _BOOT, _STATIC, _RA, _DHCP: few, unlike those of routing daemons
NH_BASE = 0x6E000000  # our nexthop ids: NH_BASE..NH_BASE | ~NH_MASK
NH_MASK = 0xFF000000

NLMSG_ERROR, NLMSG_DONE = 2, 3
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWNEXTHOP, RTM_DELNEXTHOP, RTM_GETNEXTHOP = 104, 105, 106

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP_INTR, NLM_F_CAPPED = 0x1, 0x4, 0x10, 0x100
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE, NLM_F_DUMP = 0x100, 0x200, 0x400, 0x300

IFF_UP, IFF_LOOPBACK, IFF_LOWER_UP = 0x1, 0x8, 0x10000
IFA_F_NODAD, IFA_F_DADFAILED, IFA_F_DEPRECATED, IFA_F_TENTATIVE, IFA_F_NOPREFIXROUTE = 0x02, 0x08, 0x20, 0x40, 0x200
RTNH_F_ONLINK = 4
SCOPE_UNIVERSE, SCOPE_LINK, SCOPE_HOST, SCOPE_NOWHERE = 0, 253, 254, 255
TABLE_MAIN, TABLE_LOCAL = 254, 255
UNICAST, LOCAL = 1, 2
FOREVER = 0xFFFFFFFF

HEADER = struct.Struct("=IHHII")
ATTRIBUTE = struct.Struct("=HH")
LINK_BODY = struct.Struct("=BxHiII")  # family, type, index, flags, change
ADDRESS_BODY = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
ROUTE_BODY = struct.Struct("=BBBBBBBBI")  # family, dst length, src length, tos, table, protocol, scope, type, flags
NEXTHOP_BODY = struct.Struct("=BBBBI")  # family, scope, protocol, reserved, flags
MEMBER = struct.Struct("=IBBH")  # nexthop id, weight - 1, reserved
RTNEXTHOP = struct.Struct("=HBBi")  # one way of a multipath route: length, flags, hops, ifindex
U32 = struct.Struct("=I")
S32 = struct.Struct("=i")
CACHE = struct.Struct("=IIII")  # preferred, valid, created, updated

_SKIP_STATISTICS = struct.pack("=HHI", 8, 29, 8)  # IFLA_EXT_MASK = RTEXT_FILTER_SKIP_STATS
AF_OF = {4: int(socket.AF_INET), 6: int(socket.AF_INET6)}
FAMILY_OF = {int(socket.AF_INET): 4, int(socket.AF_INET6): 6}


def ip_text(packed: bytes) -> str:
    """The canonical text of 4 or 16 bytes, the same that ``ipaddress`` writes."""
    if packed[:10] == bytes(10) and len(packed) == 16:
        return str(ipaddress.IPv6Address(packed))  # inet_ntop writes the last four bytes of some of these in dots
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def _attribute(kind: int, value: bytes) -> bytes:
    return ATTRIBUTE.pack(len(value) + 4, kind) + value + b"\0" * (-len(value) % 4)


def _message(kind: int, flags: int, body: bytes, found: Sequence[bytes] = ()) -> bytes:
    payload = body + b"".join(found)
    return HEADER.pack(len(payload) + 16, kind, flags | NLM_F_REQUEST, 0, 0) + payload


def _packed(ip: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip)


@functools.lru_cache(maxsize=256)
def link_get(ifindex: int) -> bytes:
    """Asks for one interface; asking makes the kernel settle its carrier state at once."""
    return _message(RTM_GETLINK, 0, LINK_BODY.pack(0, 0, ifindex, 0, 0), [_SKIP_STATISTICS])


def link_set(ifindex: int, *, up: Optional[bool] = None, mtu: Optional[int] = None) -> bytes:
    """Sets administrative state and MTU; None leaves as is."""
    found: List[bytes] = []
    if mtu is not None:
        found.append(_attribute(4, U32.pack(mtu)))
    change = IFF_UP if up is not None else 0
    return _message(RTM_NEWLINK, 0, LINK_BODY.pack(0, 0, ifindex, IFF_UP if up else 0, change), found)


def addr_add(
    ifindex: int,
    ip: str,
    prefixlen: int,
    *,
    noprefixroute: bool = True,
    nodad: bool = True,
    scope: int = SCOPE_UNIVERSE,
    broadcast: Optional[str] = None,
    preferred_lft: Optional[int] = None,
    proto: int = PROTO,
    label: Optional[str] = None,
) -> bytes:
    """Adds an address, or makes the one that is there like this. ``preferred_lft`` in s, None: forever."""
    v6 = ":" in ip
    flags = (IFA_F_NOPREFIXROUTE if noprefixroute else 0) | (IFA_F_NODAD if nodad and v6 else 0)
    packed = _packed(ip)
    found = [
        _attribute(2, packed),
        _attribute(1, packed),
        _attribute(8, U32.pack(flags)),
        _attribute(11, bytes([proto])),
    ]
    if broadcast is not None:
        found.append(_attribute(4, _packed(broadcast)))
    if preferred_lft is not None:
        found.append(_attribute(6, CACHE.pack(preferred_lft, FOREVER, 0, 0)))
    if label is not None:
        found.append(_attribute(3, label.encode() + b"\0"))
    body = ADDRESS_BODY.pack(AF_OF[6 if v6 else 4], prefixlen, flags & 0xFF, scope, ifindex)
    return _message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, body, found)


def addr_del(ifindex: int, ip: str, prefixlen: int) -> bytes:
    """Deletes an address."""
    packed = _packed(ip)
    body = ADDRESS_BODY.pack(AF_OF[6 if ":" in ip else 4], prefixlen, 0, 0, ifindex)
    return _message(RTM_DELADDR, 0, body, [_attribute(2, packed), _attribute(1, packed)])


def nexthop_replace(
    nhid: int, ifindex: int, family: int, *, gateway: Optional[str] = None, onlink: bool = False
) -> bytes:
    """Creates or replaces one nexthop object, via a device or via a gateway on it. ``onlink`` is for IPv4 only."""
    found = [_attribute(1, U32.pack(nhid)), _attribute(5, U32.pack(ifindex))]
    if gateway is not None:
        found.append(_attribute(6, _packed(gateway)))
    body = NEXTHOP_BODY.pack(AF_OF[family], 0, PROTO, 0, RTNH_F_ONLINK if onlink else 0)
    return _message(RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_REPLACE, body, found)


def nexthop_group(nhid: int, ids: Sequence[int]) -> bytes:
    """Creates or replaces a group of nexthop objects of equal weight; at least one id."""
    members = b"".join(MEMBER.pack(member, 0, 0, 0) for member in ids)
    found = [_attribute(1, U32.pack(nhid)), _attribute(2, members)]
    return _message(RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_REPLACE, NEXTHOP_BODY.pack(0, 0, PROTO, 0, 0), found)


def nexthop_del(nhid: int) -> bytes:
    """Deletes a nexthop object or group, and with it every route that uses it."""
    return _message(RTM_DELNEXTHOP, 0, NEXTHOP_BODY.pack(0, 0, 0, 0, 0), [_attribute(1, U32.pack(nhid))])


def route_replace(
    dst: str,
    *,
    nhid: Optional[int] = None,
    ifindex: Optional[int] = None,
    gateway: Optional[str] = None,
    onlink: bool = False,
    table: int = TABLE_MAIN,
    kind: int = UNICAST,
    scope: int = SCOPE_UNIVERSE,
    metric: int = 0,
    prefsrc: Optional[str] = None,
) -> bytes:
    """Creates the route, or replaces the one to ``dst`` with the same metric in the same table.

    Either ``nhid`` or ``ifindex`` (with or without ``gateway``). IPv6 has no scopes and takes metric 0 for 1024.
    """
    found = _way(ifindex, gateway, prefsrc)
    if nhid is not None:
        found.append(_attribute(30, U32.pack(nhid)))
    flags = RTNH_F_ONLINK if onlink else 0
    request = NLM_F_CREATE | NLM_F_REPLACE
    return _route(RTM_NEWROUTE, request, dst, table, kind, scope, metric, PROTO, flags, found)


def route_add(
    dst: str,
    *,
    ifindex: int,
    gateway: Optional[str],
    onlink: bool,
    table: int,
    scope: int,
    metric: int,
    prefsrc: Optional[str],
    protocol: int,
) -> bytes:
    """Creates somebody else's unicast route, under its own protocol; one that is there already is left alone."""
    found = _way(ifindex, gateway, prefsrc)
    flags = RTNH_F_ONLINK if onlink else 0
    request = NLM_F_CREATE | NLM_F_EXCL
    return _route(RTM_NEWROUTE, request, dst, table, UNICAST, scope, metric, protocol, flags, found)


def route_del(dst: str, *, table: int = TABLE_MAIN, kind: int = UNICAST, metric: int = 0) -> bytes:
    """Deletes the first route to ``dst`` in ``table`` with that metric (0: any), if it is ours."""
    return _route(RTM_DELROUTE, 0, dst, table, kind, SCOPE_NOWHERE, metric, PROTO, 0, [])


def _way(ifindex: Optional[int], gateway: Optional[str], prefsrc: Optional[str]) -> List[bytes]:
    found = []
    if ifindex is not None:
        found.append(_attribute(4, U32.pack(ifindex)))
    if gateway is not None:
        found.append(_attribute(5, _packed(gateway)))
    if prefsrc is not None:
        found.append(_attribute(7, _packed(prefsrc)))
    return found


def _route(
    message: int,
    request: int,
    dst: str,
    table: int,
    kind: int,
    scope: int,
    metric: int,
    protocol: int,
    flags: int,
    found: List[bytes],
) -> bytes:
    ip, _slash, length = dst.partition("/")
    found.append(_attribute(15, U32.pack(table)))
    if int(length):
        found.append(_attribute(1, _packed(ip)))
    if metric:
        found.append(_attribute(6, U32.pack(metric)))
    af = AF_OF[6 if ":" in ip else 4]
    body = ROUTE_BODY.pack(af, int(length), 0, 0, table if table < 256 else 0, protocol, scope, kind, flags)
    return _message(message, request, body, found)


def link_dump() -> bytes:
    """Asks for all interfaces."""
    return _message(RTM_GETLINK, NLM_F_DUMP, LINK_BODY.pack(0, 0, 0, 0, 0), [_SKIP_STATISTICS])


def addr_dump() -> bytes:
    """Asks for all addresses of both families."""
    return _message(RTM_GETADDR, NLM_F_DUMP, ADDRESS_BODY.pack(0, 0, 0, 0, 0))


def route_dump(family: int, protocol: int, ifindex: int = 0) -> bytes:
    """Asks for the routes of all tables with that protocol (0: any), through that interface (0: any)."""
    through = [_attribute(4, U32.pack(ifindex))] if ifindex else []
    body = ROUTE_BODY.pack(AF_OF[family], 0, 0, 0, 0, protocol, 0, 0, 0)
    return _message(RTM_GETROUTE, NLM_F_DUMP, body, through)


def route_get(ip: str) -> bytes:
    """Asks which way a packet to ip would take."""
    family = 6 if ":" in ip else 4
    body = ROUTE_BODY.pack(AF_OF[family], 128 if family == 6 else 32, 0, 0, 0, 0, 0, 0, 0)
    return _message(RTM_GETROUTE, 0, body, [_attribute(1, _packed(ip))])


def nexthop_dump() -> bytes:
    """Asks for all nexthop objects and groups."""
    return _message(RTM_GETNEXTHOP, NLM_F_DUMP, NEXTHOP_BODY.pack(0, 0, 0, 0, 0))
