# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of each host of a set-up, as rows of one table."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_results
short_description: What became of each host of a set-up
version_added: 1.0.0
description:
  - Puts together what the playbook C(netpath.ipmp.setup) has registered on each host.
author:
  - The netpath.ipmp contributors (@netpath)
positional: hosts, look, check
options:
  _input:
    description: C(hostvars).
    type: dict
    required: true
  hosts:
    description: The hosts of the set-up.
    type: list
    elements: str
    required: true
  look:
    description: Name of the variable that holds the result of M(netpath.ipmp.ipmp_preflight) on each host.
    type: str
    required: true
  check:
    description: Whether this was check mode.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Say what became of each host
  ansible.builtin.debug:
    msg: "{{ hostvars | netpath.ipmp.fleet_results(ansible_play_hosts_all, 'look', ansible_check_mode) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - One row for each host, with C(host), C(result), C(moved) and C(why).
    - C(result) is C(unchanged), C(changed), C(would change), C(failed), C(lost) (unreachable meanwhile), C(not done)
      (its turn had not come), C(unreachable) or C(not looked at).
  type: list
  elements: dict
"""

from typing import Any, Dict, List, Mapping, Sequence


def fleet_results(
    every: Mapping[str, Any], hosts: Sequence[str], look: str, check: bool = False
) -> List[Dict[str, Any]]:
    """The rows."""
    # Ansible loads all filters of a collection when it needs one, in the process of each host.
    from ansible_collections.netpath.ipmp.plugins.plugin_utils import fleet_hosts, hostvars

    rows = []
    for host in hosts:
        said = [hostvars.plain(every[host].get(name) or {}) for name in (look, "mpathd_done", "hostname_files_done")]
        rows.append({"host": str(host), **fleet_hosts.outcome(said[0], said[1], said[2], check)})
    return rows


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict:
        return {"fleet_results": fleet_results}
