# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/scale.md: what a roll-out costs beyond the machine that measured, computed from the fitted lines. Pure."""

from __future__ import annotations

import math
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from .growth import CURVES, grown
from .row import PING

FLEETS = (1_000, 10_000)
BATCHES = 3  # of setup: a canary, a tenth, the rest
FORKS_A_CORE = 5
LARGEST = "setup_first_run_vs_ping"  # the row whose use of the cores counts


class Shape(NamedTuple):
    """Controllers: so many at once, each with so many cores, and a slice of the hosts."""

    name: str
    slices: int
    cores: int


SHAPES = (
    Shape("one controller", 1, 2),
    Shape("one controller", 1, 8),
    Shape("one controller", 1, 16),
    Shape("5 slices, an execution environment each", 5, 4),
    Shape("20 slices, an execution environment each", 20, 4),
)

HEAD = """\
# Large fleets

Written by `make bench` together with [performance.md](performance.md), from lines fitted to what was measured with 1,
10 and 50 hosts. Everything here that is about more hosts or cores is computed, not measured. How setup treats a fleet
stands in [fleet.md](fleet.md).
"""

HOW = """\
## How to get there

* **Forks** ({per_core} for each core here): more of them help only as far as hosts are slow to answer. The controller's
  processor is what runs out first, since each task on each host costs it a process.
* **Slices** of the hosts on several controllers: the inventory stays whole, so that addresses are compared with all of
  it, and each run gets a part of the hosts, `--limit 'ipmp[0:199]'`. With ansible-runner that is one process, and with
  `--process-isolation` one execution environment, for each part; in AWX or the automation controller a workflow of job
  templates that differ in their limit. (`job_slice_count` hands each job a part of the inventory instead, and addresses
  are then compared within that part only.) The whole inventory is read and compared in each slice.
* **The canary alone first**: run the slice with the first host, and the others when it has succeeded; each slice has
  batches of its own (`ipmp_serial`).
"""


def plan(rows: Mapping[str, Mapping[str, Any]], cores: int) -> Optional[str]:
    """The page's text, of the rows by id and the measuring machine's cores; None while a row is missing."""
    lines = {curve.id: {one.name: one.line for one in grown(curve, rows)} for curve in CURVES}
    cpu, wall, compared = lines["rollout_cpu"], lines["rollout_wall"], lines["preflight"].get("setup")
    names = ("first setup", "second setup", PING)
    if compared is None or any(name not in cpu or name not in wall for name in names):
        return None
    busy = {name: _use(rows, name, cores) for name in names[:2]}
    batch = sum(wall["first setup"]) - sum(wall[PING])
    parts = [HEAD, "## What was measured\n", "| | fixed | each host | used of the cores, 50 hosts |"]
    parts.append("| --- | ---: | ---: | ---: |")
    for name in names:
        used = f"{busy[name] * 100:.0f} %" if name in busy else "-"
        parts.append(f"| processor time of a play, {name} | {cpu[name][0]:.2f} s | {cpu[name][1]:.3f} s | {used} |")
    parts.append(f"| an inventory read and compared | {compared[0]:.2f} s | {compared[1] * 1000:.2f} ms | - |\n")
    parts.append(
        "Controller and hosts were the same machine, so the processor time of the hosts is in it: a controller that "
        "has only its own share to do is faster than this plan.\n"
    )
    parts += _tables(cpu, compared, busy, batch)
    parts.append(HOW.format(per_core=FORKS_A_CORE))
    return "\n".join(parts)


def _use(rows: Mapping[str, Mapping[str, Any]], name: str, cores: int) -> float:
    """Which part of the cores a play of many hosts keeps busy."""
    row = rows[LARGEST if name.startswith("first") else LARGEST.replace("first", "second")]
    return min(1.0, float(row["details"]["cpu_s"]) / (float(row["ours"]["median"]) * cores))


def _tables(
    cpu: Dict[str, Tuple[float, float]], compared: Tuple[float, float], busy: Dict[str, float], batch: float
) -> List[str]:
    parts = []
    for hosts in FLEETS:
        parts.append(f"## {hosts:,} hosts\n")
        parts.append("| controllers | cores of each | forks of each | hosts of each | first setup | second setup |")
        parts.append("| --- | ---: | ---: | ---: | ---: | ---: |")
        for shape in SHAPES:
            part = math.ceil(hosts / shape.slices)
            forks = min(part, FORKS_A_CORE * shape.cores)
            times = []
            for name in ("first setup", "second setup"):
                took = compared[0] + compared[1] * hosts + cpu[name][1] * part / (shape.cores * busy[name])
                times.append(duration(took + (BATCHES * max(0.0, batch) if name == "first setup" else 0.0)))
            parts.append(f"| {shape.name} | {shape.cores} | {forks} | {part} | {times[0]} | {times[1]} |")
        parts.append(
            f"\nProcessor time of all controllers and hosts together: {duration(cpu['first setup'][1] * hosts)} for "
            f"the first setup, {duration(cpu['second setup'][1] * hosts)} for the second, "
            f"{duration(cpu[PING][1] * hosts)} for a play that only pings.\n"
        )
    parts.append(
        f"Computed as: the whole inventory read and compared, and the processor time of the slice's hosts on its "
        f"cores, used as well as 50 hosts used two; a first setup has {BATCHES} batches, none of which is done before "
        f"its slowest host, {duration(max(0.0, batch))} each.\n"
    )
    return parts


def duration(seconds: float) -> str:
    """For people."""
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
