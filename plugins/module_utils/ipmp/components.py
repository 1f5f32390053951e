# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which NICs leave together, and how they can be taken out: sysfs asked, nothing decided.

A component is named by an interface (or another name of it), by a PCI function (``0000:00:05.0``), by a PCI device, so
all of its functions (``0000:00:05``), or by a hot-plug slot. What belongs to it depends on the way it is taken out: a
driver that lets go of a card takes all its ports, a slot without power takes all that is in it. A physical function
always takes its virtual ones, and a NIC the members that are built on it (VLANs and the like): they cannot stay. A NIC
without a device (veth, tap, VLAN) is a component of its own.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, Collection, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from .nlparse import LinkEvent

_ADDRESS = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}(\.[0-7])?")
STACKED = ("vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec")  # kinds of links that go with the one below
_NETWORK, _BRIDGE = "0x02", "0x06"  # classes of PCI functions


class ComponentError(Exception):
    """A component cannot be taken out in the way that was asked for. ``str()`` is one sentence."""


@dataclass(frozen=True)
class Component:
    """What leaves together. interfaces are in name order and all here, but for one that is known by a record only."""

    name: str
    interfaces: Tuple[str, ...]
    hardware: str  # one of hardware.WAYS
    present: bool = True
    functions: Tuple[str, ...] = ()  # PCI functions to be removed; their virtual functions go with them
    slot: Optional[str] = None
    drivers: Tuple[Tuple[str, str], ...] = ()  # (folder of the driver below sysfs, name of the device)
    virtual: Tuple[str, ...] = ()  # virtual functions of these
    stacked: Tuple[str, ...] = ()  # of the interfaces those that are built on others of them
    borrowed: Tuple[str, ...] = ()  # of them those that somebody uses who is not on this host, such as a guest
    strangers: Tuple[str, ...] = ()  # what else would go, such as a disk controller
    altnames: Tuple[str, ...] = ()
    macs: Tuple[Tuple[str, str], ...] = ()  # (interface, permanent hardware address, or the present one)
    kind: str = "ethernet"  # pci, slot
    ifindexes: Tuple[Tuple[str, int], ...] = ()  # (interface, its number in the kernel while the component was here)

    @property
    def reversible(self) -> bool:
        """Can the host undo the step? A hypervisor may keep a card without power, and what was built on it is lost."""
        return self.hardware == "none" or (self.hardware != "slot" and not self.virtual and not self.stacked)

    def as_dict(self) -> Dict[str, Any]:
        """COMPONENT of the control protocol."""
        return {
            "name": self.name,
            "kind": self.kind,
            "interfaces": list(self.interfaces),
            "hardware": self.hardware,
            "present": self.present,
            "reversible": self.reversible,
            "functions": list(self.functions),
            "slot": self.slot,
            "drivers": [list(driver) for driver in self.drivers],
            "altnames": list(self.altnames),
            "macs": dict(self.macs),
            "ifindexes": dict(self.ifindexes),
        }


def seen(card: Mapping[str, Any], links: Mapping[str, LinkEvent]) -> str:
    """What became of the COMPONENT of a record since its detach: ``there`` still, ``gone``, or gone and ``back``.

    Whatever returns is another network device to the kernel and has another number, even if it is the same card.
    """
    here = {name: links[name].ifindex for name in card["interfaces"] if name in links}
    if len(here) < len(card["interfaces"]):
        return "gone"
    if "ifindexes" not in card:  # the record of a daemon that kept no numbers
        return "there"
    before = card["ifindexes"]  # without those that were not here when it was detached
    return "there" if any(before.get(name) == index for name, index in here.items()) else "back"


def misnamed(record: Mapping[str, Any], links: Mapping[str, LinkEvent], ours: Collection[str]) -> str:
    """A card that comes under another name is never the one that a RECORD waits for: a sentence if that may be so.

    ours: as for Sysfs.
    """
    newest = record.get("newest")
    missing = ", ".join(name for name in record["interfaces"] if name not in links)
    found = Sysfs(links, ours=ours).newcomers(record["card"], newest) if missing and newest else ()
    if not found:
        return ""
    came = ", ".join(f"{name} ({links[name].permanent_mac or links[name].mac})" for name in found)
    return (
        f"{came} came meanwhile, and no hostname file names it: if that is the new card, have udev name it "
        f"{missing} (a .link file, see systemd.link(5)), or name it in the group instead of {missing}"
    )


class Sysfs:
    """One look at sysfs: the devices of the host's NICs, PCI functions, slots. Cheap enough for each question.

    ours: the NICs that have a file, so that they leave with the one that they are built on.
    """

    def __init__(self, links: Mapping[str, LinkEvent], root: str = "/sys", ours: Collection[str] = ()) -> None:
        self.root, self.links, self._ours = root, links, ours
        self._functions = self._paths("bus/pci/devices")
        found = {name: self._real(f"class/net/{name}/device") for name in links}
        self._devices = {name: path for name, path in found.items() if path}
        self._slots = {name: self._read(f"bus/pci/slots/{name}/address") for name in self._list("bus/pci/slots")}

    def component(self, name: str, way: str = "auto") -> Optional[Component]:
        """The component of that name, None where there is none; ComponentError where it cannot go that way.

        way: one of hardware.WAYS, or auto for what it offers: slot power, else PCI remove, else driver unbind, else
        none.
        """
        nic = self._nic(name)
        functions: Tuple[str, ...]
        named: Tuple[str, ...]
        if nic is not None:
            kind, named = "ethernet", (nic,)
            own = self._function_of(nic)
            functions = (own,) if own else ()
        else:
            address = name if _ADDRESS.fullmatch(name) else self._slots.get(name)
            if not address:
                return None
            kind = "slot" if address != name else "pci"
            functions = self._at(address)
            named = self._nics_of(functions)
            if not named:
                return None
        slot = self._slot_of(functions)
        chosen = self._offered(named, functions, slot) if way == "auto" else way
        if chosen == "slot":
            functions = self._at(self._slots[slot]) if slot else ()
        drivers = self._drivers(named if chosen != "slot" else self._nics_of(functions))
        self._check(nic or name, chosen, functions, slot, drivers)
        virtual = self._virtual(functions)
        together = {*named, *self._nics_of(virtual)}
        if chosen in ("pci", "slot"):
            together |= {*self._nics_of(functions)}
        elif chosen == "driver":
            together |= {n for n in self._devices if any(self._bound(n, driver) for driver in drivers)}
        stacked = self._stacked(together)
        together |= stacked
        return Component(
            nic or name,
            tuple(sorted(together)),
            chosen,
            functions=functions,
            slot=slot,
            drivers=drivers,
            virtual=virtual,
            stacked=tuple(sorted(stacked)),
            borrowed=tuple(self._named(f) for f in virtual if self._driver(f) and not self._nics_of((f,))),
            strangers=self._strangers(functions) if chosen in ("pci", "slot") else (),
            altnames=tuple(sorted(a for n in together for a in self.links[n].altnames)),
            macs=tuple((n, self.links[n].permanent_mac or self.links[n].mac) for n in sorted(together)),
            kind=kind,
            ifindexes=tuple((n, self.links[n].ifindex) for n in sorted(together)),
        )

    def all(self) -> List[Component]:
        """Each NIC but loopback, each PCI device that has a NIC, each slot that has one; sorted by kind and name."""
        devices = {f.rpartition(".")[0] for n in self._devices for f in (self._function_of(n),) if f}
        names = [n for n, link in self.links.items() if not link.loopback]
        found = [self.component(name) for name in (*sorted(names), *sorted(devices), *sorted(self._slots))]
        return [component for component in found if component is not None]

    def place(self, nic: str) -> str:
        """Where its card is: its PCI function, or its device on another bus; "" where it has none."""
        return self._function_of(nic) or os.path.basename(self._devices.get(nic, ""))

    def newcomers(self, card: Mapping[str, Any], newest: int) -> Tuple[str, ...]:
        """NICs without a file that have come since the number newest was given: one may be a new card for that one.

        Only those that have a device as it had; of a card that nobody has seen, those that have one.
        """
        real = bool(card["functions"] or card["drivers"] or not card["ifindexes"])
        others = {n: k for n, k in self.links.items() if k.ifindex > newest and n not in self._ours and not k.loopback}
        return tuple(sorted(n for n, k in others.items() if k.kind not in STACKED and (n in self._devices) == real))

    # -- names

    def _nic(self, name: str) -> Optional[str]:
        if name in self.links:
            return name
        return next((n for n, link in self.links.items() if name in link.altnames), None)

    def _at(self, address: str) -> Tuple[str, ...]:
        """The functions at an address with or without its last part. Those behind a bridge there are not named."""
        return tuple(sorted(f for f in self._functions if f == address or f.rpartition(".")[0] == address))

    def _named(self, function: str) -> str:
        driver = self._driver(function)
        return f"{function} ({driver})" if driver else function

    # -- what belongs to what

    def _function_of(self, nic: str) -> Optional[str]:
        """The nearest PCI function at or above its device: a virtio NIC's own device is not on the PCI bus."""
        path = self._devices.get(nic, "")
        above = [f for f, place in self._functions.items() if _within(path, place)]
        return max(above, key=lambda f: len(self._functions[f]), default=None)

    def _nics_of(self, functions: Iterable[str]) -> Tuple[str, ...]:
        places = [self._functions[f] for f in functions if f in self._functions]
        return tuple(sorted(n for n, path in self._devices.items() if any(_within(path, place) for place in places)))

    def _stacked(self, below: Collection[str]) -> Set[str]:
        """Members that are built on these, or on one that is."""
        found: Set[str] = set()
        while True:
            indexes = {self.links[n].ifindex for n in (*below, *found)}
            more = {n for n, k in self.links.items() if k.kind in STACKED and k.parent in indexes and n in self._ours}
            if more <= found | set(below):
                return found - set(below)
            found |= more

    def _virtual(self, functions: Iterable[str]) -> Tuple[str, ...]:
        """The virtual functions of these."""
        found = []
        for function in functions:
            folder = f"bus/pci/devices/{function}"
            found += [self._real(f"{folder}/{e}") or "" for e in self._list(folder) if e.startswith("virtfn")]
        return tuple(sorted(os.path.basename(path) for path in found if path))

    def _strangers(self, functions: Sequence[str]) -> Tuple[str, ...]:
        """Functions in use at or below these that are neither for networks nor bridges."""
        places = [self._functions[f] for f in functions]
        below = [f for f, path in self._functions.items() if any(_within(path, place) for place in places)]
        kinds = {f: self._read(f"bus/pci/devices/{f}/class") for f in below}
        return tuple(
            self._named(f) for f in sorted(below) if kinds[f][:4] not in (_NETWORK, _BRIDGE) and self._driver(f)
        )

    def _slot_of(self, functions: Sequence[str]) -> Optional[str]:
        """The slot that they are in, at a bridge above them too, if its power can be switched."""
        for name in sorted(self._slots):
            here = [self._functions[f] for f in self._at(self._slots[name])]
            inside = functions and all(any(_within(self._functions[f], place) for place in here) for f in functions)
            if inside and os.path.exists(os.path.join(self.root, f"bus/pci/slots/{name}/power")):
                return name
        return None

    def _offered(self, nics: Sequence[str], functions: Sequence[str], slot: Optional[str]) -> str:
        if functions:
            return "slot" if slot else "pci"
        return "driver" if nics and all(self._drivers((nic,)) for nic in nics) else "none"

    def _check(
        self, name: str, way: str, functions: Sequence[str], slot: Optional[str], drivers: Sequence[Any]
    ) -> None:
        lacks = {
            "pci": "it is on no PCI bus" if not functions else "",
            "slot": "it is in no slot whose power can be switched" if not slot else "",
            "driver": "no driver could let go of it" if not drivers else "",
        }.get(way)
        if lacks:
            raise ComponentError(f"{name} cannot be taken out by {way!r}: {lacks}; use hardware=auto, or none")

    def _drivers(self, nics: Iterable[str]) -> Tuple[Tuple[str, str], ...]:
        """The driver and device of each NIC, once each."""
        found: Dict[Tuple[str, str], None] = {}
        for nic in nics:
            path = self._devices.get(nic)
            driver = self._real(f"{path}/driver") if path else None
            if path and driver:
                found[driver, os.path.basename(path)] = None
        return tuple(sorted(found))

    def _bound(self, nic: str, driver: Tuple[str, str]) -> bool:
        return driver in self._drivers((nic,))

    def _driver(self, function: str) -> str:
        return os.path.basename(self._real(f"bus/pci/devices/{function}/driver") or "")

    # -- files

    def _real(self, path: str) -> Optional[str]:
        """Where it leads to, below the root; None where nothing is."""
        full = os.path.join(self.root, path)
        if not os.path.exists(full):
            return None
        return os.path.relpath(os.path.realpath(full), os.path.realpath(self.root))

    def _paths(self, folder: str) -> Dict[str, str]:
        found = {name: self._real(f"{folder}/{name}") for name in self._list(folder)}
        return {name: path for name, path in found.items() if path}

    def _list(self, folder: str) -> List[str]:
        try:
            return sorted(os.listdir(os.path.join(self.root, folder)))
        except OSError:
            return []

    def _read(self, path: str) -> str:
        try:
            with open(os.path.join(self.root, path), encoding="ascii", errors="replace") as file:
                return file.read().strip()
        except OSError:
            return ""  # it went away while we looked


def _within(path: str, place: str) -> bool:
    return path == place or path.startswith(place + "/")
