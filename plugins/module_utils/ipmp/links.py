# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel says of the NICs, taken into the runtime: presence, carrier, and with it health."""

from __future__ import annotations

import time
from typing import Iterable, List, NamedTuple, Tuple

from . import health
from . import loop as loops
from .health import Note
from .kernel import Kernel
from .nlparse import LinkEvent
from .runtime import Nic, Runtime


class News(NamedTuple):
    """What has changed since the last time one asked."""

    failed: Tuple[Nic, ...]  # were usable and are not
    notes: Tuple[Note, ...]
    causes: Tuple[str, ...]  # empty: nothing to settle


class Links:
    """``take`` and ``poll`` gather, ``news`` hands over."""

    def __init__(self, runtime: Runtime, kernel: Kernel) -> None:
        self.runtime, self.kernel = runtime, kernel
        self._failed: List[Nic] = []
        self._notes: List[Note] = []
        self._causes: List[str] = []

    def news(self) -> News:
        """What was gathered; the next call begins anew."""
        result = News(tuple(self._failed), tuple(self._notes), tuple(self._causes))
        self._failed, self._notes, self._causes = [], [], []
        return result

    def take(self, link: LinkEvent, starting: bool = False) -> None:
        """One interface as the kernel shows it, or its end."""
        known = self.runtime.by_index(link.ifindex)
        if link.deleted or (known is not None and known.name != link.name):
            self.kernel.links = {n: k for n, k in self.kernel.links.items() if k.ifindex != link.ifindex}
            if known is not None:
                self._vanished(known)
            if link.deleted:
                return
        self.kernel.links[link.name] = link
        nic = self.runtime.nics.get(link.name)
        if nic is None:
            return
        nic.mtu, nic.mac = link.mtu, link.mac
        if not nic.present or nic.ifindex != link.ifindex:
            self._appeared(nic, link.ifindex, starting)
        else:
            self._ask([nic])  # the event may be older than what a poll has seen since

    def poll(self) -> None:
        """Ask for the carrier of every member; answers what the kernel would tell up to a second later."""
        self._ask(self.runtime.grouped())

    def _ask(self, nics: Iterable[Nic]) -> None:
        watched = [nic for nic in nics if nic.group and nic.attached and nic.joined]
        found = self.kernel.requests.carriers([nic.ifindex for nic in watched])
        for nic in watched:
            carrier = found[nic.ifindex]
            if carrier is not None:  # else it is gone, and the event that says so is on its way
                self._carrier(nic, carrier)

    def resync(self) -> None:
        """Events were lost: read everything and take the differences in."""
        before = dict(self.kernel.links)
        self.kernel.read_links()
        for name in before:
            nic = self.runtime.nics.get(name)
            if nic is not None and nic.present and name not in self.kernel.links:
                self._vanished(nic)
        for link in list(self.kernel.links.values()):
            self.take(link)
        self._causes.append("events were lost")

    def _appeared(self, nic: Nic, ifindex: int, starting: bool) -> None:
        if nic.present:  # the same name with another index: it was replaced while we looked away
            self._vanished(nic)
        new = not starting or nic.ifindex not in (0, ifindex)
        nic.present, nic.ifindex = True, ifindex
        if new:
            nic.joined, nic.since = False, time.time()
            if nic.group and not nic.detached:
                nic.health = health.suspect(nic.health, loops.now())
            self._notes.append(Note("info", f"interface {nic.name} has appeared"))
        self._causes.append(f"{nic.name} has appeared")

    def _vanished(self, nic: Nic) -> None:
        """Surprise removal, or the hardware step of a detach: a failure like any other."""
        was_usable = nic.usable
        nic.present, nic.ifindex, nic.joined, nic.since = False, 0, False, time.time()
        if was_usable:
            self._failed.append(nic)
        self._notes.append(Note("info", f"inet {nic.name} has been removed from kernel"))
        self._causes.append(f"{nic.name} is gone")

    def _carrier(self, nic: Nic, up: bool) -> None:
        if up == nic.health.link:
            return
        was_usable = nic.usable
        if up:
            nic.health, notes = health.link_up(nic.health, nic.name, loops.now())
        else:
            nic.health, notes = health.link_down(nic.health, nic.name, nic.group)
        if was_usable and not nic.usable:
            self._failed.append(nic)
        nic.since = time.time()
        self._notes += notes
        self._causes.append(f"the link of {nic.name} is {'up' if up else 'down'}")
