# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts on which a set-up would change something."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_todo
short_description: The hosts on which a set-up would change something
version_added: 1.0.0
description:
  - Picks the hosts of which M(netpath.ipmp.ipmp_preflight) has said that something differs.
author:
  - The netpath.ipmp contributors (@netpath)
positional: look
options:
  _input:
    description: C(hostvars).
    type: dict
    required: true
  look:
    description: Name of the variable that holds the result of M(netpath.ipmp.ipmp_preflight) on each host.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Set up what differs
  hosts: "{{ hostvars | netpath.ipmp.fleet_todo('look') }}"
  roles:
    - netpath.ipmp.mpathd
    - netpath.ipmp.hostname_files
"""

RETURN = r"""
_value:
  description: >-
    The names, in the order of the inventory. Where there is none, C(['!all']), which is no host but a pattern that a
    play accepts.
  type: list
  elements: str
"""

from typing import Any, List, Mapping


def fleet_todo(every: Mapping[str, Any], look: str) -> List[str]:
    """The names, or a pattern that matches none."""
    names = [str(host) for host in every if (every[host].get(look) or {}).get("differs")]
    return names or ["!all"]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict:
        return {"fleet_todo": fleet_todo}
