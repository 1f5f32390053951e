# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs that left without being asked: a record of each, until it is there again; and which card a name meant last.

Looks after each settle at who is there. The disk is written in a thread: whatever it takes, addresses have moved by
then and nothing waits for it. What a crash kept from being written is found out anew by the next start.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any, Callable, Dict, FrozenSet, List, Mapping, Optional, Tuple

from . import identity
from .aside import aside
from .components import Sysfs
from .daemon import Daemon
from .identity import Identity
from .journal import Entry, JournalError, Records
from .runtime import Nic

FOLDER, CARDS = "absent", "cards"  # under /var/lib/ipmp: a file for each NIC


class Absences:
    """``records``: by NIC, a RECORD of the control protocol. taken_out: NICs that are out by a detach of ours."""

    def __init__(self, daemon: Daemon, taken_out: Callable[[], FrozenSet[str]], sysfs: str = "/sys") -> None:
        self.daemon, self._taken_out, self._sysfs = daemon, taken_out, sysfs
        self._stores = {folder: Records(daemon.root, folder) for folder in (FOLDER, CARDS)}
        self.records: Dict[str, Entry] = self._load(FOLDER)
        self._cards: Dict[str, Entry] = self._load(CARDS)  # by name: IDENTITY, and COMPONENT as "card"
        self._looks: Dict[str, Tuple[int, str]] = {}  # ifindex and hardware address when it was looked at last
        self._hosting: Dict[str, Optional[str]] = {}
        self._unwritten: Dict[Tuple[str, str], Optional[Entry]] = {}  # None: to be deleted
        self._writing = False
        daemon.after_settle.append(self.look)
        daemon.at_end.append(self._flush)

    def _load(self, folder: str) -> Dict[str, Entry]:
        """A file that makes no sense is forgotten: nothing depends on it."""
        store, found = self._stores[folder], {}
        try:
            for name in store.names():
                try:
                    found[name] = store.read(name) or {}
                except JournalError:
                    store.delete(name)
        except JournalError as error:
            self.daemon.log("err", str(error))
        return found

    def card(self, name: str) -> Optional[Dict[str, Any]]:
        """COMPONENT of a NIC that left unasked, as it was."""
        return self.records[name]["card"] if name in self.records else None

    def look(self) -> None:
        """Who has come, who has gone?"""
        runtime, told = self.daemon.runtime, []
        for nic in runtime.nics.values():
            if nic.present:
                self._recognise(nic)
        out: Optional[FrozenSet[str]] = None
        for nic in runtime.nics.values():
            seen = nic.name in self._looks or nic.ifindex  # in this boot: else it is missing since
            unasked = seen and not nic.present and not nic.detached and not nic.master
            if unasked and nic.name not in self.records and nic.name in self._cards:
                out = self._taken_out() if out is None else out
                if nic.name not in out:
                    told.append(self._removed(nic))
        for name in list(self.records):
            nic_now = runtime.nics.get(name)
            if nic_now is None or nic_now.present or nic_now.detached:
                told += self._ended(name, nic_now)
        for name in [name for name in self._cards if name not in runtime.nics]:
            del self._cards[name]
            self._put(CARDS, name, None)
        for nic in runtime.nics.values():
            nic.removed = nic.name in self.records
        self._hosting = dict(runtime.hosting)
        for text in told:
            self.daemon.log("err", text)

    def _recognise(self, nic: Nic) -> None:
        """Note which card it is, and say so if it is another than the name meant before."""
        link = self.daemon.kernel.links.get(nic.name)
        if link is None or self._looks.get(nic.name) == (link.ifindex, link.mac):
            return
        fresh = self._looks.get(nic.name, (0, ""))[0] != link.ifindex
        sysfs = Sysfs(self.daemon.kernel.links, self._sysfs)
        component = sysfs.component(nic.name)
        if component is None:
            return
        rebooted = nic.name not in self._looks and self.daemon.first_in_boot
        self._looks[nic.name] = (link.ifindex, link.mac)
        now = Identity(link.permanent_mac or link.mac, bool(link.permanent_mac), sysfs.place(nic.name))
        # What has left without power cannot be told to come; what has left the bus may be found by a new scan.
        way = "pci" if component.functions else "none"
        entry = {**now._asdict(), "card": {**component.as_dict(), "hardware": way}}
        saved = self._cards.get(nic.name)
        if saved == entry:
            return
        if saved is not None and fresh:
            self._compare(nic, Identity.read(saved), now, rebooted)
        self._cards[nic.name] = entry
        self._put(CARDS, nic.name, entry)

    def _compare(self, nic: Nic, before: Identity, now: Identity, rebooted: bool) -> None:
        elsewhere = {name: Identity.read(entry) for name, entry in self._cards.items()}
        sentence = identity.another(nic.name, before, now, elsewhere, rebooted=rebooted)
        if sentence is not None:
            self.daemon.runtime.replaced[nic.name] = sentence
            self.daemon.log("err", f"{sentence}; it is used as the files say of {nic.name}")

    def _removed(self, nic: Nic) -> str:
        """Its record begins."""
        runtime, card = self.daemon.runtime, self._cards[nic.name]
        interface = runtime.interface(nic.name)
        moved = [ip for ip, name in self._hosting.items() if name == nic.name]
        moves = [{"address": ip, "from": nic.name, "to": runtime.hosting.get(ip)} for ip in sorted(moved)]
        record = {
            "kind": "removed",
            "component": nic.name,
            "interfaces": [nic.name],
            "mac": {nic.name: str(card.get("mac", ""))},
            "addresses": {nic.name: [a.cidr for a in interface.addresses] if interface is not None else []},
            "moves": moves,
            "lost": [str(move["address"]) for move in moves if move["to"] is None],
            "time": time.time(),
            "newest": self.daemon.kernel.newest,
            "card": card["card"],
            "routes": [],
        }
        self.records[nic.name] = record
        self._put(FOLDER, nic.name, record)
        runtime.replaced.pop(nic.name, None)
        return f"{nic.name} was taken away without a detach; it is configured again when it returns"

    def _ended(self, name: str, nic: Optional[Nic]) -> List[str]:
        """Its record ends: it is there, it was detached after all, or no file names it any more."""
        record = self.records.pop(name)
        self._put(FOLDER, name, None)
        if nic is None or not nic.present:
            return []
        return [f"{name} is there again, {max(0.0, time.time() - record['time']):.0f} s after it was taken away"]

    # -- the disk

    def _put(self, folder: str, name: str, entry: Optional[Mapping[str, Any]]) -> None:
        self._unwritten[folder, name] = None if entry is None else dict(entry)
        if not self._writing:
            self._writing = True
            self.daemon.loop.call_later(0, self._write)

    def _write(self) -> None:
        work, self._unwritten = self._unwritten, {}
        aside(self.daemon.loop, partial(self._store, work), self._written)

    def _store(self, work: Mapping[Tuple[str, str], Optional[Entry]]) -> None:
        """In a thread: one after the other, all of them tried."""
        problem: Optional[JournalError] = None
        for (folder, name), entry in work.items():
            try:
                if entry is None:
                    self._stores[folder].delete(name)
                else:
                    self._stores[folder].write(name, entry)
            except JournalError as error:
                problem = error
        if problem is not None:
            raise problem

    def _written(self, problem: Optional[Exception]) -> None:
        self._writing = False
        if problem is not None:
            self.daemon.log("err", f"{problem}; after a restart less is known of NICs that are missing")
        if self._unwritten:
            self._writing = True
            self._write()

    def _flush(self) -> None:
        """The daemon ends."""
        work, self._unwritten = self._unwritten, {}
        try:
            self._store(work)
        except JournalError as error:
            self.daemon.log("err", str(error))
