# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files, links and directories that must be there, or must not: compared, shown as diff, written."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional


@dataclass(frozen=True)
class Place:
    """One path as it shall be. Exactly one of text, link and folder is set; none of them: it shall not exist."""

    path: str
    text: Optional[str] = None
    link: Optional[str] = None
    folder: bool = False
    mode: int = 0o644

    @property
    def gone(self) -> bool:
        """Whether nothing shall be there."""
        return self.text is None and self.link is None and not self.folder

    def found(self) -> str:
        """What is there now, as text that a person can compare: content, ``-> target``, or empty."""
        if os.path.islink(self.path):
            return f"-> {os.readlink(self.path)}\n"
        if os.path.isdir(self.path):
            return f"directory, mode {stat.S_IMODE(os.stat(self.path).st_mode):04o}\n"
        if not os.path.exists(self.path):
            return ""
        with open(self.path, encoding="utf-8", errors="surrogateescape") as present:
            text = present.read()
        mode = stat.S_IMODE(os.stat(self.path).st_mode)
        return text if mode == self.mode or self.gone else f"mode {mode:04o}\n{text}"

    def wanted(self) -> str:
        """What shall be there, in the same form."""
        if self.link is not None:
            return f"-> {self.link}\n"
        if self.folder:
            return f"directory, mode {self.mode:04o}\n"
        return self.text or ""

    def difference(self) -> Optional[Dict[str, Any]]:
        """An Ansible diff entry, or None when nothing has to be done."""
        if self.gone and not os.path.lexists(self.path):
            return None
        before, after = self.found(), self.wanted()
        if before == after and not self.gone and os.path.lexists(self.path):
            return None
        return {"before_header": self.path, "after_header": self.path, "before": before, "after": after}

    def make(self, settle: Callable[[str], None]) -> None:
        """Makes it so; ``settle`` is called with every path written (for its SELinux context)."""
        if self.gone:
            _remove(self.path)
            return
        if self.folder:
            os.makedirs(self.path, mode=0o755, exist_ok=True)
            os.chmod(self.path, self.mode)
            settle(self.path)
            return
        os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
        if os.path.isdir(self.path) and not os.path.islink(self.path):
            raise IsADirectoryError(f"{self.path} is a directory where a file is to be written; move it away")
        handle, fresh = tempfile.mkstemp(dir=os.path.dirname(self.path), prefix=".ipmp-")
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(self.text or "")
        if self.link is not None:
            os.unlink(fresh)
            os.symlink(self.link, fresh)
        else:
            os.chmod(fresh, self.mode)
        os.replace(fresh, self.path)
        settle(self.path)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
