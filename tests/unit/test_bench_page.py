# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/performance.md says all that docs/performance.json does, and nothing else decides what it says or shows."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any, Dict, List
from xml.etree import ElementTree

import pytest
from bench import scale
from bench.page import PICTURES, merged, page, pictures, value
from bench.plots import NAMES, RIGHT, WIDTH
from bench.row import Figures, Row, Run, ahead, summary
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
            "datagram_us": 3.58,
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
    again = "run 'python -m bench.page' in the folder tests"
    assert written == page(measured), again
    drawn = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / PICTURES).glob("*.svg")}
    assert drawn == pictures(measured), again
    plan = scale.plan({row["id"]: row for row in measured["rows"]}, measured["machine"]["cores"])
    assert plan is None or (DOCS / "scale.md").read_text(encoding="utf-8") == plan, again


def test_every_row_and_the_machine_are_on_the_page() -> None:
    given = results(row("one", [1.0, 2.5, 3.25], goal=2.0), row("two", [150.4]))
    text = page(given)
    assert line(text, "one") == "| one | ms | 1 | 2.5 | 3.25 | 3.25 | 3 | median 2: **missed** | none | - |"
    assert line(text, "two") == "| two | ms | 150 | 150 | 150 | 150 | 1 | - | none | - |"
    for words in ("title of one. Note of one.", "title of two. Note of two."):
        assert words in text
    for words in (
        "A Processor, 2 cores",
        "7.5 GiB",
        "6.1.0-test",
        "3.11.2",
        "3.12.9",
        "0.25",
        "0.5 to 2 %",
        "abc1234",
        "3.58 us",
    ):
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
    assert found["missing"] == []
    assert merged(known, some, ["one", "unheard"])["missing"] == ["unheard"]
    assert [words.partition(":")[0] for words in about] == ["* `new`", "* `one`"]
    assert all(words.endswith("at def5678, 2026-02-03T00:00:00Z.") for words in about)
    some["machine"] = {**some["machine"], "cpu": "Another Processor"}
    assert "2026-02-03T00:00:00Z, on Another Processor." in page(merged(known, some, ["new", "one", "two"]))


def test_goals_are_of_the_median_or_of_what_they_say() -> None:
    text = page(results(row("met", [1.0, 1.0, 9.0], goal=1.0), row("tail", [1.0, 1.0, 9.0], goal=5.0, goal_of="p99")))
    assert "| median 1: met |" in line(text, "met")
    assert "| p99 5: **missed** |" in line(text, "tail")
    made = Row("play", "title", "s", lambda run: Figures([], ""), 2.5, "ratio")
    text = page(results(made.result(Figures([6.0], "note", peers={"ping": [2.0]}, why="It asks more."))))
    assert "| ratio 2.5: **missed** | ping 2 (p99 2) | 3 |" in line(text, "play")
    assert "## Where a peer is ahead" not in text
    assert "* **missed**: `play`, ratio to the best peer 3, wanted 2.5. It asks more." in text
    text = page(results(made.result(Figures([4.0], "note", peers={"ping": [2.0]}))))
    assert "| ratio 2.5: met |" in text


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
    text = page({**results(failed), "missing": ["third", "fourth"]})
    assert "Could not be measured in this run: bad." in text
    assert "Not measured yet: third, fourth." in text


def test_where_a_peer_is_ahead_is_said_of_each_figure() -> None:
    def beside(name: str, ours: List[float], **peers: List[float]) -> Dict[str, Any]:
        return Row(name, "title", "ms", lambda run: Figures([], "")).result(Figures(ours, "note", peers=peers))

    better, tail = beside("better", [1.0], slow=[2.0], slower=[3.0]), beside("tail", [1.0, 1.0, 9.0], steady=[2.0])
    worse = beside("worse", [5.0], slow=[7.0], quick=[4.0])
    nothing = beside("nothing", [3.0], lossless=[0.0])
    assert [ahead(one) for one in (better, tail, worse)] == [[], ["p99", "max"], ["median", "p99", "max"]]
    text = page(results(better, tail, worse, nothing))
    assert "In 3 of the 4 rows that have peers" in text
    assert (
        "| worse | ms | median, p99, greatest | median 5, p99 5, greatest 5 | median 4, p99 4, greatest 4 | quick |"
        in text
    )
    assert "| nothing | ms | median, p99, greatest | median 3, p99 3, greatest 3 | median 0, " in text
    assert "| better | ms | median" not in text
    assert "Nowhere in the 1 rows" in page(results(better))


def test_goals_that_are_missed_are_listed_with_the_reason() -> None:
    slow = row("slow", [4.0], goal=3.0)
    slow["why"] = "Half of it is spent in the kernel."
    text = page(results(row("met", [1.0], goal=3.0), slow))
    assert "1 of 2 are met." in text
    assert "* **missed**: `slow`, median 4 ms, wanted 3. Half of it is spent in the kernel." in text


def test_each_part_of_the_page_has_a_picture_for_each_unit() -> None:
    given = results(row("one", [1.0, 2.0], part="First part"), row("two", [150.0], part="First part"))
    given["rows"].append({**row("three", [0.0], part="Second"), "unit": "% of a core"})
    given["rows"].append(Row("bad", "title", "s", lambda run: Figures([], ""), part="Second").result(None, "broken"))
    drawn = pictures(given)
    assert sorted(drawn) == ["first-part-ms.svg", "second-of-a-core.svg"]
    for name, text in drawn.items():
        assert f"({PICTURES}/{name})" in page(given)
        root = ElementTree.fromstring(text)
        assert root.tag.endswith("svg")
    assert all(words in drawn["first-part-ms.svg"] for words in ("title of one", "title of two", "logarithmic", "150"))


def test_a_box_lies_where_its_values_are() -> None:
    compared = Row("one", "title", "ms", lambda run: Figures([], "")).result(
        Figures([1.0, 2.0, 4.0], "note", peers={"peer": [8.0]})
    )
    text = pictures(results(compared))["figures-ms.svg"]
    dots = [float(found) for found in re.findall(r'<circle cx="([\d.]+)"', text)]
    zero, end = NAMES, WIDTH - RIGHT
    assert dots == [zero + (end - zero) * share for share in (2 / 8, 8 / 8)]


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
    wanted = {"min": 1.0, "q1": 1.0, "median": 2.5, "q3": 3.0, "p99": 10.0, "max": 10.0, "n": 4}
    assert summary([3.0, 1.0, 2.0, 10.0]) == wanted
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
