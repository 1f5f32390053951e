# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting, restarting and ending the daemon: through systemd where that runs, else as a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import time
from typing import Callable, List, Mapping, Optional, Sequence, Tuple

from ..ipmp import client
from .layout import LIB

ROLLBACK = 60.0  # s that a daemon may take to end: an open transaction is rolled back first
Run = Callable[[Sequence[str]], Tuple[int, str, str]]


class ServiceError(Exception):
    """The daemon did not start or end; ``str()`` is one sentence."""


class Service:
    """The daemon of one host. ``run`` is AnsibleModule.run_command; ``wait``: how long anything may take, in s."""

    def __init__(self, root: str, run: Run, wait: float) -> None:
        self.root, self._run, self.wait = root, run, wait
        self._started: Optional[subprocess.Popen[bytes]] = None
        self.given_up = False  # systemd has, after too many attempts to start it; known after ``lacking``
        self.systemd = os.path.isdir(os.path.join(root, "run/systemd/system"))

    def pid(self) -> Optional[int]:
        """The process that answers on the control socket, or None."""
        try:
            return int(client.Client(self.root, timeout=5).call("ping")["pid"])
        except client.ProtocolMismatch:  # it speaks all the same, and is about to be replaced
            with client.connect(client.socket_path(self.root), 5) as connection:
                credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            return int(struct.unpack("3i", credentials)[0])
        except (client.DaemonUnreachable, client.DaemonError):
            return None

    def lacking(self) -> List[str]:
        """What has to be done for a daemon that runs now and after a boot: of ``enable`` and ``start``."""
        if not self.systemd:
            return [] if self.pid() else ["start"]
        _rc, out, _err = self._run(["systemctl", "show", "-p", "ActiveState,UnitFileState", "ipmp.service"])
        self.given_up = "ActiveState=failed" in out
        lacking = [] if "UnitFileState=enabled" in out else ["enable"]
        return lacking + ([] if "ActiveState=active" in out and self.pid() else ["start"])

    def make(self, steps: Sequence[str]) -> None:
        """Does the steps ``reload-units``, ``enable``, ``start``, ``restart``; returns when the daemon answers."""
        if self.systemd:
            if "reload-units" in steps:
                self._systemctl("daemon-reload")
            if "enable" in steps:
                self._systemctl("enable", "ipmp.service")
            if "start" in steps or "restart" in steps:
                self._run(["systemctl", "reset-failed", "ipmp.service"])  # one that is held may try again
                self._systemctl("restart", "ipmp.service")
        elif "start" in steps or "restart" in steps:
            self._end_process()
            self._start_process()
        if "start" in steps or "restart" in steps:
            self._await_answer()

    def may_release(self, ends: Mapping[str, str]) -> None:
        """Raises client.ClientError when ``release`` would be refused. Nobody can be asked where no daemon runs."""
        if self.pid():
            client.Client(self.root, timeout=self.wait).call("release-query", **ends)

    def release(self, ends: Mapping[str, str]) -> None:
        """Puts the host's network back as it was before us, and ends the daemon.

        Only the daemon knows what was before, so one that does not run is started first. ends: address and peer of a
        connection that has to live on; client.ClientError, and nothing done, if it would not.
        """
        if not self.pid() and os.path.exists(self._program()):
            self.make(["start"])
        pid = self.pid()
        if pid:
            client.Client(self.root, timeout=self.wait).call("release", **ends)
        if self.systemd:
            self._run(["systemctl", "disable", "--now", "ipmp.service"])
        elif pid:
            self._await_end(pid)

    def _program(self) -> str:
        return os.path.join(self.root, LIB, "bin/in.mpathd")

    def _systemctl(self, *words: str) -> None:
        rc, _out, err = self._run(["systemctl", *words])
        if rc:
            raise ServiceError(
                f"systemctl {' '.join(words)} failed: {_last_line(err)}; see: journalctl -u ipmp.service"
            )

    def _log(self) -> str:
        return os.path.join(self.root, "run/ipmp/in.mpathd.log")

    def _start_process(self) -> None:
        # Where nobody listens to syslog the daemon logs to the terminal, which is our file.
        words = [self._program()] if os.path.exists("/dev/log") else [self._program(), "-d"]
        os.makedirs(os.path.dirname(self._log()), mode=0o755, exist_ok=True)
        with open(self._log(), "wb") as log:
            # run_command would wait for it.
            self._started = subprocess.Popen(  # pylint: disable=ansible-bad-function
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True
            )

    def _end_process(self) -> None:
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGTERM)
            self._await_end(pid)

    def _await_end(self, pid: int) -> None:
        wait = max(self.wait, ROLLBACK)
        deadline = time.monotonic() + wait
        while _alive(pid):
            if time.monotonic() > deadline:
                raise ServiceError(f"in.mpathd (process {pid}) does not end within {wait:g} s")
            time.sleep(0.02)

    def _await_answer(self) -> None:
        deadline = time.monotonic() + self.wait
        while not self.pid():
            if self._started is not None and self._started.poll() is not None:
                raise ServiceError(f"in.mpathd has ended at once{self._why()}")
            if time.monotonic() > deadline:
                raise ServiceError(f"in.mpathd does not answer within {self.wait:g} s{self._why()}")
            time.sleep(0.02)

    def _why(self) -> str:
        if self.systemd:
            return "; see: journalctl -u ipmp.service"
        with open(self._log(), encoding="utf-8", errors="replace") as log:
            last = _last_line(log.read())
        return f"; its last words: {last}" if last else ""


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""
