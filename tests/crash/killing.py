# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 from outside when the daemon is about to make a system call that changes anything: each of them once.

strace is attached to the daemon's main thread and injects the signal at the entry of the call, which is so never made.
It counts calls of one name, so a point is the Nth of a name; which there are is found by looking on once. Calls that
only read are not counted: killed there, it leaves what it leaves at the next that writes. Of calls that name one of
some files those of each thread are counted by themselves: what the daemon has done beside its loop.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Iterable, List, NamedTuple, Optional, Sequence

from bed import Bed

from ipmp.client import ClientError

CHANGING = (
    "fsync,fdatasync,ftruncate,pwrite64,write,writev,fchmod,fchown,chmod,chown,mkdir,rmdir,rename,unlink,symlink,link,"
    "sendto,sendmsg,sendmmsg,kill,clone,clone3,vfork"
)
AFTERWARDS = 0.12  # s; what the daemon still does when it has answered: the state file, announcements
DYING = 0.1  # s; a signal at the last moment, and a process that is busy ending
RECOVERY = 60.0  # s for a rollback that a start finds


class Point(NamedTuple):
    """Where it is killed: at the call of that name with that number, from 1; with files, of those that name one."""

    call: str
    number: int
    files: Sequence[str] = ()

    def __str__(self) -> str:
        return f"{self.call} {self.number}"


class Outcome(NamedTuple):
    """killed: at this call, or "" where the operation was over before. answer: that of ask, None where none came."""

    killed: str
    answer: Any


class Trace:
    """strace, with what it injects, if anything. Once it is taken away: ``made``, the calls by name in their order, and
    ``killed``, the last of them in words if the daemon is dead, else "".
    """

    def __init__(self, pid: int, calls: str = CHANGING, inject: str = "", files: Sequence[str] = ()) -> None:
        self.pid, self.killed, self.injected = pid, "", 0
        self.made: List[str] = []
        self._trace = tempfile.NamedTemporaryFile("r", prefix="strace-")  # noqa: SIM115
        command = ["strace", "-y", "-o", self._trace.name, "-e", f"trace={calls}", "-p", str(pid)]
        if inject:
            command += ["-e", f"inject={calls}:{inject}"]
        for file in files:
            command += ["-f", "-P", file]
        self._strace = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert self._strace.stderr is not None
        for said in self._strace.stderr:
            if "attached" in said:
                break
        else:
            raise AssertionError(f"strace did not attach to process {pid}")

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, *_problem: object) -> None:
        self._strace.terminate()
        self._strace.wait(30)
        assert self._strace.stderr is not None
        self._strace.stderr.close()
        with self._trace as trace:
            lines = [re.sub(r"^\d+ +", "", line) for line in trace.read().splitlines()]
        self.injected = sum("INJECTED" in line for line in lines)
        made = [line for line in lines if re.match(r"\w+\(", line)]
        self.made = [line.partition("(")[0] for line in made]
        if _ends(self.pid, DYING):
            self.killed = made[-1][:120] if made else "a call that was not recorded"


def trap(pid: int, point: Point) -> Trace:
    """The signal waits there."""
    return Trace(pid, point.call, f"signal=SIGKILL:when={point.number}", point.files)


def failing(pid: int, calls: str, number: int, error: str) -> Trace:
    """Nobody is killed, but of each of these calls that one and all after it fail with the error, such as ENOSPC."""
    return Trace(pid, calls, f"error={error}:when={number}+")


def points(made: Iterable[str]) -> List[Point]:
    """Those of calls in their order."""
    counts: Counter[str] = Counter()
    found = []
    for call in made:
        counts[call] += 1
        found.append(Point(call, counts[call]))
    return found


def seen_in(bed: Bed, ask: Callable[[Bed], Any]) -> List[Point]:
    """Ask, and see at which points it could have been killed."""
    with Trace(number_of(bed)) as trace:
        ask(bed)
        time.sleep(AFTERWARDS)
    return points(trace.made)


def seen_in_start(bed: Bed) -> List[Point]:
    """The same of a start, and what it makes good."""
    traces: List[Trace] = []
    held = contextlib.ExitStack()
    with held:
        bed.run_daemon(lambda pid: traces.append(held.enter_context(Trace(pid))))
        _await_rollback(bed)
    return points(traces[0].made)


def killed_at(bed: Bed, point: Point, ask: Callable[[Bed], Any]) -> Outcome:
    """Ask, and have the daemon killed at the point. A killed daemon is reaped."""
    pid = number_of(bed)
    with trap(pid, point) as waiting:
        answer = None
        try:
            answer = ask(bed)
        except (ClientError, OSError):
            if not _ends(pid, 10.0):
                raise  # it was not killed: a refusal
        _ends(pid, AFTERWARDS)
    if waiting.killed:
        bed.stop()
    return Outcome(waiting.killed, answer)


def started_and_killed_at(bed: Bed, point: Point) -> str:
    """Start the daemon, and have it killed at that call of what it does by itself; "" where it was over before."""
    traps: List[Trace] = []
    held = contextlib.ExitStack()
    with held:
        try:
            bed.run_daemon(lambda pid: traps.append(held.enter_context(trap(pid, point))))
            _await_rollback(bed)
            _ends(traps[0].pid, AFTERWARDS)
        except (ClientError, OSError, AssertionError):
            if not traps or not _ends(traps[0].pid, 1.0):
                raise
    if traps[0].killed:
        bed.stop()
    return traps[0].killed


def _await_rollback(bed: Bed) -> None:
    end = time.monotonic() + RECOVERY
    while (opened := _open(bed)) is not None and opened["state"] == "rolling-back":
        assert time.monotonic() < end, f"the rollback has not ended within {RECOVERY:g} s"
        time.sleep(0.02)


def _open(bed: Bed) -> Optional[Any]:
    return bed.call("transactions")["open"]


def number_of(bed: Bed) -> int:
    """The daemon's process."""
    return next(pid for pid in bed.host.processes() if _is_daemon(pid))


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
