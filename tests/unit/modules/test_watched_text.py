# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lost packets in the table at the end of a playbook."""

from __future__ import annotations

from typing import Any, Dict, List

import pytest
from ansible_collections.netpath.ipmp.plugins.filter.watched_text import watched_text


def counted(sent: int, answered: int, gap: int = 0) -> Dict[str, Any]:
    return {"address": "192.0.2.11", "sent": sent, "answered": answered, "longest_gap": gap}


@pytest.mark.parametrize(
    ("results", "text"),
    [
        ([], "not measured"),
        ([{"watched": None}, {"skipped": True}], "not measured"),
        ([{"watched": [counted(10, 10), counted(5, 5)]}], "0 of 15"),
        ([{"watched": [counted(10, 8, 40)]}, {"watched": [counted(10, 9, 20)]}, {}], "3 of 20 (40 ms)"),
    ],
)
def test_all_counts_are_summed_up(results: List[Dict[str, Any]], text: str) -> None:
    assert watched_text(results) == text
