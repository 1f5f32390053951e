# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The detector: from orders, time and replies to probes and verdicts, as in.mpathd comes to them. Pure.

Time comes in as arguments (seconds of the monotonic clock), randomness and nonces from outside. Deliberate differences
from Solaris 10: a send error counts as a lost probe (PKT-5); what we were too late to judge is forgotten; each request
carries a nonce; as in later releases routers of a failed group are kept, and a NIC without targets is usable (TGT-9,
TGT-15).
"""

from __future__ import annotations

import heapq
import random
from typing import Callable, Dict, FrozenSet, List, Optional, Tuple

from . import judgement
from .findings import Findings
from .history import ACKED, LOST, UNSENT, Probe
from .judgement import GROUP_FAILED, NIC_FAILED, NIC_REPAIRED
from .pace import Pace
from .probing import (
    ALL_HOSTS,
    MULTICAST,
    RTT_ONLY,
    UNICAST,
    Finding,
    Orders,
    Reply,
    Send,
    Snapshot,
    Watched,
)
from .targets import ACTIVE, DEAD, Target
from .watched import Extra, Group, Instance, Nic, family_of

COARSEST = 0.020  # s, the grid of wake-ups
LONG = 40  # ms, an interval


class Detector:
    """State machine over groups, NICs and instances."""

    def __init__(self, rng: random.Random, nonce: Callable[[], int]) -> None:
        self.seen_wanted = False  # produce ``Seen`` only then
        self.epoch = 0  # ns to add to our times for the unix times in ``Seen``
        self._rng, self._nonce = rng, nonce
        self._groups: Dict[str, Group] = {}
        self._instances: Dict[Tuple[int, int], Instance] = {}  # by ifindex and family
        self._heap: List[Tuple[float, int, Instance]] = []
        self._serial = 0
        self._own: FrozenSet[str] = frozenset()
        self._pace = Pace()
        self._findings = Findings()
        self._missed = self._missed_times = 0

    # What the daemon wants

    def assign(self, orders: Orders, now: float) -> None:
        """Watch exactly this from now on. Instances that stay as they are keep ring, times and schedule.

        A NIC whose link is down is silently FAILED; what the daemon believes of the others is taken over unless a
        verdict of ours is still on its way to it.
        """
        before = {n.name: (n.face, n.group.detection_time) for g in self._groups.values() for n in g.nics.values()}
        settled = orders.taken == self._findings.verdicts
        self._own = orders.own
        old = {n.name: n for g in self._groups.values() for n in g.nics.values()}
        groups: Dict[str, Group] = {}
        for wanted in orders.groups:
            group = groups[wanted.name] = self._groups.get(wanted.name) or Group(
                wanted.name, wanted.failure_detection_time
            )
            group.static, group.routers = wanted.targets, wanted.routers
            group.nics = {}
            for watched in wanted.nics:
                nic = old.get(watched.name)
                if nic is None or nic.group is not group or nic.watched.ifindex != watched.ifindex:  # LOOP-7
                    nic = Nic(group, watched)
                group.nics[watched.name] = nic
                self._adopt(nic, watched, settled, now)
            self._set_pace(group, wanted.failure_detection_time, now)
        self._groups = groups
        self._instances = {(i.ifindex, i.family): i for g in groups.values() for i in g.instances}
        for group in groups.values():
            self._retarget(group, now)
        for group in groups.values():
            for nic in group.nics.values():
                if before.get(nic.name) != (nic.face, group.detection_time):
                    self._findings.changed(nic)

    def _adopt(self, nic: Nic, watched: Watched, settled: bool, now: float) -> None:
        link_is_back = watched.link and not nic.watched.link
        nic.watched = watched
        believed = watched.failed if settled else nic.failed
        if not watched.link:
            believed = True
        if believed != nic.failed:
            nic.failed, nic.fell_with_group = believed, False
            for instance in nic.instances.values():
                instance.forget()
            nic.forget_times()
        sources = {family_of(s.ip): s for s in watched.tests} if watched.online and watched.ifindex else {}
        kept = nic.instances
        nic.instances = {}
        for family, source in sources.items():
            known = kept.get(family)
            instance = known if known is not None and known.source == source else Instance(nic, source, now)
            nic.instances[family] = instance
            if not watched.link:
                instance.stop()
            elif link_is_back or instance is not known:
                self._start(instance, now)

    def _set_pace(self, group: Group, configured: int, now: float) -> None:
        if configured == group.configured:
            return
        slowed, group.configured = group.slowed, configured
        group.detection_time = max(group.detection_time, configured) if slowed else configured
        for instance in group.instances:
            if instance.due is not None:
                self._start(instance, now)

    def _retarget(self, group: Group, now: float) -> None:
        failed = group.failed
        for instance in group.instances:
            had = bool(instance.targets)
            instance.targets.remove(self._own.__contains__, now)
            static, hops = group.routers_for(instance)
            allowed = [[a for a in some if a not in self._own] for some in (static, hops)]
            instance.targets.set_routers(allowed[0], allowed[1], now, keep=failed)
            if not instance.targets and not instance.targets.routers:
                self._copy_hosts(group, instance, now)
            if had and not instance.targets:
                instance.forget()  # TGT-14

    def _copy_hosts(self, group: Group, instance: Instance, now: float) -> None:
        """An instance without targets begins with what the others have found (TGT-11)."""
        for other in group.instances if group.name else ():
            if other is not instance and other.family == instance.family and not other.targets.routers:
                for target in other.targets:
                    if instance.accepts(target.address, router=False) and target.address not in self._own:
                        instance.targets.add_host(target.address, now)

    # Time

    def wake(self) -> Optional[float]:
        """When ``run`` has something to do next, or None."""
        while self._heap and self._heap[0][0] != self._alive(self._heap[0][2]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def tick(self) -> float:
        """The coarsest grid of wake-ups, s: an eighth of the shortest interval, a quarter of a long one, at most 20 ms.

        What is due together costs less; but with short intervals there is no time to be late.
        """
        busy = [g.configured_interval for g in self._groups.values() if any(True for _instance in g.instances)]
        return min([COARSEST, *(p / (4000 if p >= LONG else 8000) for p in busy)])

    def run(self, now: float) -> List[Send]:
        """Judge what is due and return what is to be sent now; read all replies first."""
        sends: List[Send] = []
        while self._heap and self._heap[0][0] <= now:
            when, _serial, instance = heapq.heappop(self._heap)
            if when != self._alive(instance):
                continue
            if instance.due is not None and instance.due <= now:
                self._round(instance, instance.due, now, sends)
            if instance.extra_due is not None and instance.extra_due <= now:
                self._extra(instance, now, sends)
            self._schedule(instance)
        return sends

    def jumped(self, now: float) -> None:
        """The clock jumped or the host was asleep: nothing from before counts, everybody starts anew."""
        for group in self._groups.values():
            for instance in group.instances:
                instance.forget()
                if instance.due is not None:
                    self._start(instance, now)

    def _alive(self, instance: Instance) -> Optional[float]:
        known = self._instances.get((instance.ifindex, instance.family))
        return instance.wake if known is instance else None

    def _start(self, instance: Instance, now: float) -> None:
        instance.start(now, self._rng)
        self._schedule(instance)

    def _schedule(self, instance: Instance) -> None:
        wake = instance.wake
        if wake is not None:
            self._serial += 1
            heapq.heappush(self._heap, (wake, self._serial, instance))

    def _round(self, instance: Instance, due: float, now: float, sends: List[Send]) -> None:
        """One probe time: look at what came of the last ones, decide, send (PRB-4)."""
        nic = instance.nic
        interval = nic.group.interval
        late = (now - due) * 1000 > interval / 2
        for probe in instance.history.judge(now, interval, late):
            self._lost(instance, probe)
        self._decide(instance, now)
        self._send(instance, due, now, sends)
        base = instance.base
        skipped = instance.advance(now, self._rng)
        if skipped:
            self._missed += skipped
            self._missed_times += 1
            self._findings.late(skipped, now, due, base)

    def _send(self, instance: Instance, due: float, now: float, sends: List[Send]) -> None:
        target = instance.targets.next(now)
        if target is not None:
            instance.latest = target
            probe = instance.history.add(target, self._nonce(), due)
            sends.append(self._request(instance, target.address, UNICAST, probe.sequence, probe.nonce))
        few = not instance.targets.routers and len(instance.targets) < 2  # TGT-10
        if few or instance.call:
            instance.call = False
            nonce = self._nonce()
            instance.calls.append(nonce)
            sequence = instance.history.number & 0xFFFF
            sends.append(self._request(instance, ALL_HOSTS[instance.family], MULTICAST, sequence, nonce))

    def _extra(self, instance: Instance, now: float, sends: List[Send]) -> None:
        """An RTT-only probe, each P that the administrator wanted, while the group is slowed down (FDT-2)."""
        instance.extra_due = now + instance.nic.group.configured_interval / 1000
        target = instance.extra_target()
        if target is not None:
            extra = Extra(self._nonce(), target)
            instance.extras.append(extra)
            sequence = instance.history.number & 0xFFFF
            sends.append(self._request(instance, target.address, RTT_ONLY, sequence, extra.nonce))

    @staticmethod
    def _request(instance: Instance, target: str, kind: int, sequence: int, nonce: int) -> Send:
        return Send(instance.nic.name, instance.ifindex, instance.source.ip, target, kind, sequence, nonce)

    # What became of the probes

    def sent(self, send: Send, at: float, error: bool) -> None:
        """The request has been handed to the kernel, or could not be: then it is lost (differs from PKT-5)."""
        instance = self._instances.get((send.ifindex, family_of(send.source)))
        if instance is None or send.kind == MULTICAST:
            return
        if send.kind == RTT_ONLY:
            for extra in instance.extras:
                if extra.nonce == send.nonce and not error:
                    extra.sent = at
            return
        probe = instance.history.find(send.sequence)
        if probe is None or probe.nonce != send.nonce:
            return
        probe.leave(at)
        instance.sent += 1
        if error:
            probe.state = LOST
            self._lost(instance, probe)

    def reply(self, reply: Reply, now: float) -> None:
        """An answer was heard; only one that nobody else can have made counts (PKT-3, PKT-4)."""
        instance = self._instances.get((reply.ifindex, reply.family))
        if instance is None or instance.due is None:
            return
        if reply.kind == UNICAST:
            self._answered(instance, reply, now)
        elif reply.kind == MULTICAST and reply.nonce in instance.calls:
            if reply.source not in self._own:
                for nic in instance.nic.group.offer(instance, reply.source, now):
                    self._findings.changed(nic)
        elif reply.kind == RTT_ONLY and self._timed(instance, reply, now):
            pass
        else:
            self._findings.strange(instance, reply, "probe status 0 Fake probe reply", now)

    def _answered(self, instance: Instance, reply: Reply, now: float) -> None:
        history = instance.history
        probe = history.find(reply.sequence)
        if probe is None:
            self._findings.strange(instance, reply, "out of window probe", now)
            return
        genuine = probe.nonce == reply.nonce and probe.target.address == reply.source and probe.state != UNSENT
        if not genuine or probe.state == ACKED:
            word = "Duplicate" if genuine else "Fake"
            self._findings.strange(instance, reply, f"probe status {probe.state} {word} probe reply", now)
            return
        if probe.state == LOST:
            instance.lost -= 1
        instance.acked += 1
        if now < instance.quiet_until:  # PRB-7; what the quiet period excused stays excused
            instance.quiet_until = instance.counts_from = now
        history.ack(probe)
        target, interval = probe.target, instance.nic.group.interval
        probe.held_up = (reply.received - target.heard) * 1000 < interval / 4  # probes leave half an interval apart
        if probe.number > target.newest:
            target.newest, target.heard = probe.number, reply.received
            if not instance.nic.failed and target.rtt.take(_took(probe.sent, reply), interval, probe.held_up):
                self._adapt(instance, target, now)
        if self.seen_wanted:
            self._findings.show(instance, probe, reply, self.epoch)

    def _timed(self, instance: Instance, reply: Reply, now: float) -> bool:
        """The answer to an RTT-only probe, if it is one."""
        for extra in instance.extras:
            if extra.nonce == reply.nonce and extra.sent is not None and extra.target.address == reply.source:
                instance.extras.remove(extra)
                if not instance.nic.failed and extra.target.rtt.lower(_took(extra.sent, reply)):
                    self._adapt(instance, extra.target, now)
                return True
        return False

    def _adapt(self, instance: Instance, target: Target, now: float) -> None:
        group = instance.nic.group
        notes = self._pace.adapt(instance, target, now) if target.state == ACTIVE else None
        if notes is None:
            return
        self._findings.note(*notes)
        for nic in group.nics.values():
            self._findings.changed(nic)
        for each in group.instances:
            self._schedule(each)

    def _lost(self, instance: Instance, probe: Probe) -> None:
        instance.lost += 1
        if self.seen_wanted:
            self._findings.show(instance, probe, None, self.epoch)

    # Decisions

    def _decide(self, instance: Instance, now: float) -> None:
        nic = instance.nic
        if not nic.failed and not instance.history.losing:  # nearly always
            return
        dead = None if nic.failed else judgement.dead_target(instance)
        if dead is not None:
            instance.give_up(dead, DEAD, now)
            self._findings.changed(nic)
        kind = judgement.verdict(instance, now)
        if kind == NIC_REPAIRED:
            self._repair(nic, now)
        elif kind == NIC_FAILED:
            self._findings.say(NIC_FAILED, nic.name, nic.watched.ifindex)
            self._fail(nic)
        elif kind == GROUP_FAILED:
            self._fail_group(nic.group, now)

    def _fail(self, nic: Nic) -> None:
        nic.failed = True
        nic.forget_times()
        for instance in nic.instances.values():
            instance.history.proof_from = instance.history.number
        self._findings.changed(nic)

    def _fail_group(self, group: Group, now: float) -> None:
        """Nobody answers anybody: all have FAILED; hosts are looked for anew, routers stay (GRP-5)."""
        self._findings.say(GROUP_FAILED, group.name)
        for nic in group.online:
            nic.fell_with_group = not nic.failed
            self._fail(nic)
            for instance in nic.instances.values():
                if not instance.targets.routers and instance.targets.remove(lambda _: True, now):
                    instance.forget()

    def _repair(self, nic: Nic, now: float) -> None:
        """Enough probes in a row are answered. The first repair ends the failure of a group (GRP-7)."""
        group = nic.group
        over = group.failed
        nic.failed = nic.fell_with_group = False
        self._findings.say(NIC_REPAIRED, nic.name, nic.watched.ifindex)
        self._findings.changed(nic)
        if not over:
            return
        for other in group.nics.values():
            if other.fell_with_group and not other.capable:  # it has no probes of its own that could clear it
                other.failed = other.fell_with_group = False
                self._findings.say(NIC_REPAIRED, other.name, other.watched.ifindex)
                self._findings.changed(other)
        self._retarget(group, now)

    # What was found

    def take(self) -> List[Finding]:
        """What was found since the last call, in order."""
        return self._findings.take()

    def snapshot(self) -> Snapshot:
        """Everything that status shows of probing."""
        groups = self._groups.values()
        return Snapshot(
            tuple(nic.shown for group in groups for nic in group.nics.values()),
            tuple((group.name, group.detection_time) for group in groups if any(True for _instance in group.instances)),
            self._missed,
            self._missed_times,
        )


def _took(sent: float, reply: Reply) -> float:
    return max(0.0, (reply.received - sent) * 1000)
