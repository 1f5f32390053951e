# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make demo``: runs the shipped playbooks on a lab of three hosts while a client measures, and shows what it lost.

Leaves build/demo/result.json, build/demo/report.html, the inventory and the playbooks' output. The exit code is 0 when
everything was as it should be. The lab goes away in any case.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

from lab import Lab, LabError
from lab.example import data_addresses, description, variables

from .picture import Picture
from .report import write_report
from .steps import Stage, Step, Steps
from .traffic import Record, Traffic

BUILD = Path(__file__).resolve().parents[2] / "build" / "demo"
MOST_LOSSES = 200  # that result.json lists
RATE = 1000  # datagrams a second, each way, to every data address
NOTHING_LOST = ("check", "detach", "reattach", "refused_detach")
COLUMNS = ("step", "", "seconds", "sent", "lost", "longest gap", "TCP resets", "changed")


def main(folder: Path = BUILD) -> int:
    """Run it and leave everything in folder; the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    start = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - start:4.0f} s] {text}", flush=True)

    folder.mkdir(parents=True, exist_ok=True)
    for old in ("result.json", "report.html"):
        (folder / old).unlink(missing_ok=True)
    addresses = data_addresses()
    done: List[Step] = []
    try:
        with Lab(description()) as lab:
            say(f"the lab is up: {len(lab.hosts)} hosts of 3 cards on a switch, a client, a router, a controller")
            stage = Stage(lab, folder)
            lab.write_inventory(stage.inventory, variables())
            cards = {nic.mac: nic.name for host in lab.hosts.values() for nic in host.nics.values()}
            traffic = Traffic(lab, addresses, RATE)
            count = sum(map(len, addresses.values()))
            say(f"the client talks to {count} addresses: {RATE} datagrams/s each way, and TCP")
            for step, act in Steps(stage, addresses).all():
                say(f"{step.name}: {step.title}")
                step.begin = time.time()
                try:
                    act(step)
                except LabError as problem:
                    step.problem = str(problem)
                step.end = time.time()
                done.append(step)
                if step.problem:
                    say(f"{step.name}: PROBLEM: {step.problem}")
                    if step.name == "set_up":
                        break
            say("counting what arrived")
            record = traffic.stop()
    except KeyboardInterrupt:
        print("\nstopped; the lab is gone", flush=True)
        return 130
    except LabError as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    result = judge(done, record)
    (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    write_report(folder / "report.html", result, Picture(record, done, stage.events, cards))
    print(table(result))
    for step in result["steps"]:
        if step["problem"]:
            print(f"{step['name']}: {step['problem']}")
    print(f"{'all as it should be' if result['ok'] else 'NOT as it should be'}; look at {folder / 'report.html'}")
    return 0 if result["ok"] else 1


def judge(steps: List[Step], record: Record) -> Dict[str, Any]:
    """result.json: the steps with their numbers; ok when all are, and the capture agrees with the sockets."""
    rows = []
    for step in steps:
        count = record.count(step.begin, step.end)
        problem = step.problem
        if not problem and step.name in NOTHING_LOST and count.lost:
            problem = f"datagrams lost: {count.lost}"
        if not problem and count.tcp_resets:
            problem = f"TCP connections that ended: {count.tcp_resets}"
        if not problem and step.name != "set_up" and record.count(step.end - 1, step.end).lost:
            problem = "datagrams were still lost at the end of the step"
        rows.append(
            {
                "name": step.name,
                "title": step.title,
                "ok": not problem,
                "seconds": round(step.end - step.begin, 1),
                "sent": count.sent,
                "lost": count.lost,
                "longest_gap_ms": count.longest_gap_ms,
                "tcp_resets": count.tcp_resets,
                "changed": step.changed,
                "problem": problem,
            }
        )
    silent = [t.address for t in record.tracks if t.first >= len(t.sent)]
    disagreements = record.disagreements()
    return {
        "ok": all(row["ok"] for row in rows) and len(rows) == 8 and not silent and not disagreements,
        "steps": rows,
        "rate": record.rate,
        "addresses": len(record.tracks) // 2,
        "never_answered": sorted(set(silent)),
        "losses": losses(steps[0].begin, record),
        "capture": {
            "packets": sum(map(sum, record.seen.numbers.values())),
            "dropped": record.seen.dropped,
            "disagreements": disagreements,
        },
        "agents": record.agents,
    }


def losses(start: float, record: Record) -> List[Dict[str, Any]]:
    """Each run of lost datagrams, in the order of time, `at` in s from the start."""
    found = [
        {
            "at": round(hole.begin - start, 4),
            "host": track.host,
            "address": track.address,
            "direction": track.direction,
            "lost": hole.lost,
            "gap_ms": round((hole.end - hole.begin) * 1000, 1),
        }
        for track in record.tracks
        for hole in track.holes()
    ]
    return sorted(found, key=lambda loss: loss["at"])[:MOST_LOSSES]


def table(result: Dict[str, Any]) -> str:
    """The steps for a terminal."""
    lines = [COLUMNS]
    for row in result["steps"]:
        cells = (row["name"], "ok" if row["ok"] else "FAIL", row["seconds"], row["sent"], row["lost"])
        lines.append((*map(str, cells), f"{row['longest_gap_ms']} ms", str(row["tcp_resets"]), str(row["changed"])))
    widths = [max(len(line[n]) for line in lines) for n in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if n < 2 else cell.rjust(width) for n, (cell, width) in enumerate(zip(line, widths))
        )
        for line in lines
    )
