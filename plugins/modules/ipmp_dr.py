#!/usr/bin/python
# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a component out of service and puts it back, as a transaction."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ipmp_dr
short_description: Detach and reattach a network component
version_added: 1.0.0
description:
  - Detaching asks first whether the component may go. If it may, its addresses move to other members of their group,
    its own addresses go, and it can be taken out. Connections live on.
  - Detaching is refused, with nothing changed, when a component is the last working member of its group or carries
    addresses that have nowhere to go.
  - In check mode the module is the query alone. It fails if the detach would be refused.
author:
  - The netpath.ipmp contributors (@netpath)
extends_documentation_fragment:
  - netpath.ipmp.attributes
options:
  component:
    description:
      - Name of the component, that is an interface (V(eth1)), a PCI function (V(0000:00:05.0)), a PCI device with all
        its functions (V(0000:00:05)), or a hot-plug slot. Needed unless O(transaction) names what is meant.
    type: str
  transaction:
    description: The transaction to confirm or to roll back, as an earlier task returned it.
    type: str
  state:
    description:
      - V(detached) detaches the component, V(attached) puts it back into service and its addresses home.
      - V(confirmed) makes a detach that runs under O(confirm_timeout) permanent.
      - V(rolled_back) undoes a detach that is not confirmed yet; without O(transaction) the one that is open.
    type: str
    choices: [detached, attached, confirmed, rolled_back]
    default: detached
  force:
    description: Whether to detach in spite of refusals that may be overridden. RV(lost) lists what is lost by it.
    type: bool
    default: false
  hardware:
    description:
      - How the component is taken out after its addresses have left it.
      - V(auto) is slot power if there is a slot, else removal from PCI, else unbinding the driver, else nothing.
        Virtual interfaces (veth, tap) have no hardware, so V(auto) leaves them in their place.
      - All interfaces that leave by it are asked about, moved and taken out together; V(none) takes only what is named.
      - The host cannot be sure to undo V(slot), so that is refused under O(confirm_timeout) unless O(force) is given.
      - O(state=attached) undoes what took the component out, whatever is given here.
    type: str
    choices: [auto, none, pci, slot, driver]
    default: auto
  confirm_timeout:
    description:
      - Seconds after which the host undoes the detach by itself unless it was confirmed by O(state=confirmed), best
        over a new connection.
      - V(0) means no timer.
    type: int
    default: 0
  wait_timeout:
    description:
      - How many seconds to wait until the addresses of an attached component are home.
      - By default as long as its groups need for ten answered probes, and at least 60.
    type: int
"""

EXAMPLES = r"""
- name: Ask whether eth1 may go
  netpath.ipmp.ipmp_dr:
    component: eth1
  check_mode: true

- name: Detach eth1; it comes back by itself after two minutes
  netpath.ipmp.ipmp_dr:
    component: eth1
    confirm_timeout: 120
  register: detach

- name: Take a card with all its ports from the bus, whatever their names are
  netpath.ipmp.ipmp_dr:
    component: "0000:00:05"
    hardware: pci

- name: Keep it detached
  netpath.ipmp.ipmp_dr:
    state: confirmed
    transaction: "{{ detach.transaction }}"

- name: Put eth1 back into service
  netpath.ipmp.ipmp_dr:
    component: eth1
    state: attached
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
      description: The interface that it is on now, or null if it has nowhere to go.
      type: str
  sample: [{address: 192.0.2.11, from: eth1, to: eth2}]
transaction:
  description: The transaction, to be confirmed or rolled back. Null when nothing had to be done, and in check mode.
  returned: success
  type: str
lost:
  description: Addresses that a forced detach leaves on no interface.
  returned: with O(state=detached)
  type: list
  elements: str
refusals:
  description: Who refuses, and why.
  returned: when refused
  type: list
  elements: dict
  contains:
    resource:
      description: The resource that is in use.
      type: str
      sample: SUNW_network/eth1
    information:
      description: What it is used for.
      type: str
      sample: "eth1 hosts IP addresses: 192.0.2.11"
busy_with:
  description: The transaction that has to be confirmed or rolled back first.
  returned: when another transaction is open
  type: str
differences:
  description:
    - What is not as it was before the detach, when a transaction was undone.
    - What is not as it would be after a boot with the component in its place, when one was attached. It stays attached.
  returned: when the host is not as it was
  type: list
  elements: str
  sample: ["eth1: its MTU is 1300, not 1400"]
reason:
  description: Why the module failed; V(refused), V(busy), V(timeout), V(verify) or V(hardware).
  returned: when one of these applies
  type: str
rolled_back:
  description:
    - Whether the host is back as it was before the transaction.
    - V(false) with a failure says that it is not, or not yet; the message says why.
  returned: when a transaction was undone
  type: bool
hardware:
  description: How the component was, or would be, taken out.
  returned: with O(state=detached)
  type: str
messages:
  description: What the daemon has to say about it.
  returned: success
  type: list
  elements: str
"""

from typing import Any, Mapping, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.netpath.ipmp.plugins.module_utils import answer
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp import client, hardware

ALREADY = "{} is detached already"
UNDONE = "what is not finished is undone by the daemon itself, as soon as it runs"


def query(module: AnsibleModule, daemon: client.Client) -> dict:
    """What ``detach-query`` answers, asked with this task's force and connection."""
    params = module.params
    asked = {name: params[name] for name in ("component", "force", "hardware", "confirm_timeout")}
    return daemon.call("detach-query", peer=answer.caller(), **asked)


def query_detach(module: AnsibleModule, daemon: client.Client) -> dict:
    """Check mode of ``detached``."""
    found = query(module, daemon)
    answer.must_be_idle(found, True)
    about = {"transaction": None, "lost": found["lost"], "messages": found["messages"]}
    about["hardware"] = found["component"]["hardware"]
    if found["state"] == "detached":
        about["messages"] = [ALREADY.format(module.params["component"])]
        return answer.moved(module, False, [], **about)
    if not found["allowed"]:
        why = "; ".join(found["warnings"]) or f"{module.params['component']} cannot be detached"
        answer.fail(module, client.DaemonError("refused", None, why, {"refusals": found["refusals"]}))
    return answer.moved(module, True, found["moves"], **about)


def detach(module: AnsibleModule, daemon: client.Client) -> dict:
    """Prepares, takes the hardware out and commits; a step that fails is rolled back before the module fails."""
    params, seconds = module.params, daemon.patience()
    try:
        done = daemon.call(
            "detach-prepare",
            component=params["component"],
            force=params["force"],
            peer=answer.caller(),
            confirm_timeout=params["confirm_timeout"],
            hardware=params["hardware"],
            wait_timeout=seconds,
        )
    except client.DaemonUnreachable as error:  # it has just answered
        answer.fail(module, error, then=UNDONE, rolled_back=False)
    except client.DaemonError as error:
        if error.code != "already-detached":
            raise
        already = ALREADY.format(params["component"])
        return answer.moved(module, False, [], transaction=None, lost=[], messages=[already], hardware="none")
    way = done["component"]["hardware"]
    try:
        hardware.take_out(done["component"])
        daemon.call("detach-commit", transaction=done["transaction"])
    except (hardware.HardwareError, client.ClientError) as error:
        more = {"reason": "hardware"} if isinstance(error, hardware.HardwareError) else {}
        try:
            undone = daemon.call(
                "detach-rollback", transaction=done["transaction"], reason=str(error), wait_timeout=seconds
            )
        except client.DaemonUnreachable as second:
            answer.fail(module, second, first=error, then=UNDONE, hardware=way, rolled_back=False, **more)
        except client.ClientError as second:
            answer.fail(module, second, first=error, hardware=way, **more)
        more.update({"rolled_back": undone["rolled_back"], "differences": undone["differences"]})
        answer.fail(module, error, then="; ".join(undone.get("messages", ())), hardware=way, **more)
    about = {name: done[name] for name in ("transaction", "lost", "messages")}
    return answer.moved(module, True, done["moves"], hardware=way, **about)


def attach(module: AnsibleModule, daemon: client.Client) -> dict:
    """Puts the component back into its place, if it was taken out, and into service."""
    name = module.params["component"]
    found = daemon.call("detach-query", component=name, hardware="none", consumers=False)  # nobody is to let it go
    if module.check_mode:
        told = daemon.call("attach-query", component=name)
        return answer.moved(module, told["changed"], told["moves"], transaction=None, messages=told["messages"])
    if not found["component"]["present"]:
        try:
            hardware.put_back(found["component"])
        except hardware.HardwareError as error:
            answer.fail(module, error, reason="hardware")
    seconds = module.params["wait_timeout"] or found["wait_timeout"]
    done = daemon.call("attach", component=name, wait_timeout=seconds)
    return answer.moved(module, done["changed"], done["moves"], transaction=None, messages=done["messages"])


def confirm(module: AnsibleModule, daemon: client.Client) -> dict:
    """Makes the detach permanent."""
    wanted = module.params["transaction"]
    if module.check_mode:
        done = daemon.call("end-query", kind="detach", end="confirmed", transaction=wanted)
    else:
        done = daemon.call("detach-confirm", transaction=wanted)
    return answer.moved(module, done["changed"], [], transaction=wanted, messages=[])


def roll_back(module: AnsibleModule, daemon: client.Client) -> dict:
    """Undoes the detach that is open."""
    wanted = module.params["transaction"]
    if module.check_mode:
        done = daemon.call("end-query", kind="detach", end="rolled_back", transaction=wanted)
    else:
        why, seconds = "asked for by a task", daemon.patience()
        done = daemon.call("detach-rollback", transaction=wanted, reason=why, wait_timeout=seconds)
    about = {"rolled_back": done["rolled_back"], "messages": done.get("messages", [])}
    return answer.moved(module, done["changed"], done["moves"], transaction=wanted, **about)


def contradiction(params: Mapping[str, Any]) -> Optional[str]:
    """One sentence about options that do not go together, or None."""
    about_a_transaction = params["state"] in ("confirmed", "rolled_back")
    name = "component" if about_a_transaction else "transaction"
    if params[name] is None:
        return None
    other = "a transaction" if about_a_transaction else "a component"
    return f"{name}: state={params['state']} is about {other}; leave it out"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "component": {"type": "str"},
            "transaction": {"type": "str"},
            "state": {
                "type": "str",
                "choices": ["detached", "attached", "confirmed", "rolled_back"],
                "default": "detached",
            },
            "force": {"type": "bool", "default": False},
            "hardware": {"type": "str", "choices": ["auto", "none", "pci", "slot", "driver"], "default": "auto"},
            "confirm_timeout": {"type": "int", "default": 0},
            "wait_timeout": {"type": "int"},
        },
        required_if=[
            ("state", "detached", ["component"]),
            ("state", "attached", ["component"]),
            ("state", "confirmed", ["transaction"]),
        ],
        supports_check_mode=True,
    )
    answer.need_root(module)
    answer.check_seconds(module)
    verbs = {
        "detached": query_detach if module.check_mode else detach,
        "attached": attach,
        "confirmed": confirm,
        "rolled_back": roll_back,
    }
    problem = contradiction(module.params)
    if problem:
        module.fail_json(msg=problem)
    try:
        result = verbs[module.params["state"]](module, client.Client())
    except client.ClientError as error:
        answer.fail(module, error)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
