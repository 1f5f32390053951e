# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 from outside when the daemon is about to make its Nth system call of those that change anything.

strace is attached to the daemon's main thread and injects the signal at the entry of the call, which is so never made.
Calls that only read are not counted: killed there, it leaves what it leaves at the next that writes. Calls that name
one of some files can be counted instead, in each thread by itself: what the daemon has done beside its loop.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Sequence

from bed import Bed

from ipmp.client import ClientError

CHANGING = (
    "fsync,fdatasync,ftruncate,pwrite64,write,writev,fchmod,fchown,chmod,chown,mkdir,rmdir,rename,unlink,symlink,link,"
    "sendto,sendmsg,sendmmsg,kill,clone,clone3,vfork"
)
AFTERWARDS = 0.12  # s; what the daemon still does when it has answered: the state file, announcements
RECOVERY = 60.0  # s for a rollback that a start finds


class Point(NamedTuple):
    """Where it is killed: at that one of the calls, counted from 1; with files only those that name one of them."""

    number: int
    calls: str = CHANGING
    files: Sequence[str] = ()


class Outcome(NamedTuple):
    """killed: at this call, or "" where the operation was over before. answer: that of ask, None where none came."""

    killed: str
    answer: Any


class Trap:
    """The signal waits at the point. ``killed``: the call, once the trap is taken away and the daemon is dead."""

    def __init__(self, pid: int, point: Point) -> None:
        self.pid, self.killed = pid, ""
        self._trace = tempfile.NamedTemporaryFile("r", prefix="strace-")  # noqa: SIM115
        inject = f"inject={point.calls}:signal=SIGKILL:when={point.number}"
        command = ["strace", "-y", "-o", self._trace.name, "-e", f"trace={point.calls}", "-e", inject, "-p", str(pid)]
        for file in point.files:
            command += ["-f", "-P", file]
        self._strace = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert self._strace.stderr is not None
        for said in self._strace.stderr:
            if "attached" in said:
                break
        else:
            raise AssertionError(f"strace did not attach to process {pid}")

    def __enter__(self) -> Trap:
        return self

    def __exit__(self, *_problem: object) -> None:
        self._strace.terminate()
        self._strace.wait(30)
        assert self._strace.stderr is not None
        self._strace.stderr.close()
        with self._trace as trace:
            lines = [re.sub(r"^\d+ +", "", line) for line in trace.read().splitlines()]
        if not lives(self.pid):
            made = [line for line in lines if re.match(r"\w+\(", line)]
            self.killed = made[-1][:120] if made else "a call that was not recorded"


def killed_at(bed: Bed, point: Point, ask: Callable[[Bed], Any]) -> Outcome:
    """Ask, and have the daemon killed at the point. A killed daemon is reaped."""
    pid = next(p for p in bed.host.processes() if _is_daemon(p))
    with Trap(pid, point) as trap:
        answer = None
        try:
            answer = ask(bed)
        except (ClientError, OSError):
            if not _ends(pid, 10.0):
                raise  # it was not killed: a refusal
        _ends(pid, AFTERWARDS)
    if trap.killed:
        bed.stop()
    return Outcome(trap.killed, answer)


def started_and_killed_at(bed: Bed, number: int) -> str:
    """Start the daemon, and have it killed at that call of what it does by itself; "" where it was over before."""
    traps: List[Trap] = []

    @contextlib.contextmanager
    def trapped(pid: int) -> Iterator[None]:
        with Trap(pid, Point(number)) as trap:
            traps.append(trap)
            yield

    held = contextlib.ExitStack()
    with held:
        try:
            bed.run_daemon(lambda pid: held.enter_context(trapped(pid)))
            end = time.monotonic() + RECOVERY
            while (opened := _open(bed)) is not None and opened["state"] == "rolling-back":
                assert time.monotonic() < end, f"the rollback has not ended within {RECOVERY:g} s"
                time.sleep(0.02)
            _ends(traps[0].pid, AFTERWARDS)
        except (ClientError, OSError, AssertionError):
            if not traps or not _ends(traps[0].pid, 1.0):
                raise
    if traps[0].killed:
        bed.stop()
    return traps[0].killed


def _open(bed: Bed) -> Optional[Any]:
    return bed.call("transactions")["open"]


def _is_daemon(pid: int) -> bool:
    try:
        return b"/usr/local/sbin/in.mpathd" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def _ends(pid: int, seconds: float) -> bool:
    """Whether the process is gone within that time."""
    end = time.monotonic() + seconds
    while lives(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def lives(pid: int) -> bool:
    """It has not ended."""
    try:
        os.kill(pid, 0)
        return not re.search(r"^State:\s+Z", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return False
