# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The five seconds of notice before a PCI Express slot loses power, used to move addresses away from the cards in it.

Somebody has pressed the slot's button, or a hypervisor has. The kernel (driver pciehp) shows that nowhere but in its
log: no event, and no file of the slot in sysfs changes (tests/vm/test_vm_native.py). A second press takes it back.
"""

from __future__ import annotations

import os
import re
import stat
from typing import List, Optional, Tuple

from .daemon import Daemon
from .runtime import Nic

KMSG = "/dev/kmsg"
RECORDS = 64  # of the log read before anything else has its turn
LOOK = 0.1  # s
OVER = 15.0  # s after which a card that is still there stays

# A level below 8 is the kernel's own; what programs write there has their facility above it.
_LINE = re.compile(r"[0-7],[^;]*;pcieport (\S+): pciehp: Slot\([^)]*\):? (.*)")
_OFF = re.compile(r"Powering off due to button press|will power off in")  # up to Linux 6.2, since then


def told(line: str) -> Optional[Tuple[str, bool]]:
    """The PCI address of the port that a record of the kernel's log is about, and whether its slot is to lose power.

    False: that was taken back. None: it says neither.
    """
    found = _LINE.match(line)
    if found is None:
        return None
    if "cancel" in found[2]:
        return found[1], False
    return (found[1], True) if _OFF.search(found[2]) else None


class Notices:
    """Reads the kernel's log from now on. Without the right to do so there is no notice, which is said."""

    def __init__(self, daemon: Daemon, kmsg: str = KMSG, sysfs: str = "/sys") -> None:
        self._daemon, self._sysfs = daemon, sysfs
        try:
            self._log = os.open(kmsg, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            daemon.log("info", f"{kmsg}: {error.strerror}; cards leave without notice")
            return
        if not stat.S_ISCHR(os.fstat(self._log).st_mode):  # in a container it is a pipe, and there are no slots
            os.close(self._log)
            return
        os.lseek(self._log, 0, os.SEEK_END)
        daemon.loop.add_fd(self._log, lambda _mask: self._read())

    def _read(self) -> None:
        for _turn in range(RECORDS):
            try:
                record = os.read(self._log, 8192).decode(errors="replace")
            except BrokenPipeError:  # records were overwritten before we came to them
                continue
            except OSError:
                return
            heard = told(record.partition("\n")[0])
            if heard is not None:
                self._take(*heard)

    def _take(self, port: str, going: bool) -> None:
        nics = [nic for nic in self._daemon.runtime.grouped() if nic.attached and self._behind(port, nic)]
        names = ", ".join(nic.name for nic in nics if nic.leaving is not going)
        if not names:
            return
        if going:
            self._daemon.log("err", f"the slot of {names} loses power in 5 seconds; addresses move away")
            self._away(nics, True)
            self._wait(nics, OVER)
        else:
            self._daemon.log("err", f"the slot of {names} keeps its power after all")
            self._away(nics, False)

    def _behind(self, port: str, nic: Nic) -> bool:
        return port in os.path.realpath(os.path.join(self._sysfs, "class/net", nic.name, "device")).split("/")

    def _away(self, nics: List[Nic], leaving: bool) -> None:
        for nic in nics:
            nic.leaving = leaving
        self._daemon.settle("a slot loses its power" if leaving else "a slot keeps its power")

    def _wait(self, nics: List[Nic], left: float) -> None:
        """Until they have gone, or the notice was void: a card that comes back after that is wanted."""
        here = [nic for nic in nics if nic.leaving and not nic.detached]
        if not here:
            return
        if left > 0 and all(nic.present for nic in here):
            self._daemon.loop.call_later(LOOK, lambda: self._wait(here, left - LOOK))
        else:
            self._away(here, False)
