# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs that appear by themselves: their link is asked first, and no address comes up that another host has by now."""

from __future__ import annotations

from functools import partial
from typing import Dict, List, Set

from .daemon import Daemon
from .occupied import Occupied, Taken
from .runtime import Nic, occupied

AGAIN, AGAIN_AT_MOST = 1.0, 60.0  # s until it is asked again where an address is taken: doubled each time


class Arrivals:
    """Looks after each settle who has come (``Nic.asking``); lets it into service when nobody objects."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self._busy: Set[str] = set()  # those that are being asked about, or wait until they are again
        self._pauses: Dict[str, float] = {}
        daemon.after_settle.append(self.look)

    def look(self) -> None:
        """Ask about all that have come since."""
        new = [n for n in self.daemon.runtime.nics.values() if n.asking and n.attached and n.name not in self._busy]
        self._busy |= {nic.name for nic in new}
        for nic in new:
            Occupied(self.daemon, [nic], partial(self._answered, nic, nic.ifindex))

    def _answered(self, nic: Nic, ifindex: int, taken: Taken) -> None:
        name = nic.name
        if not self._still(nic, ifindex):
            self._busy.discard(name)
            self._pauses.pop(name, None)
            self.look()
        elif not taken:
            self._busy.discard(name)
            self._pauses.pop(name, None)
            nic.asking, nic.taken = False, {}
            self.daemon.settle(f"the addresses of {name} are free")
        else:
            if taken != nic.taken:
                nic.taken = dict(taken)
                way_out = "take it off that host, or out of the hostname files here"
                self.daemon.log("err", f"{name} is not brought into service: {occupied(taken)}; {way_out}")
                self.daemon.settle(f"addresses of {name} are taken")
            pause = self._pauses.get(name, AGAIN)
            self._pauses[name] = min(2 * pause, AGAIN_AT_MOST)
            self.daemon.loop.call_later(pause, partial(self._again, nic, ifindex))

    def _again(self, nic: Nic, ifindex: int) -> None:
        self._busy.discard(nic.name)
        if not self._still(nic, ifindex):
            self._pauses.pop(nic.name, None)
        self.look()

    def _still(self, nic: Nic, ifindex: int) -> bool:
        """Is it the same card, configured still, and still to be asked about?"""
        known: List[Nic] = [n for n in self.daemon.runtime.nics.values() if n is nic]
        return bool(known) and nic.asking and nic.attached and nic.ifindex == ifindex
