#!/usr/bin/python
# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the multipathing daemon on a host, or takes it away."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ipmp_daemon
short_description: Deploy the multipathing daemon
version_added: 1.0.0
description:
  - Compares the daemon's code, its commands, its systemd unit and the settings of other network managers with what the
    collection holds, in one call, and sends the code only when it differs.
  - On a host without systemd (a container, a network namespace) the module starts the daemon itself.
  - A restart of the daemon leaves every address where it is.
author:
  - The netpath.ipmp contributors (@netpath)
extends_documentation_fragment:
  - netpath.ipmp.attributes
  - netpath.ipmp.options
  - netpath.ipmp.options.deploy
options:
  state:
    description:
      - V(present) deploys the daemon, starts it, and has it started at boot.
      - V(absent) puts the host's network back as it was, ends the daemon and removes what was deployed. Hostname files,
        C(/etc/ipmp) and the system group C(ipmp) stay.
    type: str
    choices: [present, absent]
    default: present
  members:
    description: Interfaces that belong to the daemon.
    type: list
    elements: str
    default: []
  force:
    description:
      - Whether O(state=absent) may cut off the SSH connection of this task. Otherwise it is refused, in check mode too,
        where that connection ends at an address, or needs a route, that only the hostname files name.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Deploy the daemon and keep NetworkManager off two interfaces
  netpath.ipmp.ipmp_daemon:
    members: [eth1, eth2]

- name: Put the host back as it was
  netpath.ipmp.ipmp_daemon:
    state: absent
"""

RETURN = r"""
pyroute2:
  description: Which pyroute2 the daemon uses, V(system) or V(bundled).
  returned: when O(state=present)
  type: str
  sample: system
sent:
  description: What was sent to the host because it differed; empty on a second run.
  returned: when O(state=present)
  type: list
  elements: str
  sample: [ipmp]
managers:
  description: What each network manager at work says of each of the O(members) that is there; V(unmanaged) is right.
  returned: when O(state=present)
  type: dict
  sample: {NetworkManager: {eth1: unmanaged, eth2: unmanaged}}
"""

import os
import sys

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.netpath.ipmp.plugins.module_utils import answer
from ansible_collections.netpath.ipmp.plugins.module_utils.deploy import asked, deployment, network_managers
from ansible_collections.netpath.ipmp.plugins.module_utils.deploy.service import ServiceError
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp import client


def present(module: AnsibleModule, host: deployment.Host) -> dict:
    """Result of ``state: present``; with ``needs`` set nothing was done because the archive is missing."""
    network_managers.check(module.params["members"])
    offer = module.params["artifact"]
    wanted = deployment.Deployment(
        host,
        code=offer["code"],
        pyroute2=offer["pyroute2"],
        pyroute2_version=offer["pyroute2_version"],
        pyroute2_asked=module.params["pyroute2"],
        managers=module.params["network_managers"],
        members=module.params["members"],
    )
    for warning in wanted.warnings():
        module.warn(warning)
    found = deployment.result(wanted.differences(), module._diff)
    found.update(pyroute2=wanted.pyroute2, sent=wanted.needs, managers=wanted.managers)
    if module.check_mode or not found["changed"]:
        return found
    if wanted.needs and not offer["archive"]:
        return {"changed": False, "needs": wanted.needs}
    wanted.make(offer["archive"])
    return {**found, "managers": wanted.managers}


def absent(module: AnsibleModule, host: deployment.Host) -> dict:
    """Result of ``state: absent``."""
    found = deployment.result(deployment.removal(host), module._diff)
    words = None if module.params["force"] else answer.connection()
    ends = {"peer": words[0], "address": words[2]} if words else {}
    if found["changed"] and module.check_mode:
        host.service.may_release(ends)
    elif found["changed"]:
        deployment.remove(host, ends)
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            **asked.OPTIONS,
            "members": {"type": "list", "elements": "str", "default": []},
            "force": {"type": "bool", "default": False},
            "wait_timeout": {"type": "int", "default": 30},
        },
        required_if=[("state", "present", ["artifact"])],
        supports_check_mode=True,
    )
    if sys.version_info < (3, 9):
        module.fail_json(
            msg=f"{sys.executable} is too old: the daemon needs Python 3.9 or newer; set ansible_python_interpreter"
        )
    if os.geteuid() != 0:
        module.fail_json(msg="the daemon can be deployed by root only: run the task with become: true")

    if module.params["wait_timeout"] < 0:
        module.fail_json(msg=f"wait_timeout is {module.params['wait_timeout']}; give a number of seconds, 0 or more")

    def settle(path: str) -> None:
        module.set_default_selinux_context(path, False)

    host = deployment.Host(client.default_root(), module.run_command, settle, module.params["wait_timeout"])
    try:
        found = absent(module, host) if module.params["state"] == "absent" else present(module, host)
    except (ValueError, OSError, ServiceError, client.ClientError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**found)


if __name__ == "__main__":
    main()
