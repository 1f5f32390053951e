# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module in this process as Ansible would, and returns what it printed, if that is documented."""

from __future__ import annotations

import importlib
import json
import os
from contextlib import redirect_stdout
from io import StringIO
from typing import Any, Dict

import pytest
from ansible.module_utils import basic
from documented import problems


class Failed(AssertionError):
    """The module ended as failed; ``result`` is its result."""

    def __init__(self, result: Dict[str, Any]) -> None:
        super().__init__(result["msg"])
        self.result = result


def run(
    monkeypatch: pytest.MonkeyPatch, name: str, /, check: bool = False, diff: bool = False, **options: Any
) -> Dict[str, Any]:
    """The result of the module; raises Failed when it failed."""
    arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_remote_tmp": "/tmp"}
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    module = importlib.import_module(f"ansible_collections.netpath.ipmp.plugins.modules.{name}")
    printed = StringIO()
    with redirect_stdout(printed), pytest.raises(SystemExit):
        module.main()
    result: Dict[str, Any] = json.loads(printed.getvalue().strip().splitlines()[-1])
    found = problems(name, options, result, diff=diff)
    assert not found, found
    if result.get("failed"):
        raise Failed(result)
    return result
