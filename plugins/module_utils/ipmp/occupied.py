# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before a component is put back: has another host on the link taken its addresses while it was out (T104)?

A member that works asks in its place, so that nothing is touched; where there is none, the NIC comes up and asks.
"""

from __future__ import annotations

import contextlib
from typing import Callable, Dict, List, Optional, Set

from . import loop as loops
from .announce import DUPLICATE_WAIT, DuplicateCheck
from .daemon import Daemon
from .runtime import Nic

CARRIER_WAIT = 5.0  # s for the link of a NIC that has to ask itself
LOOK = 0.05  # s between looks at it

Taken = Dict[str, str]  # address -> MAC of whoever has it


class Occupied:
    """Calls ``tell`` once; with nothing where nobody objects, or nobody can be asked since no link is up."""

    def __init__(self, daemon: Daemon, nics: List[Nic], tell: Callable[[Taken], None], *, raising: bool = True) -> None:
        """raising: a NIC that has to ask itself, because no other can, is brought up for it."""
        self.daemon, self._tell, self._raising = daemon, tell, raising
        self._raised: Set[str] = set()  # NICs whose links were down before
        self._checks: List[DuplicateCheck] = []
        self._until = loops.now() + CARRIER_WAIT
        self._asking = {nic.name: asker for nic in nics for asker in (self._asker(nic, nics),) if asker is not None}
        self._wait()

    def _asker(self, nic: Nic, leavers: List[Nic]) -> Optional[Nic]:
        members = [n for n in self.daemon.runtime.nics.values() if n.group and n.group == nic.group]
        working = [n for n in members if n not in leavers and n.usable and n.health.link]
        if working:
            return working[0]
        return nic if self._raising and nic.present and self._addresses(nic.name) else None

    def _addresses(self, name: str) -> List[str]:
        interface = self.daemon.runtime.interface(name)
        return [a.ip for a in interface.addresses if a.up] if interface is not None else []

    def _wait(self) -> None:
        """Until each NIC that asks has carrier, or the time is over."""
        names = {nic.ifindex: nic.name for nic in self._asking.values()}
        requests = self.daemon.kernel.requests
        without = [i for i, carrier in requests.carriers(sorted(names)).items() if not carrier]
        down = [names[i] for i in without for link in (requests.link(i),) if link is not None and not link.up]
        new = set(down) - self._raised
        self._raised |= new
        self.daemon.membership.lift(self.daemon.runtime, new)
        if without and loops.now() < self._until:
            self.daemon.loop.call_later(LOOK, self._wait)
        else:
            self._ask()

    def _ask(self) -> None:
        own = frozenset(link.mac for link in self.daemon.kernel.links.values())
        for name, nic in self._asking.items():
            ips = self._addresses(name)
            if ips:
                try:
                    self._checks.append(DuplicateCheck(nic.ifindex, nic.mac, ips, own))
                except OSError as error:
                    self.daemon.log("info", f"{nic.name}: cannot ask whether addresses of {name} are free: {error}")
        if self._checks:
            self.daemon.loop.call_later(DUPLICATE_WAIT / 2, self._ask_again)
            self.daemon.loop.call_later(DUPLICATE_WAIT, self._verdict)
        else:
            self._verdict()

    def _ask_again(self) -> None:
        """A link that has just come up may have lost the first question."""
        for check in self._checks:
            with contextlib.suppress(OSError):
                check.ask()

    def _verdict(self) -> None:
        taken: Taken = {}
        for check in self._checks:
            taken.update(check.read())
            check.close()
        self._tell(taken)
        self.daemon.membership.lower(self.daemon.runtime, self._raised)
