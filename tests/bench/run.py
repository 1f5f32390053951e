# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make bench``: measures all rows, or those asked for, and writes down what came of it.

Leaves build/bench/results.json; a whole run that is not quick also docs/performance.json, the same, and
docs/performance.md, made of it. BENCH_QUICK=1: few rounds. BENCH_DOCS=1: puts the rows that were asked for into both.
The exit code is 1 when a row could not be measured.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Sequence

from lab import LabError

from . import load, machine
from .page import DOCS, merged, value, write
from .row import BenchError, Run
from .rows import ROWS

CHECKOUT = Path(__file__).resolve().parents[2]
RESULTS = CHECKOUT / "build" / "bench" / "results.json"
LOOK = 1.0  # s before each row: what do others do?


def main(names: Sequence[str]) -> int:
    """Measure the rows of these ids, all if there are none; the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    unknown = sorted(set(names) - {row.id for row in ROWS})
    if unknown:
        known = "\n  ".join(row.id for row in ROWS)
        print(f"bench: there is no row {', '.join(unknown)}; there are\n  {known}", file=sys.stderr)
        return 2
    start = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - start:4.0f} s] {text}", flush=True)

    quick, docs = (os.environ.get(name, "") not in ("", "0") for name in ("BENCH_QUICK", "BENCH_DOCS"))
    try:
        results = measure(names, Run(quick, say))
    except KeyboardInterrupt:
        print("\nstopped; nothing is left behind, and nothing was written", flush=True)
        return 130
    text = json.dumps(results, indent=2) + "\n"
    written = [RESULTS]
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(text, encoding="utf-8")
    if not names and not quick:
        written += write(text)
    elif docs and not quick:
        known = json.loads((DOCS / "performance.json").read_text(encoding="utf-8"))
        written += write(json.dumps(merged(known, results, [row.id for row in ROWS]), indent=2) + "\n")
    say(f"written: {', '.join(str(path.relative_to(CHECKOUT)) for path in written)}")
    return 0 if all(row["ours"] for row in results["rows"]) else 1


def measure(names: Sequence[str], run: Run) -> Dict[str, Any]:
    """results.json."""
    began, whole, described = time.time(), load.Meter(), machine.describe()
    rows: List[Dict[str, Any]] = []
    others: List[float] = []
    for row in ROWS:
        if names and row.id not in names:
            continue
        meter = load.Meter()
        time.sleep(LOOK)
        others.append(meter.read()["busy"])
        run.say(f"{row.id}: {row.title}")
        try:
            rows.append(row.result(row.measure(run)))
        except (BenchError, LabError, AssertionError, OSError) as problem:
            rows.append(row.result(None, f"{type(problem).__name__}: {problem}"))
        found = rows[-1]
        ours = found["ours"]
        run.say(
            f"  median {value(ours['median'])} {row.unit}, p99 {value(ours['p99'])}" if ours else f"  {found['note']}"
        )
    described.update(
        others_busy_percent={"least": min(others), "most": max(others)}, stolen_percent=whole.read()["stolen"]
    )
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began))
    results: Dict[str, Any] = {"machine": described, "commit": machine.commit(CHECKOUT), "began": when}
    return {**results, "seconds": round(time.time() - began), "quick": run.quick, "rows": rows}
