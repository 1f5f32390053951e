# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs that were missing at boot: which they are, and what is said of each (section 17.2). Pure.

Where their addresses go is the business of ``placement``, as with any other NIC that cannot serve.
"""

from __future__ import annotations

from typing import AbstractSet, FrozenSet, List

from .model import Interface
from .runtime import Runtime


def absent(runtime: Runtime, detached: AbstractSet[str] = frozenset()) -> FrozenSet[str]:
    """Interfaces that have a file and are not there; neither those in detached nor those a detach of this boot took."""
    return frozenset(nic.name for nic in runtime.nics.values() if not nic.present and not nic.detached) - detached


def report(runtime: Runtime, missing: AbstractSet[str], dhcp: AbstractSet[str]) -> List[str]:
    """The lines about the missing interfaces, after their addresses were placed: each name once a family (MISS-5).

    dhcp: those of them that have a file /etc/dhcp.IF (BOOT-4).
    """
    ours = sorted((i for i in runtime.config.interfaces() if i.name in missing), key=lambda i: i.name)
    families = {4: [i for i in ours if i.inet], 6: [i for i in ours if i.inet6]}
    lines = [f"Failed to plumb IPv{f} interface(s): {_names(there)}" for f, there in families.items() if there]
    unserved = [i for i in families[4] if i.name in dhcp]
    if unserved:
        lines.append(f"Failed to configure IPv4 DHCP interface(s): {_names(unserved)}")
    for family, there in families.items():
        if there:
            fates = " ".join(f"{i.name} ({_fate(runtime, i, family)})" for i in there)
            lines.append(f"moving addresses from failed IPv{family} interfaces: {fates}.")
    return lines


def _names(interfaces: List[Interface]) -> str:
    return " ".join(i.name for i in interfaces)


def _fate(runtime: Runtime, interface: Interface, family: int) -> str:
    """A file without data addresses is reported as moved, too, where its group has an alternative (MISS-4)."""
    group = runtime.config.group_of(interface.name)
    members = runtime.members(group) if group else {}
    there = sorted((n for n in members if members[n].plumbed), key=lambda n: (not members[n].standby, n))  # MISS-2
    own = sorted(interface.data_addresses, key=lambda a: a.family != family)
    takers = [nic for nic in (runtime.hosting.get(a.ip) for a in own) if nic] + there
    return f"moved to {takers[0]}" if takers else "couldn't move; no alternative interface"
