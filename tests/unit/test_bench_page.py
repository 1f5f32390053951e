# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/performance.md says all that docs/performance.json does, and nothing else decides what it says."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Dict, List

import pytest
from bench.page import merged, page, value
from bench.row import Figures, Row, Run, summary
from bench.rows import ROWS

DOCS = Path(__file__).resolve().parents[2] / "docs"
PROMISED = {
    "failover_1000_addresses",
    "probe_cpu_1000_per_s",
    "daemon_rss",
    "planned_move_v4_lost",
    "planned_move_v6_lost",
    "silent_loss_fdt100_vs_bfd",
}  # names that others hold on to


def row(name: str, values: List[float], **more: Any) -> Dict[str, Any]:
    return Row(name, f"title of {name}", "ms", lambda run: Figures([], ""), **more).result(
        Figures(values, f"note of {name}")
    )


def results(*rows: Dict[str, Any]) -> Dict[str, Any]:
    return {
        "machine": {
            "cpu": "A Processor",
            "cores": 2,
            "virtual": True,
            "memory_gib": 7.5,
            "kernel": "6.1.0-test",
            "python_daemon": "3.11.2",
            "python_bench": "3.12.9",
            "load": 0.25,
            "others_busy_percent": {"least": 0.5, "most": 2.0},
            "stolen_percent": 0.1,
        },
        "commit": "abc1234",
        "began": "2026-01-02T03:04:05Z",
        "seconds": 700,
        "quick": False,
        "rows": list(rows),
    }


def line(text: str, name: str) -> str:
    return next(found for found in text.splitlines() if found.startswith(f"| {name} |"))


def test_the_page_is_that_of_the_results() -> None:
    measured = json.loads((DOCS / "performance.json").read_text(encoding="utf-8"))
    written = (DOCS / "performance.md").read_text(encoding="utf-8")
    assert written == page(measured), "run 'python -m bench.page' in the folder tests"


def test_every_row_and_the_machine_are_on_the_page() -> None:
    given = results(row("one", [1.0, 2.5, 3.25], goal=2.0), row("two", [150.4]))
    text = page(given)
    assert line(text, "one") == "| one | ms | 1 | 2.5 | 3.25 | 3.25 | 3 | median 2: **missed** | none | - |"
    assert line(text, "two") == "| two | ms | 150 | 150 | 150 | 150 | 1 | - | none | - |"
    for words in ("title of one. Note of one.", "title of two. Note of two."):
        assert words in text
    for words in ("A Processor, 2 cores", "7.5 GiB", "6.1.0-test", "3.11.2", "3.12.9", "0.25", "0.5 to 2 %", "abc1234"):
        assert words in text
    assert "2026-01-02T03:04:05Z" in text


def test_the_same_results_make_the_same_page_and_are_left_as_they_are() -> None:
    given = results(row("one", [1.0]))
    before = copy.deepcopy(given)
    again = json.loads(json.dumps(given, sort_keys=True))
    assert page(given) == page(again)
    assert given == before


def test_rows_measured_later_take_the_place_of_theirs_and_say_when() -> None:
    known = results(row("one", [1.0]), row("two", [2.0]), row("gone", [3.0]))
    some = {**results(row("new", [4.0]), row("one", [5.0])), "commit": "def5678", "began": "2026-02-03T00:00:00Z"}
    found = merged(known, some, ["new", "one", "two"])
    assert [(one["id"], one["ours"]["median"]) for one in found["rows"]] == [("new", 4.0), ("one", 5.0), ("two", 2.0)]
    assert (found["commit"], found["machine"]) == (known["commit"], known["machine"])
    about = [words for words in page(found).splitlines() if "Measured later" in words]
    assert [words.partition(":")[0] for words in about] == ["* `new`", "* `one`"]
    assert all("at def5678, 2026-02-03T00:00:00Z" in words for words in about)


def test_goals_are_of_the_median_or_of_what_they_say() -> None:
    text = page(results(row("met", [1.0, 1.0, 9.0], goal=1.0), row("tail", [1.0, 1.0, 9.0], goal=5.0, goal_of="p99")))
    assert "| median 1: met |" in line(text, "met")
    assert "| p99 5: **missed** |" in line(text, "tail")


def test_what_was_not_measured_or_compared_is_said() -> None:
    failed = Row("bad", "title", "ms", lambda run: Figures([], ""), 3.0).result(None, "the daemon has ended")
    text = page(results(failed))
    assert line(text, "bad") == "| bad | ms | - | - | - | - | - | median 3 | none | - |"
    assert "Not measured: the daemon has ended." in text
    assert "## What is not compared" in text and "keepalived" in text and "bonding" in text
    others = {"bonding": [1.0, 2.0, 7.0], "aaa": [4.0], "team": "has no module here"}
    compared = Row("one", "title", "ms", lambda run: Figures([], "")).result(Figures([1.0], "note", peers=others))
    text = page(results(compared))
    assert line(text, "one").endswith("| aaa 4 (p99 4), bonding 2 (p99 7) | 0.5 |")
    assert "Note. team: has no module here." in text
    assert "## What is not compared" not in text


def test_a_shared_machine_a_quick_run_and_a_short_soak_are_said() -> None:
    given = results(row("one", [1.0]))
    assert not any(words in page(given) for words in ("shared", "quick run", "shortened"))
    given["machine"]["others_busy_percent"]["most"] = 60.0
    assert "shared with other work" in page(given)
    given["quick"] = True
    assert "quick run" in page(given)
    soak = row("false_failures_fdt100_8_nics_5_targets", [0.0])
    soak["details"] = {"seconds": 120}
    assert "shortened to 120 s" in page(results(soak))
    soak["details"] = {"seconds": 600}
    assert "shortened" not in page(results(soak))


def test_a_summary_is_of_all_rounds() -> None:
    assert summary([3.0, 1.0, 2.0, 10.0]) == {"min": 1.0, "median": 2.5, "p99": 10.0, "max": 10.0, "n": 4}
    assert summary(list(map(float, range(1, 201))))["p99"] == 198.0


def test_a_quick_run_has_fewer_rounds_and_never_more() -> None:
    assert (Run(True, print).rounds(20), Run(True, print).rounds(1), Run(False, print).rounds(20)) == (2, 1, 20)


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (0.547, "0.547"), (1000, "1000"), (758.93, "759"), (5.164, "5.16")]
)
def test_figures_are_short(number: float, text: str) -> None:
    assert value(number) == text


def test_ids_are_distinct_and_those_that_are_promised_are_there() -> None:
    ids = [one.id for one in ROWS]
    assert len(set(ids)) == len(ids)
    assert set(ids) >= PROMISED
