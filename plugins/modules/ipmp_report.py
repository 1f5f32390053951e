#!/usr/bin/python
# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of action plugin ipmp_report."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ipmp_report
short_description: Print lines for people, or for programs
version_added: 1.0.0
description:
  - Prints lines in the output of C(ansible-playbook) as they are, so that a table is one and a line of JSON can be read
    by a program. Nothing is printed where the output is JSON itself (stdout callback C(json) or C(jsonl)); the lines
    are in the task's result then.
  - Works on the controller. No host is asked.
author:
  - The netpath.ipmp contributors (@netpath)
options:
  lines:
    description: What to print.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    description: Prints in check mode too.
    support: full
  diff_mode:
    description: There is no difference to be shown.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
  platform:
    description: The hosts that it works on.
    platforms: all
    support: full
  action_group:
    description: Takes its defaults from C(module_defaults) for C(group/netpath.ipmp.all).
    membership:
      - netpath.ipmp.all
    support: full
seealso:
  - plugin: netpath.ipmp.host_table
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say how things are
  netpath.ipmp.ipmp_report:
    lines:
      - db1 is detached
      - db2 is not
  run_once: true
"""

RETURN = r"""
lines:
  description: What was printed.
  returned: always
  type: list
  elements: str
"""
