#!/usr/bin/python
# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's groups, interfaces and addresses are doing now."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ipmp_info
short_description: Gather the state of a host's multipathing groups
version_added: 1.0.0
description:
  - Asks the daemon for one atomic snapshot, and returns the parts asked for.
  - Nothing is added to the host's facts.
author:
  - The netpath.ipmp contributors (@netpath)
extends_documentation_fragment:
  - netpath.ipmp.attributes
options:
  gather:
    description:
      - Which parts to return.
      - V(components) costs one further question for each component. Consumer scripts are not asked.
    type: list
    elements: str
    choices: [groups, interfaces, addresses, targets, probes, components, records, transaction]
    default: [groups, interfaces, addresses]
"""

EXAMPLES = r"""
- name: See how the groups are
  netpath.ipmp.ipmp_info:
    gather: [groups, interfaces]
  register: ipmp

- name: Fail if a group is not whole
  ansible.builtin.assert:
    that: ipmp.groups | rejectattr('state', 'eq', 'ok') | length == 0
"""

RETURN = r"""
versions:
  description: Version of the daemon, and the versions of the control protocol that it and this module speak.
  returned: always
  type: dict
  contains:
    daemon:
      description: Version of the running daemon.
      type: str
    protocol:
      description: Protocol versions that the daemon serves.
      type: list
      elements: int
    module_protocol:
      description: Protocol version that this module speaks.
      type: int
groups:
  description: The groups, with state, members by what they are doing, and settings.
  returned: when gathered
  type: list
  elements: dict
  sample: [{name: prod, state: ok, active: [eth1], inactive: [eth2], unusable: []}]
interfaces:
  description: The interfaces that have a hostname file, with state and reason.
  returned: when gathered
  type: list
  elements: dict
  sample: [{name: eth1, group: prod, state: ok, link: up, flags: []}]
addresses:
  description: The addresses, whose they are and where they are.
  returned: when gathered
  type: list
  elements: dict
  sample: [{address: 192.0.2.11, owner: eth1, interface: eth2, type: data, state: up}]
targets:
  description: >-
    The probe targets of each member and family that probes, in the order in which they are probed, the next one first.
  returned: when gathered
  type: list
  elements: dict
  sample: [{interface: eth1, group: prod, family: 4, mode: routes, test_address: 192.0.2.81, targets: [192.0.2.254]}]
probes:
  description: >-
    What probing says of each member, and for each family that probes how many probes were sent, answered (acked) and
    lost, replies that nobody was waiting for (unknown), and the round trip of the target probed last in ms.
  returned: when gathered
  type: list
  elements: dict
  sample:
    - interface: eth1
      group: prod
      probe: ok
      failures: 0
      instances: [{family: 4, sent: 70, acked: 69, lost: 1, unknown: 0, average: 0.31, deviation: 0.04}]
components:
  description: >-
    What can be detached, and whether it would be allowed now. Each interface is a component (kind V(ethernet)), so are
    each PCI device (V(pci)) and slot (V(slot)) that has one. C(interfaces) are those that leave together.
  returned: when gathered
  type: list
  elements: dict
  sample:
    - {name: eth1, kind: ethernet, interfaces: [eth1], hardware: pci, state: attached, allowed: true, refusals: []}
records:
  description: >-
    The components that are detached (kind V(detached)), and the interfaces that left without a detach (kind
    V(removed)), with the addresses that they had. C(seen) is what became of the component since then, V(there),
    V(gone), or gone and V(back), C(now) the hardware addresses of its interfaces that are here, and C(hint) a
    sentence where another interface may be the new card.
  returned: when gathered
  type: list
  elements: dict
  sample:
    - kind: detached
      component: eth1
      interfaces: [eth1]
      addresses: {eth1: [192.0.2.11/24]}
      seen: back
      now: {eth1: "02:00:00:00:00:01"}
transaction:
  description: The transaction that waits to be confirmed, or null.
  returned: when gathered
  type: dict
  sample: {transaction: 0123456789ab, kind: detach, component: eth1, state: committed, deadline: 113.5}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.netpath.ipmp.plugins.module_utils import answer
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp import client

SUBSETS = ["groups", "interfaces", "addresses", "targets", "probes", "components", "records", "transaction"]


def components(daemon: client.Client) -> list:
    """Every component, with what a query without force says of it."""
    found = []
    for component in daemon.call("components")["components"]:
        query = daemon.call(
            "detach-query", component=component["name"], force=False, peer=answer.caller(), consumers=False
        )
        found.append({**component, **{key: query[key] for key in ("allowed", "refusals", "moves", "lost", "warnings")}})
    return found


def gather(daemon: client.Client, wanted: list) -> dict:
    """One key for each subset, and ``versions``."""
    status = daemon.call("status")
    members = [i for i in status["interfaces"] if i["group"]]
    result = {
        "versions": {
            "daemon": status["version"],
            "protocol": status["protocol"],
            "module_protocol": client.PROTOCOL,
        }
    }
    for subset in wanted:
        if subset == "targets":
            keys = ("family", "mode", "test_address", "targets")
            result[subset] = [
                {"interface": i["name"], "group": i["group"], **{key: probing[key] for key in keys}}
                for i in status["interfaces"]
                for probing in i["probing"]
            ]
        elif subset == "probes":
            keys = ("family", "sent", "acked", "lost", "unknown", "average", "deviation")
            result[subset] = [
                {
                    **{key: i[key] for key in ("group", "probe", "failures")},
                    "interface": i["name"],
                    "instances": [{key: probing[key] for key in keys} for probing in i["probing"]],
                }
                for i in members
            ]
        elif subset == "components":
            result[subset] = components(daemon)
        elif subset == "records":
            result[subset] = daemon.call("transactions")["records"]
        else:
            result[subset] = status[subset]
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "gather": {
                "type": "list",
                "elements": "str",
                "choices": SUBSETS,
                "default": ["groups", "interfaces", "addresses"],
            },
        },
        supports_check_mode=True,
    )
    try:
        result = gather(client.Client(), module.params["gather"])
    except client.DaemonUnreachable as error:
        module.fail_json(msg=f"{error}{answer.held_by_systemd(module)}")
    except client.ClientError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
