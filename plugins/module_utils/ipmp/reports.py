# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Solaris' log lines: moves, groups that turn, statistics of probes (section 11.1). Pure."""

from __future__ import annotations

from typing import List, Optional, Sequence

from .health import Note
from .placement import Move
from .probing import Snapshot
from .runtime import Runtime


def moved(runtime: Runtime, cause: str, moves: Sequence[Move]) -> List[Note]:
    """Addresses that went from one NIC to another (FAIL-7, REP-8, FO-7)."""
    owners = {a.ip: i.name for g in runtime.config.groups for i, a in g.data_addresses}
    pairs = dict.fromkeys((m.source, m.target) for m in moves if m.source and m.target)
    home = {m.target for m in moves if m.source and m.target == owners.get(m.address)}
    notes = []
    for source, target in pairs:
        nic = runtime.nics.get(source)
        if nic is not None and not nic.usable:
            notes.append(Note("err", f"Successfully failed over from NIC {source} to NIC {target}"))
        elif target not in home:
            notes.append(Note("info", f"Addresses moved from NIC {source} to NIC {target}: {cause}"))
    return notes + [Note("err", f"Successfully failed back to NIC {name}") for name in sorted(n for n in home if n)]


def turned(runtime: Runtime, name: str, was: Optional[str], now: str) -> List[Note]:
    """A group that has failed as a whole, and one that works again (GRP-6)."""
    if now == "failed" and was is not None:
        return [Note("err", f"All Interfaces in group {name} have failed")]
    if was != "failed":
        return []
    group = runtime.config.group(name)
    first = next((i.name for i in group.interfaces if runtime.nics[i.name].usable), "") if group else ""
    return [Note("err", f"At least 1 interface ({first}) of group {name} has repaired")]


def statistics(snapshot: Snapshot) -> List[Note]:
    """What SIGUSR1 asks for (DMN-5)."""
    missed, times = snapshot.missed, snapshot.missed_times
    lines = [f"Missed sending total of {missed} probes spread over {times} occurrences"]
    for watch in snapshot.watches:
        for instance in watch.instances:
            lines += [
                f"Probe stats on ({'inet6' if instance.family == 6 else 'inet'} {watch.nic})",
                f"Number of probes sent {instance.sent}",
                f"Number of probe acks received {instance.acked}",
                f"Number of probes/acks lost {instance.lost}",
                f"Number of ambiguous probe acks received {instance.unknown}",
            ]
    return [Note("err", line) for line in lines]
