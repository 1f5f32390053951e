# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows about hosts as a table for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_table
short_description: Rows as a table of text
version_added: 1.0.0
description:
  - Turns a list of dictionaries, one for each host or each problem, into a table with a line of titles.
  - Columns are as wide as what stands in them. A list in a cell becomes its elements with commas between them, no value
    becomes C(-), and line ends become spaces, so each row is one line.
author:
  - The netpath.ipmp contributors (@netpath)
positional: columns
options:
  _input:
    description: The rows.
    type: list
    elements: dict
    required: true
  columns:
    description: Which keys of the rows are shown, in this order. The titles are the keys in capitals.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Say what became of each host
  netpath.ipmp.ipmp_report:
    lines: "{{ (rows | netpath.ipmp.host_table(['host', 'result', 'why'])).splitlines() }}"
  vars:
    rows:
      - {host: db1, result: detached}
      - {host: db2, result: refused, why: eth1 is the last working interface of net0}
  run_once: true
"""

RETURN = r"""
_value:
  description: The text. No line ends in spaces, and the last one has no line end.
  type: str
  sample: |-
    HOST  RESULT    WHY
    db1   detached  -
    db2   refused   eth1 is the last working interface of net0
"""

from typing import Any, Mapping, Sequence

from ansible.errors import AnsibleFilterError


def cell(value: Any) -> str:
    """What stands in the table for a value."""
    if isinstance(value, (list, tuple)):
        value = ", ".join(str(element) for element in value)
    text = "" if value is None else " ".join(str(value).split())
    return text or "-"


def host_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Titles, then one line for each row; AnsibleFilterError where these are no rows or no columns."""
    if isinstance(rows, (str, Mapping)) or not all(isinstance(row, Mapping) for row in rows):
        raise AnsibleFilterError("host_table: the input has to be a list of dictionaries")
    if isinstance(columns, str) or not columns:
        raise AnsibleFilterError("host_table: 'columns' has to be a list of keys")
    lines = [[str(column).upper().replace("_", " ") for column in columns]]
    lines += [[cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict:
        return {"host_table": host_table}
