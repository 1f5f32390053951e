# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody on the link notices of a fault: a stream of echo requests, and how long none of them was answered.

A request and its answer use both ways, and the host that is asked needs no program for it.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
import threading
import time
from typing import Callable, Dict, List, NamedTuple

from capture import SO_RCVBUFFORCE, SO_TIMESTAMPNS, inside

from ipmp import icmp
from lab import Place

from .row import BenchError

RATE = 1000  # requests a second
BEFORE = 0.1  # s of the stream before the fault, and up to as long again
STAMPING = 0.1  # s until the kernel stamps what arrives and not what is read
TAIL = 0.05  # s at the end whose requests may be on their way
SOL_RAW, ICMP_FILTER = 255, 1
ONLY_REPLIES = struct.pack("=I", ~1 & 0xFFFFFFFF)


class Outage(NamedTuple):
    """ms: the longest time from sending a request that is not answered to the next answer; without one, the slowest.

    lost of sent requests were never answered. If it has not ended with the stream, these are the least.
    """

    ms: float
    lost: int
    sent: int
    ended: bool


def outage(place: Place, address: str, seconds: float, fault: Callable[[], object]) -> Outage:
    """What a fault does to a stream from that place, which goes on for so long after it; BenchError: no answer."""
    with inside(place):
        link = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMP)
    with link:
        link.setsockopt(SOL_RAW, ICMP_FILTER, ONLY_REPLIES)
        link.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        link.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        link.connect((address, 0))
        mark, sent = random.randrange(1 << 16), []
        before = random.uniform(BEFORE, 2 * BEFORE)
        thread = threading.Thread(target=_send, args=(link, mark, before + seconds, sent))
        time.sleep(STAMPING)
        thread.start()
        time.sleep(before)
        try:
            fault()
        finally:
            thread.join()
        time.sleep(0.05)
        answered = _answers(link, mark)
    if not answered:
        raise BenchError(f"{address} did not answer before the fault")
    order = sorted(answered)
    waits = [answered[order[0]] - sent[order[0]]]
    waits += [max(answered[later] - sent[earlier + 1], 0.0) for earlier, later in zip(order, order[1:])]
    after = sent[order[-1] + 1 :]
    ended = len(after) < RATE * TAIL
    waits += [] if ended else [after[-1] - after[0]]
    return Outage(max(waits) * 1000, len(sent) - len(order) - (len(after) if ended else 0), len(sent), ended)


def _send(link: socket.socket, mark: int, seconds: float, sent: List[float]) -> None:
    """Fill sent with the unix time of each request; what is late is sent at once."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(2))
    began = time.time()
    for number in range(int(seconds * RATE)):
        due = began + number / RATE - time.time()
        if due > 0:
            time.sleep(due)
        sent.append(time.time())
        with contextlib.suppress(OSError):
            link.send(icmp.request(4, mark, icmp.Echo(0, number, 0)))


def _answers(link: socket.socket, mark: int) -> Dict[int, float]:
    """Number of a request -> unix time (the kernel's) of its answer."""
    found: Dict[int, float] = {}
    link.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            data, notes, _flags, _from = link.recvmsg(2048, 128)
            its, number = struct.unpack_from("!HH", data, (data[0] & 15) * 4 + 4)
            if its == mark:
                seconds, nanoseconds = struct.unpack("@qq", next(n[2] for n in notes if n[1] == SO_TIMESTAMPNS))
                found.setdefault(number, seconds + nanoseconds / 1e9)
    return found
