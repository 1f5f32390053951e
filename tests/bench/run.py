# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make bench``: measures all rows, or those asked for, and writes down what came of it.

Leaves build/bench/results.json, and a copy of it with the time in its name; a whole run that is not quick also
docs/performance.json, the same, and the pages and pictures made of it. BENCH_QUICK=1: few rounds. BENCH_DOCS=1: puts
the rows that were asked for into docs, too. The exit code is 1 when a row could not be measured. A
run that is stopped leaves what it has measured in build/bench, and nothing in docs.

``--compare A.json B.json`` says of two such results which ratios agree, and with BENCH_DOCS=1 puts that on the page;
the exit code is 1 when some do not.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Sequence

from . import compare, load, machine
from .page import DOCS, merged, value, write
from .row import Run
from .rows import ROWS

CHECKOUT = Path(__file__).resolve().parents[2]
RESULTS = CHECKOUT / "build" / "bench" / "results.json"
LOOK = 0.5  # s before each row: what do others do?


def main(arguments: Sequence[str]) -> int:
    """Measure the rows of these ids, all if there are none, or compare; the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    quick, docs = (os.environ.get(name, "") not in ("", "0") for name in ("BENCH_QUICK", "BENCH_DOCS"))
    if arguments[:1] == ["--compare"]:
        return _compare(arguments[1:], docs)
    unknown = sorted(set(arguments) - {row.id for row in ROWS})
    if unknown:
        known = "\n  ".join(row.id for row in ROWS)
        print(f"bench: there is no row {', '.join(unknown)}; there are\n  {known}", file=sys.stderr)
        return 2
    return _measure(arguments, quick, docs)


def _compare(paths: Sequence[str], docs: bool) -> int:
    if len(paths) != 2:
        print("bench: --compare takes two files, such as those of build/bench", file=sys.stderr)
        return 2
    found = compare.load(paths)
    differ = compare.differing(found)
    print("\n".join(compare.lines(found)))
    print(f"{len(found['rows']) - len(differ)} of {len(found['rows'])} rows agree")
    if docs:
        known = json.loads((DOCS / "performance.json").read_text(encoding="utf-8"))
        write(json.dumps({**known, "agreement": found}, indent=2) + "\n")
    return 1 if differ else 0


def _measure(names: Sequence[str], quick: bool, docs: bool) -> int:
    start = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - start:4.0f} s] {text}", flush=True)

    results = measure(names, Run(quick, say))
    text = json.dumps(results, indent=2) + "\n"
    written = [RESULTS, RESULTS.with_name(f"results-{results['began'].replace(':', '')}.json")]
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    for path in written:
        path.write_text(text, encoding="utf-8")
    if results["stopped"]:
        say(f"stopped; nothing is left behind. Written: {RESULTS.relative_to(CHECKOUT)}")
        return 130
    if not names and not quick:
        write(text)
    elif docs and not quick:
        known = json.loads((DOCS / "performance.json").read_text(encoding="utf-8"))
        write(json.dumps(merged(known, results, [row.id for row in ROWS]), indent=2) + "\n")
    say(f"written: {', '.join(str(path.relative_to(CHECKOUT)) for path in written)}")
    failed = [row["id"] for row in results["rows"] if not row["ours"]]
    if failed:
        say(f"could not be measured: {', '.join(failed)}")
    return 1 if failed else 0


def _busy() -> float:
    """What others use of all cores, %."""
    meter = load.Meter()
    time.sleep(LOOK)
    return meter.read()["busy"]


def measure(names: Sequence[str], run: Run) -> Dict[str, Any]:
    """results.json."""
    began, whole, described = time.time(), load.Meter(), machine.describe()
    rows: List[Dict[str, Any]] = []
    others: List[float] = []
    stopped = False
    for row in ROWS:
        if stopped or (names and row.id not in names):
            continue
        run.say(f"{row.id}: {row.title}")
        before = time.monotonic()
        try:
            others.append(_busy())
            found = row.result(row.measure(run))
        except (KeyboardInterrupt, SystemExit):
            stopped = True
            continue
        except Exception as problem:  # one row must not cost the others
            found = row.result(None, f"{type(problem).__name__}: {problem}")
        rows.append({**found, "seconds": round(time.monotonic() - before, 1)})
        ours = found["ours"]
        run.say(
            f"  median {value(ours['median'])} {row.unit}, p99 {value(ours['p99'])}" if ours else f"  {found['note']}"
        )
        for name, its in found["peers"].items():
            run.say(f"    {name}: median {value(its['median'])} {row.unit}, p99 {value(its['p99'])}")
    described.update(
        others_busy_percent={"least": min(others, default=0.0), "most": max(others, default=0.0)},
        stolen_percent=whole.read()["stolen"],
    )
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began))
    results: Dict[str, Any] = {"machine": described, "commit": machine.commit(CHECKOUT), "began": when}
    return {**results, "seconds": round(time.time() - began), "quick": run.quick, "stopped": stopped, "rows": rows}
