# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of the lab with a group each, and the shipped playbooks run on them from the lab's controller.

with Bed(hosts=3) as bed:
    done = bed.play("dr_detach", "-e", "ipmp_component=eth1")
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, List, Mapping, Optional, Type

from lab import Host, Lab, describe, inventory

COLLECTIONS = Path(__file__).resolve().parents[2] / "build" / "collections"


def addresses(number: int) -> List[str]:
    """The data addresses of host number (1 for h1), all of them eth1's."""
    return [f"192.0.2.{number}1", f"2001:db8::{number}1"]


def groups(number: int) -> List[Dict[str, Any]]:
    """The group of that host: eth1 with its addresses, eth2 a standby."""
    four, six = addresses(number)
    return [
        {
            "name": "lan",
            "interfaces": [
                {"name": "eth1", "data_addresses": [f"{four}/24", f"{six}/64"]},
                {"name": "eth2", "standby": True},
            ],
        }
    ]


class Bed:
    """A lab of hosts of two NICs, its controller, and the playbooks; nothing is set up yet."""

    def __init__(self, folder: Path, hosts: int = 1) -> None:
        self.folder = folder
        self.lab = Lab(describe(hosts=hosts, nics=2))
        self.variables = {f"h{n}": {"ipmp_groups": groups(n)} for n in range(1, hosts + 1)}
        self.inventory = folder / "inventory.yml"
        self.ssh = folder / "ssh.yml"
        self.lab.write_inventory(self.inventory, self.variables)

    def __enter__(self) -> Bed:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], problem: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.lab.close()

    @property
    def host(self) -> Host:
        return self.lab.hosts["h1"]

    def extra(self) -> Mapping[str, str]:
        """Ansible's environment."""
        return {
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o ConnectTimeout=3 -o ServerAliveInterval=1",
        }

    def play(self, playbook: str, *arguments: str, ssh: bool = False) -> subprocess.CompletedProcess[str]:
        """Run one to its end."""
        chosen = self.ssh if ssh else self.inventory
        return inventory.ansible(
            self.lab.controller, "-i", str(chosen), f"netpath.ipmp.{playbook}", *arguments, extra=self.extra()
        )

    def begin(self, playbook: str, *arguments: str) -> Running:
        """Start one, to be looked at while it runs."""
        program = Path(sys.executable).with_name("ansible-playbook")
        line = [str(program), "-i", str(self.inventory), f"netpath.ipmp.{playbook}", *arguments]
        return Running(
            self.lab.controller.command(line), inventory.environment({**self.extra(), "PYTHONUNBUFFERED": "1"})
        )

    def call(self, op: str, host: str = "h1") -> Dict[str, Any]:
        """What that host's daemon answers."""
        program = "import sys, json; sys.path.insert(0, '/usr/local/lib/ipmp'); from ipmp import client; "
        program += f"print(json.dumps(client.Client().call({op!r})))"
        answer: Dict[str, Any] = json.loads(self.lab.hosts[host].run(["/usr/bin/python3", "-c", program]).stdout)
        return answer

    def status(self) -> Dict[str, Any]:
        return self.call("status")

    def hosting(self, host: str = "h1") -> Dict[str, Optional[str]]:
        """Address -> the NIC it is on."""
        return {a["address"]: a["interface"] for a in self.call("status", host)["addresses"]}

    def reached(self, address: str = "192.0.2.11") -> bool:
        return self.lab.controller.run(["ping", "-c1", "-W1", address], check=False).returncode == 0


class Running:
    """A playbook that runs; ``text`` is what it has printed."""

    def __init__(self, line: List[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            line,
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._output = self._process.stdout
        os.set_blocking(self._output.fileno(), False)
        self.text = ""

    def wait_for(self, sentence: str, seconds: float = 180.0) -> None:
        """Until it has printed that."""
        self._read(seconds, sentence)
        assert sentence in self.text, self.text

    def interrupt(self, number: int) -> None:
        """A signal to it and all that it has started here, as from a terminal; then wait for its end."""
        os.killpg(self._process.pid, number)
        self.finish()

    def finish(self, seconds: float = 180.0) -> int:
        """Wait for its end: its exit code."""
        self._read(seconds, None)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            raise

    def _read(self, seconds: float, sentence: Optional[str]) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and (sentence is None or sentence not in self.text):
            more = self._output.read()
            if more == b"":
                return
            self.text += (more or b"").decode()
            time.sleep(0.05)


def row(text: str, host: str) -> List[str]:
    """The cells of that host's line in the closing table; it is the last line that begins with its name."""
    lines = [line for line in text.splitlines() if re.match(rf"{host}  +\S", line) and ": ok=" not in line]
    return re.split(r"  +", lines[-1])
