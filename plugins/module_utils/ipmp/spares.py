# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ids the nexthops of a group have: whenever an IPv6 group changes, its new members get ids not in it before.

When Linux replaces the members of a group it drops what each processor has kept for IPv6 over the old ones. A datagram
that has just found it there is then lost, or refused with ENETUNREACH: about one in a thousand replacements at 10,000
datagrams a second (6.18). Not if no member stays: the kernel waits for all lookups of the old group first. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, Mapping, Tuple

if TYPE_CHECKING:
    from .plan import Nexthop

SPARE = 0x800000  # the bit in which the two ids of a nexthop differ

Groups = Mapping[int, Tuple[int, ...]]
Hops = Mapping[int, "Nexthop"]


def usual(ident: int) -> int:
    """The one of the two ids that a nexthop has at first."""
    return ident & ~SPARE


def numbered(
    groups: Groups, hops: Hops, standing: Groups, standing_hops: Hops, *, hurried: bool
) -> Tuple[Dict[int, Tuple[int, ...]], Dict[int, Nexthop]]:
    """Groups and hops as wanted, with those of the two ids that suit what is standing.

    hurried: a NIC has failed, so what counts is how soon; the ids stay.
    """
    chosen: Dict[int, Tuple[int, ...]] = {}
    used = {ident: hop for ident, hop in hops.items() if hop.family == 4}
    for ident, members in groups.items():
        have = standing.get(ident, ())
        spare = any(member & SPARE for member in have)
        same = tuple(sorted(member | SPARE if spare else member for member in members))
        now = {standing_hops.get(member) for member in have}
        if any(hops[member].family == 4 for member in members):
            same = members
        elif have and not hurried and now != {hops[member] for member in members}:
            same = tuple(sorted(member ^ SPARE for member in same))
        chosen[ident] = same
        used.update({member: hops[usual(member)] for member in same if member not in used})
    return chosen, used
