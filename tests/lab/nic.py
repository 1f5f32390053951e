# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network card of a lab's host and the cable to its switch port: pull, cut, take out, put back.

Two kinds. The ends of a veth pair are quick, but the kernel reports their carrier at once, which it does not for real
cards; a tap's carrier is batched like that of a card, and its frames pass through a small program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from .host import Host, Place, Process
from .nursery import START_LIMIT
from .spec import LabError, NicSpec

if TYPE_CHECKING:
    from .tap import Wires

BRIDGE = "br0"
LONGEST_NAME = 15
DISABLED, FORWARDING = 0, 3  # states of a bridge port


class Nic:
    """One card. ``present`` and ``pulled`` say how it is; ``port`` is its name in the switch's namespace."""

    def __init__(self, spec: NicSpec, host: Host, switch: Place, number: int) -> None:
        self.name, self.mac, self.kind, self.link = spec.name, spec.mac, spec.kind, spec.link
        self.host, self.switch = host, switch
        name = f"{host.name}-{spec.name}"
        self.port = name if len(name) <= LONGEST_NAME else f"port{number}"
        self.present = self.pulled = self.silent = False
        self._delay = 0.0
        self._member = False  # of the bridge, as far as we did it; one that waits joins by itself
        self._waiting: Optional[Process] = None

    def __repr__(self) -> str:
        return f"<Nic {self.host.name}:{self.name}>"

    def pull(self) -> None:
        """Pull the cable: both ends lose their carrier."""
        self._needs_card()
        self._stop_waiting()
        self.pulled = True
        self._carrier(False)

    def plug(self) -> None:
        """Plug the cable in again."""
        self._needs_card()
        self.pulled = False
        self._bring_up()

    def cut(self) -> None:
        """Let no frame pass any more, while both ends keep their carrier."""
        self._needs_card()
        self.silent = True
        self._stop_waiting()
        if self._member and not self.pulled:
            self._state(DISABLED)

    def mend(self) -> None:
        """Let frames pass again after cut()."""
        self._needs_card()
        self.silent = False
        if self._member and not self.pulled:
            self._state(FORWARDING)
        elif not self._member:
            self._join(True)

    def take_out(self) -> None:
        """Take the card out: its network device leaves the host, as with a PCI card."""
        self._needs_card()
        self._stop_waiting()
        self.present = False
        self._unmake()

    def vanish(self) -> None:
        """The host has ended, and its network devices with it."""
        self._stop_waiting()
        self.present = False
        self._vanished()

    def put_back(self, mac: Optional[str] = None) -> None:
        """Put a card in, the same one or one with another MAC, its cable plugged; a new device appears in the host."""
        if self.present:
            raise LabError(f"{self.host.name}: {self.name} is in already")
        self.mac = mac or self.mac
        self._make()
        self.present, self.pulled = True, False
        self._bring_up()

    def delay_forwarding(self, seconds: float) -> None:
        """From now on the port forwards only so long after its link came up, as with spanning tree; 0: at once."""
        self._delay = seconds

    def close(self) -> None:
        """After the lab has ended: nothing waits any more."""
        if self._waiting is not None:
            self._waiting.wait()

    def _bring_up(self) -> None:
        self._stop_waiting()
        # A port that came up as a member of the bridge would forward at once, before anyone could block it.
        self._join(not self._delay and not self.silent)
        self._carrier(True)
        if not self._member and not self.silent:
            later = f"sleep {self._delay}; exec ip link set dev {self.port} master {BRIDGE}"
            self._waiting = self.switch.popen(later)

    def _join(self, member: bool) -> None:
        self.switch.ip(f"link set dev {self.port} {f'master {BRIDGE}' if member else 'nomaster'}")
        self._member = member

    def _state(self, state: int) -> None:
        self.switch.run(["bridge", "link", "set", "dev", self.port, "state", str(state)])

    def _stop_waiting(self) -> None:
        if self._waiting is None:
            return
        if self._waiting.poll() is None:
            self._waiting.kill()
            self._waiting.wait()
        else:
            self._member = True
        self._waiting = None

    def _needs_card(self) -> None:
        if not self.present:
            raise LabError(f"{self.host.name}: {self.name} is not in")

    def _make(self) -> None:
        raise NotImplementedError

    def _unmake(self) -> None:
        raise NotImplementedError

    def _vanished(self) -> None:
        raise NotImplementedError

    def _carrier(self, on: bool) -> None:
        raise NotImplementedError


class VethNic(Nic):
    """One end in the host, the other is the switch port."""

    def _make(self) -> None:
        peer = f"peer name {self.name} address {self.mac} netns {self.host.pid}"
        self.switch.ip(f"link add {self.port} type veth {peer}")

    def _unmake(self) -> None:
        self.switch.ip(f"link del dev {self.port}")

    def _vanished(self) -> None:
        """The kernel removes both ends soon after the host's namespace has gone."""
        gone = f"while ip link show dev {self.port} >/dev/null 2>&1; do sleep 0.02; done"
        self.switch.run(gone, timeout=START_LIMIT)

    def _carrier(self, on: bool) -> None:
        self.switch.ip(f"link set dev {self.port} {'up' if on else 'down'}")


class TapNic(Nic):
    """A tap in the host and one in the switch, with a program that carries frames between them."""

    def __init__(self, spec: NicSpec, host: Host, switch: Place, number: int, wires: Wires) -> None:
        super().__init__(spec, host, switch, number)
        self._wires = wires

    def _make(self) -> None:
        self._wires.make(
            f"{self.host.name} {self.name}", self.host.pid, self.name, self.mac, self.switch.pid, self.port
        )
        self.switch.ip(f"link set dev {self.port} up")

    def _unmake(self) -> None:
        self._wires.unmake(f"{self.host.name} {self.name}")

    def _vanished(self) -> None:
        self._unmake()

    def _carrier(self, on: bool) -> None:
        self._wires.carrier(f"{self.host.name} {self.name}", on)
