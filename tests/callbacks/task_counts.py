# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback plugin of the tests: writes to $TASK_COUNTS how many tasks ran for each host, as JSON, and their names."""

from __future__ import annotations

import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: task_counts
type: aggregate
short_description: Counts tasks by host
description: For the tests of this collection.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "task_counts"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self.names = {}

    def _count(self, result, *_arguments, **_options):
        task = getattr(result, "task", None) or result._task
        if not task.run_once:
            host = getattr(result, "host", None) or result._host
            self.names.setdefault(host.get_name(), []).append(task.get_name())

    v2_runner_on_ok = v2_runner_on_failed = v2_runner_on_skipped = v2_runner_on_unreachable = _count

    def v2_playbook_on_stats(self, _stats):
        with open(os.environ["TASK_COUNTS"], "w", encoding="utf-8") as out:
            json.dump(self.names, out)
