# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Confirms a change by itself, when asked to: over a new connection, which shows that the host can still be reached."""

from __future__ import annotations

import time
from typing import Any, Dict, Optional

from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

MODULE = "netpath.ipmp.ipmp_config"
RETRY = 1.0  # s


class ActionModule(ActionBase):
    """One module call, and a second one when something was changed that has to be confirmed."""

    TRANSFERS_FILES = False
    _requires_connection = True

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        super().run(tmp, task_vars)
        given = dict(self._task.args)
        wanted = boolean(given.get("confirm", False), strict=False)
        try:
            result = self._call(given, task_vars)
        except AnsibleConnectionFailure as error:
            if not wanted:
                raise
            raise AnsibleConnectionFailure(
                f"{error}. If the change had begun, the host puts everything back by itself "
                f"within {given.get('confirm_timeout', 0)} s"
            ) from error
        if not wanted or result.get("failed") or not result.get("transaction"):
            return result
        return self._confirmed(result, float(given["confirm_timeout"]), task_vars)

    def _confirmed(self, result: Dict[str, Any], seconds: float, task_vars: Optional[Dict[str, Any]]) -> Dict[str, Any]:
        transaction, deadline = result["transaction"], time.monotonic() + seconds
        arguments = {"state": "confirmed", "transaction": transaction}
        while True:
            reset = getattr(self._connection, "reset", None)
            try:
                if reset is not None:
                    reset()
                answer = self._call(arguments, task_vars)
            except AnsibleConnectionFailure as error:
                answer = {"failed": True, "msg": f"no new connection reaches the host: {error}"}
                if time.monotonic() < deadline:
                    time.sleep(RETRY)
                    continue
            if answer.get("failed"):
                text = f"the change was not confirmed, so the host puts everything back by itself: {answer['msg']}"
                return {**result, "failed": True, "msg": text}
            return {**result, "transaction": None}

    def _call(self, arguments: Dict[str, Any], task_vars: Optional[Dict[str, Any]]) -> Dict[str, Any]:
        return self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
