# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sample of the crash points of ``make crash-points``, which kills at every one: tests/crash."""

from __future__ import annotations

from typing import Iterator, Sequence

import pytest
from crash.stories import Bed, Judge, twice, walk
from crash.test_every_point import JUDGES

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def judge(request: pytest.FixtureRequest) -> Iterator[Judge]:
    with Bed(nics=3) as bed:
        made = JUDGES[request.param](bed)
        yield made
        made.close()


@pytest.mark.parametrize(
    ("judge", "name", "points"),
    [
        ("plain", "detach", (17, 56, 82)),
        ("plain", "rollback", (6, 45)),
        ("plain", "attach", (8, 34)),
        ("consumers", "detach", (12, 40)),
        ("hardware", "rollback", (5, 31)),
        ("configuration", "apply, confirmed", (9, 47)),
        ("configuration", "apply, rolled back", (20,)),
        ("setup", "apply, thought better of", (9, 50)),
    ],
    indirect=["judge"],
)
def test_killed_at_a_sample_of_its_calls_the_end_is_clean(judge: Judge, name: str, points: Sequence[int]) -> None:
    assert walk(judge, name, points) == []


@pytest.mark.parametrize("judge", ["plain"], indirect=True)
def test_killed_again_at_the_start_the_end_is_clean(judge: Judge) -> None:
    assert twice(judge, "detach", (30, 60), iter((25, 50))) == []
