# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""May this component go, what would move where, and what would be lost? Pure.

The whole component is judged at once and every objection is collected (RCM-2); unlike Solaris (DET-3) the real
check is made here, in the query.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
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
    routes: Tuple[str, ...] = ()  # that cannot be moved: "10.0.0.0/8 (dhcp)"
    sockets: Tuple[str, ...] = ()  # bound to it: "tcp port 80 of uid 0"


@dataclass(frozen=True)
class Refusal:
    """One row of cfgadm's table (CFA-9)."""

    resource: str
    information: str

    def as_dict(self) -> Dict[str, str]:
        """REFUSAL of the control protocol."""
        return {"resource": self.resource, "information": self.information}


@dataclass(frozen=True)
class Objection:
    """Why it may not go: a sentence, and its rows of the table. Only a forcible one yields to force."""

    reason: str
    rows: Tuple[Refusal, ...]
    forcible: bool = True


@dataclass(frozen=True)
class Verdict:
    """The answer to a query."""

    objections: Tuple[Objection, ...]
    moves: Tuple[Move, ...]
    lost: Tuple[str, ...]

    @property
    def refusals(self) -> Tuple[Refusal, ...]:
        """cfgadm's table."""
        return tuple(row for objection in self.objections for row in objection.rows)

    @property
    def hard(self) -> Tuple[str, ...]:
        """Sentences that even force does not override."""
        return tuple(objection.reason for objection in self.objections if not objection.forcible)

    @property
    def reasons(self) -> Tuple[str, ...]:
        """The others."""
        return tuple(objection.reason for objection in self.objections if objection.forcible)

    def allowed(self, force: bool) -> bool:
        """May the component go?"""
        return not self.hard and (force or not self.objections)


def judge(
    leavers: Sequence[Leaver],
    survivors: Mapping[str, Sequence[str]],
    hosting: Hosting,
    after: Hosting,
    *,
    unproven: Mapping[str, str] = MappingProxyType({}),
    borrowed: Sequence[str] = (),
    strangers: Sequence[str] = (),
    cut_off: Optional[Tuple[str, str]] = None,
    for_good: Optional[Tuple[str, str]] = None,
) -> Verdict:
    """The verdict on a component.

    survivors: per group the usable members that are not part of the component; hosting and after: where the
    data addresses are now, and where they would be without the component. unproven: what speaks against believing in
    a survivor, such as "no probe through it has been answered yet". borrowed: virtual functions in use elsewhere;
    strangers: what else is on the card. cut_off: (NIC, address) where the caller's connection would be lost.
    for_good: (component, way) where a timer is wanted, and the host cannot undo that way.
    """
    names = {leaver.name for leaver in leavers}
    moves = tuple(
        Move(ip, nic, after.get(ip)) for ip, nic in sorted(hosting.items()) if nic in names and after.get(ip) != nic
    )
    objections: List[Objection] = []
    lost: List[str] = []
    for leaver in leavers:
        objections += _stacked(leaver)
        hosted = sorted(ip for ip, nic in hosting.items() if nic == leaver.name)
        if leaver.group is None:
            if leaver.addresses:
                reason = f"{leaver.name} is in no group, so its addresses have nowhere to go"
                objections.append(Objection(reason, _plumbed(leaver.name, leaver.addresses)))
                lost += leaver.addresses
        elif not survivors.get(leaver.group) and (hosted or leaver.usable):
            reason = f"no other interface of group {leaver.group} works, and {leaver.name} would be missing"
            objections.append(Objection(reason, _plumbed(leaver.name, hosted)))
        objections += _pinned(leaver)
    objections += _unproven(leavers, survivors, moves, unproven)
    objections += [
        Objection(
            f"virtual function {function} is in use; have it given back first",
            (Refusal(f"pci/{function.split()[0]}", f"virtual function {function} in use"),),
            forcible=False,
        )
        for function in borrowed
    ]
    objections += [
        Objection(
            f"{function} would go with the card; take the interfaces out one by one, or unbind it first",
            (Refusal(f"pci/{function.split()[0]}", f"{function} in use"),),
            forcible=False,
        )
        for function in strangers
    ]
    if cut_off is not None:
        nic, peer = cut_off
        reason = f"the way to {peer}, where this is asked from, leads through {nic} and nowhere else"
        objections.append(Objection(reason, (Refusal(f"SUNW_network/{nic}", f"{nic} leads to {peer}"),)))
    if for_good is not None:
        name, way = for_good
        reason = (
            f"{name} would be taken out by {way!r}, which the host cannot undo by itself, so no timer can bring it "
            "back: use hardware=pci, driver or none, or confirm_timeout=0, or force"
        )
        objections.append(Objection(reason, (Refusal(name, f"taken out by {way!r} for good"),)))
    lost += [move.address for move in moves if move.target is None]
    return Verdict(tuple(objections), moves, tuple(dict.fromkeys(lost)))


def _plumbed(name: str, addresses: Sequence[str]) -> Tuple[Refusal, ...]:
    usage = f"{name} hosts IP addresses: {', '.join(addresses)}" if addresses else f"{name} plumbed but down"
    rows = [Refusal(f"SUNW_network/{name}", usage)]
    return (*rows, *(Refusal(f"SUNW_ip/{ip}", "Plumbed IP Address") for ip in addresses))


def _stacked(leaver: Leaver) -> List[Objection]:
    name = leaver.name
    found = [
        Objection(
            f"{upper} is built on {name} and would be destroyed; remove it first",
            (Refusal(f"SUNW_network/{name}", f"{upper} is built on {name}"),),
            forcible=False,
        )
        for upper in leaver.uppers
    ]
    if leaver.master:
        row = Refusal(f"SUNW_network/{name}", f"{name} belongs to {leaver.master}")
        reason = f"{name} belongs to {leaver.master}; take it out of there first"
        found.insert(0, Objection(reason, (row,), forcible=False))
    return found


def _pinned(leaver: Leaver) -> List[Objection]:
    name, found = leaver.name, []
    if leaver.routes:
        rows = tuple(Refusal(f"route/{route.split()[0]}", f"route {route} through {name}") for route in leaver.routes)
        found.append(Objection(f"routes through {name} cannot be moved: {', '.join(leaver.routes)}", rows))
    if leaver.sockets:
        rows = tuple(Refusal(f"SUNW_network/{name}", f"{socket} bound to {name}") for socket in leaver.sockets)
        found.append(Objection(f"sockets are bound to {name}: {', '.join(leaver.sockets)}", rows))
    return found


def _unproven(
    leavers: Sequence[Leaver],
    survivors: Mapping[str, Sequence[str]],
    moves: Sequence[Move],
    unproven: Mapping[str, str],
) -> List[Objection]:
    """Who works and is to take over must be known to; where nothing moves, one of the group."""
    working = {name for names in survivors.values() for name in names}
    doubtful = {move.target for move in moves if move.target in working}
    for leaver in leavers:
        left = survivors.get(leaver.group or "", ())
        if leaver.usable and all(name in unproven for name in left):
            doubtful.update(left)
    return [
        Objection(
            f"{name} would take over, but {unproven[name]}",
            (Refusal(f"SUNW_network/{name}", f"{name} not proven: {unproven[name]}"),),
        )
        for name in sorted(filter(None, doubtful))
        if name in unproven
    ]
