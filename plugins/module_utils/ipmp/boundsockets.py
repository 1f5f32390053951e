# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets that are bound to one interface (SO_BINDTODEVICE), asked of the kernel's socket diagnosis.

The kernel picks them out, so a host with a million connections answers as fast as any. TCP and UDP always; raw sockets
where the kernel can tell of them; packet sockets (packet captures, some DHCP clients) do not count.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from typing import Dict, Iterator, List, NamedTuple, Set, Tuple

from . import nl, nlparse

_SOCK_DIAG, _BY_FAMILY, _BYTECODE = 4, 20, 1  # NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, INET_DIAG_REQ_BYTECODE
_PROTOCOLS = {socket.IPPROTO_TCP: "tcp", socket.IPPROTO_UDP: "udp", socket.IPPROTO_RAW: "raw"}
_LIVE = 0xFFF & ~(1 << 6)  # all states but TIME_WAIT
_REQUEST = struct.Struct("=BBBBI48s")  # family, protocol, extensions, padding, states, socket
_PORT = struct.Struct("!4xH")
_WHOSE = struct.Struct("=64xII")  # uid, inode
_ON_DEVICE = struct.Struct("=BBHI")  # INET_DIAG_BC_DEV_COND: to the end if it is that interface, beyond if not


class Bound(NamedTuple):
    """One socket."""

    protocol: str  # tcp, udp, raw
    port: int  # ours
    uid: int

    def __str__(self) -> str:
        return (
            f"{self.protocol} port {self.port} of uid {self.uid}" if self.port else f"{self.protocol} of uid {self.uid}"
        )


def bound(ifindex: int) -> List[Bound]:
    """Those of other processes that are bound to that interface, without doubles. Raises OSError."""
    own = _own()
    found: Dict[Bound, None] = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as connection:
        connection.settimeout(1)
        for protocol in _PROTOCOLS:
            for family in (socket.AF_INET, socket.AF_INET6):
                for inode, one in _ask(connection, family, protocol, ifindex):
                    if inode not in own:
                        found[one] = None
    return sorted(found)


def _ask(connection: socket.socket, family: int, protocol: int, ifindex: int) -> Iterator[Tuple[int, Bound]]:
    condition = nl.ATTRIBUTE.pack(4 + 8, _BYTECODE) + _ON_DEVICE.pack(9, 8, 12, ifindex)
    body = _REQUEST.pack(family, protocol, 0, 0, _LIVE, b"") + condition
    connection.send(nl.HEADER.pack(16 + len(body), _BY_FAMILY, nl.NLM_F_REQUEST | nl.NLM_F_DUMP, 0, 0) + body)
    while True:
        data = connection.recv(1 << 16)
        for message in nlparse.messages(data):
            if message.type == nl.NLMSG_DONE:
                return
            if message.type == nl.NLMSG_ERROR:
                number, text = nlparse.failure(data, message)
                if number == errno.ENOENT:  # this kernel cannot tell of that protocol
                    return
                raise OSError(number, text or os.strerror(number))
            (port,) = _PORT.unpack_from(data, message.start)
            uid, inode = _WHOSE.unpack_from(data, message.start)
            yield inode, Bound(_PROTOCOLS[protocol], port, uid)


def _own() -> Set[int]:
    """Inodes of this process's own sockets: probes are bound as well."""
    found: Set[int] = set()
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{fd}")
            if target.startswith("socket:["):
                found.add(int(target[8:-1]))
    return found
