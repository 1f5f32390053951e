# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/performance.md: results.json as a page that a person reads, with its pictures. Pure, but for ``write``.

``python -m bench.page``, in the folder tests, makes the page anew from docs/performance.json, without measuring.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

from . import chapters, plots, scale
from .growth import CURVES, grown
from .row import missed, reached

DOCS = Path(__file__).resolve().parents[2] / "docs"
PICTURES = "performance"  # the folder in docs
SOAK, SOAK_SECONDS = "false_failures_fdt100_8_nics_5_targets", 600
QUIET = 5.0  # percent of all cores that others may use on a machine that counts as ours alone

HEAD = """\
# Performance

Written by `make bench` from what it measured ([performance.json](performance.json)); less is better in every row.
Everything runs in network namespaces of one machine, whose kernel is host, switch and client at once; the client's
capture is the judge of what was announced when. In the pictures a line goes from the least to the greatest value, a box
covers the middle half, the dot is the median and the stroke p99; blue is this collection, brown are the peers.
"""

SHARED = """\
The machine was **shared with other work** meanwhile, such as tests that make and remove network namespaces. p99 and the
greatest values may come from that: some locks of the kernel are the same for all namespaces.
"""

# Shown while a row has no peers.
NOT_COMPARED = """\
## What is not compared

Peers stand beside us where they do the same thing and can run here: FRR's BFD and keepalived's VRRP, each on a network
of its own in the same rounds. Where the column says "none", nobody else was measured:

* **bonding** and **team** are in kernels that this one need not be; what is measured of them is measured in a guest.
* keepalived and BFD move an address between hosts, or a route; what we do between the NICs of one host (repair after
  a proof of the path, standby NICs, probing of many targets) they do not do.
"""


def value(number: float) -> str:
    """Three significant digits, whole numbers as such."""
    if number == int(number):
        return str(int(number))
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"


def page(results: Mapping[str, Any]) -> str:
    """The page's text."""
    rows: List[Dict[str, Any]] = results["rows"]
    parts = [HEAD, *_shortened(results), *chapters.not_measured(rows, results.get("missing", ()))]
    parts += ["## The machine\n", *_machine(results)]
    parts += chapters.where_behind(rows, value)
    parts += chapters.missed_goals(rows, value)
    for part, listed in _parts(rows).items():
        parts.append(f"## {part}\n")
        parts += [f"![{part}, {unit}]({PICTURES}/{name})\n" for unit, name in _boxes(part, listed).items()]
        parts += [_table(listed), "\n".join(_about(row) for row in listed) + "\n"]
    parts.append("With fewer than 100 rounds p99 is the greatest value.\n")
    parts += chapters.growth(rows, value, PICTURES)
    if scale.plan({row["id"]: row for row in rows}, results["machine"]["cores"]) is not None:
        parts.append("What that means for 1,000 and 10,000 hosts stands in [scale.md](scale.md).\n")
    if "agreement" in results:
        parts += chapters.two_runs(results["agreement"], value)
    if any(not row["peers"] for row in rows):
        parts.append(NOT_COMPARED)
    return "\n".join(parts)


def pictures(results: Mapping[str, Any]) -> Dict[str, str]:
    """The page's pictures: name of the file -> its text."""
    rows: List[Dict[str, Any]] = results["rows"]
    found = {}
    for part, listed in _parts(rows).items():
        units = plots.by_unit([row for row in listed if row["ours"]])
        for unit, name in _boxes(part, listed).items():
            found[name] = plots.boxes(units[unit], value)
    by_id = {row["id"]: row for row in rows}
    for curve in CURVES:
        if series := grown(curve, by_id):
            found[f"grows-{curve.id}.svg"] = plots.curves(curve.title, curve.across, curve.unit, series, value)
    return found


def _parts(rows: Sequence[Dict[str, Any]]) -> Dict[str, List[Dict[str, Any]]]:
    found: Dict[str, List[Dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["part"] or "Figures", []).append(row)
    return found


def _boxes(part: str, rows: Sequence[Mapping[str, Any]]) -> Dict[str, str]:
    """Unit -> file of the picture."""
    return {unit: f"{_word(part)}-{_word(unit)}.svg" for unit in plots.by_unit([row for row in rows if row["ours"]])}


def _word(text: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def _shortened(results: Mapping[str, Any]) -> List[str]:
    said = []
    if results["quick"]:
        said.append("**This was a quick run: two rounds a row, to try the bench itself. Its figures mean little.**\n")
    soaked = [row["details"]["seconds"] for row in results["rows"] if row["id"] == SOAK and row["ours"]]
    if not results["quick"] and soaked and soaked[0] < SOAK_SECONDS:
        said.append(f"**The soak was shortened to {soaked[0]} s; {SOAK_SECONDS} s are asked for.**\n")
    return said


def _machine(results: Mapping[str, Any]) -> List[str]:
    machine = results["machine"]
    kind = "virtual machine" if machine["virtual"] else "machine"
    others = machine["others_busy_percent"]
    least, most = value(others["least"]), value(others["most"])
    lines = [
        "| | |",
        "| --- | --- |",
        f"| processor | {machine['cpu']}, {machine['cores']} cores of a {kind}, {machine['memory_gib']:g} GiB |",
        f"| kernel | {machine['kernel']} |",
        f"| Python | {machine['python_daemon']} (the daemon's), {machine['python_bench']} (the bench's) |",
        f"| load before | {machine['load']:g} (average of a minute) |",
        f"| used by others | {least} to {most} % of all cores, a second before each row |",
        f"| taken by the host of the virtual machine | {value(machine['stolen_percent'])} % |",
        f"| code | {results['commit'] or 'unknown'} |",
        f"| when | {results['began']}, {results['seconds']} s |",
    ]
    if "datagram_us" in machine:  # earlier runs have not measured it
        lines.append(f"| a datagram through a local socket | {value(machine['datagram_us'])} us, sent and read |")
    lines.append("")
    if others["most"] > QUIET:
        lines.append(SHARED)
    return lines


def _table(rows: List[Dict[str, Any]]) -> str:
    lines = ["| row | unit | least | median | p99 | greatest | rounds | goal | peers | ratio |"]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- | --- |")
    for row in rows:
        ours = row["ours"]
        cells = [value(ours[what]) for what in ("min", "median", "p99", "max", "n")] if ours else ["-"] * 5
        peers = ", ".join(
            f"{name} {value(its['median'])} (p99 {value(its['p99'])})" for name, its in sorted(row["peers"].items())
        )
        ratio = "-" if row["ratio"] is None else value(row["ratio"])
        lines.append(" | ".join((f"| {row['id']}", row["unit"], *cells, _goal(row), peers or "none", f"{ratio} |")))
    return "\n".join(lines) + "\n"


def _goal(row: Mapping[str, Any]) -> str:
    if row["goal"] is None:
        return "-"
    goal = f"{row['goal_of']} {value(row['goal'])}"
    return goal if reached(row) is None else f"{goal}: {'**missed**' if missed(row) else 'met'}"


def _about(row: Mapping[str, Any]) -> str:
    cannot = "".join(f" {name}: {why}." for name, why in sorted(row["cannot"].items()))
    later = row.get("later")
    where = f", on {later['cpu']}" if later and "cpu" in later else ""
    when = f" Measured later than the rest, at {later['commit']}, {later['began']}{where}." if later else ""
    return f"* `{row['id']}`: {row['title']}. {row['note'][:1].upper()}{row['note'][1:]}.{cannot}{when}"


def merged(known: Mapping[str, Any], some: Mapping[str, Any], order: Sequence[str]) -> Dict[str, Any]:
    """A whole run's results in which some rows were measured anew; each of these says when, and of which code.

    If that was on another processor, it says on which.

    order is of the ids of all rows; one that is not among them any more is left out.
    """
    later = {what: some[what] for what in ("commit", "began")}
    if some["machine"]["cpu"] != known["machine"]["cpu"]:
        later["cpu"] = some["machine"]["cpu"]
    rows = {row["id"]: row for row in known["rows"]}
    rows.update({row["id"]: {**row, "later": later} for row in some["rows"]})
    missing = [name for name in order if name not in rows]
    return {**known, "rows": [rows[name] for name in order if name in rows], "missing": missing}


def write(text: str) -> List[Path]:
    """docs/performance.json with this text, its page and pictures, and docs/scale.md where it can be computed."""
    results = json.loads(text)
    drawn = pictures(results)
    plan = scale.plan({row["id"]: row for row in results["rows"]}, results["machine"]["cores"])
    texts = {"performance.json": text, "performance.md": page(results)}
    texts.update({f"{PICTURES}/{name}": picture for name, picture in drawn.items()})
    if plan is not None:
        texts["scale.md"] = plan
    (DOCS / PICTURES).mkdir(exist_ok=True)
    for old in (DOCS / PICTURES).glob("*.svg"):
        if old.name not in drawn:
            old.unlink()
    for name, content in texts.items():
        (DOCS / name).write_text(content, encoding="utf-8")
    return [DOCS / name for name in texts]


if __name__ == "__main__":
    write((DOCS / "performance.json").read_text(encoding="utf-8"))
