# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations during which the daemon is killed, and the judgement: just detached or just as before, nothing between."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional

from bed import Bed, eventually
from cards import at_rest

from ipmp.client import ClientError
from lab import compare, dump

from .killing import killed_at

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
    "ip route add 203.0.113.0/24 via 198.51.100.1 dev eth1 proto static",
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
    """begin brings a host that is as before to where ask, the operation, is asked for."""

    name: str
    begin: Callable[[Bed], object]
    ask: Callable[[Bed], object]
    ends: str  # when nobody is killed: "as before", "detached"


STORIES = {
    story.name: story
    for story in (
        Story("detach", lambda _bed: None, detach, "detached"),
        Story("rollback", prepare, lambda bed: bed.call("detach-rollback"), "as before"),
        Story("attach", detach, attach, "as before"),
    )
}


class Judge:
    """A bed with its two end states, as the kernel has them."""

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self.ends: Dict[str, Any] = {}
        self._kept = True  # what the administrator had added was not taken off by a detach before
        self.renew()

    def renew(self) -> None:
        """Begin anew, whatever came of it."""
        self.bed.start(FILES, groups=GROUPS)
        eventually(self.bed.on(eth1=" ".join(DATA[:3]), eth2=DATA[3]), "addresses at home")
        self._administrators()
        self.ends["as before"] = at_rest(self.bed)
        detach(self.bed)
        self.ends["detached"] = at_rest(self.bed)
        self.home()

    def _administrators(self) -> None:
        self.bed.host.run("; ".join(f"{line} 2>/dev/null" for line in ADMINISTRATORS), check=False)

    def home(self) -> None:
        """From either end to "as before"."""
        if self.state() == "detached":
            attach(self.bed)
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
        found = compare(self.ends[end], dump(self.bed.host), nexthop_ids=False)
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

    def once(self) -> None:
        """Every data address is on a NIC at once, and soon on one only: a move makes the new before the old goes."""
        missing = [ip for ip in DATA if ip not in self._held()]
        if missing:
            raise Between(f"right after the start not on any NIC: {missing}")
        eventually(lambda: all(self._held().count(ip) == 1 for ip in DATA), self._held, 10.0)

    def _held(self) -> List[str]:
        """Addresses of the host, all read at one moment."""
        return [a["local"] for link in json.loads(self.bed.host.run("ip -j addr").stdout) for a in link["addr_info"]]

    def after(self, odd: bool) -> None:
        """The daemon was killed and started again: what has come of it."""
        self.once()
        state = self.state()
        if state == "rolling-back":
            eventually(lambda: self.bed.call("transactions")["open"] is None, "the rollback ends", 60.0)
            state = self.state()
            if state != "as before":
                raise Between(f"a rollback ended as {state}")
        if state in ("prepared", "committed"):  # it waits for its caller, who may still do either
            differences = compare(self.ends["detached"], dump(self.bed.host), nexthop_ids=False)
            if differences:
                raise Between(f"{state}, but not everything is away: {'; '.join(differences)}")
            if odd:
                transaction = self.bed.call("transactions")["open"]["transaction"]
                self.bed.call("detach-commit", transaction=transaction)
                if self.bed.call("transactions")["open"] is not None:
                    self.bed.call("detach-confirm", transaction=transaction)
                state = "detached"
            else:
                self.bed.call("detach-rollback")
                state = "as before"
        if state == "as before" and not self._kept:
            self._administrators()
        self.must_be(state)

    def point(self, story: Story, number: int) -> Optional[str]:
        """Kill at that call; None: it was over before. Else what was found, "" for nothing wrong."""
        story.begin(self.bed)
        self._kept = story.name != "attach"
        outcome = killed_at(self.bed, number, story.ask)
        if not outcome.killed:
            if not self._kept:
                self._administrators()
            self.must_be(story.ends)
            self.home()
            return None
        where = f"{story.name}, call {number}, {outcome.killed}"
        try:
            self.bed.run_daemon()
            self.after(number % 2 == 1)
            self.home()
            said = [line for line in self.bed.log.texts() if "Traceback" in line or "Error:" in line]
            if said:
                raise Between(f"a traceback: {said}")
        except (AssertionError, ClientError, OSError) as problem:
            found = f"{where}: {problem}; the daemon said {self.bed.log.texts()[-12:]}"
            self.renew()
            return found
        return ""


def walk(judge: Judge, story: Story, *, first: int = 1, every: int = 1, limit: float = 1e9) -> List[str]:
    """Kill at the calls first, first + every, ... until the operation is over before. Returns what went wrong."""
    problems, number, begun = [], first, time.monotonic()
    while time.monotonic() - begun < limit:
        found = judge.point(story, number)
        if found is None:
            break
        if found:
            problems.append(found)
            print(found, flush=True)
        number += every
    points = len(range(first, number, every))
    assert points > 0, "not a single point"
    print(f"{story.name}: killed at {points} calls, {len(problems)} ended wrong, {time.monotonic() - begun:.0f} s")
    return problems
