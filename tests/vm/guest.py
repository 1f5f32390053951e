# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest as seen over SSH from the lab: programs run in it, its daemon asked, its state written down."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, List, Union

from ipmp.client import Client
from lab import LabError, Place

from .image import MGMT
from .machine import CARDS

OPTIONS = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
BOOT = 240.0  # s; a boot takes 9 where nothing else runs


class Guest(Place):
    """Reached through one SSH connection that stays open; ``host`` is where SSH runs."""

    def __init__(self, host: Place, key: Path, scratch: Path) -> None:
        super().__init__("guest", host.pid, host.kinds, host.environment)
        self.scratch, self._host = scratch, host
        options = [*OPTIONS, f"ControlPath={scratch / 'ssh'}", "ConnectTimeout=5", "ServerAliveInterval=5"]
        self.options = [word for option in options for word in ("-o", option)] + ["-i", str(key)]

    def command(self, command: Union[str, Any]) -> List[str]:
        """The command line that runs command (a list, or a line for the shell) in the guest."""
        line = command if isinstance(command, str) else shlex.join(command)
        return self._host.command(["ssh", *self.options, f"root@{MGMT}", line])

    def connect(self, timeout: float = BOOT) -> None:
        """Wait for its sshd; from now on programs start at once, and its daemon can be asked from out here."""
        for name in ("ssh", "control"):
            (self.scratch / name).unlink(missing_ok=True)
        forward = f"{self.scratch / 'control'}:/run/ipmp/control.sock"
        line = ["ssh", *self.options, "-fN", "-o", "ControlMaster=yes", "-L", forward, f"root@{MGMT}"]
        deadline = time.monotonic() + timeout
        while True:
            done = subprocess.run(
                self._host.command(line), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            if done.returncode == 0:
                return
            if time.monotonic() > deadline:
                raise LabError(f"the guest's sshd did not answer within {timeout:.0f} s")
            time.sleep(0.2)

    def session(self, address: str) -> subprocess.Popen[str]:
        """Somebody's SSH connection to one of its addresses: what is written to it comes back."""
        alone = ["-o", "ControlPath=none", "-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=60"]
        line = self._host.command(["ssh", *alone, *self.options, f"root@{address}", "echo hello; exec cat"])
        process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None and process.stdout.readline() == "hello\n"
        return process

    def call(self, op: str, **arguments: Any) -> Dict[str, Any]:
        """What its daemon answers."""
        return Client(path=str(self.scratch / "control")).call(op, **arguments)

    def hosting(self) -> Dict[str, str]:
        """Data address -> the card that has it, by its name out here, or the interface where it is none of those."""
        cards = {name: card for card, name in self.names().items()}
        status = self.call("status")
        data = [entry for entry in status["addresses"] if entry["type"] == "data"]
        return {entry["address"]: cards.get(entry["interface"], entry["interface"]) for entry in data}

    def names(self) -> Dict[str, str]:
        """Card -> the interface that the guest has made of it, for those that are there."""
        links = json.loads(self.run(["ip", "-j", "link"]).stdout)
        by_mac = {link.get("address"): link["ifname"] for link in links if "link" not in link}  # those are VLANs
        return {card.name: by_mac[card.mac] for card in CARDS.values() if card.mac in by_mac}

    def state(self, interface: str) -> Dict[str, Any]:
        """Its entry in the daemon's status."""
        return next(entry for entry in self.call("status")["interfaces"] if entry["name"] == interface)

    def journal(self) -> str:
        """What its daemon has written to the journal since it was restored or booted."""
        return self.run("journalctl -b -o cat -u ipmp.service").stdout
