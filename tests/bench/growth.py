# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost model: how figures grow with NICs, addresses, targets, hosts, as lines fitted to the rows' medians. Pure."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from .plots import Series
from .row import PING


class Line(NamedTuple):
    """points: (x, row); x may be the name of a detail. what: "median", the name of a detail, or "peer:NAME"."""

    name: str
    points: Tuple[Tuple[Union[float, str], str], ...]
    what: str = "median"


class Curve(NamedTuple):
    """across: with what the figures grow, in words; unit: theirs."""

    id: str
    title: str
    across: str
    unit: str
    lines: Tuple[Line, ...]


def _over(pattern: str, *numbers: int) -> Tuple[Tuple[Union[float, str], str], ...]:
    return tuple((float(number), pattern.format(number)) for number in numbers)


def _hosts(run: str) -> Tuple[Tuple[Union[float, str], str], ...]:
    return tuple((x, f"setup_{run}_run_vs_ping{end}") for x, end in ((1.0, "_1_host"), (10.0, "_10_hosts"), (50.0, "")))


_FIRST, _SECOND = _hosts("first"), _hosts("second")
CURVES: Tuple[Curve, ...] = (
    Curve(
        "failover_addresses",
        "Carrier loss to the last announcement",
        "addresses",
        "ms",
        (
            Line("IPv4", _over("failover_{}_addresses", 1, 10, 100, 1000, 4000)),
            Line("IPv6", _over("failover_v6_{}_addresses", 1, 10, 100)),
        ),
    ),
    Curve(
        "failover_nics",
        "Carrier loss to the announcement of one address",
        "NICs of the group",
        "ms",
        (Line("1 address", ((2.0, "failover_1_addresses"), *_over("failover_1_addresses_{}_nics", 8, 40))),),
    ),
    Curve(
        "detection_time",
        "Silent loss to the announcement",
        "configured detection time, ms",
        "ms",
        (Line("2 targets", ((100.0, "silent_loss_fdt100_vs_bfd"), *_over("silent_loss_fdt{}", 300, 1000))),),
    ),
    Curve(
        "detection_targets",
        "Silent loss at a detection time of 100 ms",
        "targets",
        "ms",
        (
            Line(
                "100 ms",
                (
                    (1.0, "silent_loss_fdt100_1_targets"),
                    (2.0, "silent_loss_fdt100_vs_bfd"),
                    (5.0, "silent_loss_fdt100_5_targets"),
                ),
            ),
        ),
    ),
    Curve(
        "probing",
        "The prober's thread",
        "probes a second",
        "% of a core",
        (Line("40 NICs", tuple(("probes_per_second", f"probe_cpu_{rate}_per_s") for rate in (100, 1000, 4000))),),
    ),
    Curve(
        "idle",
        "The idle daemon",
        "NICs",
        "% of a core",
        (Line("link-only", _over("daemon_idle_cpu_{}_members", 2, 8, 40)),),
    ),
    Curve(
        "start",
        "Start until all addresses are there",
        "addresses",
        "ms",
        (Line("IPv4", _over("daemon_start_{}_addresses", 1, 1000, 4000)),),
    ),
    Curve(
        "status_groups",
        "Status over the control socket",
        "groups of one NIC and one address",
        "ms",
        (Line("groups", _over("status_{}_groups", 1, 16, 64)),),
    ),
    Curve(
        "status_addresses",
        "Status over the control socket",
        "addresses",
        "ms",
        (Line("one group", ((1.0, "status_1_groups"), *_over("status_{}_addresses", 1000, 4000))),),
    ),
    Curve(
        "rollout_wall",
        "A play, 10 forks",
        "hosts",
        "s",
        (Line("first setup", _FIRST), Line("second setup", _SECOND), Line(PING, _SECOND, f"peer:{PING}")),
    ),
    Curve(
        "rollout_cpu",
        "Processor time of a play, hosts' own included",
        "hosts",
        "s",
        (
            Line("first setup", _FIRST, "cpu_s"),
            Line("second setup", _SECOND, "cpu_s"),
            Line(PING, _SECOND, "ping_cpu_s"),
        ),
    ),
    Curve(
        "preflight",
        "An inventory compared, no host asked",
        "hosts",
        "s",
        (Line("setup", _over("setup_preflight_{}_hosts", 200, 2000)),),
    ),
)


def fit(points: Sequence[Tuple[float, float]]) -> Optional[Tuple[float, float]]:
    """(fixed, each): the line with the least relative errors; the fixed part is not below 0. None: too few points."""
    given = [(x, y) for x, y in points if y > 0]
    if len({x for x, _y in given}) < 2:
        return None
    w, wx, wy, wxx, wxy = (
        sum(terms) for terms in zip(*((1 / y**2, x / y**2, 1 / y, x * x / y**2, x / y) for x, y in given))
    )
    each = (w * wxy - wx * wy) / (w * wxx - wx * wx)
    fixed = (wy - each * wx) / w
    return (fixed, each) if fixed >= 0 else (0.0, wxy / wxx)


def grown(curve: Curve, rows: Mapping[str, Mapping[str, Any]]) -> List[Series]:
    """The curve's lines, of the rows (by id) that have been measured; those of fewer than two points are left out."""
    found = []
    for line in curve.lines:
        points = [_point(x, rows[name], line.what) for x, name in line.points if name in rows and rows[name]["ours"]]
        fitted = fit([(x, median) for x, median, _least, _greatest in points])
        if fitted is not None:
            found.append(Series(line.name, sorted(points), fitted))
    return found


def _point(x: Union[float, str], row: Mapping[str, Any], what: str) -> Tuple[float, float, float, float]:
    place = float(row["details"][x]) if isinstance(x, str) else x
    if what in row["details"]:
        alone = float(row["details"][what])
        return place, alone, alone, alone
    its: Dict[str, float] = row["peers"][what.partition(":")[2]] if what.startswith("peer:") else row["ours"]
    return place, its["median"], its["min"], its["max"]
