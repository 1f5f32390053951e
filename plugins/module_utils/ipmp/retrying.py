# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What could not be done is said once, and tried again, ever more rarely."""

from __future__ import annotations

from typing import Callable, Collection, FrozenSet

RETRY, RETRY_AT_MOST = 0.2, 30.0  # s after a step that failed: doubled each time


class Retrying:
    """again(s) is called with the seconds after which to try, when something has failed."""

    def __init__(self, log: Callable[[str, str], None], again: Callable[[float], None]) -> None:
        self.log, self._again = log, again
        self._failures: FrozenSet[str] = frozenset()
        self._pause = RETRY

    def settled(self, failures: Collection[str], *, failing: bool, retry: bool) -> None:
        """failing: something else is left to be tried. retry: this was another try."""
        for failure in failures:
            if failure not in self._failures:
                self.log("err", failure)
        self._failures = frozenset(failures)
        if not failures and not failing:
            self._pause = RETRY
        else:
            self._pause = min(2 * self._pause, RETRY_AT_MOST) if retry else self._pause
            self._again(self._pause)
