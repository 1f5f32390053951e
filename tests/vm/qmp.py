# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU's control socket: commands with their answers, and events as they come."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

from lab import LabError

ANSWER = 60.0  # s; an emulated machine that is saved answers late


class Qmp:
    """Connected when the constructor returns; ``alive`` says whether it is still worth waiting for QEMU."""

    def __init__(self, path: Path, alive: Callable[[], bool]) -> None:
        self.events: List[Dict[str, Any]] = []
        self._socket = _connect(path, alive)
        self._socket.settimeout(ANSWER)
        self._lines = self._socket.makefile("r", encoding="utf-8")
        self._lines.readline()  # the greeting
        self.call("qmp_capabilities")

    def call(self, command: str, **arguments: Any) -> Any:
        """What the command returns; underscores in names of arguments are hyphens. LabError."""
        body = {"execute": command, "arguments": {name.replace("_", "-"): value for name, value in arguments.items()}}
        self._socket.sendall(json.dumps(body).encode() + b"\n")
        while True:
            message = self._read(command)
            if "error" in message:
                raise LabError(f"QEMU refuses {body}: {message['error']['desc']}")
            if "return" in message:
                return message["return"]
            self.events.append(message)

    def wait(self, event: str, timeout: float = 30.0, **data: Any) -> None:
        """Until QEMU has told this event with this data, since the last call of ``wait``; LabError."""
        deadline = time.monotonic() + timeout
        while True:
            for number, told in enumerate(self.events):
                if told["event"] == event and data.items() <= told.get("data", {}).items():
                    del self.events[: number + 1]
                    return
            if time.monotonic() > deadline:
                raise LabError(f"QEMU told no {event} {data} within {timeout:.0f} s")
            time.sleep(0.05)
            self.call("query-status")  # events come before its answer

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def _read(self, command: str) -> Dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise LabError(f"QEMU has ended at {command}")
        found: Dict[str, Any] = json.loads(line)
        return found


def _connect(path: Path, alive: Callable[[], bool]) -> socket.socket:
    deadline = time.monotonic() + ANSWER
    while True:
        link = socket.socket(socket.AF_UNIX)
        try:
            link.connect(str(path))
            return link
        except OSError:
            link.close()
            if not alive() or time.monotonic() > deadline:
                raise LabError("QEMU did not start")
            time.sleep(0.02)
