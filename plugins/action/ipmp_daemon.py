# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the daemon's artifact on the controller and sends it only to a host whose own differs."""

from __future__ import annotations

from typing import Any, Dict, Optional

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.netpath.ipmp.plugins.module_utils.deploy import artifact
from ansible_collections.netpath.ipmp.plugins.plugin_utils import offer

MODULE = "netpath.ipmp.ipmp_daemon"


class ActionModule(ActionBase):
    """One module call when the host has the code already, else a transfer and a second one."""

    TRANSFERS_FILES = True
    _requires_connection = True

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        super().run(tmp, task_vars)
        given = dict(self._task.args)
        if "artifact" in given:
            raise AnsibleActionFail("ipmp_daemon: the option artifact is for the collection's own use; remove it")
        if given.get("state", "present") == "absent":
            return self._call(given, task_vars)
        folders = offer.folders(given.get("pyroute2", "auto"))
        offered = offer.described(folders)
        result = self._call({**given, "artifact": offered}, task_vars)
        needs = result.pop("needs", None)
        if not needs:
            return result
        remote = self._connection._shell.join_path(self._temporary_folder(), "ipmp.tar.gz")
        self._transfer_data(remote, artifact.pack({name: folders[name] for name in needs}))
        self._fixup_perms2([self._connection._shell.tmpdir, remote])
        try:
            return self._call({**given, "artifact": {**offered, "archive": remote}}, task_vars)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _temporary_folder(self) -> str:
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        return self._connection._shell.tmpdir

    def _call(self, arguments: Dict[str, Any], task_vars: Optional[Dict[str, Any]]) -> Dict[str, Any]:
        return self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
