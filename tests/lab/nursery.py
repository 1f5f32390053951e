# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process namespace everything in a lab lives in, and the namespaces started inside it.

When the process that made the lab ends, however it ends, the kernel kills all of it (see keeper.py).
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import IO, Dict, List, Optional, Sequence, Tuple

from .spec import LabError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CLEAN_ENVIRONMENT = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb", "USER": "root"}
START_LIMIT = 30.0  # s


def children(pid: int) -> List[int]:
    """Process ids of the children of pid, as the machine numbers them; empty when it is gone."""
    try:
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


class Nursery:
    """Holds the lab's process namespace.

    ``pid`` is its first process, ``prefix`` what its control groups begin with, ``started`` what was started in it.
    """

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise LabError("a lab needs root, for its network namespaces")
        self.prefix = f"netpath-lab-{os.getpid()}-{os.urandom(3).hex()}"
        self._keeper = subprocess.Popen(
            ["/usr/bin/python3", "-ISu", str(Path(__file__).with_name("keeper.py")), str(os.getpid()), self.prefix],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=CLEAN_ENVIRONMENT,
            start_new_session=True,  # Ctrl-C ends the lab through its maker, in order
        )
        assert self._keeper.stdout is not None and self._keeper.stderr is not None
        line = self._keeper.stdout.readline()
        if not line.strip().isdigit():
            raise LabError(f"the lab's namespaces could not be made: {self._keeper.stderr.read().decode().strip()}")
        self.pid = int(line)
        self.scratch = Path("/tmp") / self.prefix  # made by who needs it, removed after the lab by the keeper
        self.started: List[Starting] = []

    def enter(self, *kinds: str, pid: Optional[int] = None) -> List[str]:
        """The beginning of a command line that runs what follows in the namespaces of pid (default: the nursery)."""
        return ["nsenter", "-t", str(pid or self.pid), *(f"--{kind}" for kind in kinds), "--"]

    def start(self, kinds: Sequence[str], script: str, environment: Optional[Dict[str, str]] = None) -> Starting:
        """Start new namespaces of these kinds (unshare's long options); a shell script sets them up."""
        command = [*self.enter("pid", "mount"), "unshare", *(f"--{kind}" for kind in kinds)]
        command += ["--fork", "--kill-child"] if "pid" in kinds else []
        command += ["--propagation", "private"] if "mount" in kinds else []
        command += ["sh", "-euc", script + "\necho ready\nexec env --ignore-signal=CHLD sleep infinity"]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**CLEAN_ENVIRONMENT, **(environment or {})},
            start_new_session=True,
        )
        self.started.append(Starting(process, forks=2 if "pid" in kinds else 1))
        return self.started[-1]

    def close(self) -> None:
        """End everything in the lab; returns when it is gone."""
        if self._keeper.poll() is None:
            assert self._keeper.stdin is not None
            self._keeper.stdin.close()
            self._keeper.wait()
        for stream in (self._keeper.stdout, self._keeper.stderr, *(s for b in self.started for s in b.streams())):
            if stream is not None:
                stream.close()
        for begun in self.started:
            begun.process.wait()


class Starting:
    """Namespaces on their way; ``ready()`` waits and gives the process id that stands for them."""

    def __init__(self, process: subprocess.Popen[bytes], forks: int) -> None:
        self.process, self._forks = process, forks

    def streams(self) -> Tuple[Optional[IO[bytes]], ...]:
        """Its standard output and error."""
        return self.process.stdout, self.process.stderr

    def ready(self) -> int:
        """Process id, as the machine numbers it, of the first process in the new namespaces; LabError."""
        assert self.process.stdout is not None and self.process.stderr is not None
        if self.process.stdout.readline().strip() != b"ready":
            raise LabError(f"a host of the lab could not be started: {self.process.stderr.read().decode().strip()}")
        found = self.process.pid
        for _ in range(self._forks):  # nsenter forks for the process namespace, unshare for a new one
            deadline = time.monotonic() + START_LIMIT
            while not (below := children(found)):
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise LabError("a host of the lab ended while it started")
                time.sleep(0.001)
            found = below[0]
        return found
