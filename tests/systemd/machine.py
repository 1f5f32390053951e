# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A booted host whose only way to the world is a future member, and the shipped playbooks, run over real SSH."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional

from demo.traffic import Count, Traffic

from lab import Host, Lab, describe, dump, inventory
from lab.kerneldump import Dump

OTHERS = ("network-manager", "netplan.io", "ifupdown", "firewalld")
ADDRESS = "192.0.2.11"
GROUP: Dict[str, Any] = {
    "name": "lan",
    "gateways": ["192.0.2.254"],
    "interfaces": [{"name": "eth1", "data_addresses": [f"{ADDRESS}/24"]}, {"name": "eth2", "standby": True}],
}
HOME = {ADDRESS: "eth1"}


def eventually(holds: Callable[[], Any], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


class Session:
    """An SSH session that is left open, from the controller; what it prints is a tick every 50 ms."""

    def __init__(self, machine: Machine) -> None:
        options = ["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        options += ["-o", "LogLevel=ERROR", "-i", str(machine.folder / "ssh" / "id_ed25519")]
        self.process = machine.lab.controller.popen(
            ["ssh", *options, f"root@{ADDRESS}", "while echo tick; do sleep 0.05; done"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "tick\n"

    def lives(self) -> bool:
        """Whether it still brings news; then it is ended."""
        alive = self.process.poll() is None
        self.process.terminate()
        out, _ = self.process.communicate(timeout=10)
        return alive and set(out.split()) == {"tick"}


class Machine:
    """The host h1 with eth1 and eth2, and what is asked of it."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.inventory = folder / "inventory.yml"

    @property
    def host(self) -> Host:
        return self.lab.hosts["h1"]

    def sh(self, command: str) -> str:
        return self.host.run(command).stdout.strip()

    def listen(self, groups: Optional[List[Dict[str, Any]]] = None) -> None:
        """Start its sshd, also anew after a restart, and write the inventory."""
        variables = {"h1": {"ipmp_groups": [GROUP] if groups is None else groups}}
        self.lab.write_inventory(self.inventory, variables, ssh={"h1": ADDRESS})

    def play(
        self, playbook: str, *arguments: str, collections: Optional[Path] = None
    ) -> subprocess.CompletedProcess[str]:
        extra = {"ANSIBLE_HOME": str(self.folder / "ansible"), "ANSIBLE_SSH_ARGS": SSH_ARGUMENTS}
        if collections is not None:
            extra["ANSIBLE_COLLECTIONS_PATH"] = str(collections)
        return inventory.ansible(self.lab.controller, "-i", str(self.inventory), playbook, *arguments, extra=extra)

    def played(self, playbook: str, *arguments: str, collections: Optional[Path] = None) -> str:
        done = self.play(playbook, *arguments, collections=collections)
        assert done.returncode == 0, done.stdout + done.stderr + self.journal()
        return done.stdout + done.stderr

    def journal(self) -> str:
        return self.host.run("journalctl -b -n 60 --no-pager -o short-monotonic", check=False).stdout

    def status(self) -> Dict[str, Any]:
        program = "import sys, json; sys.path.insert(0, '/usr/local/lib/ipmp'); from ipmp import client; "
        program += "print(json.dumps(client.Client().call('status')))"
        answer: Dict[str, Any] = json.loads(self.host.run(["/usr/bin/python3", "-c", program]).stdout)
        return answer

    def hosting(self) -> Dict[str, str]:
        """Global IPv4 addresses, by what the kernel says."""
        links = json.loads(self.sh("ip -j -4 addr show scope global"))
        # Links with nothing of the kind are empty objects in it.
        return {a["local"]: link["ifname"] for link in links for a in link.get("addr_info", ()) if a}

    def at_rest(self) -> Dump:
        """What its kernel holds, once none of its addresses is tentative any more."""
        assert eventually(lambda: not self.sh("ip -6 addr show tentative")), self.sh("ip -6 addr")
        return dump(self.host)

    def reached(self) -> bool:
        return self.lab.client.run(["ping", "-c1", "-W1", ADDRESS], check=False).returncode == 0

    def write(self, files: Mapping[str, str]) -> None:
        for path, text in files.items():
            self.host.write_file(path, text, 0o600 if "system-connections" in path or "netplan" in path else 0o644)

    def remove(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Role mpathd with ``mpathd_state: absent``."""
        book = self.folder / "absent.yml"
        book.write_text(
            "- hosts: ipmp\n  gather_facts: false\n  roles: [netpath.ipmp.mpathd]\n  vars: {mpathd_state: absent}\n"
        )
        return self.play(str(book), *arguments)


# A connection of its own for each playbook; one that gives up soon.
SSH_ARGUMENTS = "-o ControlMaster=no -o ConnectTimeout=3 -o ServerAliveInterval=2 -o ServerAliveCountMax=5"


def booted(folder: Path, nics: int = 2, packages: tuple[str, ...] = OTHERS) -> Iterator[Machine]:
    with Lab({**describe(hosts=1, nics=nics, bed="systemd"), "rootfs_packages": list(packages)}) as lab:
        yield Machine(lab, folder)


class Flow:
    """Datagrams and a TCP connection to the host's address, both ways, and an SSH session, all meanwhile."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.traffic = Traffic(machine.lab, {"h1": [ADDRESS]}, rate=500)
        self.session = Session(machine)
        time.sleep(0.5)
        self.begin = time.time()

    def end(self) -> Count:
        """Ends them and counts; the SSH session must have lived on."""
        end = time.time()
        time.sleep(0.5)
        session, record = self.session.lives(), self.traffic.stop()
        count = record.count(self.begin, end)
        assert count.sent > 200
        assert session, "the SSH session did not live on"
        return count

    def unharmed(self) -> None:
        """Ends them; nothing was lost."""
        count = self.end()
        assert (count.lost, count.tcp_resets) == (0, 0), count
