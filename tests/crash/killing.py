# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 from outside when the daemon is about to make its Nth system call of those that change anything.

strace is attached to the running daemon's main thread and injects the signal at the entry of the call, which is so
never made. Calls that only read are not counted: killed there, it leaves what it leaves at the next that writes.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, NamedTuple

from bed import Bed

from ipmp.client import ClientError

CHANGING = (
    "fsync,fdatasync,ftruncate,pwrite64,write,mkdir,rename,unlink,symlink,link,sendto,sendmsg,sendmmsg,kill,clone3"
)
AFTERWARDS = 0.12  # s; what the daemon still does when it has answered: the state file, announcements


class Outcome(NamedTuple):
    """killed: at this call, or "" where the operation was over before. answer: that of ask, None where none came."""

    killed: str
    answer: Any


def killed_at(bed: Bed, number: int, ask: Callable[[Bed], Any], calls: str = CHANGING) -> Outcome:
    """Ask, and have the daemon killed at that one of its calls, counted from 1. A killed daemon is reaped."""
    pid = next(p for p in bed.host.processes() if _is_daemon(p))
    with tempfile.NamedTemporaryFile("r", prefix="strace-") as trace:
        inject = f"inject={calls}:signal=SIGKILL:when={number}"
        strace = subprocess.Popen(
            ["strace", "-y", "-o", trace.name, "-e", f"trace={calls}", "-e", inject, "-p", str(pid)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert strace.stderr is not None
        try:
            said = strace.stderr.readline()
            assert "attached" in said, said
            answer = None
            try:
                answer = ask(bed)
            except (ClientError, OSError):
                if not _ends(pid, 10.0):
                    raise  # it was not killed: a refusal
            _ends(pid, AFTERWARDS)
        finally:
            strace.terminate()
            strace.wait(30)
            strace.stderr.close()
        lines = trace.read().splitlines()
    if _lives(pid):
        return Outcome("", answer)
    bed.stop()
    made = [line for line in lines if re.match(r"\w+\(", line)]
    return Outcome(made[-1][:120] if made else "a call that was not recorded", answer)


def _is_daemon(pid: int) -> bool:
    try:
        return b"/usr/local/sbin/in.mpathd" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def _ends(pid: int, seconds: float) -> bool:
    """Whether the process is gone within that time."""
    end = time.monotonic() + seconds
    while _lives(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return not re.search(r"^State:\s+Z", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return False
