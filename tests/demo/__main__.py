# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m demo [FOLDER]``: see run.py; without a folder, build/demo."""

from __future__ import annotations

import sys
from pathlib import Path

from .run import main

sys.exit(main(*map(Path, sys.argv[1:2])))
