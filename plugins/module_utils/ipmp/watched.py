# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is probed: groups, their NICs, and of each NIC an instance per family (M-1). Pure.

Mutable, and owned by one ``Detector``. Times are seconds of the monotonic clock, intervals ms.
"""

from __future__ import annotations

import ipaddress
import random
from collections import deque
from functools import lru_cache
from typing import Deque, Dict, Iterator, List, Optional, Tuple, Union

from . import probing
from .history import History
from .probing import ProbeSource, Router, Watched
from .targets import Target, Targets

QUIET = 40.0  # s after an instance is made in which losses mean nothing (PRB-7)
LAST_CALLS = 8  # multicast and RTT-only probes whose answers are still taken
IPAddress = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


@lru_cache(maxsize=4096)
def parsed(ip: str) -> IPAddress:
    """An address without its scope."""
    return ipaddress.ip_address(ip.partition("%")[0])


@lru_cache(maxsize=1024)
def _network(source: ProbeSource) -> Union[ipaddress.IPv4Network, ipaddress.IPv6Network]:
    return ipaddress.ip_interface(f"{source.ip}/{source.prefixlen}").network


def family_of(ip: str) -> int:
    """4 or 6."""
    return 6 if ":" in ip else 4


def near(source: ProbeSource, ip: str) -> bool:
    """May it be asked from there: in the prefix of an IPv4 test address (TGT-4), from a link-local one anywhere?"""
    family = family_of(ip)
    return family == family_of(source.ip) and (family == 6 or parsed(ip) in _network(source))


class Instance:
    """One family of one NIC: its test address, targets, schedule and results."""

    def __init__(self, nic: Nic, source: ProbeSource, now: float) -> None:
        self.nic, self.source, self.ifindex = nic, source, nic.watched.ifindex
        self.family = family_of(source.ip)
        self.targets, self.history = Targets(), History()
        self.latest: Optional[Target] = None  # probed last
        self.quiet_until = now + QUIET
        self.counts_from = float("-inf")  # losses of probes sent before mean nothing
        self.calls: Deque[int] = deque(maxlen=LAST_CALLS)  # nonces of multicast probes
        self.call = False  # one host target less: ask for another
        self.extras: Deque[Extra] = deque(maxlen=LAST_CALLS)
        self.sent = self.acked = self.lost = self.unknown = 0
        self.next_note = float("-inf")  # about a strange reply
        self.base = 0.0  # the next base tick (PRB-1)
        self.due: Optional[float] = None  # the next probe; None: nothing is sent
        self.extra_due: Optional[float] = None  # the next RTT-only probe of a group that has slowed down (FDT-2)
        self._extra_turn = 0

    @property
    def wake(self) -> Optional[float]:
        """When there is something to do."""
        if self.due is None or self.extra_due is None:
            return self.due
        return min(self.due, self.extra_due)

    @property
    def shown(self) -> probing.Instance:
        """What status shows of it."""
        rtt = self.latest.rtt if self.latest else None
        return probing.Instance(
            self.family,
            "routes" if self.targets.routers else "multicast",
            self.source.ip,
            self.targets.addresses,
            self.sent,
            self.acked,
            self.lost,
            self.unknown,
            rtt.average if rtt else None,
            rtt.deviation if rtt else None,
        )

    def start(self, now: float, rng: random.Random) -> None:
        """The first probe goes out within one interval (PRB-1)."""
        group = self.nic.group
        self.base = self.due = now + rng.uniform(0, group.interval / 1000)
        self.extra_due = now + group.configured_interval / 1000 if group.slowed else None

    def stop(self) -> None:
        """Nothing is sent, and nothing that was counts (PRB-6)."""
        self.due = self.extra_due = None
        self.forget()

    def forget(self) -> None:
        """Results and what is on its way count no more."""
        self.history.clear()
        self.extras.clear()

    def advance(self, now: float, rng: random.Random) -> int:
        """Set ``due`` for the next probe (PRB-1); returns how many had to be skipped because we are late (PRB-3)."""
        interval = self.nic.group.interval / 1000
        due = self.base + rng.uniform(interval / 2, interval)
        skipped = int((now - due) // interval) + 1 if due <= now else 0
        self.base += (skipped + 1) * interval
        self.due = due + skipped * interval
        return skipped

    def extra_target(self) -> Optional[Target]:
        """Whom the next RTT-only probe goes to."""
        active = self.targets.active
        self._extra_turn += 1
        return active[self._extra_turn % len(active)] if active else None

    def give_up(self, target: Target, state: int, now: float) -> None:
        """The target is SLOW or DEAD: a router is put aside; in place of a host another is looked for (TGT-12)."""
        self.call = not self.targets.routers
        self.targets.give_up(target, state, now)
        if not self.targets:
            self.forget()  # TGT-14

    def accepts(self, ip: str, router: bool) -> bool:
        """May this address be a target here? In the prefix of the test address (TGT-4).

        IPv6: link-local ones, and routers that an administrator or a route names by a global address as well.
        """
        address = parsed(ip)
        if address.version != self.family or address.is_unspecified or address.is_multicast or ip == self.source.ip:
            return False
        if self.family == 6:
            return router or address.is_link_local
        return near(self.source, ip)


class Extra:
    """One RTT-only probe that may still be answered."""

    __slots__ = ("nonce", "sent", "target")

    def __init__(self, nonce: int, target: Target) -> None:
        self.nonce, self.target = nonce, target
        self.sent: Optional[float] = None


class Nic:
    """One NIC of a group. Failure belongs to it and not to its instances (M-1)."""

    def __init__(self, group: Group, watched: Watched) -> None:
        self.group, self.watched = group, watched
        self.name = watched.name
        self.failed = watched.failed
        self.fell_with_group = False  # failed only because its group did
        self.instances: Dict[int, Instance] = {}

    @property
    def capable(self) -> bool:
        """Some family has a test address and a target (TST-6)."""
        return any(i.targets for i in self.instances.values())

    @property
    def probe(self) -> str:
        """The word of ``ipmpstat`` (IST-4)."""
        if not self.instances:
            return "disabled"
        if self.failed:
            return "failed"
        return "ok" if self.capable else "unknown"

    @property
    def shown(self) -> probing.Watch:
        """What status shows of it."""
        return probing.Watch(self.name, self.probe, tuple(i.shown for i in self.instances.values()))

    @property
    def face(self) -> Tuple[object, ...]:
        """What makes a ``Changed`` when it is not what it was."""
        shown = tuple((i.source, i.targets.routers, frozenset(i.targets.addresses)) for i in self.instances.values())
        return (self.probe, shown)

    def forget_times(self) -> None:
        """Round trip times are unknown again (RTT-4)."""
        for instance in self.instances.values():
            for target in instance.targets:
                target.rtt.forget()


class Group:
    """One group; with the name "" the anonymous one, whose NICs have nothing to do with each other (M-4)."""

    def __init__(self, name: str, configured: int) -> None:
        self.name = name
        self.configured = configured  # ms
        self.detection_time = configured
        self.nics: Dict[str, Nic] = {}
        self.static: Tuple[str, ...] = ()
        self.routers: Tuple[Router, ...] = ()

    @property
    def detection_time(self) -> int:
        """The one in force, ms. With it goes ``interval``: P, ms."""
        return self._detection_time

    @detection_time.setter
    def detection_time(self, milliseconds: int) -> None:
        self._detection_time = milliseconds
        self.interval = interval_of(milliseconds)

    @property
    def configured_interval(self) -> int:
        """P as the administrator wants it."""
        return interval_of(self.configured)

    @property
    def slowed(self) -> bool:
        """Answers take too long for the detection time that is wanted (FDT-1)."""
        return self.detection_time > self.configured

    @property
    def online(self) -> List[Nic]:
        """Members that are attached and not offline."""
        return [n for n in self.nics.values() if n.watched.online]

    @property
    def failed(self) -> bool:
        """All members that could work have failed."""
        online = self.online
        return bool(online) and bool(self.name) and all(n.failed for n in online)

    @property
    def instances(self) -> Iterator[Instance]:
        """All that is probe enabled."""
        return (i for n in self.nics.values() for i in n.instances.values())

    def offer(self, instance: Instance, ip: str, now: float) -> List[Nic]:
        """A host has answered this instance: a target for every member that can use it (TGT-10); returns those."""
        nics = self.nics.values() if self.name else (instance.nic,)
        found: List[Nic] = []
        for nic in nics:
            other = nic.instances.get(instance.family)
            if other is not None and other.accepts(ip, router=False) and other.targets.add_host(ip, now):
                found.append(nic)
        return found

    def routers_for(self, instance: Instance) -> Tuple[List[str], List[str]]:
        """The configured targets and the next hops that this instance may probe (TGT-2..4)."""

        def known(nic: Optional[str]) -> bool:
            return nic is None or nic == instance.nic.name or (bool(self.name) and nic in self.nics)

        static = [str(parsed(ip)) for ip in self.static if instance.accepts(ip, router=True)]
        hops = [str(parsed(r.ip)) for r in self.routers if known(r.nic) and instance.accepts(r.ip, router=True)]
        return static, hops


def interval_of(detection_time: int) -> int:
    """P = FDT / 7, in ms."""
    return max(2, detection_time // 7)
