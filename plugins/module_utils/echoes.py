# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ICMP echo requests from where a module runs: sockets, packets, replies."""

from __future__ import annotations

import os
import socket
import struct
from typing import Optional

TYPES = {4: (8, 0), 6: (128, 129)}  # of request and reply


def family_of(address: str) -> int:
    """4 or 6."""
    return 6 if ":" in address else 4


def open_socket(family: int) -> socket.socket:
    """An unprivileged ICMP socket where the kernel allows one, else a raw one."""
    domain = socket.AF_INET6 if family == 6 else socket.AF_INET
    protocol = socket.IPPROTO_ICMPV6 if family == 6 else socket.IPPROTO_ICMP
    try:
        return socket.socket(domain, socket.SOCK_DGRAM, protocol)
    except PermissionError:
        return socket.socket(domain, socket.SOCK_RAW, protocol)


def request(family: int, payload: bytes) -> bytes:
    """An echo request of that family; payload: at least 16 bytes, an even number."""
    header = struct.pack("!BBHHH", TYPES[family][0], 0, 0, os.getpid() & 0xFFFF, 1)
    return header[:2] + struct.pack("!H", _checksum(header + payload)) + header[4:] + payload


def reply(family: int, data: bytes) -> Optional[bytes]:
    """The payload of an echo reply, None for anything else. A raw socket of IPv4 hands over the IP header too."""
    if family == 4 and data[:1] and data[0] >> 4 == 4:
        data = data[(data[0] & 15) * 4 :]
    return data[8:] if data[:1] == bytes([TYPES[family][1]]) else None


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
