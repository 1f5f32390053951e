# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that measures, described."""

from __future__ import annotations

import os
import platform
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Dict

TRIES, DATAGRAMS = 5, 10_000


def commit(checkout: Path) -> str:
    """Which state of the code is measured; "" outside of a repository."""
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def describe() -> Dict[str, Any]:
    """Processor, cores, memory, kernel, Pythons, the load of the last minute, and how quick system calls are."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    model = re.search(r"model name\s*:\s*(.+)", cpuinfo)
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(encoding="ascii"))
    hosts = subprocess.run(["/usr/bin/python3", "-V"], capture_output=True, text=True, check=False).stdout.split()
    return {
        "cpu": model[1].strip() if model else platform.processor(),
        "cores": os.cpu_count(),
        "virtual": " hypervisor" in cpuinfo,
        "memory_gib": round(int(memory[1]) / (1 << 20), 1) if memory else None,
        "kernel": platform.release(),
        "python_daemon": hosts[-1] if hosts else "",
        "python_bench": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
        "datagram_us": round(min(_datagram() for _ in range(TRIES)) * 1e6, 2),
    }


def _datagram() -> float:
    """s for one that is sent and read, which tells how quick machines are at what most rows are made of."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, other:
        began = time.perf_counter()
        for _ in range(DATAGRAMS):
            one.send(b"x")
            other.recv(1)
        return (time.perf_counter() - began) / DATAGRAMS
