# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Target lists: routers before hosts, five at a time, in turn; the slow and the dead, and what comes after them."""

from __future__ import annotations

from typing import List, Sequence

from hypothesis import given
from hypothesis import strategies as st

from ipmp.targets import ACTIVE, DEAD, GONE, SLOW, UNUSED, Target, Targets

R = [f"192.0.2.{n}" for n in range(1, 9)]
H = [f"192.0.2.{n}" for n in range(101, 108)]


def routers(*ips: str, configured: Sequence[str] = ()) -> Targets:
    targets = Targets()
    targets.set_routers(configured, ips, 0.0)
    return targets


def hosts(*ips: str) -> Targets:
    targets = Targets()
    for ip in ips:
        targets.add_host(ip, 0.0)
    return targets


def turns(targets: Targets, count: int, now: float = 0.0) -> List[str]:
    found = [targets.next(now) for _ in range(count)]
    return [t.address for t in found if t is not None]


def the(targets: Targets, ip: str) -> Target:
    (found,) = [t for t in targets if t.address == ip]
    return found


def test_first_router_ends_all_hosts_and_hosts_are_ignored_then() -> None:
    """TGT-1."""
    targets = hosts(*H[:2])
    old = the(targets, H[0])
    assert targets.set_routers((), R[:1], 0.0)
    assert targets.addresses == (R[0],) and targets.routers
    assert old.state == GONE
    assert not targets.add_host(H[0], 0.0)
    assert targets.addresses == (R[0],)


def test_without_routers_hosts_may_come_again() -> None:
    targets = routers(R[0])
    assert targets.set_routers((), (), 0.0)
    assert not targets.routers and not targets and targets.next(0.0) is None
    assert targets.add_host(H[0], 0.0)
    assert targets.addresses == (H[0],)
    assert not targets.set_routers((), (), 0.0)  # no routers: nothing to do to hosts
    assert targets.addresses == (H[0],)


def test_five_at_a_time() -> None:
    """TGT-5: further routers are spares, further hosts are not taken."""
    targets = routers(*R[:7])
    assert len(targets) == 7 and len(targets.addresses) == 5
    assert [t.state for t in targets].count(UNUSED) == 2
    targets = hosts(*H[:7])
    assert len(targets) == len(targets.addresses) == 5
    assert not targets.add_host(H[0], 0.0)  # known


def test_new_ones_come_to_the_head() -> None:
    """TGT-5."""
    targets = routers(*R[:2])
    targets.set_routers((), R[:3], 0.0)
    assert [t.address for t in targets] == [R[2], R[0], R[1]]
    targets = hosts(*H[:3])
    assert [t.address for t in targets] == [H[2], H[1], H[0]]


def test_everybody_has_a_turn() -> None:
    """TGT-6."""
    targets = routers(*R[:3])
    assert turns(targets, 6) == [*R[:3], *R[:3]]
    assert targets.addresses == tuple(R[:3])
    turns(targets, 1)
    assert targets.addresses == (R[1], R[2], R[0])  # firing order, the next one first


def test_turns_go_on_when_the_list_changes() -> None:
    targets = routers(*R[:3])
    turns(targets, 1)
    targets.set_routers((), R[:4], 0.0)
    assert turns(targets, 4) == [R[1], R[2], R[3], R[0]]
    targets.set_routers((), [R[1], R[2]], 0.0)
    assert turns(targets, 2) == [R[1], R[2]]


def test_known_targets_keep_what_is_known_of_them() -> None:
    targets = routers(*R[:2])
    known = the(targets, R[0])
    known.rtt.take(1.0, 100)
    assert targets.set_routers((), [R[0], R[2]], 0.0)
    assert the(targets, R[0]) is known and known.rtt.critical == 3
    assert not targets.set_routers((), [R[2], R[0]], 0.0)  # another order is no change


def test_configured_ones_come_first() -> None:
    targets = routers(*R[:5], configured=[R[6], R[0]])
    assert [t.address for t in targets][:2] == [R[6], R[0]]
    assert set(targets.addresses) >= {R[6], R[0]} and len(targets.addresses) == 5
    late = routers(*R[:5])
    late.set_routers([R[7]], R[:5], 0.0)
    assert late.addresses.count(R[7]) == 1 and len(late.addresses) == 5


def test_active_ones_stay_active_when_more_come() -> None:
    targets = routers(*R[:5])
    targets.set_routers((), R[:7], 0.0)
    assert set(targets.addresses) == {*R[:5]}


def test_failed_group_keeps_its_routers() -> None:
    """TGT-9."""
    targets = routers(*R[:2])
    assert not targets.set_routers((), (), 0.0, keep=True)
    assert targets.set_routers((), [R[2]], 0.0, keep=True)
    assert {*targets.addresses} == {*R[:3]}
    assert targets.set_routers((), [R[2]], 0.0)
    assert targets.addresses == (R[2],)


def test_failed_group_without_routers_takes_new_ones() -> None:
    """TGT-9 keeps routers, not hosts."""
    targets = hosts(H[0])
    assert targets.set_routers((), [R[0]], 0.0, keep=True)
    assert targets.addresses == (R[0],)


def test_dead_router_rests_for_a_minute_and_a_spare_takes_over() -> None:
    """TGT-6, TGT-7."""
    targets = routers(*R[:6])
    targets.give_up(the(targets, R[0]), DEAD, 100.0)
    assert {*turns(targets, 10, 101.0)} == {*R[1:6]}
    assert {*turns(targets, 10, 161.0)} == {*R[1:6]}  # five are enough
    assert the(targets, R[0]).state == UNUSED


def test_dead_and_slow_routers_come_back() -> None:
    """TGT-7."""
    for state in (DEAD, SLOW):
        targets = routers(*R[:3])
        targets.give_up(the(targets, R[1]), state, 100.0)
        assert {*turns(targets, 6, 159.9)} == {R[0], R[2]}
        assert {*turns(targets, 6, 160.0)} == {*R[:3]}


def test_host_that_is_given_up_is_deleted() -> None:
    """TGT-12."""
    targets = hosts(*H[:3])
    gone = the(targets, H[1])
    targets.give_up(gone, DEAD, 0.0)
    assert {*targets.addresses} == {H[0], H[2]} and gone.state == GONE
    assert targets.add_host(H[1], 0.0)  # it may come back by answering


def test_best_three_come_back_when_the_last_active_one_goes() -> None:
    """TGT-8: spares, then slow, then dead, those that have rested longest first."""
    targets = routers(*R[:5])
    for place, state in ((1, DEAD), (2, SLOW), (3, DEAD), (4, SLOW)):
        targets.give_up(the(targets, R[place]), state, 10.0 + place)
    assert targets.addresses == (R[0],)
    targets.set_routers((), R[1:5], 20.0)
    assert {*targets.addresses} == {R[2], R[4], R[1]}


def test_unwanted_addresses_go() -> None:
    targets = routers(*R[:3])
    assert not targets.remove({H[0]}.__contains__, 0.0)
    assert targets.remove({R[0], R[1]}.__contains__, 0.0)
    assert targets.addresses == (R[2],)
    assert targets.remove({R[2]}.__contains__, 0.0)
    assert not targets and not targets.routers and targets.add_host(H[0], 0.0)


STEP = st.one_of(
    st.tuples(st.just("routers"), st.lists(st.sampled_from(R)), st.lists(st.sampled_from(R)), st.booleans()),
    st.tuples(st.just("host"), st.sampled_from(H)),
    st.tuples(st.just("give up"), st.integers(0, 10), st.sampled_from((SLOW, DEAD))),
    st.tuples(st.just("remove"), st.sampled_from([*R, *H])),
    st.tuples(st.just("next")),
    st.tuples(st.just("wait"), st.sampled_from((1.0, 61.0))),
)


@given(st.lists(STEP, max_size=40))
def test_list_is_sound_whatever_happens(steps: List[tuple]) -> None:  # type: ignore[type-arg]
    targets, now = Targets(), 0.0
    for kind, *what in steps:
        before = {t.address for t in targets} if targets.routers else set()
        if kind == "routers":
            targets.set_routers(what[0], what[1], now, keep=what[2])
            wanted = {*what[0], *what[1]}
            if wanted or before:
                assert {t.address for t in targets} == wanted | (before if what[2] else set())
        elif kind == "host":
            targets.add_host(what[0], now)
        elif kind == "give up" and targets:
            targets.give_up(list(targets)[what[0] % len(targets)], what[1], now)
        elif kind == "remove":
            targets.remove(what[0].__eq__, now)
        elif kind == "wait":
            now += what[0]
        elif kind == "next":
            following = targets.next(now)
            assert (following is None) == (not targets)
            assert following is None or following.state == ACTIVE
        listed = [t.address for t in targets]
        assert len(listed) == len({*listed})
        assert (0 < len(targets.addresses) <= 5) == bool(listed)
        assert all(ip in (R if targets.routers else H) for ip in listed)
        assert not any(t.state == GONE for t in targets)
        assert targets.routers or len(listed) <= 5
        assert not targets.routers or listed
