# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that ipmp_daemon and ipmp_preflight share, as an argument spec; their documentation is options.deploy."""

from __future__ import annotations

from .network_managers import MANAGERS

OPTIONS = {
    "pyroute2": {"type": "str", "choices": ["auto", "bundled", "system"], "default": "auto"},
    "network_managers": {"type": "list", "elements": "str", "choices": list(MANAGERS), "default": list(MANAGERS)},
    "artifact": {
        "type": "dict",
        "options": {
            "code": {"type": "str", "required": True},
            "pyroute2": {"type": "str"},
            "pyroute2_version": {"type": "str"},
            "archive": {"type": "path"},
        },
    },
}
