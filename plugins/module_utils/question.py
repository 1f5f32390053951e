# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a link can be asked before there is a daemon: do members hear each other, and has another host their addresses?

Nothing is brought up or changed for that, so only members whose link is up already can be asked.
"""

from __future__ import annotations

import select
import time
from typing import Any, Dict, List, Mapping, Sequence, Set

from .ipmp.announce import DuplicateCheck, packet_socket, probe
from .ipmp.beacon import PathCheck

WINDOW = 0.4  # s; answers take a millisecond on a healthy link


class Member:
    """A NIC that is up and has carrier, and the addresses that it is to have and that the host has not."""

    def __init__(self, name: str, ifindex: int, mac: str, new: Sequence[str]) -> None:
        self.name, self.ifindex, self.mac, self.new = name, ifindex, mac, new


def ask(groups: Mapping[str, Sequence[Member]], others: Mapping[str, Sequence[str]]) -> Dict[str, Dict[str, Any]]:
    """By group: ``{"used": {IP: MAC}, "sides": [[NAME]], "alive": [NAME]}``, after WINDOW.

    sides: members that hear each other stand together; alive: those that received anything meanwhile. others: by group
    the addresses of gateways and targets, who are asked as well, so that a quiet link is not taken for a dead one.
    """
    macs = {m.mac for members in groups.values() for m in members}
    asked = {name: _Group(name, members, others.get(name, ()), macs) for name, members in groups.items()}
    deadline, again = time.monotonic() + WINDOW, time.monotonic() + WINDOW / 2
    while time.monotonic() < deadline:
        turn = min(deadline, again) if again else deadline
        waiting = [fd for one in asked.values() for fd in one.filenos()]
        select.select(waiting, [], [], max(turn - time.monotonic(), 0.001))
        for one in asked.values():
            one.read()
        if again and time.monotonic() >= again:
            again = 0.0
            for one in asked.values():
                one.ask()
    return {name: one.end() for name, one in asked.items()}


class _Group:
    def __init__(self, name: str, members: Sequence[Member], others: Sequence[str], own: Set[str]) -> None:
        self._members = {m.ifindex: m for m in members}
        self._others = [ip for ip in others if ":" not in ip]
        self._check = PathCheck(name)
        self._duplicates: List[DuplicateCheck] = []
        self._sides: List[Set[int]] = [{index} for index in self._members]
        self._before = received()
        for member in members:
            self._check.add(member.ifindex, member.mac)
            if member.new:
                self._duplicates.append(DuplicateCheck(member.ifindex, member.mac, member.new, own))
        self._path()

    def filenos(self) -> List[int]:
        return [*self._check.filenos().values(), *(fd for check in self._duplicates for fd in check.filenos())]

    def ask(self) -> None:
        self._path()
        for check in self._duplicates:
            check.ask()

    def _path(self) -> None:
        for member in self._members.values():
            self._check.ask(member.ifindex)
            with packet_socket(member.ifindex, 0) as out:
                for ip in self._others:
                    out.send(probe(member.mac, ip))

    def read(self) -> None:
        for ifindex in self._members:
            for proof in self._check.read(ifindex):
                joined = [side for side in self._sides if side & {proof.ifindex, proof.sibling}]
                self._sides = [side for side in self._sides if side not in joined] + [set().union(*joined)]
        for check in self._duplicates:
            check.read()

    def end(self) -> Dict[str, Any]:
        self._check.close()
        used: Dict[str, str] = {}
        for check in self._duplicates:
            used.update(check.conflicts)
            check.close()
        now = received()
        alive = [m.name for m in self._members.values() if now.get(m.name, 0) > self._before.get(m.name, 0)]
        sides = sorted(sorted(self._members[index].name for index in side) for side in self._sides)
        return {"used": used, "sides": sides, "alive": sorted(alive)}


def received() -> Dict[str, int]:
    """Interface -> packets received since it exists."""
    with open("/proc/net/dev", encoding="ascii") as file:
        rows = [line.partition(":") for line in file]
    return {name.strip(): int(numbers.split()[1]) for name, colon, numbers in rows if colon}
