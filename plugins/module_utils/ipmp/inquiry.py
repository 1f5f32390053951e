# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which component is meant, and what ``detach`` has to know of it: gathered from sysfs, kernel, runtime and records."""

from __future__ import annotations

from typing import Any, Collection, Dict, List, NamedTuple, Optional

from . import detach
from .arguments import Args, Denial, address, number, text
from .components import Component, ComponentError, Sysfs
from .daemon import Daemon
from .hardware import WAYS
from .journal import JournalError
from .runtime import Nic, Runtime
from .transactions import Transactions
from .usage import Usage


class Meant(NamedTuple):
    """A component as it is now, or, detached, as it was when it went."""

    about: Component
    nics: List[Nic]

    @property
    def card(self) -> Dict[str, Any]:
        """COMPONENT of the control protocol."""
        return self.about.as_dict()

    @property
    def detached(self) -> bool:
        """All of it?"""
        return all(nic.detached for nic in self.nics)

    @property
    def state(self) -> str:
        """attached, detached, or removed: it has left without a detach."""
        if self.detached:
            return "detached"
        return "removed" if all(nic.removed for nic in self.nics) else "attached"


class Inquiry:
    """Changes nothing."""

    def __init__(self, daemon: Daemon, transactions: Transactions, sysfs: str = "/sys") -> None:
        self.daemon, self.transactions, self.sysfs = daemon, transactions, sysfs
        self.usage = Usage(daemon)

    def meant(self, args: Args) -> Meant:
        """The component that the arguments name, with the way in which it is to be taken out; Denial."""
        name, way = text(args, "component"), args.get("hardware") or "auto"
        runtime, links = self.daemon.runtime, self.daemon.kernel.links
        if way not in ("auto", *WAYS):
            raise Denial("invalid", f"'hardware' has to be auto, {', '.join(WAYS)}, not {way!r:.40}")
        must_know_files(runtime, name)
        try:
            found = Sysfs(links, self.sysfs, runtime.nics).component(name, way)
        except ComponentError as error:
            raise Denial("hardware", str(error)) from error
        left = self._left(found.name if found else name)
        # Until udev has named them, the NICs of a card that is back are not those of the record.
        if left is not None and (found is None or not set(found.interfaces) > set(left.about.interfaces)):
            return left
        if found is None and name in runtime.nics:
            found = self._absent(name)
        if found is None:
            raise Denial("unknown", f"there is no interface or component {name}", "unknown-interface")
        return Meant(found, [runtime.nics.get(n) or self._stranger(n) for n in found.interfaces])

    def all(self) -> List[Meant]:
        """Every component of the host, those that have left included."""
        runtime, links = self.daemon.runtime, self.daemon.kernel.links
        found = {c.name: c for c in Sysfs(links, self.sysfs, runtime.nics).all()}
        for name in runtime.nics:
            found.setdefault(name, self._absent(name))
        known = {
            c.name: Meant(c, [runtime.nics.get(n) or self._stranger(n) for n in c.interfaces]) for c in found.values()
        }
        known.update((left.about.name, left) for left in map(self._as_left, self._cards()) if left is not None)
        return list(known.values())

    # -- what has left

    def _cards(self) -> List[Dict[str, Any]]:
        """COMPONENT of each one that is detached, by a transaction that is open or by one that is confirmed."""
        try:
            cards = [record["card"] for record in self.transactions.records.all() if "card" in record]
        except JournalError as error:
            self.daemon.log("err", str(error))
            cards = []
        opened = self.transactions.open
        if opened is not None and opened.kind == "detach" and opened.handed_over:
            cards.append(opened.card)
        return cards

    def _left(self, name: str) -> Optional[Meant]:
        """The detached component of that name, else the one that took the interface of that name along."""
        cards = self._cards()
        chosen = [c for c in cards if c["name"] == name]
        chosen += [c for c in cards if name in c["interfaces"] or name in c["altnames"]]
        return next((left for left in map(self._as_left, chosen) if left is not None), None)

    def _as_left(self, card: Dict[str, Any]) -> Optional[Meant]:
        """None where it is all back, by whatever way."""
        about = self._remembered(card)
        nics = [self.daemon.runtime.nics.get(n) or self._stranger(n, detached=True) for n in about.interfaces]
        return Meant(about, nics) if any(nic.detached or not nic.present for nic in nics) else None

    def _remembered(self, card: Dict[str, Any]) -> Component:
        known = {k: card[k] for k in ("name", "kind", "hardware", "slot")}
        return Component(
            **known,
            interfaces=tuple(card["interfaces"]),
            functions=tuple(card["functions"]),
            drivers=tuple((driver, device) for driver, device in card["drivers"]),
            present=all(name in self.daemon.kernel.links for name in card["interfaces"]),
            altnames=tuple(card["altnames"]),
            macs=tuple(card["macs"].items()),
            ifindexes=tuple(card.get("ifindexes", {}).items()),
        )

    def _absent(self, name: str) -> Component:
        """A NIC that a file names and that is not there: what it was if it has left, else nobody knows."""
        card = self.transactions.absences.card(name)
        if card is None:
            return Component(name, (name,), "none", present=False)
        return self._remembered({**card, "interfaces": [name]})

    def _stranger(self, name: str, *, detached: bool = False) -> Nic:
        """A NIC that no file names."""
        link = self.daemon.kernel.links.get(name)
        present, index, mtu = (True, link.ifindex, link.mtu) if link is not None else (False, 0, 0)
        return Nic(name, present=present, ifindex=index, mtu=mtu, detached=detached)

    # -- the verdict

    def verdict(self, meant: Meant, args: Args) -> detach.Verdict:
        """May it go? args: ``peer``, where the caller is, and ``confirm_timeout``, if a timer is to bring it back."""
        where = address(args, "peer")
        timer = number(args, "confirm_timeout", 0.0) > 0
        runtime, names = self.daemon.runtime, tuple(nic.name for nic in meant.nics)
        held = self.usage.addresses()
        leavers = []
        for nic in meant.nics:
            link = self.daemon.kernel.links.get(nic.name)
            leavers.append(
                detach.Leaver(
                    nic.name,
                    nic.group,
                    nic.usable,
                    tuple(held.get(nic.name, ())),
                    self.daemon.kernel.name_of(link.master) if link is not None else None,
                    self.usage.uppers(nic),
                    tuple(self.usage.routes(nic)[1]),
                    self.usage.sockets(nic),
                )
            )
        survivors = self.survivors(names)
        cut = self.usage.way_to(where, names, lambda nic: bool(survivors.get(nic.group or "")))
        return detach.judge(
            leavers,
            survivors,
            runtime.hosting,
            runtime.placed(without=names),
            unproven=self._unproven(),
            borrowed=meant.about.borrowed,
            strangers=meant.about.strangers,
            cut_off=(cut, str(where)) if cut else None,
            for_good=(meant.about.name, meant.about.hardware) if timer and not meant.about.reversible else None,
        )

    def survivors(self, names: Collection[str]) -> Dict[str, List[str]]:
        """Per group those that work and are not among the names."""
        runtime = self.daemon.runtime
        return {
            g.name: [i.name for i in g.interfaces if i.name not in names and runtime.nics[i.name].usable]
            for g in runtime.config.groups
        }

    def _unproven(self) -> Dict[str, str]:
        """NICs that are believed to work although nothing shows it. Where probes go, one must have been answered."""
        watches = {watch.nic: watch for watch in self.daemon.prober.snapshot().watches}
        found: Dict[str, str] = {}
        for nic in self.daemon.runtime.grouped():
            watch = watches.get(nic.name)
            if not nic.health.link:
                found[nic.name] = "its link is down"
            elif nic.probed and (watch is None or not any(instance.acked for instance in watch.instances)):
                found[nic.name] = "no probe through it has been answered yet"
        return found

    def notes(self, meant: Meant) -> List[str]:
        """What else becomes of it, though it is no reason to refuse."""
        held, found = self.usage.addresses(), []
        declared = {a.ip for i in self.daemon.runtime.config.interfaces() for a in i.addresses}
        for nic in meant.nics:
            others = [ip for ip in held.get(nic.name, ()) if ip not in declared]
            if nic.group and others:
                found.append(f"{', '.join(others)} on {nic.name} belongs to no hostname file and goes with it")
            static = self.usage.routes(nic)[0]
            if static:
                found.append(f"static routes move from {nic.name} to another member: {', '.join(static)}")
        return found


def shown(meant: Meant) -> Dict[str, Any]:
    """COMPONENT with its ``state``."""
    return {**meant.card, "state": meant.state}


def must_know_files(runtime: Runtime, name: str) -> None:
    """After a start with wrong files nobody knows what a NIC is for."""
    if runtime.suspended:
        raise Denial(
            "state",
            f"nothing is known of {name} while the files are wrong: {runtime.files_error}; "
            "mend them, then 'systemctl reload ipmp'",
        )
