# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes ansible-test's units runnable by plain pytest too, which does not know the collection by its name."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
if ROOT.parent.parent.name != "ansible_collections":  # where ansible-test runs it is there
    _view = tempfile.TemporaryDirectory(prefix="ipmp-view-")
    _namespace = Path(_view.name, "ansible_collections", "netpath")
    _namespace.mkdir(parents=True)
    (_namespace / "ipmp").symlink_to(ROOT)
    sys.path.insert(0, _view.name)
