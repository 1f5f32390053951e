#!/usr/bin/python
# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether addresses can be reached from where it runs: the verification of a detach, in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ipmp_reach
short_description: Check that addresses answer
version_added: 1.0.0
description:
  - Sends ICMP echo requests to every address, and connects to TCP ports of every address, all at the same time.
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
"""

EXAMPLES = r"""
- name: See from a client that the addresses are there and SSH answers
  netpath.ipmp.ipmp_reach:
    addresses: [192.0.2.11, 192.0.2.12]
    ports: [22]
  delegate_to: client
"""

RETURN = r"""
silent:
  description: What did not answer, one sentence each.
  returned: always
  type: list
  elements: str
  sample: ["192.0.2.11 does not answer ping"]
reason:
  description: Why the module failed, V(verify).
  returned: when something did not answer
  type: str
"""

import concurrent.futures
import ipaddress
import os
import socket
import struct
import time

from ansible.module_utils.basic import AnsibleModule

ECHO = {4: (8, 0), 6: (128, 129)}  # ICMP types of request and reply
PAUSE = 0.25  # s between two attempts


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def echo_socket(family: int) -> socket.socket:
    """An unprivileged ICMP socket where the kernel allows one, else a raw one."""
    domain = socket.AF_INET6 if family == 6 else socket.AF_INET
    protocol = socket.IPPROTO_ICMPV6 if family == 6 else socket.IPPROTO_ICMP
    try:
        return socket.socket(domain, socket.SOCK_DGRAM, protocol)
    except PermissionError:
        return socket.socket(domain, socket.SOCK_RAW, protocol)


def answers_ping(address: str, wait: float) -> bool:
    """Whether one of several echo requests is answered."""
    family = 6 if ":" in address else 4
    request, reply = ECHO[family]
    nonce = os.urandom(16)
    header = struct.pack("!BBHHH", request, 0, 0, os.getpid() & 0xFFFF, 1)
    packet = header[:2] + struct.pack("!H", checksum(header + nonce)) + header[4:] + nonce
    deadline = time.monotonic() + wait
    with echo_socket(family) as echo:
        echo.settimeout(PAUSE)
        while time.monotonic() < deadline:
            try:
                echo.sendto(packet, (address, 0))
                if is_reply(echo, reply, nonce):
                    return True
            except OSError:
                time.sleep(PAUSE)
    return False


def is_reply(echo: socket.socket, reply: int, nonce: bytes) -> bool:
    """Whether our own request is answered before the socket's timeout; raises OSError at the timeout."""
    while True:
        data, _sender = echo.recvfrom(2048)
        if len(data) >= 44 and data[0] >> 4 == 4 and data.endswith(nonce):
            data = data[(data[0] & 15) * 4 :]
        if data[:1] == bytes([reply]) and data.endswith(nonce):
            return True


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


def wrong(addresses: list, ports: list, wait_timeout: int) -> str:
    """One sentence about a value that cannot be meant, or an empty one."""
    for address in addresses:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            return f"addresses: '{address}' is no IP address; give addresses without prefix length"
    for port in ports:
        if not 0 < port < 65536:
            return f"ports: {port} is no TCP port; give numbers from 1 to 65535"
    if wait_timeout < 0:
        return f"wait_timeout is {wait_timeout}; give a number of seconds, 0 or more"
    return ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "addresses": {"type": "list", "elements": "str", "required": True},
            "ports": {"type": "list", "elements": "int", "default": []},
            "wait_timeout": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    problem = wrong(**module.params)
    if problem:
        module.fail_json(msg=problem, silent=[])
    try:
        for family in sorted({6 if ":" in address else 4 for address in module.params["addresses"]}):
            echo_socket(family).close()
    except OSError as error:
        module.fail_json(
            msg=f"no ping can be sent from {socket.gethostname()} ({error.strerror}): run as root there, or "
            "set ipmp_verify_from to hosts that can",
            silent=[],
        )
    mute = silent(module.params["addresses"], module.params["ports"], module.params["wait_timeout"])
    if mute:
        msg = f"seen from {socket.gethostname()}: {'; '.join(mute)}"
        module.fail_json(msg=msg, silent=mute, reason="verify")
    module.exit_json(changed=False, silent=[])


if __name__ == "__main__":
    main()
