# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The path check between the members of a group: what one sends another hears, so they sit on one link and work.

A member asks with a broadcast frame of ethertype 0x88B5 that carries a random nonce. A sibling on this host that hears
it proves that the member transmits; the sibling's answer, heard by the member, proves that it receives. Other hosts
hear and ignore the frames; only nonces of our own asking are believed, and only for a short time.
"""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import time
from typing import Dict, List, NamedTuple, Optional, Tuple

from . import announce

ETHERTYPE = 0x88B5  # IEEE 802: for local experiments
NONCE_LIFE = 5.0  # s; a bridge port may hold frames back, but not for longer

_FRAME = struct.Struct("!6s6sH4sBB8s16sI")  # to, from, ethertype, magic, version, kind, group, nonce, sender's ifindex
_MAGIC, _VERSION = b"ipmp", 1
_ASK, _ANSWER = 1, 2
_SHORTEST = 60  # bytes of an Ethernet frame without its checksum


class Beacon(NamedTuple):
    """One frame of the path check."""

    source: bytes  # MAC
    answer: bool
    group: bytes
    nonce: bytes
    ifindex: int  # of the member that sent it


class Proof(NamedTuple):
    """``sibling`` and ``ifindex`` are on one link, and what ``ifindex`` does works in that direction."""

    ifindex: int  # the member that asked
    sibling: int  # the member that heard it, or whose answer was heard
    receives: bool  # False: it transmits; True: it receives as well


def group_hash(group: str) -> bytes:
    """What stands for a group's name in the frames."""
    return hashlib.sha256(group.encode()).digest()[:8]


def pack(to: bytes, beacon: Beacon) -> bytes:
    """The frame, padded to the shortest that Ethernet knows."""
    kind = _ANSWER if beacon.answer else _ASK
    return _FRAME.pack(
        to, beacon.source, ETHERTYPE, _MAGIC, _VERSION, kind, beacon.group, beacon.nonce, beacon.ifindex
    ).ljust(_SHORTEST, b"\0")


def parse(frame: bytes) -> Optional[Beacon]:
    """The beacon in a frame; None for everything else."""
    if len(frame) < _FRAME.size:
        return None
    _to, source, ethertype, magic, version, kind, group, nonce, ifindex = _FRAME.unpack_from(frame)
    if (ethertype, magic, version) != (ETHERTYPE, _MAGIC, _VERSION) or kind not in (_ASK, _ANSWER):
        return None
    return Beacon(source, kind == _ANSWER, group, nonce, ifindex)


class PathCheck:
    """The path check of one group on this host; one listening socket a member."""

    def __init__(self, group: str) -> None:
        self._group = group_hash(group)
        self._members: Dict[int, Tuple[socket.socket, bytes]] = {}
        self._asked: Dict[bytes, Tuple[int, float]] = {}  # nonce -> member, when

    def add(self, ifindex: int, mac: str) -> int:
        """Begins to listen on a member; returns the descriptor. OSError when the interface is gone."""
        self.remove(ifindex)
        connection = announce.packet_socket(ifindex, ETHERTYPE)
        self._members[ifindex] = (connection, announce.mac_bytes(mac))
        return connection.fileno()

    def remove(self, ifindex: int) -> None:
        """Stops listening on a member."""
        connection, _mac = self._members.pop(ifindex, (None, b""))
        if connection:
            connection.close()
        self._asked = {nonce: asked for nonce, asked in self._asked.items() if asked[0] != ifindex}

    def filenos(self) -> Dict[int, int]:
        """The descriptor of each member, by ifindex."""
        return {ifindex: connection.fileno() for ifindex, (connection, _mac) in self._members.items()}

    def close(self) -> None:
        """Stops listening everywhere."""
        for ifindex in list(self._members):
            self.remove(ifindex)

    def ask(self, ifindex: int) -> bool:
        """Sends one question through the member; False when it could not even be sent."""
        now = time.monotonic()
        self._asked = {nonce: asked for nonce, asked in self._asked.items() if now - asked[1] < NONCE_LIFE}
        nonce = os.urandom(16)
        self._asked[nonce] = (ifindex, now)
        return self._send(ifindex, b"\xff" * 6, nonce, answer=False)

    def read(self, ifindex: int) -> List[Proof]:
        """What the frames that arrived on this member prove; answers the questions among them. Never waits."""
        if ifindex not in self._members:
            return []
        proofs: List[Proof] = []
        for frame in announce.frames(self._members[ifindex][0]):
            beacon = parse(frame)
            proof = self._judge(beacon, ifindex) if beacon else None
            if proof and proof not in proofs:
                proofs.append(proof)
        return proofs

    def _judge(self, beacon: Beacon, heard_on: int) -> Optional[Proof]:
        member, asked = self._asked.get(beacon.nonce, (0, 0.0))
        sender = self._members.get(beacon.ifindex)
        if beacon.group != self._group or time.monotonic() - asked >= NONCE_LIFE:
            return None
        if sender is None or sender[1] != beacon.source:
            return None
        if beacon.answer:
            if heard_on != member or beacon.ifindex == member:
                return None
            return Proof(member, beacon.ifindex, True)
        if beacon.ifindex != member or heard_on == member:
            return None
        self._send(heard_on, beacon.source, beacon.nonce, answer=True)
        return Proof(member, heard_on, False)

    def _send(self, ifindex: int, to: bytes, nonce: bytes, *, answer: bool) -> bool:
        if ifindex not in self._members:
            return False
        connection, mac = self._members[ifindex]
        try:
            connection.send(pack(to, Beacon(mac, answer, self._group, nonce, ifindex)))
        except OSError:
            return False
        return True
