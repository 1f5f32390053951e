# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Anything may happen to a host in any order: what holds after every single event.

``SIM_SCHEDULES`` in the environment says how many schedules are tried (default 300). A failure is shrunk, and tells
the schedule, what the daemon believed and what the kernel had.
"""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List, Tuple

import pytest
from generated import NICS, configs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulated_host import Host

from ipmp import plan
from ipmp.model import Config, family_of
from ipmp.placement import moves
from ipmp.spares import usual

SCHEDULES = int(os.environ.get("SIM_SCHEDULES", "300"))
pytestmark = pytest.mark.sim

EVENTS: Dict[str, Callable[[Host, str], object]] = {
    "cable out of": lambda host, nic: host.cable(nic, False),
    "cable into": lambda host, nic: host.cable(nic, True),
    "proof for": lambda host, nic: host.prove(nic),
    "offline": lambda host, nic: host.offline(nic),
    "online": lambda host, nic: host.online(nic),
    "detach": lambda host, nic: host.detach(nic),
    "attach": lambda host, nic: host.attach(nic),
    "surprise removal of": lambda host, nic: host.remove(nic),
    "insertion of": lambda host, nic: host.insert(nic),
    "silence of": lambda host, nic: host.silence(nic),
    "voice of": lambda host, nic: host.voice(nic),
}
NEED_CONFIG = frozenset(("offline", "online", "detach", "attach"))


class Watch:
    """Looks at a host after every event and compares with what it saw before."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.history: List[str] = []
        self.generation = -1
        self.signatures: Dict[str, int] = {}
        self.shown: Tuple[Any, ...] = ()
        self.while_time_passed = False

    def believed(self) -> str:
        """The schedule, the runtime and the kernel, for a failing test."""
        host = self.host
        owned = {a.ip: f"{i.name}" for g in host.runtime.config.groups for i, a in g.data_addresses}
        nics = [
            f"  {n.name}: {n.state}{' standby' if n.standby else ''} of {n.group}: {n.reason}"
            for n in host.runtime.nics.values()
        ]
        hosting = [f"  {ip} of {owned.get(ip)}: {nic}" for ip, nic in sorted(host.runtime.hosting.items())]
        kernel = [f"  {h.ip}/{h.prefixlen} on {h.nic}" for h in sorted(host.kernel.addresses)]
        return "\n".join(
            ["", "what happened:", *self.history, "believed:", *nics, *hosting, "kernel:", *kernel, "log:", *host.log]
        )

    def check(self) -> None:
        """Everything that always holds."""
        self._nobody_idle_while_an_address_is_homeless()
        self._each_address_once_and_where_it_is_believed()
        self._kernel_is_as_wanted()
        self._numbers_only_increase()
        self._status_tells_what_is()
        self._nothing_is_left_to_do()

    def _nobody_idle_while_an_address_is_homeless(self) -> None:
        runtime = self.host.runtime
        for group in runtime.config.groups:
            fit = [i.name for i in group.interfaces if runtime.nics[i.name].usable]
            homeless = [ip for ip, nic in runtime.hosted(group).items() if nic not in fit]
            assert not (fit and homeless), f"{homeless} homeless while {fit} work{self.believed()}"

    def _each_address_once_and_where_it_is_believed(self) -> None:
        host = self.host
        for group in host.runtime.config.groups:
            for _owner, address in group.data_addresses:
                nic = host.runtime.hosting.get(address.ip)
                want = [nic] if nic is not None and address.up else []
                has = host.kernel.holders(address.ip)
                assert has == want, f"{address.ip} is on {has} and not on {want}{self.believed()}"

    def _kernel_is_as_wanted(self) -> None:
        host = self.host
        want = plan.wanted(host.runtime.views(host.runtime.hosting), host.runtime.ungrouped())
        has = {(h.nic, h.ip) for h in host.kernel.addresses}
        assert has == {(a.nic, a.ip) for a in want.addresses}, self.believed()
        assert {h.prefixlen for h in host.kernel.addresses if family_of(h.ip) == 4} == {
            a.prefixlen for a in want.addresses if family_of(a.ip) == 4
        }, self.believed()
        assert len(host.kernel.nexthops) == len(want.nexthops), self.believed()
        assert {usual(i): hop for i, hop in host.kernel.nexthops.items()} == want.nexthops, self.believed()
        groups = {i: tuple(sorted(map(usual, members))) for i, members in host.kernel.nexthop_groups.items()}
        assert groups == want.nexthop_groups, self.believed()
        homeless = {k for k in want.routes if k.anchor and not host.kernel.holders(k.dst.split("/")[0])}
        kept = {k: r for k, r in want.routes.items() if k not in homeless or k in host.kernel.routes}
        assert host.kernel.routes == kept, self.believed()
        dead = [hop for hop in host.kernel.nexthops.values() if not host.kernel.ports[hop.nic].running]
        assert not dead, f"{dead}{self.believed()}"

    def _numbers_only_increase(self) -> None:
        """EVT-4: each change is one event with larger numbers, no change is none."""
        host = self.host
        assert host.runtime.generation >= self.generation, self.believed()
        told: Dict[str, int] = {}
        for event in host.listener.heard:
            if event["type"] == "if_change" and event["group"]:
                told[event["group"]] = told.get(event["group"], 0) + 1
            assert self.generation < 0 or event["generation"] > self.generation, f"{event}{self.believed()}"
        for group, signature in host.runtime.signatures.items():
            before = self.signatures.get(group, signature - told.get(group, 0))
            assert signature >= before + told.get(group, 0), f"{group}: {before} -> {signature}{self.believed()}"
        seen = _seen(host)
        grown = host.runtime.generation > self.generation
        news = f"generation {self.generation} -> {host.runtime.generation}{self.believed()}"
        assert self.generation < 0 or grown >= (seen != self.shown), news
        assert not grown or seen != self.shown or self.while_time_passed, news  # then something came and went
        host.listener.heard.clear()
        self.generation, self.signatures, self.shown = host.runtime.generation, dict(host.runtime.signatures), seen

    def _status_tells_what_is(self) -> None:
        shown, kernel = self.host.status(), self.host.kernel
        for row in shown["addresses"]:
            has = kernel.holders(row["address"])
            assert has == ([row["interface"]] if row["state"] == "up" else []), f"{row}{self.believed()}"
            dead = [nic for nic in row["outbound"] if nic not in kernel.ports]
            assert not dead, f"{row}{self.believed()}"
        for group in shown["groups"]:
            parts = [*group["active"], *group["inactive"], *group["unusable"]]
            assert sorted(parts) == sorted({*parts}), f"{group}{self.believed()}"
            state = "failed" if not group["active"] + group["inactive"] else "degraded" if group["unusable"] else "ok"
            assert group["state"] == state, f"{group}{self.believed()}"

    def _nothing_is_left_to_do(self) -> None:
        before = dict(self.host.runtime.hosting)
        steps = [plan.describe(s) for s in self.host.settle() if not isinstance(s, plan.AwaitAddresses)]
        again = moves(before, self.host.runtime.hosting)
        assert not steps and not again, f"{steps} {again} without any event{self.believed()}"
        assert not self.host.listener.heard, f"{self.host.listener.heard}{self.believed()}"


def _seen(host: Host) -> Tuple[Any, ...]:
    """What the generation counts: states of interfaces and groups, as status shows them."""
    shown = host.status()
    words = ("name", "state", "group", "flags", "probe")
    nics = [(*(str(row[w]) for w in words), host.runtime.nics[row["name"]].health.link) for row in shown["interfaces"]]
    groups = [(g["name"], g["state"], [i.name for i in host.runtime.config.groups[n].interfaces])
              for n, g in enumerate(shown["groups"])]  # fmt: skip
    return (nics, groups)


BOUNDED = settings(
    max_examples=SCHEDULES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
EVENT = st.one_of(
    st.tuples(st.sampled_from(sorted(EVENTS)), st.sampled_from(NICS)),
    st.tuples(st.sampled_from(("cable out of", "cable into", "proof for")), st.sampled_from(NICS)),
    st.tuples(st.just("the routers' silence"), st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from((1, 20, 61, 300))),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("deletion of"), st.integers(0, 20)),
    st.tuples(st.just("configure"), configs()),
)


@BOUNDED
@given(configs(), st.lists(EVENT, min_size=8, max_size=20))
def test_after_every_event_everything_is_in_its_place(config: Config, events: List[Tuple[str, Any]]) -> None:
    host = Host(config, NICS)
    watch = Watch(host)
    watch.check()
    for kind, what in events:
        watch.history.append(f"  at {host.now:g} {kind} {_told(what)}")
        _do(watch, kind, what)
        watch.check()


def _told(what: Any) -> str:
    if isinstance(what, Config):
        return "; ".join(f"{g.name} of {', '.join(i.name for i in g.interfaces)}" for g in what.groups)
    return str(what)


def _do(watch: Watch, kind: str, what: Any) -> None:
    host = watch.host
    watch.while_time_passed = kind == "wait"
    if kind == "configure":
        host.configure(what)
    elif kind == "wait":
        host.wait(what)
    elif kind == "the routers' silence":
        host.desert(what)
    elif kind == "restart":
        moved = host.restart()
        if not all(a.up for g in host.runtime.config.groups for _owner, a in g.data_addresses):
            moved = ()  # no kernel tells where a down address was, and that may decide about others
        assert not moved, f"{moved} because the daemon was started{watch.believed()}"
    elif kind == "deletion of":
        ips = sorted({h.ip for h in host.kernel.addresses})
        if ips:
            host.meddle(ips[what % len(ips)])
    elif kind == "detach" and what in host.runtime.nics:
        before = dict(host.runtime.hosting)
        verdict = host.detach(what)
        if verdict is not None:
            done = moves(before, host.runtime.hosting)
            expected = verdict.moves if verdict.allowed(force=False) else ()
            assert done == expected, f"promised {expected}, moved {done}{watch.believed()}"
    elif kind not in NEED_CONFIG or what in host.runtime.nics:
        EVENTS[kind](host, what)


@BOUNDED
@given(configs(), st.lists(EVENT, max_size=15))
def test_when_all_is_well_again_every_address_is_home(config: Config, events: List[Tuple[str, Any]]) -> None:
    """Given anything has happened, when all is repaired, then with FAILBACK=yes it is as at boot."""
    host = Host(config, NICS)
    watch = Watch(host)
    for kind, what in events:
        watch.history.append(f"  at {host.now:g} {kind} {_told(what)}")
        _do(watch, kind, what)
    for nic in NICS:
        host.insert(nic)
        if nic in host.runtime.nics:
            host.online(nic)
            host.attach(nic)
        host.cable(nic, True)
        host.voice(nic)
    host.desert(False)
    host.wait(300)
    # What probes have failed stays so while there is nobody to ask (TST-9).
    unasked = {n.name for n in host.runtime.grouped() if not n.probed and (n.health.probes_lost or n.health.group_lost)}
    fit = {n.name for n in host.runtime.grouped() if n.state in ("ok", "unknown")}
    assert fit == {n.name for n in host.runtime.grouped()} - unasked, watch.believed()
    for group in host.runtime.config.groups:
        if host.runtime.config.failback(group):
            for owner, address in group.data_addresses:
                if not owner.standby and owner.name in fit:
                    assert host.runtime.hosting[address.ip] == owner.name, watch.believed()
    watch.check()


TROUBLE = st.lists(
    st.tuples(st.sampled_from(("cable out of", "silence of", "surprise removal of")), st.sampled_from(NICS)),
    max_size=5,
    unique=True,
)


@BOUNDED
@given(configs(), TROUBLE, st.randoms(use_true_random=False), st.lists(st.sampled_from((0, 1, 20)), min_size=5))
def test_the_order_of_trouble_does_not_matter_in_the_end(
    config: Config, trouble: List[Tuple[str, str]], rng: Any, pauses: List[int]
) -> None:
    """What works, what is at home and what the groups are is the same, whatever came first."""
    ends = []
    for order in (trouble, rng.sample(trouble, len(trouble))):
        host = Host(config, NICS)
        watch = Watch(host)
        for (kind, nic), pause in zip(order, pauses):
            watch.history.append(f"  at {host.now:g} {kind} {nic}")
            EVENTS[kind](host, nic)
            host.wait(pause)
        host.wait(300)
        watch.check()
        runtime = host.runtime
        home = {
            address.ip: runtime.hosting[address.ip] == owner.name
            for group in config.groups
            for owner, address in group.data_addresses
            if runtime.nics[owner.name].usable and not owner.standby and config.failback(group)
        }
        states = {nic.name: nic.state for nic in runtime.nics.values()}
        ends.append((states, {g.name: runtime.group_state(g) for g in config.groups}, home, watch.believed()))
    assert ends[0][:3] == ends[1][:3], ends[0][3] + ends[1][3]
