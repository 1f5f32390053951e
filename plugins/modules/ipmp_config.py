#!/usr/bin/python
# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All groups of a host in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ipmp_config
short_description: Declare the multipathing groups of a host
version_added: 1.0.0
description:
  - Makes C(/etc/hostname.IF), C(/etc/hostname6.IF), C(/etc/ipmp/groups.conf) and C(/etc/default/mpathd) say what is declared,
    and waits until the daemon has done what they say.
  - Words, comments and their order in a file that already means what is declared stay as they are.
  - When the daemon cannot do it, files and addresses are put back as they were.
author:
  - The netpath.ipmp contributors
extends_documentation_fragment:
  - netpath.ipmp.attributes
  - netpath.ipmp.options
  - netpath.ipmp.options.apply
  - netpath.ipmp.options.groups
options:
  files:
    description:
      - Whole texts by path, for files that are not to be rendered from O(groups), such as C(/etc/hostname.eth1).
      - Only hostname files, C(/etc/ipmp/groups.conf) and C(/etc/default/mpathd) are accepted.
    type: dict
    default: {}
  purge:
    description:
      - Whether groups that are not listed go, with the hostname files of their members.
      - Only files that carry the collection's header are removed, never one of an interface outside all groups, and never those
        of the interface that carries this task's connection.
    type: bool
    default: false
  defaults:
    description: What applies to groups that say nothing else; a key left out is left alone.
    type: dict
    suboptions:
      failure_detection_time:
        description: Time in milliseconds within which probes have to notice a failure.
        type: int
      failback:
        description: Whether addresses return to their interface after its repair.
        type: bool
      track_interfaces_only_with_groups:
        description: Whether interfaces outside all groups are left alone.
        type: bool
  state:
    description:
      - V(present) makes the host as declared.
      - V(confirmed) makes a change that was made with O(confirm_timeout) permanent, V(rolled_back) undoes it at once.
    type: str
    choices: [present, confirmed, rolled_back]
    default: present
  transaction:
    description: The transaction to confirm or to roll back, as an earlier task returned it.
    type: str
"""

EXAMPLES = r"""
- name: Two NICs and a standby that share one network
  netpath.ipmp.ipmp_config:
    groups:
      - name: prod
        interfaces:
          - name: eth1
            data_addresses: [192.0.2.11/24, "2001:db8::11/64"]
          - name: eth2
            data_addresses: [192.0.2.12/24]
          - name: eth3
            standby: true
        gateways: [192.0.2.254]

- name: Change something; without confirmation it is undone after a minute
  netpath.ipmp.ipmp_config:
    groups: "{{ ipmp_groups }}"
    confirm_timeout: 60
  register: change

- name: Drop the old connection
  ansible.builtin.meta: reset_connection

- name: Keep the change
  netpath.ipmp.ipmp_config:
    state: confirmed
    transaction: "{{ change.transaction }}"
  when: change.transaction is truthy
"""

RETURN = r"""
moves:
  description: The addresses that moved, or would move in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    address:
      description: The address, without prefix length.
      type: str
    from:
      description: The interface that it was on, or null.
      type: str
    to:
      description: The interface that it is on now, or null.
      type: str
  sample: [{address: 192.0.2.11, from: eth1, to: eth2}]
files:
  description: The files that differed and were written, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/hostname.eth1]
transaction:
  description: With O(confirm_timeout), the transaction to be confirmed; else null.
  returned: success
  type: str
reason:
  description: Why the module failed; V(refused), V(busy), V(timeout), V(verify) or V(hardware).
  returned: when one of these applies
  type: str
"""
