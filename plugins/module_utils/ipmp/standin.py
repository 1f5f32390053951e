# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What puts the files' addresses in place on the day when no daemon starts: ``/var/lib/ipmp/static``."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

from . import static
from .model import Config
from .state import replace


class StandIn:
    """Written anew for each configuration that makes it another."""

    def __init__(self, root: str, log: Callable[[str, str], None]) -> None:
        self._path, self.log = Path(root) / "var/lib/ipmp/static", log

    def write(self, config: Config) -> None:
        """It may fail, which is said."""
        lines = static.lines(config)
        try:
            if self._has(lines):
                return
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace(self._path, lines)
        except OSError as error:
            self.log("err", f"what a host without a daemon would need cannot be written down: {error}")

    def _has(self, lines: str) -> bool:
        try:
            return self._path.read_text(encoding="utf-8") == lines
        except OSError:
            return False
