# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The thread that probes: it gives the detector time and replies, sends what it says, and hands over what it finds.

A thread of its own, because nothing that the daemon waits for (netlink, a disk, a script) may hold up a probe. It
wakes on a grid of ``Detector.tick()``, so that what is due goes out in bursts, and for replies where the next burst
is not near. The detector is touched under a lock, which is never held during a system call.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import math
import os
import random
import select
import socket
import struct
import sys
import threading
import time
import traceback
from typing import Callable, Collection, Deque, Dict, Iterator, List, Optional, Tuple

from . import icmp
from .detection import Detector
from .health import Note
from .model import family_of
from .probing import Finding, Orders, Reply, Send, Snapshot, Watched

RETRY = 0.25  # s until a socket that could not be opened is tried again; duplicate address detection may take 2 s
LATE = 2.0  # s behind our own timer: the machine stood still, and what was under way then says nothing
SUSPENDED = 0.1  # s that CLOCK_BOOTTIME gained on CLOCK_MONOTONIC

_PACKETS_A_ROUND = 64  # a socket; a flood must not keep us from sending
_PAUSE = 1.0  # s after a defect of ours
_NEVER = math.inf
_SWITCH = 0.0005  # s
_FAMILY = {4: "inet", 6: "inet6"}
_NOT_YET = (errno.EADDRNOTAVAIL, errno.ENODEV, errno.ENXIO)  # the address or the NIC is not there

_Key = Tuple[int, str]  # ifindex, test address


class _Line:
    """The raw socket of one NIC and family."""

    def __init__(self, nic: str, ifindex: int, source: str, connection: socket.socket) -> None:
        self.nic, self.ifindex, self.family = nic, ifindex, family_of(source)
        self.connection = connection
        self.trouble: Optional[int] = None  # errno of the last send, if it failed
        self.told: Optional[int] = None  # the errno that the log has heard of


def _nonces() -> Iterator[int]:
    while True:
        yield from struct.unpack("=512Q", os.urandom(4096))


def _lines_of(orders: Orders) -> Dict[_Key, str]:
    """Which sockets are needed, with their NICs' names (TST-3)."""
    return {
        (nic.ifindex, test.ip): nic.name
        for group in orders.groups
        for nic in group.nics
        if nic.online and nic.ifindex
        for test in nic.tests
    }


class Prober:
    """``wake`` is called from the thread when ``findings`` has something new.

    The thread begins with the first orders that probe something, and inherits the scheduling class of the thread that
    gives them.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._detector = Detector(random.Random(), _nonces().__next__)
        self.identifier = random.SystemRandom().getrandbits(16)
        self._found: Deque[Finding] = collections.deque()
        self._given: Deque[Orders] = collections.deque()  # not yet taken by the thread
        self._thread: Optional[threading.Thread] = None
        self._closing = False
        self._bell, self._rope = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._epoll = select.epoll()
        # From here on: the thread's own.
        self._orders = Orders()
        self._lines: Dict[_Key, _Line] = {}
        self._by_fd: Dict[int, _Line] = {}
        self._refused: Dict[_Key, Optional[int]] = {}  # sockets that cannot be opened yet, and the errno
        self._retry = _NEVER
        self._due = _NEVER  # when to send next, on the grid
        self._tick = 0.01
        self._drained = time.monotonic()  # no socket holds what arrived earlier
        self._asleep = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()

    def assign(self, orders: Orders) -> None:
        """What to watch from now on. Main thread; never blocks."""
        if self._thread is None:
            if not _lines_of(orders):
                with self._lock:
                    self._detector.assign(orders, time.monotonic())
                return
            self._thread = threading.Thread(target=self._work, name="prober", daemon=True)
            self._thread.start()
        self._given.append(orders)
        self._ring()

    def findings(self) -> List[Finding]:
        """What was found since the last call, in order. Main thread; never blocks."""
        found: List[Finding] = []
        with contextlib.suppress(IndexError):
            while True:
                found.append(self._found.popleft())
        return found

    def watch(self, wanted: bool) -> None:
        """Are findings about each single probe (``Seen``) wanted?"""
        with self._lock:
            self._detector.seen_wanted = wanted

    def snapshot(self) -> Snapshot:
        """One consistent picture. Main thread."""
        with self._lock:
            return self._detector.snapshot()

    def close(self) -> None:
        """Ends the thread and closes the sockets; may be called twice."""
        if self._closing:
            return
        self._closing = True
        self._ring()
        if self._thread is not None:
            self._thread.join()
        for line in self._lines.values():
            line.connection.close()
        self._epoll.close()
        os.close(self._bell)
        os.close(self._rope)

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it will wake
            os.write(self._rope, b"x")

    # ---- the thread

    def _work(self) -> None:
        # After each of our system calls a busy main thread may keep the interpreter for that long. With Python's 5 ms
        # a round of a few probes came 50 ms late and a third of them was missed (P = 14 ms); main loses 2 %.
        sys.setswitchinterval(min(_SWITCH, sys.getswitchinterval()))
        while not self._closing:
            try:
                self._round()
                self._wait()
            except Exception:
                self._found.append(Note("err", f"probe: {traceback.format_exc()}"))
                with contextlib.suppress(Exception):
                    self._wake()
                self._sleep(time.monotonic() + _PAUSE, False)
                self._due = 0.0  # the next round is late, and so begins anew

    def _round(self) -> None:
        now = time.monotonic()
        stood_still = self._stood_still(now)
        given: Optional[Orders] = None
        while self._given:
            given = self._given.popleft()
        if given is not None or now >= self._retry:
            self._take(given, now)
        heard = self._drain()
        now = time.monotonic()
        with self._lock:
            if self._detector.seen_wanted:
                self._detector.epoch = time.time_ns() - time.monotonic_ns()
            if stood_still:
                self._detector.jumped(now)
            else:
                for reply in heard:
                    self._detector.reply(reply, now)
            sends = self._detector.run(now) if now >= self._due else []
        out = [self._put(send) for send in sends]
        with self._lock:
            for done in out:
                self._detector.sent(*done)
            found = self._detector.take()
            due, self._tick = self._detector.wake(), self._detector.tick()
        self._due = _NEVER if due is None else max(due, math.ceil(due / self._tick) * self._tick)
        if found:
            self._found.extend(found)
        if self._found:
            self._wake()

    def _stood_still(self, now: float) -> bool:
        """Was the machine suspended, or this process stopped for long?"""
        asleep = time.clock_gettime(time.CLOCK_BOOTTIME) - now
        suspended = asleep - self._asleep > SUSPENDED
        self._asleep = asleep
        return suspended or now - self._due > LATE

    def _wait(self) -> None:
        """Until there is something to do. Replies wait for the next burst where it is near and nobody looks on."""
        until = min(self._due, self._retry)
        near = self._due - time.monotonic() <= self._tick
        self._sleep(until, not near or self._detector.seen_wanted)

    def _sleep(self, until: float, listen: bool) -> None:
        # select() takes microseconds; epoll would round up to milliseconds, more than a tick may have.
        timeout = None if until == _NEVER else max(0.0, until - time.monotonic())
        ready = select.select([self._bell, self._epoll.fileno()] if listen else [self._bell], [], [], timeout)[0]
        if self._bell in ready:
            os.read(self._bell, 4096)

    # ---- sockets

    def _take(self, given: Optional[Orders], now: float) -> None:
        """Opens and closes sockets as the orders, new or old, want it; what has no socket yet is not yet probed."""
        orders = self._orders = given or self._orders
        wanted = _lines_of(orders)
        for key in [key for key in self._lines if key not in wanted]:
            line = self._lines.pop(key)
            del self._by_fd[line.connection.fileno()]
            self._epoll.unregister(line.connection)  # a child that has not yet executed its program has it open, too
            line.connection.close()
        before, self._refused = self._refused, {}
        for key, nic in wanted.items():
            if key in self._lines:
                self._lines[key].nic = nic
                continue
            try:
                self._open(key, nic)
            except OSError as error:
                self._refused[key] = error.errno
                if error.errno not in _NOT_YET and error.errno != before.get(key):
                    self._found.append(Note("err", f"cannot probe on {nic} from {key[1]}: {error.strerror}"))
        self._retry = now + RETRY if self._refused else _NEVER
        if given or self._refused.keys() != before.keys():
            with self._lock:
                self._detector.assign(_without(orders, self._refused), now)

    def _open(self, key: _Key, nic: str) -> None:
        connection = icmp.open_socket(*key, self.identifier)
        line = _Line(nic, *key, connection)
        self._epoll.register(connection, select.EPOLLIN)
        self._lines[key] = self._by_fd[connection.fileno()] = line

    def _drain(self) -> List[Reply]:
        """The replies that have arrived, with the kernel's stamps in our time."""
        heard: List[Reply] = []
        for _packet in range(_PACKETS_A_ROUND):
            ready = self._epoll.poll(0)
            if not ready:
                break
            for fd, _events in ready:
                reply = self._read(self._by_fd[fd])
                if reply is not None:
                    heard.append(reply)
        self._drained = time.monotonic()
        return heard

    def _read(self, line: _Line) -> Optional[Reply]:
        try:
            packet = icmp.receive(line.connection, line.family, self.identifier)
        except OSError:  # an error that the kernel had kept for us is none of a probe's; reading takes it away
            return None
        if packet is None:
            return None
        # The wall clock may have been set since the stamp was made; that must not make a reply older than possible.
        age = 0.0 if packet.stamp is None else time.time() - packet.stamp
        now = time.monotonic()
        received = min(now, max(now - age, self._drained))
        echo = packet.echo
        return Reply(line.ifindex, line.family, packet.source, echo.kind, echo.sequence, echo.nonce, received, now)

    def _put(self, send: Send) -> Tuple[Send, float, bool]:
        """Sends one probe; what would block is an error as well (PKT-5): the detector counts both as lost."""
        line = self._lines.get((send.ifindex, send.source))
        if line is None:
            return send, time.monotonic(), True
        message = icmp.request(line.family, self.identifier, icmp.Echo(send.kind, send.sequence, send.nonce))
        at = time.monotonic()
        try:
            line.connection.sendto(message, icmp.where(send.target, send.ifindex))
        except OSError as error:
            # Not of the first: a cable that is pulled leaves the same, until its news has passed through the daemon.
            if error.errno != line.trouble:
                line.trouble = error.errno
            elif error.errno != line.told:
                line.told = error.errno
                text = f"probe: probe sendto ({_FAMILY[line.family]} {line.nic}): {error.strerror}"
                if error.errno == errno.EPERM:
                    text += f"; a packet filter of this host refuses it: let icmp echo-request out on {line.nic}"
                self._found.append(Note("err", text))
            return send, at, True
        line.trouble = line.told = None
        return send, at, False


def _without(orders: Orders, refused: Collection[_Key]) -> Orders:
    """The orders as if these test addresses were not there."""
    if not refused:
        return orders

    def stripped(nic: Watched) -> Watched:
        return nic._replace(tests=tuple(test for test in nic.tests if (nic.ifindex, test.ip) not in refused))

    return orders._replace(
        groups=tuple(group._replace(nics=tuple(stripped(nic) for nic in group.nics)) for group in orders.groups)
    )
