# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make bench``: what detection, failover and the daemon itself cost, measured on real namespaces (run.py)."""

from __future__ import annotations

import sys
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
# The host package, and the beds and the capture of the kernel tests.
sys.path += [str(_TESTS.parent / "plugins/module_utils"), str(_TESTS / "kernel"), str(_TESTS / "kernel/oracle")]
