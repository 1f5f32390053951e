# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long an answer takes: the round trip estimate of one target as seen from one NIC. Pure. Times are ms."""

from __future__ import annotations

from typing import Optional, Tuple

LONGEST = 52  # probe intervals; what took longer says nothing (RTT-2)


class Estimate:
    """Average and mean deviation after Jacobson and Karels (RTT-1); ``critical`` is Solaris' CRTT.

    All three are None as long as nothing is known.
    """

    __slots__ = ("_deferred", "average", "critical", "deviation")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Nothing is known any more (RTT-4)."""
        self.average: Optional[float] = None
        self.deviation: Optional[float] = None
        self.critical: Optional[float] = None
        self._deferred: Optional[float] = None

    def take(self, sample: float, interval: float, together: bool = False) -> bool:
        """One answer to a probe; says whether the estimate is another now.

        A sample that would lift ``critical`` above the interval is put aside until the next one does so as well
        (RTT-3); so a single outlier changes nothing. Two differences from Solaris: answers that come ``together`` with
        the one before count as one, since something had held them up that is over, such as the search for a MAC
        address; and an answer that was quicker than the average lifts nothing above the interval.
        """
        if sample > LONGEST * interval:
            return False
        average, deviation = self._with(sample)
        quick = self.average is not None and sample <= self.average
        if quick and average + 4 * deviation > interval:
            deviation = self._calmed(average, deviation)
        if quick or average + 4 * deviation <= interval:
            self._deferred = None
        elif self._deferred is None or together:
            self._deferred = sample
            return False
        else:
            self._set(*self._with(self._deferred))
            average, deviation = self._with(sample)
            self._deferred = None
        self._set(average, deviation)
        return True

    def lower(self, sample: float) -> bool:
        """One answer to an RTT-only probe: good news or none (FDT-2); says whether it was."""
        if self.average is None or self.critical is None:
            return False
        average, deviation = self._with(sample)
        if sample <= self.average:
            deviation = self._calmed(average, deviation)
        elif average + 4 * deviation >= self.critical:
            return False
        most = self.critical
        self._set(average, deviation)
        self.critical = min(self.critical, most)  # not even by a rounding
        return True

    def _with(self, sample: float) -> Tuple[float, float]:
        if self.average is None or self.deviation is None:
            return sample, sample / 2
        error = sample - self.average
        return max(0.0, self.average + error / 8), self.deviation + (abs(error) - self.deviation) / 4

    def _calmed(self, average: float, deviation: float) -> float:
        """Times that have become much shorter raise the deviation at first; ``critical`` shall not rise for that."""
        return deviation if self.critical is None else min(deviation, (self.critical - average) / 4)

    def _set(self, average: float, deviation: float) -> None:
        self.average, self.deviation, self.critical = average, deviation, average + 4 * deviation
