# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the prober shall watch, from the runtime; and what it has found, taken into the runtime.

The daemon's side of probe-based detection: test addresses and routers are chosen here, verdicts become health.
"""

from __future__ import annotations

import time
from typing import Callable, Container, Dict, FrozenSet, List, Optional, Set, Tuple

from . import health
from . import loop as loops
from .health import Note
from .kernel import Kernel
from .model import Group, Interface, family_of
from .news import News
from .prober import Prober
from .probing import Changed, Instance, Orders, ProbeSource, Router, Seen, Verdict, Watched, WatchedGroup
from .runtime import Nic, Runtime
from .watched import near

ANONYMOUS = ""  # the group of those in no group (M-4)


class Watching:
    """``seen`` is told of each probe that was answered or lost, while the prober is asked for them."""

    def __init__(
        self, runtime: Runtime, kernel: Kernel, prober: Prober, news: News, seen: Callable[[Seen], None]
    ) -> None:
        self.runtime, self.kernel, self.prober, self.news, self._seen = runtime, kernel, prober, news, seen
        self._ordered = Orders()
        self._taken = 0  # verdicts

    # -- orders

    def look_around(self) -> None:
        """Find the routers anew, if anybody probes them."""
        if any(i.test_addresses or i.link_local_test for i in self.runtime.config.interfaces()):
            self.kernel.read_next_hops()

    def order(self) -> None:
        """Have the prober watch what is there now; it hears nothing if that is what it watches."""
        config, doubles = self.runtime.config, self.doubles()
        groups = [self._group(g, config.failure_detection_time(g), doubles) for g in config.groups]
        if not config.defaults.track_interfaces_only_with_groups:
            anonymous = Group(ANONYMOUS, config.ungrouped)
            groups.append(self._group(anonymous, config.defaults.failure_detection_time, doubles))
        watched = tuple(g for g in groups if any(nic.tests for nic in g.nics))
        ours = (a.ip for interface in config.interfaces() for a in interface.addresses)
        orders = Orders(watched, self.kernel.own.union(ours) if watched else frozenset(), self._taken)
        if orders != self._ordered:
            self._foresee(orders)
            self._ordered = orders
            self.prober.assign(orders)
        self._proofs()

    def _group(self, group: Group, milliseconds: int, doubles: Container[str]) -> WatchedGroup:
        names = {interface.name for interface in group.interfaces}
        routers = [Router(ip) for ip in (*group.gateways, *(r.via for r in group.routes))]
        routers += [r for r in self.kernel.next_hops if family_of(r.ip) == 4 or r.nic in names]
        watched = tuple(self._watched(interface, interface.name in doubles) for interface in group.interfaces)
        return WatchedGroup(group.name, milliseconds, watched, group.targets, tuple(dict.fromkeys(routers)))

    def _watched(self, interface: Interface, double: bool) -> Watched:
        nic = self.runtime.nics[interface.name]
        return Watched(
            nic.name,
            nic.ifindex if nic.present else 0,
            nic.health.link,
            nic.plumbed and nic.joined and not nic.leaving,
            nic.health.failed,
            self._tests(nic, interface, double),
        )

    def _tests(self, nic: Nic, interface: Interface, double: bool) -> Tuple[ProbeSource, ...]:
        """The addresses to probe from (TST-1, TST-2): a deprecated IPv4 one if there is one, a link-local IPv6 one."""
        if not nic.plumbed:
            return ()
        found: List[ProbeSource] = []
        best = _best(interface)
        if best is not None:
            found.append(best)
        link_local = self.kernel.link_locals.get(nic.ifindex)
        if interface.link_local_test and link_local and not double:
            found.append(ProbeSource(link_local, 64))
        return tuple(found)

    def doubles(self) -> Dict[str, str]:
        """NIC -> its link-local test address, where a member before it has the same one (TST-5)."""
        found: Dict[str, str] = {}
        for group in self.runtime.config.groups:
            first: Dict[str, str] = {}
            for interface in group.interfaces:
                nic = self.runtime.nics[interface.name]
                address = (
                    self.kernel.link_locals.get(nic.ifindex) if nic.plumbed and interface.link_local_test else None
                )
                if address and first.setdefault(address, nic.name) != nic.name:
                    found[nic.name] = address
        return found

    def _foresee(self, orders: Orders) -> None:
        """Until the prober has told, a NIC whose group has routers counts as probed, so that nothing else proves it."""
        known = {nic.name: nic for group in self._ordered.groups for nic in group.nics}
        for group in orders.groups:
            routers = (*group.targets, *(router.ip for router in group.routers))
            for watched in group.nics:
                before = known.get(watched.name)
                if before is None or _face(before) != _face(watched):
                    self.runtime.nics[watched.name].instances = tuple(
                        Instance(family_of(test.ip), "routes", test.ip, tuple(ip for ip in routers if near(test, ip)))
                        for test in watched.tests
                    )
        probing = _probing(orders)
        for nic in self.runtime.nics.values():
            if nic.name not in probing:
                nic.instances = ()

    # -- findings

    def take(self) -> bool:
        """Take in what was found since; True when what status shows may have changed without a verdict."""
        changed: Set[str] = set()
        for finding in self.prober.findings():
            if isinstance(finding, Verdict):
                self._taken += 1
                self._judge(finding)
            elif isinstance(finding, Changed):
                changed.add(finding.nic)
            elif isinstance(finding, Note):
                self.news.note(finding)
            else:
                self._seen(finding)
        if changed:
            # The prober may not have heard of the last orders yet, and then shows what nobody will take back.
            probing = _probing(self._ordered)
            for watch in self.prober.snapshot().watches:
                nic = self.runtime.nics.get(watch.nic)
                if nic is not None and nic.name in probing:
                    nic.instances = watch.instances
            self._proofs()
        return bool(changed)

    def _judge(self, verdict: Verdict) -> None:
        if verdict.kind == "group-failed":
            group = self.runtime.config.group(verdict.name)
            for interface in group.interfaces if group else ():
                nic = self.runtime.nics[interface.name]
                if nic.plumbed and not nic.health.failed:
                    nic.health = health.with_group(nic.health)
                    nic.since = time.time()
            self.news.cause(f"the probes of the whole group {verdict.name} are lost")
            return
        accused = self.runtime.nics.get(verdict.name)
        if accused is not None and accused.attached and accused.ifindex == verdict.ifindex:
            self._judge_nic(accused, verdict.kind == "nic-failed")

    def _judge_nic(self, nic: Nic, failed: bool) -> None:
        was_usable, was_failed = nic.usable, nic.health.failed
        turn = health.unanswered if failed else health.repaired
        nic.health, notes = turn(nic.health, nic.name, nic.group)
        self.news.note(*notes)
        if was_usable and not nic.usable:
            nic.since = time.time()
            self.news.failed(nic)
            self.news.cause(f"the probes of {nic.name} are lost")
        elif was_failed and not nic.health.failed:
            self.runtime.repaired(nic, time.time())
            if self._first_of_its_group(nic):
                self.news.defer(self._two_probes(nic), f"{nic.name} is repaired, the first of its group")
            else:
                self.news.cause(f"{nic.name} is repaired")

    def _first_of_its_group(self, nic: Nic) -> bool:
        """The whole group had failed, and others are likely to recover in a moment: their addresses stay (GRP-7)."""
        group = self.runtime.config.group_of(nic.name)
        others = [self.runtime.nics[i.name] for i in group.interfaces if i.name != nic.name] if group else []
        return not any(other.usable for other in others) and any(other.health.group_lost for other in others)

    def _two_probes(self, nic: Nic) -> float:
        """Two probe intervals of its group, s."""
        group = self.runtime.config.group_of(nic.name)
        return 2 * self.runtime.config.failure_detection_time(group) / 7000 if group else 0.0

    def _proofs(self) -> None:
        now = loops.now()
        watched = {group.name for group in self._ordered.groups}
        working = {nic.group for nic in self.runtime.grouped() if nic.usable}
        for nic in self.runtime.watched():
            if not nic.plumbed or nic.leaving:
                nic.health = health.unproved(nic.health)
                continue
            nic.health = health.proof_by(
                nic.health,
                nic.probed and not nic.trusted,
                now,
                testless=not nic.instances,
                groupless=(nic.group or ANONYMOUS) not in watched or (nic.group in working and not nic.probed),
            )


def _face(watched: Watched) -> Tuple[object, ...]:
    """What makes probing begin anew when it is another."""
    return watched.ifindex, watched.tests, watched.online


def _probing(orders: Orders) -> FrozenSet[str]:
    """NICs that shall be probed."""
    return frozenset(nic.name for group in orders.groups for nic in group.nics if nic.tests and nic.online)


def _best(interface: Interface) -> Optional[ProbeSource]:
    candidates = [a for a in interface.test_addresses if a.up and a.family == 4]
    best = next((a for a in candidates if a.deprecated), candidates[-1] if candidates else None)
    return ProbeSource(best.ip, best.prefixlen) if best else None
