# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated network around a ``Detector``: NICs that can fall silent, hosts that answer after a while or not at all.

It stands where the prober and the daemon stand, with a clock that is told the time.
"""

from __future__ import annotations

import heapq
import itertools
import random
from typing import Any, Callable, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Set, Tuple, Type, TypeVar

from ipmp.detection import Detector
from ipmp.health import Note
from ipmp.probing import (
    ALL_HOSTS,
    MULTICAST,
    UNICAST,
    Finding,
    Instance,
    Orders,
    ProbeSource,
    Reply,
    Router,
    Send,
    Verdict,
    Watch,
    Watched,
    WatchedGroup,
)

Kind = TypeVar("Kind", bound=Finding)
START = 1000.0
P = 0.142  # s, of 1000 ms
R, R2 = "192.0.2.1", "192.0.2.2"
HOSTS = [f"192.0.2.{n}" for n in range(101, 106)]


class Sent(NamedTuple):
    at: float
    send: Send


class Found(NamedTuple):
    at: float
    finding: Finding


def nic(number: int, *, v4: bool = True, v6: bool = False, **more: Any) -> Watched:
    """``eth1`` with ifindex 11 and the test addresses 192.0.2.11 and fe80::11."""
    tests = [ProbeSource(f"192.0.2.{10 + number}", 24)] * v4 + [ProbeSource(f"fe80::{10 + number}", 64)] * v6
    start = Watched(f"eth{number}", 10 + number, True, True, False, tuple(tests))
    return start._replace(**more)


def group(
    *nics: Watched, name: str = "g", fdt: int = 1000, routers: Sequence[str] = (), targets: Sequence[str] = ()
) -> WatchedGroup:
    return WatchedGroup(name, fdt, nics, tuple(targets), tuple(map(Router, routers)))


class Network:
    """Hosts are ``answers``: address -> the round trip time in s from a NIC, or None for silence."""

    def __init__(
        self, *groups: WatchedGroup, seed: int = 1, own: FrozenSet[str] = frozenset(), lag: float = 0.0
    ) -> None:
        self.rng = random.Random(seed)
        nonces = random.Random(seed + 2)
        self.detector = Detector(random.Random(seed + 1), lambda: nonces.getrandbits(64))
        self.now = START
        self.lag = lag  # s that we come later than we should, at most
        self.answers: Dict[str, Callable[[str], Optional[float]]] = {}
        self.silent: Set[str] = set()  # NICs whose frames go nowhere
        self.broken: Set[str] = set()  # NICs on which nothing can be sent
        self.mute: Set[str] = set()  # NICs whose sockets are not open yet: nothing is even tried
        self.loss = 0.0
        self.sent: List[Sent] = []
        self.found: List[Found] = []
        self.replies: List[Reply] = []  # all that were delivered
        self._flying: List[Tuple[float, int, Reply]] = []
        self._count = itertools.count()
        self.own = own
        self.groups = groups
        self.failed = {n.name for g in groups for n in g.nics if n.failed}  # what the daemon believes
        self.assign()

    # what happens

    def host(self, *ips: str, rtt: float = 0.0005) -> None:
        for ip in ips:
            self.answers[ip] = lambda _nic: rtt

    def assign(self, *groups: WatchedGroup, taken: Optional[int] = None) -> None:
        """Give these orders (default: the last ones), with what a daemon believes that has taken all verdicts."""
        if groups:
            self.groups = groups
        believed = tuple(
            g._replace(nics=tuple(n._replace(failed=n.name in self.failed or not n.link) for n in g.nics))
            for g in self.groups
        )
        self.detector.assign(Orders(believed, self.own, len(self.verdicts) if taken is None else taken), self.now)
        self._gather()

    def change(self, name: str, **what: Any) -> None:
        """One NIC is another."""
        self.groups = tuple(
            g._replace(nics=tuple(n._replace(**what) if n.name == name else n for n in g.nics)) for g in self.groups
        )
        self.assign()

    def cable(self, name: str, link: bool) -> None:
        """Link news; without a link a NIC has failed, and only a verdict repairs it."""
        self.failed |= {name} if not link else set()
        self.change(name, link=link)

    def route(self, *routers: str, name: str = "g") -> None:
        """These are the next hops of a group now."""
        self.assign(*(g._replace(routers=tuple(map(Router, routers))) if g.name == name else g for g in self.groups))

    def run(self, seconds: float) -> None:
        """Time goes on."""
        end = self.now + seconds
        while True:
            wake = self.detector.wake()
            if wake is not None and self.lag:
                wake += self.rng.uniform(0, self.lag)
            flying = self._flying[0][0] if self._flying else None
            moments = [m for m in (wake, flying) if m is not None]
            if not moments or min(moments) > end:
                break
            self.now = max(self.now, min(moments))
            self._deliver()
            if wake is not None and wake <= self.now:
                self._round()
            self._gather()
        self.now = end

    def stall(self, seconds: float) -> None:
        """Time goes on, and we do not come to anything; replies wait in the socket."""
        self.now += seconds

    def inject(self, reply: Reply) -> None:
        self.detector.reply(reply, self.now)
        self._gather()

    def _deliver(self) -> None:
        while self._flying and self._flying[0][0] <= self.now:
            _, _, reply = heapq.heappop(self._flying)
            if f"eth{reply.ifindex - 10}" not in self.silent:
                self.replies.append(reply)
                self.detector.reply(reply, self.now)

    def _round(self) -> None:
        for send in self.detector.run(self.now):
            assert 0 <= send.nonce < 1 << 64 and 0 <= send.sequence < 1 << 16, send
            if send.nic in self.mute:
                continue
            error = send.nic in self.broken
            self.sent.append(Sent(self.now, send))
            self.detector.sent(send, self.now, error)
            if not error and send.nic not in self.silent:
                self._travel(send)

    def _travel(self, send: Send) -> None:
        family = 6 if ":" in send.source else 4
        everybody = [ip for ip in self.answers if (":" in ip) == (family == 6)]
        for ip in everybody if send.target == ALL_HOSTS[family] else [send.target]:
            takes = self.answers[ip](send.nic) if ip in self.answers else None
            if takes is None or self.rng.random() < self.loss:
                continue
            at = self.now + takes
            reply = Reply(send.ifindex, family, ip, send.kind, send.sequence, send.nonce, at, at)
            heapq.heappush(self._flying, (at, next(self._count), reply))

    def _gather(self) -> None:
        for finding in self.detector.take():
            self.found.append(Found(self.now, finding))
            if isinstance(finding, Verdict):
                self._believe(finding)

    def _believe(self, verdict: Verdict) -> None:
        if verdict.kind == "group-failed":
            self.failed |= {n.name for g in self.groups if g.name == verdict.name for n in g.nics if n.online}
        elif verdict.kind == "nic-failed":
            assert verdict.name not in self.failed, f"{verdict}, failed before"
            self.failed.add(verdict.name)
        else:
            assert verdict.name in self.failed, f"{verdict}, not failed"
            self.failed.remove(verdict.name)

    # what came of it

    def all(self, kind: Type[Kind]) -> List[Kind]:
        return [f.finding for f in self.found if isinstance(f.finding, kind)]

    @property
    def verdicts(self) -> List[Tuple[str, str]]:
        return [(v.kind, v.name) for v in self.all(Verdict)]

    @property
    def notes(self) -> List[str]:
        return [n.text for n in self.all(Note)]

    def when(self, kind: str) -> float:
        """When the last verdict of this kind came."""
        return [f.at for f in self.found if isinstance(f.finding, Verdict) and f.finding.kind == kind][-1]

    def watch(self, name: str) -> Watch:
        (found,) = [w for w in self.detector.snapshot().watches if w.nic == name]
        return found

    def instance(self, name: str, family: int = 4) -> Instance:
        (found,) = [i for i in self.watch(name).instances if i.family == family]
        return found

    def detection_time(self, name: str = "g") -> int:
        return dict(self.detector.snapshot().detection_times)[name]

    def probes(self, name: str, kind: int = UNICAST, family: int = 4) -> List[Sent]:
        return [
            s
            for s in self.sent
            if s.send.nic == name and s.send.kind == kind and (":" in s.send.source) == (family == 6)
        ]

    def calls(self, name: str) -> List[Sent]:
        return self.probes(name, MULTICAST)


def two(seed: int = 1, **more: Any) -> Network:
    """eth1 and eth2 with one router that answers; both have been answered already."""
    network = Network(group(nic(1), nic(2), routers=[R], **more), seed=seed)
    network.host(R)
    network.run(3)
    return network


def slow(*rtts: float) -> Callable[[str], float]:
    """These times in turn, the last for ever."""
    left = list(rtts)
    return lambda _name: left.pop(0) if len(left) > 1 else left[0]
