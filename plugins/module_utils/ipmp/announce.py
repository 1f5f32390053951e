# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells a link where an address is now (gratuitous ARP, unsolicited NA), and asks whether somebody else has it.

Frames are complete Ethernet frames as bytes, made ahead of the event; MACs are text like ``02:00:00:00:00:01``.
"""

from __future__ import annotations

import array
import contextlib
import errno
import socket
import struct
import time
from typing import Collection, Container, Dict, List, NamedTuple, Optional, Sequence, Tuple

from .nl import ip_text

ETH_P_IP6, ETH_P_ARP = 0x86DD, 0x0806
DUPLICATE_WAIT = 0.3  # s to wait for an objection to an address; answers take less than 1 ms on a healthy link

_BROADCAST = b"\xff" * 6
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ETHERNET, _ARP_REQUEST = 1, 1
_ICMP6, _SOLICITATION, _ADVERTISEMENT = 58, 135, 136
_OVERRIDE, _ROUTER = 0x20000000, 0x80000000
_ALL_NODES = socket.inet_pton(socket.AF_INET6, "ff02::1")
_NOWHERE = b"\0" * 16
_SO_ATTACH_FILTER, _SO_SNDBUFFORCE = 26, 32
_SEND_BUFFER = 8 << 20  # bytes; a frame counts for about 800
_PATIENCE = 0.05  # s after which a send does not wait for a full transmit queue any more
_FRAMES_A_READ = 256

# Classic BPF for the duplicate check: ICMPv6 neighbour solicitations and advertisements right behind the IPv6 header.
_ONLY_NEIGHBOURS = (
    (0x30, 0, 0, 20),  # next header
    (0x15, 0, 4, _ICMP6),
    (0x30, 0, 0, 54),  # type
    (0x15, 1, 0, _SOLICITATION),
    (0x15, 0, 1, _ADVERTISEMENT),
    (0x06, 0, 0, 0xFFFF),
    (0x06, 0, 0, 0),
)


class Claim(NamedTuple):
    """What an ARP or neighbour discovery frame says: ``mac`` has, or ``probe``s for, ``ip``."""

    ip: str
    mac: str  # the frame's own sender
    probe: bool


def mac_bytes(mac: str) -> bytes:
    """The six bytes of a MAC; ValueError for anything else."""
    packed = bytes.fromhex(mac.replace(":", ""))
    if len(packed) != 6:
        raise ValueError(f"'{mac}' is not an Ethernet address")
    return packed


def _arp(sender: bytes, sender_ip: bytes, target_ip: bytes) -> bytes:
    body = _ARP.pack(_ETHERNET, 0x0800, 6, 4, _ARP_REQUEST, sender, sender_ip, b"\0" * 6, target_ip)
    return _BROADCAST + sender + ETH_P_ARP.to_bytes(2, "big") + body


def _checksum(data: bytes) -> int:
    words = array.array("H", data + b"\0" * (len(data) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return socket.htons(~total & 0xFFFF)


def _icmp6(sender: bytes, source: bytes, destination: bytes, message: bytes) -> bytes:
    """A frame to a multicast destination. ``message`` has 0 for its checksum."""
    pseudo = source + destination + struct.pack("!II", len(message), _ICMP6)
    message = message[:2] + _checksum(pseudo + message).to_bytes(2, "big") + message[4:]
    ethernet = b"\x33\x33" + destination[12:] + sender + ETH_P_IP6.to_bytes(2, "big")
    return ethernet + struct.pack("!IHBB", 6 << 28, len(message), _ICMP6, 255) + source + destination + message


def arp_announcement(mac: str, ip: str) -> bytes:
    """A broadcast ARP request for one's own address: overrides what neighbours believe, at once."""
    address = socket.inet_pton(socket.AF_INET, ip)
    return _arp(mac_bytes(mac), address, address)


def na_announcement(mac: str, ip: str, *, router: bool = False) -> bytes:
    """An unsolicited neighbour advertisement to all nodes, with override. ``router``: this host forwards IPv6."""
    address, sender = socket.inet_pton(socket.AF_INET6, ip), mac_bytes(mac)
    flags = _OVERRIDE | (_ROUTER if router else 0)
    message = struct.pack("!BBHI", _ADVERTISEMENT, 0, 0, flags) + address + b"\x02\x01" + sender
    return _icmp6(sender, address, _ALL_NODES, message)


def announcement(mac: str, ip: str, *, router: bool = False) -> bytes:
    """The announcement of either family."""
    return na_announcement(mac, ip, router=router) if ":" in ip else arp_announcement(mac, ip)


def probe(mac: str, ip: str) -> bytes:
    """Asks who has an address without claiming it: ARP from 0.0.0.0, or a neighbour solicitation from ``::``."""
    sender = mac_bytes(mac)
    if ":" not in ip:
        return _arp(sender, b"\0" * 4, socket.inet_pton(socket.AF_INET, ip))
    address = socket.inet_pton(socket.AF_INET6, ip)
    group = socket.inet_pton(socket.AF_INET6, "ff02::1:ff00:0")[:13] + address[13:]
    return _icmp6(sender, _NOWHERE, group, struct.pack("!BBHI", _SOLICITATION, 0, 0, 0) + address)


def parse(frame: bytes) -> Optional[Claim]:
    """What an ARP or neighbour discovery frame claims; None for everything else and for what is malformed."""
    if len(frame) < 14:
        return None
    kind = int.from_bytes(frame[12:14], "big")
    if kind == ETH_P_ARP:
        return _parse_arp(frame)
    return _parse_neighbour(frame) if kind == ETH_P_IP6 else None


def _parse_arp(frame: bytes) -> Optional[Claim]:
    if len(frame) < 14 + _ARP.size:
        return None
    hardware, protocol, hlen, plen, operation, mac, sender_ip, _target_mac, target_ip = _ARP.unpack_from(frame, 14)
    if (hardware, protocol, hlen, plen) != (_ETHERNET, 0x0800, 6, 4) or operation not in (1, 2):
        return None
    probing = sender_ip == b"\0" * 4
    if probing and operation != _ARP_REQUEST:
        return None
    return Claim(ip_text(target_ip if probing else sender_ip), mac.hex(":"), probing)


def _parse_neighbour(frame: bytes) -> Optional[Claim]:
    """RFC 4861, 7.1: hop limit 255, right checksum, no fragment or extension header before the message."""
    if len(frame) < 78 or frame[14] >> 4 != 6 or frame[20] != _ICMP6 or frame[21] != 255:
        return None
    length = int.from_bytes(frame[18:20], "big")
    message = frame[54 : 54 + length]
    if len(message) != length or length < 24:
        return None
    if _checksum(frame[22:54] + struct.pack("!II", length, _ICMP6) + message):
        return None
    kind, code, source, target = message[0], message[1], frame[22:38], message[8:24]
    if code or target[0] == 0xFF or kind not in (_SOLICITATION, _ADVERTISEMENT):
        return None
    if kind == _SOLICITATION and source != _NOWHERE:
        return None
    return Claim(ip_text(target), frame[6:12].hex(":"), kind == _SOLICITATION)


def packet_socket(ifindex: int, protocol: int, program: Sequence[Tuple[int, int, int, int]] = ()) -> socket.socket:
    """A non-blocking packet socket on one interface; protocol 0 only sends. OSError when the interface is gone."""
    connection = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    try:
        connection.setblocking(False)
        if program:
            code = array.array("B", b"".join(struct.pack("=HBBI", *step) for step in program))
            connection.setsockopt(
                socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), code.buffer_info()[0])
            )
        connection.bind((socket.if_indextoname(ifindex), protocol))
    except OSError:
        connection.close()
        raise
    return connection


def frames(connection: socket.socket) -> List[bytes]:
    """What a packet socket has received, at most a few hundred frames. Never waits; nothing when the link is down."""
    received: List[bytes] = []
    try:
        while len(received) < _FRAMES_A_READ:
            received.append(connection.recv(2048))
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.ENETDOWN, errno.ENODEV, errno.ENXIO):
            raise
    return received


class Announcer:
    """Sends frames through interfaces; opens one socket an interface at the first use."""

    def __init__(self) -> None:
        self._sockets: Dict[int, socket.socket] = {}

    def open(self, ifindex: int) -> None:
        """Opens the interface's socket ahead of the first use. OSError when the interface is gone."""
        if ifindex not in self._sockets:
            connection = packet_socket(ifindex, 0)
            self._sockets[ifindex] = connection
            with contextlib.suppress(PermissionError):  # the default buffer only means more waiting in ``send``
                connection.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _SEND_BUFFER)

    def send(self, ifindex: int, announcements: Sequence[bytes]) -> int:
        """Sends the frames in order; returns how many went out before the interface failed or stayed full too long."""
        sent = 0
        deadline = time.monotonic() + _PATIENCE
        for _turn in range(2):
            try:
                self.open(ifindex)
                for frame in announcements[sent:]:
                    _put(self._sockets[ifindex], frame, deadline)
                    sent += 1
                break
            except OSError as error:
                self.forget(ifindex)
                # An interface that went away and came back may have its ifindex still, but needs another socket.
                if error.errno != errno.ENXIO:
                    break
        return sent

    def keep(self, ifindexes: Container[int]) -> None:
        """Closes the sockets of all other interfaces: one that comes back has another index, as a rule."""
        for ifindex in [ifindex for ifindex in self._sockets if ifindex not in ifindexes]:
            self.forget(ifindex)

    def forget(self, ifindex: int) -> None:
        """Closes the interface's socket."""
        connection = self._sockets.pop(ifindex, None)
        if connection:
            connection.close()

    def close(self) -> None:
        """Closes all sockets."""
        for ifindex in list(self._sockets):
            self.forget(ifindex)


def _put(connection: socket.socket, frame: bytes, deadline: float) -> None:
    while True:
        try:
            connection.send(frame)
            return
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ENOBUFS) or time.monotonic() > deadline:
                raise
            time.sleep(0.001)


class DuplicateCheck:
    """Asks a link whether somebody else has these addresses, before their first use there.

    It asks when it is made; ``ask`` again before the end, since a link that has just come up loses frames. What has
    been read by ``deadline`` (``time.monotonic``) is the verdict. Answers from one of ``own`` MACs, the members of the
    group, do not count.
    """

    def __init__(self, ifindex: int, mac: str, ips: Collection[str], own: Collection[str]) -> None:
        self._probes = {ip: probe(mac, ip) for ip in ips}
        self._own = frozenset(own) | {mac}
        self._sockets: List[socket.socket] = []
        self.conflicts: Dict[str, str] = {}  # address -> MAC of whoever has it
        self.deadline = time.monotonic() + DUPLICATE_WAIT
        try:
            if any(":" not in ip for ip in ips):
                self._sockets.append(packet_socket(ifindex, ETH_P_ARP))
            if any(":" in ip for ip in ips):
                self._sockets.append(packet_socket(ifindex, ETH_P_IP6, _ONLY_NEIGHBOURS))
            self.ask()
        except OSError:
            self.close()
            raise

    def ask(self) -> None:
        """Sends one probe an address. OSError when the interface is down or gone."""
        for frame in self._probes.values():
            self._sockets[0].send(frame)

    def filenos(self) -> List[int]:
        """Its one or two descriptors, readable when an answer may be there."""
        return [connection.fileno() for connection in self._sockets]

    def read(self) -> Dict[str, str]:
        """What has been found so far: address -> MAC of whoever has it. Never waits."""
        for connection in self._sockets:
            for frame in frames(connection):
                claim = parse(frame)
                if claim and claim.ip in self._probes and claim.mac not in self._own:
                    self.conflicts[claim.ip] = claim.mac
        return self.conflicts

    def close(self) -> None:
        """Ends it."""
        for connection in self._sockets:
            connection.close()
