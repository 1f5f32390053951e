# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs whose link came back prove their path before addresses go there: the path check, driven by timers."""

from __future__ import annotations

from typing import Callable, Dict, Iterable, List, Mapping, Optional

from . import loop as loops
from .beacon import PathCheck
from .health import PROOF_TIMEOUT
from .model import Group
from .runtime import Nic, Runtime

EVERY = 0.1  # s between questions, while a switch may still be learning
LATER = 0.5  # s between questions after PATIENCE
PATIENCE = 5.0  # s


def patience(runtime: Runtime, nics: Iterable[Nic], slowed: Mapping[str, int]) -> float:
    """s that these NICs may take to show that they work: ten answered probes take two detection times (REP-3).

    slowed: the detection times of groups as they are now, ms, where they differ from the configuration.
    """
    config = runtime.config
    groups = [group for nic in nics for group in (config.group_of(nic.name),) if group is not None]
    times = [max(config.failure_detection_time(g), slowed.get(g.name, 0)) for g in groups]
    return max([PROOF_TIMEOUT + 5, *(2.2 * milliseconds / 1000 + 5 for milliseconds in times)])


class Proofs:
    """Tells ``proved(nic, how)`` for each NIC that waits for proof and gets it."""

    def __init__(self, runtime: Runtime, loop: loops.Loop, proved: Callable[[str, str], None]) -> None:
        self.runtime, self.loop, self._proved = runtime, loop, proved
        self._checks: Dict[str, PathCheck] = {}
        self._timer: Optional[loops.Timer] = None

    def refresh(self) -> None:
        """Begin for NICs that have begun to wait, end for groups where nobody does."""
        for group in self.runtime.config.groups:
            if self._waiting(group):
                self._listen(group)
            elif group.name in self._checks:
                self._end(group.name)
        for name in [n for n in self._checks if self.runtime.config.group(n) is None]:
            self._end(name)
        if self._checks and (self._timer is None or not self._timer.pending):
            self._timer = self.loop.call_later(0, self._ask)

    def close(self) -> None:
        """Stop listening everywhere."""
        for name in list(self._checks):
            self._end(name)

    def _waiting(self, group: Group) -> List[Nic]:
        members = (self.runtime.nics[i.name] for i in group.interfaces)
        return [nic for nic in members if nic.plumbed and nic.joined and nic.health.proving_since is not None]

    def _listen(self, group: Group) -> None:
        check = self._checks.setdefault(group.name, PathCheck(group.name))
        present = {self.runtime.nics[i.name].ifindex for i in group.interfaces if self.runtime.nics[i.name].present}
        for ifindex, fd in check.filenos().items():
            if ifindex not in present:  # the socket has died with its NIC
                self.loop.remove_fd(fd)
                check.remove(ifindex)
        listening = check.filenos()
        for interface in group.interfaces:
            nic = self.runtime.nics[interface.name]
            if nic.plumbed and nic.joined and nic.health.link and nic.ifindex not in listening:
                try:
                    fd = check.add(nic.ifindex, nic.mac)
                except OSError:
                    continue  # it has just gone; its link event says so next
                self.loop.add_fd(fd, lambda _mask, g=group.name, i=nic.ifindex: self._read(g, i))  # type: ignore[misc]

    def _end(self, name: str) -> None:
        check = self._checks.pop(name)
        for fd in check.filenos().values():
            self.loop.remove_fd(fd)
        check.close()

    def _ask(self) -> None:
        now = loops.now()
        soonest = LATER
        for group in self.runtime.config.groups:
            check = self._checks.get(group.name)
            for nic in self._waiting(group) if check else []:
                if nic.trusted:
                    self._proved(nic.name, "it worked before, and the host needs it back")
                    break
                if not any(self.runtime.nics[i.name].usable for i in group.interfaces):
                    self._proved(nic.name, "no other member works, there is nothing to lose")
                    break
                if nic.health.proving_since is not None and now - nic.health.proving_since < PATIENCE:
                    soonest = EVERY
                if check is not None:
                    check.ask(nic.ifindex)
        if self._checks:
            self._timer = self.loop.call_later(soonest, self._ask)

    def _read(self, name: str, ifindex: int) -> None:
        check = self._checks.get(name)
        for proof in check.read(ifindex) if check is not None else []:
            nic, sibling = self.runtime.by_index(proof.ifindex), self.runtime.by_index(proof.sibling)
            if proof.receives and nic is not None and sibling is not None:
                self._proved(nic.name, f"{sibling.name} heard it and was heard")
