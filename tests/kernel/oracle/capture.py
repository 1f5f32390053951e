# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests' own eyes on a lab's cables: sockets opened in its namespaces, and a capture of every frame on one of them.

    with Capture(bed.client, "c0") as seen:
        ...
        seen.wait(lambda f: f.echo_request and f.source == "192.0.2.111")

On a card of the host, or on its port at the switch (``Capture(bed.switch, bed.nic("eth1").port)``), each way is told
apart by ``outgoing``, as that namespace sees it.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import socket
import struct
import threading
import time
from types import TracebackType
from typing import Callable, Iterator, List, NamedTuple, Optional, Type

from lab import Place

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
ETH_P_ALL = 0x0003
SO_TIMESTAMPNS, SO_RCVBUFFORCE = 35, 33
IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD
ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58


def _enter(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _LIBC.setns(fd, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(fd)


@contextlib.contextmanager
def inside(place: Place) -> Iterator[None]:
    """The calling thread is in the place's network namespace; sockets opened meanwhile stay in it."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(f"/proc/{place.pid}/ns/net")
        try:
            yield
        finally:
            _enter(f"/proc/thread-self/fd/{home}")
    finally:
        os.close(home)


class Frame(NamedTuple):
    """One Ethernet frame; fields that its kind does not have are empty or 0."""

    at: float  # unix time, the kernel's
    outgoing: bool  # sent by the namespace that looks
    data: bytes
    destination_mac: str
    source_mac: str
    kind: int  # IPV4, ARP, IPV6, ...
    protocol: int  # ICMP, TCP, ...; ARP: 1 request, 2 reply
    source: str  # ARP: the sender's address
    target: str
    ttl: int
    payload: bytes  # what follows the IP header

    @property
    def echo_request(self) -> bool:
        """A ping of either family."""
        return (self.protocol, self.payload[:1]) in ((ICMP, b"\x08"), (ICMP6, b"\x80"))

    @property
    def echo_reply(self) -> bool:
        """The answer to one."""
        return (self.protocol, self.payload[:1]) in ((ICMP, b"\x00"), (ICMP6, b"\x81"))

    @property
    def identifier(self) -> int:
        """Of an echo."""
        return int(struct.unpack_from("!H", self.payload, 4)[0])

    @property
    def sequence(self) -> int:
        """Of an echo."""
        return int(struct.unpack_from("!H", self.payload, 6)[0])

    @property
    def announces(self) -> str:
        """The address that a gratuitous ARP or an unsolicited neighbour advertisement tells of, else ""."""
        if self.kind == ARP:
            return self.source if self.source == self.target else ""
        if self.protocol == ICMP6 and self.payload[:1] == b"\x88" and not self.payload[4] & 0x40:
            return str(ipaddress.ip_address(self.payload[8:24]))
        return ""


def parse(data: bytes, at: float = 0.0, outgoing: bool = False) -> Frame:
    """Read an untagged frame."""
    kind = int(struct.unpack_from("!H", data, 12)[0])
    protocol, source, target, ttl, payload = 0, b"", b"", 0, b""
    if kind == IPV4:
        length = int(struct.unpack_from("!H", data, 16)[0])
        protocol, ttl, source, target = data[23], data[22], data[26:30], data[30:34]
        payload = data[14 + (data[14] & 15) * 4 : 14 + length]
    elif kind == IPV6:
        length = int(struct.unpack_from("!H", data, 18)[0])
        protocol, ttl, source, target = data[20], data[21], data[22:38], data[38:54]
        payload = data[54 : 54 + length]
    elif kind == ARP:
        protocol, source, target = data[21], data[28:32], data[38:42]
    texts = [str(ipaddress.ip_address(packed)) if packed else "" for packed in (source, target)]
    macs = data[:6].hex(":"), data[6:12].hex(":")
    return Frame(at, outgoing, data, *macs, kind, protocol, texts[0], texts[1], ttl, payload)


class Capture:
    """Every frame on one card of a namespace, from the moment it is made; ``frames`` in their order."""

    def __init__(self, place: Place, nic: str) -> None:
        with inside(place):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
        self._socket.settimeout(0.2)
        self._socket.bind((nic, ETH_P_ALL))
        self.frames: List[Frame] = []
        self._end = 0.0  # unix time; 0: not yet
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data, notes, _flags, address = self._socket.recvmsg(65536, 128)
            except (socket.timeout, OSError):  # OSError: the card has gone down or away; it may come back
                if self._end:
                    return
                time.sleep(0.02)
                continue
            stamp = next((n[2] for n in notes if n[1] == SO_TIMESTAMPNS), b"")
            seconds, nanoseconds = struct.unpack("@qq", stamp) if stamp else (0, 0)
            frame = parse(data, seconds + nanoseconds / 1e9, address[2] == socket.PACKET_OUTGOING)
            if 0 < self._end < frame.at:
                return
            self.frames.append(frame)

    def all(self, fits: Callable[[Frame], bool], since: float = 0.0) -> List[Frame]:
        """The frames that fit, from that unix time on."""
        return [frame for frame in list(self.frames) if frame.at >= since and fits(frame)]

    def first(self, fits: Callable[[Frame], bool], since: float = 0.0) -> Optional[Frame]:
        """The first that fits."""
        return next(iter(self.all(fits, since)), None)

    def wait(self, fits: Callable[[Frame], bool], since: float = 0.0, limit: float = 10.0) -> Frame:
        """As first, until there is one."""
        end = time.monotonic() + limit
        while (found := self.first(fits, since)) is None:
            assert time.monotonic() < end, f"no such frame within {limit:g} s among {len(self.frames)}"
            time.sleep(0.01)
        return found

    def close(self) -> None:
        """Look no longer; what was seen stays."""
        self._end = time.time()
        self._reader.join()
        self._socket.close()

    def __enter__(self) -> Capture:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], problem: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()
