# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes told to everybody who listens: one event for each change of state, none for a repetition (EVT-4)."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from .control import Stream
from .probing import Seen
from .runtime import Runtime
from .status import flags


class ProbeStreams:
    """Those who want to see each probe (EVT-2); ``wanted`` is told whether there is anybody."""

    def __init__(self, wanted: Callable[[bool], None]) -> None:
        self._wanted = wanted
        self._streams: List[Stream] = []

    def listen(self, stream: Stream) -> None:
        """From now on this one sees every probe."""
        self._streams = [s for s in self._streams if s.open] + [stream]
        self._wanted(True)

    def tell(self, seen: Seen) -> None:
        """One probe was answered, or is lost."""
        event = {"type": "probe", **seen._asdict()}
        self._streams = [s for s in self._streams if s.open and s.send(event)]
        if not self._streams:
            self._wanted(False)


class Publisher:
    """Holds the listeners and what they were told last."""

    def __init__(self) -> None:
        self._streams: List[Stream] = []
        self._interfaces: Optional[Dict[str, Tuple[Any, ...]]] = None
        self._groups: Dict[str, Tuple[Any, ...]] = {}

    def listen(self, stream: Stream) -> None:
        """From now on this one hears everything."""
        self._streams = [s for s in self._streams if s.open] + [stream]

    def emit(self, runtime: Runtime, kind: str, /, **fields: Any) -> None:
        """Tell one EVENT of the control protocol."""
        event = {"type": kind, "time": time.time(), "generation": runtime.generation, **fields}
        self._streams = [s for s in self._streams if s.open and s.send(event)]

    def publish(self, runtime: Runtime) -> List[Tuple[str, Optional[str], str]]:
        """Tell what has changed since the last call; returns (group, state before or None, state now) of groups."""
        interfaces = {
            nic.name: (nic.state, nic.group, tuple(flags(runtime, nic)), nic.health.link, nic.probe)
            for nic in runtime.nics.values()
        }
        groups = {g.name: (runtime.group_state(g), tuple(i.name for i in g.interfaces)) for g in runtime.config.groups}
        before = self._interfaces or {}
        if interfaces != self._interfaces or groups != self._groups:
            runtime.generation += 1
        for name, looks in interfaces.items():
            if before.get(name, ())[:3] == looks[:3]:
                continue  # its link alone, or what probes say, is no state (EVT-3)
            nic = runtime.nics[name]
            self._bump(runtime, nic.group)
            self.emit(
                runtime,
                "if_change",
                interface=name,
                group=nic.group,
                state=nic.state,
                flags=list(looks[2]),
                reason=nic.reason,
                signature=runtime.signatures.get(nic.group or ""),
            )
        turned = self._groups_changed(runtime, groups)
        self._interfaces, self._groups = interfaces, groups
        return turned

    def _groups_changed(
        self, runtime: Runtime, groups: Mapping[str, Tuple[Any, ...]]
    ) -> List[Tuple[str, Optional[str], str]]:
        turned: List[Tuple[str, Optional[str], str]] = []
        for name in sorted({*groups, *self._groups}):
            before, now = self._groups.get(name), groups.get(name)
            if before == now:
                continue
            self._bump(runtime, name)
            if before is None or now is None:
                operation = "add" if before is None else "remove"
                signature = runtime.signatures.get(name)
                self.emit(runtime, "group_change", group=name, operation=operation, signature=signature)
            elif before[1] != now[1]:
                for interface in sorted(set(before[1]) ^ set(now[1])):
                    operation = "add" if interface in now[1] else "remove"
                    self.emit(
                        runtime,
                        "group_member_change",
                        group=name,
                        interface=interface,
                        operation=operation,
                        signature=runtime.signatures.get(name),
                    )
            if now is not None and (before is None or before[0] != now[0]):
                turned.append((name, before[0] if before else None, now[0]))
                self.emit(runtime, "group_state", group=name, state=now[0], signature=runtime.signatures.get(name))
        return turned

    @staticmethod
    def _bump(runtime: Runtime, group: Optional[str]) -> None:
        if group in runtime.signatures:
            runtime.signatures[group] += 1
