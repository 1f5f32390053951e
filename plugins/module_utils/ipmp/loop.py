# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thread, one epoll: file descriptors, timers and signals for the daemon.

A round handles, in this order: descriptors of priority FIRST (link events), the timers that are due, then the other
descriptors. An exception in a callback is logged and the loop goes on.
"""

from __future__ import annotations

import heapq
import os
import select
import signal
import time
import traceback
from typing import Callable, Dict, List, Optional, Tuple

FIRST = 0
NORMAL = 1

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
GONE = select.EPOLLHUP | select.EPOLLERR  # reported whether asked for or not


def now() -> float:
    """CLOCK_MONOTONIC in seconds: what timers run on. Stands still in suspend."""
    return time.monotonic()


def boottime() -> float:
    """CLOCK_BOOTTIME in seconds: goes on in suspend, so deadlines given to people are kept in it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Timer:
    """One call at one moment. After it ran or was cancelled it is not pending any more."""

    __slots__ = ("_callback", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when  # CLOCK_MONOTONIC, seconds
        self._callback: Optional[Callable[[], None]] = callback

    @property
    def pending(self) -> bool:
        """Will it still run?"""
        return self._callback is not None

    def cancel(self) -> None:
        """It will not run; harmless when it has."""
        self._callback = None

    def _fire(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class _Watch:
    __slots__ = ("callback", "fd", "priority")

    def __init__(self, fd: int, callback: Callable[[int], None], priority: int) -> None:
        self.fd, self.callback, self.priority = fd, callback, priority


class Loop:
    """``log`` takes one text: what went wrong in a callback, with its traceback."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._epoll = select.epoll()
        self._watches: Dict[int, _Watch] = {}
        self._timers: List[Tuple[float, int, Timer]] = []
        self._count = 0  # keeps timers of the same moment in the order they were made
        self._stopped = False
        self._signals: Dict[int, Callable[[], None]] = {}
        self._wakeup: Optional[Tuple[int, int]] = None

    def add_fd(self, fd: int, callback: Callable[[int], None], *, events: int = READ, priority: int = NORMAL) -> None:
        """Call ``callback(mask)`` whenever fd is ready (level-triggered); mask is made of READ, WRITE and GONE."""
        self._epoll.register(fd, events)
        self._watches[fd] = _Watch(fd, callback, priority)

    def modify_fd(self, fd: int, events: int) -> None:
        """From now on wait for these events on fd; 0 leaves only GONE."""
        self._epoll.modify(fd, events)

    def remove_fd(self, fd: int) -> None:
        """Forget fd, before it is closed. Its callback is not called again, not even in this round."""
        if self._watches.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call it once, ``delay`` seconds from now; 0 means in the next round."""
        return self.call_at(now() + delay, callback)

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call it once, when now() has reached ``when``."""
        timer = Timer(when, callback)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, timer))
        return timer

    def on_signal(self, signum: int, callback: Callable[[], None]) -> None:
        """Call it in the loop, not in the handler, when the signal has come. Main thread only."""
        if self._wakeup is None:
            reader, writer = self._wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
            self.add_fd(reader, self._read_signals, priority=FIRST)
        self._signals[signum] = callback
        signal.signal(signum, lambda *_: None)

    def run(self) -> None:
        """Rounds until stop()."""
        self._stopped = False
        while not self._stopped:
            self._round(None)

    def stop(self) -> None:
        """run() returns after the callback that is running now."""
        self._stopped = True

    def run_once(self, max_wait: Optional[float] = None) -> None:
        """One round: wait for something to do, at most ``max_wait`` seconds, and do it."""
        self._stopped = False
        self._round(max_wait)

    def close(self) -> None:
        """Give back what the loop itself opened, and the signals' default handling."""
        for signum in self._signals:
            signal.signal(signum, signal.SIG_DFL)
        if self._wakeup is not None:
            signal.set_wakeup_fd(-1)
            for fd in self._wakeup:
                os.close(fd)
            self._wakeup = None
        self._epoll.close()

    def _round(self, max_wait: Optional[float]) -> None:
        ready: List[Tuple[_Watch, int]] = []
        for fd, mask in self._epoll.poll(self._wait(max_wait)):
            watch = self._watches.get(fd)
            if watch is not None:
                ready.append((watch, mask))
        first = [r for r in ready if r[0].priority == FIRST]
        self._dispatch(first)
        self._run_due()
        self._dispatch([r for r in ready if r[0].priority != FIRST])

    def _wait(self, max_wait: Optional[float]) -> Optional[float]:
        while self._timers and not self._timers[0][2].pending:
            heapq.heappop(self._timers)
        if not self._timers:
            return max_wait
        wait = max(0.0, self._timers[0][0] - now())
        return wait if max_wait is None else min(wait, max_wait)

    def _run_due(self) -> None:
        # Only those made before, so that a timer that sets itself again cannot starve the descriptors.
        moment, last = now(), self._count
        while self._timers and not self._stopped:
            when, number, timer = self._timers[0]
            if when > moment or number > last:
                break
            heapq.heappop(self._timers)
            self._guard(timer._fire)

    def _dispatch(self, ready: List[Tuple[_Watch, int]]) -> None:
        for watch, mask in ready:
            # An earlier callback of this round may have closed the descriptor, and another may have got its number.
            if not self._stopped and self._watches.get(watch.fd) is watch:
                self._guard(watch.callback, mask)

    def _guard(self, callback: Callable[..., None], *args: int) -> None:
        try:
            callback(*args)
        except Exception:
            self._log(traceback.format_exc())

    def _read_signals(self, _mask: int) -> None:
        if self._wakeup is None:
            return
        for signum in os.read(self._wakeup[0], 512):
            callback = self._signals.get(signum)
            if callback is not None:
                self._guard(callback)
