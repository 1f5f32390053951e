# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations during which the daemon is killed, and the judgement: just detached or just as before, nothing between."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence

from bed import Bed, eventually
from cards import at_rest

from ipmp.client import ClientError
from lab import compare, dump

from .killing import Point, killed_at, seen_in, seen_in_start, started_and_killed_at

NIC = "eth1"
DATA = ("192.0.2.11", "192.0.2.13", "2001:db8::11", "192.0.2.12")
FILES = {
    "hostname.eth1": "192.0.2.11/24 mtu 1400 group g up\naddif 192.0.2.13/24 up\n",
    "hostname6.eth1": "group g\naddif 2001:db8::11/64 up\n",
    "hostname.eth2": "192.0.2.12/24 group g up\n",
    "hostname.eth3": "group g standby up\n",
}
GROUPS = "[g]\ngateways = 192.0.2.254\n"
ADMINISTRATORS = (  # not ours: a rollback restores it, a card that comes back later does not bring it
    "ip addr add 198.51.100.7/24 dev eth1",
    "ip route replace 203.0.113.0/24 via 198.51.100.1 dev eth1 proto static",
    "ip neigh replace 192.0.2.200 lladdr 02:00:00:00:00:99 dev eth1 nud permanent",
)


class Between(AssertionError):
    """An end state that is neither."""


def prepare(bed: Bed) -> str:
    """Addresses away, with all the time in the world to confirm it."""
    return str(bed.call("detach-prepare", component=NIC, confirm_timeout=600)["transaction"])


def detach(bed: Bed) -> None:
    """The whole way, confirmed."""
    transaction = prepare(bed)
    bed.call("detach-commit", transaction=transaction)
    bed.call("detach-confirm", transaction=transaction)


def attach(bed: Bed) -> None:
    """And home."""
    bed.call("attach", component=NIC, wait_timeout=30)


@dataclass(frozen=True)
class Story:
    """begin brings a host that is as before to where ask, the operation, is asked for; after a kill comes meanwhile."""

    begin: Callable[[Bed], object]
    ask: Callable[[Bed], object]
    ends: str  # when nobody is killed
    meanwhile: Callable[[Bed], object] = lambda _bed: None  # until the next daemon starts


class Judge:
    """A bed with its two end states, as the kernel has them. ``stories``: what can be interrupted, by name."""

    @property
    def stories(self) -> Mapping[str, Story]:
        """Detach, rollback, attach."""
        return {
            "detach": Story(lambda _bed: None, self.detach, "detached"),
            "rollback": Story(prepare, lambda bed: bed.call("detach-rollback"), "as before"),
            "attach": Story(self.detach, self.attach, "as before"),
        }

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.ends: Dict[str, Any] = {}
        self._kept = True  # what the administrator had added was not taken off by a detach before
        self.renew()

    def detach(self, bed: Bed) -> None:
        """The whole way, confirmed."""
        detach(bed)

    def attach(self, bed: Bed) -> None:
        """And home."""
        attach(bed)

    def renew(self) -> None:
        """Begin anew, whatever came of it."""
        self.bed.start(FILES, groups=GROUPS)
        eventually(self.bed.on(eth1=" ".join(DATA[:3]), eth2=DATA[3]), "addresses at home")
        self._administrators()
        self.ends["as before"] = at_rest(self.bed)
        self.detach(self.bed)
        self.ends["detached"] = at_rest(self.bed)
        self.home()

    def _administrators(self) -> None:
        self.bed.host.run("; ".join(f"{line} 2>/dev/null" for line in ADMINISTRATORS), check=False)

    def home(self) -> None:
        """From either end to "as before"."""
        if self.state() == "detached":
            self.attach(self.bed)
            self._administrators()
        self.must_be("as before")

    def state(self) -> str:
        """What the daemon says of itself: as before, detached, or the state of an open transaction."""
        opened = self.bed.call("transactions")["open"]
        if opened is not None:
            return str(opened["state"])
        return "detached" if self.bed.interface(NIC)["state"] == "detached" else "as before"

    def must_be(self, end: str) -> None:
        """The kernel has just that, the daemon says just that, and there is a record of what is detached only."""
        try:
            eventually(lambda: not self.differences(end), "", 8.0)
        except AssertionError:
            raise Between(f"not {end}: {'; '.join(self.differences(end))}") from None

    def differences(self, end: str) -> List[str]:
        """From one of the ends."""
        found = self.kernel_differences(end)
        if end == "as before" and any("203.0.113.0" in d or "198.51.100" in d for d in found):
            found.append("(what an administrator had added is not as it was)")
        answer = self.bed.call("transactions")
        if answer["open"] is not None:
            found.append(f"a transaction is open: {answer['open']['state']}")
        if [r["component"] for r in answer["records"]] != ([NIC] if end == "detached" else []):
            found.append(f"records: {[r['component'] for r in answer['records']]}")
        if (self.bed.interface(NIC)["state"] == "detached") != (end == "detached"):
            found.append(f"the daemon says {self.bed.interface(NIC)['state']}")
        return found

    def kernel_differences(self, end: str) -> List[str]:
        """Of what the kernel holds."""
        return list(compare(self.ends[end], dump(self.bed.host), nexthop_ids=False))

    def once(self) -> None:
        """Every data address is on a NIC at once, and soon on one only: a move makes the new before the old goes."""
        data = self.data()
        missing = [ip for ip in data if ip not in self._held()]
        if missing:
            raise Between(f"right after the start not on any NIC: {missing}")
        eventually(lambda: all(self._held().count(ip) == 1 for ip in data), self._held, 10.0)

    def data(self) -> Sequence[str]:
        """The addresses that must be on a NIC whatever has happened."""
        return DATA

    def _held(self) -> List[str]:
        """Addresses of the host, all read at one moment."""
        return [a["local"] for link in json.loads(self.bed.host.run("ip -j addr").stdout) for a in link["addr_info"]]

    def after(self, odd: bool) -> None:
        """The daemon was killed and started again: what has come of it; odd chooses what the caller does then."""
        self.once()
        self._wait_for_rollback()
        opened = self.bed.call("transactions")["open"]
        if opened is not None:
            self.go_on(opened, odd)
        state = self.state()
        if state == "as before" and not self._kept:
            self._administrators()
        self.must_be(state)

    def _wait_for_rollback(self) -> None:
        if self.state() == "rolling-back":
            eventually(lambda: self.bed.call("transactions")["open"] is None, "the rollback ends", 60.0)
            if self.state() != "as before":
                raise Between(f"a rollback ended as {self.state()}")

    def go_on(self, opened: Dict[str, Any], odd: bool) -> None:
        """It waits for its caller, who may still do either."""
        differences = self.kernel_differences("detached")
        if differences:
            raise Between(f"{opened['state']}, but not everything is away: {'; '.join(differences)}")
        if odd:
            self.bed.call("detach-commit", transaction=opened["transaction"])
            if self.bed.call("transactions")["open"] is not None:
                self.bed.call("detach-confirm", transaction=opened["transaction"])
        else:
            self.bed.call("detach-rollback")

    def over(self) -> None:
        """The host is at one of its ends: what else must be so."""

    def close(self) -> None:
        """The bed is about to end."""

    def undisturbed(self, name: str) -> List[Point]:
        """Nobody is killed: the points at which somebody could have been.

        Of two looks the one with fewer: where the machine was busy, it looked at its links more often meanwhile.
        """
        return min((self._look(name) for _time in range(2)), key=len)

    def _look(self, name: str) -> List[Point]:
        story = self.stories[name]
        story.begin(self.bed)
        found = seen_in(self.bed, story.ask)
        self._ended(name)
        return found

    def _ended(self, name: str) -> None:
        if name == "attach":
            self._administrators()
        self.must_be(self.stories[name].ends)
        self.over()
        self.home()

    def start_points(self, name: str, point: Point) -> List[Point]:
        """Of the start that makes good for a kill there."""
        story = self.stories[name]
        story.begin(self.bed)
        self._kept = name != "attach"
        assert killed_at(self.bed, point, story.ask).killed
        story.meanwhile(self.bed)
        found = seen_in_start(self.bed)
        self.after(odd=False)
        self.home()
        return found

    def point(self, name: str, point: Point, second: Optional[Point] = None) -> Optional[str]:
        """Kill the story of that name there; None: it was over before. Else what was found, "" for nothing wrong.

        second: the daemon that is started then is killed there too, unless it makes fewer of these calls.
        """
        story, mark = self.stories[name], self.bed.log.mark()
        story.begin(self.bed)
        self._kept = name != "attach"
        outcome = killed_at(self.bed, point, story.ask)
        if not outcome.killed:
            self._ended(name)
            return None
        where = f"{name}, {point}, {outcome.killed}"
        story.meanwhile(self.bed)
        try:
            again = started_and_killed_at(self.bed, second) if second else ""
            if again:
                where += f", and again at {second}, {again}"
            if again or not second:
                self.bed.run_daemon()
            self.after((point.number + (second.number if second else 0)) % 2 == 1)
            self.over()
            self.home()
            said = [line for line in self.bed.log.texts(mark) if re.match("Traceback|.*Error:|after the ", line)]
            if said:
                raise Between(f"it ended well, but said {said}")
        except (AssertionError, ClientError, OSError) as problem:
            found = f"{where}: {problem}; the daemon said {self.bed.log.texts()[-12:]}"
            self.renew()
            return found
        return ""


def walk(judge: Judge, name: str, points: Iterable[Point]) -> List[str]:
    """Kill at these points. Returns what went wrong."""
    return _all(name, (judge.point(name, point) for point in points))


def twice(judge: Judge, name: str, points: Iterable[Point], seconds: Iterator[Point]) -> List[str]:
    """The same, and the next daemon is killed as well, each time at the next of ``seconds``."""
    return _all(name, (judge.point(name, point, next(seconds)) for point in points))


def _all(name: str, found: Iterable[Optional[str]]) -> List[str]:
    problems, done, missed, begun = [], 0, 0, time.monotonic()
    for problem in found:
        if problem is None:
            missed += 1
            continue
        done += 1
        if problem:
            problems.append(problem)
            print(problem, flush=True)
    print(f"{name}: killed at {done} points, {len(problems)} ended wrong, {time.monotonic() - begun:.0f} s")
    assert done > 4 * missed, f"{missed} points were not come to, {done} were"
    return problems
