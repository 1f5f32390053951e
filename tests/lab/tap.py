# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Program: the wires between the taps of a lab's hosts and their switch ports; ``Wires`` is its caller's side.

Run as a program it reads one JSON request a line from standard input and answers each with one line: ``{}`` or
``{"error": sentence}``. A tap lives as long as its file descriptor here, so all of them go with this program.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

TUNSETIFF, TUNSETCARRIER = 0x400454CA, 0x400454E2
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
SIOCSIFHWADDR, ARPHRD_ETHER = 0x8924, 1
CLONE_NEWNET = 0x40000000
FRAMES_A_TURN = 64  # so that one busy wire does not starve the others


class Wires:
    """Starts the program on first use; makes, unmakes and connects wires by key."""

    def __init__(self, enter: List[str]) -> None:
        self._enter = enter
        self._process: Optional[subprocess.Popen[str]] = None

    def make(self, key: str, host: int, name: str, mac: str, switch: int, port: str) -> None:
        """A tap `name` in the network namespace of process host, one `port` in that of switch; no carrier yet."""
        self._ask({"op": "make", "key": key, "host": host, "name": name, "mac": mac, "switch": switch, "port": port})

    def unmake(self, key: str) -> None:
        """Both taps disappear."""
        self._ask({"op": "unmake", "key": key})

    def carrier(self, key: str, on: bool) -> None:
        """Carrier on or off at both ends."""
        self._ask({"op": "carrier", "key": key, "on": on})

    def close(self) -> None:
        """End the program; its taps go with it."""
        if self._process is not None:
            self._process.communicate()
            self._process = None

    def _ask(self, request: Dict[str, Any]) -> None:
        from .spec import LabError

        if self._process is None:
            self._process = subprocess.Popen(
                [*self._enter, "/usr/bin/python3", "-ISu", __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"error": "the program ended"}')
        if "error" in answer:
            raise LabError(f"wire of {request['key']}: {answer['error']}")


@dataclass
class Wire:
    """Two tap descriptors."""

    host: int
    port: int
    on: bool = False


def open_tap(pid: int, name: str, mac: Optional[str]) -> int:
    """A new tap in the network namespace of that process; this process stays in there."""
    space = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(space, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(space)
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH14x", name.encode(), IFF_TAP | IFF_NO_PI))
    fcntl.ioctl(tap, TUNSETCARRIER, struct.pack("i", 0))
    if mac is not None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            address = bytes.fromhex(mac.replace(":", ""))
            fcntl.ioctl(any_socket, SIOCSIFHWADDR, struct.pack("16sH6s8x", name.encode(), ARPHRD_ETHER, address))
    return tap


def carry(source: int, target: int, on: bool) -> None:
    """Move what waits at one end to the other; a device that is down or full loses frames, as a card does."""
    for _ in range(FRAMES_A_TURN):
        try:
            frame = os.read(source, 65536)
        except OSError:
            return
        if on:
            try:
                os.write(target, frame)
            except OSError:
                pass


def main() -> None:
    """See the module's first sentence."""
    os.nice(-10)
    wires: Dict[str, Wire] = {}
    waiting = select.epoll()
    waiting.register(0, select.EPOLLIN)

    def do(request: Dict[str, Any]) -> None:
        key = request["key"]
        if request["op"] == "make":
            host = open_tap(request["host"], request["name"], request["mac"])
            wire = wires[key] = Wire(host, open_tap(request["switch"], request["port"], None))
            for end in (wire.host, wire.port):
                waiting.register(end, select.EPOLLIN)
        elif request["op"] == "unmake":
            wire = wires.pop(key)
            for end in (wire.host, wire.port):
                waiting.unregister(end)
                os.close(end)
        else:
            wire = wires[key]
            wire.on = request["on"]
            for end in (wire.host, wire.port):
                fcntl.ioctl(end, TUNSETCARRIER, struct.pack("i", int(wire.on)))

    while True:
        for ready, _event in waiting.poll():
            if ready == 0:
                line = sys.stdin.buffer.raw.readline()
                if not line:
                    return
                try:
                    do(json.loads(line))
                    print("{}", flush=True)
                except (OSError, KeyError) as problem:
                    print(json.dumps({"error": str(problem)}), flush=True)
            for wire in wires.values():
                if ready == wire.host:
                    carry(wire.host, wire.port, wire.on)
                elif ready == wire.port:
                    carry(wire.port, wire.host, wire.on)


if __name__ == "__main__":
    main()
