# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before a configuration is put into force: are new addresses free, and do the members sit on one link?

Both questions are asked of the link itself, in parallel, for what is new; a second run asks nothing and does not wait.
"""

from __future__ import annotations

import contextlib
from typing import Callable, Dict, FrozenSet, List, Optional, Set

from . import loop as loops
from .announce import DuplicateCheck, probe
from .beacon import PathCheck
from .daemon import Daemon
from .model import Config, Group
from .nlparse import LinkEvent

WINDOW = 0.5  # s for members to hear each other
CARRIER_WAIT = 3.0  # s that a card may take to agree on a speed; one without a cable is asked nothing


class Admission:
    """Calls ``tell(None)``, or ``tell(sentence)`` when the configuration contradicts the link."""

    def __init__(
        self, daemon: Daemon, config: Config, present: FrozenSet[str], tell: Callable[[Optional[str]], None]
    ) -> None:
        self.daemon, self.config, self._tell = daemon, config, tell
        self._duplicates: List[DuplicateCheck] = []
        strangers = self._no_ethernet()
        if strangers:
            tell("; ".join(strangers))
            return
        self._crossings = [
            Crossing(daemon, group, links) for group in config.groups for links in (self._new_links(group),) if links
        ]
        for group in config.groups:
            self._ask_for_duplicates(group, present)
        if self._duplicates or self._crossings:
            daemon.loop.call_later(WINDOW / 2, self._ask_again)
            daemon.loop.call_later(WINDOW, self._verdict)
        else:
            tell(None)

    def _no_ethernet(self) -> List[str]:
        """Members on which nobody can be told where an address is now; one that appears later is not asked about."""
        links = self.daemon.kernel.links
        return [
            f"interface {i.name} of group {g.name} is no Ethernet interface, so no address can move to it; "
            "leave it out of the group"
            for g in self.config.groups
            for i in g.interfaces
            if i.name in links and not _is_ethernet(links[i.name].mac)
        ]

    def _up(self, group: Group) -> List[LinkEvent]:
        links = (self.daemon.kernel.links.get(i.name) for i in group.interfaces)
        return [k for k in links if k is not None and k.up and k.carrier]

    def _new_links(self, group: Group) -> List[LinkEvent]:
        """The members' links if there is a new one among them and at least two can be asked."""
        links = self._up(group)
        known = self.daemon.runtime.config.group(group.name)
        new = [k for k in links if known is None or known.interface(k.name) is None]
        return links if new and len(links) > 1 else []

    def _ask_for_duplicates(self, group: Group, present: FrozenSet[str]) -> None:
        macs = frozenset(k.mac for k in self.daemon.kernel.links.values())
        for interface in group.interfaces:
            link = next((k for k in self._up(group) if k.name == interface.name), None)
            ips = [a.ip for a in interface.addresses if a.up and a.ip not in present]
            if link is not None and ips:
                try:
                    self._duplicates.append(DuplicateCheck(link.ifindex, link.mac, ips, macs))
                except OSError as error:
                    self.daemon.log("info", f"{link.name}: cannot ask whether its addresses are free: {error}")

    def _ask_again(self) -> None:
        """A link that has just come up may have lost the first question."""
        for check in self._duplicates:
            with contextlib.suppress(OSError):
                check.ask()

    def _verdict(self) -> None:
        problems: List[str] = []
        for check in self._duplicates:
            problems += [
                f"address {ip} is already in use by {mac} on the same link; choose another or take it off that host"
                for ip, mac in sorted(check.read().items())
            ]
            check.close()
        problems += [p for crossing in self._crossings for p in (crossing.verdict(),) if p]
        self._tell("; ".join(problems) or None)


class Raised:
    """The links of new members that are down, brought up so that they can be asked; nothing else is changed on them."""

    def __init__(self, daemon: Daemon, config: Config) -> None:
        self.daemon = daemon
        self._names = [i.name for g in config.groups for i in g.interfaces if self._is_down(i.name)]
        daemon.membership.lift(daemon.runtime, self._names)

    def _is_down(self, name: str) -> bool:
        runtime, link = self.daemon.runtime, self.daemon.kernel.links.get(name)
        detached = name in runtime.nics and not runtime.nics[name].attached
        if link is None or link.up or detached or runtime.config.group_of(name) is not None:
            return False
        return _is_ethernet(link.mac)

    def when_there(self, go_on: Callable[[], object]) -> None:
        """Calls it when all of them have carrier, at once if there is none, at the latest after CARRIER_WAIT."""
        deadline = loops.now() + CARRIER_WAIT

        def look() -> None:
            links = [self.daemon.kernel.links.get(name) for name in self._names]
            if all(k is None or k.carrier for k in links) or loops.now() >= deadline:
                go_on()
            else:
                self.daemon.loop.call_later(0.02, look)

        look()

    def over(self) -> None:
        """Those that have not become members are as before."""
        self.daemon.membership.lower(self.daemon.runtime, self._names)


def _is_ethernet(mac: str) -> bool:
    return len(mac) == 17 and mac != "00:00:00:00:00:00"


class Crossing:
    """Do the members of one group hear each other?"""

    def __init__(self, daemon: Daemon, group: Group, links: List[LinkEvent]) -> None:
        self.daemon, self.group = daemon, group
        self._names = {k.ifindex: k.name for k in links}
        self._heard: Set[FrozenSet[int]] = set()
        self._check = PathCheck(group.name)
        self._received = received()
        for link in links:
            try:
                fd = self._check.add(link.ifindex, link.mac)
            except OSError as error:  # gone between the last link event and now
                daemon.log("info", f"{link.name}: cannot ask whether it is on the group's link: {error.strerror}")
                del self._names[link.ifindex]
            else:
                daemon.loop.add_fd(fd, lambda _mask, i=link.ifindex: self._read(i))  # type: ignore[misc]
        for link in (k for k in links if k.ifindex in self._names):
            # Questions to whoever may answer: a live link on which the siblings are not heard is another link.
            probes = [probe(link.mac, ip) for ip in (*group.gateways, *group.targets) if ":" not in ip]
            daemon.announcer.send(link.ifindex, probes)
            self._check.ask(link.ifindex)
        self._again = daemon.loop.call_later(WINDOW / 2, self._ask_again)

    def _ask_again(self) -> None:
        for ifindex in self._names:
            self._check.ask(ifindex)

    def _read(self, ifindex: int) -> None:
        for proof in self._check.read(ifindex):
            self._heard.add(frozenset((proof.ifindex, proof.sibling)))

    def verdict(self) -> Optional[str]:
        """A sentence when members demonstrably sit on two links; ends the check."""
        self._again.cancel()
        for fd in self._check.filenos().values():
            self.daemon.loop.remove_fd(fd)
        self._check.close()
        together = self._reached(min(self._names, default=0))
        apart = frozenset(self._names) - together
        if not apart:
            return None
        now = received()
        alive = {i for i, name in self._names.items() if now.get(name, 0) > self._received.get(name, 0)}
        here, there = (", ".join(sorted(self._names[i] for i in side)) for side in (together, apart))
        if alive & together and alive & apart:
            return (
                f"the interfaces of group {self.group.name} sit on two links: {here} cannot hear {there}, "
                "although both hear others; connect them to one link, or make two groups"
            )
        self.daemon.log("err", f"group {self.group.name}: {here} cannot hear {there}; are they on one link?")
        return None

    def _reached(self, start: int) -> FrozenSet[int]:
        found, edge = {start}, [start]
        while edge:
            here = edge.pop()
            for pair in self._heard:
                for other in pair - found if here in pair else ():
                    found.add(other)
                    edge.append(other)
        return frozenset(found)


def received() -> Dict[str, int]:
    """Interface -> packets received since it exists."""
    counts: Dict[str, int] = {}
    with open("/proc/net/dev", encoding="ascii") as file:
        for line in file:
            name, colon, numbers = line.partition(":")
            if colon:
                counts[name.strip()] = int(numbers.split()[1])
    return counts
