# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves of addresses as a sentence for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: moves_text
short_description: Moves of addresses as text
version_added: 1.0.0
description:
  - Turns the RV(netpath.ipmp.ipmp_dr#module:moves) that the modules return into a line for people.
author:
  - The netpath.ipmp contributors (@netpath)
positional: verb
options:
  _input:
    description: List of moves, each with C(address), C(from) and C(to).
    type: list
    elements: dict
    required: true
  verb:
    description: What the addresses did, or would do.
    type: str
    default: moved
"""

EXAMPLES = r"""
- name: Say what happened
  ansible.builtin.debug:
    msg: "{{ detach.moves | netpath.ipmp.moves_text }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
  sample: 192.0.2.11 moved from eth1 to eth2
"""


def moves_text(moves: list, verb: str = "moved") -> str:
    """``192.0.2.11 moved from eth1 to eth2``, joined by commas."""

    def one(move: dict) -> str:
        if not move["from"]:
            return f"{move['address']} {verb} to {move['to']}"
        return f"{move['address']} {verb} from {move['from']} to {move['to'] or 'no interface'}"

    return ", ".join(one(move) for move in moves) or f"no address {verb}"


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict:
        return {"moves_text": moves_text}
