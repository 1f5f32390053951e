# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cable's end at an exactly known moment, and the announcements that a client hears after it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import time
from types import TracebackType
from typing import Collection, Dict, Iterator, List, Optional, Set, Type

from capture import ARP, IPV6, SO_RCVBUFFORCE, SO_TIMESTAMPNS, Frame, inside, parse

from lab import Host, Nic

from .row import BenchError

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
RTM_SETLINK, NLM_F_REQUEST, NLM_F_ACK, IFLA_PROTINFO, NLA_F_NESTED, IFLA_BRPORT_STATE = 19, 1, 4, 12, 0x8000, 1
LIMIT = 10.0  # s that announcements may take


@contextlib.contextmanager
def at_once(priority: int = 2) -> Iterator[None]:
    """No other program may come between taking the time and what the time is of; the daemon has priority 1."""
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(priority))
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)


def pull(nic: Nic) -> float:
    """Pull the cable; unix time when that began."""
    nic.pulled = True
    return _port(nic, False)


def plug(nic: Nic) -> float:
    """Plug it in again; unix time when that began."""
    nic.pulled = False
    return _port(nic, True)


def _port(nic: Nic, up: bool) -> float:
    if nic.kind == "tap":
        with at_once():
            began = time.time()
            (nic.plug if up else nic.pull)()
        return began
    with inside(nic.switch), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        name = nic.port.encode()
        answer = fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack("16sh22x", name, 0))
        (flags,) = struct.unpack_from("h", answer, 16)
        request = struct.pack("16sh22x", name, flags | IFF_UP if up else flags & ~IFF_UP)
        with at_once():
            began = time.time()
            fcntl.ioctl(control, SIOCSIFFLAGS, request)
    return began


def cut(nic: Nic) -> float:
    """No frame passes any more, while the carrier stays; unix time when that began."""
    state = struct.pack("=HHB3x", 5, IFLA_BRPORT_STATE, 0)
    link = struct.pack("=HH", 4 + len(state), IFLA_PROTINFO | NLA_F_NESTED) + state
    with inside(nic.switch), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        body = struct.pack("=BxHiII", socket.AF_BRIDGE, 0, socket.if_nametoindex(nic.port), 0, 0) + link
        head = struct.pack("=IHHII", 16 + len(body), RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0)
        nic.silent = True
        with at_once():
            began = time.time()
            kernel.send(head + body)
        (problem,) = struct.unpack_from("=i", kernel.recv(4096), 16)
    if problem:
        raise BenchError(f"the switch port {nic.port} could not be disabled: errno {-problem}")
    return began


class Ear:
    """The announcements of one family (4, 6) that reach a NIC of a host.

    They are read when asked for, so that listening costs nothing.
    """

    def __init__(self, place: Host, nic: str, family: int = 4) -> None:
        with inside(place):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self._socket.bind((nic, ARP if family == 4 else IPV6))
        self._socket.setblocking(False)
        self._frames: List[Frame] = []

    def heard(self, macs: Collection[str], addresses: Set[str], since: float) -> Dict[str, float]:
        """Address -> unix time (the kernel's) of the first announcement of it from one of the MACs; waits for all."""
        end = time.monotonic() + LIMIT
        while True:
            self._listen()
            first: Dict[str, float] = {}
            for frame in self._frames:
                if frame.at >= since and frame.source_mac in macs and frame.announces in addresses:
                    first.setdefault(frame.announces, frame.at)
            if addresses <= first.keys():
                return first
            if time.monotonic() > end:
                raise BenchError(f"{len(addresses - first.keys())} addresses were not announced within {LIMIT:g} s")
            time.sleep(0.02)

    def has_heard(self, mac: str, address: str, since: float) -> bool:
        """Has this MAC announced the address by now?"""
        self._listen()
        return any((f.announces, f.source_mac) == (address, mac) and f.at >= since for f in self._frames)

    def _listen(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data, notes, _flags, _from = self._socket.recvmsg(2048, 128)
                seconds, nanoseconds = struct.unpack("@qq", next(n[2] for n in notes if n[1] == SO_TIMESTAMPNS))
                self._frames.append(parse(data, seconds + nanoseconds / 1e9))

    def __enter__(self) -> Ear:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], problem: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._socket.close()
