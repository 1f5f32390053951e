# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which NIC hosts which data address now. Pure.

Solaris 10's rules: an address belongs to its owner; when its NIC cannot serve, all addresses of that NIC go
together to one sibling (FO-1..6); they come home after repair unless FAILBACK=no (FB-1..3).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import Dict, FrozenSet, List, Mapping, Optional, Tuple

from .model import Group

Hosting = Mapping[str, Optional[str]]  # address -> NIC that has it, or None


@dataclass(frozen=True)
class Member:
    """What placement needs to know of one member of a group."""

    usable: bool = True  # present, attached, online and not failed
    plumbed: bool = True  # present, attached and online: could at least hold an address
    standby: bool = False
    held_back: bool = False  # repaired under FAILBACK=no and not used since: INACTIVE (KRN-11)

    @property
    def spare(self) -> bool:
        """INACTIVE as long as it hosts nothing."""
        return self.standby or self.held_back


@dataclass(frozen=True)
class Move:
    """One address going from a NIC (None: it was nowhere) to another (None: it is lost)."""

    address: str
    source: Optional[str]
    target: Optional[str]

    def as_dict(self) -> Dict[str, Optional[str]]:
        """MOVE of the control protocol."""
        return {"address": self.address, "from": self.source, "to": self.target}


def place(
    group: Group,
    members: Mapping[str, Member],
    hosting: Hosting,
    failback: bool,
    wishes: Mapping[str, str] = MappingProxyType({}),
) -> Dict[str, Optional[str]]:
    """Where each data address of the group belongs now.

    hosting is the present state; wishes (address -> NIC) go before everything else where that NIC is usable:
    undo-offline brings home in spite of FAILBACK=no (OFF-7), a rollback goes back to what was.
    Valid hosting never changes without a reason.
    """
    result: Dict[str, Optional[str]] = {}
    homeless: Dict[str, Dict[str, str]] = {}  # NIC to be left -> its addresses and their owners
    for owner, address in group.data_addresses:
        ip, home, now = address.ip, owner.name, hosting.get(address.ip)
        welcome = _usable(members, home) and not members[home].standby
        wish = wishes.get(ip)
        if wish is not None and _usable(members, wish):
            result[ip] = wish
        elif welcome and (now == home or now not in members or failback):
            result[ip] = home
        elif now is not None and now != home and _usable(members, now):
            result[ip] = now
        elif now == home and _usable(members, home) and not _others(members, home):
            result[ip] = home  # a standby that owns data and has nobody to give it to
        else:
            homeless.setdefault(now or home, {})[ip] = home
    loads: Counter[str] = Counter(nic for nic in result.values() if nic)
    for source in sorted(homeless, key=lambda nic: (_usable(members, nic), nic)):
        target = _destination(members, loads, source, frozenset(homeless[source].values()))
        for ip in homeless[source]:
            result[ip] = target
        if target:
            loads[target] += len(homeless[source])
    return result


def _usable(members: Mapping[str, Member], name: str) -> bool:
    return name in members and members[name].usable


def _others(members: Mapping[str, Member], name: str) -> List[str]:
    return [n for n in sorted(members) if n != name and members[n].usable and not members[n].standby]


def _destination(
    members: Mapping[str, Member], loads: Mapping[str, int], source: str, owners: FrozenSet[str]
) -> Optional[str]:
    """The one sibling that takes everything from source, or where it stays when nobody can."""
    candidates = [n for n in sorted(members) if members[n].usable]
    regular = [n for n in candidates if not members[n].standby]
    if _usable(members, source):  # a standby with data of its own; guests make it active, and it keeps them (KRN-10)
        candidates = regular if regular and not loads.get(source) else [source]
    elif regular:  # a standby that got back nothing but its own would have to leave it at once (INV-1)
        candidates = [n for n in candidates if owners != {n} or loads.get(n) or not members[n].standby]
    if candidates:
        return min(candidates, key=lambda n: (not _idle_spare(members, loads, n), loads.get(n, 0), n))
    if source in members and members[source].plumbed:
        return source  # FO-5: nobody is better, nothing moves
    fallback = [n for n in sorted(members) if members[n].plumbed]
    return min(fallback, key=lambda n: (not members[n].standby, n)) if fallback else None  # MISS-2


def _idle_spare(members: Mapping[str, Member], loads: Mapping[str, int], name: str) -> bool:
    return members[name].spare and not loads.get(name)


def active(members: Mapping[str, Member], hosting: Hosting) -> Tuple[str, ...]:
    """Members that carry traffic: usable, and not an idle spare (KRN-10, KRN-14)."""
    hosts = frozenset(nic for nic in hosting.values() if nic)
    return tuple(n for n in sorted(members) if members[n].usable and (n in hosts or not members[n].spare))


def inactive(members: Mapping[str, Member], hosting: Hosting) -> FrozenSet[str]:
    """Usable members that carry no traffic: INACTIVE."""
    return frozenset(n for n in members if members[n].usable) - frozenset(active(members, hosting))


def moves(before: Hosting, after: Hosting) -> Tuple[Move, ...]:
    """What has to happen to get from one hosting to the other, in address order."""
    return tuple(
        Move(ip, before.get(ip), after.get(ip)) for ip in sorted({*before, *after}) if before.get(ip) != after.get(ip)
    )
