# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Peers are told where addresses are: at once, and again, for one lost frame must not cost an ARP lifetime."""

from __future__ import annotations

from typing import Dict, FrozenSet, List, Mapping, Optional, Tuple

from .announce import Announcer
from .hotpath import frames_for
from .kernel import Kernel
from .loop import Loop
from .runtime import Runtime

REPEAT = (0.1, 1.0, 5.0)  # s after a move: announcements once more


class Announcing:
    """See the module's docstring."""

    def __init__(self, runtime: Runtime, kernel: Kernel, loop: Loop, announcer: Announcer) -> None:
        self.runtime, self.kernel, self.loop, self.announcer = runtime, kernel, loop, announcer
        self._bare: Dict[str, FrozenSet[str]] = {}  # group -> members that worked without an address of their own

    def announce(self, news: Dict[str, Optional[str]]) -> None:
        """Addresses that are on another NIC than before.

        A member without an address of its own has put others' addresses into its ARP requests, so when it goes
        all addresses of the group are announced, though none of them moves.
        """
        self.announcer.keep(frozenset(nic.ifindex for nic in self.runtime.nics.values() if nic.present))
        for group in self.runtime.config.groups:
            hosted = self.runtime.hosted(group)
            hosts = frozenset(hosted.values())
            bare = frozenset(i.name for i in group.interfaces if not i.test_addresses and i.name not in hosts)
            working = frozenset(i.name for i in group.interfaces if self.runtime.nics[i.name].usable)
            gone = self._bare.get(group.name, frozenset()) - working
            self._bare[group.name] = bare & working
            if gone or (bare and any(ip in news for ip in hosted)):
                news.update({ip: nic for ip, nic in hosted.items() if nic})
        if not news:
            return
        self._once(tuple(news))
        for delay in REPEAT:
            self.loop.call_later(delay, lambda: self._once(tuple(news)))

    def announce_others(self, places: Mapping[str, str]) -> None:
        """Addresses that are not ours any more, and where they are now."""
        for ip, nic in places.items():
            link = self.kernel.links.get(nic)
            if link is not None:
                self.announcer.send(link.ifindex, frames_for(self.kernel, nic, [ip]))

    def _once(self, ips: Tuple[str, ...]) -> None:
        by_nic: Dict[str, List[str]] = {}
        for ip in ips:
            nic = self.runtime.hosting.get(ip)
            if nic is not None and self.runtime.nics[nic].present:
                by_nic.setdefault(nic, []).append(ip)
        for nic, addresses in by_nic.items():
            self.announcer.send(self.runtime.nics[nic].ifindex, frames_for(self.kernel, nic, addresses))
