# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs become members and cease to be: link up, MTU and kernel settings, and what was before put back."""

from __future__ import annotations

from functools import partial
from typing import Callable, Dict, FrozenSet, Iterable, List, Optional, Set

from . import nl, sysctl
from .components import STACKED
from .kernel import Kernel
from .runtime import Nic, Runtime
from .sysctl import Change, Sysctls


class Membership:
    """Brings settings into line with the runtime; addresses and routes are ``plan``'s business."""

    def __init__(self, root: str, kernel: Kernel, log: Callable[[str, str], None], save: Callable[[], None]) -> None:
        """save: what is known in the runtime is there after a restart, or OSError."""
        self.kernel, self.log, self._save = kernel, log, save
        self.sysctls = Sysctls(root)
        self.failures: List[str] = []  # what the last ``enter`` could not do, and did not say before
        self._refused: Dict[str, int] = {}  # NIC -> MTU that it does not take
        self._down: Set[str] = set()  # NICs that do not come up
        self._warn()

    @property
    def failing(self) -> bool:
        """Is there something that ``enter(again=True)`` would try again?"""
        return bool(self._refused or self._down)

    def enter(self, runtime: Runtime, *, again: bool = False) -> bool:
        """Everything that a plumbed member needs before it gets addresses. True: something was changed.

        again: also what was refused before.
        """
        changed = False
        self.failures = []
        there = {nic.name for nic in runtime.nics.values() if nic.attached}
        self._refused = {name: mtu for name, mtu in self._refused.items() if name in there}
        self._down &= there
        plumbed = [nic for nic in runtime.grouped() if nic.attached]
        links = self.kernel.links
        plumbed.sort(key=lambda nic: nic.name in links and links[nic.name].kind in STACKED)  # they need the link below
        ungrouped = [runtime.nics[interface.name] for interface in runtime.ungrouped()]
        self._remember(runtime, [*plumbed, *ungrouped])
        if plumbed:
            changed |= bool(self._set(self.sysctls.join_host))
        for nic in plumbed:
            changes = self._set(partial(self.sysctls.join, nic.name))
            changed |= bool(changes)
            if changes and nic.joined:
                self.log("err", f"settings of {nic.name} were changed by somebody else; put back: {changes[0]}")
            changed |= self._up(nic, again) | self._mtu(runtime, nic, again)
        for nic in ungrouped:
            changed |= self._up(nic, again) | self._mtu(runtime, nic, again)
        self._warn()
        return changed

    def _remember(self, runtime: Runtime, nics: Iterable[Nic]) -> None:
        """How links were before us, saved before that is changed."""
        known = len(runtime.up_before), len(runtime.mtus)
        for nic in nics:
            link, interface = self.kernel.links[nic.name], runtime.interface(nic.name)
            if not nic.joined:
                runtime.up_before.setdefault(nic.name, link.up and nic.name not in runtime.raised)
                runtime.raised.discard(nic.name)
            if interface is not None and interface.mtu not in (None, link.mtu):
                runtime.mtus.setdefault(nic.name, link.mtu)
        if known != (len(runtime.up_before), len(runtime.mtus)):
            self._saved()

    def lift(self, runtime: Runtime, names: Iterable[str]) -> None:
        """Links of NICs that are not in service go up to be asked; saved before, so that a restart lowers them."""
        new = {name for name in names if name in self.kernel.links} - runtime.raised
        runtime.raised |= new
        if new and not self._saved():
            runtime.raised -= new
        for name in sorted(new & runtime.raised):
            for failure in self._link(self.kernel.links[name].ifindex, name, up=True):
                self.log("info", f"{failure}; it is asked nothing")

    def lower(self, runtime: Runtime, names: Iterable[str]) -> None:
        """Those that were lifted go down again, but for NICs that are in service by now."""
        lifted = runtime.raised & set(names)
        for name in sorted(lifted):
            nic, link = runtime.nics.get(name), self.kernel.links.get(name)
            if link is not None and not (nic is not None and nic.attached):
                for failure in self._link(link.ifindex, name, up=False):
                    self.log("err", f"{failure}; its link stays up")
        runtime.raised -= lifted
        if lifted:
            self._saved()

    def _saved(self) -> bool:
        try:
            self._save()
        except OSError as error:
            self.log("err", f"how links were before cannot be saved: {error}")
            return False
        return True

    def _set(self, join: Callable[[], List[Change]]) -> List[Change]:
        """Addresses come first: a NIC without its settings is better than an address without a NIC."""
        try:
            return join()
        except OSError as error:
            self.log("err", f"kernel settings are left as they are: {error}")
            return []

    def leave(self, runtime: Runtime) -> bool:
        """Settings of NICs that are not members any more, after their addresses have gone."""
        members = _members(runtime)
        gone = [name for name in self.sysctls.members() if name not in members]
        for name in gone:
            self.sysctls.leave(name)
        if not members:
            gone += [""] if self.sysctls.leave_host() else []
        for name in [name for name in runtime.mtus if name not in runtime.nics]:
            gone.append(name)
            link = self.kernel.links.get(name)
            if link is not None:
                self._link(link.ifindex, name, mtu=runtime.mtus[name])
            del runtime.mtus[name]
        for name in [name for name in runtime.up_before if name not in runtime.nics]:
            link = self.kernel.links.get(name)
            if not runtime.up_before.pop(name) and link is not None and not self._used(link.ifindex):
                gone.append(name)
                self._link(link.ifindex, name, up=False)
        self._warn()
        return bool(gone)

    def _used(self, ifindex: int) -> bool:
        """Has somebody else built on it, or given it an address?"""
        built = any(ifindex in (link.master, link.parent) for link in self.kernel.links.values())
        addresses = self.kernel.requests.dump_addresses()
        return built or any(a.ifindex == ifindex and a.scope != nl.SCOPE_LINK for a in addresses)

    @staticmethod
    def without_ipv6(runtime: Runtime) -> FrozenSet[str]:
        """Members on which the kernel refuses IPv6."""
        return frozenset(nic.name for nic in runtime.grouped() if nic.present and sysctl.refuses_ipv6(nic.name))

    def _warn(self) -> None:
        if self.sysctls.warning:
            self.log("err", self.sysctls.warning)
            self.sysctls.warning = None

    def unplumb(self, runtime: Runtime, nic: Nic) -> List[str]:
        """A detached NIC: its own MTU, link down. Returns sentences about what failed."""
        nic.joined = False
        mtu = runtime.mtus.pop(nic.name, None)
        return self._link(nic.ifindex, nic.name, up=False, mtu=mtu) if nic.present else []

    def _up(self, nic: Nic, again: bool) -> bool:
        tried = nic.name in self._down
        if nic.joined and not (again and tried):
            return False
        failures = self._link(nic.ifindex, nic.name, up=True)
        if failures:
            self._down.add(nic.name)
            self._fails([] if tried and nic.joined else failures)
        elif tried:
            self._down.discard(nic.name)
            self.log("info", f"{nic.name} has come up at last")
        nic.joined = True
        return not tried

    def _mtu(self, runtime: Runtime, nic: Nic, again: bool) -> bool:
        """The MTU that the file names; when it names none any more, the one from before. Has it been changed?"""
        interface, link = runtime.interface(nic.name), self.kernel.links[nic.name]
        named = interface.mtu if interface is not None else None
        wanted = named or runtime.mtus.get(nic.name)
        tried = wanted is not None and self._refused.get(nic.name) == wanted
        if tried and not again:
            return False
        self._refused.pop(nic.name, None)
        if wanted is None:
            return False
        if named is None:
            del runtime.mtus[nic.name]
        if wanted == link.mtu:
            return False
        writes = self.kernel.writes
        failures = self._link(nic.ifindex, nic.name, mtu=wanted)
        if failures:
            self._refused[nic.name] = wanted
            self._fails([] if tried else failures)
        elif tried:
            self.log("info", f"{nic.name} has taken its MTU of {wanted} at last")
        return self.kernel.writes > writes

    def _fails(self, failures: List[str]) -> None:
        self.failures += failures
        for failure in failures:
            self.log("err", f"{failure}; it is tried again")

    def _link(self, ifindex: int, name: str, *, up: Optional[bool] = None, mtu: Optional[int] = None) -> List[str]:
        link = self.kernel.requests.link(ifindex)
        failures: List[str] = []
        if link is not None and mtu and link.mtu != mtu:
            try:
                self.kernel.requests.set_link(ifindex, mtu=mtu)
                self.kernel.writes += 1
            except OSError as error:
                failures.append(f"the MTU of {name} cannot be {mtu}: {error.strerror}")
        if link is not None and up is not None and link.up != up:
            try:
                self.kernel.requests.set_link(ifindex, up=up)
                self.kernel.writes += 1
            except OSError as error:
                failures.append(f"{name}: {error.strerror}")
        return failures


def _members(runtime: Runtime) -> FrozenSet[str]:
    """An absent NIC stays a member: its settings go with the device, the saved ones are for its return."""
    return frozenset(nic.name for nic in runtime.grouped() if not nic.detached)
