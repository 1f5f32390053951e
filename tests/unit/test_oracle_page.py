# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/oracle.md says what the tests' oracle marks say, and a wrong mark is not overlooked."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


def tool() -> Any:
    """tools/oracle.py as a module."""
    spec = importlib.util.spec_from_file_location("tools_oracle", CHECKOUT / "tools" / "oracle.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ORACLE = tool()


def test_the_page_is_up_to_date() -> None:
    written = (CHECKOUT / "docs" / "oracle.md").read_text(encoding="utf-8")
    assert written == ORACLE.page(ORACLE.cases(), ORACLE.marks()), "docs/oracle.md is out of date: run 'make oracle'"


def test_rows_have_the_promised_form() -> None:
    lines = ORACLE.page(ORACLE.cases(), ORACLE.marks()).splitlines()
    rows = [line for line in lines if re.match(r"\| T\d", line)]
    form = r"\| T\d+ \| (pass \| tests/\S+::\S+ \| \||deviates \| tests/\S+::\S+ \| [^|]+ \||open \| \| \|)"
    assert len(rows) == len(ORACLE.cases())
    assert [row for row in rows if not re.fullmatch(form, row)] == []


def shown(tmp_path: Path, text: str) -> Any:
    """The marks of a checkout with one test file."""
    (tmp_path / "tests" / "sim").mkdir(parents=True)
    (tmp_path / "tests" / "sim" / "test_one.py").write_text(text)
    return ORACLE.marks(tmp_path)


def test_marks_are_found_wherever_pytest_finds_them(tmp_path: Path) -> None:
    text = """
import pytest
WHY = "since it is " "better"
@pytest.mark.oracle("T01")
@pytest.mark.oracle("T02", deviates=WHY)
def test_a(): pass
class TestB:
    @pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.oracle("T03"))])
    def test_c(self, x): pass
@pytest.mark.oracle("T04")
@pytest.mark.xfail(strict=True)
def test_d(): pass
@pytest.mark.oracle("T06")
@pytest.mark.skipif(True, reason="")
def test_e(): pass
@pytest.mark.oracle("T07")
def no_test(): pass
"""
    a, c = "tests/sim/test_one.py::test_a", "tests/sim/test_one.py::TestB::test_c"
    found = shown(tmp_path, text)
    assert found == [("T01", a, ""), ("T02", a, "since it is better"), ("T03", c, "")]
    page = ORACLE.page({"T01": "", "T02": "", "T03": "", "T04": ""}, found)
    assert f"| T01 | pass | {a} | |\n| T02 | deviates | {a} | since it is better |" in page
    assert f"| T03 | pass | {c} | |\n| T04 | open | | |" in page


def test_a_mark_on_the_module_is_on_its_tests(tmp_path: Path) -> None:
    found = shown(tmp_path, 'pytestmark = [pytest.mark.kernel, pytest.mark.oracle("T01")]\ndef test_a(): pass\n')
    assert [(one.case, one.test) for one in found] == [("T01", "tests/sim/test_one.py::test_a")]


@pytest.mark.parametrize(
    "mark",
    ["oracle()", "oracle(CASE)", 'oracle("T01", "T02")', 'oracle("T01", deviates="")', 'oracle("T01", why="")']
    + ['oracle("T01", deviates="a|b")', 'oracle("T01", deviates=REASON)', 'oracle("T01", deviates=None)'],
)
def test_a_mark_that_says_nothing_is_an_error(tmp_path: Path, mark: str) -> None:
    with pytest.raises(ORACLE.OracleError, match="test_one.py:1"):
        shown(tmp_path, f"@pytest.mark.{mark}\ndef test_a(): pass\n")


def test_an_unknown_case_is_an_error() -> None:
    with pytest.raises(ORACLE.OracleError, match="no case T99"):
        ORACLE.page({"T01": ""}, [ORACLE.Shown("T99", "tests/sim/x", "")])


def test_of_several_tests_one_that_deviates_is_named_else_the_first() -> None:
    several = [ORACLE.Shown("T01", f"tests/kernel/{name}", "") for name in "xyz"]
    assert "| T01 | pass | tests/kernel/x | |" in ORACLE.page({"T01": ""}, several)
    several[1] = several[1]._replace(why="better so")
    assert "| T01 | deviates | tests/kernel/y | better so |" in ORACLE.page({"T01": ""}, several)
