# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is it the NIC, is it the whole group, is it well again? What the results of probes mean (FAIL, GRP, REP). Pure."""

from __future__ import annotations

from typing import List, NamedTuple, Optional

from .history import LOST, NEVER
from .targets import ACTIVE, Target
from .watched import Instance, Nic

FAILS = 5  # NUM_PROBE_FAILS
REPAIRS = 10  # NUM_PROBE_REPAIRS

NIC_FAILED, GROUP_FAILED, NIC_REPAIRED = "nic-failed", "group-failed", "nic-repaired"


class Silence(NamedTuple):
    """Since when nobody has answered a NIC: when the first and the fifth lost probe went out."""

    first: float
    fifth: float


def verdict(instance: Instance, now: float) -> Optional[str]:
    """What the newest result of this instance means for its NIC, if it means anything (FAIL-3, REP-2)."""
    nic = instance.nic
    if nic.failed:
        return NIC_REPAIRED if instance.history.successes() >= REPAIRS else None
    newest = instance.history.newest()
    if newest is None or newest.state != LOST:
        return None
    silence = _silence(nic, now)
    return None if silence is None else _blame(nic, silence)


def dead_target(instance: Instance) -> Optional[Target]:
    """The target of the latest probe, if that one has not answered for long while others have (TGT-12).

    For a host those of the NIC's other family count: when all hosts of one have been replaced, new ones are looked for.
    """
    history = instance.history
    newest = history.newest()
    if newest is None or newest.state != LOST or newest.target.state != ACTIVE:
        return None
    if history.losses(newest.target) < FAILS:
        return None
    streak = history.streak()
    if len(streak) >= FAILS and (instance.targets.routers or not _other_family_answers(instance, streak[-FAILS].sent)):
        return None
    return newest.target


def _other_family_answers(instance: Instance, since: float) -> bool:
    return any(i.history.last_success > since for i in instance.nic.instances.values() if i is not instance)


def _silence(nic: Nic, now: float) -> Optional[Silence]:
    """The silence of a NIC that nobody answers any more, on each family that has targets (FAIL-2).

    Five lost probes may all have gone to dead targets, when one takes the place of another just then; so, other than
    in Solaris, no target that has answered its latest probe may be waiting for its turn.
    """
    found: List[Silence] = []
    for instance in nic.instances.values():
        if not instance.targets:
            continue
        streak = [probe for probe in instance.history.streak() if probe.sent >= instance.counts_from]
        if len(streak) < FAILS or now < instance.quiet_until or instance.history.answering():
            return None
        found.append(Silence(streak[-1].sent, streak[-FAILS].sent))
    # It began when the last family fell silent.
    return Silence(max(s.first for s in found), max(s.fifth for s in found)) if found else None


def _trusted(nic: Nic) -> bool:
    """It is not probed and its link is up: a place to go, where Solaris 10 would give the whole group up (GRP-4)."""
    return not nic.capable and nic.watched.online and nic.watched.link and not nic.failed


def _blame(nic: Nic, silence: Silence) -> Optional[str]:
    """A silent NIC: is it alone in that (GRP-1, GRP-2, GRP-4)? None: too early to tell.

    Solaris takes any success of another member after the first lost probe as a sign that the group is well. A probe
    or two that were lost before everything falls silent, by accident or to a dead target, would then condemn a single
    NIC. So the success has to be later than the fifth lost probe. One between the first and the fifth makes us wait:
    that member is heard again, or the last to fall silent, and then it is for the group. All that within 7.5 P.
    """
    others = [n for n in nic.group.nics.values() if n is not nic and n.capable]
    if not nic.group.name or not others or any(map(_trusted, nic.group.nics.values())):
        return NIC_FAILED
    latest = max((i.history.last_success for n in others if not n.failed for i in n.instances.values()), default=NEVER)
    if latest > silence.fifth:
        return NIC_FAILED
    return None if latest > silence.first else GROUP_FAILED
