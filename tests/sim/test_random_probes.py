# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Anything may happen to probes, links, hosts and orders in any order: what holds of every verdict and every step.

An observer on the wire knows which probe was truly answered, and judges the detector by that alone. A forger on the
link knows everything but the nonces, and replays all that it has heard. ``SIM_SCHEDULES`` in the environment says how
many schedules are tried (default 300), ``SIM_SECONDS`` how long the false alarm test simulates (default 120; an hour
is 3600).
"""

from __future__ import annotations

import heapq
import itertools
import os
import random
from typing import Any, Dict, List, Set, Tuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from simulated_network import Network, Sent, group, nic

from ipmp.detection import Detector
from ipmp.health import Note
from ipmp.probing import MULTICAST, RTT_ONLY, UNICAST, Orders, Reply, Verdict, Watched, WatchedGroup

pytestmark = pytest.mark.sim
SCHEDULES = int(os.environ.get("SIM_SCHEDULES", "300"))
SECONDS = float(os.environ.get("SIM_SECONDS", "120"))

HOSTS = [f"192.0.2.{n}" for n in range(101, 108)] + [f"fe80::{n}" for n in range(101, 104)]
NAMES = [f"eth{n}" for n in range(1, 5)]
TIMES = (100, 1000, 10000)
SLOW = (1000, 10000)  # where a test waits for minutes
SMALL = 1e-6


class Record:
    """One probe that has left."""

    def __init__(self, sent: Sent, excused: bool) -> None:
        self.at, self.send = sent.at, sent.send
        self.excused = excused  # from being lost
        self.answered = False


class Observed(Network):
    """A network whose wire is watched, with a forger on it."""

    def __init__(self, *groups: WatchedGroup, seed: int, forger: bool) -> None:
        self.forger = forger
        self.records: Dict[Tuple[str, int], List[Record]] = {}
        self.answers_since_failure: Dict[str, int] = {}
        self.fastest = min(g.failure_detection_time for g in groups) // 7 / 1000  # s, the shortest P so far
        self.ever_answered: Set[Tuple[str, int]] = set()
        self.responders: Set[str] = set()
        self.history: List[str] = []
        self.calm_since = float("-inf")
        super().__init__(*groups, seed=seed, own=frozenset((HOSTS[6],)))

    # what goes on

    def _round(self) -> None:
        before = len(self.sent)
        super()._round()
        for sent in self.sent[before:]:
            if sent.send.kind == UNICAST:
                family = 6 if ":" in sent.send.source else 4
                key = (sent.send.nic, family)
                quiet = self.now < self.calm_since and key not in self.ever_answered  # PRB-7
                self.records.setdefault(key, []).append(Record(sent, quiet))
        if self.forger and self.rng.random() < 0.3:
            self._forge()

    def _deliver(self) -> None:
        before = len(self.replies)
        super()._deliver()
        for reply in self.replies[before:]:
            if reply.kind == MULTICAST:
                self.responders.add(reply.source)
            if reply.kind != UNICAST:
                continue
            name = f"eth{reply.ifindex - 10}"
            for record in self.records.get((name, reply.family), ())[-52:]:
                if record.send.nonce == reply.nonce and not record.answered:
                    record.answered = True
                    self.ever_answered.add((name, reply.family))
                    self.answers_since_failure[name] = self.answers_since_failure.get(name, 0) + 1

    def _forge(self) -> None:
        for sent in self.sent[-3:]:
            send = sent.send
            family = 6 if ":" in send.source else 4
            source = send.target if send.kind == UNICAST else self.rng.choice(HOSTS)
            for kind in (UNICAST, MULTICAST, RTT_ONLY, self.rng.randrange(1 << 16)):
                nonce = self.rng.choice((0, send.nonce ^ 1, self.rng.getrandbits(64)))
                forged = Reply(send.ifindex, family, source, kind, send.sequence, nonce, self.now, self.now)
                self.detector.reply(forged, self.now)
        for reply in self.replies[-1:] + self.rng.sample(self.replies, min(2, len(self.replies))):
            if reply.kind == UNICAST:  # a replay; another NIC hears it, too
                self.detector.reply(reply._replace(received=self.now, processed=self.now), self.now)
                self.detector.reply(reply._replace(ifindex=11 + self.rng.randrange(4)), self.now)

    def anew(self, *names: str) -> None:
        """What these NICs (all) have sent before counts no more."""
        for key in list(self.records):
            if not names or key[0] in names:
                del self.records[key]
        for name in names or NAMES:
            self.answers_since_failure[name] = 0

    def excuse(self) -> None:
        """We were late: what has no answer yet is nobody's fault."""
        for record in itertools.chain(*self.records.values()):
            record.excused = True

    def detection_time_now(self) -> int:
        """ms, as it is after slowing down."""
        return (
            self.detection_time(self.groups[0].name)
            if any(w.instances for w in self.detector.snapshot().watches)
            else 1000
        )

    # what must hold

    def told(self) -> str:
        told = [f for f in self.found if not isinstance(f.finding, Note)][-16:]
        heard = [f"{ip} in {takes('eth1')} s" for ip, takes in self.answers.items()]
        lines = [*map(str, self.groups), f"answering: {', '.join(heard)}", *self.history]
        return "\n" + "\n".join([*lines, *(f"  {f.at:.3f} {f.finding}" for f in told)])

    def member(self, name: str) -> Tuple[WatchedGroup, Watched]:
        ((one, watched),) = [(g, n) for g in self.groups for n in g.nics if n.name == name]
        return one, watched

    def capable(self, name: str) -> List[int]:
        return [i.family for i in self.watch(name).instances if i.targets]

    def latest_answer(self, name: str) -> float:
        """When the newest probe that has been answered was sent."""
        sent = [r.at for (owner, _), records in self.records.items() if owner == name for r in records if r.answered]
        return max(sent, default=float("-inf"))

    def _believe(self, verdict: Verdict) -> None:
        believed = set(self.failed)
        super()._believe(verdict)
        if verdict.kind == "nic-failed":
            self._nic_is_silent(verdict.name, believed)
            self.answers_since_failure[verdict.name] = 0
        elif verdict.kind == "group-failed":
            (one,) = [g for g in self.groups if g.name == verdict.name]
            running = [n.name for n in one.nics if n.online and n.name not in believed]
            assert len([n for n in one.nics if n.online and n.tests]) > 1, f"{verdict} of one NIC{self.told()}"
            for name in running:
                age = self.now - self.latest_answer(name)
                assert age >= 4.5 * self.fastest - SMALL, f"{verdict}, but {name} is answered{self.told()}"
            for member in one.nics:
                self.answers_since_failure[member.name] = 0
        elif self.member(verdict.name)[1].tests:
            count = self.answers_since_failure.get(verdict.name, 0)
            assert count >= 10, f"{verdict} after {count} answers{self.told()}"

    def _nic_is_silent(self, name: str, believed: set[str]) -> None:
        """FAIL-2, GRP-4: no NIC fails while it is answered, and none alone when all are silent."""
        age = self.now - self.latest_answer(name)
        assert age >= 4.5 * self.fastest - SMALL, f"{name} failed, was answered {age:.4f} s ago{self.told()}"
        one, _ = self.member(name)
        others = [n.name for n in one.nics if n.name != name and self.capable(n.name)]
        unprobed = [n for n in one.nics if n.online and n.link and n.name not in believed and not self.capable(n.name)]
        if one.name and others and not unprobed:
            witnesses = [o for o in others if o not in believed and self.latest_answer(o) > self.latest_answer(name)]
            assert witnesses, f"{name} alone failed, and all were silent{self.told()}"

    def check(self) -> None:
        """After every step."""
        snapshot = self.detector.snapshot()
        wake = self.detector.wake()
        assert wake is None or wake > self.now - SMALL
        for watch in snapshot.watches:
            _, watched = self.member(watch.nic)
            assert (watch.probe == "failed") == (bool(watch.instances) and watch.nic in self.failed), self.told()
            for instance in watch.instances:
                assert len({*instance.targets}) == len(instance.targets) <= 5, self.told()
                assert not {*instance.targets} & {HOSTS[6], instance.test_address}, self.told()
                assert instance.sent >= instance.acked + instance.lost, self.told()
                assert instance.mode == "routes" or {*instance.targets} <= self.responders, self.told()
                if not instance.targets:
                    self.records.pop((watch.nic, instance.family), None)
            if watch.probe == "ok" and watched.link:
                self._is_not_silent_for_long(watch.nic)

    def _is_not_silent_for_long(self, name: str) -> None:
        """FAIL-4: eight probes without an answer are a failure, or ten where one has to wait for a sibling."""
        for family in self.capable(name):
            records = self.records.get((name, family), [])[-11:]
            if len(records) < 11 or any(r.answered or r.excused for r in records):
                return
        raise AssertionError(f"{name} is silent and nobody says so{self.told()}")


# ---- what happens


@st.composite
def networks(draw: DrawFn, times: Tuple[int, ...] = TIMES) -> Observed:
    names = range(1, draw(st.integers(1, 4)) + 1)
    members = []
    for number in names:
        kind = draw(st.sampled_from(("4", "4", "4", "46", "6", "")))
        members.append(nic(number, v4="4" in kind, v6="6" in kind))
    routers = draw(st.lists(st.sampled_from(HOSTS), max_size=6, unique=True))
    targets = draw(st.lists(st.sampled_from(HOSTS), max_size=1))
    name = draw(st.sampled_from(("g", "g", "g", "")))
    one = group(*members, name=name, fdt=draw(st.sampled_from(times)), routers=routers, targets=targets)
    network = Observed(one, seed=draw(st.integers(0, 1 << 16)), forger=draw(st.booleans()))
    network.calm_since = network.now + 41  # PRB-7
    network.host(*draw(st.lists(st.sampled_from(HOSTS), min_size=1, unique=True)), rtt=network.fastest / 50)
    return network


NIC = st.sampled_from(NAMES)
EVENT = st.one_of(
    st.tuples(st.sampled_from(("silence", "restore", "cable out of", "cable into", "offline", "online")), NIC),
    st.tuples(st.sampled_from(("silence", "restore", "restore")), st.just("all")),
    st.tuples(st.sampled_from(("death of", "life of")), st.sampled_from(HOSTS)),
    st.tuples(st.just("latency"), st.sampled_from((0.01, 0.2, 0.4, 1.5, 5.0))),
    st.tuples(st.just("loss"), st.sampled_from((0.0, 0.0, 0.1, 0.3))),
    st.tuples(st.just("routers"), st.lists(st.sampled_from(HOSTS), max_size=6, unique=True)),
    st.tuples(st.just("detection time"), st.sampled_from(TIMES)),
    st.tuples(st.sampled_from(("broken sending on", "good sending on", "distrust in", "trust in")), NIC),
    st.tuples(st.just("stall"), st.sampled_from((0.6, 2.0, 9.0, 60.0))),
    st.tuples(st.just("jump"), st.just(0)),
    st.tuples(st.just("stale orders"), st.just(0)),
)
SCHEDULE = st.lists(st.tuples(EVENT, st.sampled_from((0.0, 0.3, 2.0, 5.0, 9.0, 14.0, 30.0))), max_size=14)


def happen(network: Observed, event: str, what: Any) -> None:
    network.history.append(f"  at {network.now:.3f} {event} {what}")
    present = [n.name for g in network.groups for n in g.nics]
    names = present if what == "all" else [what]
    if event == "silence":
        network.silent |= {*names}
    elif event == "restore":
        network.silent -= {*names}
    elif event == "death of":
        network.answers.pop(what, None)
    elif event == "life of":
        network.host(what, rtt=network.fastest / 50)
    elif event == "latency":
        for ip in list(network.answers):
            network.host(ip, rtt=what * network.fastest)
    elif event == "loss":
        network.loss = what
    elif event == "routers":
        network.route(*what, name=network.groups[0].name)
        network.excuse()  # a family that still answered may have lost its targets this moment
    elif event == "detection time":
        network.fastest = min(network.fastest, what // 7 / 1000)
        network.assign(*(g._replace(failure_detection_time=what) for g in network.groups))
    elif event == "stall":
        network.stall(what * network.detection_time_now() / 7000)
        network.excuse()
    elif event == "jump":
        network.anew()
        network.detector.jumped(network.now)
    elif event == "stale orders":
        network.assign(taken=len(network.verdicts) + 1)
    elif what in present:
        happen_to(network, event, what)


def happen_to(network: Observed, event: str, name: str) -> None:
    _, watched = network.member(name)
    if event == "cable out of":
        network.anew(name)
        network.cable(name, False)
    elif event == "cable into":
        if not watched.tests:
            network.failed.discard(name)
        network.cable(name, True)
    elif event in ("offline", "online"):
        if watched.online != (event == "online"):
            network.anew(name)
            network.ever_answered -= {(name, 4), (name, 6)}
        network.calm_since = network.now + 41
        network.change(name, online=event == "online")
    elif event == "broken sending on":
        network.broken.add(name)
    elif event == "good sending on":
        network.broken.discard(name)
    elif event == "distrust in" and name not in network.failed and watched.link:
        network.failed.add(name)
        network.anew(name)
        network.assign()
    elif event == "trust in" and name in network.failed and watched.link:
        network.failed.discard(name)
        network.anew(name)
        network.assign()


def go_on(network: Observed, intervals: float) -> None:
    """Time passes, in intervals of what is slowest now, and is looked at in between."""
    left = intervals
    while left > 0:
        network.run(min(left, 3.0) * network.detection_time_now() / 7000)
        network.check()
        left -= 3.0


BOUNDED = settings(
    max_examples=SCHEDULES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


@BOUNDED
@given(networks(), SCHEDULE)
def test_every_verdict_is_true_and_none_is_missing(
    network: Observed, schedule: List[Tuple[Tuple[str, Any], float]]
) -> None:
    go_on(network, 10)
    for (event, what), wait in schedule:
        happen(network, event, what)
        network.run(0)
        network.check()
        go_on(network, wait)


@settings(BOUNDED, max_examples=1 + SCHEDULES // 5)  # each takes minutes of simulated time
@given(networks(SLOW), SCHEDULE, st.booleans())
def test_nothing_flaps_once_all_is_quiet(
    network: Observed, schedule: List[Tuple[Tuple[str, Any], float]], healed: bool
) -> None:
    """When nothing happens any more verdicts end; and if all is well everybody who has targets is well."""
    for (event, what), wait in schedule:
        happen(network, event, what)
        go_on(network, wait)
    network.loss = 0.0
    if healed:
        network.host(*HOSTS, rtt=network.fastest / 50)
        network.silent.clear()
        network.broken.clear()
        for name in [n.name for g in network.groups for n in g.nics]:
            happen_to(network, "cable into", name)
            happen_to(network, "online", name)
    network.history.append(f"  at {network.now:.3f} nothing more")
    go_on(network, 60)
    network.run(130)  # dead and slow routers are back
    go_on(network, 60)
    settled = len(network.verdicts)
    go_on(network, 100)
    assert len(network.verdicts) == settled, network.told()
    if healed:
        probes = {w.nic: w.probe for w in network.detector.snapshot().watches}
        assert "failed" not in probes.values(), f"{probes}{network.told()}"


@BOUNDED
@given(networks(SLOW), st.integers(0, 40), st.sampled_from((0.0, 0.02)))
def test_when_all_fall_silent_at_once_it_is_the_group(network: Observed, tenths: int, loss: float) -> None:
    """GRP-4: whatever the number of members, families and targets, never one NIC."""
    network.loss = loss
    go_on(network, 60)
    network.run(42)  # PRB-7
    (one,) = network.groups
    probing = [n.name for n in one.nics if network.watch(n.name).probe == "ok"]
    if len(probing) < 2 or not one.name or network.failed:
        return
    network.run(tenths / 10 * network.fastest)
    before = len(network.verdicts)
    network.silent |= {n.name for n in one.nics}
    go_on(network, 12)
    found = set(network.verdicts[before:])
    if len(probing) == len(one.nics):
        assert found == {("group-failed", "g")}, network.told()
    else:  # one that is not probed has nothing against it
        assert found == {("nic-failed", name) for name in probing}, network.told()


# ---- no false alarm


def test_eight_busy_nics_raise_no_false_alarm() -> None:
    """FDT 100 ms, five targets each, on a machine that has much else to do: late timers, slow and lost answers."""
    rng = random.Random(7)
    targets = [f"192.0.2.{n}" for n in range(101, 106)]
    nics = [nic(n) for n in range(1, 9)]
    detector = Detector(random.Random(8), itertools.count(1).__next__)
    detector.assign(Orders((group(*nics, fdt=100, routers=targets),)), 0.0)
    flying: List[Tuple[float, int, Reply]] = []
    now, sent, verdicts = 0.0, 0, []
    while now < SECONDS:
        wake = detector.wake()
        assert wake is not None
        now = max(now, wake) + _lateness(rng)
        while flying and flying[0][0] <= now:
            detector.reply(heapq.heappop(flying)[2], now)
        for send in detector.run(now):
            now += 20e-6  # a system call
            detector.sent(send, now, False)
            sent += 1
            if rng.random() >= 0.005:
                at = now + _latency(rng)
                reply = Reply(send.ifindex, 4, send.target, send.kind, send.sequence, send.nonce, at, at)
                heapq.heappush(flying, (at, sent, reply))
        verdicts += [f for f in detector.take() if isinstance(f, Verdict)]
    assert verdicts == []
    assert sent > 450 * SECONDS  # it was at work
    snapshot = detector.snapshot()
    assert all(i.acked > 0.9 * i.sent for w in snapshot.watches for i in w.instances)


def _lateness(rng: random.Random) -> float:
    """s: mostly on the grid, sometimes a slice of somebody else's time, rarely a long stop."""
    luck = rng.random()
    return rng.uniform(0, 0.0018) if luck < 0.97 else rng.uniform(0, 0.012) if luck < 0.9995 else rng.uniform(0, 0.3)


def _latency(rng: random.Random) -> float:
    """s: mostly quick, sometimes behind a full queue, rarely after a nap."""
    luck = rng.random()
    return rng.uniform(1e-4, 6e-4) if luck < 0.99 else rng.uniform(0, 0.006) if luck < 0.9995 else rng.uniform(0, 0.05)
