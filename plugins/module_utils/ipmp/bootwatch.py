# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits, once a boot, for the NICs that are not there yet, and says on the console and in the log which are missing.

Nothing waits for it: what is there has its addresses already, and a NIC that comes meanwhile is simply configured.
"""

from __future__ import annotations

import contextlib
import os
from typing import FrozenSet, List

from . import boot
from . import loop as loops
from .daemon import Daemon
from .journal import JournalError, Records

BOOT_WAIT = 10.0  # s at most
QUIET = 1.0  # s without udev having anything to do: nobody is likely to come any more
LOOK = 0.1  # s

CONSOLE = "dev/console"
UDEV_QUEUE = "run/udev/queue"  # there while udevd works on events; 'udevadm settle' looks at it as well


class BootWatch:
    """Made after the daemon's first placement, and before the records of the last boot are forgotten."""

    def __init__(self, daemon: Daemon, records: Records) -> None:
        self._daemon = daemon
        if daemon.first_in_boot:
            daemon.runtime.missing = boot.absent(daemon.runtime, _detached(records))
        self._begin = self._busy = loops.now()
        self._look()

    def _look(self) -> None:
        now = loops.now()
        if not self._daemon.runtime.missing:
            return
        if os.path.exists(os.path.join(self._daemon.root, UDEV_QUEUE)):
            self._busy = now
        if now < min(self._begin + BOOT_WAIT, self._busy + QUIET):
            self._daemon.loop.call_later(LOOK, self._look)
        else:
            self._tell()

    def _tell(self) -> None:
        runtime, root = self._daemon.runtime, self._daemon.root
        missing, runtime.missing = runtime.missing & boot.absent(runtime), frozenset()
        dhcp = frozenset(n for n in missing if os.path.exists(os.path.join(root, f"etc/dhcp.{n}")))
        lines = boot.report(runtime, missing, dhcp)
        for line in lines:
            self._daemon.log("err", line)
        _print(os.path.join(root, CONSOLE), lines)
        self._daemon.save()


def _detached(records: Records) -> FrozenSet[str]:
    """Interfaces that were detached when the last boot ended. A record that cannot be read says nothing."""
    found: List[str] = []
    with contextlib.suppress(JournalError):
        for name in records.names():
            with contextlib.suppress(JournalError):
                found += (records.read(name) or {}).get("interfaces", ())
    return frozenset(found)


def _print(console: str, lines: List[str]) -> None:
    """A console that is not there, or that nobody reads, is no error and holds up nothing."""
    with contextlib.suppress(OSError):
        fd = os.open(console, os.O_WRONLY | os.O_APPEND | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(fd, os.fsencode("".join(f"{line}\n" for line in lines)))
        finally:
            os.close(fd)
