# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do the moment a NIC fails, packed while nothing happens.

For each working NIC the answer to "and if this one fails?" is kept ready: the announcements through the survivor,
then the netlink messages. It is used only while nothing has changed since it was packed.
"""

from __future__ import annotations

from typing import Dict, Iterable, List, NamedTuple, Optional, Tuple

from . import plan, sysctl
from .announce import Announcer, announcement
from .kernel import Kernel
from .runtime import Runtime
from .spares import numbered


class Ready(NamedTuple):
    """One prepared failover."""

    targets: Tuple[str, ...]  # the NICs that it relies on
    frames: List[Tuple[int, List[bytes]]]  # ifindex, announcements to send through it
    messages: List[bytes]


def frames_for(kernel: Kernel, nic: str, ips: Iterable[str]) -> List[bytes]:
    """Announcements of these addresses as being behind that NIC."""
    mac, router = kernel.links[nic].mac, sysctl.forwards_ipv6(nic)
    return [announcement(mac, ip, router=router) for ip in ips]


class HotPath:
    """See the module's docstring."""

    def __init__(self, kernel: Kernel, announcer: Announcer) -> None:
        self.kernel, self.announcer = kernel, announcer
        self._ready: Dict[str, Ready] = {}

    def forget(self) -> None:
        """Something has changed: nothing prepared before is right any more."""
        self._ready.clear()

    def prepare(self, runtime: Runtime) -> None:
        """Pack the failover of every NIC that hosts something."""
        self._ready.clear()
        now = plan.wanted(runtime.views(runtime.hosting))
        groups, hops = numbered(
            now.nexthop_groups, now.nexthops, self.kernel.nexthop_groups, self.kernel.nexthops, hurried=True
        )
        standing = plan.Observed(
            frozenset(plan.Held(a.nic, a.ip, a.prefixlen, True, test=a.test) for a in now.addresses),
            hops,
            groups,
            now.routes,
        )
        for nic in runtime.grouped():
            if nic.usable and nic.name in runtime.hosting.values():
                self._ready[nic.name] = self._pack(runtime, nic.name, standing)

    def _pack(self, runtime: Runtime, name: str, standing: plan.Observed) -> Ready:
        after = runtime.placed(without=(name,))
        moved: Dict[str, List[str]] = {}
        for ip, nic in runtime.hosting.items():
            target = after.get(ip)
            if nic == name and target is not None and target != name:
                moved.setdefault(target, []).append(ip)
        steps = [
            step
            for step in plan.steps(standing, plan.wanted(runtime.views(after, without=(name,))), hurried=True)
            if not isinstance(step, (plan.Announce, plan.AwaitAddresses, plan.DelNexthop))
        ]
        frames = [
            (self.kernel.links[target].ifindex, frames_for(self.kernel, target, ips)) for target, ips in moved.items()
        ]
        return Ready(tuple(moved), frames, self.kernel.compile(steps))

    def fire(self, runtime: Runtime, name: str) -> bool:
        """The NIC has failed: announce through the survivor first, then move. False: nothing was prepared."""
        ready: Optional[Ready] = self._ready.pop(name, None)
        if ready is None or not all(runtime.nics[target].usable for target in ready.targets):
            return False
        for ifindex, frames in ready.frames:
            self.announcer.send(ifindex, frames)
        # Failures are left to the reconciliation that follows at once and sees what is missing.
        self.kernel.requests.batch(ready.messages)
        self.kernel.writes += len(ready.messages)
        return True
