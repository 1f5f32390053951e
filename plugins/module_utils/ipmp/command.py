# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One program run to its end beside the daemon's loop, with a time limit; what it says is NAME=VALUE lines."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Callable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .loop import Loop

MOST = 64 << 10  # bytes of output that are read
_CHUNK = 4096


class Outcome(NamedTuple):
    """code: the exit code, None if it did not end by itself (problem says why)."""

    code: Optional[int]
    lines: Tuple[Tuple[str, str], ...] = ()
    problem: str = ""

    def all(self, name: str) -> List[str]:
        """Every value of that name."""
        return [value for key, value in self.lines if key == name]

    def first(self, name: str) -> str:
        """The first value of that name, or ""."""
        return next(iter(self.all(name)), "")

    @property
    def why(self) -> str:
        """Why it is not done, in its own words where it has some."""
        return (
            "; ".join(self.all("rcm_failure_reason")) or self.problem or f"it ended with {self.code} and said nothing"
        )


class Command:
    """words[0] is the path. tell gets the Outcome in the loop, never before the constructor has returned.

    The program leads a process group of its own, which is killed when the time is up. It runs with ordinary scheduling
    whatever the daemon's is; its standard error is the daemon's.
    """

    def __init__(
        self,
        loop: Loop,
        words: Sequence[str],
        environment: Mapping[str, str],
        limit: float,
        tell: Callable[[Outcome], None],
    ) -> None:
        self._loop, self._tell, self._limit = loop, tell, limit
        self._said = bytearray()
        self._late = False
        try:
            self._start(words, environment)
        except OSError as error:
            problem = f"{words[0]} cannot be run: {error.strerror}"
            loop.call_later(0, lambda: tell(Outcome(None, (), problem)))

    def _start(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            actions = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, writer, 1)]
            # The daemon has no run_command, and nothing else sets the scheduler and the signals without a fork's copy.
            self._pid = os.posix_spawn(  # pylint: disable=ansible-bad-function
                words[0],
                list(words),
                dict(environment),
                file_actions=actions,
                setpgroup=0,
                setsigmask=[],
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
                scheduler=(os.SCHED_OTHER, os.sched_param(0)),
            )
            self._end = os.pidfd_open(self._pid)
        except OSError:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        os.set_blocking(reader, False)
        self._reader = reader
        self._loop.add_fd(reader, self._read)
        self._loop.add_fd(self._end, self._ended)
        self._timer = self._loop.call_later(self._limit, self._kill)

    def _read(self, _mask: int) -> None:
        if not self._take():
            self._loop.remove_fd(self._reader)  # it has closed its output; its end is told by the other descriptor

    def _take(self) -> bool:
        """False at the end of what it says."""
        try:
            data = os.read(self._reader, _CHUNK)
        except BlockingIOError:
            return True
        self._said += data[: MOST - len(self._said)]
        return bool(data)

    def _kill(self) -> None:
        self._late = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)

    def _ended(self, _mask: int) -> None:
        self._timer.cancel()
        _pid, status = os.waitpid(self._pid, 0)
        for _turn in range(MOST // _CHUNK):  # what it said last; a child that it left behind may go on talking
            before = len(self._said)
            if not self._take() or len(self._said) == before:
                break
        for fd in (self._reader, self._end):
            self._loop.remove_fd(fd)
            os.close(fd)
        code = os.waitstatus_to_exitcode(status)
        if self._late:
            problem = f"it was not done within {self._limit:.0f} s and was killed"
        else:
            problem = f"it was killed by signal {-code}" if code < 0 else ""
        self._tell(Outcome(None if self._late or code < 0 else code, _lines(bytes(self._said)), problem))


def _lines(said: bytes) -> Tuple[Tuple[str, str], ...]:
    pairs = (line.partition("=") for line in said.decode("utf-8", "replace").splitlines())
    return tuple((name.strip(), value.strip()) for name, equals, value in pairs if equals)
