# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FRR's BFD between a host and the router."""

from __future__ import annotations

import datetime
import random
import re
import time
from contextlib import suppress
from typing import List, Optional, Tuple

from bed import eventually

from lab import Lab, describe

from .peers import STARTING, Fault, Programs, mend
from .row import BenchError

STEADY = 1.0  # s without a change, before a fault: a session begins slowly, and settles on its interval
TRIES = 10  # rounds that may fail to begin, since a busy machine makes the session end by itself
CHANGE = re.compile(r"^(\S+ \S+) BFD: .*state-change: (\[.*\]) .* -> (\w+)", re.MULTILINE)


class Bfd:
    """A session for each NIC of the host; measured until the host says that the first NIC's is down.

    That is to its advantage: what follows from it, a route or an announcement, is not counted. ``false`` counts how
    often it was down without a fault.
    """

    def __init__(self, interval: int, multiplier: int = 3, nics: int = 1) -> None:
        self.name = f"FRR BFD {interval} ms x {multiplier}" + (f", {nics} sessions" if nics > 1 else "")
        self.false = 0
        self._lab = Lab(describe(hosts=1, nics=nics))
        host = self._lab.hosts["h1"]
        self._nic = host.nics["eth1"]
        self.programs = Programs(host)
        self._ends = [self.programs, Programs(self._lab.router)]
        try:
            host.run("sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2")
            self._sessions = range(1, nics + 1)
            for number in self._sessions:
                host.ip(f"address add 192.0.2.{number}/24 dev eth{number}", f"link set eth{number} up")
            here = [f"192.0.2.254 local-address 192.0.2.{number} interface eth{number}" for number in self._sessions]
            there = [f"192.0.2.{number} local-address 192.0.2.254 interface r0" for number in self._sessions]
            for end, peers in zip(self._ends, (here, there)):
                times = f"receive-interval {interval}\n transmit-interval {interval}\n detect-multiplier {multiplier}"
                log = "log timestamp precision 6\nlog file /tmp/log debugging\ndebug bfd peer\n"
                sessions = "".join(f" peer {peer}\n {times}\n" for peer in peers)
                end.write("bfdd.conf", f"{log}bfd\n{sessions}")
                end.write("zebra.conf", "")
                for program in ("zebra", "bfdd"):
                    name = f"/usr/lib/frr/{program}"
                    end.start(name, "--user", "root", "--group", "root", "--config_file", f"/tmp/{program}.conf")
                    time.sleep(0.5)  # bfdd asks zebra for the interfaces
            self._settle()
        except BaseException:
            self.close()
            raise

    def _changes(self) -> List[Tuple[float, str, str]]:
        """All that the sessions have been through: unix time, which one, state."""
        text = ""
        with suppress(FileNotFoundError):
            text = (self.programs.folder / "log").read_text(encoding="utf-8", errors="replace")
        return [
            (datetime.datetime.strptime(when, "%Y/%m/%d %H:%M:%S.%f").timestamp(), which, state)
            for when, which, state in CHANGE.findall(text)
        ]

    def _settle(self) -> None:
        def steady() -> bool:
            changes = self._changes()
            up = [which for which, state in {which: state for _when, which, state in changes}.items() if state == "up"]
            return len(up) == len(self._sessions) and time.time() - changes[-1][0] > STEADY

        eventually(steady, lambda: f"{self.name}: up; it was {self._changes()[-5:]}", STARTING)

    def _wait_down(self, since: float) -> float:
        def down() -> Optional[float]:
            return next((when for when, _which, state in self._changes() if when >= since and state == "down"), None)

        found = eventually(down, lambda: f"{self.name}: down; it was {self._changes()[-5:]}", STARTING)
        assert found is not None
        return found

    def round(self, fault: Fault) -> float:
        """s from the fault until the session is down."""
        for _try in range(TRIES):
            self._settle()
            asked = time.time()
            time.sleep(random.uniform(0, 0.1))
            began = fault(self._nic)
            down = self._wait_down(asked)
            mend(self._nic)
            if down >= began:
                return down - began
            self.false += 1  # it was down already: nothing was measured
        raise BenchError(f"{self.name}: the session does not stay up without a fault")

    def close(self) -> None:
        """End both sides and their network."""
        for end in self._ends:
            end.close()
        self._lab.close()
