# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of the last probes of one instance: a ring of 52 results (PRB-5). Pure. Times are monotonic seconds."""

from __future__ import annotations

from collections import deque
from typing import Deque, List, Optional, Set

from .targets import ACTIVE, Target

RING = 52  # 10 repairs x 5 targets + 2
NEVER = float("-inf")
# UNSENT: the kernel has not taken it. FORGOTTEN: it never did, or we were too late to judge. Else Solaris' numbers.
UNSENT, OPEN, ACKED, LOST, FORGOTTEN = range(5)
_DECIDED = (ACKED, LOST)


class Probe:
    """One probe that counts. ``number`` goes on for ever; on the wire it has 16 bits."""

    __slots__ = ("held_up", "nonce", "number", "sent", "started", "state", "target")

    def __init__(self, number: int, nonce: int, target: Target, started: float) -> None:
        self.number, self.nonce, self.target, self.started = number, nonce, target, started
        self.sent = started  # until ``UNSENT`` is over
        self.state = UNSENT
        self.held_up = False  # its answer came together with another

    @property
    def sequence(self) -> int:
        """The 16 bits on the wire (PKT-1)."""
        return self.number & 0xFFFF

    def leave(self, at: float) -> None:
        """The kernel has taken it."""
        self.sent, self.state = at, OPEN

    @property
    def decided(self) -> bool:
        """It says something about the path."""
        return self.state in _DECIDED


class History:
    """The ring, oldest first. Clearing it forgets results; numbers go on."""

    def __init__(self) -> None:
        self._probes: Deque[Probe] = deque(maxlen=RING)
        self.number = 1  # of the next probe (PKT-1)
        self.proof_from = 1  # older probes do not help to repair
        self.last_success = NEVER  # when the newest answered probe was sent

    def clear(self) -> None:
        """Nothing that was sent before counts any more."""
        self._probes.clear()
        self.last_success = NEVER

    def add(self, target: Target, nonce: int, started: float) -> Probe:
        """The next probe, not yet sent."""
        probe = Probe(self.number, nonce, target, started)
        self.number += 1
        self._probes.append(probe)
        return probe

    def find(self, sequence: int) -> Optional[Probe]:
        """The probe with these 16 bits, or None when it is out of the window (PKT-4)."""
        if not self._probes:
            return None
        place = (sequence - self._probes[0].number) & 0xFFFF
        return self._probes[place] if place < len(self._probes) else None

    def ack(self, probe: Probe) -> None:
        """It is answered, perhaps late: LOST becomes ACKED (PKT-4)."""
        probe.state = ACKED
        self.last_success = max(self.last_success, probe.sent)

    def judge(self, now: float, interval: float, late: bool) -> List[Probe]:
        """Look at the last two before the next one goes out, and return those that are lost (PRB-4).

        The last one may still be on its way as long as it is not older than its target's CRTT (unknown: the interval,
        ms). ``late``: our own timer was, so nobody is to blame: what would be lost is forgotten.
        """
        lost: List[Probe] = []
        for place in range(max(0, len(self._probes) - 2), len(self._probes)):
            probe = self._probes[place]
            if probe.state == UNSENT:
                probe.state = FORGOTTEN
            if probe.state != OPEN:
                continue
            patience = interval if probe.target.rtt.critical is None else probe.target.rtt.critical
            if place < len(self._probes) - 1 or (now - probe.sent) * 1000 > patience:
                probe.state = FORGOTTEN if late else LOST
                if not late:
                    lost.append(probe)
        return lost

    def newest(self) -> Optional[Probe]:
        """The newest probe of which one knows what came of it (FAIL-3, REP-2)."""
        for probe in reversed(self._probes):
            if probe.state in _DECIDED:
                return probe
        return None

    @property
    def losing(self) -> bool:
        """Was the newest one lost?"""
        newest = self.newest()
        return newest is not None and newest.state == LOST

    def streak(self) -> List[Probe]:
        """The lost ones since the last success, newest first, over all targets together (FAIL-2)."""
        lost: List[Probe] = []
        for probe in reversed(self._probes):
            if probe.state == ACKED:
                break
            if probe.state == LOST:
                lost.append(probe)
        return lost

    def answering(self) -> bool:
        """Has a target that is still probed answered its latest probe?"""
        seen: Set[Target] = set()
        for probe in reversed(self._probes):
            if probe.decided and probe.target not in seen:
                if probe.state == ACKED and probe.target.state == ACTIVE:
                    return True
                seen.add(probe.target)
        return False

    def losses(self, target: Target) -> int:
        """How many of the last probes to this target were lost in a row (TGT-12)."""
        count = 0
        for probe in reversed(self._probes):
            if probe.target is target and probe.decided:
                if probe.state == ACKED:
                    break
                count += 1
        return count

    def successes(self) -> int:
        """How many were answered in a row: over all targets, or by the target of the latest one (REP-1).

        Other than Solaris we count only what was sent after the failure: a target whose answers never stopped would
        make the NIC flap. And answers that were held up together are one, however many: the kernel keeps the probes
        of seconds until it knows a MAC address, and a path that was open for a moment has shown no more than that.
        """
        overall = by_target = 0
        unbroken = True
        latest: Optional[Target] = None
        for probe in reversed(self._probes):
            if probe.number < self.proof_from:
                break
            if not probe.decided or probe.held_up:
                continue
            latest = latest or probe.target
            if probe.state == LOST:
                unbroken = False
                if probe.target is latest:
                    break
            else:
                overall += unbroken
                by_target += probe.target is latest
        return max(overall, by_target)
