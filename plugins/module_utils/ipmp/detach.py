# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""May this component go, what would move where, and what would be lost? Pure.

The whole component is judged at once and every objection is collected (RCM-2); unlike Solaris (DET-3) the real
check is made here, in the query.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from .placement import Hosting, Move


@dataclass(frozen=True)
class Leaver:
    """What is known of one NIC of the component."""

    name: str
    group: Optional[str]
    usable: bool
    addresses: Tuple[str, ...] = ()  # all that the kernel holds on it, link-local ones excepted
    master: Optional[str] = None  # bridge or bond that it belongs to
    uppers: Tuple[str, ...] = ()  # VLANs and the like built on it


@dataclass(frozen=True)
class Refusal:
    """One row of cfgadm's table (CFA-9)."""

    resource: str
    information: str

    def as_dict(self) -> Dict[str, str]:
        """REFUSAL of the control protocol."""
        return {"resource": self.resource, "information": self.information}


@dataclass(frozen=True)
class Verdict:
    """The answer to a query. hard: sentences that even force does not override."""

    refusals: Tuple[Refusal, ...]
    reasons: Tuple[str, ...]
    hard: Tuple[str, ...]
    moves: Tuple[Move, ...]
    lost: Tuple[str, ...]

    def allowed(self, force: bool) -> bool:
        """May the component go?"""
        return not self.hard and (force or not self.refusals)


def judge(
    leavers: Sequence[Leaver],
    survivors: Mapping[str, Sequence[str]],
    hosting: Hosting,
    after: Hosting,
) -> Verdict:
    """The verdict on a component.

    survivors: per group the usable members that are not part of the component; hosting and after: where the
    data addresses are now, and where they would be without the component.
    """
    names = {leaver.name for leaver in leavers}
    refusals: List[Refusal] = []
    reasons: List[str] = []
    hard: List[str] = []
    lost: List[str] = []
    for leaver in leavers:
        hosted = sorted(ip for ip, nic in hosting.items() if nic == leaver.name)
        if leaver.master:
            hard.append(f"{leaver.name} belongs to {leaver.master}; take it out of there first")
        for upper in leaver.uppers:
            hard.append(f"{upper} is built on {leaver.name} and would be destroyed; remove it first")
        if leaver.group is None:
            if leaver.addresses:
                refusals += _objections(leaver.name, leaver.addresses)
                lost += leaver.addresses
                reasons.append(f"{leaver.name} is in no group, so its addresses have nowhere to go")
        elif not survivors.get(leaver.group) and (hosted or leaver.usable):
            refusals += _objections(leaver.name, hosted)
            reasons.append(f"no other interface of group {leaver.group} works, and {leaver.name} would be missing")
    moves = tuple(
        Move(ip, nic, after.get(ip)) for ip, nic in sorted(hosting.items()) if nic in names and after.get(ip) != nic
    )
    lost += [move.address for move in moves if move.target is None]
    return Verdict(tuple(refusals), tuple(reasons), tuple(hard), moves, tuple(dict.fromkeys(lost)))


def _objections(name: str, addresses: Sequence[str]) -> List[Refusal]:
    usage = f"{name} hosts IP addresses: {', '.join(addresses)}" if addresses else f"{name} plumbed but down"
    rows = [Refusal(f"SUNW_network/{name}", usage)]
    return rows + [Refusal(f"SUNW_ip/{ip}", "Plumbed IP Address") for ip in addresses]
