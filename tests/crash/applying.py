# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new configuration put into force, for good or until it is confirmed: just the old one or just the new one."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence

from bed import Bed, eventually
from cards import at_rest

from .stories import FILES, GROUPS, Between, Judge, Story

Texts = Dict[str, Optional[str]]  # name below /etc -> text, None where there is no file

NEW: Texts = {
    "hostname.eth1": "192.0.2.11/24 mtu 1300 group g up\naddif 192.0.2.14/24 up\n",  # .13 goes, .14 comes
    "hostname.eth2": "192.0.2.12/24 group g up\n",
    "hostname6.eth2": "group g\naddif 2001:db8::12/64 up\n",
    "hostname6.eth1": None,
    "hostname.eth3": None,  # leaves its group
    "ipmp/groups.conf": "[g]\ngateways = 192.0.2.254\nroutes = 198.51.100.0/24 via 192.0.2.254\n",
}
OLD: Texts = {**dict.fromkeys(NEW), **FILES, "ipmp/groups.conf": GROUPS}
NONE: Texts = dict.fromkeys(OLD)


def put(bed: Bed, texts: Texts) -> None:
    """As whoever edits does it: one file after the other."""
    bed.write({name: text for name, text in texts.items() if text is not None or (bed.root / "etc" / name).exists()})


def apply(bed: Bed) -> None:
    """In force at once, for good."""
    bed.call("apply", wait_timeout=20)


class ApplyJudge(Judge):
    """Its ends are "as before" and "applied": what the files say then, and the addresses that they name."""

    files: Mapping[str, Texts] = {"as before": OLD, "applied": NEW}
    addresses: Mapping[str, Sequence[str]] = {
        "as before": ("192.0.2.11", "192.0.2.12", "192.0.2.13", "2001:db8::11"),
        "applied": ("192.0.2.11", "192.0.2.12", "192.0.2.14", "2001:db8::12"),
    }

    @property
    def stories(self) -> Mapping[str, Story]:
        return {
            "apply": Story(self.edit, apply, "applied"),
            "apply, confirmed": Story(lambda _bed: None, self.confirmed, "applied"),
            "apply, rolled back": Story(self.tried, lambda bed: bed.call("apply-rollback"), "as before"),
        }

    def edit(self, bed: Bed) -> None:
        """The new files are there, and nobody has been told."""
        put(bed, self.files["applied"])

    def edit_back(self, bed: Bed) -> None:
        """So are the old ones."""
        put(bed, self.files["as before"])

    def tried(self, bed: Bed) -> str:
        """In force, to be confirmed."""
        previous = {f"/etc/{name}": text for name, text in self.files["as before"].items()}
        transaction = bed.call("apply-prepare", previous=previous, confirm_timeout=600)["transaction"]
        self.edit(bed)
        bed.call("apply", transaction=transaction, wait_timeout=20)
        return str(transaction)

    def confirmed(self, bed: Bed) -> None:
        """The whole way."""
        bed.call("apply-confirm", transaction=self.tried(bed))

    def renew(self) -> None:
        self.bed.start({name: text for name, text in self.files["as before"].items() if text is not None})
        eventually(lambda: self.bed.hosting().keys() >= {*self.data()}, "addresses at home")
        self.ends["as before"] = at_rest(self.bed)
        self.edit(self.bed)
        apply(self.bed)
        self.ends["applied"] = at_rest(self.bed)
        self.home()

    def home(self) -> None:
        if self.state() == "applied":
            self.edit_back(self.bed)
            apply(self.bed)
        self.must_be("as before")

    def state(self) -> str:
        opened = self.bed.call("transactions")["open"]
        if opened is not None and opened["state"] == "rolling-back":
            return "rolling-back"
        return self.on_disk()

    def data(self) -> Sequence[str]:
        return self.addresses[self.on_disk()]

    def on_disk(self) -> str:
        """The end that the files belong to, even while a transaction is open."""
        etc = self.bed.root / "etc"
        have = {name: path.read_text() if (path := etc / name).exists() else None for name in NONE}
        for end, texts in self.files.items():
            if all(have[name] == texts[name] for name in NONE):
                return end
        raise Between(f"the files are neither the old nor the new ones: {have}")

    def go_on(self, opened: Dict[str, Any], odd: bool) -> None:
        self.must_hold(self.on_disk())
        if odd:
            self.bed.call("apply-confirm", transaction=opened["transaction"])
        else:
            self.bed.call("apply-rollback")
            if self.on_disk() != "as before":
                raise Between("rolled back, but the files are the new ones")

    def must_hold(self, end: str) -> None:
        """The kernel has what that end has, whatever is open."""
        eventually(lambda: not self.kernel_differences(end), lambda: "; ".join(self.kernel_differences(end)), 8.0)

    def differences(self, end: str) -> List[str]:
        answer = self.bed.call("transactions")
        found = self.kernel_differences(end)
        if answer["open"] is not None:
            found.append(f"a transaction is open: {answer['open']['state']}")
        if self.on_disk() != end:
            found.append(f"the files are {self.on_disk()}")
        if self.bed.status()["files_error"] is not None:
            found.append(f"files_error: {self.bed.status()['files_error']}")
        return found


class SetupJudge(ApplyJudge):
    """The first configuration of a host whose links are down."""

    files = {"as before": NONE, "applied": OLD}
    addresses = {"as before": (), "applied": ApplyJudge.addresses["as before"]}

    @property
    def stories(self) -> Mapping[str, Story]:
        return {
            "apply, confirmed": super().stories["apply, confirmed"],
            "apply, rolled back": super().stories["apply, rolled back"],
            "apply, thought better of": Story(self.edit, apply, "applied", self.edit_back),
        }

    def renew(self) -> None:
        for name in self.bed.host.nics:  # one that was never up has no queue, and never again none
            self.bed.host.run(f"ip link set {name} up; ip link set {name} down")
        super().renew()
