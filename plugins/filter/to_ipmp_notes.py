# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filter to_ipmp_groups cannot carry over, or had to guess."""

from __future__ import annotations

DOCUMENTATION = r"""
name: to_ipmp_notes
short_description: What a migration to groups leaves behind
version_added: 1.0.0
description:
  - Says in sentences what of a configuration P(netpath.ipmp.to_ipmp_groups#filter) does not carry over, and what it had
    to guess.
author:
  - The netpath.ipmp contributors (@netpath)
positional: names
options:
  _input:
    description: Texts by path, as for P(netpath.ipmp.to_ipmp_groups#filter).
    type: dict
    required: true
  names:
    description: New names of interfaces, by the names in the texts.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Say what stays behind
  ansible.builtin.debug:
    msg: "{{ {'/etc/network/interfaces': lookup('ansible.builtin.file', 'interfaces')} | netpath.ipmp.to_ipmp_notes }}"
"""

RETURN = r"""
_value:
  description: The sentences; each begins with the file that it is about.
  type: list
  elements: str
  sample:
    - "/etc/network/interfaces: the one MAC address of bond0 goes: each member keeps its own"
"""

from typing import List, Mapping, Optional

from ansible_collections.netpath.ipmp.plugins.plugin_utils.migration import filtering


def to_ipmp_notes(texts: Mapping[str, str], names: Optional[Mapping[str, str]] = None) -> List[str]:
    """The sentences."""
    return filtering.migrated("to_ipmp_notes", texts, names)[1]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict:
        return {"to_ipmp_notes": to_ipmp_notes}
