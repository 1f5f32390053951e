# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""May a component go? The verdict, the table of objections, what moves and what is lost."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import pytest
from generated import group_of, interface
from hypothesis import given
from hypothesis import strategies as st

from ipmp.detach import Leaver, Refusal, Verdict, judge
from ipmp.model import Group
from ipmp.placement import Member, Move, active, inactive, place

A1, B1, C1 = "192.0.2.1", "192.0.2.2", "192.0.2.3"
GROUP = group_of(*(interface(n, f"{ip}/24") for n, ip in (("a", A1), ("b", B1), ("c", C1))))
PAIR = group_of(interface("a", f"{A1}/24"), interface("b", f"{B1}/24"))
OK, FAILED, GONE = Member(), Member(usable=False), Member(usable=False, plumbed=False)


def verdict(
    group: Group,
    states: Mapping[str, Member],
    hosting: Mapping[str, Optional[str]],
    *names: str,
    extra: Sequence[Leaver] = (),
) -> Verdict:
    """Members of that group, and perhaps NICs without a group, are asked to leave together."""
    leavers = [
        Leaver(n, group.name, states[n].usable, tuple(sorted(ip for ip, nic in hosting.items() if nic == n)))
        for n in names
    ]
    left = {n: m for n, m in states.items() if n not in names}
    after = place(group, {**left, **dict.fromkeys(names, GONE)}, hosting, True)
    survivors = {group.name: [n for n, m in left.items() if m.usable]}
    return judge([*leavers, *extra], survivors, hosting, after)


def rows(found: Verdict) -> List[Tuple[str, str]]:
    return [(r.resource, r.information) for r in found.refusals]


LONE = Leaver("e", None, True, ("198.51.100.1", "2001:db8::1"))
LONE_ROWS = [
    ("SUNW_network/e", "e hosts IP addresses: 198.51.100.1, 2001:db8::1"),
    ("SUNW_ip/198.51.100.1", "Plumbed IP Address"),
    ("SUNW_ip/2001:db8::1", "Plumbed IP Address"),
]


@pytest.mark.oracle("T71")
def test_a_nic_without_group_that_has_addresses_is_refused() -> None:
    found = judge([LONE], {}, {}, {})
    assert not found.allowed(force=False)
    assert rows(found) == LONE_ROWS
    assert found.reasons == ("e is in no group, so its addresses have nowhere to go",)
    assert found.moves == ()


@pytest.mark.oracle("T72")
def test_force_lets_it_go_and_names_what_is_lost() -> None:
    found = judge([LONE], {}, {}, {})
    assert found.allowed(force=True)
    assert found.lost == LONE.addresses


@pytest.mark.oracle("T73")
def test_a_nic_without_group_and_addresses_may_go() -> None:
    found = judge([Leaver("e", None, True)], {}, {}, {})
    assert found.allowed(force=False)
    assert (found.refusals, found.lost, found.moves) == ((), (), ())


def test_with_a_healthy_sibling_a_member_may_go() -> None:
    found = verdict(PAIR, {"a": OK, "b": OK}, {A1: "a", B1: "b"}, "a")
    assert found.allowed(force=False)
    assert found.moves == (Move(A1, "a", "b"),)
    assert found.lost == ()


@pytest.mark.oracle("T75")
def test_the_only_one_that_works_is_refused() -> None:
    found = verdict(PAIR, {"a": OK, "b": FAILED}, {A1: "a", B1: "a"}, "a")
    assert not found.allowed(force=False)
    assert rows(found) == [
        ("SUNW_network/a", "a hosts IP addresses: 192.0.2.1, 192.0.2.2"),
        ("SUNW_ip/192.0.2.1", "Plumbed IP Address"),
        ("SUNW_ip/192.0.2.2", "Plumbed IP Address"),
    ]
    assert found.reasons == ("no other interface of group g works, and a would be missing",)


def test_the_only_one_that_works_is_refused_even_without_addresses() -> None:
    found = verdict(PAIR, {"a": OK, "b": FAILED}, {A1: "b", B1: "b"}, "a")
    assert rows(found) == [("SUNW_network/a", "a plumbed but down")]


@pytest.mark.oracle("T77")
def test_one_that_has_failed_and_is_empty_may_go_and_nothing_moves() -> None:
    found = verdict(PAIR, {"a": FAILED, "b": OK}, {A1: "b", B1: "b"}, "a")
    assert found.allowed(force=False)
    assert found.moves == ()


@pytest.mark.oracle("T78")
def test_a_sibling_that_is_offline_does_not_count() -> None:
    found = verdict(PAIR, {"a": OK, "b": GONE}, {A1: "a", B1: "a"}, "a")
    assert not found.allowed(force=False)
    assert found.allowed(force=True)
    assert found.lost == (A1, B1)


def test_forced_out_before_a_failed_sibling_addresses_are_kept_there() -> None:
    found = verdict(PAIR, {"a": OK, "b": FAILED}, {A1: "a", B1: "a"}, "a")
    assert found.allowed(force=True)
    assert found.moves == (Move(A1, "a", "b"), Move(B1, "a", "b"))
    assert found.lost == ()


@pytest.mark.oracle("T79")
def test_a_standby_takes_over_and_is_active_then() -> None:
    group = group_of(interface("a", f"{A1}/24"), interface("b", standby=True))
    states = {"a": OK, "b": Member(standby=True)}
    assert inactive(states, {A1: "a"}) == {"b"}
    found = verdict(group, states, {A1: "a"}, "a")
    assert found.allowed(force=False)
    assert found.moves == (Move(A1, "a", "b"),)
    assert active({**states, "a": GONE}, {A1: "b"}) == ("b",)


@pytest.mark.oracle("T87")
def test_a_card_with_two_members_goes_to_the_third_without_a_stop_between() -> None:
    found = verdict(GROUP, dict.fromkeys("abc", OK), {A1: "a", B1: "b", C1: "c"}, "a", "b")
    assert found.allowed(force=False)
    assert found.moves == (Move(A1, "a", "c"), Move(B1, "b", "c"))


def test_a_card_with_all_members_is_refused_as_a_whole() -> None:
    found = verdict(PAIR, {"a": OK, "b": OK}, {A1: "a", B1: "b"}, "a", "b")
    assert not found.allowed(force=False)
    assert [r.resource for r in found.refusals] == [
        "SUNW_network/a", "SUNW_ip/192.0.2.1", "SUNW_network/b", "SUNW_ip/192.0.2.2",
    ]  # fmt: skip
    assert found.lost == (A1, B1)


def test_only_the_member_that_matters_objects() -> None:
    """Given a card of a failed, empty member and the last that works, then the table names the latter."""
    found = verdict(PAIR, {"a": FAILED, "b": OK}, {A1: "b", B1: "b"}, "a", "b")
    assert {r.resource for r in found.refusals} == {"SUNW_network/b", "SUNW_ip/192.0.2.1", "SUNW_ip/192.0.2.2"}


@pytest.mark.oracle("T89")
def test_one_objection_is_enough_for_the_whole_card() -> None:
    found = verdict(PAIR, {"a": OK, "b": OK}, {A1: "a", B1: "b"}, "a", extra=(LONE,))
    assert not found.allowed(force=False)
    assert rows(found) == LONE_ROWS
    assert found.moves == (Move(A1, "a", "b"),)


@pytest.mark.parametrize(
    ("leaver", "sentence"),
    [
        (Leaver("a", "g", True, master="br0"), "a belongs to br0; take it out of there first"),
        (Leaver("a", "g", True, uppers=("a.7",)), "a.7 is built on a and would be destroyed; remove it first"),
        (Leaver("e", None, True, uppers=("e.7",)), "e.7 is built on e and would be destroyed; remove it first"),
    ],
)  # T86
def test_what_would_be_destroyed_is_refused_even_with_force(leaver: Leaver, sentence: str) -> None:
    found = judge([leaver], {"g": ["b"]}, {}, {})
    assert found.hard == (sentence,)
    assert not found.allowed(force=True)


def test_a_refusal_is_a_row_of_the_control_protocol() -> None:
    assert Refusal("SUNW_network/a", "a plumbed but down").as_dict() == {
        "resource": "SUNW_network/a",
        "information": "a plumbed but down",
    }


STATE = st.sampled_from((OK, OK, FAILED, GONE))


@given(
    st.fixed_dictionaries(dict.fromkeys("abc", STATE)),
    st.fixed_dictionaries({ip: st.sampled_from("abc") for ip in (A1, B1, C1)}),
    st.sets(st.sampled_from("abc"), min_size=1),
)
def test_allowed_means_that_no_address_is_lost_or_goes_to_a_leaver(
    states: Dict[str, Member], hosting: Dict[str, Optional[str]], names: set[str]
) -> None:
    found = verdict(GROUP, states, hosting, *sorted(names))
    believed = f"{names} of {states}, hosting {hosting}: {found}"
    assert {m.address for m in found.moves} == {ip for ip, nic in hosting.items() if nic in names}, believed
    assert all(m.target not in names for m in found.moves), believed
    if found.allowed(force=False):
        assert not found.lost, believed
        assert all(m.target is not None and states[m.target].usable for m in found.moves), believed
    else:
        assert found.refusals and found.reasons, believed
        assert not any(states[n].usable for n in set("abc") - names), believed


@pytest.mark.parametrize("order", ["ab", "ba"])  # T92
def test_the_order_of_the_component_does_not_matter(order: str) -> None:
    found = verdict(GROUP, dict.fromkeys("abc", OK), {A1: "a", B1: "b", C1: "c"}, *order)
    assert found.moves == (Move(A1, "a", "c"), Move(B1, "b", "c"))


def test_every_objection_is_collected_and_has_its_row() -> None:
    leaver = Leaver(
        "a", "g", True, (A1,), master="br0", uppers=("a.7",), routes=("10.0.0.0/8 (bgp)",), sockets=("udp port 68",)
    )
    found = judge(
        [leaver, LONE],
        {"g": ["b"]},
        {A1: "a"},
        {A1: "b"},
        unproven={"b": "nobody has seen it work", "c": "it is not asked"},
        borrowed=["0000:00:10.1 (vfio-pci)"],
        strangers=["0000:00:05.2 (nvme)"],
        cut_off=("e", "203.0.113.5"),
        for_good=("7", "slot"),
    )
    assert rows(found) == [
        ("SUNW_network/a", "a belongs to br0"),
        ("SUNW_network/a", "a.7 is built on a"),
        ("route/10.0.0.0/8", "route 10.0.0.0/8 (bgp) through a"),
        ("SUNW_network/a", "udp port 68 bound to a"),
        *LONE_ROWS,
        ("SUNW_network/b", "b not proven: nobody has seen it work"),
        ("pci/0000:00:10.1", "virtual function 0000:00:10.1 (vfio-pci) in use"),
        ("pci/0000:00:05.2", "0000:00:05.2 (nvme) in use"),
        ("SUNW_network/e", "e leads to 203.0.113.5"),
        ("7", "taken out by 'slot' for good"),
    ]
    assert len(found.hard) == 4
    assert len(found.reasons) == 6


@pytest.mark.parametrize(
    "objection",
    [
        {"leaver": Leaver("e", None, True, routes=("10.0.0.0/8 (dhcp)",))},
        {"leaver": Leaver("e", None, True, sockets=("tcp port 80 of uid 0",))},
        {"cut_off": ("e", "203.0.113.5")},
        {"for_good": ("7", "slot")},
    ],
)
def test_what_force_overrides(objection: Dict[str, Any]) -> None:
    found = judge([objection.pop("leaver", Leaver("e", None, True))], {}, {}, {}, **objection)
    assert not found.allowed(force=False)
    assert found.allowed(force=True)


@pytest.mark.parametrize("objection", [{"borrowed": ["0000:00:10.1 (x)"]}, {"strangers": ["0000:00:05.2 (x)"]}])
def test_what_force_does_not_override(objection: Dict[str, Any]) -> None:
    assert not judge([Leaver("e", None, True)], {}, {}, {}, **objection).allowed(force=True)


def test_of_two_survivors_the_one_that_takes_over_has_to_be_proven() -> None:
    leaver, left = Leaver("a", "g", True), {"g": ["b", "c"]}
    doubt = {"b": "nobody has seen it work"}
    assert judge([leaver], left, {A1: "a"}, {A1: "c"}, unproven=doubt).allowed(force=False)
    taken = judge([leaver], left, {A1: "a"}, {A1: "b"}, unproven=doubt)
    assert taken.reasons == ("b would take over, but nobody has seen it work",)
    assert taken.allowed(force=True)
    assert judge([leaver], left, {}, {}, unproven=doubt).allowed(force=False)
    assert not judge([leaver], left, {}, {}, unproven={**doubt, "c": "nor this"}).allowed(force=False)
    failed = Leaver("a", "g", False)
    assert judge([failed], left, {}, {}, unproven={**doubt, "c": "nor this"}).allowed(force=False)
