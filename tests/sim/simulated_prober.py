# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The prober of a simulated host: the real detector, and a link on which NICs and routers fall silent when told to."""

from __future__ import annotations

import itertools
import random
from typing import List, Optional, Set

from ipmp.detection import Detector
from ipmp.model import family_of
from ipmp.probing import UNICAST, Finding, Orders, Reply, Snapshot

ROUND_TRIP = 0.001  # s


class SimulatedProber:
    """Stands where ``Prober`` stands; ``run`` is its thread."""

    def __init__(self, seed: int = 1) -> None:
        self.detector = Detector(random.Random(seed), itertools.count(1 << 40).__next__)
        self.now = 0.0
        self.silent: Set[str] = set()  # NICs through which nothing gets
        self.deserted = False  # nobody answers anybody

    def assign(self, orders: Orders) -> None:
        """New orders."""
        self.detector.assign(orders, self.now)

    def findings(self) -> List[Finding]:
        """What was found."""
        return self.detector.take()

    def snapshot(self) -> Snapshot:
        """For status."""
        return self.detector.snapshot()

    def wake(self) -> Optional[float]:
        """When ``run`` has something to do."""
        return self.detector.wake()

    def run(self, now: float) -> None:
        """Send what is due, and hear the answers."""
        self.now = now
        for send in self.detector.run(now):
            self.detector.sent(send, now, False)
            if send.kind == UNICAST and not self.deserted and send.nic not in self.silent:
                heard = now + ROUND_TRIP
                self.detector.reply(
                    Reply(
                        send.ifindex,
                        family_of(send.target),
                        send.target,
                        send.kind,
                        send.sequence,
                        send.nonce,
                        heard,
                        heard,
                    ),
                    heard,
                )
