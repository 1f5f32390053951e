# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where addresses go: tables of cases after the behaviour reference, and what holds for any group."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Dict, Mapping, Optional, Tuple

import pytest
from generated import group_of, groups, hostings, interface, members
from hypothesis import given, settings
from hypothesis import strategies as st

from ipmp.model import Group
from ipmp.placement import Member, Move, active, inactive, moves, place

OK = Member()
FAILED = Member(usable=False)
GONE = Member(usable=False, plumbed=False)  # absent, detached or offline
STANDBY = Member(standby=True)
HELD_BACK = Member(held_back=True)
Where = Dict[str, Optional[str]]


def short(hosting: Mapping[str, Optional[str]]) -> str:
    """``A1=a B1=b``."""
    return " ".join(f"{ip}={nic or '-'}" for ip, nic in sorted(hosting.items()))


@dataclass(frozen=True)
class Case:
    """owns: the files, ``a: A1 A2, b: B1``. Hostings as ``short`` writes them."""

    name: str
    owns: str
    states: Dict[str, Member]
    before: str
    after: str
    failback: bool = True
    wishes: Dict[str, str] = field(default_factory=dict)


CASES = (
    Case("a start: each address at home", "a: A1, b: B1", {"a": OK, "b": OK}, "A1=- B1=-", "A1=a B1=b"),
    Case("nothing wrong, nothing moves", "a: A1, b: B1", {"a": OK, "b": OK}, "A1=a B1=b", "A1=a B1=b"),
    # destination
    Case(
        "FO-6 all of a NIC to one",
        "a: A1 A2 A3, b:, c:",
        {"a": FAILED, "b": OK, "c": OK},
        "A1=a A2=a A3=a",
        "A1=b A2=b A3=b",
    ),
    Case("FO-2 idle standby first", "a: A1, b: B1, c:", {"a": FAILED, "b": OK, "c": STANDBY}, "A1=a B1=b", "A1=c B1=b"),
    Case("FO-2 though another has nothing", "a: A1, b:, c:", {"a": FAILED, "b": OK, "c": STANDBY}, "A1=a", "A1=c"),
    Case(
        "FO-2 an active standby competes",
        "a: A1 A2, b: B1, c:, d: D1",
        {"a": FAILED, "b": FAILED, "c": STANDBY, "d": OK},
        "A1=c A2=c B1=b D1=d",
        "A1=c A2=c B1=d D1=d",
    ),
    Case(
        "FO-2 held back counts as idle",
        "a: A1, b: B1, c: C1",
        {"a": FAILED, "b": OK, "c": HELD_BACK},
        "A1=a B1=b C1=b",
        "A1=c B1=b C1=b",
        failback=False,
    ),
    Case(
        "FO-3 fewest addresses",
        "a: A1, b: B1 B2, c: C1",
        {"a": FAILED, "b": OK, "c": OK},
        "A1=a B1=b B2=b C1=c",
        "A1=c B1=b B2=b C1=c",
    ),
    Case(
        "FO-3 ties by name", "a: A1, c: C1, b: B1", {"a": FAILED, "b": OK, "c": OK}, "A1=a B1=b C1=c", "A1=b B1=b C1=c"
    ),
    Case(
        "FO-3 two fail at once",
        "a: A1 A2, b: B1, c:, d:",
        {"a": FAILED, "b": FAILED, "c": OK, "d": OK},
        "A1=a A2=a B1=b",
        "A1=c A2=c B1=d",
    ),
    Case(
        "FO-6 with guests",
        "a: A1, b: B1, c: C1, d:",
        {"a": FAILED, "b": FAILED, "c": OK, "d": OK},
        "A1=b B1=b C1=c",
        "A1=d B1=d C1=c",
    ),
    Case(
        "FO-1 a failed standby is none",
        "a: A1, b: B1, c:",
        {"a": FAILED, "b": OK, "c": Member(False, True, True)},
        "A1=a B1=b",
        "A1=b B1=b",
    ),
    Case("FO-5 nobody: nothing moves", "a: A1, b: B1", {"a": FAILED, "b": FAILED}, "A1=a B1=b", "A1=a B1=b"),
    Case("GRP-7 the first repaired takes all", "a: A1, b: B1", {"a": FAILED, "b": OK}, "A1=a B1=b", "A1=b B1=b"),
    # failback
    Case("FB-1 home after repair", "a: A1, b: B1", {"a": OK, "b": OK}, "A1=b B1=b", "A1=a B1=b"),
    Case("FB-1 from everywhere", "a: A1 A2, b:, c:", {"a": OK, "b": OK, "c": OK}, "A1=b A2=c", "A1=a A2=a"),
    Case("STB-4 home from the standby", "a: A1, s:", {"a": OK, "s": STANDBY}, "A1=s", "A1=a"),
    Case("FB-3 FAILBACK=no", "a: A1, b: B1", {"a": HELD_BACK, "b": OK}, "A1=b B1=b", "A1=b B1=b", failback=False),
    Case("FB-3 not even from a standby", "a: A1, s:", {"a": HELD_BACK, "s": STANDBY}, "A1=s", "A1=s", failback=False),
    Case(
        "FAILBACK=no, then the other fails",
        "a: A1, b: B1",
        {"a": HELD_BACK, "b": FAILED},
        "A1=b B1=b",
        "A1=a B1=a",
        failback=False,
    ),
    Case("FAILBACK=no, new address", "a: A1, b: B1", {"a": OK, "b": OK}, "A1=- B1=b", "A1=a B1=b", failback=False),
    Case("FAILBACK=no, its NIC left the group", "a: A1, b:", {"a": OK, "b": OK}, "A1=z", "A1=a", failback=False),
    # standby that owns data
    Case("STB-1 moves to another", "s: S1, b: B1", {"s": STANDBY, "b": OK}, "S1=s B1=b", "S1=b B1=b"),
    Case("KRN-7 created elsewhere", "s: S1, b: B1", {"s": STANDBY, "b": OK}, "S1=- B1=b", "S1=b B1=b"),
    Case(
        "FO-4 not to another standby",
        "s: S1, t:, b: B1",
        {"s": STANDBY, "t": STANDBY, "b": OK},
        "S1=s B1=b",
        "S1=b B1=b",
    ),
    Case("alone", "s: S1, b: B1", {"s": STANDBY, "b": FAILED}, "S1=b B1=b", "S1=s B1=s"),
    Case("alone with standbys", "s: S1, t: T1", {"s": STANDBY, "t": STANDBY}, "S1=s T1=t", "S1=s T1=t"),
    Case(
        "KRN-10 guests make it active",
        "s: S1, b: B1, c: C1",
        {"s": STANDBY, "b": FAILED, "c": OK},
        "S1=s B1=s C1=c",
        "S1=s B1=s C1=c",
    ),
    Case(
        "KRN-10 guests that come with this very move",
        "a: A1, b: B1, c: C1",
        {"a": STANDBY, "b": FAILED, "c": OK},
        "A1=a B1=b C1=c",
        "A1=a B1=a C1=c",
    ),
    Case(
        "INV-1 its guests gone",
        "s: S1, b: B1, c: C1",
        {"s": STANDBY, "b": OK, "c": OK},
        "S1=s B1=s C1=c",
        "S1=b B1=b C1=c",
    ),
    Case(
        "INV-1 no way home to stay inactive",
        "s: S1, b:, c: C1",
        {"s": STANDBY, "b": FAILED, "c": OK},
        "S1=b C1=c",
        "S1=c C1=c",
    ),
    # absent, offline, detached
    Case("MISS-2 standby preferred", "a: A1, b: B1, s:", {"a": GONE, "b": OK, "s": STANDBY}, "A1=- B1=b", "A1=s B1=b"),
    Case(
        "MISS-2 whatever its link says",
        "a: A1, s:, b:",
        {"a": GONE, "s": Member(False, True, True), "b": FAILED},
        "A1=-",
        "A1=s",
    ),
    Case("MISS-1 nobody there", "a: A1, b: B1", {"a": GONE, "b": GONE}, "A1=- B1=-", "A1=- B1=-"),
    Case("MISS-7 moves on like any other", "a: A1, b:, c:", {"a": GONE, "b": FAILED, "c": OK}, "A1=b", "A1=c"),
    Case("ATT-14 comes home when it appears", "a: A1, b:", {"a": OK, "b": OK}, "A1=b", "A1=a"),
    Case("OFF-8 never to an offline NIC", "a: A1, b:", {"a": FAILED, "b": GONE}, "A1=a", "A1=a"),
    # wishes
    Case(
        "OFF-7 home in spite of FAILBACK=no",
        "a: A1, b: B1",
        {"a": OK, "b": OK},
        "A1=b B1=b",
        "A1=a B1=b",
        failback=False,
        wishes={"A1": "a"},
    ),
    Case(
        "a rollback to where it was", "a: A1, b: B1", {"a": OK, "b": OK}, "A1=a B1=b", "A1=b B1=b", wishes={"A1": "b"}
    ),
    Case(
        "a wish waits for its NIC", "a: A1, b: B1", {"a": FAILED, "b": OK}, "A1=b B1=b", "A1=b B1=b", wishes={"A1": "a"}
    ),
)

IPS = {f"{nic}{n}": f"192.0.2.{10 * place + n}" for place, nic in enumerate("ABCDST", 1) for n in (1, 2, 3)}
LABELS = {ip: label for label, ip in IPS.items()}


def group_from(owns: str) -> Group:
    """``a: A1 A2, b: B1``."""
    rows = (part.strip().partition(":") for part in owns.split(","))
    return group_of(*(interface(name, *(f"{IPS[a]}/24" for a in labels.split())) for name, _, labels in rows))


def hosting_from(text: str) -> Where:
    """``A1=a B1=-``."""
    pairs = (part.split("=") for part in text.split())
    return {IPS[label]: None if nic == "-" else nic for label, nic in pairs}


def labelled(hosting: Mapping[str, Optional[str]]) -> str:
    return short({LABELS[ip]: nic for ip, nic in hosting.items()})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    group, before = group_from(case.owns), hosting_from(case.before)
    wishes = {IPS[label]: nic for label, nic in case.wishes.items()}
    after = place(group, case.states, before, case.failback, wishes)
    assert labelled(after) == labelled(hosting_from(case.after)), f"{case.owns}; {case.states}; was {case.before}"


@pytest.mark.parametrize(
    ("states", "hosting", "carry", "idle"),
    [
        ({"a": OK, "b": OK}, "A1=a", ("a", "b"), set()),
        ({"a": OK, "b": STANDBY}, "A1=a", ("a",), {"b"}),  # KRN-10
        ({"a": FAILED, "b": STANDBY}, "A1=b", ("b",), set()),
        ({"a": HELD_BACK, "b": OK}, "A1=b", ("b",), {"a"}),  # KRN-11
        ({"a": FAILED, "b": GONE}, "A1=a", (), set()),
        ({"a": FAILED, "b": Member(False, True, True)}, "A1=a", (), set()),  # M-7: failed, so not inactive
    ],
)
def test_active_and_inactive(states: Dict[str, Member], hosting: str, carry: Tuple[str, ...], idle: set[str]) -> None:
    assert active(states, hosting_from(hosting)) == carry
    assert inactive(states, hosting_from(hosting)) == idle


def test_moves_tell_each_change_once_in_address_order() -> None:
    before, after = {"A1": "a", "B1": "b", "C1": None, "D1": "d"}, {"A1": "b", "B1": "b", "C1": "c"}
    assert moves(before, after) == (Move("A1", "a", "b"), Move("C1", None, "c"), Move("D1", "d", None))


@dataclass(frozen=True)
class World:
    """Everything that ``place`` is asked about."""

    group: Group
    states: Mapping[str, Member]
    hosting: Mapping[str, Optional[str]]
    failback: bool
    wishes: Mapping[str, str]

    def place(self, hosting: Optional[Mapping[str, Optional[str]]] = None) -> Where:
        return place(self.group, self.states, self.hosting if hosting is None else hosting, self.failback, self.wishes)

    def __str__(self) -> str:
        owns = "; ".join(f"{i.name} owns {' '.join(a.ip for a in i.data_addresses)}" for i in self.group.interfaces)
        return f"{owns}; {dict(self.states)}; {dict(self.hosting)}; failback {self.failback}; wishes {self.wishes}"


@st.composite
def worlds(draw: st.DrawFn) -> World:
    group = draw(groups())
    hosting = draw(hostings(group))
    names = [i.name for i in group.interfaces]
    wishes = {ip: draw(st.sampled_from(names)) for ip in hosting if draw(st.integers(0, 7)) == 0}
    return World(group, draw(members(group)), hosting, draw(st.booleans()), wishes)


MANY = settings(max_examples=300)


@MANY
@given(worlds())
def test_each_address_is_on_one_usable_nic_while_there_is_one(world: World) -> None:
    after = world.place()
    assert set(after) == {a.ip for _owner, a in world.group.data_addresses}
    if any(m.usable for m in world.states.values()):
        lost = {ip: nic for ip, nic in after.items() if nic not in world.states or not world.states[nic].usable}
        assert not lost, f"{lost} in {world}"


@MANY
@given(worlds())
def test_with_nobody_usable_only_what_cannot_stay_moves(world: World) -> None:
    states = {name: replace(m, usable=False) for name, m in world.states.items()}
    world = replace(world, states=states)
    for ip, nic in world.place().items():
        was = world.hosting[ip]
        if was in states and states[was].plumbed:
            assert nic == was, f"{ip} went to {nic} in {world}"
        elif any(m.plumbed for m in states.values()):
            assert nic is not None and states[nic].plumbed, f"{ip} is on {nic} in {world}"
        else:
            assert nic is None, f"{ip} is on {nic} in {world}"


@MANY
@given(worlds())
def test_placing_again_changes_nothing(world: World) -> None:
    once = world.place()
    assert short(world.place(once)) == short(once), world


@MANY
@given(worlds())
def test_an_address_moves_for_a_reason_only(world: World) -> None:
    after = world.place()
    owners = {a.ip: owner.name for owner, a in world.group.data_addresses}
    for move in moves(world.hosting, after):
        was, home = move.source, owners[move.address]
        if was is None or was not in world.states or not world.states[was].usable:
            continue  # it was nowhere, or on a NIC that does not work
        wished = world.wishes.get(move.address) == move.target
        failback = world.failback and move.target == home and not world.states[home].standby
        standby = was == home and world.states[home].standby and move.target in world.states
        assert wished or failback or standby, f"{move} in {world}"


@MANY
@given(worlds())
def test_what_leaves_one_nic_for_want_of_health_goes_to_one_nic(world: World) -> None:  # FO-6
    targets: Dict[str, set[Optional[str]]] = {}
    owners = {a.ip: owner.name for owner, a in world.group.data_addresses}
    for move in moves(world.hosting, world.place()):
        went_home = move.target == owners[move.address] or move.address in world.wishes
        if move.source in world.states and not world.states[move.source].usable and not went_home:
            targets.setdefault(move.source, set()).add(move.target)
    assert all(len(t) == 1 for t in targets.values()), f"{targets} in {world}"


@MANY
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_interfaces_does_not_matter(world: World, random: object) -> None:
    shuffled, states = list(world.group.interfaces), list(world.states.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    random.shuffle(states)  # type: ignore[attr-defined]
    other = replace(world, group=replace(world.group, interfaces=tuple(shuffled)), states=dict(states))
    assert short(other.place()) == short(world.place()), world


@MANY
@given(worlds())
def test_wishes_are_granted_where_they_can_be(world: World) -> None:
    after = world.place()
    for ip, nic in world.wishes.items():
        if world.states[nic].usable:
            assert after[ip] == nic, world
