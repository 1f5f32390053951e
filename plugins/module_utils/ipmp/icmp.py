# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Echo requests and replies as bytes, and the raw socket of one NIC and family that they travel through.

What comes in was written by strangers: reading it never raises, and what is not exactly an answer to a probe of this
daemon is None. Whether anybody waits for such an answer is for the detector to say: only it knows the nonces.
"""

from __future__ import annotations

import array
import contextlib
import functools
import socket
import struct
from typing import List, NamedTuple, Optional, Sequence, Tuple, Union

from .model import family_of

LARGEST = 128  # bytes that are read of a packet; an answer has 48 (IPv4, with its header) or 28

_MESSAGE = struct.Struct("!BBHHHQI8s")  # type, code, checksum, identifier, sequence; body: nonce, kind, magic
_WORDS = struct.Struct(f"!{_MESSAGE.size // 2}H")
_MAGIC = b"ipmp\0\0\0\1"  # the last one is the version
_IPV4_HEADER = 20  # without options: we send none, so an answer has none; one that has came by a source route
_REQUEST, _REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}

_SO_ATTACH_FILTER, _SO_TIMESTAMPNS, _SO_BINDTOIFINDEX = 26, 35, 62
_SOL_RAW, _ICMP_FILTER, _ICMP6_FILTER = 255, 1, 1
_TIMESPEC = struct.Struct("@ll")
_ANCILLARY = socket.CMSG_SPACE(_TIMESPEC.size) + socket.CMSG_SPACE(256)  # a stamp, and some of a routing header
_CUT = int(socket.MSG_TRUNC | socket.MSG_CTRUNC)  # as an int: its own type costs more than all the parsing
_QUEUED = 1024  # packets; more than a receive buffer of the usual size holds

Address = Union[Tuple[str, int], Tuple[str, int, int, int]]


class Echo(NamedTuple):
    """What an echo request carries and its reply brings back."""

    kind: int  # 32 bits: UNICAST, MULTICAST or RTT_ONLY
    sequence: int  # 16 bits
    nonce: int  # 64 bits


class Heard(NamedTuple):
    """An echo reply as it was taken from its socket."""

    source: str  # IPv6 without its scope
    echo: Echo
    stamp: Optional[float]  # s of CLOCK_REALTIME: when the kernel had it


def _sum(message: bytes) -> int:
    total: int = sum(_WORDS.unpack(message))
    total = (total & 0xFFFF) + (total >> 16)
    return (total & 0xFFFF) + (total >> 16)


def request(family: int, identifier: int, echo: Echo) -> bytes:
    """The ICMP or ICMPv6 message (PKT-1); the kernel fills in the checksum of the latter."""
    message = _MESSAGE.pack(_REQUEST[family], 0, 0, identifier, echo.sequence, echo.nonce, echo.kind, _MAGIC)
    if family == 6:
        return message
    return message[:2] + (~_sum(message) & 0xFFFF).to_bytes(2, "big") + message[4:]


def parse(family: int, packet: bytes, identifier: int) -> Optional[Echo]:
    """The echo that a reply brings back (PKT-3), as a raw socket delivers it: IPv4 with its header, IPv6 without.

    The kernel checks the checksum of ICMPv6 before a raw socket hears of it, but not that of ICMP.
    """
    if family == 4:
        if len(packet) != _IPV4_HEADER + _MESSAGE.size or packet[0] != 0x45 or packet[9] != socket.IPPROTO_ICMP:
            return None
        packet = packet[_IPV4_HEADER:]
        if _sum(packet) != 0xFFFF:
            return None
    elif len(packet) != _MESSAGE.size:
        return None
    kind_of_message, code, _checksum, mine, sequence, nonce, kind, magic = _MESSAGE.unpack(packet)
    if kind_of_message != _REPLY[family] or code or mine != identifier or magic != _MAGIC:
        return None
    return Echo(kind, sequence, nonce)


@functools.lru_cache(maxsize=1024)
def where(ip: str, ifindex: int) -> Address:
    """The socket address of an IP; those that mean nothing without a NIC (link-local, multicast) get this one."""
    if family_of(ip) == 4:
        return ip, 0
    head = int(ip.partition(":")[0] or "0", 16)
    return ip, 0, 0, ifindex if head & 0xFFC0 == 0xFE80 or head & 0xFF00 == 0xFF00 else 0


def _only_ours(family: int, identifier: int) -> List[Tuple[int, int, int, int]]:
    """Classic BPF: the identifier decides, so that other people's pings cost nothing."""
    load = [(0xB1, 0, 0, 0), (0x48, 0, 0, 4)] if family == 4 else [(0x28, 0, 0, 4)]  # behind the IPv4 header; at once
    return [*load, (0x15, 0, 1, identifier), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0)]


def frames_only_ours(family: int, identifier: int) -> List[Tuple[int, int, int, int]]:
    """The same for Ethernet frames: replies only."""
    protocol, message, kind = (23, 34, 1) if family == 4 else (20, 54, 58)
    checks = [((0x30, 0, 0, protocol), kind), ((0x30, 0, 0, message), _REPLY[family])]
    checks.append(((0x28, 0, 0, message + 4), identifier))
    steps: List[Tuple[int, int, int, int]] = []
    for left, (load, wanted) in zip((4, 2, 0), checks):
        steps += [load, (0x15, 0, left + 1, wanted)]
    return [*steps, (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0)]


def in_frame(family: int, frame: bytes, identifier: int) -> Optional[Echo]:
    """The echo that an Ethernet frame brings back, or None."""
    begin, header = (14, _IPV4_HEADER) if family == 4 else (54, 0)
    return parse(family, frame[begin : begin + header + _MESSAGE.size], identifier)


def _attach(connection: socket.socket, program: Sequence[Tuple[int, int, int, int]]) -> None:
    code = array.array("B", b"".join(struct.pack("=HBBI", *step) for step in program))
    connection.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), code.buffer_info()[0]))


def _options(family: int, ifindex: int) -> List[Tuple[int, int, Union[int, bytes]]]:
    """Pinned to the NIC, never beyond the first hop, never to ourselves, echo replies only, stamped (PKT-2)."""
    common: List[Tuple[int, int, Union[int, bytes]]] = [
        (socket.SOL_SOCKET, _SO_BINDTOIFINDEX, ifindex),
        (socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1),
    ]
    if family == 4:
        return common + [
            # A target is on the link by definition; no gateway's route that happens to cover it may lead elsewhere.
            (socket.SOL_SOCKET, socket.SO_DONTROUTE, 1),
            (socket.IPPROTO_IP, socket.IP_TTL, 1),
            (socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1),
            (socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0),
            (_SOL_RAW, _ICMP_FILTER, struct.pack("=I", 0xFFFFFFFF ^ 1 << _REPLY[4])),  # a bit set is a type barred
        ]
    barred = (1 << 256) - 1 ^ 1 << _REPLY[6]
    return common + [
        (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 1),
        (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1),
        (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0),
        (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, ifindex),
        (socket.IPPROTO_IPV6, socket.IPV6_RECVRTHDR, 1),
        (socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("=8I", *(barred >> 32 * n & 0xFFFFFFFF for n in range(8)))),
    ]


def open_socket(ifindex: int, source: str, identifier: int) -> socket.socket:
    """A non-blocking raw socket that sends from the test address through this NIC only, and hears only there.

    OSError when the NIC is gone, or the address missing or still tentative.
    """
    family = family_of(source)
    if family == 4:
        connection = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMP)
    else:
        connection = socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMPV6)
    try:
        connection.setblocking(False)
        _attach(connection, _only_ours(family, identifier))
        for level, option, value in _options(family, ifindex):
            connection.setsockopt(level, option, value)
        connection.bind(where(source, ifindex))
        # Until it was bound it heard what other NICs received.
        with contextlib.suppress(BlockingIOError):
            for _packet in range(_QUEUED):
                connection.recv(1)
    except OSError:
        connection.close()
        raise
    return connection


def receive(connection: socket.socket, family: int, identifier: int) -> Optional[Heard]:
    """The next packet of the socket if it is an answer to us, else None. OSError when there is none."""
    packet, ancillary, flags, sender = connection.recvmsg(LARGEST, _ANCILLARY)
    echo = parse(family, packet, identifier)
    if echo is None or flags & _CUT:
        return None
    stamp = None
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) == _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            stamp = seconds + nanoseconds * 1e-9
        elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_RTHDR:
            return None
    return Heard(sender[0].partition("%")[0], echo, stamp)
