# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The complete state of a host: taken before a detach, compared after a rollback; and held against that of a boot.

Kernel, settings of the NICs that leave, and what the daemon makes of the members.
"""

from __future__ import annotations

from typing import Any, Collection, Dict, List

from . import plan, rtnl, sysctl
from .daemon import Daemon
from .model import Group
from .runtime import Nic
from .status import flags

_ROLES = ("STANDBY", "INACTIVE", "OFFLINE")  # flags that say what a NIC is for; what it can do changes by itself


def snapshot(daemon: Daemon, leaving: Collection[str]) -> rtnl.Snapshot:
    """Everything that a rollback has to restore, fit for JSON. Raises rtnl.LibraryMissing."""
    runtime = daemon.runtime
    groups = {nic.group for nic in runtime.nics.values() if nic.name in leaving and nic.group}
    members: Dict[str, Dict[str, Any]] = {
        nic.name: {
            "flags": [flag for flag in flags(runtime, nic) if flag in _ROLES],
            "held back": nic.held_back,
            "hosts": sorted(ip for ip, name in runtime.hosting.items() if name == nic.name),
        }
        for nic in runtime.nics.values()
        if nic.name in leaving or nic.group in groups
    }
    settings = {name: sysctl.own(name) for name in leaving if name in daemon.kernel.links}
    return {**rtnl.snapshot(), "settings": settings, "members": members}


def changes(daemon: Daemon, before: rtnl.Snapshot, leaving: Collection[str]) -> List[str]:
    """What is not as it was, as sentences. A part that was not taken before is not compared."""
    now = snapshot(daemon, leaving)
    return rtnl.compare(before, {part: now[part] for part in before if part in now})


def unlike_a_boot(daemon: Daemon, names: Collection[str]) -> List[str]:
    """What would be otherwise if the host had started with these NICs in their places (T114), as sentences.

    Not where addresses are whose owner cannot have them, nor, with FAILBACK=no, who has which.
    """
    runtime = daemon.runtime
    found: List[str] = []
    for nic in (runtime.nics[name] for name in sorted(names) if name in runtime.nics):
        found += _nic(daemon, nic)
    for group in runtime.config.groups:
        if any(i.name in names for i in group.interfaces):
            found += _homes(daemon, group)
    target = plan.wanted(runtime.views(runtime.hosting), runtime.ungrouped())
    quiet = (plan.Announce, plan.AwaitAddresses)
    steps = plan.steps(daemon.kernel.observe(daemon.record), target)
    return found + [f"kernel: {plan.describe(s)} is still to be done" for s in steps if not isinstance(s, quiet)]


def _nic(daemon: Daemon, nic: Nic) -> List[str]:
    link = daemon.kernel.requests.link(nic.ifindex) if nic.present else None
    if link is None:
        return [f"{nic.name}: it is not there"]
    interface = daemon.runtime.interface(nic.name)
    found: List[str] = []
    if not (nic.usable if nic.group else nic.plumbed):
        found.append(f"{nic.name}: it is {nic.state}: {nic.reason}")
    if not link.up:
        found.append(f"{nic.name}: its link is down")
    if interface is not None and interface.mtu and link.mtu != interface.mtu:
        found.append(f"{nic.name}: its MTU is {link.mtu}, not {interface.mtu}")
    if nic.group:
        found += [f"{nic.name}: setting {change}" for change in daemon.membership.sysctls.drift([nic.name])]
    return found


def _homes(daemon: Daemon, group: Group) -> List[str]:
    """Who has an interface that works has it as its home, and a standby that serves nobody else is one again."""
    runtime = daemon.runtime
    if not runtime.config.failback(group):
        return []
    able = {i.name for i in group.interfaces if runtime.nics[i.name].usable}
    strayed = [
        f"address {a.ip} is on {runtime.hosting.get(a.ip) or 'no interface'}, not on {owner.name}"
        for owner, a in group.data_addresses
        if owner.name in able and not owner.standby and runtime.hosting.get(a.ip) != owner.name
    ]
    return strayed + [f"{name}: it is still a spare" for name in sorted(able) if runtime.nics[name].held_back]
