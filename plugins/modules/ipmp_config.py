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
  - Makes C(/etc/hostname.IF), C(/etc/hostname6.IF), C(/etc/ipmp/groups.conf) and C(/etc/default/mpathd) say what is
    declared, and waits until the daemon has done what they say.
  - Words, comments and their order in a file that already means what is declared stay as they are.
  - When the daemon cannot do it, files and addresses are put back as they were.
author:
  - The netpath.ipmp contributors (@netpath)
extends_documentation_fragment:
  - netpath.ipmp.attributes
  - netpath.ipmp.options
  - netpath.ipmp.options.apply
  - netpath.ipmp.options.defaults
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
      - Only files that carry the collection's header are removed, never one of an interface outside all groups, and
        never those of the interface that carries this task's connection.
    type: bool
    default: false
  state:
    description:
      - V(present) makes the host as declared.
      - V(confirmed) makes a change that was made with O(confirm_timeout) permanent, V(rolled_back) undoes it at once.
    type: str
    choices: [present, confirmed, rolled_back]
    default: present
  confirm:
    description:
      - Whether the controller confirms the change within this task, over a new connection to the host. When it cannot,
        the task fails, and the host puts everything back after O(confirm_timeout).
    type: bool
    default: false
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
  description: With O(confirm_timeout), the transaction to be confirmed; else what O(transaction) says, or null.
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

from typing import Any, Dict, Mapping, Optional, Set

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.netpath.ipmp.plugins.module_utils import answer, declare, group_spec, wanted
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp import client, files, model


def protected(module: AnsibleModule) -> Set[str]:
    """The interfaces that this task's SSH connection comes in on; purge leaves them alone."""
    words = answer.connection()
    program = module.get_bin_path("ip")
    if words is None or program is None:
        return set()
    _rc, out, _err = module.run_command([program, "-o", "address", "show", "to", words[2]])
    return {line.split()[1] for line in out.splitlines()}


def whole(module: AnsibleModule) -> declare.Compute:
    """The texts that groups, files, defaults and purge together ask for."""
    params = module.params

    def compute(before: Mapping[str, Optional[str]]) -> Dict[str, Optional[str]]:
        return wanted.wanted_files(
            before,
            params["groups"] or [],
            texts=params["files"],
            defaults=params["defaults"] or {},
            purge=params["purge"],
            keep=protected(module) if params["purge"] else (),
        )

    return compute


def end(module: AnsibleModule) -> Dict[str, Any]:
    """``confirmed`` or ``rolled_back``."""
    root = client.default_root()
    daemon, name, state = client.Client(root), module.params["transaction"], module.params["state"]
    before = files.read_texts(root)
    if module.check_mode:
        done = daemon.call("end-query", kind="apply", end=state, transaction=name)
        after = {**before, **done["files"]}
    else:
        done = daemon.call("apply-confirm" if state == "confirmed" else "apply-rollback", transaction=name)
        after = files.read_texts(root)
    changes = {path: after.get(path) for path in {*before, *after} if before.get(path) != after.get(path)}
    result = answer.moved(module, done["changed"], done["moves"], transaction=name, files=sorted(changes))
    if module._diff:
        result["diff"] = [*declare.file_diffs(before, changes), *result["diff"]]
    return result


def contradiction(params: Mapping[str, Any]) -> Optional[str]:
    """One sentence about options that do not go together, or None."""
    if params["state"] != "present":
        declared = [name for name in ("groups", "files", "purge", "defaults") if params[name]]
        if declared:
            return f"{declared[0]}: with state={params['state']} nothing is declared; leave it out"
    elif params["transaction"] is not None:
        return "transaction: it is for state=confirmed and state=rolled_back; leave it out"
    elif params["confirm"] and not params["confirm_timeout"]:
        return "confirm: without confirm_timeout there is nothing to confirm; give both or neither"
    elif params["purge"] and params["groups"] is None:
        return "purge: without groups everything would go; list the groups that stay, or give an empty list"
    return None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "groups": {"type": "list", "elements": "dict", "options": group_spec.GROUP},
            "files": {"type": "dict", "default": {}},
            "purge": {"type": "bool", "default": False},
            "defaults": {"type": "dict", "options": group_spec.DEFAULTS},
            "state": {"type": "str", "choices": ["present", "confirmed", "rolled_back"], "default": "present"},
            "confirm": {"type": "bool", "default": False},
            "transaction": {"type": "str"},
            **declare.OPTIONS,
        },
        required_if=[("state", "confirmed", ["transaction"])],
        supports_check_mode=True,
    )
    answer.need_root(module)
    answer.check_seconds(module)
    try:
        problem = contradiction(module.params)
        if problem:
            raise model.ConfigError(problem)
        if module.params["state"] == "present":
            result = declare.Declaration(module, whole(module)).result()
        else:
            result = end(module)
    except (client.ClientError, model.ConfigError) as error:
        answer.fail(module, error)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
