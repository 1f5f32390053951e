# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chapters of docs/performance.md that draw conclusions from the rows. Pure; each is a list of lines."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Sequence

from .compare import NEAR, differing
from .growth import CURVES, grown
from .row import ahead, best_peer, compared, missed, reached

Number = Callable[[float], str]
Rows = Sequence[Mapping[str, Any]]


def where_behind(rows: Rows, number: Number) -> List[str]:
    """In which rows a peer is better."""
    having = [row for row in rows if compared(row)]
    if not having:
        return []
    lines = ["## Where a peer is ahead\n"]
    listed = [(row, what) for row in having if (what := ahead(row))]
    if not listed:
        return [*lines, f"Nowhere in the {len(having)} rows that have peers.\n"]
    lines.append(f"In {len(listed)} of the {len(having)} rows that have peers, in what the table names.\n")
    lines += [
        "| row | unit | in | ours | the best peer's | who has the best median |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row, what in listed:
        words = {one: "greatest" if one == "max" else one for one in what}
        mine = ", ".join(f"{words[one]} {number(row['ours'][one])}" for one in what)
        theirs = ", ".join(f"{words[one]} {number(_best(row, one))}" for one in what)
        cells = (row["id"], row["unit"], ", ".join(words.values()), mine, theirs, best_peer(row))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return [*lines, ""]


def _best(row: Mapping[str, Any], what: str) -> float:
    return min(float(peer[what]) for peer in row["peers"].values())


def missed_goals(rows: Rows, number: Number) -> List[str]:
    """The goals, as far as they are missed."""
    having = [row for row in rows if row["goal"] is not None and reached(row) is not None]
    short = [row for row in having if missed(row)]
    if not having:
        return []
    lines = ["## Goals\n", f"{len(having) - len(short)} of {len(having)} are met.\n"]
    for row in short:
        of = {"max": "greatest", "ratio": "ratio to the best peer"}.get(row["goal_of"], row["goal_of"])
        unit = "" if row["goal_of"] == "ratio" else f" {row['unit']}"
        why = f" {row['why']}" if row["why"] else ""
        lines.append(
            f"* **missed**: `{row['id']}`, {of} {number(reached(row) or 0.0)}{unit}, wanted {number(row['goal'])}.{why}"
        )
    return [*lines, ""] if short else lines


def not_measured(rows: Rows, missing: Sequence[str]) -> List[str]:
    """Rows without figures."""
    failed = [row["id"] for row in rows if not row["ours"]]
    lines = []
    if failed:
        lines.append(f"**Could not be measured in this run: {', '.join(failed)}.** Their notes say why.\n")
    if missing:
        lines.append(f"**Not measured yet: {', '.join(missing)}.**\n")
    return lines


def growth(rows: Rows, number: Number, folder: str) -> List[str]:
    """Curves, as pictures and as a table of the fitted lines."""
    by_id = {row["id"]: row for row in rows}
    known = [(curve, series) for curve in CURVES if (series := grown(curve, by_id))]
    if not known:
        return []
    lines = ["## How it grows\n", "Lines with the least relative errors, fitted to medians.\n"]
    lines += ["| figure | of | with | fixed | each more | at |", "| --- | --- | --- | ---: | ---: | --- |"]
    for curve, series in known:
        for one in series:
            at = ", ".join(number(point[0]) for point in one.points)
            fixed, each = (f"{value:.3g} {curve.unit}" for value in one.line)
            lines.append(f"| {curve.title} | {one.name} | {curve.across} | {fixed} | {each} | {at} |")
    return [*lines, "", *(f"![{curve.title}]({folder}/grows-{curve.id}.svg)\n" for curve, _series in known)]


def two_runs(agreement: Mapping[str, Any], number: Number) -> List[str]:
    """What a comparison of two runs has found."""
    first, second = agreement["runs"]
    differ = differing(agreement)
    rows: List[Dict[str, Any]] = agreement["rows"]
    lines = ["## Two runs\n"]
    lines.append(
        f"{first['began']} ({first['commit']}) and {second['began']} ({second['commit']}): {len(rows) - len(differ)} "
        f"of {len(rows)} rows agree. A spread goes from our lower quartile by the best peer's upper one to the "
        f"reverse, and where there is no peer from quartile to quartile of the figures themselves; rows agree where "
        f"the spreads have something in common, or the ratios differ by less than {NEAR * 100:g} %.\n"
    )
    lines += ["| row | by | first | spread | second | spread | |", "| --- | --- | ---: | --- | ---: | --- | --- |"]
    for row in rows:
        cells = []
        for figure, (low, high) in zip(row["figures"], row["spreads"]):
            cells += [number(figure), f"{number(low)} to {number(high)}"]
        verdict = "agree" if row["agree"] else "**differ**"
        lines.append(f"| {row['id']} | {row['of'] or 'itself'} | {' | '.join(cells)} | {verdict} |")
    lines.append("")
    for place, name in enumerate(("first", "second")):
        late = [f"`{row['id']}` {row['later'][place]}" for row in rows if row["later"][place]]
        if late:
            lines.append(f"Not of the {name} run itself, but begun at: {', '.join(late)}.\n")
    return lines
