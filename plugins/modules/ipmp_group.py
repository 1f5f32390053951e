#!/usr/bin/python
# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One group of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ipmp_group
short_description: Declare one multipathing group
version_added: 1.0.0
description:
  - Does for one group what M(netpath.ipmp.ipmp_config) does for all; other groups stay as they are.
  - A group is what is listed here; an option left out means its default, and members not listed leave the group.
author:
  - The netpath.ipmp contributors (@netpath)
extends_documentation_fragment:
  - netpath.ipmp.attributes
  - netpath.ipmp.options
  - netpath.ipmp.options.apply
  - netpath.ipmp.options.group
options:
  name:
    description: Name of the group, at most 31 characters.
    type: str
    required: true
  state:
    description: Whether the group shall exist. With V(absent) the hostname files of its members go.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Two NICs that back each other
  netpath.ipmp.ipmp_group:
    name: prod
    interfaces:
      - name: eth1
        data_addresses: [192.0.2.11/24]
      - name: eth2
        data_addresses: [192.0.2.12/24]

- name: No such group
  netpath.ipmp.ipmp_group:
    name: old
    state: absent
"""

RETURN = r"""
moves:
  description:
    - Every address of the hostname files, test addresses among them, that is elsewhere now than it was, or would be in
      check mode.
  returned: always
  type: list
  elements: dict
  contains:
    address:
      description: The address, without prefix length.
      type: str
    from:
      description: The interface that it was on, or null if it was on none.
      type: str
    to:
      description: The interface that it is on now, or null if it is on none.
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
busy_with:
  description: The transaction that has to be confirmed or rolled back first.
  returned: when another transaction is open
  type: str
reason:
  description: Why the module failed; V(refused), V(busy), V(timeout), V(verify) or V(hardware).
  returned: when one of these applies
  type: str
"""

from typing import Dict, Mapping, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.netpath.ipmp.plugins.module_utils import answer, declare, group_spec, wanted
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp import client, model


def one_group(params: dict) -> declare.Compute:
    """The texts with this group as the task wants it."""

    def compute(before: Mapping[str, Optional[str]]) -> Dict[str, Optional[str]]:
        if params["state"] == "absent":
            return wanted.without_group(before, params["name"])
        return wanted.wanted_files(before, [{key: params[key] for key in group_spec.GROUP}])

    return compute


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **group_spec.GROUP,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            **declare.OPTIONS,
        },
        supports_check_mode=True,
    )
    answer.need_root(module)
    answer.check_seconds(module)
    try:
        result = declare.Declaration(module, one_group(module.params)).result()
    except (client.ClientError, model.ConfigError) as error:
        answer.fail(module, error)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
