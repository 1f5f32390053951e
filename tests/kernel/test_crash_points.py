# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sample of the crash points of ``make crash-points``, which kills at every one: tests/crash."""

from __future__ import annotations

from typing import Iterator, List, Sequence

import pytest
from crash.killing import Point
from crash.stories import Bed, Judge, twice, walk
from crash.test_every_point import JUDGES

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def judge(request: pytest.FixtureRequest) -> Iterator[Judge]:
    with Bed(nics=3) as bed:
        made = JUDGES[request.param](bed)
        yield made
        made.close()


def at(**numbers: int) -> List[Point]:
    """Of calls of these names these."""
    return [Point(call, number) for call, number in numbers.items()]


@pytest.mark.parametrize(
    ("judge", "name", "points"),
    [
        ("plain", "detach", at(sendto=56, fsync=3, rename=2)),
        ("plain", "rollback", at(pwrite64=2, sendto=45)),
        ("plain", "attach", at(write=5, sendto=65, unlink=1)),
        ("consumers", "detach", at(clone3=4, pwrite64=7)),
        ("hardware", "rollback", at(sendto=31)),
        ("configuration", "apply, confirmed", at(sendto=47)),
        ("configuration", "apply, rolled back", at(rename=2)),
        ("setup", "apply, thought better of", at(sendto=9, write=6)),
    ],
    indirect=["judge"],
)
def test_killed_at_a_sample_of_its_calls_the_end_is_clean(judge: Judge, name: str, points: Sequence[Point]) -> None:
    assert walk(judge, name, points) == []


@pytest.mark.parametrize("judge", ["plain"], indirect=True)
def test_killed_again_at_the_start_the_end_is_clean(judge: Judge) -> None:
    assert twice(judge, "detach", at(sendto=53, fsync=6), iter(at(sendto=25, rename=1))) == []
