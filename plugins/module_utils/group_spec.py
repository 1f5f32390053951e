# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GROUP, INTERFACE and DEFAULTS as argument specs: an entry of ``groups`` and of its ``interfaces``; ``defaults``."""

from __future__ import annotations

_ADDRESSES = {"type": "list", "elements": "str", "default": []}

INTERFACE = {
    "name": {"type": "str", "required": True},
    "standby": {"type": "bool", "default": False},
    "mtu": {"type": "int"},
    "data_addresses": _ADDRESSES,
    "test_addresses": _ADDRESSES,
    "extra": {"type": "list", "elements": "str", "default": []},
}

GROUP = {
    "name": {"type": "str", "required": True},
    "interfaces": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": INTERFACE,
    },
    "gateways": _ADDRESSES,
    "routes": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"to": {"type": "str", "required": True}, "via": {"type": "str", "required": True}},
    },
    "targets": _ADDRESSES,
    "failure_detection_time": {"type": "int"},
    "failback": {"type": "bool"},
}

DEFAULTS = {
    "failure_detection_time": {"type": "int"},
    "failback": {"type": "bool"},
    "track_interfaces_only_with_groups": {"type": "bool"},
}
