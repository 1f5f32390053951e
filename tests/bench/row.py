# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a row of the bench is: how it is measured, and what comes of that."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Union

USUAL = 20  # rounds
PING = "ping"  # no rival, but what the least play costs


class BenchError(Exception):
    """A row could not be measured; ``str()`` is one sentence."""


class Run(NamedTuple):
    """How to measure: ``quick`` is few rounds, to try the bench itself; ``say`` prints a line of progress."""

    quick: bool
    say: Callable[[str], None]

    def rounds(self, usual: int = USUAL) -> int:
        """So many rounds, or two in a quick run."""
        return min(usual, 2) if self.quick else usual


class Figures(NamedTuple):
    """One value a round in the row's unit, what a reader has to know about them, further numbers, and others' values.

    Peers are measured in the same rounds, in turn with us: name -> one value a round, or why there is none.
    """

    values: Sequence[float]
    note: str
    details: Dict[str, float] = {}
    peers: Mapping[str, Union[Sequence[float], str]] = {}
    why: str = ""  # where the time goes, a sentence; shown where the goal is missed


@dataclass(frozen=True)
class Row:
    """One row; less is better in all of them. part: the page's chapter.

    goal: what ``goal_of`` (one of summary's figures, or "ratio") shall not exceed.
    """

    id: str
    title: str
    unit: str
    measure: Callable[[Run], Figures]
    goal: Optional[float] = None
    goal_of: str = "median"
    part: str = ""
    cannot: Mapping[str, str] = field(default_factory=dict)  # peers that cannot do it, and why

    def result(self, figures: Optional[Figures], problem: str = "") -> Dict[str, Any]:
        """The row of results.json; without figures it says what the problem was."""
        row: Dict[str, Any] = {"id": self.id, "title": self.title, "part": self.part, "unit": self.unit}
        row["better"] = "lower"
        row["ours"] = summary(figures.values) if figures else None
        peers = dict(figures.peers) if figures else {}
        row["peers"] = {name: summary(values) for name, values in peers.items() if not isinstance(values, str)}
        row["ratio"] = ratio(row["ours"], row["peers"].values())
        row["cannot"] = {**self.cannot, **{name: why for name, why in peers.items() if isinstance(why, str)}}
        row.update(goal=self.goal, goal_of=self.goal_of)
        row["note"] = figures.note if figures else f"not measured: {problem}"
        row["details"] = figures.details if figures else {}
        row["why"] = figures.why if figures else ""
        return row


def summary(values: Sequence[float]) -> Dict[str, float]:
    """Least, quartiles, median, 99th percentile, greatest, and how many there are.

    A percentile is the least value that so many in a hundred do not exceed.
    """
    ordered = sorted(values)

    def percentile(hundredths: int) -> float:
        return ordered[math.ceil(len(ordered) * hundredths / 100) - 1]

    found = {"min": ordered[0], "q1": percentile(25), "median": statistics.median(ordered), "q3": percentile(75)}
    found.update(p99=percentile(99), max=ordered[-1])
    return {**{name: round(value, 4) for name, value in found.items()}, "n": len(ordered)}


def best_peer(row: Mapping[str, Any]) -> Optional[str]:
    """The name of the peer with the least median; None without peers."""
    return min(row["peers"], key=lambda name: float(row["peers"][name]["median"]), default=None)


def ratio(ours: Optional[Mapping[str, float]], peers: Iterable[Mapping[str, float]]) -> Optional[float]:
    """Our median by that of the best peer; None without peers, or where the best has 0 and so cannot be divided by."""
    best = min((peer["median"] for peer in peers), default=0.0)
    return round(ours["median"] / best, 4) if ours and best else None


def reached(row: Mapping[str, Any]) -> Optional[float]:
    """What the row's goal is about; None where it was not measured."""
    if not row["ours"]:
        return None
    found = row["ratio"] if row["goal_of"] == "ratio" else row["ours"][row["goal_of"]]
    return None if found is None else float(found)


def missed(row: Mapping[str, Any]) -> bool:
    """Has it a goal that was not reached?"""
    found = reached(row)
    return row["goal"] is not None and found is not None and found > row["goal"]


def compared(row: Mapping[str, Any]) -> bool:
    """Was it measured, and a rival, too?"""
    return bool(row["ours"]) and bool(row["peers"].keys() - {PING})


def ahead(row: Mapping[str, Any]) -> List[str]:
    """In what the best of the peers, each for itself, is better than we are: of ``median``, ``p99`` and ``max``."""
    if not compared(row):
        return []
    what = ("median", "p99", "max")
    return [one for one in what if min(peer[one] for peer in row["peers"].values()) < row["ours"][one]]
