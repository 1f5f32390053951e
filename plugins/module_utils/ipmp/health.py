# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is this NIC fit for traffic? A state machine per NIC over link news, path proofs and time; pure.

Each function takes a ``Health`` and the time, and returns the next ``Health``; what an operator should read
comes back as ``Note``s in Solaris' words. Times are seconds of one monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional, Tuple

LINK_UP_PER_MINUTE = 2  # REP-6
FLAP_WINDOW = 60.0  # s, REP-6
PROOF_TIMEOUT = 45.0  # s; afterwards link-up alone is believed, as Solaris does


@dataclass(frozen=True)
class Note:
    """One line for the log; level is ``err`` or ``info`` (DMN-6)."""

    level: str
    text: str


@dataclass(frozen=True)
class Health:
    """What is believed of one NIC. A NIC never seen before is trusted, link included (LOOP-9)."""

    link: bool = True
    failed: bool = False
    ups: Tuple[float, ...] = ()  # times of the last LINK_UP_PER_MINUTE link-ups
    damped_until: Optional[float] = None  # link is up but flapping: not believed before then
    proving_since: Optional[float] = None  # link is up, the path not yet shown to work
    failures: int = 0
    reason: str = ""

    @property
    def deadline(self) -> Optional[float]:
        """When ``tick`` has something to do, or None."""
        if self.damped_until is not None:
            return self.damped_until
        return None if self.proving_since is None else self.proving_since + PROOF_TIMEOUT


Outcome = Tuple[Health, Tuple[Note, ...]]


def _of_group(name: str, group: Optional[str]) -> str:
    return f"{name} of group {group}" if group else name


def link_down(health: Health, name: str, group: Optional[str]) -> Outcome:
    """Carrier is lost: failed at once, without debounce (FAIL-5, FAIL-7)."""
    if not health.link:
        return health, ()
    notes = [Note("err", f"The link has gone down on {name}")]
    after = replace(health, link=False, damped_until=None, proving_since=None, reason="the link is down")
    if not health.failed:
        after = replace(after, failed=True, failures=health.failures + 1)
        notes.append(Note("err", f"NIC failure detected on {_of_group(name, group)}"))
    return after, tuple(notes)


def link_up(health: Health, name: str, now: float) -> Outcome:
    """Carrier is back: the path must be proved first, and a flapping link must settle (REP-5..7)."""
    if health.link:
        return health, ()
    notes = [Note("err", f"The link has come up on {name}")]
    flapping = len(health.ups) == LINK_UP_PER_MINUTE and now - health.ups[0] <= FLAP_WINDOW
    ups = (*health.ups, now)[-LINK_UP_PER_MINUTE:]
    after = replace(health, link=True, ups=ups)
    if not flapping:
        return replace(after, proving_since=now, reason="the link is up, waiting for proof of the path"), tuple(notes)
    notes.append(
        Note(
            "err",
            f"The link has come up on {name} more than {LINK_UP_PER_MINUTE} times in the last minute; "
            "disabling failback until it stabilizes",
        )
    )
    return replace(after, damped_until=ups[0] + FLAP_WINDOW, reason="the link is flapping"), tuple(notes)


def proved(health: Health, name: str, group: Optional[str]) -> Outcome:
    """The path of a NIC whose link came back is shown to work: it is repaired (REP-8)."""
    if health.proving_since is None:
        return health, ()
    note = Note("err", f"NIC repair detected on {_of_group(name, group)}")
    return replace(health, failed=False, proving_since=None, reason=""), (note,)


def suspect(health: Health, now: float) -> Health:
    """A NIC that appears or is attached: up, but its path has to be proved before addresses go there."""
    reason = "attached, waiting for proof of the path"
    return replace(health, link=True, failed=True, damped_until=None, proving_since=now, reason=reason)


def tick(health: Health, name: str, group: Optional[str], now: float) -> Outcome:
    """Time passed: a damped link may be tried again, a proof may be overdue."""
    if health.damped_until is not None and now >= health.damped_until:
        return replace(
            health, damped_until=None, proving_since=now, reason="the link is up, waiting for proof of the path"
        ), ()
    if health.proving_since is not None and now >= health.proving_since + PROOF_TIMEOUT:
        after, notes = proved(health, name, group)
        doubt = Note("err", f"No proof of the path of {name} in {PROOF_TIMEOUT:.0f} s; trusting its link")
        return after, (doubt, *notes)
    return health, ()
