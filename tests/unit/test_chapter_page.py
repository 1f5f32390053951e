# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every statement in docs/chapter.md names a test, and every test that it names is there and runs."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import List

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
ORACLE = CHECKOUT / "tests" / "kernel" / "oracle"
PAGE = (CHECKOUT / "docs" / "chapter.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| C\d", line)]
NAMED = sorted(set(re.findall(r"`(\S+\.py)::(\w+)`", PAGE)))


def runs(path: Path) -> List[str]:
    """The tests of a file that are neither skipped nor expected to fail."""
    found = []
    for one in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(one, ast.FunctionDef) and one.name.startswith("test"):
            words = {
                node.attr for mark in one.decorator_list for node in ast.walk(mark) if isinstance(node, ast.Attribute)
            }
            if not words & {"skip", "skipif", "xfail"}:
                found.append(one.name)
    return found


def test_the_statements_are_numbered_and_each_has_a_test() -> None:
    assert [row.split()[1] for row in ROWS] == [f"C{number:02}" for number in range(1, len(ROWS) + 1)]
    assert len(ROWS) >= 35
    assert [row for row in ROWS if ".py::test_" not in row] == []


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_what_it_names_is_there(file: str, test: str) -> None:
    assert test in runs(ORACLE / file)
