# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FRR's BFD and keepalived's VRRP on networks of their own, to be measured in turn with us.

Both come from Debian, in a root file system beside the lab's, and run in network namespaces only; this machine's own
services are not touched. Each has ``round``: one fault, what it took, and everything as before.
"""

from __future__ import annotations

import contextlib
import datetime
import random
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

from bed import eventually

from lab import Host, Lab, Nic, describe
from lab.rootfs import path as root_file_system

from .row import BenchError
from .wire import Ear, cut, pull

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
ADDRESS = "192.0.2.9"  # keepalived's
Fault = Callable[[Nic], float]  # makes it; unix time when it began


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
        quiet: Dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
        }
        self._started.append(subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *space, *script, *command], **quiet))

    def close(self) -> None:
        """End them."""
        for program in self._started:
            program.kill()
        for program in self._started:
            program.wait()
        self._folder.cleanup()


class Bfd:
    """One session of FRR's bfdd between a host and the router; measured until the host says that it is down.

    That is to its advantage: what follows from it, a route or an announcement, is not counted.
    """

    def __init__(self, interval: int, multiplier: int = 3) -> None:
        self.name = f"FRR BFD {interval} ms x {multiplier}"
        self._lab = Lab(describe(hosts=1, nics=1))
        host = self._lab.hosts["h1"]
        self._nic = host.nics["eth1"]
        self._ends = [Programs(host), Programs(self._lab.router)]
        try:
            host.ip("address add 192.0.2.1/24 dev eth1", "link set eth1 up")
            for end, peer in zip(self._ends, ("192.0.2.254", "192.0.2.1")):
                times = f"receive-interval {interval}\n transmit-interval {interval}\n detect-multiplier {multiplier}"
                log = "log timestamp precision 6\nlog file /tmp/log debugging\ndebug bfd peer\n"
                end.write("bfdd.conf", f"{log}bfd\n peer {peer}\n {times}\n")
                end.write("zebra.conf", "")
                for program in ("zebra", "bfdd"):
                    name = f"/usr/lib/frr/{program}"
                    end.start(name, "--user", "root", "--group", "root", "--config_file", f"/tmp/{program}.conf")
                    time.sleep(0.5)  # bfdd asks zebra for the interfaces
            self._wait("up", 0)
        except BaseException:
            self.close()
            raise

    def _log(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            return (self._ends[0].folder / "log").read_text(encoding="utf-8", errors="replace")
        return ""

    def _wait(self, state: str, since: int) -> float:
        pattern = re.compile(rf"^(\S+ \S+) BFD: .*state-change: .* -> {state}\b", re.MULTILINE)
        found = eventually(lambda: pattern.search(self._log(), since), lambda: f"{self.name}: {state}", STARTING)
        return datetime.datetime.strptime(found[1], "%Y/%m/%d %H:%M:%S.%f").timestamp()

    def round(self, fault: Fault) -> float:
        """s from the fault until the session is down."""
        since = len(self._log())
        time.sleep(random.uniform(0, 0.1))
        began = fault(self._nic)
        down = self._wait("down", since)
        since = len(self._log())
        mend(self._nic)
        self._wait("up", since)
        time.sleep(1.0)  # it begins slowly, and settles on its interval
        return down - began

    def close(self) -> None:
        """End both sides and their network."""
        for end in self._ends:
            end.close()
        self._lab.close()


class Keepalived:
    """An address that VRRP keeps on one of two hosts; measured until the client is told of its new place."""

    def __init__(self, advert: float) -> None:
        self.name = f"keepalived, advert {advert:g} s"
        self._lab = Lab(describe(hosts=2, nics=1))
        self._ends = [Programs(host) for host in self._lab.hosts.values()]
        try:
            for number, end in enumerate(self._ends):
                end.host.ip(f"address add 192.0.2.{number + 1}/24 dev eth1", "link set eth1 up")
                end.write(
                    "keepalived.conf",
                    "global_defs {\n vrrp_version 3\n}\nvrrp_instance bench {\n state BACKUP\n interface eth1\n"
                    f" virtual_router_id 9\n priority {150 - 50 * number}\n advert_int {advert:g}\n"
                    f" virtual_ipaddress {{\n  {ADDRESS}/24\n }}\n}}\n",
                )
                files = ("-f", "/tmp/keepalived.conf", "-p", "/tmp/pid", "-r", "/tmp/vrrp-pid")
                end.start("/usr/sbin/keepalived", "--dont-fork", "--vrrp", *files)
            self._settled()
        except BaseException:
            self.close()
            raise

    def _settled(self) -> None:
        holds = ["ip", "-o", "address", "show", "to", f"{ADDRESS}/32"]
        first, second = (end.host for end in self._ends)
        eventually(lambda: first.run(holds).stdout and not second.run(holds).stdout, f"{self.name}: at home", STARTING)
        time.sleep(0.3)

    def round(self, fault: Fault) -> float:
        """s from the fault until the second host announces the address."""
        nic, other = (end.host.nics["eth1"] for end in self._ends)
        with Ear(self._lab.client, "c0") as ear:
            time.sleep(random.uniform(0, 0.1))
            began = fault(nic)
            heard = ear.heard(other.mac, {ADDRESS}, began)[ADDRESS]
        mend(nic)
        self._settled()
        return heard - began

    def close(self) -> None:
        """End both hosts and their network."""
        for end in self._ends:
            end.close()
        self._lab.close()


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
