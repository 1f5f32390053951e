# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table at the end of a playbook."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.netpath.ipmp.plugins.filter.host_table import host_table


def test_each_row_is_one_line_under_its_titles() -> None:
    rows = [
        {"host": "db1", "result": "detached", "moves": ["192.0.2.11", "192.0.2.12"]},
        {"host": "longer-name", "result": None, "moves": "two\n  lines"},
        {"host": "db3", "unasked": "is not shown"},
    ]
    assert host_table(rows, ["host", "result", "moves"]).split("\n") == [
        "HOST         RESULT    MOVES",
        "db1          detached  192.0.2.11, 192.0.2.12",
        "longer-name  -         two lines",
        "db3          -         -",
    ]


def test_without_rows_there_are_titles() -> None:
    assert host_table([], ["host", "packets_lost"]) == "HOST  PACKETS LOST"


@pytest.mark.parametrize(("rows", "columns"), [("text", ["a"]), ([1], ["a"]), ([{}], "a"), ([{}], []), ({}, ["a"])])
def test_what_is_no_table_is_refused(rows: Any, columns: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="host_table: "):
        host_table(rows, columns)
