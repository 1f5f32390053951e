# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An IPv6 group that changes keeps no member; one that does not change, and IPv4, keep theirs."""

from __future__ import annotations

from typing import Dict, Tuple

from ipmp.plan import Nexthop
from ipmp.spares import SPARE, numbered, usual

HOPS = {number: Nexthop(f"eth{number}", 6, None) for number in (1, 2, 3)}
Groups = Dict[int, Tuple[int, ...]]
Hops = Dict[int, Nexthop]


def chosen(groups: Groups, hops: Hops, *members: int, hurried: bool = False) -> Tuple[Groups, Hops]:
    wanted = {number: HOPS[number] for number in members}
    return numbered({9: members}, wanted, groups, hops, hurried=hurried)


def test_a_group_that_changes_has_only_new_members_each_time() -> None:
    groups, hops = chosen({}, {}, 1, 2)
    assert groups == {9: (1, 2)}
    for members in ((1, 2, 3), (2, 3), (1, 2), (1, 2, 3)):
        after, after_hops = chosen(groups, hops, *members)
        assert not set(after[9]) & set(groups[9])
        assert tuple(sorted(map(usual, after[9]))) == members
        assert {after_hops[m].nic for m in after[9]} == {f"eth{number}" for number in members}
        groups, hops = after, after_hops


def test_what_is_as_wanted_stays_whichever_ids_it_has() -> None:
    for bit in (0, SPARE):
        groups, hops = {9: (1 | bit, 2 | bit)}, {1 | bit: HOPS[1], 2 | bit: HOPS[2]}
        assert chosen(groups, hops, 1, 2) == (groups, hops)


def test_who_is_in_a_hurry_changes_no_ids() -> None:
    groups, hops = {9: (1 | SPARE, 2 | SPARE)}, {1 | SPARE: HOPS[1], 2 | SPARE: HOPS[2]}
    assert chosen(groups, hops, 2, hurried=True)[0] == {9: (2 | SPARE,)}


def test_ipv4_does_not_need_it() -> None:
    hops = {number: Nexthop(f"eth{number}", 4, None) for number in (1, 2)}
    assert numbered({9: (1, 2)}, hops, {9: (1,)}, hops, hurried=False) == ({9: (1, 2)}, hops)
