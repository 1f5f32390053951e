#!/usr/bin/python
# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One address of a member."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ipmp_address
short_description: Add or remove one address of a group's member
version_added: 1.0.0
description:
  - Changes only this address; everything else in the interface's files stays as it is.
author:
  - The netpath.ipmp contributors (@netpath)
extends_documentation_fragment:
  - netpath.ipmp.attributes
  - netpath.ipmp.options
  - netpath.ipmp.options.apply
options:
  address:
    description: The address in CIDR notation. With O(state=absent) the prefix length may be left out.
    type: str
    required: true
  interface:
    description: The interface whose address it is. It has to have a hostname file already.
    type: str
    required: true
  type:
    description: Whether it moves with failures (V(data)) or never leaves its interface (V(test)).
    type: str
    choices: [data, test]
    default: data
  state:
    description: Whether the interface shall have the address.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: One more address on eth1
  netpath.ipmp.ipmp_address:
    address: 192.0.2.13/24
    interface: eth1

- name: Without it
  netpath.ipmp.ipmp_address:
    address: 192.0.2.13
    interface: eth1
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
from ansible_collections.netpath.ipmp.plugins.module_utils import answer, declare, wanted
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp import client, model


def one_address(params: dict) -> declare.Compute:
    """The texts with this address as the task wants it."""

    def compute(before: Mapping[str, Optional[str]]) -> Dict[str, Optional[str]]:
        if params["state"] == "absent":
            return wanted.without_address(before, params["interface"], params["address"])
        return wanted.with_address(before, params["interface"], params["address"], test=params["type"] == "test")

    return compute


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "interface": {"type": "str", "required": True},
            "type": {"type": "str", "choices": ["data", "test"], "default": "data"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            **declare.OPTIONS,
        },
        supports_check_mode=True,
    )
    answer.need_root(module)
    answer.check_seconds(module)
    try:
        result = declare.Declaration(module, one_address(module.params)).result()
    except (client.ClientError, model.ConfigError) as error:
        answer.fail(module, error)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
