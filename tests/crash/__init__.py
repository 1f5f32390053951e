# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon killed from outside at each call of an operation; torn journals, full and read-only disks, a reboot.

tests/kernel/test_crash_points.py runs a sample of it with each ``make kernel``, ``make crash-points`` the whole.
"""

import sys
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
sys.path += [str(_TESTS / "kernel"), str(_TESTS / "kernel/oracle")]
