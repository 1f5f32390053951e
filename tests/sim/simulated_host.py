# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated host: the real runtime, health, placement, plan, detach and events around a kernel made of dicts.

It stands where the daemon stands and does in the same order what the daemon does, without sockets and with a clock
that is told the time.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional, Tuple

from ipmp import detach, health, plan
from ipmp.events import Publisher
from ipmp.health import Note
from ipmp.model import Config
from ipmp.placement import Move, moves
from ipmp.probing import Snapshot
from ipmp.runtime import Nic, Runtime
from ipmp.simulate import Port, SimulatedKernel
from ipmp.status import status


class Listener:
    """Somebody who asked for events."""

    open = True

    def __init__(self) -> None:
        self.heard: List[Dict[str, Any]] = []

    def send(self, event: Dict[str, Any]) -> bool:
        self.heard.append(event)
        return True


class Host:
    """``kernel`` is what is, ``runtime`` what is believed."""

    def __init__(self, config: Config, nics: Tuple[str, ...]) -> None:
        self.kernel = SimulatedKernel({nic: Port(up=False) for nic in nics})
        self.now = 0.0
        self.log: List[str] = []
        self.runtime = Runtime()
        self.publisher = Publisher()
        self.listener = Listener()
        self.publisher.listen(self.listener)  # type: ignore[arg-type]
        self.configure(config)

    # -- what administrators do

    def configure(self, config: Config) -> None:
        """New files."""
        self.runtime.adopt(config, self.now)
        for nic in self.runtime.nics.values():
            nic.present = nic.name in self.kernel.ports
        self._adopt_hosting()
        self.settle()

    def restart(self) -> Tuple[Move, ...]:
        """The daemon is stopped and started; returns what has moved."""
        saved = json.loads(json.dumps(self.runtime.dump()))
        before, config, generation = dict(self.runtime.hosting), self.runtime.config, self.runtime.generation
        self.runtime = Runtime()
        self.runtime.generation = generation
        self.runtime.adopt(config, self.now)
        self.runtime.load(saved)
        for nic in self.runtime.nics.values():
            nic.present = nic.name in self.kernel.ports
        self._adopt_hosting()
        self.settle()
        return moves(before, self.runtime.hosting)

    def offline(self, name: str) -> None:
        """``if_mpadm -d`` where another one works."""
        nic, group = self.runtime.nics[name], self.runtime.config.group_of(name)
        others = [self.runtime.nics[i.name] for i in group.interfaces if i.name != name] if group else []
        if nic.plumbed and any(o.usable for o in others):
            nic.offline, nic.held_back = True, False
            self.settle()

    def online(self, name: str) -> None:
        """``if_mpadm -r``."""
        nic, interface = self.runtime.nics[name], self.runtime.interface(name)
        if nic.offline and interface is not None:
            nic.offline = False
            if not nic.standby:
                self.runtime.wishes.update({a.ip: name for a in interface.data_addresses})
            self.settle()

    def detach(self, name: str) -> Optional[detach.Verdict]:
        """Take a NIC out if that is allowed; None: it is out already."""
        nic = self.runtime.nics[name]
        if nic.detached or not nic.present:
            return None
        group = self.runtime.config.group_of(name)
        others = [i.name for i in group.interfaces if i.name != name] if group else []
        held = tuple(sorted(h.ip for h in self.kernel.addresses if h.nic == name and not h.ip.startswith("fe80:")))
        verdict = detach.judge(
            [detach.Leaver(name, nic.group, nic.usable, held)],
            {group.name: [o for o in others if self.runtime.nics[o].usable]} if group else {},
            self.runtime.hosting,
            self.runtime.placed(without=(name,)),
        )
        if verdict.allowed(force=False):
            nic.leaving = True
            self.settle()
            assert name not in self.runtime.hosting.values(), f"{name} is taken down with addresses on it"
            nic.leaving, nic.detached, nic.offline, nic.joined = False, True, False, False
            self.settle()
            self.kernel.set_up(name, False)
        return verdict

    def attach(self, name: str) -> None:
        """Put it back."""
        nic = self.runtime.nics[name]
        if nic.detached:
            nic.detached = False
            if nic.group and nic.present:
                nic.health = health.suspect(nic.health, self.now)
            self.settle()

    # -- what happens to a machine

    def cable(self, name: str, plugged: bool) -> None:
        if name in self.kernel.ports:
            self.kernel.set_carrier(name, plugged)
            self.settle()

    def remove(self, name: str) -> None:
        if name in self.kernel.ports:
            self.kernel.remove(name)
            if name in self.runtime.nics:
                self.runtime.nics[name].present = self.runtime.nics[name].joined = False
            self.settle()

    def insert(self, name: str) -> None:
        if name not in self.kernel.ports:
            self.kernel.ports[name] = Port(up=False)
            nic = self.runtime.nics.get(name)
            if nic is not None:
                nic.present = True
                if nic.group and not nic.detached:
                    nic.health = health.suspect(nic.health, self.now)
            self.settle()

    def prove(self, name: str) -> None:
        """A frame went there and came back."""
        nic = self.runtime.nics.get(name)
        if nic is not None and nic.plumbed and self.kernel.ports[name].running:
            was_failed = nic.health.failed
            nic.health, notes = health.proved(nic.health, name, nic.group)
            self._noted(notes)
            if was_failed and not nic.health.failed:
                self._repaired(nic)
            self.settle()

    def wait(self, seconds: float) -> None:
        """Time passes; each deadline is met when it comes."""
        end = self.now + seconds
        for _round in range(100):
            members = list(self.runtime.grouped())
            deadlines = [n.health.deadline for n in members if n.health.deadline is not None]
            due = min([end, *(max(d, self.now) for d in deadlines)])
            self.now = due
            for nic in members:
                was_failed = nic.health.failed
                nic.health, notes = health.tick(nic.health, nic.name, nic.group, self.now)
                self._noted(notes)
                if was_failed and not nic.health.failed:
                    self._repaired(nic)
            self.settle()
            if due >= end:
                return
        raise AssertionError(f"deadlines at {self.now:g} that passing time does not meet")

    def meddle(self, ip: str) -> None:
        """Somebody deletes an address of ours."""
        for held in [h for h in self.kernel.addresses if h.ip == ip and h.ours]:
            self.kernel.apply(plan.DelAddress(held))
        self.settle()

    # -- placement -> plan -> kernel

    def settle(self) -> List[plan.Step]:
        """Bring the kernel into line with what is wanted now; returns what was done."""
        self._enter()
        self._poll()
        after = self.runtime.placed()
        target = plan.wanted(self.runtime.views(after), self.runtime.ungrouped())
        steps = plan.steps(self.kernel.observe(), target)
        self.runtime.hosting = after
        self.kernel.execute(steps)
        hosts = set(after.values())
        for nic in self.runtime.grouped():
            nic.held_back = nic.held_back and nic.name not in hosts
        self.runtime.wishes = {ip: nic for ip, nic in self.runtime.wishes.items() if after.get(ip) != nic}
        self.publisher.publish(self.runtime)
        return steps

    def status(self) -> Dict[str, Any]:
        """What ipmpstat would be told, as it would arrive."""
        shown: Dict[str, Any] = json.loads(json.dumps(status(self.runtime, Snapshot(), 1, "boot", None)))
        return shown

    def _enter(self) -> None:
        wanted = [*self.runtime.grouped(), *(self.runtime.nics[i.name] for i in self.runtime.ungrouped())]
        for nic in wanted:
            if nic.present and not nic.detached and not nic.joined:
                self.kernel.set_up(nic.name, True)
                nic.joined = True

    def _poll(self) -> None:
        for nic in self.runtime.grouped():
            if nic.present and nic.joined and not nic.detached:
                if self.kernel.ports[nic.name].carrier:
                    nic.health, notes = health.link_up(nic.health, nic.name, self.now)
                else:
                    nic.health, notes = health.link_down(nic.health, nic.name, nic.group)
                self._noted(notes)

    def _repaired(self, nic: Nic) -> None:
        group = self.runtime.config.group_of(nic.name)
        if group is not None and not nic.standby and not self.runtime.config.failback(group):
            nic.held_back = nic.name not in self.runtime.hosting.values()

    def _adopt_hosting(self) -> None:
        for group in self.runtime.config.groups:
            names = {i.name for i in group.interfaces}
            for owner, address in group.data_addresses:
                inside = [n for n in self.kernel.holders(address.ip) if n in names and self.runtime.nics[n].plumbed]
                good = [n for n in inside if self.runtime.nics[n].usable] or inside
                if good:
                    self.runtime.hosting[address.ip] = owner.name if owner.name in good else good[0]

    def _noted(self, notes: Tuple[Note, ...]) -> None:
        self.log += [f"{self.now:g}: {note.text}" for note in notes]
