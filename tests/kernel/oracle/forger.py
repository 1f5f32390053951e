# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody on the link who reads each probe and answers it himself: he knows everything but the nonce.

He sits at a card's port of the switch, so that what he sends reaches the card whatever the switch drops.
"""

from __future__ import annotations

import socket
import struct
import threading
from types import TracebackType
from typing import Callable, Iterable, List, Optional, Sequence, Type

from bed import Bed
from capture import ETH_P_ALL, IPV4, Capture, Frame, inside
from echoer import echo_frame

KINDS = (0x1234, 0x5678, 0x9ABC)  # unicast, multicast, for the round trip time only (PKT-1)
WINDOW = 52  # probes whose answers are taken, late as they may be (PKT-4)
PAUSE = 0.005  # s between bursts

Seen = Sequence[Frame]


class Forger:
    """In each burst he sends what ``work`` makes of the card's requests and the target's answers; ``sent`` counts.

    target: a capture on the target's card, so that he has its answers whether or not they arrive.
    """

    def __init__(self, bed: Bed, nic: str, target: Capture, work: Callable[[Seen, Seen], Iterable[bytes]]) -> None:
        card = bed.nic(nic)
        self.sent = 0
        self._mac, self._target, self._work = card.mac, target, work
        self._eyes = Capture(bed.switch, card.port)
        with inside(bed.switch):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.bind((card.port, ETH_P_ALL))
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        requests: List[Frame] = []
        answers: List[Frame] = []
        seen = heard = 0
        while not self._end.wait(PAUSE):
            fresh, seen = self._eyes.frames[seen:], len(self._eyes.frames)
            requests += [f for f in fresh if f.echo_request and not f.outgoing]
            fresh, heard = self._target.frames[heard:], len(self._target.frames)
            answers += [f for f in fresh if f.echo_reply and f.outgoing and f.destination_mac == self._mac]
            for data in self._work(requests, answers):
                self._socket.send(data)
                self.sent += 1

    def close(self) -> None:
        """He sends no more."""
        self._end.set()
        self._thread.join()
        self._socket.close()
        self._eyes.close()

    def __enter__(self) -> Forger:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], problem: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


def nonce(frame: Frame) -> int:
    """Of an echo."""
    return int(struct.unpack_from("!Q", frame.payload, 8)[0])


def answer(request: Frame, number: int, kind: int) -> bytes:
    """The answer to a request, right but for the nonce and perhaps the kind."""
    message = bytearray(request.payload)
    message[0] = 0 if request.kind == IPV4 else 129
    struct.pack_into("!QI", message, 8, number, kind)
    macs = (bytes.fromhex(mac.replace(":", "")) for mac in (request.destination_mac, request.source_mac))
    return echo_frame(*macs, request.target, request.source, bytes(message))


def forged_and_replayed(requests: Seen, answers: Seen) -> Iterable[bytes]:
    """The last three probes are answered in every way that one can without their nonces, and old answers come again."""
    for request in requests[-3:]:
        right = nonce(request)
        for number in (0, right - 1, right ^ 1 << 63, *(nonce(a) for a in answers[-20:-16])):
            yield from (answer(request, number, kind) for kind in KINDS)
    for again in answers[-2 * WINDOW : -8 : 6]:
        yield again.data


class Late:
    """Each answer comes when as many probes have gone out since that nobody waits for it."""

    def __init__(self) -> None:
        self._done = 0

    def __call__(self, requests: Seen, answers: Seen) -> Iterable[bytes]:
        if len(requests) <= WINDOW:
            return
        awaited = {r.sequence for r in requests[-WINDOW - 1 :]}
        while self._done < len(answers) and answers[self._done].sequence not in awaited:
            yield answers[self._done].data
            self._done += 1
