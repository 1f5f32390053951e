# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is this NIC fit for traffic? A state machine per NIC over link news, verdicts of probes, path proofs and time; pure.

Each function takes a ``Health`` and the time, and returns the next ``Health``; what an operator should read
comes back as ``Note``s in Solaris' words. Times are seconds of one monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional, Tuple

LINK_UP_PER_MINUTE = 2  # REP-6
FLAP_WINDOW = 60.0  # s, REP-6
PROOF_TIMEOUT = 45.0  # s; afterwards link-up alone is believed, as Solaris does

PROVING = "waiting for proof of the path"
PROBING = "waiting for 10 probe replies in a row"  # REP-1


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
    flapping: bool = False  # and that has been said (REP-6)
    probes_lost: bool = False  # failed by its probes, and so repaired by them only (FAIL-1)
    group_lost: bool = False  # failed with its group, and so repaired by probes only, its own or a sibling's (GRP-5)
    failures: int = 0
    reason: str = ""

    @property
    def deadline(self) -> Optional[float]:
        """When ``tick`` has something to do, or None."""
        if self.damped_until is not None:
            return self.damped_until
        return None if self.proving_since is None else self.proving_since + PROOF_TIMEOUT

    @property
    def waiting(self) -> bool:
        """Failed although its link is up and no probe has said so: it will be repaired as soon as it is proved."""
        return self.failed and self.link and not (self.probes_lost or self.group_lost)


Outcome = Tuple[Health, Tuple[Note, ...]]


def _of_group(name: str, group: Optional[str]) -> str:
    return f"{name} of group {group}" if group else name


def link_down(health: Health, name: str, group: Optional[str]) -> Outcome:
    """Carrier is lost: failed at once, without debounce (FAIL-5, FAIL-7)."""
    if not health.link:
        return health, ()
    notes = [Note("err", f"The link has gone down on {name}")]
    after = replace(
        health,
        link=False,
        damped_until=None,
        proving_since=None,
        probes_lost=False,
        group_lost=False,
        reason="the link is down",
    )
    if not health.failed:
        after = replace(after, failed=True, failures=health.failures + 1)
        notes.append(Note("err", f"NIC failure detected on {_of_group(name, group)}"))
    return after, tuple(notes)


def link_up(health: Health, name: str, now: float, probing: bool = False) -> Outcome:
    """Carrier is back: the path must be proved first (REP-7).

    Where it is probed the probes decide, and flapping needs no damping (REP-6); else it must settle first.
    """
    if health.link:
        return health, ()
    notes = [Note("err", f"The link has come up on {name}")]
    if probing:
        return replace(health, link=True, reason=f"the link is up, {PROBING}"), tuple(notes)
    flapping = len(health.ups) == LINK_UP_PER_MINUTE and now - health.ups[0] <= FLAP_WINDOW
    ups = (*health.ups, now)[-LINK_UP_PER_MINUTE:]
    after = replace(health, link=True, ups=ups)
    if not flapping:
        return replace(after, proving_since=now, reason=f"the link is up, {PROVING}"), tuple(notes)
    if not health.flapping:
        text = f"The link has come up on {name} more than {LINK_UP_PER_MINUTE} times in the last minute; "
        notes.append(Note("err", text + "disabling failback until it stabilizes"))
    until = ups[0] + FLAP_WINDOW
    return replace(after, damped_until=until, flapping=True, reason="the link is flapping"), tuple(notes)


def proved(health: Health, name: str, group: Optional[str]) -> Outcome:
    """The path of a NIC whose link came back is shown to work: it is repaired (REP-8)."""
    return repaired(health, name, group) if health.proving_since is not None else (health, ())


def repaired(health: Health, name: str, group: Optional[str]) -> Outcome:
    """Enough probes in a row were answered: it works, however it had failed (REP-1)."""
    if not health.failed or not health.link:
        return health, ()
    note = Note("err", f"NIC repair detected on {_of_group(name, group)}")
    waits = replace(health, damped_until=None, proving_since=None)
    return replace(waits, failed=False, flapping=False, probes_lost=False, group_lost=False, reason=""), (note,)


def unanswered(health: Health, name: str, group: Optional[str]) -> Outcome:
    """Five probes in a row were lost on every family that probes, while others are answered (FAIL-2, FAIL-7)."""
    if health.failed:
        return health, ()
    after = replace(health, failed=True, probes_lost=True, failures=health.failures + 1, reason="its probes are lost")
    return after, (Note("err", f"NIC failure detected on {_of_group(name, group)}"),)


def with_group(health: Health) -> Health:
    """All members lost their probes together: each counts as failed, none is accused (GRP-5)."""
    if health.failed:
        return health
    reason = "the probes of the whole group are lost"
    return replace(health, failed=True, group_lost=True, failures=health.failures + 1, reason=reason)


def proof_by(health: Health, probed: bool, now: float, *, testless: bool = False, groupless: bool = False) -> Health:
    """What a NIC that is failed with its link up has to show: answered probes where it is probed, else its path.

    testless: it has no test address (any more), so what probes said of it does not count (TST-10); groupless: nobody
    in its group has, or the group works again and no probe of its own can say so of this one.
    """
    if testless and health.probes_lost:
        health = replace(health, probes_lost=False)
    if groupless and health.group_lost:
        health = replace(health, group_lost=False)
    if not health.waiting or health.damped_until is not None:
        return health
    if probed and health.proving_since is not None:
        return replace(health, proving_since=None, reason=PROBING)
    if not probed and health.proving_since is None:
        return replace(health, proving_since=now, reason=PROVING)
    return health


def unproved(health: Health) -> Health:
    """It is out of use, so nobody can prove its path, and time proves nothing: that begins anew afterwards (OFF-8)."""
    return health if health.proving_since is None else replace(health, proving_since=None)


def suspect(health: Health, now: float) -> Health:
    """A NIC that appears or is attached: up, but its path has to be proved before addresses go there."""
    return replace(
        health,
        link=True,
        failed=True,
        probes_lost=False,
        group_lost=False,
        damped_until=None,
        proving_since=now,
        reason=f"attached, {PROVING}",
    )


def tick(health: Health, name: str, group: Optional[str], now: float) -> Outcome:
    """Time passed: a damped link may be tried again, a proof may be overdue."""
    if health.damped_until is not None and now >= health.damped_until:
        return replace(health, damped_until=None, proving_since=now, reason=f"the link is up, {PROVING}"), ()
    if health.proving_since is not None and now >= health.proving_since + PROOF_TIMEOUT:
        after, notes = proved(health, name, group)
        doubt = Note("err", f"No proof of the path of {name} in {PROOF_TIMEOUT:.0f} s; trusting its link")
        return after, (doubt, *notes)
    return health, ()
