# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real daemon on a bed: its process, its quiet moments, and what it costs while nothing happens."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Dict, List, Tuple

from bed import Bed

from . import load, peers
from .bfd import Bfd
from .row import BenchError, Figures, Run
from .vrrp import Keepalived

MEMBERS = 8
POLL = 0.050  # s between the daemon's looks at the carrier
QUIET, WINDOW, QUIET_LIMIT = 3.0, 0.1, 20.0  # percent of a core over so many s; s
SETTLING = 6.0  # s; announcements are repeated until 5 s after the start
IDLE_WINDOW = 0.5  # s
OTHERS = "peers with one NIC and one address or session each"


def pid_of(bed: Bed) -> int:
    """The daemon's process id, as the machine numbers it."""
    inside = str(bed.call("ping")["pid"])
    for pid in bed.host.processes():
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        if next(line for line in lines if line.startswith("NSpid:")).split()[-1] == inside:
            return pid
    raise BenchError("the daemon is not among the host's processes")


def quiet(pid: int, share: float = QUIET) -> None:
    """Returns when the daemon has finished what it had to do, preparations for the next failure included.

    share: percent of a core that it may use even so.
    """
    end = time.monotonic() + QUIET_LIMIT
    while load.share(pid, WINDOW) > share:
        if time.monotonic() > end:
            raise BenchError(f"the daemon is still busy after {QUIET_LIMIT:g} s")


def configuration(probing: bool, nics: int = MEMBERS) -> Tuple[Dict[str, str], str]:
    """Files of a group of so many members with a data address each, and test addresses if it probes; groups.conf."""
    files = {}
    for number in range(1, nics + 1):
        test = f" addif 192.0.2.{110 + number}/24 deprecated -failover up" if probing else ""
        files[f"hostname.eth{number}"] = f"192.0.2.{10 + number}/24 group g up{test}\n"
        if probing:
            files[f"hostname6.eth{number}"] = "group g -failover up\n"
    return files, "[g]\ntargets = 192.0.2.254, 192.0.2.250\n" if probing else ""


def about(probing: bool, nics: int = MEMBERS) -> str:
    """The configuration in words."""
    return f"{nics} members with a data address each, " + (
        "test addresses of both families, detection time 10000 ms" if probing else "without test addresses"
    )


def _others(stack: ExitStack) -> List[peers.Measurable]:
    return [stack.enter_context(closing(make())) for make in (lambda: Keepalived(1.0), lambda: Bfd(300))]


def rss(probing: bool, run: Run) -> Figures:
    """Resident memory in MiB, a newly started daemon each round."""
    files, groups = configuration(probing)
    values: List[float] = []
    with ExitStack() as stack:
        bed = stack.enter_context(Bed(nics=MEMBERS))
        made = _others(stack)
        others: Dict[str, List[float]] = {peer.name: [] for peer in made}
        for _ in range(run.rounds()):
            bed.start(files, groups=groups)
            pid = pid_of(bed)
            quiet(pid)
            values.append(load.rss(pid))
            for peer in made:
                others[peer.name].append(peers.rss(peer.programs))
    note = f"VmRSS of the whole process after its start; {about(probing)}; {OTHERS}, their processes added up"
    return Figures(values, note, peers=others)


def idle_cpu(probing: bool, run: Run, nics: int = MEMBERS) -> Figures:
    """Percent of a core while nothing happens, a window a round; peers where there are as many NICs as usual."""
    files, groups = configuration(probing, nics)
    values: List[float] = []
    with ExitStack() as stack:
        bed = stack.enter_context(Bed(nics=nics))
        made = _others(stack) if nics == MEMBERS else []
        others: Dict[str, List[float]] = {peer.name: [] for peer in made}
        bed.start(files, groups=groups)
        pid = pid_of(bed)
        time.sleep(SETTLING)
        for _ in range(run.rounds()):
            used = load.shares([[pid], *(peer.programs.pids() for peer in made)], IDLE_WINDOW)
            values.append(used[0])
            for peer, its in zip(made, used[1:]):
                others[peer.name].append(its)
    polls = f"the carrier of each is asked for every {POLL * 1000:g} ms, and all is compared every 10 s"
    look = statistics.median(values) / 100 * POLL * 1e6
    why = f"A look at the carriers takes {look:.0f} us, the waking up included; what each NIC adds stands below, where "
    why += "it says how it grows."
    note = f"all threads, kernel time included, {IDLE_WINDOW:g} s a round; {about(probing, nics)}; {polls}"
    return Figures(values, note + (f"; {OTHERS}" if others else ""), peers=others, why=why)
