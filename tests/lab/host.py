# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs inside a lab's namespaces, and the files in there."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Union

from .nursery import CLEAN_ENVIRONMENT, children
from .spec import LabError

if TYPE_CHECKING:
    from .nic import Nic

Command = Union[str, Sequence[str]]


class Process(subprocess.Popen):  # type: ignore[type-arg]
    """A program inside namespaces; signals reach the program itself, not the nsenter that waits for it.

    Where a line for the shell was given, that program is the shell: begin it with ``exec`` to reach what it starts.
    """

    def send_signal(self, sig: int) -> None:
        inside = children(self.pid)
        if inside and self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(inside[0], sig)
        else:
            super().send_signal(sig)

    def kill_tree(self) -> None:
        """SIGKILL the program and all that it started and that still hangs on it."""
        found, families = [], children(self.pid)
        while families:
            found.append(families.pop())
            families += children(found[-1])
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


class Place:
    """Namespaces that programs can run in: ``pid`` stands for them, as the machine numbers it."""

    def __init__(self, name: str, pid: int, kinds: Sequence[str], environment: Optional[Dict[str, str]] = None) -> None:
        self.name, self.pid, self.kinds = name, pid, tuple(kinds)
        self.environment = CLEAN_ENVIRONMENT if environment is None else environment

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def command(self, command: Command) -> List[str]:
        """The command line that runs command (a list, or a line for the shell) in here from the outside."""
        inside = ["sh", "-c", command] if isinstance(command, str) else list(command)
        return ["nsenter", "-t", str(self.pid), *(f"--{kind}" for kind in self.kinds), "--", *inside]

    def popen(self, command: Command, **options: Any) -> Process:
        """Start a program; options as for subprocess.Popen. It ends with the lab at the latest."""
        options.setdefault("env", self.environment)
        options.setdefault("stdin", subprocess.DEVNULL)
        return Process(self.command(command), **options)

    def run(
        self, command: Command, *, check: bool = True, input: Optional[str] = None, timeout: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end; with check a non-zero exit is a LabError that shows its output."""
        stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
        process = self.popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            out, err = process.communicate(input, timeout=timeout)
        except BaseException as problem:
            process.kill_tree()
            out, err = process.communicate()
            if isinstance(problem, subprocess.TimeoutExpired):
                raise LabError(f"{self.name}: {command!r} took longer than {timeout} s\n{out}{err}") from None
            raise
        if check and process.returncode:
            raise LabError(f"{self.name}: {command!r} ended with {process.returncode}\n{out}{err}")
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def ip(self, *lines: str) -> None:
        """Run lines of the ip command, all in one batch: ``place.ip("link set lo up", "route add ...")``."""
        if lines:
            self.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n")


class Host(Place):
    """A host of the lab; ``nics`` by name."""

    def __init__(
        self,
        name: str,
        pid: int,
        kinds: Sequence[str],
        environment: Optional[Dict[str, str]] = None,
        role: str = "host",
    ) -> None:
        super().__init__(name, pid, kinds, environment)
        self.role = role
        self.nics: Dict[str, Nic] = {}

    def write_file(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the host, with the folders above it."""
        script = 'mkdir -p -- "$(dirname -- "$1")" && cat >"$1" && chmod "$2" -- "$1"'
        self.run(["sh", "-c", script, "sh", path, f"{mode:o}"], input=text)

    def read_file(self, path: str) -> str:
        """The text of a file of the host; FileNotFoundError."""
        done = self.run(["cat", "--", path], check=False)
        if done.returncode:
            raise FileNotFoundError(f"{self.name}:{path}: {done.stderr.strip()}")
        return done.stdout

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        return self.run(["test", "-e", path], check=False).returncode == 0

    def processes(self) -> List[int]:
        """Process ids, as the machine numbers them, of everything that runs in the host."""
        wanted = os.readlink(f"/proc/{self.pid}/ns/pid")
        found = []
        for entry in os.listdir("/proc"):
            try:
                if entry.isdigit() and os.readlink(f"/proc/{entry}/ns/pid") == wanted:
                    found.append(int(entry))
            except OSError:  # gone meanwhile, or not ours to look at
                pass
        return found

    def kill(self, pid: int, sig: int = signal.SIGKILL) -> None:
        """Signal a process of this host by the number that it has in there."""
        self.run(["kill", f"-{int(sig)}", str(pid)])
