# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network namespaces that live as long as their object, which the test itself enters, and NICs in them."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import struct
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator, List, TypeVar

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_TUNSETIFF, _TUNSETCARRIER, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x400454E2, 0x2, 0x1000

T = TypeVar("T")


def eventually(look: Callable[[], T], limit: float = 10.0) -> T:
    """Looks until something true is seen; the last look decides after ``limit`` s."""
    end = time.monotonic() + limit
    while True:
        seen = look()
        if seen or time.monotonic() > end:
            return seen
        time.sleep(0.01)


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Namespace:
    """A network namespace of its own; ``with namespace:`` puts the calling thread into it."""

    def __init__(self) -> None:
        self._before: List[int] = []
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _check(_LIBC.unshare(_CLONE_NEWNET))
            self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            _check(_LIBC.setns(home, _CLONE_NEWNET))
            assert not os.path.sameopenfile(home, self.fd)
        finally:
            os.close(home)
        self.path = f"/proc/{os.getpid()}/fd/{self.fd}"
        with self:  # the kernel's own search for duplicates of link-local addresses would take two seconds a test
            Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0")
        self.ip("link set lo up")

    def __enter__(self) -> Namespace:
        self._before.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        _check(_LIBC.setns(self.fd, _CLONE_NEWNET))
        return self

    def __exit__(self, *_: object) -> None:
        before = self._before.pop()
        _check(_LIBC.setns(before, _CLONE_NEWNET))
        os.close(before)

    def close(self) -> None:
        """Ends it with all that is in it, unless a socket still keeps it."""
        os.close(self.fd)

    def ip(self, *commands: str) -> None:
        """Runs each command with ip(8) in the namespace."""
        for command in commands:
            self.run("ip", *command.split())

    def show(self, command: str) -> Any:
        """What ip(8) shows, as data."""
        return json.loads(self.run("ip", "-j", "-d", *command.split()) or "[]")

    def run(self, *words: str) -> str:
        """Runs a program in the namespace and returns its output."""
        with self:
            done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr or done.stdout}"
        return done.stdout

    def ifindex(self, name: str) -> int:
        """The number of an interface."""
        return int(self.show(f"link show dev {name}")[0]["ifindex"])

    def mac(self, name: str) -> str:
        """The MAC of an interface."""
        return str(self.show(f"link show dev {name}")[0]["address"])

    def veth(self, name: str, port: str, peer: Namespace) -> None:
        """A cable from ``name`` here to ``port`` in the other namespace, both up."""
        self.ip(f"link add {name} type veth peer name {port} netns {peer.path}", f"link set {name} up")
        peer.ip(f"link set {port} up")


class Cable:
    """A NIC of a host whose carrier can be taken away: ``veth`` to a second namespace, or ``tap``."""

    def __init__(self, host: Namespace, peer: Namespace, kind: str, name: str) -> None:
        self.host, self.peer, self.name, self._port = host, peer, name, f"p-{name}"
        self._tap = -1
        if kind == "tap":
            with host:
                self._tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
                request = struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI)
                fcntl.ioctl(self._tap, _TUNSETIFF, request)
            host.ip(f"link set {name} up")
        else:
            host.veth(name, self._port, peer)
        self.ifindex = host.ifindex(name)

    def pull(self) -> None:
        """No carrier from now on."""
        self._carrier(False)

    def plug(self) -> None:
        """Carrier again."""
        self._carrier(True)

    def _carrier(self, on: bool) -> None:
        if self._tap >= 0:
            fcntl.ioctl(self._tap, _TUNSETCARRIER, struct.pack("i", on))
        else:
            self.peer.ip(f"link set {self._port} {'up' if on else 'down'}")

    def close(self) -> None:
        """Takes a tap away with its file; a veth goes with its namespace."""
        if self._tap >= 0:
            os.close(self._tap)


@contextlib.contextmanager
def cables(host: Namespace, peer: Namespace, kind: str, count: int) -> Iterator[List[Cable]]:
    """That many NICs ``m0``, ``m1``, ... with carrier."""
    made: List[Cable] = []
    try:
        for number in range(count):
            made.append(Cable(host, peer, kind, f"m{number}"))
        # A link that has just come up drops what is sent until the kernel has settled it; asking hastens that.
        for cable in made:
            host.ifindex(cable.name)
            if kind == "veth":
                peer.ifindex(f"p-{cable.name}")
        for namespace in (host, peer):
            assert eventually(lambda n=namespace: not [k for k in n.show("link") if k["operstate"] == "DOWN"])
        yield made
    finally:
        for cable in made:
            cable.close()
