# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints lines as they are, without JSON's quotes around them."""

from __future__ import annotations

from typing import Any, Dict, Optional

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()


class ActionModule(ActionBase):
    """Works on the controller only; no host is asked."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        result = super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec(
            {"lines": {"type": "list", "elements": "str", "required": True}}
        )
        if not constants.DEFAULT_STDOUT_CALLBACK.rpartition(".")[2].startswith("json"):
            for line in given["lines"]:
                display.display(line)
        result.update(changed=False, lines=given["lines"])
        return result
