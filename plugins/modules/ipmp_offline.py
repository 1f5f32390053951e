#!/usr/bin/python
# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes one interface offline within its group, or back online."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ipmp_offline
short_description: Take an interface of a group offline or online
version_added: 1.0.0
description:
  - Does what C(if_mpadm -d) and C(if_mpadm -r) do. The addresses of an interface that is taken offline move to other
    members of its group. The interface stays where it is and carries no traffic, and its addresses return when it is
    online again.
  - Refused, with nothing changed, when no other member of the group works.
author:
  - The netpath.ipmp contributors (@netpath)
extends_documentation_fragment:
  - netpath.ipmp.attributes
  - netpath.ipmp.options
options:
  interface:
    description: Name of the interface.
    type: str
    required: true
  state:
    description: Whether the interface shall be V(offline) or V(online).
    type: str
    choices: [offline, online]
    required: true
"""

EXAMPLES = r"""
- name: Take eth1 offline
  netpath.ipmp.ipmp_offline:
    interface: eth1
    state: offline

- name: Bring it back
  netpath.ipmp.ipmp_offline:
    interface: eth1
    state: online
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
busy_with:
  description: The transaction that has to be confirmed or rolled back first.
  returned: when another transaction is open
  type: str
refusals:
  description: Who refuses, and why.
  returned: when refused
  type: list
  elements: dict
  contains:
    resource:
      description: The resource that is in use.
      type: str
    information:
      description: What it is used for.
      type: str
reason:
  description: Why the module failed; V(refused), V(busy) or V(timeout).
  returned: when one of these applies
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.netpath.ipmp.plugins.module_utils import answer
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp import client


def switch(module: AnsibleModule, daemon: client.Client) -> dict:
    """Takes it offline or online; in check mode the daemon says what that would do."""
    name, offline = module.params["interface"], module.params["state"] == "offline"
    try:
        if module.check_mode:
            done = daemon.call("offline-query", interface=name, online=not offline)
        elif offline:
            done = daemon.call("offline", interface=name)
        else:
            done = daemon.call("undo-offline", interface=name, wait_timeout=module.params["wait_timeout"])
    except client.DaemonError as error:
        if error.code not in ("already-offline", "not-offline"):
            raise
        return answer.moved(module, False, [])
    return answer.moved(module, done["changed"], done["moves"])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "interface": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["offline", "online"], "required": True},
            "wait_timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    answer.need_root(module)
    answer.check_seconds(module)
    try:
        result = switch(module, client.Client())
    except client.ClientError as error:
        answer.fail(module, error)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
