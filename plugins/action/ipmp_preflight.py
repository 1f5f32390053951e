# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what the controller has to offer, so that a look at a host can tell whether the host's own differs."""

from __future__ import annotations

from typing import Any, Dict, Optional

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.netpath.ipmp.plugins.plugin_utils import offer

MODULE = "netpath.ipmp.ipmp_preflight"


class ActionModule(ActionBase):
    """One module call; nothing is transferred but the module."""

    TRANSFERS_FILES = False
    _requires_connection = True

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        super().run(tmp, task_vars)
        given = dict(self._task.args)
        if "artifact" in given:
            raise AnsibleActionFail("ipmp_preflight: the option artifact is for the collection's own use; remove it")
        given["artifact"] = offer.described(offer.folders(given.get("pyroute2", "auto")))
        return self._execute_module(module_name=MODULE, module_args=given, task_vars=task_vars)
