# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a watch of addresses has counted, in a few words."""

from __future__ import annotations

DOCUMENTATION = r"""
name: watched_text
short_description: Lost packets as text
version_added: 1.0.0
description:
  - Sums up what tasks with module P(netpath.ipmp.ipmp_reach#module) returned as
    RV(netpath.ipmp.ipmp_reach#module:watched), over all addresses and all hosts that watched.
author:
  - The netpath.ipmp contributors (@netpath)
options:
  _input:
    description: The results of the tasks. Those that hold no count are passed over.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Say what was lost
  ansible.builtin.debug:
    msg: "{{ reached.results | netpath.ipmp.watched_text }}"
"""

RETURN = r"""
_value:
  description: The text, V(not measured) if nothing was counted.
  type: str
  sample: 3 of 312 (60 ms)
"""

from typing import Any, Mapping, Sequence


def watched_text(results: Sequence[Mapping[str, Any]]) -> str:
    """``0 of 312``; where packets were lost, with the longest time without an answer."""
    counted = [one for result in results for one in result.get("watched") or ()]
    sent = sum(one["sent"] for one in counted)
    if not sent:
        return "not measured"
    lost = sent - sum(one["answered"] for one in counted)
    gap = max(one["longest_gap"] for one in counted)
    return f"{lost} of {sent} ({gap} ms)" if lost else f"0 of {sent}"


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict:
        return {"watched_text": watched_text}
