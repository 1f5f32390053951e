# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processor's time: what a process has used, how busy the machine is, and programs that keep it busy."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Collection, Dict, Iterator, List, Sequence

BURN = "while True: pass"
CPUCLOCK_SCHED = 2


def spent(pid: int) -> float:
    """Seconds of processor time that all threads of a process have used, ended ones and the kernel's part included."""
    return time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)  # clock_getcpuclockid(3), which Python does not have


def share(pid: int, seconds: float) -> float:
    """Percent of one core that the process uses in the next seconds."""
    return shares([[pid]], seconds)[0]


def shares(parties: Sequence[Collection[int]], seconds: float) -> List[float]:
    """As share, of the processes of each party together, all in the same seconds."""
    before, began = [sum(map(spent, pids)) for pids in parties], time.monotonic()
    time.sleep(seconds)
    after, took = [sum(map(spent, pids)) for pids in parties], time.monotonic() - began
    return [(late - early) / took * 100 for early, late in zip(before, after)]


def rss(pid: int) -> float:
    """Resident memory of a process, MiB."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024


def dropped() -> int:
    """Packets of the whole machine that arrived while a core's queue was full, since it started."""
    lines = Path("/proc/net/softnet_stat").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1], 16) for line in lines)


class Meter:
    """How busy the whole machine is, from now on."""

    def __init__(self) -> None:
        self._before = self._read()

    @staticmethod
    def _read() -> List[int]:
        return [int(n) for n in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]

    def read(self) -> Dict[str, float]:
        """Percent of all cores together: ``busy``, and ``stolen`` by the host of a virtual machine."""
        user, nice, system, idle, iowait, irq, soft, steal = (b - a for a, b in zip(self._before, self._read()))
        total = max(1, user + nice + system + idle + iowait + irq + soft + steal)
        return {
            "busy": round((total - idle - iowait - steal) / total * 100, 1),
            "stolen": round(steal / total * 100, 1),
        }


@contextlib.contextmanager
def burners() -> Iterator[None]:
    """As many programs as there are cores, which do nothing but keep them busy."""
    started: List[subprocess.Popen[bytes]] = []
    try:
        for _ in range(os.cpu_count() or 1):
            command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-IS", "-c", BURN]
            started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True))
        yield
    finally:
        for program in started:
            program.kill()
        for program in started:
            program.wait()
