# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual machine whose kernel has bonding and team, so that these and we can be measured in one and the same kernel.

Each way to be redundant has NICs of its own in it, in a network namespace of its own; they are ports of a switch of its
own out here, where the client is, too. Cables are pulled by QEMU, so the guest's kernel does nothing for it but notice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Dict, List, Optional, Sequence, Type

from bed import PACKAGE, eventually
from deploy.artifact import pack
from deploy.layout import LAUNCHER, LIB, PROGRAMS
from vm.guest import Guest
from vm.image import MANAGEMENT, MGMT, image
from vm.machine import Machine, Spec, State, fixed_mac

from ipmp.client import Client, ClientError
from lab import Place
from lab.nursery import Nursery

from .row import BenchError

PACKAGES = ("libteam-utils",)
FILES = "/run/bench"  # in the guest: the daemons' roots
_NET = "10.77.{}"  # a /24 for each way
SWITCH = """
ip link add br{number} type bridge forward_delay 0 stp_state 0 mcast_snooping 0
ip addr add {client}/24 dev br{number}
ip link set br{number} up
for nic in {nics}; do ip tuntap add t-$nic mode tap; ip link set t-$nic master br{number} up; done
"""


@dataclass(frozen=True)
class Way:
    """To be redundant. commands: lines of ip(8) in its namespace.

    {host} and {client} in them are addresses, {net} is what these begin with.
    files: ours, hostname files and the like by their path below /etc, instead of commands. team: teamd's configuration.
    """

    name: str
    nics: int = 2
    commands: Sequence[str] = ()
    files: Optional[Dict[str, str]] = None
    team: Optional[Dict[str, Any]] = None


class Ward:
    """The guest with all these ways in it, each with its number; close it."""

    def __init__(self, ways: Sequence[Way]) -> None:
        self.ways = {way.name: number for number, way in enumerate(ways, 1)}
        self._nics = {number: [f"{number}-{k}" for k in range(1, way.nics + 1)] for number, way in enumerate(ways, 1)}
        every = [nic for nics in self._nics.values() for nic in nics]
        made = image(PACKAGES)
        self._nursery = Nursery()
        self._machine: Optional[Machine] = None
        try:
            scratch = self._nursery.scratch / "ward"
            switches = [
                SWITCH.format(number=number, client=_client(number), nics=" ".join(nics))
                for number, nics in self._nics.items()
            ]
            started = self._nursery.start(("net",), MANAGEMENT + "".join(switches))
            self.host = Place("host", started.ready(), ("net", "pid"))
            spec = Spec(made, without=("a", "b", "c0", "c1"), more=[f"n{nic}" for nic in every])
            spec.taps = {"mgmt": "t-mgmt", **{f"n{nic}": f"t-{nic}" for nic in every}}
            self._nursery.scratch.mkdir(mode=0o700, exist_ok=True)
            self._machine = Machine(spec, self.host, scratch, State(made.disk))
            self.guest = Guest(self.host, made.key, scratch)
            self.guest.connect()
            self._macs = {fixed_mac(place): nic for place, nic in enumerate(every)}
            self._install(ways)
        except BaseException:
            self.close()
            raise

    # -- what is in the guest

    def _install(self, ways: Sequence[Way]) -> None:
        import pyroute2

        assert pyroute2.__file__ is not None
        archive = pack({"ipmp": str(PACKAGE), "pyroute2": str(Path(pyroute2.__file__).parent)})
        unpack = f"mkdir -p /{LIB} {FILES} && tar -xz -C /{LIB} && udevadm settle"
        process = self.guest.popen(unpack, stdin=-1)
        process.communicate(archive, timeout=60)
        if process.returncode:
            raise BenchError("the guest could not unpack the daemon")
        program = LAUNCHER.format(python="/usr/bin/python3", lib=f"/{LIB}", module=PROGRAMS["in.mpathd"])
        self._write("/usr/local/sbin/in.mpathd", program)
        self.guest.run("chmod +x /usr/local/sbin/in.mpathd")
        links = json.loads(self.guest.run("ip -j link").stdout)
        names = {self._macs[link["address"]]: link["ifname"] for link in links if link.get("address") in self._macs}
        for number, way in enumerate(ways, 1):
            space = f"w{number}"
            lines = [f"ip netns add {space}"]
            lines += [f"ip netns exec {space} sysctl -qw net.ipv6.conf.{n}.disable_ipv6=1" for n in ("all", "default")]
            lines += [f"ip link set {names[nic]} netns {space} name {self.eth(nic)}" for nic in self._nics[number]]
            lines += [f"ip -n {space} link set lo up"]
            words = {"host": _host(number), "client": _client(number), "net": _NET.format(number)}
            lines += [f"ip -n {space} {command.format(**words)}" for command in way.commands]
            self.guest.run("set -e\n" + "\n".join(lines))
            if way.team is not None:
                self._write(f"{FILES}/{space}.conf", json.dumps(way.team))
                self.guest.run(f"ip netns exec {space} teamd -d -f {FILES}/{space}.conf")
                self.guest.run(f"ip -n {space} addr add {_host(number)}/24 dev team0; ip -n {space} link set team0 up")
            if way.files is not None:
                self._start(space, {path: text.format(**words) for path, text in way.files.items()})

    def _start(self, space: str, files: Dict[str, str]) -> None:
        root = f"{FILES}/{space}"
        for path, text in files.items():
            self._write(f"{root}/etc/{path}", text)
        here, there = self._socket(space), f"{root}/run/ipmp/control.sock"
        options = [*self.guest.options, "-O", "forward", "-L", f"{here}:{there}", f"root@{MGMT}"]
        self.host.run(["ssh", *options])
        self._run(space)

    def _run(self, space: str) -> None:
        root = f"{FILES}/{space}"
        line = f"ip netns exec {space} env JOURNAL_STREAM=0:0 /usr/local/sbin/in.mpathd --root {root}"
        self.guest.run(f"setsid {line} >>{root}/log 2>&1 </dev/null &")
        eventually(lambda: self._answers(space), lambda: self.guest.run(f"cat {root}/log").stdout, 120.0)

    def _answers(self, space: str) -> bool:
        try:
            status = self.call(space, "status")
        except ClientError:
            return False
        tried = [its["acked"] >= 10 for nic in status["interfaces"] for its in nic["probing"]]
        return all(address["interface"] for address in status["addresses"]) and all(tried)

    def _write(self, path: str, text: str) -> None:
        self.guest.run(f"mkdir -p {Path(path).parent} && cat >{path}", input=text)

    def _socket(self, space: str) -> Path:
        return self.guest.scratch / f"{space}.sock"

    def call(self, space: str, op: str, **arguments: Any) -> Dict[str, Any]:
        """What the daemon of that namespace answers."""
        return Client(path=str(self._socket(space))).call(op, **arguments)

    # -- what is done to it

    def address(self, name: str) -> str:
        """Where this way's host is."""
        return _host(self.ways[name])

    def space(self, name: str) -> str:
        """Its namespace in the guest."""
        return f"w{self.ways[name]}"

    def nics(self, name: str) -> List[str]:
        """Its NICs."""
        return self._nics[self.ways[name]]

    def eth(self, nic: str) -> str:
        """Its name in the guest."""
        return f"eth{nic.partition('-')[2]}"

    def greet(self) -> None:
        """The client knows them all, as neighbours."""
        pings = "".join(f"ping -c 1 -W 1 {self.address(name)} & " for name in self.ways)
        self.host.run(f"{pings}wait")

    def serving(self, name: str) -> str:
        """Its NIC that the client's frames go to, as ``3-1``."""
        number = self.ways[name]
        found: List[str] = []

        def look() -> bool:
            self.host.run(["ping", "-c", "1", "-W", "1", _host(number)], check=False)
            known = json.loads(self.host.run(f"ip -j neigh show {_host(number)} dev br{number}").stdout)
            table = json.loads(self.host.run(f"bridge -j fdb show br br{number}").stdout)
            macs = [entry.get("lladdr") for entry in known]
            found.extend(e["ifname"][2:] for e in table if e["mac"] in macs and e["ifname"].startswith("t-"))
            return bool(found)

        eventually(look, f"{name} answers")
        return found[-1]

    def pull(self, nic: str) -> None:
        """Pull its cable; the switch forgets what was behind it."""
        assert self._machine is not None
        self._machine.carrier(f"n{nic}", False)
        self.host.run(["ip", "link", "set", "dev", f"t-{nic}", "type", "bridge_slave", "fdb_flush"])

    def plug(self, nic: str) -> None:
        """Plug it in again."""
        assert self._machine is not None
        self._machine.carrier(f"n{nic}", True)

    def cut(self, nic: str) -> None:
        """No frame passes any more, while the carrier stays."""
        self.host.run(["bridge", "link", "set", "dev", f"t-{nic}", "state", "0"])

    def mend(self, nic: str) -> None:
        """They pass again."""
        self.host.run(["bridge", "link", "set", "dev", f"t-{nic}", "state", "3"])

    def wait(self, name: str, nic: str, true: Callable[[Dict[str, Any]], Any], limit: float = 30.0) -> None:
        """Until our daemon says so of its NIC."""

        def look() -> bool:
            status = self.call(self.space(name), "status")
            return bool(true(next(entry for entry in status["interfaces"] if entry["name"] == self.eth(nic))))

        eventually(look, f"{name}, {self.eth(nic)}", limit)

    def renew(self, name: str) -> bool:
        """Start our daemon anew if it has lengthened its detection time for late answers; whether it had."""
        space = self.space(name)
        status = self.call(space, "status")
        wanted = status["defaults"]["failure_detection_time"]
        if all(group["failure_detection_time"] == wanted for group in status["groups"]):
            return False
        program = f"'[-]-root {FILES}/{space}$'"
        self.guest.run(f"pkill -f {program}; while pgrep -f {program} >/dev/null; do sleep 0.1; done")
        self._run(space)
        return True

    def close(self) -> None:
        """Everything of it ends."""
        if self._machine is not None:
            self._machine.close()
            self._machine = None
        self._nursery.close()

    def __enter__(self) -> Ward:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], problem: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


def _client(number: int) -> str:
    return f"{_NET.format(number)}.1"


def _host(number: int) -> str:
    return f"{_NET.format(number)}.2"
