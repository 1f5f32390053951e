# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plots as SVG texts: boxes of us and the peers, row by row, and curves with their fitted lines. Pure."""

from __future__ import annotations

import math
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Sequence, Tuple
from xml.sax.saxutils import escape

WIDTH, NAMES, RIGHT = 940, 320, 70  # px; of all, of the names, of the figures at the right
LINE, GAP = 18, 26  # px; of a party, of a row's title
LOGARITHMIC = 20.0  # from this ratio of the greatest to the least value on
OURS, THEIRS = "#0b62a4", "#b35806"
COLOURS = ("#0b62a4", "#b35806", "#4d7c2a", "#7b3294", "#666666")
STYLE = (
    "<style>text{font:12px sans-serif;fill:#222}.t{font-weight:bold}.e{text-anchor:end}.m{text-anchor:middle}"
    ".g{stroke:#ddd}.s{fill:#666}</style>"
)


class Series(NamedTuple):
    """One curve: (x, median, least, greatest) of each point, and the fitted line's fixed part and slope."""

    name: str
    points: Sequence[Tuple[float, float, float, float]]
    line: Tuple[float, float]


class Axis:
    """Places on one axis of so many px, from values; logarithmic where the values are far apart. 0 is at its begin."""

    def __init__(self, values: Sequence[float], begin: float, length: float, *, flip: bool = False) -> None:
        above = [value for value in values if value > 0] or [1.0]
        low, high = min(above), max(above)
        self.logarithmic = high / low > LOGARITHMIC
        self._begin, self._length, self._flip = begin, length, flip
        self._low = 10 ** math.floor(math.log10(low)) if self.logarithmic else 0.0
        self._high = 10 ** math.ceil(math.log10(high)) if self.logarithmic else _round_up(high)

    def __call__(self, value: float) -> float:
        if self.logarithmic:
            value = max(value, self._low)
            share = math.log(value / self._low) / math.log(self._high / self._low)
        else:
            share = value / self._high
        share = 1 - share if self._flip else share
        return round(self._begin + share * self._length, 1)

    def ticks(self) -> List[float]:
        """Values to draw a line at."""
        if not self.logarithmic:
            return [self._high * n / 4 for n in range(5)]
        decades = round(math.log10(self._high / self._low))
        return [self._low * 10**n for n in range(decades + 1)]


def _round_up(high: float) -> float:
    step = 10.0 ** math.floor(math.log10(high))
    return next(step * n for n in (1, 2, 4, 6, 8, 10) if step * n >= high)


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(text)}</text>'


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:g}" role="img">'
    ground = f'<rect width="{WIDTH}" height="{height:g}" fill="#fff"/>'
    return "\n".join((head, f"<title>{escape(title)}</title>", STYLE, ground, *parts, "</svg>\n"))


def boxes(rows: Sequence[Mapping[str, Any]], number: Callable[[float], str]) -> str:
    """Rows of one unit that have been measured, us and the peers below each other.

    A line from the least to the greatest value, a box over the middle half, a dot at the median, a stroke at p99.
    """
    unit = rows[0]["unit"]
    parties = [[("this collection", row["ours"], OURS)] for row in rows]
    for row, listed in zip(rows, parties):
        listed += [(name, its, THEIRS) for name, its in sorted(row["peers"].items())]
    height = 40 + sum(GAP + LINE * len(listed) for listed in parties) + 10
    values = [its[what] for listed in parties for _name, its, _colour in listed for what in ("min", "median", "max")]
    axis = Axis(values, NAMES, WIDTH - NAMES - RIGHT)
    drawn = []
    for tick in axis.ticks():
        drawn.append(f'<line x1="{axis(tick)}" x2="{axis(tick)}" y1="30" y2="{height - 6}" class="g"/>')
        drawn.append(_text(axis(tick), 24, number(tick), "m s"))
    scale = f"{unit}, logarithmic" if axis.logarithmic else unit
    drawn.append(_text(8, 24, f"{scale}; less is better", "s"))
    y = 40.0
    for row, listed in zip(rows, parties):
        drawn.append(_text(8, y + 14, row["title"], "t"))
        y += GAP
        for name, its, colour in listed:
            drawn += _box(axis, y, its, colour)
            drawn.append(_text(NAMES - 12, y + 4, name, "e"))
            drawn.append(_text(WIDTH - 8, y + 4, number(its["median"]), "e"))
            y += LINE
    return _svg(height, f"{unit} of {len(rows)} rows, us and others", drawn)


def _box(axis: Axis, y: float, its: Mapping[str, float], colour: str) -> List[str]:
    low, q1, median, q3, p99, high = (axis(its[what]) for what in ("min", "q1", "median", "q3", "p99", "max"))
    return [
        f'<line x1="{low}" x2="{high}" y1="{y}" y2="{y}" stroke="{colour}"/>',
        f'<rect x="{q1}" y="{y - 4}" width="{max(1.0, q3 - q1):.1f}" height="8" fill="{colour}" fill-opacity=".35"/>',
        f'<line x1="{p99}" x2="{p99}" y1="{y - 5}" y2="{y + 5}" stroke="{colour}"/>',
        f'<circle cx="{median}" cy="{y}" r="3.5" fill="{colour}"/>',
    ]


def curves(title: str, across: str, unit: str, series: Sequence[Series], number: Callable[[float], str]) -> str:
    """Medians with least and greatest values over what they grow with, and the fitted lines."""
    height, top, bottom, left = 340.0, 40.0, 46.0, 70.0
    xs = [point[0] for one in series for point in one.points]
    ys = [value for one in series for point in one.points for value in point[1:]]
    across_axis = Axis(xs, left, WIDTH - left - 240)
    up_axis = Axis(ys, top, height - top - bottom, flip=True)
    drawn = [_text(8, 20, title, "t"), _text(left, height - 8, across, "s"), _text(8, 36, unit, "s")]
    for tick in across_axis.ticks():
        x = across_axis(tick)
        drawn.append(f'<line x1="{x}" x2="{x}" y1="{top}" y2="{height - bottom}" class="g"/>')
        drawn.append(_text(x, height - bottom + 16, number(tick), "m s"))
    for tick in up_axis.ticks():
        y = up_axis(tick)
        drawn.append(f'<line x1="{left}" x2="{WIDTH - 240}" y1="{y}" y2="{y}" class="g"/>')
        drawn.append(_text(left - 6, y + 4, number(tick), "e s"))
    for place, (one, colour) in enumerate(zip(series, COLOURS)):
        drawn += _curve(one, colour, across_axis, up_axis)
        y = top + 20 + 20 * place
        drawn.append(f'<circle cx="{WIDTH - 224}" cy="{y - 4}" r="4" fill="{colour}"/>')
        drawn.append(_text(WIDTH - 212, y, one.name))
    return _svg(height, title, drawn)


def _curve(one: Series, colour: str, across: Axis, up: Axis) -> List[str]:
    drawn = []
    first, last = one.points[0][0], one.points[-1][0]
    # Drawn in pieces: a straight line is none where an axis is logarithmic.
    steps = [first * (last / first) ** (n / 24) for n in range(25)]
    fixed, each = one.line
    path = " ".join(f"{across(x)},{up(max(0.0, fixed + each * x))}" for x in steps)
    drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-dasharray="4 3"/>')
    for x, median, least, greatest in one.points:
        place = across(x)
        drawn.append(f'<line x1="{place}" x2="{place}" y1="{up(least)}" y2="{up(greatest)}" stroke="{colour}"/>')
        drawn.append(f'<circle cx="{place}" cy="{up(median)}" r="4" fill="{colour}"/>')
    return drawn


def by_unit(rows: Sequence[Mapping[str, Any]]) -> Dict[str, List[Mapping[str, Any]]]:
    """Rows that can share an axis."""
    found: Dict[str, List[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["unit"], []).append(row)
    return found
