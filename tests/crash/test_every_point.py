# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each call at which a detach, a rollback or an attach could be killed. ``make crash-points``."""

from __future__ import annotations

from typing import Iterator

import pytest
from bed import Bed

from .stories import STORIES, Judge, walk

pytestmark = [pytest.mark.kernel, pytest.mark.crash]


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Bed(nics=3) as bed:
        yield Judge(bed)


@pytest.mark.parametrize("story", STORIES)
def test_whichever_call_it_is_killed_at_the_end_is_clean(judge: Judge, story: str) -> None:
    assert walk(judge, STORIES[story]) == []
