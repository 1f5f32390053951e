# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that may take seconds, done in a thread of its own while the loop goes on; the loop is told when it is over."""

from __future__ import annotations

import os
import threading
from typing import Callable, List, Optional

from .loop import Loop


def aside(loop: Loop, work: Callable[[], None], tell: Callable[[Optional[Exception]], None]) -> None:
    """Run work in a thread, then tell(the exception that ended it, or None) in the loop.

    work must touch nothing that the loop's thread uses.
    """
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    ended: List[Optional[Exception]] = []

    def run() -> None:
        try:
            work()
            ended.append(None)
        except Exception as error:  # whatever it is, the loop waits to be told
            ended.append(error)
        finally:
            os.close(writer)

    def done(_mask: int) -> None:
        loop.remove_fd(reader)
        os.close(reader)
        tell(ended[0])

    loop.add_fd(reader, done)
    threading.Thread(target=run, daemon=True).start()
