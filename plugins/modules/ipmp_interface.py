#!/usr/bin/python
# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One member of a group."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ipmp_interface
short_description: Add or remove one member of a multipathing group
version_added: 1.0.0
description:
  - Changes only what is named. An option left out leaves what the interface's files say of it, and other words and
    comments stay too.
author:
  - The netpath.ipmp contributors (@netpath)
extends_documentation_fragment:
  - netpath.ipmp.attributes
  - netpath.ipmp.options
  - netpath.ipmp.options.apply
options:
  name:
    description: Name of the interface.
    type: str
    required: true
  group:
    description: Name of the group; needed for an interface that has no hostname file yet.
    type: str
  standby:
    description: Whether it carries traffic only while another member has failed.
    type: bool
  data_addresses:
    description: All addresses in CIDR notation that move to another member while this one has failed.
    type: list
    elements: str
  test_addresses:
    description: All addresses in CIDR notation, or V(link-local), that never leave this interface.
    type: list
    elements: str
  state:
    description: Whether the interface shall be a member. With V(absent) its hostname files go.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: A standby for the group prod
  netpath.ipmp.ipmp_interface:
    name: eth3
    group: prod
    standby: true

- name: Take it out of the group
  netpath.ipmp.ipmp_interface:
    name: eth3
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


def one_interface(params: dict) -> declare.Compute:
    """The texts with this interface as the task wants it."""

    def compute(before: Mapping[str, Optional[str]]) -> Dict[str, Optional[str]]:
        if params["state"] == "absent":
            return wanted.without_interface(before, params["name"])
        named = {key: params[key] for key in ("group", "standby", "data_addresses", "test_addresses")}
        return wanted.with_interface(before, params["name"], **named)

    return compute


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "group": {"type": "str"},
            "standby": {"type": "bool"},
            "data_addresses": {"type": "list", "elements": "str"},
            "test_addresses": {"type": "list", "elements": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            **declare.OPTIONS,
        },
        supports_check_mode=True,
    )
    answer.need_root(module)
    answer.check_seconds(module)
    try:
        result = declare.Declaration(module, one_interface(module.params)).result()
    except (client.ClientError, model.ConfigError) as error:
        answer.fail(module, error)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
