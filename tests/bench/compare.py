# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs side by side: does each ratio of the one agree with that of the other? Pure, but for ``load``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .row import best_peer

NEAR = 0.05  # two ratios that differ by less than this part of them agree, however little each of them scatters
Spread = Tuple[float, float]


def compared(one: Mapping[str, Any], other: Mapping[str, Any]) -> Dict[str, Any]:
    """``{"runs": [...], "rows": [{"id", "of", "figures", "spreads", "agree", "later"}]}`` of two results.json.

    of: the peer of the ratio, or "" where there is none and the medians themselves are compared. A spread goes from
    our lower quartile by the peer's upper one to the reverse; agree: the spreads have something in common.
    later: when each was measured, where that was not in its run; else None.
    """
    others = {row["id"]: row for row in other["rows"]}
    rows = [_row(row, others[row["id"]]) for row in one["rows"] if row["id"] in others]
    runs = [{what: run[what] for what in ("commit", "began", "seconds")} for run in (one, other)]
    return {"runs": runs, "rows": [row for row in rows if row is not None]}


def _row(one: Mapping[str, Any], other: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
    if not one["ours"] or not other["ours"]:
        return None
    peer = best_peer(one) or ""
    if peer and (peer not in other["peers"] or not one["peers"][peer]["q1"] or not other["peers"][peer]["q1"]):
        peer = ""
    figures, spreads = zip(*(_ratio(row, peer) for row in (one, other)))
    low, high = max(spread[0] for spread in spreads), min(spread[1] for spread in spreads)
    near = max(figures) - min(figures) <= NEAR * max(figures)
    later = tuple(row.get("later", {}).get("began") for row in (one, other))
    found = {"id": one["id"], "of": peer, "figures": figures, "spreads": spreads, "agree": low <= high or near}
    return {**found, "later": later}


def _ratio(row: Mapping[str, Any], peer: str) -> Tuple[float, Spread]:
    ours = row["ours"]
    if not peer:
        return ours["median"], (ours["q1"], ours["q3"])
    its = row["peers"][peer]
    spread = (round(ours["q1"] / its["q3"], 4), round(ours["q3"] / its["q1"], 4))
    return round(ours["median"] / its["median"], 4), spread


def differing(found: Mapping[str, Any]) -> List[Mapping[str, Any]]:
    """The rows that do not agree."""
    return [row for row in found["rows"] if not row["agree"]]


def lines(found: Mapping[str, Any]) -> List[str]:
    """As text, a row a line."""
    table = [("ROW", "BY", "FIRST", "SPREAD", "SECOND", "SPREAD", "")]
    for row in found["rows"]:
        cells = [
            text
            for figure, (low, high) in zip(row["figures"], row["spreads"])
            for text in (f"{figure:.4g}", f"{low:.4g}..{high:.4g}")
        ]
        table.append((row["id"], row["of"] or "(median)", *cells, "agree" if row["agree"] else "DIFFER"))
    widths = [max(len(row[place]) for row in table) for place in range(7)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table]


def load(paths: Sequence[str]) -> Dict[str, Any]:
    """Compare two files."""
    one, other = (json.loads(Path(path).read_text(encoding="utf-8")) for path in paths)
    return compared(one, other)
