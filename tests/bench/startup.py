# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon's start, and its answers."""

from __future__ import annotations

import json
import time
from typing import Dict

from bed import Bed

from . import daemon
from .failover import addresses, files
from .row import BenchError, Figures, Run

IMPORT = "import time; t = time.perf_counter(); import ipmp.commands.in_mpathd; print(time.perf_counter() - t)"


def start(count: int, run: Run) -> Figures:
    """ms from the start of the program until it answers, which it does when all addresses are there."""
    values = []
    wanted = addresses(count)
    with Bed(nics=2) as bed:
        for _ in range(run.rounds()):
            bed.reset()
            bed.write(files(wanted, 2))
            began = time.monotonic()
            bed.run_daemon()
            values.append((time.monotonic() - began) * 1000)
            if not set(wanted) <= bed.hosting().keys():
                raise BenchError("the daemon answers, and its addresses are not there")
    return Figures(values, "IPv4, two NICs, on a host without any of them; the look for an answer comes every 10 ms")


def imported(run: Run) -> Figures:
    """ms that Python needs to import the program."""
    command = ["/usr/bin/python3", "-c", f"import sys; sys.path.insert(0, '/usr/local/lib/ipmp'); {IMPORT}"]
    with Bed(nics=1) as bed:
        bed.host.run(command)  # compiles
        values = [float(bed.host.run(command).stdout) * 1000 for _ in range(run.rounds())]
    return Figures(values, "compiled before; the interpreter's own start is not counted")


def status(groups: int, run: Run) -> Figures:
    """ms for a connection, the question and the whole answer."""
    texts = {f"hostname.eth{n}": f"10.{n}.0.1/24 group g{n} up\n" for n in range(1, groups + 1)}
    return _asked(texts, groups, run, f"{groups} groups with one NIC and one address each")


def status_of_addresses(count: int, run: Run) -> Figures:
    """As status, of one group with so many addresses."""
    return _asked(files(addresses(count), 2), 2, run, f"one group of two NICs with {count} addresses")


def _asked(texts: Dict[str, str], nics: int, run: Run, about: str) -> Figures:
    values = []
    with Bed(nics=nics) as bed:
        bed.start(texts)
        daemon.quiet(daemon.pid_of(bed))
        for _ in range(run.rounds()):
            began = time.monotonic()
            answer = bed.call("status")
            values.append((time.monotonic() - began) * 1000)
        size = len(json.dumps(answer))
    return Figures(values, f"{about}; an answer of {size / 1024:.0f} KiB")
