# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has become known of the NICs since the daemon last acted: from ``links`` and ``watching``, for ``daemon``."""

from __future__ import annotations

from typing import List, NamedTuple, Tuple

from .health import Note
from .runtime import Nic


class Gathered(NamedTuple):
    """All of it, in the order in which it came."""

    failed: Tuple[Nic, ...]  # were usable and are not
    notes: Tuple[Note, ...]
    causes: Tuple[str, ...]  # empty: nothing to settle
    deferred: Tuple[Tuple[float, str], ...]  # to be settled that many s later at the latest


class News:
    """Whoever learns something adds it; ``take`` hands over."""

    def __init__(self) -> None:
        self._failed: List[Nic] = []
        self._notes: List[Note] = []
        self._causes: List[str] = []
        self._deferred: List[Tuple[float, str]] = []

    def note(self, *notes: Note) -> None:
        """For the log."""
        self._notes += notes

    def cause(self, why: str) -> None:
        """Addresses may have to move, for this reason."""
        self._causes.append(why)

    def defer(self, seconds: float, why: str) -> None:
        """The same, but more is likely to become known by then."""
        self._deferred.append((seconds, why))

    def failed(self, nic: Nic) -> None:
        """It was usable and is not."""
        self._failed.append(nic)

    def take(self) -> Gathered:
        """What was gathered; the next call begins anew."""
        result = Gathered(tuple(self._failed), tuple(self._notes), tuple(self._causes), tuple(self._deferred))
        self._failed, self._notes, self._causes, self._deferred = [], [], [], []
        return result
