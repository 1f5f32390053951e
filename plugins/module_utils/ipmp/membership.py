# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs become members and cease to be: link up, MTU and kernel settings, and what was before put back."""

from __future__ import annotations

from functools import partial
from typing import Callable, FrozenSet, List

from . import nl, sysctl
from .kernel import Kernel
from .runtime import Nic, Runtime
from .sysctl import Change, Sysctls


class Membership:
    """Brings settings into line with the runtime; addresses and routes are ``plan``'s business."""

    def __init__(self, root: str, kernel: Kernel, log: Callable[[str, str], None]) -> None:
        self.kernel, self.log = kernel, log
        self.sysctls = Sysctls(root)
        self._warn()

    def enter(self, runtime: Runtime) -> bool:
        """Everything that a plumbed member needs before it gets addresses. True: something was changed."""
        changed = False
        plumbed = [nic for nic in runtime.grouped() if nic.attached]
        if plumbed:
            changed |= bool(self._set(self.sysctls.join_host))
        for nic in plumbed:
            changes = self._set(partial(self.sysctls.join, nic.name))
            changed |= bool(changes)
            if changes and nic.joined:
                self.log("err", f"settings of {nic.name} were changed by somebody else; put back: {changes[0]}")
            if not nic.joined:
                self._up(runtime, nic)
                changed = True
        for interface in runtime.ungrouped():
            nic = runtime.nics[interface.name]
            if not nic.joined:
                self._up(runtime, nic)
                changed = True
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

    def depart(self, nic: Nic) -> None:
        """A NIC that no file speaks of any more: its own MTU, and down if it was and nobody else uses it by now."""
        if not (nic.present and nic.joined and nic.mtu_before):
            return
        used = any(link.master == nic.ifindex or link.parent == nic.ifindex for link in self.kernel.links.values())
        used = used or any(
            a.ifindex == nic.ifindex and a.scope != nl.SCOPE_LINK for a in self.kernel.requests.dump_addresses()
        )
        for failure in self._link(nic, up=used or not nic.down_before, mtu=nic.mtu_before):
            self.log("err", failure)

    def _up(self, runtime: Runtime, nic: Nic) -> None:
        interface = runtime.interface(nic.name)
        wanted = interface.mtu if interface is not None and interface.mtu else 0
        link = self.kernel.links[nic.name]
        if not nic.mtu_before:
            nic.mtu_before, nic.down_before = link.mtu, not link.up
        for failure in self._link(nic, up=True, mtu=wanted):
            self.log("err", failure)
        nic.joined = True

    def _link(self, nic: Nic, *, up: bool, mtu: int) -> List[str]:
        link = self.kernel.requests.link(nic.ifindex)
        if link is None:
            return []
        try:
            if mtu and link.mtu != mtu:
                self.kernel.requests.set_link(nic.ifindex, mtu=mtu)
                self.kernel.writes += 1
            if link.up != up:
                self.kernel.requests.set_link(nic.ifindex, up=up)
                self.kernel.writes += 1
        except OSError as error:
            return [f"{nic.name}: {error.strerror}"]
        return []


def _members(runtime: Runtime) -> FrozenSet[str]:
    """An absent NIC stays a member: its settings go with the device, the saved ones are for its return."""
    return frozenset(nic.name for nic in runtime.grouped() if not nic.detached)
