# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench still measures: a few of its rows, two rounds each, without a word about how fast that is."""

from __future__ import annotations

from typing import Any, List

import pytest
from bench import soak
from bench.row import Run
from bench.rows import ROWS
from bench.silent import silent_loss

pytestmark = pytest.mark.kernel
QUICK = Run(True, print)
BY_ID = {row.id: row for row in ROWS}


@pytest.mark.parametrize(
    "name", ["probe_cpu_fdt100_8_nics", "status_16_groups", "failover_10_addresses", "failover_v6_1_addresses"]
)
def test_a_row_is_measured(name: str) -> None:
    figures = BY_ID[name].measure(QUICK)
    assert len(figures.values) == 2
    assert all(value > 0 for value in figures.values)
    assert figures.note


def test_a_silent_loss_is_found_after_five_probes_and_not_before() -> None:
    figures = silent_loss(100, QUICK, compared=False)
    assert all(value >= 4 * 14 for value in figures.values)


def test_the_soak_sees_a_nic_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cut(soak.Bed):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            beds.append(self)

    beds: List[Cut] = []
    monkeypatch.setattr(soak, "Bed", Cut)
    monkeypatch.setattr(soak, "PROGRESS", 2.0)

    def say(_text: str) -> None:
        if not beds[0].nic("eth6").silent:
            beds[0].nic("eth6").cut()

    figures = soak.soak(6.0, Run(True, say))
    assert figures.values[0] >= 1
    assert "NIC failure detected on" in figures.note
    assert figures.details["sent"] > 0
