# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control server in a thread of its own, with a handler that a test writes."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List

from ipmp import client, control, loop


def until(true: Callable[[], object]) -> None:
    """Wait for the server's thread to have come so far."""
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, "this never came to pass"
        time.sleep(0.001)


class Bed:
    """What the tests hold on to: the root, the server's log, and the requests that reached the handler."""

    def __init__(self, root: str, answers: Dict[str, Any]) -> None:
        self.root = root
        self.answers = answers  # op: a result, or a function of (args, reply)
        self.requests: List[Dict[str, Any]] = []
        self.log: List[str] = []
        self.loop = loop.Loop(self.log.append)
        self.server = control.ControlServer(client.socket_path(root), self._handle, self.loop, log=self.log.append)
        self._wake, self._woken = os.pipe()
        self._calls: List[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _handle(self, op: str, args: Dict[str, Any], reply: control.Reply) -> None:
        self.requests.append({"op": op, **args})
        answer = self.answers.get(op)
        if answer is None:
            reply.error("invalid", f"there is no operation {op!r}")
        elif callable(answer):
            answer(args, reply)
        else:
            reply.ok(answer)

    def call(self, function: Callable[[], None]) -> None:
        """Run it in the server's thread, and return when it has run."""
        done = threading.Event()
        self._calls.append(lambda: (function(), done.set()))  # type: ignore[func-returns-value]
        os.write(self._woken, b"x")
        assert done.wait(30), self.log

    def start(self) -> None:
        """Serve."""
        self.server.open()
        self.loop.add_fd(self._wake, self._run_calls)
        self._thread.start()

    def stop(self) -> None:
        """The socket is gone afterwards."""
        self.call(self.loop.stop)
        self._thread.join(30)
        self.server.close()
        self.loop.close()
        os.close(self._wake)
        os.close(self._woken)

    def _run(self) -> None:
        self.loop.run()

    def _run_calls(self, _mask: int) -> None:
        os.read(self._wake, 64)
        while self._calls:
            self._calls.pop(0)()


@contextmanager
def serving(root: str, **answers: Any) -> Iterator[Bed]:
    """A running bed. Keywords are operations, with '_' for '-'."""
    bed = Bed(root, {op.replace("_", "-"): answer for op, answer in answers.items()})
    bed.start()
    try:
        yield bed
    finally:
        bed.stop()
