# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a hostname file, from an interface as ``ipmp_groups`` describes it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: hostname_lines
short_description: Render the hostname file of an interface
version_added: 1.0.0
description:
  - Turns one entry of a group's C(interfaces) into the text of C(/etc/hostname.IF) or C(/etc/hostname6.IF), just as
    the modules write a new file.
author:
  - The netpath.ipmp contributors (@netpath)
positional: group, family
options:
  _input:
    description: The interface, as O(netpath.ipmp.ipmp_config#module:groups[].interfaces) describes it.
    type: dict
    required: true
  group:
    description: Name of its group.
    type: str
    required: true
  family:
    description: Which of the two files.
    type: int
    choices: [4, 6]
    default: 4
"""

EXAMPLES = r"""
- name: Show the file that eth1 would get
  ansible.builtin.debug:
    msg: "{{ {'name': 'eth1', 'data_addresses': ['192.0.2.11/24']} | netpath.ipmp.hostname_lines('prod') }}"
"""

RETURN = r"""
_value:
  description: The text, empty when the interface needs no file of that family.
  type: str
"""

from typing import Any, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.netpath.ipmp.plugins.module_utils import wanted
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp import hostname, model


def hostname_lines(interface: Mapping[str, Any], group: str, family: int = 4) -> str:
    """The text, or an empty one."""
    try:
        described, extra = wanted.member(group, interface)
    except model.ConfigError as error:
        raise AnsibleFilterError(f"hostname_lines: {error}")
    return hostname.render(described, extra).get(int(family), "")


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict:
        return {"hostname_lines": hostname_lines}
