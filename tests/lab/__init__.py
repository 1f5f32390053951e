# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts, switches and cables on one machine, for tests, the demo and playing: see lab.py and spec.py."""

from __future__ import annotations

from .host import Host, Place, Process
from .kerneldump import compare, dump
from .lab import Lab
from .nic import Nic
from .spec import LabError, describe

__all__ = ["Host", "Lab", "LabError", "Nic", "Place", "Process", "compare", "describe", "dump"]
