# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of the bench goes on after a row that fails, and leaves what it has measured when it is stopped."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from bench import run as bench_run
from bench.row import BenchError, Figures, Row, Run


def fine(_run: Run) -> Figures:
    return Figures([1.0, 2.0], "measured", peers={"peer": [4.0], "other": "cannot do it"})


def broken(_run: Run) -> Figures:
    raise BenchError("the daemon has ended")


def defective(_run: Run) -> Figures:
    raise ZeroDivisionError("float division by zero")


def stopped(_run: Run) -> Figures:
    sys.exit(143)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Run rows of these measures; (exit code, rows of results.json by id, texts given to docs)."""

    def run(*measures: Callable[[Run], Figures]) -> Any:
        written: List[str] = []
        rows = tuple(Row(measure.__name__, "title", "ms", measure) for measure in measures)
        monkeypatch.setattr(bench_run, "ROWS", rows)
        monkeypatch.setattr(bench_run, "LOOK", 0.0)
        monkeypatch.setattr(bench_run, "CHECKOUT", tmp_path)
        monkeypatch.setattr(bench_run, "RESULTS", tmp_path / "results.json")
        monkeypatch.setattr(bench_run, "write", written.append)
        monkeypatch.setattr(bench_run.signal, "signal", lambda *_: None)
        for name in ("BENCH_QUICK", "BENCH_DOCS"):
            monkeypatch.delenv(name, raising=False)
        code = bench_run.main([])
        results: Dict[str, Any] = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
        return code, {row["id"]: row for row in results["rows"]}, written

    return run


def test_rows_after_one_that_fails_are_measured_and_the_code_says_so(measured: Callable[..., Any]) -> None:
    code, rows, written = measured(broken, defective, fine)
    assert code == 1
    assert list(rows) == ["broken", "defective", "fine"]
    assert rows["broken"]["note"] == "not measured: BenchError: the daemon has ended"
    assert rows["defective"]["ours"] is None
    assert (rows["fine"]["ours"]["median"], rows["fine"]["ratio"]) == (1.5, 0.375)
    assert rows["fine"]["cannot"] == {"other": "cannot do it"}
    assert len(written) == 1


def test_all_is_well_when_every_row_is_measured(measured: Callable[..., Any]) -> None:
    assert measured(fine)[0] == 0


def test_a_stopped_run_leaves_its_results_and_no_page(measured: Callable[..., Any]) -> None:
    code, rows, written = measured(fine, stopped, broken)
    assert (code, list(rows), written) == (130, ["fine"], [])


def test_a_row_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(bench_run.signal, "signal", lambda *_: None)
    assert bench_run.main(["nonsense"]) == 2
    assert "there is no row nonsense; there are" in capsys.readouterr().err


def test_a_comparison_prints_each_row_and_its_code_says_whether_all_agree(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    monkeypatch.setattr(bench_run.signal, "signal", lambda *_: None)
    monkeypatch.delenv("BENCH_DOCS", raising=False)
    paths = []
    for place, value in enumerate((1.0, 2.0)):
        row = Row("one", "title", "ms", fine).result(Figures([value], "note"))
        path = tmp_path / f"{place}.json"
        path.write_text(json.dumps({"commit": "c", "began": "b", "seconds": 1, "rows": [row]}), encoding="utf-8")
        paths.append(str(path))
    assert bench_run.main(["--compare", *paths]) == 1
    assert "0 of 1 rows agree" in capsys.readouterr().out
    assert bench_run.main(["--compare", paths[0], paths[0]]) == 0
    assert bench_run.main(["--compare", paths[0]]) == 2
