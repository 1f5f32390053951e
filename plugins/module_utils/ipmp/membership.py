# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs become members and cease to be: link up, MTU and kernel settings, and what was before put back."""

from __future__ import annotations

import os
from functools import partial
from typing import Callable, Dict, FrozenSet, List, Optional

from . import sysctl
from .components import STACKED
from .kernel import Kernel
from .runtime import Nic, Runtime
from .sysctl import Change, Sysctls


class Membership:
    """Brings settings into line with the runtime; addresses and routes are ``plan``'s business."""

    def __init__(self, root: str, kernel: Kernel, log: Callable[[str, str], None]) -> None:
        self.kernel, self.log = kernel, log
        self.sysctls = Sysctls(root)
        self.failing: Dict[str, List[str]] = {}  # NICs whose link is not as it should be, and why; tried again
        self._warn()

    def enter(self, runtime: Runtime) -> bool:
        """Everything that a plumbed member needs before it gets addresses. True: something was changed."""
        changed = False
        plumbed = [nic for nic in runtime.grouped() if nic.attached]
        links = self.kernel.links
        plumbed.sort(key=lambda nic: nic.name in links and links[nic.name].kind in STACKED)  # they need the link below
        if plumbed:
            changed |= bool(self._set(self.sysctls.join_host))
        for nic in plumbed:
            changes = self._set(partial(self.sysctls.join, nic.name))
            changed |= bool(changes)
            if changes and nic.joined:
                self.log("err", f"settings of {nic.name} were changed by somebody else; put back: {changes[0]}")
            if not nic.joined or nic.name in self.failing:
                changed |= not nic.joined
                self._up(runtime, nic)
        for interface in runtime.ungrouped():
            nic = runtime.nics[interface.name]
            if not nic.joined or nic.name in self.failing:
                changed |= not nic.joined
                self._up(runtime, nic)
        for name in [name for name in self.failing if name not in runtime.nics or not runtime.nics[name].attached]:
            del self.failing[name]
        self._warn()
        return changed

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
        self._warn()
        return bool(gone)

    @staticmethod
    def without_ipv6(runtime: Runtime) -> FrozenSet[str]:
        """Members on which the kernel refuses IPv6."""
        return frozenset(nic.name for nic in runtime.grouped() if nic.present and sysctl.refuses_ipv6(nic.name))

    def _warn(self) -> None:
        if self.sysctls.warning:
            self.log("err", self.sysctls.warning)
            self.sysctls.warning = None

    def unplumb(self, nic: Nic) -> List[str]:
        """A detached NIC: its own MTU, link down. Returns sentences about what failed."""
        nic.joined = False
        if not nic.present:
            return []
        return self._link(nic, up=False, mtu=nic.mtu_before)

    def _up(self, runtime: Runtime, nic: Nic) -> None:
        interface = runtime.interface(nic.name)
        wanted = interface.mtu if interface is not None and interface.mtu else 0
        link = self.kernel.links[nic.name]
        nic.mtu_before = nic.mtu_before or link.mtu
        before, failures = self.failing.pop(nic.name, []), self._link(nic, up=True, mtu=wanted)
        if failures:
            self.failing[nic.name] = failures
        for failure in failures:
            if failure not in before:
                self.log("err", f"{failure}; it is tried again")
        if before and not failures:
            self.log("info", f"{nic.name} has been set up at last")
        nic.joined = True

    def _link(self, nic: Nic, *, up: bool, mtu: int) -> List[str]:
        link = self.kernel.requests.link(nic.ifindex)
        if link is None:
            return []
        failures: List[str] = []
        if mtu and link.mtu != mtu:
            failures += self._set_link(nic, f"its MTU cannot be set to {mtu}", mtu=mtu)
        if link.up != up:
            failures += self._set_link(nic, f"its link cannot be set {'up' if up else 'down'}", up=up)
        return failures

    def _set_link(self, nic: Nic, what: str, *, up: Optional[bool] = None, mtu: Optional[int] = None) -> List[str]:
        try:
            self.kernel.requests.set_link(nic.ifindex, up=up, mtu=mtu)
        except OSError as error:
            return [f"{nic.name}: {what}: {os.strerror(error.errno or 0)}"]
        self.kernel.writes += 1
        return []


def _members(runtime: Runtime) -> FrozenSet[str]:
    """An absent NIC stays a member: its settings go with the device, the saved ones are for its return."""
    return frozenset(nic.name for nic in runtime.grouped() if not nic.detached)
