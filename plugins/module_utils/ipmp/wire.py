# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control protocol's lines as the daemon reads and writes them, and who the kernel says is at the other end."""

from __future__ import annotations

import errno
import json
import socket
import struct
from typing import Any, Dict, NoReturn, Tuple

SO_PEERGROUPS = 59  # not in Python's socket module


def line(message: Dict[str, Any]) -> bytes:
    """A message as one line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def parse(data: bytes) -> Dict[str, Any]:
    """The object on a line; ValueError with one sentence for anything else, however big or deep."""
    try:
        request = json.loads(data.decode(), parse_int=_integer, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict):
        raise ValueError("a request is one JSON object on one line")
    return request


def _integer(text: str) -> int:
    if len(text) > 20:  # int() takes quadratic time
        raise ValueError("a number is too long")
    return int(text)


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def peer(sock: socket.socket) -> Tuple[int, int, int]:
    """pid, uid and gid of the other end; pid 0 if it cannot be seen from our namespace."""
    pid, uid, gid = struct.unpack("iII", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid, gid


def peer_groups(sock: socket.socket) -> Tuple[int, ...]:
    """Supplementary groups of the other end."""
    try:
        raw = sock.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, 1024)
    except OSError as error:
        if error.errno != errno.ERANGE:
            raise
        return ()  # more than 256 groups, which is all that Python's getsockopt has room for
    return struct.unpack(f"{len(raw) // 4}I", raw)
