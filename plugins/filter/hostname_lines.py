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
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.netpath.ipmp.plugins.module_utils import group_spec, wanted
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp import hostname, model
from ansible_collections.netpath.ipmp.plugins.plugin_utils import options

_SPEC = ArgumentSpecValidator(group_spec.INTERFACE)


def hostname_lines(interface: Mapping[str, Any], group: str, family: int = 4) -> str:
    """The text, or an empty one."""
    if str(family) not in ("4", "6"):
        raise AnsibleFilterError(f"hostname_lines: 'family' is {family}; say 4 or 6")
    try:
        described, extra = wanted.member(str(group), _converted(interface))
    except model.ConfigError as error:
        raise AnsibleFilterError(f"hostname_lines: {error}")
    return hostname.render(described, extra).get(int(family), "")


def _converted(interface: Any) -> Mapping[str, Any]:
    """As the modules convert their options: 'no', and what a template makes of false, is no true value there."""
    if not isinstance(interface, Mapping):
        raise model.ConfigError(f"'{interface}' is no interface; give a dictionary with its name")
    given = {str(key): value for key, value in interface.items() if value is not None}
    values, sentences = options.checked(_SPEC, given)
    if sentences:
        raise model.ConfigError(f"{given.get('name', 'interface')}: {sentences[0]}")
    return values


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict:
        return {"hostname_lines": hostname_lines}
