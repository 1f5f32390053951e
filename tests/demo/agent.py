# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Program: one side of the traffic, numbered datagrams at a steady rate and TCP connections, on a client or a host.

Its one argument is JSON: ``{"rate": per second, "tcp": "serve" or "connect", "flows": [{"local", "lport", "remote",
"rport", "tcp_port", "calls"}]}``, calls being how many TCP connections. It prints ``ready``, works until its standard
input closes, waits for what is on its way, and prints one line of JSON and then, for each flow, two arrays of 8-byte
floats: when datagram n was sent, and when datagram n of the other side arrived by the kernel's own stamp (0: never).
Standard library only; both sides run it.
"""

from __future__ import annotations

import array
import errno
import gc
import json
import os
import select
import socket
import struct
import sys
import time
from typing import Any, Dict, List, Optional

IP_FREEBIND, IPV6_FREEBIND = 15, 78
SO_RCVBUFFORCE, SO_TIMESTAMPNS, SO_MEMINFO = 33, 35, 55
MEMINFO = struct.Struct("=9I")  # the last one: what the kernel dropped since the socket was full
NUMBER = struct.Struct("!Q")
STAMP = struct.Struct("qq")
ROUND = 5  # ticks between two looks at what has arrived; the kernel's stamps make them exact
TCP_PERIOD = 0.05  # s between two numbers of a connection
SETTLE = 0.5  # s, for what is on its way at the end
RETRY = 0.1  # s between attempts to connect


def bound(address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """A socket on an address that need not be there yet and may come and go."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, kind)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    else:
        made.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((address, port))
    made.setblocking(False)
    return made


class Flow:
    """Datagrams both ways between one address here and one there."""

    def __init__(self, spec: Dict[str, Any]) -> None:
        self.socket = bound(spec["local"], spec["lport"], socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.remote = (spec["remote"], spec["rport"])
        self.sent = array.array("d")
        self.arrived = array.array("d")
        self.errors: Dict[str, int] = {}
        self.twice = 0

    def overflowed(self) -> int:
        """Datagrams that had arrived and that we were too slow to take."""
        return int(MEMINFO.unpack(self.socket.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, MEMINFO.size))[-1])

    def send(self) -> None:
        """The next datagram; one that the kernel refuses counts as sent, since an application would have lost it."""
        number = len(self.sent)
        self.sent.append(time.time())
        try:
            self.socket.sendto(NUMBER.pack(number), self.remote)
        except OSError as problem:
            name = errno.errorcode.get(problem.errno or 0, "?")
            self.errors[name] = self.errors.get(name, 0) + 1

    def receive(self) -> None:
        """All that has arrived."""
        arrived, receive = self.arrived, self.socket.recvmsg
        while True:
            try:
                data, extra, _flags, _sender = receive(16, 64)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error of an earlier datagram
                continue
            number = NUMBER.unpack(data)[0]
            seconds, nanoseconds = STAMP.unpack(extra[0][2])
            missing = number + 1 - len(arrived)
            if missing > 0:
                arrived.extend([0.0] * missing)
            if arrived[number]:
                self.twice += 1
            else:
                arrived[number] = seconds + nanoseconds / 1e9


class Echo:
    """The serving side of TCP: everything comes back."""

    def __init__(self, specs: List[Dict[str, Any]]) -> None:
        self.poller = select.epoll()
        self.open: Dict[int, socket.socket] = {}
        self.listening = set()
        for spec in specs:
            listener = bound(spec["local"], spec["tcp_port"], socket.SOCK_STREAM)
            listener.listen(spec["calls"] + 16)
            self._add(listener)
            self.listening.add(listener.fileno())

    def _add(self, what: socket.socket) -> None:
        what.setblocking(False)
        self.open[what.fileno()] = what
        self.poller.register(what, select.EPOLLIN)

    def work(self) -> None:
        """Accept and answer what waits."""
        for number, _event in self.poller.poll(0):
            if number in self.listening:
                try:
                    self._add(self.open[number].accept()[0])
                except OSError:
                    pass
                continue
            try:
                data = self.open[number].recv(65536)
                if data:
                    self.open[number].send(data)
                    continue
            except BlockingIOError:
                continue
            except OSError:
                pass
            self.poller.unregister(number)
            self.open.pop(number).close()


class Caller:
    """The calling side of one TCP connection: a number each time it works, and a note of every end that is not ours."""

    def __init__(self, spec: Dict[str, Any]) -> None:
        self.spec = spec
        self.socket: Optional[socket.socket] = None
        self.established = False
        self.next_try = 0.0
        self.ends: List[List[Any]] = []  # [when, why]
        self.echoes = 0
        self.slowest = 0.0  # s from a number to its echo

    def work(self) -> None:
        """Connect if we are not; read echoes; send the next number."""
        now = time.time()
        if self.socket is None:
            if now >= self.next_try:
                self.next_try = now + RETRY
                self._connect()
            return
        try:
            if not self.established:
                if not select.select([], [self.socket], [], 0)[1]:
                    if now > self.next_try + 1:
                        self._close()
                    return
                problem = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if problem:
                    self._close()
                    return
                self.established = True
            try:
                data = self.socket.recv(65536)
                if not data:
                    raise ConnectionResetError(errno.ECONNRESET, "closed")
                for (sent,) in struct.iter_unpack("!d", data[: len(data) // 8 * 8]):
                    self.echoes += 1
                    self.slowest = max(self.slowest, now - sent)
            except BlockingIOError:
                pass
            self.socket.send(struct.pack("!d", now))
        except BlockingIOError:
            pass
        except OSError as problem:
            if self.established:
                self.ends.append([now, str(problem)])
            self._close()

    def _connect(self) -> None:
        self.socket = bound(self.spec["local"], 0, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.socket.connect((self.spec["remote"], self.spec["tcp_port"]))
        except BlockingIOError:
            pass
        except OSError:
            self._close()

    def _close(self) -> None:
        assert self.socket is not None
        self.socket.close()
        self.socket, self.established = None, False


def hurry() -> None:
    """Run before everything that is not as urgent, if we may; what we send late would look like a gap."""
    gc.disable()
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(5))
    except OSError:
        try:
            os.nice(-10)
        except OSError:
            pass


def main() -> None:
    """See the module's first sentence."""
    spec = json.loads(sys.argv[1])
    flows = [Flow(flow) for flow in spec["flows"]]
    echo = Echo(spec["flows"]) if spec["tcp"] == "serve" else None
    called = (
        [n for n, flow in enumerate(spec["flows"]) for _ in range(flow["calls"])] if spec["tcp"] == "connect" else []
    )
    callers = [Caller(spec["flows"][n]) for n in called]
    hurry()
    print("ready", flush=True)
    until_told = select.poll()
    until_told.register(0, select.POLLIN | select.POLLHUP)
    step = 1 / spec["rate"]
    tick, start = 0, time.monotonic()
    late, worked = 0.0, 0
    while True:
        tick += 1
        for flow in flows:
            flow.send()
        if tick % ROUND == 0:
            for flow in flows:
                flow.receive()
            if echo:
                echo.work()
            due = int(tick * step / TCP_PERIOD * len(callers))
            while worked < due:  # one after the other, for all at once would hold up the datagrams
                callers[worked % len(callers)].work()
                worked += 1
            if until_told.poll(0):
                break
        wait = start + tick * step - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        else:
            late = max(late, -wait)
    end = time.monotonic() + SETTLE
    while time.monotonic() < end:
        for flow in flows:
            flow.receive()
        time.sleep(0.005)
    head = {
        "late": late,
        "cpu": time.process_time() / (time.monotonic() - start),
        "flows": [
            {
                "sent": len(f.sent),
                "arrived": len(f.arrived),
                "errors": f.errors,
                "twice": f.twice,
                "overflowed": f.overflowed(),
            }
            for f in flows
        ],
        "tcp": [
            {"flow": n, "ends": c.ends, "echoes": c.echoes, "slowest": c.slowest, "connected": c.established}
            for n, c in zip(called, callers)
        ],
    }
    out = sys.stdout.buffer
    out.write(json.dumps(head).encode() + b"\n")
    for flow in flows:
        out.write(flow.sent.tobytes())
        out.write(flow.arrived.tobytes())
    out.flush()


main()
