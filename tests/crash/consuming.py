# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same with a program in /etc/ipmp/rcm that uses the NIC: whatever happens, it learns in the end how it is."""

from __future__ import annotations

import signal
from typing import List, Mapping

from bed import eventually

from .stories import NIC, Between, Judge, Story, detach, prepare

PROGRAM = f"""#!/bin/sh
case $1 in
scriptinfo) echo rcm_script_version=1; echo rcm_cmd_timeout=20 ;;
register) echo rcm_resource_name=SUNW_network/{NIC} ;;
*) echo $1 >>/run/told ;;
esac
if [ "$1" = "$(cat /run/slow)" ]; then echo $$ >/run/busy.new; mv /run/busy.new /run/busy; exec sleep 60; fi
"""


class ConsumerJudge(Judge):
    """Told in any number of steps, but never wrong about the end."""

    @property
    def stories(self) -> Mapping[str, Story]:
        return {
            "detach": Story(lambda _bed: None, detach, "detached"),
            "rollback": Story(prepare, lambda bed: bed.call("detach-rollback"), "as before"),
        }

    def renew(self) -> None:
        super().renew()
        self.bed.host.write_file("/etc/ipmp/rcm/acme,backup", PROGRAM, 0o755)
        self.forget()

    def forget(self) -> None:
        """Nothing has been told yet, and no command takes long."""
        self.bed.host.run("rm -f /run/told /run/busy")
        self.slow("none")

    def slow(self, command: str) -> None:
        """From now on this one has no end."""
        self.bed.host.run(f"echo {command} >/run/slow")

    def killed_with_it(self) -> None:
        """The daemon and the program that it runs, both at once, as systemd does it. It must be at the slow command."""
        busy = self.bed.root / "run/busy"
        eventually(busy.exists, lambda: f"the consumer is at it; it was told {self.told()}")
        self.bed.stop(signal.SIGKILL)
        self.bed.host.run(f"kill -9 -- -{busy.read_text().strip()}; rm /run/busy")

    def told(self) -> List[str]:
        """All that has been said to it."""
        path = self.bed.root / "run/told"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def home(self) -> None:
        super().home()
        self.forget()

    def over(self) -> None:
        end = "postremove" if self.state() == "detached" else "undoremove"

        def right() -> bool:
            told = self.told()
            return told[-1:] == [end] or (end == "undoremove" and set(told) <= {"queryremove"})

        try:
            eventually(right, "", 8.0)
        except AssertionError:
            raise Between(f"{self.state()}, but the consumer was told {self.told()}") from None
