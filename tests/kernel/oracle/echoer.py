# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers to pings that are late, missing, wrong or from many hosts: a peer that a test rules.

The kernel of the client's (or router's) namespace is told to answer no ping; an ``Echoer`` on its card does instead,
for each of the addresses that it was given, and as late as ``delay`` says. ARP and ND stay the kernel's.
"""

from __future__ import annotations

import heapq
import ipaddress
import itertools
import socket
import struct
import threading
import time
from types import TracebackType
from typing import Callable, Dict, List, Optional, Sequence, Set, Tuple, Type

from capture import ETH_P_ALL, ICMP, ICMP6, IPV4, IPV6, Frame, inside, parse

from lab import Host

ALL_HOSTS = ("224.0.0.1", "ff02::1")
QUIET = ("net.ipv4.icmp_echo_ignore_all", "net.ipv6.icmp.echo_ignore_all")


class Echoer:
    """Answers for ``hosts`` (addresses, which it adds to the card) until it is closed.

    delay: address -> s before its answers go; silent: addresses that do not answer; shape: what becomes of an answer,
    each (request, the answer's frame) -> frames to send; asked: (unix time, address) of each request that came.
    """

    def __init__(self, place: Host, nic: str, hosts: Sequence[str]) -> None:
        self.place, self.nic, self.hosts = place, nic, tuple(hosts)
        self.delay: Dict[str, float] = {}
        self.silent: Set[str] = set()
        self.shape: Callable[[Frame, bytes], List[bytes]] = lambda _request, answer: [answer]
        self.asked: List[Tuple[float, str]] = []
        self._later: List[Tuple[float, int, bytes]] = []
        self._number = itertools.count()
        self._end = False
        self._before = {name: place.run(["sysctl", "-n", name]).stdout.strip() for name in QUIET}
        place.run(["sysctl", "-qw", *(f"{name}=1" for name in QUIET)])
        present = place.run(["ip", "addr", "show", "dev", nic]).stdout.split()
        lengths = {host: 64 if ":" in host else 24 for host in hosts}
        self._added = [f"{host}/{length}" for host, length in lengths.items() if f"{host}/{length}" not in present]
        place.ip(*(f"addr add {cidr} dev {nic}{' nodad' if ':' in cidr else ''}" for cidr in self._added))
        self._mac = bytes.fromhex(place.nics[nic].mac.replace(":", ""))
        with inside(place):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.bind((nic, ETH_P_ALL))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def send(self, frame: bytes) -> None:
        """Send any frame, such as one made with ``answer``."""
        self._socket.send(frame)

    def answer(self, request: Frame, source: str, **changed: int) -> bytes:
        """The right answer from that address; changed: another ``identifier``, ``sequence`` or ``code``."""
        body = bytearray(request.payload)
        body[0] = 0 if request.kind == IPV4 else 129
        body[1] = changed.get("code", 0)
        struct.pack_into(
            "!HHH", body, 2, 0, changed.get("identifier", request.identifier), changed.get("sequence", request.sequence)
        )
        return echo_frame(self._mac, request.data[6:12], source, request.source, bytes(body))

    def _serve(self) -> None:
        while not self._end:
            wait = self._later[0][0] - time.monotonic() if self._later else 0.2
            if wait > 0:
                self._socket.settimeout(min(wait, 0.2))
                try:
                    data, address = self._socket.recvfrom(65536)
                except (socket.timeout, OSError):
                    pass
                else:
                    if address[2] != socket.PACKET_OUTGOING:
                        self._take(parse(data, time.time()))
            while self._later and self._later[0][0] <= time.monotonic():
                self.send(heapq.heappop(self._later)[2])

    def _take(self, request: Frame) -> None:
        if not request.echo_request:
            return
        family = 6 if request.kind == IPV6 else 4
        if request.target in ALL_HOSTS:
            asked = [h for h in self.hosts if (":" in h) == (family == 6)]
        else:
            asked = [h for h in self.hosts if h == request.target]
        for host in asked:
            self.asked.append((request.at, host))
            if host in self.silent:
                continue
            due = time.monotonic() + self.delay.get(host, 0.0)
            for frame in self.shape(request, self.answer(request, host)):
                heapq.heappush(self._later, (due, next(self._number), frame))

    def close(self) -> None:
        """The kernel answers again; the addresses are taken away."""
        self._end = True
        self._thread.join()
        self._socket.close()
        self.place.run(["sysctl", "-qw", *(f"{name}={value}" for name, value in self._before.items())])
        self.place.ip(*(f"addr del {cidr} dev {self.nic}" for cidr in self._added))

    def __enter__(self) -> Echoer:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], problem: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


def echo_frame(source_mac: bytes, target_mac: bytes, source: str, target: str, body: bytes) -> bytes:
    """An Ethernet frame that carries this ICMP or ICMPv6 message, its checksums right."""
    src, dst = ipaddress.ip_address(source).packed, ipaddress.ip_address(target).packed
    if len(src) == 4:
        message = _summed(body, b"", 2)
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, ICMP, 0, src, dst)
        return target_mac + source_mac + struct.pack("!H", IPV4) + _summed(header, b"", 10) + message
    pseudo = src + dst + struct.pack("!II", len(body), ICMP6)
    header = struct.pack("!IHBB16s16s", 6 << 28, len(body), ICMP6, 64, src, dst)
    return target_mac + source_mac + struct.pack("!H", IPV6) + header + _summed(body, pseudo, 2)


def _summed(message: bytes, pseudo: bytes, place: int) -> bytes:
    """The message with the internet checksum over pseudo and itself put in at that place."""
    text = pseudo + message[:place] + b"\0\0" + message[place + 2 :]
    text += b"\0" * (len(text) % 2)
    total = sum(struct.unpack(f"!{len(text) // 2}H", text))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return message[:place] + struct.pack("!H", ~total & 0xFFFF) + message[place + 2 :]
