# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Program: sends every datagram back that comes to an address, which need not be there yet, and may come and go.

Arguments: the address and the port. It prints ``ready`` and ends when its standard input closes. Standard library only.
"""

from __future__ import annotations

import os
import select
import socket
import sys

IP_FREEBIND, IPV6_FREEBIND, SO_RCVBUFFORCE = 15, 78, 33


def main() -> None:
    """See the module's first sentence."""
    address, port = sys.argv[1], int(sys.argv[2])
    family, level, option = (
        (socket.AF_INET6, socket.IPPROTO_IPV6, IPV6_FREEBIND)
        if ":" in address
        else (socket.AF_INET, socket.IPPROTO_IP, IP_FREEBIND)
    )
    mirror = socket.socket(family, socket.SOCK_DGRAM)
    mirror.setsockopt(level, option, 1)
    mirror.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    mirror.bind((address, port))
    mirror.setblocking(False)
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(5))
    print("ready", flush=True)
    while True:
        if sys.stdin in select.select([mirror, sys.stdin], [], [])[0]:
            return
        try:
            while True:
                data, sender = mirror.recvfrom(64)
                mirror.sendto(data, sender)
        except OSError:  # nothing more is there; or the address has just gone, and the answer is lost
            continue


main()
