# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom one instance probes: routers or hosts, at most five at a time, in turn. Pure."""

from __future__ import annotations

from typing import Callable, Iterator, List, Optional, Sequence, Tuple

from .rtt import Estimate

MOST = 5  # MAX_PROBE_TARGETS
LEAST = 3  # MIN_PROBE_TARGETS: how many come back when no active one is left (TGT-8)
RECOVERY = 60.0  # s that a slow or dead router is left alone (TGT-7)

ACTIVE, UNUSED, SLOW, DEAD, GONE = range(5)


class Target:
    """One address and what is known of it. Times are seconds of the monotonic clock."""

    __slots__ = ("address", "heard", "newest", "rtt", "since", "state")

    def __init__(self, address: str, now: float) -> None:
        self.address, self.state, self.since = address, UNUSED, now
        self.rtt = Estimate()
        self.newest = 0  # number of the newest probe that it answered (RTT-2)
        self.heard = float("-inf")  # when that answer came

    def become(self, state: int, now: float) -> None:
        """Change the state and remember when."""
        self.state, self.since = state, now


class Targets:
    """The list of one instance: all routers or all hosts (TGT-1). While it has members, one of them is ACTIVE.

    A dead router is UNUSED again after 60 s, not by way of SLOW: the net effect of TGT-7.
    """

    def __init__(self) -> None:
        self.routers = False
        self._all: List[Target] = []
        self._turn = 0

    def __iter__(self) -> Iterator[Target]:
        return iter(self._all)

    @property
    def active(self) -> List[Target]:
        """Those that are probed, in the order of their turns, the next one first."""
        return [t for t in self._all[self._turn :] + self._all[: self._turn] if t.state == ACTIVE]

    @property
    def addresses(self) -> Tuple[str, ...]:
        """``active``, to be shown."""
        return tuple(t.address for t in self.active)

    def __len__(self) -> int:
        return len(self._all)

    def next(self, now: float) -> Optional[Target]:
        """Whose turn it is (TGT-6). Spares, and those that have recovered, are taken in on the way (TGT-7)."""
        room = None
        for _turn in self._all:
            target = self._all[self._turn]
            self._turn = (self._turn + 1) % len(self._all)
            if target.state == ACTIVE:
                return target
            if target.state != UNUSED and now - target.since >= RECOVERY:
                target.become(UNUSED, now)
            if target.state == UNUSED:
                room = MOST - len(self.active) if room is None else room
                if room > 0:
                    target.become(ACTIVE, now)
                    return target
        return None

    def set_routers(self, configured: Sequence[str], others: Sequence[str], now: float, keep: bool = False) -> bool:
        """These are the routers now, configured ones first; says whether the list has changed.

        The first router ends all hosts (TGT-1). ``keep``: the group has failed, nobody is taken off (TGT-9). New ones
        come to the head of their kind (TGT-5).
        """
        known = {t.address: t for t in self._all} if self.routers else {}
        first = list(dict.fromkeys(configured))
        rest = [a for a in dict.fromkeys(others) if a not in first]
        stay = [a for a in known if a not in first and (keep or a in rest)]
        wanted = [*first, *(a for a in rest if a not in known), *stay]
        if not wanted and not self.routers:
            return False
        if self.routers and wanted == [t.address for t in self._all]:
            return False
        self.routers = bool(wanted)
        self._replace([known.get(a) or Target(a, now) for a in wanted])
        able = [t for t in self._all if t.state in (ACTIVE, UNUSED)]
        able.sort(key=lambda t: (t.address not in first, t.state))
        for place, target in enumerate(able):
            state = ACTIVE if place < MOST else UNUSED
            if target.state != state:
                target.become(state, now)
        self._revive(now)
        return True

    def add_host(self, address: str, now: float) -> bool:
        """Somebody answered a multicast probe (TGT-10); ignored among routers, or when there are enough (TGT-5)."""
        if self.routers or len(self._all) >= MOST or any(t.address == address for t in self._all):
            return False
        target = Target(address, now)
        target.become(ACTIVE, now)
        self._replace([target, *self._all])
        return True

    def remove(self, unwanted: Callable[[str], bool], now: float) -> bool:
        """Take off all addresses that ``unwanted`` is true of; says whether there were any."""
        stay = [t for t in self._all if not unwanted(t.address)]
        if len(stay) == len(self._all):
            return False
        self._replace(stay)
        self.routers = self.routers and bool(stay)
        self._revive(now)
        return True

    def give_up(self, target: Target, state: int, now: float) -> None:
        """The target is SLOW or DEAD (TGT-12, FDT-1): a router is put aside, a host is deleted."""
        if self.routers:
            target.become(state, now)
        else:
            self._replace([t for t in self._all if t is not target])
        self._revive(now)

    def _replace(self, after: List[Target]) -> None:
        turns = [t for t in self._all[self._turn :] + self._all[: self._turn] if t in after]
        stay = frozenset(map(id, after))
        for target in self._all:
            if id(target) not in stay:
                target.state = GONE
        self._all = after
        self._turn = after.index(turns[0]) if turns else 0

    def _revive(self, now: float) -> None:
        """Nobody is active: the best come back (TGT-8)."""
        if any(t.state == ACTIVE for t in self._all):
            return
        for target in sorted(self._all, key=lambda t: (t.state, t.since))[:LEAST]:
            target.become(ACTIVE, now)
