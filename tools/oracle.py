#!/usr/bin/env python3
# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/oracle.md: for each case of the test oracle the test that shows it, why we deviate, or that it is open.

It reads the ``oracle`` marks out of the tests' texts, so that no test runs and nothing is imported. Only tests on a
kernel, or in simulated time, show a case; one that is skipped or expected to fail shows none. Usage: tools/oracle.py
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, NamedTuple, Sequence

CHECKOUT = Path(__file__).resolve().parent.parent
PAGE = CHECKOUT / "docs" / "oracle.md"
RUN = ("tests/kernel", "tests/sim")  # make test runs both; where both show a case, the kernel is the better witness
NOT_SHOWN = ("skip", "skipif", "xfail")

HEAD = """\
# The test oracle

Written by `make oracle` from the tests' `oracle` marks; a case counts because `make test` runs its test. The numbers
are those of section 23 of the behaviour reference; those that are missing there are missing here.

| case | result | test | why we deviate |
| --- | --- | --- | --- |
"""


class OracleError(Exception):
    """A mark is wrong; the text is one sentence with file and line."""


class Shown(NamedTuple):
    """One mark: the case, the test that bears it, and why we deviate, or ""."""

    case: str
    test: str
    why: str


def cases() -> Dict[str, str]:
    """Number -> title, from tests/oracle_cases.py."""
    names: Dict[str, Dict[str, str]] = {}
    exec((CHECKOUT / "tests" / "oracle_cases.py").read_text(encoding="utf-8"), names)
    return names["CASES"]


def marks(checkout: Path = CHECKOUT) -> List[Shown]:
    """All marks of the tests that make test runs, in the order of files and lines; OracleError."""
    found: List[Shown] = []
    for folder in RUN:
        for path in sorted((checkout / folder).rglob("test_*.py")):
            name = path.relative_to(checkout).as_posix()
            found += _of_module(ast.parse(path.read_text(encoding="utf-8"), name), name)
    return found


def _of_module(module: ast.Module, name: str) -> Iterator[Shown]:
    values = {
        target.id: statement.value
        for statement in module.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    common = [values["pytestmark"]] if "pytestmark" in values else []
    yield from _of_body(_Reasons(values).visit(module).body, name, name, common)


class _Reasons(ast.NodeTransformer):
    """Puts a module's strings where their names are: several cases may share one reason."""

    def __init__(self, values: Mapping[str, ast.expr]) -> None:
        self._values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        value = self._values.get(node.id)
        return value if isinstance(node.ctx, ast.Load) and isinstance(value, ast.Constant) else node


def _of_body(body: Sequence[ast.stmt], prefix: str, file: str, common: Sequence[ast.expr]) -> Iterator[Shown]:
    for one in body:
        if isinstance(one, ast.ClassDef) and one.name.startswith("Test"):
            yield from _of_body(one.body, f"{prefix}::{one.name}", file, [*common, *one.decorator_list])
        elif isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)) and one.name.startswith("test"):
            calls = [node for place in (*common, *one.decorator_list) for node in ast.walk(place)]
            if any(isinstance(node, ast.Attribute) and node.attr in NOT_SHOWN for node in calls):
                continue
            for node in calls:
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "oracle":
                    yield _read(node, f"{prefix}::{one.name}", f"{file}:{node.lineno}")


def _read(mark: ast.Call, test: str, where: str) -> Shown:
    words = [argument.value for argument in mark.args if isinstance(argument, ast.Constant)]
    named = {keyword.arg: keyword.value for keyword in mark.keywords}
    if len(mark.args) != 1 or len(words) != 1 or not isinstance(words[0], str) or set(named) - {"deviates"}:
        raise OracleError(f'{where}: write oracle("T01") or oracle("T33", deviates="why, one sentence")')
    why = named.get("deviates")
    text = why.value if isinstance(why, ast.Constant) else None
    if why is not None and (not isinstance(text, str) or not text.strip() or set(text) & set("|\n")):
        raise OracleError(f"{where}: deviates is one sentence as a string, without '|' and line ends")
    return Shown(words[0], test, text if isinstance(text, str) else "")


def page(titles: Dict[str, str], shown: Sequence[Shown]) -> str:
    """The text of docs/oracle.md: of several tests of a case one that deviates, else the first; OracleError."""
    by_case: Dict[str, Shown] = {}
    for one in shown:
        if one.case not in titles:
            raise OracleError(f"{one.test}: there is no case {one.case} in tests/oracle_cases.py")
        before = by_case.get(one.case)
        if before is None or (one.why and not before.why):
            by_case[one.case] = one
    rows = []
    for case in titles:
        test = by_case.get(case)
        if test is None:
            rows.append(f"| {case} | open | | |")
        elif test.why:
            rows.append(f"| {case} | deviates | {test.test} | {test.why} |")
        else:
            rows.append(f"| {case} | pass | {test.test} | |")
    asked = "".join(f"* {case}: {title}\n" for case, title in titles.items())
    return f"{HEAD}{chr(10).join(rows)}\n\n## What each case asks for\n\n{asked}"


def main() -> int:
    """Write the page; 1 and a sentence if a mark is wrong."""
    try:
        PAGE.write_text(page(cases(), marks()), encoding="utf-8")
    except OracleError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
