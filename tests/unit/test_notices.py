# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pciehp says in the kernel's log of a slot that is about to lose power."""

from __future__ import annotations

from typing import Optional, Tuple

import pytest

from ipmp.notices import told

PORT = "0000:00:08.0"


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("6,1,2,-;pcieport 0000:00:08.0: pciehp: Slot(1): Powering off due to button press", (PORT, True)),
        ("6,1,2,-;pcieport 0000:00:08.0: pciehp: Slot(0-1): Button press: will power off in 5 sec", (PORT, True)),
        ("6,1,2,-;pcieport 0000:00:08.0: pciehp: Slot(1): Action canceled due to button press", (PORT, False)),
        (
            "6,1,2,-;pcieport 0000:00:08.0: pciehp: Slot(1): Button press: canceling request to power off",
            (PORT, False),
        ),
        ("6,1,2,-;pcieport 0000:00:08.0: pciehp: Slot(1): Attention button pressed", None),
        ("6,1,2,-;pcieport 0000:00:08.0: pciehp: Slot(1) Powering on due to button press", None),
        ("6,1,2,-;pcieport 0000:00:08.0: pciehp: Slot(1): Button press: will power on in 5 sec", None),
        ("12,1,2,-;pcieport 0000:00:08.0: pciehp: Slot(1): Powering off due to button press", None),  # a program
        ("6,1,2,-;nft: pcieport 0000:00:08.0: pciehp: Slot(1): Powering off due to button press", None),
    ],
)
def test_a_line_of_the_log(line: str, meaning: Optional[Tuple[str, bool]]) -> None:
    assert told(line) == meaning
