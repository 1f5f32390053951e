# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where tests of the virtual machine begin: its network, its saved states, playbooks run on it, its client.

One network namespace holds QEMU, a bridge that the guest's cards are ports of, and who uses them: the controller and
the client. All of it ends with the process that made it (see lab/nursery.py).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Type

from ipmp.client import ClientError
from lab import LabError, Place, compare, dump, inventory
from lab.kerneldump import Dump
from lab.nursery import Nursery

from .guest import Guest
from .image import MANAGEMENT, MGMT, image, say
from .machine import CARDS, Machine, Spec, State, accelerator

BRIDGE = "br0"
CLIENT = ("192.0.2.1", "2001:db8::1")
ADDRESSES = {  # of the group: card -> its data addresses
    "a": ("192.0.2.11/24", "2001:db8::11/64"),
    "b": ("192.0.2.12/24",),
    "c0": ("192.0.2.13/24",),
    "c1": ("192.0.2.14/24",),
}
HOME = {address.partition("/")[0]: card for card, addresses in ADDRESSES.items() for address in addresses}
NETWORK = f"""{MANAGEMENT}
ip link add {BRIDGE} address 52:54:00:00:00:01 type bridge forward_delay 0 stp_state 0 mcast_snooping 0
for card in {" ".join(CARDS)}; do ip tuntap add t-$card mode tap; ip link set t-$card master {BRIDGE} up; done
sysctl -qw net.ipv6.conf.{BRIDGE}.disable_ipv6=0
ip addr add {CLIENT[0]}/24 dev {BRIDGE}
ip addr add {CLIENT[1]}/64 dev {BRIDGE} nodad
ip link set {BRIDGE} up
"""
LATE = 100  # packets that may be on their way when the client stops
PLAY = 300.0  # s; a task costs one to three, ten on a busy machine


class Bed:
    """One virtual machine at a time: ``restore`` or ``boot``, then ``guest`` and ``machine``."""

    def __init__(self, hotplug: str = "acpi") -> None:
        self.image = image()
        self.hotplug = hotplug
        self.nursery = Nursery()
        self.folder = self.nursery.scratch / "states"  # which the keeper removes, even if we are killed
        self._number = itertools.count()
        self._machine: Optional[Machine] = None
        self._guest: Optional[Guest] = None
        try:
            self.folder.mkdir(mode=0o700, parents=True)
            self.host = Place("host", self.nursery.start(("net",), NETWORK).ready(), ("net", "pid"))
            self.ready = self._ready()
        except BaseException:
            self.close()
            raise

    @property
    def machine(self) -> Machine:
        assert self._machine is not None, "no machine runs: restore() or boot()"
        return self._machine

    @property
    def guest(self) -> Guest:
        assert self._guest is not None, "no machine runs: restore() or boot()"
        return self._guest

    # -- machines

    def restore(self, state: State, disk: Optional[Path] = None) -> None:
        """The machine as it was saved, in about a second."""
        self._start(Spec(self.image, self.hotplug), state, disk)

    def boot(self, state: State, without: Sequence[str] = (), disk: Optional[Path] = None) -> None:
        """A cold boot from a saved disk, with some cards not in their slots."""
        self._start(Spec(self.image, self.hotplug, tuple(without)), State(state.disk), disk)

    def save(self, name: str) -> State:
        """Keep the running machine, which was given a disk, for tests to come. It is closed."""
        self.guest.run("sync")
        state = State(self.folder / f"{name}.qcow2", self.folder / f"{name}.memory")
        assert state.memory is not None
        self.machine.save(state.memory)
        self.end()
        return state

    def end(self) -> None:
        """End the machine that runs, if one does."""
        if self._machine is not None:
            self._machine.close()
        self._machine = self._guest = None

    def _start(self, spec: Spec, state: State, disk: Optional[Path]) -> None:
        self.end()
        self.host.run("ip neigh flush all")
        scratch = self.nursery.scratch / f"vm{next(self._number)}"
        self._machine = Machine(spec, self.host, scratch, state, disk)
        self._guest = Guest(self.host, self.image.key, scratch)
        try:
            self._guest.connect()
        except LabError as problem:
            raise LabError(f"{problem}; its console:\n{self._machine.console[-3000:]}")

    def _ready(self) -> State:
        """A guest that has booted, kept beside its image for as long as QEMU and the command line are the same."""
        folder = self.image.folder / Spec(self.image, self.hotplug).key()
        if not folder.exists():
            say(f"booting the virtual machine ({accelerator()}, {self.hotplug}), once (10 to 60 s)")
            self.boot(State(self.image.disk), disk=self.folder / "ready.qcow2")
            made = self.save("ready")
            assert made.memory is not None
            fresh = Path(tempfile.mkdtemp(prefix="new-", dir=self.image.folder))
            for path in (made.disk, made.memory):
                shutil.move(path, fresh / path.name)
            try:
                fresh.rename(folder)
            except OSError:  # somebody else was faster
                shutil.rmtree(fresh)
        return State(folder / "ready.qcow2", folder / "ready.memory")

    # -- what is done to the guest

    def play(self, playbook: str, *more: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run a playbook of the collection on the guest, over SSH."""
        key = [f"-o ControlPath={self.guest.scratch / 'ansible'} -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"]
        about = {
            "ansible_host": MGMT,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.image.key),
            "ansible_ssh_common_args": f"{key[0]} -o StrictHostKeyChecking=no",
            "ansible_python_interpreter": inventory.PYTHON,
            "ansible_timeout": 60,
            **variables,
        }
        path = self.guest.scratch / "inventory.yml"
        path.write_text(json.dumps({"ipmp": {"hosts": {"guest": about}}}), encoding="utf-8")
        return inventory.ansible(self.host, "-i", str(path), f"netpath.ipmp.{playbook}", *more, timeout=PLAY)

    def played(self, playbook: str, *more: str, **variables: Any) -> str:
        """What a playbook said that succeeded."""
        done = self.play(playbook, *more, **variables)
        assert done.returncode == 0, done.stdout + done.stderr + self.guest.journal()
        return done.stdout

    def group(self, names: Dict[str, str]) -> List[Dict[str, Any]]:
        """ipmp_groups: all cards in one group."""
        members = [{"name": names[card], "data_addresses": list(found)} for card, found in ADDRESSES.items()]
        return [{"name": "net0", "interfaces": members}]

    def eventually(self, true: Callable[[], Any], timeout: float = 60.0) -> None:
        """Wait until it is true, for its daemon too; the assertion shows what the guest believes."""
        deadline = time.monotonic() + timeout
        while True:
            with contextlib.suppress(ClientError):
                if true():
                    return
            if time.monotonic() > deadline:
                links, journal = self.guest.run("ip addr").stdout, self.guest.journal()
                raise AssertionError(f"not within {timeout:.0f} s\n{links}\n{self.guest.hosting()}\n{journal}")
            time.sleep(0.1)

    def at_home(self) -> bool:
        """Does each card have its own data addresses?"""
        return self.guest.hosting() == HOME

    def rest(self, home: Mapping[str, str] = HOME) -> Dump:
        """What the guest's kernel holds, once all addresses are at home and none is tentative any more."""
        tentative = "ip -6 addr show tentative"
        self.eventually(lambda: self.guest.hosting() == home and not self.guest.run(tentative).stdout)
        return dump(self.guest)

    def is_as(self, before: Dump, timeout: float = 20.0) -> None:
        """Wait until the guest's kernel holds what it held; link-local addresses of a new card take a second."""
        deadline = time.monotonic() + timeout
        while differences := compare(before, dump(self.guest), nexthop_ids=False):
            assert time.monotonic() < deadline, f"{differences}\n{self.guest.journal()}"
            time.sleep(0.5)

    # -- the client

    def client(self, addresses: Sequence[str], interval: float = 0.02) -> Client:
        """Someone who asks these addresses all the time, and counts answers."""
        return Client(self.host, addresses, interval)

    def close(self) -> None:
        """Everything ends; a second call does nothing."""
        self.end()
        self.nursery.close()

    def __enter__(self) -> Bed:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], problem: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


class Client:
    """Pings each address; ``stop`` gives what was lost."""

    def __init__(self, host: Place, addresses: Sequence[str], interval: float) -> None:
        self._pings = {
            address: host.popen(
                ["ping", "-n", "-i", str(interval), address],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for address in addresses
        }

    def stop(self, seconds: float = 0.0) -> Dict[str, int]:
        """Packets lost by address, before its last answer; AssertionError where it does not answer any more.

        seconds: go on for so long first.
        """
        time.sleep(seconds)
        lost = {}
        for ping in self._pings.values():
            ping.send_signal(signal.SIGINT)
        for address, ping in self._pings.items():
            said = ping.communicate(timeout=30)[0]
            answered = {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", said)}
            sent = re.search(r"(\d+) packets transmitted", said)
            assert sent and answered and max(answered) > int(sent[1]) - LATE, (
                f"{address} does not answer:\n{said[-999:]}"
            )
            lost[address] = max(answered) - len(answered)
        return lost
