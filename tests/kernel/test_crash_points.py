# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sample of the crash points of ``make crash-points``, which kills at every one: tests/crash."""

from __future__ import annotations

from typing import Iterator

import pytest
from crash.stories import STORIES, Bed, Judge, walk

pytestmark = pytest.mark.kernel
EVERY = 13


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Bed(nics=3) as bed:
        yield Judge(bed)


@pytest.mark.parametrize("story", STORIES)
def test_killed_at_a_sample_of_its_calls_the_end_is_clean(judge: Judge, story: str) -> None:
    first = {"detach": 4, "rollback": 6, "attach": 8}[story]
    assert walk(judge, STORIES[story], first=first, every=EVERY) == []
