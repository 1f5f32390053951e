# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attach: a component is put back into service, and the answer waits until its addresses are home (section 15.5)."""

from __future__ import annotations

from . import health, rerouting
from . import loop as loops
from .arguments import Args, Denial, number
from .control import Reply
from .daemon import Daemon
from .inquiry import Inquiry
from .placement import moves
from .runtime import Nic, Runtime
from .transactions import Transactions


class Attaching:
    """``attach`` of the control protocol."""

    def __init__(self, daemon: Daemon, transactions: Transactions, inquiry: Inquiry) -> None:
        self.daemon, self.transactions, self.inquiry = daemon, transactions, inquiry

    @property
    def runtime(self) -> Runtime:
        """The daemon's."""
        return self.daemon.runtime

    def attach(self, args: Args, reply: Reply) -> None:
        """Denial while the host is busy or the NIC is offline."""
        self.transactions.must_be_idle()
        seconds = number(args, "wait_timeout", 60.0)
        meant = self.inquiry.meant({**args, "hardware": "none"})
        nics, name = meant.nics, meant.about.name
        known = [nic for nic in nics if self.runtime.interface(nic.name) is not None]
        for nic in known:
            if nic.offline:
                raise Denial(
                    "state",
                    f"{nic.name} is offline, so its addresses would not come home; "
                    f"bring it online first with 'if_mpadm -r {nic.name}'",
                )
        messages = [f"no hostname file names {nic.name}; it is left alone" for nic in nics if nic not in known]
        before = dict(self.runtime.hosting)
        changed = any(nic.detached or not nic.present or nic.health.failed for nic in known)
        for nic in nics:
            nic.detached = nic.leaving = False
            if nic in known and nic.group and nic.present and not nic.joined:
                nic.health = health.suspect(nic.health, loops.now())
        for nic in nics:
            if nic not in known:
                self.runtime.nics.pop(nic.name, None)
        self.daemon.settle(f"{name} is attached")

        def tell(held: bool) -> None:
            if held or all(nic.present for nic in nics):  # else the record says how it can be put back, next time
                messages.extend(rerouting.give_back(self.transactions.forget([nic.name for nic in nics])))
            done = [m.as_dict() for m in moves(before, self.runtime.hosting)]
            if held:
                self.daemon.log("info", f"{name} is attached")
                reply.ok({"changed": changed or bool(done), "moves": done, "messages": messages})
                return
            why = "; ".join(f"{nic.name}: {nic.reason or nic.state}" for nic in known if not self._is_home(nic))
            reply.error("timeout", f"after {seconds:.0f} s not everything is in place: {why}", moves=done)

        self.daemon.wait(seconds, lambda: all(self._is_home(nic) for nic in known), tell)

    def _is_home(self, nic: Nic) -> bool:
        """Fit, and with its own addresses unless they are not to come back."""
        interface = self.runtime.interface(nic.name)
        group = self.runtime.config.group_of(nic.name)
        if interface is None or group is None:
            return nic.present
        if not nic.usable:
            return False
        if not self.runtime.config.failback(group) or nic.standby:
            return True
        return all(self.runtime.hosting.get(a.ip) == nic.name for a in interface.data_addresses)
