# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that speaks against setting up a fleet, as rows of one table."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_problems
short_description: What speaks against setting up the groups of a fleet
version_added: 1.0.0
description:
  - Compares C(ipmp_groups) of all hosts of the inventory, and what M(netpath.ipmp.ipmp_preflight) has found on those
    that are to be set up. No address may be there twice, no interface and no network in two groups of a host; see
    docs/fleet.md for the whole list.
  - An inventory of 2000 hosts takes a few seconds.
author:
  - The netpath.ipmp contributors (@netpath)
positional: hosts, look
options:
  _input:
    description: C(hostvars). Hosts outside O(hosts) are compared with those in it, not with each other.
    type: dict
    required: true
  hosts:
    description: The hosts that are to be set up.
    type: list
    elements: str
    required: true
  look:
    description:
      - Name of the variable that holds the result of M(netpath.ipmp.ipmp_preflight) on each host.
      - Without it only the inventory is looked at.
    type: str
    default: ''
  unreachable:
    description: V(skip) leaves out hosts that did not answer, with V(stop) they are problems.
    type: str
    default: skip
"""

EXAMPLES = r"""
- name: Show all problems in the inventory
  ansible.builtin.debug:
    msg: "{{ hostvars | netpath.ipmp.fleet_problems(ansible_play_hosts_all) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: One row for each problem, with C(host), C(group), C(thing) and C(what_to_do), sorted.
  type: list
  elements: dict
  sample:
    - host: db1
      group: net0
      thing: 192.0.2.11
      what_to_do: "of eth1 is also on eth1 of db2: change one of them"
"""

from typing import Any, Dict, List, Mapping, Sequence

from ansible.release import __version__


def fleet_problems(
    every: Mapping[str, Any], hosts: Sequence[str], look: str = "", unreachable: str = "skip"
) -> List[Dict[str, str]]:
    """The rows."""
    # Ansible loads all filters of a collection when it needs one, in the process of each host.
    from ansible_collections.netpath.ipmp.plugins.plugin_utils import fleet, fleet_hosts, hostvars

    inventory = hostvars.data(every)
    problems = [*fleet_hosts.controller(__version__), *fleet.compare(inventory, hosts)]
    if unreachable not in ("skip", "stop"):
        problems.append(fleet.Problem("", "", "ipmp_unreachable", f"is '{unreachable}': say skip or stop"))
    if look and not problems:
        for host in hosts:
            found = hostvars.plain(every[host].get(look) or {})
            problems += fleet_hosts.judge(host, fleet.converted(inventory[host].groups), found)
            if unreachable == "stop" and not fleet_hosts.reached(found):
                problems.append(fleet.Problem(host, "", "connection", "failed: see what Ansible said above"))
    return [problem._asdict() for problem in sorted(problems)]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict:
        return {"fleet_problems": fleet_problems}
