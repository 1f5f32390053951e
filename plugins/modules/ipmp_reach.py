#!/usr/bin/python
# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether addresses can be reached from where it runs, and how well meanwhile: the verification of a detach."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ipmp_reach
short_description: Check that addresses answer
version_added: 1.0.0
description:
  - Sends ICMP echo requests to every address, and connects to TCP ports of every address, all at the same time.
  - With O(state=watched) it leaves a process behind that goes on sending echo requests, so that it can be said
    afterwards how many were lost while something was done to the addresses.
  - Runs on the host that shall see the addresses, such as the controller or a client, mostly with C(delegate_to).
author:
  - The netpath.ipmp contributors (@netpath)
extends_documentation_fragment:
  - netpath.ipmp.attributes
options:
  addresses:
    description: The addresses, without prefix length.
    type: list
    elements: str
    required: true
  ports:
    description: TCP ports that have to accept a connection at every address.
    type: list
    elements: int
    default: []
  wait_timeout:
    description: How many seconds an address has to answer. It is asked again several times in between.
    type: int
    default: 5
  state:
    description:
      - V(reached) checks, and ends the O(watch) if one is given.
      - V(watched) begins to watch the addresses, whether or not they answer now, and returns at once.
    type: str
    choices: [reached, watched]
    default: reached
  watch:
    description: What RV(watch) of a task with O(state=watched) on the same host was. It is ended.
    type: str
  interval:
    description:
      - With O(state=watched), milliseconds between two requests to an address.
      - No more than 1000 requests a second are sent together, so that many addresses are asked more slowly.
    type: int
    default: 20
  watch_timeout:
    description: With O(state=watched), seconds after which the watch ends by itself if nobody has ended it.
    type: int
    default: 600
"""

EXAMPLES = r"""
- name: See from a client that the addresses are there and SSH answers
  netpath.ipmp.ipmp_reach:
    addresses: [192.0.2.11, 192.0.2.12]
    ports: [22]
  delegate_to: client

- name: Begin to watch an address
  netpath.ipmp.ipmp_reach:
    addresses: [192.0.2.11]
    state: watched
  delegate_to: client
  register: begun

- name: See that it answers, and how much was lost since then
  netpath.ipmp.ipmp_reach:
    addresses: [192.0.2.11]
    watch: "{{ begun.watch }}"
  delegate_to: client
"""

RETURN = r"""
silent:
  description: What did not answer, one sentence each.
  returned: always
  type: list
  elements: str
  sample: ["192.0.2.11 does not answer ping"]
watch:
  description: The watch, to be given to a later task.
  returned: with O(state=watched)
  type: str
watched:
  description:
    - What the watch has counted. A request is lost if it is not answered within half a second after the last one.
    - Null if the watch had ended before.
  returned: with O(watch), on failure too
  type: list
  elements: dict
  contains:
    address:
      description: The address.
      type: str
    sent:
      description: How many requests were sent to it.
      type: int
    answered:
      description: How many of them were answered.
      type: int
    longest_gap:
      description: For how many milliseconds no request was answered, at most.
      type: int
  sample: [{address: 192.0.2.11, sent: 312, answered: 312, longest_gap: 0}]
reason:
  description: Why the module failed, V(verify).
  returned: when something did not answer
  type: str
"""

import concurrent.futures
import ipaddress
import os
import socket
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.netpath.ipmp.plugins.module_utils import echo_train, echoes

PAUSE = 0.25  # s between two attempts


def answers_ping(address: str, wait: float) -> bool:
    """Whether one of several echo requests is answered."""
    family, nonce = echoes.family_of(address), os.urandom(16)
    packet = echoes.request(family, nonce)
    deadline = time.monotonic() + wait
    with echoes.open_socket(family) as echo:
        echo.settimeout(PAUSE)
        while time.monotonic() < deadline:
            try:
                echo.sendto(packet, (address, 0))
                while echoes.reply(family, echo.recv(2048)) != nonce:
                    continue
                return True
            except OSError:
                time.sleep(PAUSE)
    return False


def accepts(address: str, port: int, wait: float) -> bool:
    """Whether the port takes a connection."""
    deadline = time.monotonic() + wait
    while time.monotonic() < deadline:
        try:
            socket.create_connection((address, port), timeout=min(2.0, wait)).close()
            return True
        except OSError:
            time.sleep(PAUSE)
    return False


def silent(addresses: list, ports: list, wait: float) -> list:
    """One sentence for whatever does not answer, in the order asked."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=64) as pool:
        asked = []
        for address in addresses:
            asked.append((f"{address} does not answer ping", pool.submit(answers_ping, address, wait)))
            for port in ports:
                text = f"{address} accepts no connection to port {port}"
                asked.append((text, pool.submit(accepts, address, port, wait)))
        return [text for text, answer in asked if not answer.result()]


def wrong(params: dict) -> str:
    """One sentence about a value that cannot be meant, or an empty one."""
    for address in params["addresses"]:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            return f"addresses: '{address}' is no IP address; give addresses without prefix length"
    for port in params["ports"]:
        if not 0 < port < 65536:
            return f"ports: {port} is no TCP port; give numbers from 1 to 65535"
    for name, least in (("wait_timeout", 1), ("interval", 1), ("watch_timeout", 1)):
        if params[name] < least:
            return f"{name} is {params[name]}; give a number from {least} on"
    if params["watch"] is not None and params["state"] == "watched":
        return "watch: with state=watched a new one begins; leave it out"
    return ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "addresses": {"type": "list", "elements": "str", "required": True},
            "ports": {"type": "list", "elements": "int", "default": []},
            "wait_timeout": {"type": "int", "default": 5},
            "state": {"type": "str", "choices": ["reached", "watched"], "default": "reached"},
            "watch": {"type": "str"},
            "interval": {"type": "int", "default": 20},
            "watch_timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    params = module.params
    problem = wrong(params)
    if problem:
        module.fail_json(msg=problem, silent=[])
    try:
        for family in sorted({echoes.family_of(address) for address in params["addresses"]}):
            echoes.open_socket(family).close()
        if params["state"] == "watched":
            watch = echo_train.start(params["addresses"], params["interval"] / 1000, params["watch_timeout"])
            module.exit_json(changed=False, silent=[], watch=watch)
    except OSError as error:
        module.fail_json(
            msg=f"no ping can be sent from {socket.gethostname()} ({error.strerror}): run as root there, or "
            "set ipmp_verify_from to hosts that can",
            silent=[],
        )
    mute = silent(params["addresses"], params["ports"], params["wait_timeout"])
    watched = {"watched": echo_train.finish(params["watch"])} if params["watch"] else {}
    if mute:
        msg = f"seen from {socket.gethostname()}: {'; '.join(mute)}"
        module.fail_json(msg=msg, silent=mute, reason="verify", **watched)
    module.exit_json(changed=False, silent=[], **watched)


if __name__ == "__main__":
    main()
