# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From Ansible's variables of all hosts to the plain values that the comparison of a fleet takes."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from jinja2 import Undefined

from .fleet import Data


def plain(value: Any) -> Any:
    """The same made of dictionaries, lists and scalars only; everything in it is templated on the way."""
    if isinstance(value, Mapping):
        return {str(key): plain(value[key]) for key in value}
    if isinstance(value, (list, tuple)):
        return [plain(element) for element in value]
    if isinstance(value, Undefined):
        str(value)  # raises with the sentence that says what is undefined
    return value


def data(every: Mapping[str, Any]) -> Dict[str, Data]:
    """What is compared, of every host of the inventory."""
    return {str(host): _one(every[host]) for host in every}


def _one(variables: Mapping[str, Any]) -> Data:
    try:
        groups, defaults = (
            plain(variables[name]) if name in variables else None for name in ("ipmp_groups", "ipmp_defaults")
        )
        address = str(variables.get("ansible_host") or "")
    except Exception as error:  # whatever a template of somebody's inventory may raise
        return Data(unreadable=" ".join(str(error).split()))
    return Data(groups, defaults, address)
