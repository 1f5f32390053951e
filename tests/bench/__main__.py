# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m bench [ID ...]``, in the folder tests: see run.py; without ids, all rows."""

from __future__ import annotations

import sys

from .run import main

sys.exit(main(sys.argv[1:]))
