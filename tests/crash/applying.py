# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new configuration put into force, for good or until it is confirmed: just the old one or just the new one."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence

from bed import Bed, eventually
from cards import at_rest

from .stories import FILES, GROUPS, Between, Judge, Story

NEW: Dict[str, Optional[str]] = {
    "hostname.eth1": "192.0.2.11/24 mtu 1300 group g up\naddif 192.0.2.14/24 up\n",  # .13 goes, .14 comes
    "hostname.eth2": "192.0.2.12/24 group g up\n",
    "hostname6.eth2": "group g\naddif 2001:db8::12/64 up\n",
    "hostname6.eth1": None,
    "hostname.eth3": None,  # leaves its group
    "ipmp/groups.conf": "[g]\ngateways = 192.0.2.254\nroutes = 198.51.100.0/24 via 192.0.2.254\n",
}
OLD: Dict[str, Optional[str]] = {**dict.fromkeys(NEW), **FILES, "ipmp/groups.conf": GROUPS}
COMMON = ("192.0.2.11", "192.0.2.12")
COMES = {"as before": ("192.0.2.13", "2001:db8::11"), "applied": ("192.0.2.14", "2001:db8::12")}


def put(bed: Bed, texts: Dict[str, Optional[str]]) -> None:
    """As whoever edits does it: one file after the other."""
    bed.write({name: text for name, text in texts.items() if text is not None or (bed.root / "etc" / name).exists()})


def prepare(bed: Bed) -> str:
    """The new files are there, and nothing is in force yet."""
    previous = {f"/etc/{name}": text for name, text in OLD.items()}
    transaction = bed.call("apply-prepare", previous=previous, confirm_timeout=600)["transaction"]
    put(bed, NEW)
    return str(transaction)


def tried(bed: Bed) -> str:
    """In force, to be confirmed."""
    transaction = prepare(bed)
    bed.call("apply", transaction=transaction, wait_timeout=20)
    return transaction


def confirmed(bed: Bed) -> None:
    """The whole way."""
    bed.call("apply-confirm", transaction=tried(bed))


def apply(bed: Bed) -> None:
    """In force at once, for good."""
    bed.call("apply", wait_timeout=20)


class ApplyJudge(Judge):
    """Its ends are "as before" and "applied"."""

    @property
    def stories(self) -> Mapping[str, Story]:
        return {
            "apply": Story(lambda bed: put(bed, NEW), apply, "applied"),
            "apply, confirmed": Story(lambda _bed: None, confirmed, "applied"),
            "apply, rolled back": Story(tried, lambda bed: bed.call("apply-rollback"), "as before"),
        }

    def renew(self) -> None:
        self.bed.start(FILES, groups=GROUPS)
        eventually(self.bed.on(eth1="192.0.2.11 192.0.2.13 2001:db8::11", eth2="192.0.2.12"), "addresses at home")
        self.ends["as before"] = at_rest(self.bed)
        put(self.bed, NEW)
        apply(self.bed)
        self.ends["applied"] = at_rest(self.bed)
        self.home()

    def home(self) -> None:
        if self.state() == "applied":
            put(self.bed, OLD)
            apply(self.bed)
        self.must_be("as before")

    def state(self) -> str:
        opened = self.bed.call("transactions")["open"]
        if opened is not None and opened["state"] == "rolling-back":
            return "rolling-back"
        return self.files()

    def data(self) -> Sequence[str]:
        return [*COMMON, *COMES[self.files()]]

    def files(self) -> str:
        """The end that the files on disk belong to, even while a transaction is open."""
        etc = self.bed.root / "etc"
        have = {name: path.read_text() if (path := etc / name).exists() else None for name in OLD}
        for end, texts in (("as before", OLD), ("applied", NEW)):
            if all(have[name] == texts.get(name, OLD[name]) for name in OLD):
                return end
        raise Between(f"the files are neither the old nor the new ones: {have}")

    def go_on(self, opened: Dict[str, Any], odd: bool) -> None:
        self.must_hold(self.files())
        if odd:
            self.bed.call("apply-confirm", transaction=opened["transaction"])
        else:
            self.bed.call("apply-rollback")
            if self.files() != "as before":
                raise Between("rolled back, but the files are the new ones")

    def must_hold(self, end: str) -> None:
        """The kernel has what that end has, whatever is open."""
        eventually(lambda: not self.kernel_differences(end), lambda: "; ".join(self.kernel_differences(end)), 8.0)

    def differences(self, end: str) -> List[str]:
        answer = self.bed.call("transactions")
        found = self.kernel_differences(end)
        if answer["open"] is not None:
            found.append(f"a transaction is open: {answer['open']['state']}")
        if self.files() != end:
            found.append(f"the files are {self.files()}")
        if self.bed.status()["files_error"] is not None:
            found.append(f"files_error: {self.bed.status()['files_error']}")
        return found
