# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Columns: for people with a heading and fixed places, for programs with colons (IST-3, IST-5)."""

from __future__ import annotations

import os
from typing import Callable, List, Mapping, Optional, Sequence, TextIO, Tuple

SCREEN = 80

Row = Mapping[str, str]


class FieldError(Exception):
    """The output fields that were asked for cannot be had. ``str()`` is IST-5's text."""


class Table:
    """Output fields of one mode: (NAME, width with the blank behind it), in their default order."""

    def __init__(self, *fields: Tuple[str, int]) -> None:
        self.fields = fields

    def choose(self, wanted: Optional[str], parsable: bool, warn: Callable[[str], object]) -> List[Tuple[str, int]]:
        """Fields for ``-o wanted``; without it as many as fit on the screen. Raises FieldError."""
        if wanted is None:
            if parsable:
                raise FieldError("output fields must be specified in parsable mode")
            return self._that_fit()
        if wanted.lower() == "all":
            if parsable:
                raise FieldError("output field `all' invalid in parsable mode")
            return list(self.fields)
        known = dict(self.fields)
        chosen: List[Tuple[str, int]] = []
        for word in wanted.split(","):
            name = word.upper()
            if name in known:
                chosen.append((name, known[name]))
            elif parsable:
                raise FieldError(f"unknown output field: `{word}'")
            else:
                warn(f"ignoring unknown output field: `{word}'")
        if not chosen:
            raise FieldError("no valid output fields")
        return chosen

    def _that_fit(self) -> List[Tuple[str, int]]:
        chosen: List[Tuple[str, int]] = []
        for field in self.fields:
            if sum(width for _name, width in chosen) + field[1] > SCREEN:
                break
            chosen.append(field)
        return chosen


class Printer:
    """Writes rows as they come. On a terminal the heading is repeated on each screenful."""

    def __init__(self, fields: Sequence[Tuple[str, int]], parsable: bool, stdout: TextIO) -> None:
        self._fields, self._parsable, self._stdout = fields, parsable, stdout
        self._screen = os.get_terminal_size(stdout.fileno()).lines if stdout.isatty() else 0
        self._rows = 0

    def row(self, values: Row) -> None:
        """One row; a field without a value is empty."""
        texts = [values.get(name, "") for name, _width in self._fields]
        if self._parsable:
            self._stdout.write(":".join(map(self._escaped, texts)) + "\n")
            self._stdout.flush()
            return
        if self._rows == 0 or (self._screen > 1 and self._rows % (self._screen - 1) == 0):
            self._write([name for name, _width in self._fields])
        self._rows += 1
        self._write([text or "--" for text in texts])
        self._stdout.flush()

    def _write(self, texts: Sequence[str]) -> None:
        self._stdout.write(columns(texts, [width for _name, width in self._fields]) + "\n")

    def _escaped(self, text: str) -> str:
        return text.replace("\\", "\\\\").replace(":", "\\:") if len(self._fields) > 1 else text


def columns(texts: Sequence[str], widths: Sequence[int]) -> str:
    """One line; a text too long for its place moves only as many of the following as it must."""
    line, place = "", 0
    for text, width in zip(texts, widths):
        if line:
            line = line.ljust(max(place, len(line) + 1))
        line += text
        place += width
    return line
