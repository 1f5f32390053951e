# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The detection time of a group follows the round trip times of its targets, both ways (FDT-1..4). Pure."""

from __future__ import annotations

import math
from typing import Optional, Tuple

from .health import Note
from .targets import SLOW, Target
from .watched import Group, Instance

SETTLING = 60.0  # s without a slow-down before anything is sped up again
ENOUGH = 4  # active targets, so that one may be the exception


class Pace:
    """Remembers the last slow-down of any group: Solaris has one such moment for all."""

    def __init__(self) -> None:
        self._slowed = float("-inf")

    def adapt(self, instance: Instance, target: Target, now: float) -> Optional[Tuple[Note, ...]]:
        """The estimate of a target has changed. None: nothing follows; else what the log should say (FDT-4).

        Either the target is given up as SLOW, or the group has another detection time now.
        """
        group, critical = instance.nic.group, target.rtt.critical
        if critical is None:
            return None
        if critical > group.interval:
            return self._too_slow(instance, target, critical, now)
        if group.slowed and now - self._slowed >= SETTLING and _all_fast(group):
            return self._improve(instance)
        return None

    def _too_slow(self, instance: Instance, target: Target, critical: float, now: float) -> Tuple[Note, ...]:
        group, active = instance.nic.group, instance.targets.active
        others = [t.rtt.critical for t in active if t is not target]
        if len(active) >= ENOUGH and all(c is None or c <= group.interval / 2 for c in others):
            instance.give_up(target, SLOW, now)
            return ()
        self._slowed = now
        group.detection_time = 7 * 2 * math.ceil(critical)
        for each in group.instances:
            if each.extra_due is None and each.due is not None:
                each.extra_due = now + group.configured_interval / 1000  # FDT-2
        return _note(
            group,
            f"Cannot meet requested failure detection time of {group.configured} ms on {_where(instance)} "
            f'new failure detection time for group "{group.name}" is {group.detection_time} ms',
        )

    def _improve(self, instance: Instance) -> Tuple[Note, ...]:
        group = instance.nic.group
        group.detection_time = max(group.detection_time // 2, group.configured)
        if not group.slowed:
            for each in group.instances:
                each.extra_due = None
        return _note(
            group,
            f'Improved failure detection time {group.detection_time} ms on {_where(instance)} for group "{group.name}"',
        )


def _all_fast(group: Group) -> bool:
    """Every target that answers does so within a quarter of the interval (FDT-3); of failed NICs no times are known."""
    times = [t.rtt.critical for i in group.instances for t in i.targets.active]
    return all(c is None or c <= group.interval / 4 for c in times)


def _where(instance: Instance) -> str:
    return f"({'inet' if instance.family == 4 else 'inet6'} {instance.nic.name})"


def _note(group: Group, text: str) -> Tuple[Note, ...]:
    return (Note("err", text),) if group.name else ()
