# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets bound to an interface, as the kernel tells of them: other processes' of every kind, and not our own."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import Iterator

import pytest
from namespaces import Namespace

from ipmp.boundsockets import Bound, bound

pytestmark = pytest.mark.kernel
OTHER = """
import socket, sys
kinds = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
kept = []
for word in sys.argv[1:]:
    protocol, family, device, port = word.split(",")
    one = socket.socket(socket.AF_INET6 if family == "6" else socket.AF_INET, kinds[protocol])
    if device:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    one.bind(("::" if family == "6" else "0.0.0.0", int(port)))
    if protocol == "tcp":
        one.listen()
    kept.append(one)
print("bound", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace()
    made.ip("link add va type veth peer name vb", "link set va up", "link set vb up")
    yield made
    made.close()


def test_those_of_others_are_told_and_our_own_are_not(namespace: Namespace) -> None:
    words = ["tcp,4,va,7001", "tcp,6,va,7002", "udp,4,va,7003", "udp,6,va,7004", "tcp,4,vb,7005", "udp,4,,7006"]
    with namespace:
        ours = socket.socket()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"va")
        ours.bind(("0.0.0.0", 7007))
        ours.listen()
        indexes = [socket.if_nametoindex(name) for name in ("va", "vb", "lo")]
        assert bound(indexes[0]) == []
        pipe = subprocess.PIPE
        other = subprocess.Popen([sys.executable, "-c", OTHER, *words], stdin=pipe, stdout=pipe, text=True)
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "bound\n"
            ports = (("tcp", 7001), ("tcp", 7002), ("udp", 7003), ("udp", 7004))
            assert bound(indexes[0]) == [Bound(protocol, port, 0) for protocol, port in ports]
            assert [str(one) for one in bound(indexes[1])] == ["tcp port 7005 of uid 0"]
            assert bound(indexes[2]) == []
        finally:
            other.communicate()
            ours.close()
        assert bound(indexes[0]) == []


def test_a_thousand_others_are_passed_over_by_the_kernel(namespace: Namespace) -> None:
    with namespace:
        index = socket.if_nametoindex("va")
        pipe = subprocess.PIPE
        words = [f"tcp,4,,{port}" for port in range(8000, 8800)] + ["tcp,4,va,7001"]
        other = subprocess.Popen([sys.executable, "-c", OTHER, *words], stdin=pipe, stdout=pipe, text=True)
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "bound\n"
            assert bound(index) == [Bound("tcp", 7001, 0)]
        finally:
            other.communicate()
