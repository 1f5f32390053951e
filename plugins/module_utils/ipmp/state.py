# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What survives a restart of the daemon but not a reboot: ``/run/ipmp/state.json`` with the boot id."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, Optional


class StateFile:
    """Replaced whole at each save; unreadable or of another boot counts as not there."""

    def __init__(self, root: str) -> None:
        self._root = Path(root)
        self._path = self._root / "run/ipmp/state.json"
        self.boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        self._last = ""

    def load(self) -> Optional[Dict[str, Any]]:
        """What the daemon before us in this boot knew, or None."""
        try:
            saved = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(saved, dict) or saved.get("boot_id") != self.boot_id:
            return None
        return saved

    def save(self, state: Dict[str, Any]) -> None:
        """Write it unless it is what was written last. No fsync: /run is memory."""
        text = json.dumps({**state, "boot_id": self.boot_id}, sort_keys=True)
        if text == self._last:
            return
        self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        replace(self._path, text)
        self._last = text


def replace(path: Path, text: str) -> None:
    """The file has this text, or on OSError still its old one."""
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)
