# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated host: the real runtime, health, placement, plan, detach and events around a kernel made of dicts.

It stands where the daemon stands and does in the same order what the daemon does, without sockets and with a clock
that is told the time.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, Dict, List, Optional, Tuple

from simulated_prober import SimulatedProber

from ipmp import detach, health, plan, watching
from ipmp.events import Publisher
from ipmp.health import Note
from ipmp.model import Config
from ipmp.news import News
from ipmp.placement import Move, moves
from ipmp.runtime import Runtime
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
        self._ifindex = {nic: index for index, nic in enumerate(nics, 11)}
        watching.loops = SimpleNamespace(now=lambda: self.now)  # type: ignore[assignment]
        self._start_probing()
        self.configure(config)

    def _start_probing(self) -> None:
        """As a daemon that starts."""
        known = getattr(self, "prober", None)
        self.prober, self.news = SimulatedProber(), News()
        if known is not None:
            self.prober.silent, self.prober.deserted = known.silent, known.deserted
        kernel: Any = SimpleNamespace(own=frozenset(), link_locals={}, next_hops=())
        prober: Any = self.prober
        self.watching = watching.Watching(self.runtime, kernel, prober, self.news, lambda _seen: None)

    # -- what administrators do

    def configure(self, config: Config) -> None:
        """New files."""
        self.runtime.adopt(config, self.now)
        for nic in self.runtime.nics.values():
            nic.present, nic.ifindex = nic.name in self.kernel.ports, self._ifindex[nic.name]
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
            nic.present, nic.ifindex = nic.name in self.kernel.ports, self._ifindex[nic.name]
        self._start_probing()
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
                self.runtime.nics[name].instances = ()
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

    def silence(self, name: str) -> None:
        """The link stays up, but nothing gets through."""
        self.prober.silent.add(name)

    def voice(self, name: str) -> None:
        self.prober.silent.discard(name)

    def desert(self, deserted: bool) -> None:
        """The routers answer nobody any more; or again."""
        self.prober.deserted = deserted

    def prove(self, name: str) -> None:
        """A frame went there and came back."""
        nic = self.runtime.nics.get(name)
        if nic is not None and nic.plumbed and self.kernel.ports[name].running:
            was_failed = nic.health.failed
            nic.health, notes = health.proved(nic.health, name, nic.group)
            self._noted(notes)
            if was_failed and not nic.health.failed:
                self.runtime.repaired(nic, self.now)
            self.settle()

    def wait(self, seconds: float) -> None:
        """Time passes; each deadline is met, and each probe sent, when it comes."""
        end = self.now + seconds
        while True:
            members = list(self.runtime.grouped())
            deadlines = [n.health.deadline for n in members if n.health.deadline is not None]
            wake = self.prober.wake()
            due = min([end, *(max(d, self.now) for d in deadlines), *([] if wake is None else [wake])])
            self.now = due
            self.prober.run(due)
            ticked = any(d <= due for d in deadlines)
            for nic in members if ticked else ():
                was_failed = nic.health.failed
                nic.health, notes = health.tick(nic.health, nic.name, nic.group, self.now)
                self._noted(notes)
                if was_failed and not nic.health.failed:
                    self.runtime.repaired(nic, self.now)
            if ticked:
                self.settle()
            self._heed()
            if due >= end:
                return

    def meddle(self, ip: str) -> None:
        """Somebody deletes an address of ours."""
        for held in [h for h in self.kernel.addresses if h.ip == ip and h.ours]:
            self.kernel.apply(plan.DelAddress(held))
        self.settle()

    # -- placement -> plan -> kernel

    def settle(self) -> List[plan.Step]:
        """Bring the kernel into line with what is wanted now; returns what was done."""
        steps = self._settle()
        self._heed()
        return steps

    def _heed(self) -> None:
        """Act on what the prober has found; what the daemon defers is done at once."""
        for _round in range(20):
            changed = self.watching.take()
            news = self.news.take()
            self._noted(news.notes)
            if news.causes or news.deferred:
                self._settle()
            elif changed:
                self.publisher.publish(self.runtime)
            else:
                return
        raise AssertionError(f"the prober finds something new without end: {changed} {news}")

    def _settle(self) -> List[plan.Step]:
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
        self.prober.now = self.now
        self.watching.order()
        self.publisher.publish(self.runtime)
        return steps

    def status(self) -> Dict[str, Any]:
        """What ipmpstat would be told, as it would arrive."""
        shown: Dict[str, Any] = json.loads(json.dumps(status(self.runtime, self.prober.snapshot(), 1, "boot", None)))
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
                    nic.health, notes = health.link_up(nic.health, nic.name, self.now, nic.probed)
                else:
                    nic.health, notes = health.link_down(nic.health, nic.name, nic.group)
                self._noted(notes)

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
