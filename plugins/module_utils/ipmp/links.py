# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel says of the NICs, taken into the runtime: presence, carrier, and with it health."""

from __future__ import annotations

import os
import time
from typing import Dict, Iterable, Tuple

from . import health
from . import loop as loops
from .health import Note
from .kernel import Kernel
from .news import News
from .nlparse import LinkEvent
from .runtime import Nic, Runtime

NAME_WAIT = 5.0  # s for udev to give a new interface its name; it refuses to once the link is up
UDEV, UDEV_KNOWS = "run/udev/control", "run/udev/data/n{}"  # it runs; it has dealt with the interface of that index


class Links:
    """Fills the ``news``."""

    def __init__(self, root: str, runtime: Runtime, kernel: Kernel, news: News) -> None:
        self.root, self.runtime, self.kernel, self.news = root, runtime, kernel, news
        self._unnamed: Dict[int, Tuple[float, bool]] = {}  # ifindex -> until when it may be renamed; here at the start?
        self.changed = 0.0  # CLOCK_MONOTONIC, s: when a link, anybody's, was last seen to change

    def take(self, link: LinkEvent, starting: bool = False) -> bool:
        """One interface as the kernel shows it, or its end. True: every NIC that counts has been asked since."""
        self.changed = loops.now()
        known = self.runtime.by_index(link.ifindex)
        if link.deleted or (known is not None and known.name != link.name):
            if known is not None:
                self._vanished(known)
        if link.deleted:
            self._unnamed.pop(link.ifindex, None)
        if any(k.ifindex == link.ifindex and (link.deleted or n != link.name) for n, k in self.kernel.links.items()):
            self.kernel.links = {n: k for n, k in self.kernel.links.items() if k.ifindex != link.ifindex}
        if link.deleted:
            return False
        self.kernel.links[link.name] = link
        nic = self.runtime.nics.get(link.name)
        if nic is None:
            return False
        if nic.group and link.master:
            self._enslaved(nic, self.kernel.name_of(link.master) or f"interface {link.master}")
            return False
        if not self._is_named(nic, link, starting):
            return False
        nic.master = None
        if nic.present and nic.mac != link.mac:
            self.news.cause(f"the hardware address of {nic.name} is now {link.mac}")
        nic.mtu, nic.mac = link.mtu, link.mac
        if not nic.present or nic.ifindex != link.ifindex:
            self._appeared(nic, link.ifindex, starting)
        elif self.runtime.watches(nic):
            # The event may be older than what a poll has seen; and whatever broke this link may have broken others.
            self._ask([nic] if link.running else self.runtime.watched())
            return not link.running
        return False

    def poll(self) -> None:
        """Ask for the carrier of every NIC that counts; answers what the kernel would tell up to a second later."""
        self._ask(self.runtime.watched())
        for ifindex in list(self._unnamed):
            link = next((k for k in self.kernel.links.values() if k.ifindex == ifindex), None)
            if link is None or link.name not in self.runtime.nics:
                del self._unnamed[ifindex]
            else:
                self.take(link, self._unnamed[ifindex][1])

    @property
    def naming(self) -> bool:
        """Does somebody still wait for udev?"""
        return bool(self._unnamed)

    def _is_named(self, nic: Nic, link: LinkEvent, starting: bool) -> bool:
        """Is that the name that it keeps? udev may still rename one that has just come, to that of another NIC too."""
        if link.ifindex == nic.ifindex and (nic.present or starting):
            return True
        until, _start = self._unnamed.setdefault(link.ifindex, (loops.now() + NAME_WAIT, starting))
        known = os.path.join(self.root, UDEV_KNOWS.format(link.ifindex))
        if os.path.exists(os.path.join(self.root, UDEV)) and not os.path.exists(known) and loops.now() < until:
            return False
        del self._unnamed[link.ifindex]
        return True

    def _ask(self, nics: Iterable[Nic]) -> None:
        watched = [nic for nic in nics if nic.attached and nic.joined]
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
        self.news.cause("events were lost")

    def _appeared(self, nic: Nic, ifindex: int, starting: bool) -> None:
        if nic.present:  # the same name with another index: it was replaced while we looked away
            self._vanished(nic)
        new = not starting or nic.ifindex not in (0, ifindex)
        nic.present, nic.ifindex = True, ifindex
        self.runtime.missing -= {nic.name}
        if new:
            nic.joined, nic.since = False, time.time()
            if not nic.detached:
                interface = self.runtime.interface(nic.name)
                nic.asking = interface is not None and any(a.up for a in interface.addresses)
                if nic.group:
                    nic.health = health.suspect(nic.health, loops.now())
            self.news.note(Note("info", f"interface {nic.name} has appeared"))
        self.news.cause(f"{nic.name} has appeared")

    def _vanished(self, nic: Nic) -> None:
        """Surprise removal, or the hardware step of a detach: a failure like any other."""
        self._lost(nic)
        self.news.note(Note("info", f"inet {nic.name} has been removed from kernel"))
        self.news.cause(f"{nic.name} is gone")

    def _enslaved(self, nic: Nic, master: str) -> None:
        """A bridge or bond has it: what arrives goes there, so for us it is not there until it is free again."""
        if nic.master == master and not nic.present:
            return
        nic.master = master
        self._lost(nic)
        self.news.note(Note("err", nic.reason_of_absence))
        self.news.cause(f"{nic.name} belongs to {master}")

    def _lost(self, nic: Nic) -> None:
        was_usable = nic.usable
        nic.present, nic.ifindex, nic.joined, nic.since = False, 0, False, time.time()
        nic.instances, nic.twin, nic.asking, nic.taken = (), False, False, {}
        if was_usable:
            self.news.failed(nic)

    def _carrier(self, nic: Nic, up: bool) -> None:
        if up == nic.health.link:
            return
        self.changed = loops.now()
        was_usable = nic.usable
        if up:
            nic.health, notes = health.link_up(nic.health, nic.name, loops.now(), nic.probed)
            if nic.group is None and not nic.probed:  # nobody is there who could prove its path (REP-5)
                nic.health, repaired = health.repaired(nic.health, nic.name, None)
                notes += repaired
        else:
            nic.health, notes = health.link_down(nic.health, nic.name, nic.group)
        if was_usable and not nic.usable:
            self.news.failed(nic)
        nic.since = time.time()
        self.news.note(*notes)
        self.news.cause(f"the link of {nic.name} is {'up' if up else 'down'}")
