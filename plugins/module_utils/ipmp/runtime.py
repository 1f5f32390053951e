# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the daemon knows at this moment: the configuration, each NIC, and who hosts which address.

The one mutable thing of the daemon. It decides nothing: it is read by the pure rooms through ``views`` and written
by ``daemon`` and ``transactions``. What must survive a restart (not a reboot) is in ``dump`` and ``load``.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Dict, FrozenSet, Iterator, List, Mapping, Optional, Set, Tuple

from . import placement
from .health import Health
from .model import Address, Config, Group, Interface
from .placement import Member
from .plan import View
from .probing import Instance


@dataclass
class Nic:
    """One interface that the files name."""

    name: str
    group: Optional[str] = None
    standby: bool = False
    health: Health = field(default_factory=Health)
    present: bool = False
    master: Optional[str] = None  # the bridge or bond that has it; then it is not present
    ifindex: int = 0  # when not present: that of the last time, or 0
    mac: str = ""
    mtu: int = 0
    joined: bool = False  # its link and settings have been made those of a member
    offline: bool = False  # if_mpadm -d
    detached: bool = False  # taken out by a transaction, comes back by attach only
    leaving: bool = False  # its addresses are to move away: a detach, or its slot is about to lose power
    trusted: bool = False  # a rollback in need: it worked before, so its link alone is proof
    asking: bool = False  # it has just come, and whether its addresses are free is not known yet
    taken: Dict[str, str] = field(default_factory=dict)  # while asking: those that another host has, and its MAC
    removed: bool = False  # it was there and has left without a detach; there is a record of it
    held_back: bool = False  # repaired under FAILBACK=no and not used since
    twin: bool = False  # its hardware address is that of another member (CHK-2)
    instances: Tuple[Instance, ...] = ()  # what is probed through it, a family each
    since: float = 0.0  # unix time of the last change of state

    @property
    def attached(self) -> bool:
        """There, and not taken out by a transaction."""
        return self.present and not self.detached

    @property
    def plumbed(self) -> bool:
        """Could hold addresses."""
        return self.attached and not self.offline and not self.twin and not self.asking

    @property
    def usable(self) -> bool:
        """Fit for traffic."""
        return self.plumbed and not self.leaving and not self.health.failed

    @property
    def probed(self) -> bool:
        """Are there targets whose answers tell about it (TST-6: probe capable)?"""
        return any(instance.targets for instance in self.instances)

    @property
    def probe(self) -> str:
        """What the probes say (IST-4)."""
        if not self.instances:
            return "disabled"
        if self.health.failed:
            return "failed"
        return "ok" if self.probed else "unknown"

    @property
    def state(self) -> str:
        """The state that status shows (M-8, and two that Solaris has no word for)."""
        if self.detached:
            return "detached"
        if not self.present:
            return "absent"
        if self.offline or self.twin:
            return "offline"
        if self.health.failed or self.taken:
            return "failed"
        return "unknown" if self.probe == "unknown" else "ok"

    @property
    def reason_of_absence(self) -> str:
        """One sentence with the way out."""
        which = f"interface {self.name} of group {self.group}" if self.group else f"interface {self.name}"
        if self.master:
            return f"{which} belongs to {self.master}; take it out of {self.master} first"
        if self.removed:
            return f"{which} was taken away without a detach; it is configured again when it returns"
        return f"{which} does not exist; it is configured when it appears"

    @property
    def reason(self) -> str:
        """Why it is not ok, for people."""
        if self.detached:
            return "detached; attach brings it back"
        if not self.present:
            return self.reason_of_absence
        if self.offline:
            return "taken offline by the administrator"
        if self.twin:
            return f"its hardware address {self.mac} is that of another interface of the group"
        if self.taken:
            return f"{occupied(self.taken)}; it is asked again, and used when they are free"
        return self.health.reason if self.health.failed else ""


def occupied(taken: Mapping[str, str]) -> str:
    """A sentence about addresses that other hosts have."""
    return "; ".join(f"address {ip} is in use by {mac} on the same link" for ip, mac in sorted(taken.items()))


class Runtime:
    """See the module's docstring."""

    def __init__(self) -> None:
        self.config = Config()
        self.nics: Dict[str, Nic] = {}
        self.hosting: Dict[str, Optional[str]] = {}
        self.wishes: Dict[str, str] = {}  # address -> NIC it shall return to as soon as that is usable
        self.generation = 0
        self.signatures: Dict[str, int] = {}
        self.files_error: Optional[str] = None  # the files on disk are wrong and not in force
        self.suspended = False  # since we started with wrong files: nothing is known to be superfluous
        self.missing: FrozenSet[str] = frozenset()  # NICs that were not there at boot, as long as that is not said
        self.filtered: Dict[str, str] = {}  # NICs whose probes a packet filter stops: a sentence
        self.mtus: Dict[str, int] = {}  # NIC -> its MTU from before ours
        self.up_before: Dict[str, bool] = {}  # NIC -> was its link up before it was ours
        self.raised: Set[str] = set()  # NICs whose link is up only until it has been asked
        self.replaced: Dict[str, str] = {}  # NICs that are another card than before: a sentence, until an attach

    def adopt(self, config: Config, now: float) -> None:
        """Take a new configuration; what is known of NICs that stay is kept."""
        nics: Dict[str, Nic] = {}
        for interface in config.interfaces():
            nic = self.nics.get(interface.name) or Nic(interface.name, since=now)
            if not interface.group and (nic.group or config.defaults.track_interfaces_only_with_groups):  # LOOP-6
                nic.health, nic.offline, nic.held_back = Health(), False, False
            nic.group, nic.standby = interface.group, interface.standby
            nics[interface.name] = nic
        self.config, self.nics = config, nics
        for group in config.groups:
            self.signatures.setdefault(group.name, random.getrandbits(16) << 48)
        self.signatures = {g.name: self.signatures[g.name] for g in config.groups}
        declared = self._declared()
        self.hosting = {ip: nic for ip, nic in self.hosting.items() if ip in declared}
        self.wishes = {ip: nic for ip, nic in self.wishes.items() if ip in declared and nic in nics}
        self.replaced = {name: text for name, text in self.replaced.items() if name in nics}

    def _declared(self) -> FrozenSet[str]:
        return frozenset(a.ip for g in self.config.groups for _owner, a in g.data_addresses)

    def grouped(self) -> Iterator[Nic]:
        """Members of groups."""
        return (nic for nic in self.nics.values() if nic.group)

    def watches(self, nic: Nic) -> bool:
        """Does its failure count? Members' does, and with TRACK_INTERFACES_ONLY_WITH_GROUPS=no everybody's (M-4)."""
        return bool(nic.group) or not self.config.defaults.track_interfaces_only_with_groups

    def watched(self) -> Iterator[Nic]:
        """Those of which it does."""
        return (nic for nic in self.nics.values() if self.watches(nic))

    def repaired(self, nic: Nic, now: float) -> None:
        """It works again; under FAILBACK=no one without a usable address becomes a spare (KRN-11)."""
        nic.since = now
        group = self.config.group_of(nic.name)
        if group is not None and not nic.standby and not self.config.failback(group):
            interface = self.interface(nic.name)
            own = interface is not None and any(a.up and not a.deprecated for a in interface.test_addresses)
            nic.held_back = not own and nic.name not in self.hosting.values()

    def switch(self, nic: Nic, *, offline: bool) -> None:
        """The administrator takes a member out of use, or back: then its addresses come home (OFF-7, FB-4)."""
        nic.offline = offline
        if offline:
            nic.held_back = False
            return
        interface = self.interface(nic.name)
        if interface is not None and not nic.standby:
            self.wishes.update({a.ip: nic.name for a in interface.data_addresses})

    def mark_twins(self) -> None:
        """Of the members with one hardware address all but one are out of use (CHK-2): those that were, or do less."""
        hosts = frozenset(self.hosting.values())
        for group in self.config.groups:
            macs: Dict[str, str] = {}
            there = [self.nics[i.name] for i in group.interfaces if self.nics[i.name].attached]
            for nic in sorted(there, key=lambda n: (n.twin, n.offline, n.name not in hosts, n.name)):
                nic.twin = bool(nic.mac) and macs.setdefault(nic.mac, nic.name) != nic.name

    def by_index(self, ifindex: int) -> Optional[Nic]:
        """The NIC with that index now."""
        return next((n for n in self.nics.values() if n.present and n.ifindex == ifindex), None)

    def interface(self, name: str) -> Optional[Interface]:
        """What the files say of it."""
        return next((i for i in self.config.interfaces() if i.name == name), None)

    def members(self, group: Group) -> Dict[str, Member]:
        """The group's members as placement sees them."""
        result = {}
        for interface in group.interfaces:
            nic = self.nics[interface.name]
            result[nic.name] = Member(nic.usable, nic.plumbed, nic.standby, nic.held_back)
        return result

    def hosted(self, group: Group) -> Dict[str, Optional[str]]:
        """The group's part of hosting."""
        return {a.ip: self.hosting.get(a.ip) for _owner, a in group.data_addresses}

    def placed(self, without: Tuple[str, ...] = ()) -> Dict[str, Optional[str]]:
        """Where every data address belongs now; as if the NICs named in without were gone."""
        result: Dict[str, Optional[str]] = {}
        for group in self.config.groups:
            members = self.members(group)
            for name in without:
                if name in members:
                    members[name] = replace(members[name], usable=False, plumbed=False)
            result.update(placement.place(group, members, self.hosted(group), self.config.failback(group), self.wishes))
        return result

    def located(self, hosting: Mapping[str, Optional[str]]) -> Dict[str, Optional[str]]:
        """Every address that the files want up, test addresses and those of ungrouped NICs included -> where it is."""
        result: Dict[str, Optional[str]] = {}
        for group in self.config.groups:
            result.update({a.ip: hosting.get(a.ip) for _owner, a in group.data_addresses if a.up})
            for interface in group.interfaces:
                result.update(self._fixed(interface, interface.test_addresses))
        for interface in self.config.ungrouped:
            result.update(self._fixed(interface, interface.addresses))
        return result

    def _fixed(self, interface: Interface, addresses: Tuple[Address, ...]) -> Dict[str, Optional[str]]:
        place = interface.name if self.nics[interface.name].plumbed else None
        return {a.ip: place for a in addresses if a.up}

    def views(self, hosting: Mapping[str, Optional[str]], without: Tuple[str, ...] = ()) -> List[View]:
        """What plan needs, for a hosting."""
        result = []
        for group in self.config.groups:
            members = self.members(group)
            for name in without:
                if name in members:
                    members[name] = replace(members[name], usable=False)
            result.append(View(group, members, {a.ip: hosting.get(a.ip) for _owner, a in group.data_addresses}))
        return result

    def ungrouped(self) -> List[Interface]:
        """Interfaces with a file and no group that are there to be configured."""
        return [i for i in self.config.ungrouped if self.nics[i.name].plumbed]

    def active(self, group: Group) -> Tuple[str, ...]:
        """Members that carry traffic."""
        return placement.active(self.members(group), self.hosted(group))

    def group_state(self, group: Group) -> str:
        """ok, degraded or failed (GRP-6)."""
        usable = [self.nics[i.name].usable for i in group.interfaces]
        if not any(usable):
            return "failed"
        return "ok" if all(usable) else "degraded"

    def dump(self) -> Dict[str, Any]:
        """What a restart needs to know; times are those of the monotonic clock of this boot."""
        return {
            "signatures": self.signatures,
            "wishes": self.wishes,
            "hosting": self.hosting,
            "missing": sorted(self.missing),
            "mtus": self.mtus,
            "up_before": self.up_before,
            "raised": sorted(self.raised),
            "replaced": self.replaced,
            "nics": {
                nic.name: {
                    "offline": nic.offline,
                    "detached": nic.detached,
                    "asking": nic.asking,
                    "held_back": nic.held_back,
                    "joined": nic.joined,
                    "ifindex": nic.ifindex,
                    "mac": nic.mac,
                    "since": nic.since,
                    "health": asdict(nic.health),
                }
                for nic in self.nics.values()
            },
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take over what ``dump`` wrote, for the NICs that are still configured."""
        self.signatures.update({g: s for g, s in saved.get("signatures", {}).items() if g in self.signatures})
        self.wishes = {ip: nic for ip, nic in saved.get("wishes", {}).items() if nic in self.nics}
        self.missing = frozenset(saved.get("missing", ()))
        self.mtus = {str(name): int(mtu) for name, mtu in saved.get("mtus", {}).items()}
        self.up_before = {str(name): bool(up) for name, up in saved.get("up_before", {}).items()}
        self.raised = set(map(str, saved.get("raised", ())))
        self.replaced = {n: str(text) for n, text in saved.get("replaced", {}).items() if n in self.nics}
        # Where the kernel has an address decides; this is for addresses that are down and so not in the kernel.
        declared = self._declared()
        self.hosting = {ip: nic for ip, nic in saved.get("hosting", {}).items() if ip in declared}
        for name, known in saved.get("nics", {}).items():
            nic = self.nics.get(name)
            if nic is None:
                continue
            health = {k: v for k, v in known.get("health", {}).items() if k in Health.__dataclass_fields__}
            health["ups"] = tuple(health.get("ups", ()))
            if self.watches(nic):  # else nobody would ever repair it, as ``adopt`` has it too
                nic.health = Health(**health)  # what a newer daemon wrote beside it is not for us
            if nic.group:
                nic.offline, nic.held_back = bool(known.get("offline")), bool(known.get("held_back"))
            nic.asking = bool(known.get("asking"))
            nic.detached, nic.joined = bool(known.get("detached")), bool(known.get("joined"))
            nic.ifindex = int(known.get("ifindex", 0))
            nic.mac, nic.since = str(known.get("mac", "")), float(known.get("since", 0.0))
