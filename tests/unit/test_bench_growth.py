# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that are fitted to rows, the plan that is computed of them, and two runs compared."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

import pytest
from bench import scale
from bench.chapters import growth, two_runs
from bench.compare import compared, differing, lines
from bench.growth import CURVES, Curve, Line, fit, grown
from bench.page import value
from bench.row import Figures, Row
from bench.rows import ROWS


def row(
    name: str, values: List[float], peers: Optional[Dict[str, List[float]]] = None, **details: float
) -> Dict[str, Any]:
    made = Row(name, f"title of {name}", "ms", lambda run: Figures([], ""))
    return made.result(Figures(values, "note", details, peers or {}))


def rollout(first: Tuple[float, float], second: Tuple[float, float], ping: Tuple[float, float]) -> Dict[str, Any]:
    """Rows of playbooks that cost so much fixed and for each host, on two cores that are always busy."""
    found = {}
    for hosts, end in ((1, "_1_host"), (10, "_10_hosts"), (50, "")):
        pinged = ping[0] + ping[1] * hosts
        for name, (fixed, each) in (("first", first), ("second", second)):
            cpu = fixed + each * hosts
            one = row(f"setup_{name}_run_vs_ping{end}", [cpu / 2], {"ping": [pinged / 2]}, cpu_s=cpu, ping_cpu_s=pinged)
            found[one["id"]] = one
    for hosts in (200, 2000):
        found[f"setup_preflight_{hosts}_hosts"] = row(f"setup_preflight_{hosts}_hosts", [1.0 + 0.002 * hosts])
    return found


def test_a_line_goes_through_points_that_lie_on_one() -> None:
    found = fit([(1, 3.5), (10, 8.0), (1000, 503.0)])
    assert found == pytest.approx((3.0, 0.5))
    assert fit([(1, 1.0), (2, 3.0), (4, 7.0)]) == pytest.approx((0.0, (1 + 2 / 3 + 4 / 7) / (1 + 4 / 9 + 16 / 49)))
    assert fit([(5, 1.0), (5, 2.0)]) is None
    assert fit([(5, 1.0)]) is None


def test_small_points_count_as_much_as_great_ones() -> None:
    found = fit([(1, 1.0), (10, 1.0), (4000, 21.0)])
    assert found is not None
    assert found[0] == pytest.approx(1.0, rel=0.05)


def test_a_curve_takes_what_was_measured_and_leaves_out_the_rest() -> None:
    curve = Curve("c", "t", "NIC", "ms", (Line("us", ((1.0, "a"), (2.0, "b"), (3.0, "c"))), Line("it", ((1.0, "c"),))))
    failed = Row("c", "t", "ms", lambda run: Figures([], "")).result(None, "broken")
    (found,) = grown(curve, {"a": row("a", [1.0, 2.0, 3.0]), "b": row("b", [4.0]), "c": failed})
    assert (found.name, found.points) == ("us", [(1.0, 2.0, 1.0, 3.0), (2.0, 4.0, 4.0, 4.0)])
    assert found.line == pytest.approx((0.0, 2.0))


def test_every_row_of_a_curve_exists() -> None:
    known = {one.id for one in ROWS}
    assert {name for curve in CURVES for line in curve.lines for _x, name in line.points} <= known


def test_lines_are_told_and_drawn() -> None:
    rows = [row("failover_1_addresses", [0.5]), row("failover_1000_addresses", [4.5])]
    text = "\n".join(growth(rows, value, "pictures"))
    assert "| Carrier loss to the last announcement | IPv4 | addresses | 0.496 ms | 0.004 ms | 1, 1000 |" in text
    assert "(pictures/grows-failover_addresses.svg)" in text
    assert "IPv6" not in text


def test_the_plan_is_what_the_lines_say() -> None:
    rows = rollout((2.0, 4.0), (1.5, 0.8), (0.8, 0.2))
    text = scale.plan(rows, 2)
    assert text is not None
    # 1,000 hosts on one controller of 2 cores: 3 s to read them, 4000 / 2 s, and three times (2 + 4 - 0.8 - 0.2) / 2 s.
    assert scale.duration(3.0 + 2000 + 3 * 2.5) == "34 min"
    assert "| one controller | 2 | 10 | 1000 | 34 min | 7 min |" in text
    # 10,000 hosts, 20 slices of 4 cores: 21 s, 500 * 0.8 / 4 s.
    assert "| 20 slices, an execution environment each | 4 | 20 | 500 | 9 min | 2 min |" in text
    assert "67 min for the first setup" in text


def test_cores_that_wait_make_the_plan_longer_and_there_is_none_without_rows() -> None:
    rows = rollout((2.0, 4.0), (1.5, 0.8), (0.8, 0.2))
    for one in rows.values():
        one["ours"] = {**one["ours"], "median": one["ours"]["median"] * 2}
    text = scale.plan(rows, 2)
    assert text is not None
    assert "| 50 %" in text
    del rows["setup_preflight_200_hosts"]
    assert scale.plan(rows, 2) is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(1.25, "1.2 s"), (59.6, "60 s"), (119, "119 s"), (600, "10 min"), (36000, "10.0 h")]
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert scale.duration(seconds) == text


def run(*rows: Dict[str, Any], commit: str = "abc") -> Dict[str, Any]:
    return {"commit": commit, "began": f"{commit}-time", "seconds": 9, "rows": list(rows)}


def test_runs_agree_where_spreads_meet_or_figures_are_near() -> None:
    near = row("near", [100.0, 100.0]), row("near", [104.0, 104.0])
    meeting = row("meeting", [1.0, 2.0, 3.0, 4.0]), row("meeting", [3.0, 3.0, 5.0, 6.0])
    apart = row("apart", [1.0, 1.1]), row("apart", [2.0, 2.2])
    lost = Row("lost", "t", "ms", lambda _run: Figures([], "")).result(None, "broken")
    found = compared(run(near[0], meeting[0], apart[0], lost), run(apart[1], meeting[1], near[1], lost))
    assert [(one["id"], one["agree"]) for one in found["rows"]] == [("near", True), ("meeting", True), ("apart", False)]
    assert [one["id"] for one in differing(found)] == ["apart"]
    assert lines(found)[3].split() == ["apart", "(median)", "1.05", "1..1.1", "2.1", "2..2.2", "DIFFER"]


def test_ratios_to_the_best_peer_are_compared_where_there_is_one() -> None:
    first = row("one", [1.0, 2.0], {"peer": [10.0, 20.0], "slow": [99.0]})
    second = row("one", [10.0, 20.0], {"peer": [100.0, 200.0], "slow": [999.0]})
    (found,) = compared(run(first), run(second))["rows"]
    assert (found["of"], found["figures"], found["spreads"][0]) == ("peer", (0.1, 0.1), (0.05, 0.2))
    assert found["agree"]
    (found,) = compared(run(row("one", [1.0], {"peer": [0.0]})), run(row("one", [2.0], {"peer": [0.0]})))["rows"]
    assert (found["of"], found["figures"], found["agree"]) == ("", (1.0, 2.0), False)


def test_the_comparison_is_on_the_page() -> None:
    found = compared(run(row("one", [1.0])), run(row("one", [2.0]), commit="def"))
    text = "\n".join(two_runs(found, value))
    assert "abc-time (abc) and def-time (def): 0 of 1 rows agree." in text
    assert "| one | itself | 1 | 1 to 1 | 2 | 2 to 2 | **differ** |" in text
    assert "Not of the" not in text


def test_a_row_that_was_measured_later_says_so_where_runs_are_compared() -> None:
    late = {**row("one", [1.0]), "later": {"commit": "xyz", "began": "later-time"}}
    text = "\n".join(two_runs(compared(run(late), run(row("one", [1.0]))), value))
    assert "Not of the first run itself, but begun at: `one` later-time." in text
    assert "second run itself" not in text
