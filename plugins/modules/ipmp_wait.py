#!/usr/bin/python
# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until a detached component has left the host, or is there again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ipmp_wait
short_description: Wait for a detached component to leave or to return
version_added: 1.0.0
description:
  - Waits while somebody takes a detached component out of the host and puts another one in. Changes nothing.
  - What was taken out and put in again unseen is known by its number in the kernel, so the question can be asked again
    at any time, also if it is the same card.
author:
  - The netpath.ipmp contributors (@netpath)
extends_documentation_fragment:
  - netpath.ipmp.attributes
attributes:
  check_mode:
    description: Looks once and does not wait.
  diff_mode:
    description: There is no difference to be shown.
    support: none
options:
  component:
    description: Name of the component as it was detached, or one of its interfaces.
    type: str
    required: true
  seen:
    description:
      - V(gone) waits until an interface of it is no longer the one that was detached.
      - V(back) waits until all of its interfaces are there and are not those that were detached.
      - A component that is attached is back.
    type: str
    choices: [gone, back]
    required: true
  wait_timeout:
    description:
      - Seconds to wait. When they are over the module fails with RV(reason=timeout).
      - A card that has come under another name is not back; the message says then which may be meant, and what to do.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Wait until eth1 is taken out
  netpath.ipmp.ipmp_wait:
    component: eth1
    seen: gone

- name: Wait up to an hour until another card is in its place
  netpath.ipmp.ipmp_wait:
    component: eth1
    seen: back
  register: returned
  until: returned is succeeded
  retries: 60
  delay: 0
"""

RETURN = r"""
seen:
  description: Whether it is V(there) still, V(gone), or gone and V(back).
  returned: always, if it is detached
  type: str
attached:
  description: Whether it is in service already.
  returned: success
  type: bool
macs:
  description: The hardware addresses of its interfaces that are here.
  returned: success
  type: dict
  sample: {eth1: "02:00:00:00:00:01"}
reason:
  description: V(timeout) when it was not seen in time.
  returned: on failure
  type: str
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.netpath.ipmp.plugins.module_utils import answer
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp import client

LOOK_AGAIN = 0.5  # s


def look(daemon: client.Client, name: str) -> tuple[dict, str]:
    """``seen``, ``attached`` and ``macs`` of the component now, and what may have come in its stead; ClientError if
    there is none of that name.
    """
    answered = daemon.call("transactions")
    for record in answered["records"]:
        altnames = record.get("card", {}).get("altnames", ())
        if name == record["component"] or name in record["interfaces"] or name in altnames:
            hint = record.get("hint") or ""
            return {"seen": record["seen"], "attached": False, "macs": record["now"]}, hint
    opened = answered["open"]
    if opened and (name == opened["component"] or name in opened["interfaces"]):
        raise client.ClientError(f"the detach of {name} is not confirmed, so it may be undone: confirm it first")
    found = daemon.call("detach-query", component=name, force=False, peer=None, consumers=False)["component"]
    seen = "back" if found["present"] else "gone"
    return {"seen": seen, "attached": found["present"], "macs": found["macs"]}, ""


def wait(module: AnsibleModule, daemon: client.Client) -> dict:
    """What is to be returned."""
    name, wanted = module.params["component"], module.params["seen"]
    enough = ("gone", "back") if wanted == "gone" else ("back",)
    end = time.monotonic() + (0 if module.check_mode else module.params["wait_timeout"])
    while True:
        found, hint = look(daemon, name)
        if found["seen"] in enough or module.check_mode:
            return found
        if time.monotonic() > end:
            now = "is still there" if found["seen"] == "there" else "has not come back"
            late = f"{name} {now} after {module.params['wait_timeout']} s" + (f"; {hint}" if hint else "")
            module.fail_json(msg=late, seen=found["seen"], reason="timeout")
        time.sleep(LOOK_AGAIN)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "component": {"type": "str", "required": True},
            "seen": {"type": "str", "choices": ["gone", "back"], "required": True},
            "wait_timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    answer.check_seconds(module)
    try:
        found = wait(module, client.Client())
    except client.ClientError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
