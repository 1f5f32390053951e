# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Echo requests to addresses at a steady pace, in a process of its own that is asked for the count in the end.

``start`` returns at once with the name of a folder; ``finish`` with that name ends the process and returns what was
sent and answered. So one module call begins to look while later tasks do something to the addresses.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import socket
import struct
import tempfile
import time
from typing import Any, Dict, Iterator, List, Optional, Sequence

from . import echoes

SETTLE = 0.5  # s after the last request that replies may still come
LEAST = 0.001  # s between two requests, whoever they go to
_PLACE = struct.Struct("!QQ")  # (which address, number of the request)


class Track:
    """The requests to one address, and which of them were answered."""

    def __init__(self, address: str) -> None:
        self.address, self.family = address, echoes.family_of(address)
        self.answered = bytearray()

    def result(self, interval: float) -> Dict[str, Any]:
        """``address``, ``sent``, ``answered``, and ``longest_gap`` in ms: so long nothing was answered."""
        runs = bytes(self.answered).split(b"\1")
        return {
            "address": self.address,
            "sent": len(self.answered),
            "answered": sum(self.answered),
            "longest_gap": round(max(map(len, runs)) * interval * 1000),
        }


class Train:
    """What the process does; ``interval`` in s for each address."""

    def __init__(self, addresses: Sequence[str], interval: float) -> None:
        self.tracks = [Track(address) for address in addresses]
        self.interval = max(interval, LEAST * len(self.tracks))
        self.sockets = {family: echoes.open_socket(family) for family in sorted({t.family for t in self.tracks})}
        for opened in self.sockets.values():
            opened.setblocking(False)
        self._nonce = os.urandom(16)

    def run(self, listening: socket.socket, lifetime: float) -> Optional[socket.socket]:
        """Send until somebody asks, who is returned, or until the lifetime (s) is over; then None."""
        due, end = time.monotonic(), time.monotonic() + lifetime
        while time.monotonic() < end:
            if time.monotonic() >= due:
                self._send()
                due = max(due + self.interval, time.monotonic())
            if listening in self._receive(due - time.monotonic(), listening):
                return listening.accept()[0]
        return None

    def finish(self) -> List[Dict[str, Any]]:
        """The result of each address, when the last replies have had their time."""
        end = time.monotonic() + SETTLE
        while time.monotonic() < end and not all(t.answered and t.answered[-1] for t in self.tracks):
            self._receive(end - time.monotonic())
        return [track.result(self.interval) for track in self.tracks]

    def _send(self) -> None:
        for place, track in enumerate(self.tracks):
            number = len(track.answered)
            track.answered.append(0)
            packet = echoes.request(track.family, self._nonce + _PLACE.pack(place, number))
            try:
                self.sockets[track.family].sendto(packet, (track.address, 0))
            except OSError:
                continue  # no route, no neighbour: not answered

    def _receive(self, wait: float, *others: socket.socket) -> List[Any]:
        """Take in what comes within wait (s); returns which of the others is ready."""
        families = {opened: family for family, opened in self.sockets.items()}
        ready = select.select([*families, *others], [], [], max(0.0, wait))[0]
        for opened in ready:
            if opened in families:
                self._take(families[opened], opened)
        return ready

    def _take(self, family: int, opened: socket.socket) -> None:
        try:
            payload = echoes.reply(family, opened.recv(2048))
        except OSError:
            return  # an error that came back for an earlier request
        if payload is None or len(payload) != len(self._nonce) + _PLACE.size or not payload.startswith(self._nonce):
            return
        place, number = _PLACE.unpack(payload[len(self._nonce) :])
        if place < len(self.tracks) and number < len(self.tracks[place].answered):
            self.tracks[place].answered[number] = 1


def start(addresses: Sequence[str], interval: float, lifetime: float) -> str:
    """Begin; the name to be given to ``finish``. interval and lifetime in s. OSError if no request can be sent."""
    train = Train(addresses, interval)
    folder = tempfile.mkdtemp(prefix="ipmp-reach-")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _entry(folder) as path:
        listening.bind(path)
    listening.listen(1)
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return folder
    try:
        os.setsid()
        if not os.fork():
            _detach([listening, *train.sockets.values()])
            _serve(train, listening, lifetime, folder)
    finally:
        os._exit(0)


def finish(folder: str) -> Optional[List[Dict[str, Any]]]:
    """End it, and what it counted for each address; None if it is gone already."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking, _entry(folder) as path:
            asking.settimeout(10 * SETTLE)
            asking.connect(path)
            with asking.makefile("r") as answer:
                found: List[Dict[str, Any]] = json.load(answer)
                return found
    except (OSError, ValueError):
        return None


@contextlib.contextmanager
def _entry(folder: str) -> Iterator[str]:
    """The socket's name by an open folder: names of sockets are short, and folders for temporary files may lie deep."""
    number = os.open(folder, os.O_PATH)
    try:
        yield f"/proc/self/fd/{number}/control.sock"
    finally:
        os.close(number)


def _detach(kept: Sequence[socket.socket]) -> None:
    """Nothing of the caller's stays open, or it would wait for us."""
    numbers = {one.fileno() for one in kept}
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    for number in (int(name) for name in os.listdir("/proc/self/fd")):
        if number > 2 and number not in numbers:
            try:
                os.close(number)
            except OSError:
                continue


def _serve(train: Train, listening: socket.socket, lifetime: float, folder: str) -> None:
    try:
        asking = train.run(listening, lifetime)
        if asking is not None:
            with asking:
                asking.sendall(json.dumps(train.finish()).encode())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
