# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of others that are measured in turn with us, on networks of their own, and the faults made for them.

They come from Debian, in a root file system beside the lab's, and run in network namespaces only; this machine's own
services are not touched. bfd.py and vrrp.py are the peers; each has ``round``: one fault, what it took, and everything
as before.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Callable, List, Protocol

from lab import Host, Nic
from lab.nursery import children
from lab.rootfs import path as root_file_system

from . import load
from .row import BenchError
from .wire import cut, pull

PACKAGES = ("frr", "keepalived")
# $1: the root file system, $2: a folder of the bench that is its /tmp. FRR runs as root, whom its group must hold.
INSIDE = """
sed 's/^\\(frrvty:.*:\\)\\(.*\\)$/\\1root,\\2/' $1/etc/group >$2/group
mount --bind $2/group $1/etc/group
mount --bind $2/run $1/run
mount --bind $2 $1/tmp
root=$1; shift 2
exec chroot $root "$@"
"""
STARTING = 20.0  # s
Fault = Callable[[Nic], float]  # makes it; unix time when it began


class Peer(Protocol):
    """What a row needs of a peer."""

    name: str

    def round(self, fault: Fault) -> float:
        """s from the fault until the peer has dealt with it."""

    def close(self) -> None:
        """End it and its network."""


class Measurable(Protocol):
    """A peer whose programs' cost is measured."""

    name: str
    programs: Programs

    def close(self) -> None:
        """End it and its network."""


class Programs:
    """Programs of others in one host's network, which share a folder; they end with it, and with the bench."""

    def __init__(self, host: Host) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-")
        self.folder, self.host = Path(self._folder.name), host
        (self.folder / "run/frr").mkdir(parents=True)
        self._started: List[subprocess.Popen[bytes]] = []

    def write(self, name: str, text: str) -> None:
        """A file that the programs find in /tmp."""
        (self.folder / name).write_text(text, encoding="ascii")

    def start(self, *command: str) -> None:
        """Start one."""
        space = ["nsenter", "-t", str(self.host.pid), "--net", "unshare", "--mount", "--propagation", "private"]
        space += ["--pid", "--kill-child"]  # whatever they fork ends with them, too
        script = ["sh", "-ec", INSIDE, "sh", str(root_file_system(PACKAGES)), str(self.folder)]
        quiet: Any = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._started.append(subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *space, *script, *command], **quiet))

    def pids(self) -> List[int]:
        """The programs' processes, what they have forked included, as the machine numbers them."""
        found, families = [], [child for program in self._started for child in children(program.pid)]
        while families:
            found.append(families.pop())
            families += children(found[-1])
        return found

    def signal(self, sig: int) -> None:
        """To the programs themselves."""
        for program in self._started:
            for pid in children(program.pid):
                os.kill(pid, sig)

    def wait(self) -> None:
        """Until they have ended by themselves."""
        for program in self._started:
            program.wait(STARTING)
        self._started.clear()

    def close(self) -> None:
        """End them."""
        for program in self._started:
            program.kill()
        for program in self._started:
            program.wait()
        self._folder.cleanup()


def rss(programs: Programs) -> float:
    """Resident memory of all their processes together, MiB; pages that they share count for each."""
    return sum(load.rss(pid) for pid in programs.pids())


def mend(nic: Nic) -> None:
    """The NIC's cable is whole again."""
    if nic.silent:
        nic.mend()
    if nic.pulled:
        nic.plug()


def silent(nic: Nic) -> float:
    """A fault: no frame passes, the carrier stays."""
    return cut(nic)


def carrier(nic: Nic) -> float:
    """A fault: the cable is pulled."""
    if nic.kind != "veth":
        raise BenchError("peers are measured on veth")
    return pull(nic)
