# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a detector has found and nobody has fetched yet, in order. Pure."""

from __future__ import annotations

from typing import List, Optional, Set

from .health import Note
from .history import Probe
from .probing import Changed, Finding, Reply, Seen, Verdict
from .watched import Instance, Nic

NOTE_PAUSE = 1.0  # s between notes of one kind, so that a flood, or a busy host, cannot fill the log


class Findings:
    """Gathers; ``take`` hands over."""

    def __init__(self) -> None:
        self.verdicts = 0  # said so far (``Orders.taken``)
        self._found: List[Finding] = []
        self._changed: Set[str] = set()
        self._late, self._next_late = 0, float("-inf")  # probes not sent and not yet told, and when to tell

    def take(self) -> List[Finding]:
        """What was found since the last call."""
        found, self._found = self._found, []
        self._changed.clear()
        return found

    def say(self, kind: str, name: str, ifindex: int = 0) -> None:
        """A verdict."""
        self.verdicts += 1
        self._found.append(Verdict(kind, name, ifindex))

    def note(self, *notes: Note) -> None:
        """Lines for the log."""
        self._found += notes

    def changed(self, nic: Nic) -> None:
        """Said once until it is fetched."""
        if nic.name not in self._changed:
            self._changed.add(nic.name)
            self._found.append(Changed(nic.name))

    def strange(self, instance: Instance, reply: Reply, words: str, now: float) -> None:
        """A reply that nobody was waiting for (PKT-4)."""
        instance.unknown += 1
        if now < instance.next_note:
            return
        instance.next_note = now + NOTE_PAUSE
        following = instance.history.number & 0xFFFF
        text = f"{words} seq {reply.sequence} snxt {following} on {instance.nic.name} from {reply.source}"
        self._found.append(Note("info", text))

    def late(self, skipped: int, now: float, due: float, base: float) -> None:
        """Probes that were not sent because we came too late (PRB-3); a busy second is one line."""
        self._late += skipped
        if now < self._next_late:
            return
        self._next_late = now + NOTE_PAUSE
        skipped, self._late = self._late, 0
        times = f"cur_time {now * 1000:.0f} snxt_time {due * 1000:.0f} snxt_basetime {base * 1000:.0f}"
        self._found.append(Note("info", f"missed sending {skipped} probes {times}"))

    def show(self, instance: Instance, probe: Probe, reply: Optional[Reply], epoch: int) -> None:
        """What came of one probe (EVT-2); ``epoch``: ns between our time and unix time."""
        rtt = probe.target.rtt
        self._found.append(
            Seen(
                instance.nic.name,
                instance.family,
                "lost" if reply is None else "acked",
                probe.sequence,
                probe.target.address,
                _unix(probe.started, epoch),
                _unix(probe.sent, epoch),
                # Where the wall clock was set, all that is known of the reply is between which looks it came.
                None if reply is None else _unix(max(reply.received, probe.sent), epoch),
                None if reply is None else _unix(reply.processed, epoch),
                rtt.average,
                rtt.deviation,
            )
        )


def _unix(moment: float, epoch: int) -> int:
    return int(moment * 1e9) + epoch
