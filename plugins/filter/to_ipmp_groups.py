# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The multipathing groups of a host that was configured otherwise, from the texts of its files."""

from __future__ import annotations

DOCUMENTATION = r"""
name: to_ipmp_groups
short_description: Groups from Solaris files, bonds, netplan or NetworkManager
version_added: 1.0.0
description:
  - Turns the files that configure the network of a host into the C(ipmp_groups) of this collection's roles.
  - A group comes from every C(group) of Solaris' hostname files, from every bond, and from network cards outside bonds
    that have addresses in one network.
  - What cannot be carried over is told by the filter P(netpath.ipmp.to_ipmp_notes#filter); read that before you use the
    result.
author:
  - The netpath.ipmp contributors (@netpath)
positional: names
options:
  _input:
    description:
      - Texts by path, as in the example. The path says what a text is.
      - V(/etc/hostname.*), V(/etc/hostname6.*), V(/etc/default/mpathd), V(/etc/defaultrouter), V(/etc/hosts) and
        V(/etc/netmasks) are Solaris'.
      - V(/etc/network/interfaces) and files below V(/etc/network/interfaces.d), V(/etc/netplan/*.yaml),
        V(*.nmconnection) or the output of C(nmcli connection show NAME), and V(/proc/net/bonding/*) are Linux'.
      - Addresses and routes of bonds in C(/proc) are taken from the texts V(ip -json address) and V(ip -json route).
    type: dict
    required: true
  names:
    description: New names of interfaces, by the names in the texts.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show the groups of two files from a Solaris host
  ansible.builtin.debug:
    msg: "{{ texts | netpath.ipmp.to_ipmp_groups({'hme0': 'eth1', 'hme1': 'eth2'}) }}"
  vars:
    texts:
      /etc/hostname.hme0: "192.0.2.11/24 group prod up"
      /etc/hostname.hme1: "group prod standby up"

- name: Show the group that replaces a bond
  ansible.builtin.debug:
    msg: "{{ {'/etc/network/interfaces': lookup('ansible.builtin.file', 'interfaces')} | netpath.ipmp.to_ipmp_groups }}"
"""

RETURN = r"""
_value:
  description: The groups, each as O(netpath.ipmp.ipmp_config#module:groups) describes it, without what is default.
  type: list
  elements: dict
  sample:
    - name: prod
      interfaces:
        - name: eth1
          data_addresses: [192.0.2.11/24]
        - name: eth2
          standby: true
"""

from typing import Any, Dict, List, Mapping, Optional

from ansible_collections.netpath.ipmp.plugins.plugin_utils.migration import filtering


def to_ipmp_groups(texts: Mapping[str, str], names: Optional[Mapping[str, str]] = None) -> List[Dict[str, Any]]:
    """The groups."""
    return filtering.migrated("to_ipmp_groups", texts, names)[0]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict:
        return {"to_ipmp_groups": to_ipmp_groups}
