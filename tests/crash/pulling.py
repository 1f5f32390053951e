# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same with a card that is taken out: the daemon puts it back itself when it rolls back, beside its loop."""

from __future__ import annotations

import signal
from typing import Any, Dict, Mapping

from bed import Bed, eventually
from cards import CARDS_DRIVER, Cards

from ipmp import hardware

from .stories import NIC, Judge, Story

FUNCTION = "00f0:00:05.0"
SYSFS = {  # what the daemon writes to when it puts the card back
    "pci": ["/sys/bus/pci/rescan"],
    "driver": [f"/sys/bus/pci/drivers/{CARDS_DRIVER}/bind"],
}


def component(bed: Bed) -> Dict[str, Any]:
    """COMPONENT as the daemon knows it, in the host or out of it."""
    found: Dict[str, Any] = bed.call("detach-query", component=NIC, hardware="auto", consumers=False)["component"]
    return found


def sysfs(bed: Bed) -> str:
    """The host's, seen from here."""
    return f"{bed.root}/sys"


class PulledJudge(Judge):
    """Detached is: the card is out. way: "pci" or "driver"."""

    def __init__(self, bed: Bed, way: str = "pci") -> None:
        self.way = way
        self.cards = Cards(bed, {FUNCTION: [NIC]})
        self._in = False
        super().__init__(bed)

    @property
    def stories(self) -> Mapping[str, Story]:
        return {
            "detach": Story(lambda _bed: None, self.detach, "detached"),
            "rollback": Story(self.committed, lambda bed: bed.call("detach-rollback"), "as before"),
        }

    def renew(self) -> None:
        self.close()
        self.bed.stop(signal.SIGKILL)
        self.bed.reset()
        self.cards.__enter__()
        self._in = True
        super().renew()

    def close(self) -> None:
        """The host has its own /sys again."""
        if self._in:
            self._in = False
            self.cards.__exit__(None, None, None)

    def committed(self, bed: Bed) -> str:
        """Addresses away and the card out, to be confirmed."""
        answer = bed.call("detach-prepare", component=NIC, hardware=self.way, confirm_timeout=600)
        hardware.take_out(answer["component"], sysfs=sysfs(bed))
        bed.call("detach-commit", transaction=answer["transaction"])
        return str(answer["transaction"])

    def detach(self, bed: Bed) -> None:
        bed.call("detach-confirm", transaction=self.committed(bed))

    def attach(self, bed: Bed) -> None:
        hardware.put_back(component(bed), sysfs=sysfs(bed))
        eventually(lambda: component(bed)["present"], "the card is back")
        super().attach(bed)

    def go_on(self, opened: Dict[str, Any], odd: bool) -> None:
        if odd:
            hardware.take_out(component(self.bed), sysfs=sysfs(self.bed))
            super().go_on(opened, odd)
        else:
            self.bed.call("detach-rollback")
