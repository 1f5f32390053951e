# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that were on a NIC before us and are ours now; they return when nothing claims them any more."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, Iterable, List

from . import plan
from .kernel import Kernel


class TakenOver:
    """``held``: as they were."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.held: List[plan.Held] = []

    def load(self, saved: Iterable[Any]) -> None:
        """Those of the daemon before us in this boot."""
        self.held = [plan.Held(*held) for held in saved]

    def note(self, steps: Iterable[plan.Step]) -> None:
        """Steps of which some take addresses of others away, for ours to come in their place."""
        self.held += [s.address for s in steps if isinstance(s, plan.DelAddress) and not s.address.ours]

    def give_back(self, owned: FrozenSet[str], going_back: bool) -> Dict[str, str]:
        """Those that we do not claim any more, with their NICs, if they return; else they are forgotten."""
        gone = [held for held in self.held if held.ip not in owned]
        self.held = [held for held in self.held if held.ip in owned]
        if not going_back:
            return {}
        for held in gone:
            self.kernel.give_back(held)
        return {held.ip: held.nic for held in gone}
