# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For each case of the reference's test oracle: the daemon's log is shown where a test fails."""

from __future__ import annotations

from typing import Iterator

import pytest
from bed import Bed


@pytest.fixture(autouse=True)
def shown(request: pytest.FixtureRequest) -> Iterator[None]:
    """What the daemon said, among what a failing test shows."""
    yield
    bed = request.node.funcargs.get("bed")
    if isinstance(bed, Bed):
        print("\n".join(["the daemon's log:", *(f"{x.at:.3f} [{x.level}] {x.text}" for x in bed.log.lines)]))
