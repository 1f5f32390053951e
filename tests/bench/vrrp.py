# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""keepalived's VRRP: addresses on one of two hosts."""

from __future__ import annotations

import random
import signal
import time
from typing import Sequence

from bed import eventually

from lab import Lab, describe

from .peers import STARTING, Fault, Programs, mend
from .wire import Ear

ADDRESS = "192.0.2.9"
LINK_LOCAL = "fe80::9"  # VRRP for IPv6 wants one as its first address
HIGH, LOW, LOWEST = 150, 100, 50


class Keepalived:
    """The first host holds the addresses, the second takes over; measured until the client is told of the last one."""

    def __init__(self, advert: float, addresses: Sequence[str] = (ADDRESS,)) -> None:
        self.name = f"keepalived, advert {advert:g} s"
        self.addresses = set(addresses)
        self._advert, self._listed = advert, list(addresses)
        self._family = 6 if ":" in self._listed[0] else 4
        self.lab = Lab(describe(hosts=2, nics=1))
        self._ends = [Programs(host) for host in self.lab.hosts.values()]
        self.programs = self._ends[0]
        try:
            for end, priority in zip(self._ends, (HIGH, LOW)):
                number = 1 + self._ends.index(end)
                end.host.ip(f"address add 192.0.2.{number}/24 dev eth1", "link set eth1 up")
                self._configure(end, priority)
                self._start(end)
            self.settled()
        except BaseException:
            self.close()
            raise

    def _configure(self, end: Programs, priority: int) -> None:
        listed = [f"{ip}/{64 if ':' in ip else 24 if ip == ADDRESS else 32}" for ip in self._listed]
        if ":" in listed[0]:
            listed.insert(0, f"{LINK_LOCAL}/64")
        lines = "".join(f"  {one}\n" for one in listed[1:])
        more = f" virtual_ipaddress_excluded {{\n{lines} }}\n" if lines else ""
        end.write(
            "keepalived.conf",
            "global_defs {\n vrrp_version 3\n}\nvrrp_instance bench {\n state BACKUP\n interface eth1\n"
            f" virtual_router_id 9\n priority {priority}\n advert_int {self._advert:g}\n"
            f" virtual_ipaddress {{\n  {listed[0]}\n }}\n{more}}}\n",
        )

    @staticmethod
    def _start(end: Programs) -> None:
        files = ("-f", "/tmp/keepalived.conf", "-p", "/tmp/pid", "-r", "/tmp/vrrp-pid")
        end.start("/usr/sbin/keepalived", "--dont-fork", "--vrrp", *files)

    def _held(self, end: Programs) -> int:
        """How many of the addresses a host has."""
        lines = end.host.run(["ip", "-o", "address", "show", "dev", "eth1"]).stdout.splitlines()
        return len(self.addresses & {line.split()[3].partition("/")[0] for line in lines})

    def settled(self, home: int = 0) -> None:
        """Returns when the addresses are on that host and nowhere else."""
        everything, away = len(self.addresses), self._ends[1 - home]

        def there() -> bool:
            if self._held(self._ends[home]) == everything and not self._held(away):
                return True
            time.sleep(0.05)  # looking costs more than anything else here
            return False

        eventually(there, f"{self.name}: on host {home + 1}", STARTING)
        time.sleep(0.3)

    def round(self, fault: Fault) -> float:
        """s from the fault until the second host has announced the last address."""
        nic, other = (end.host.nics["eth1"] for end in self._ends)
        with Ear(self.lab.client, "c0", self._family) as ear:
            time.sleep(random.uniform(0, 0.1))
            began = fault(nic)
            heard = max(ear.heard({other.mac}, self.addresses, began).values())
        mend(nic)
        self.settled()
        return heard - began

    def stop_and_start(self) -> None:
        """A planned hand-over and the way back: the holder ends, which it tells the other, and begins again."""
        first = self._ends[0]
        first.signal(signal.SIGTERM)
        first.wait()
        self.settled(1)
        self._start(first)
        self.settled(0)

    def lower_and_raise(self) -> None:
        """A planned hand-over and the way back: the holder's priority is changed while it runs."""
        first = self._ends[0]
        for priority, home in ((LOWEST, 1), (HIGH, 0)):
            self._configure(first, priority)
            first.signal(signal.SIGHUP)
            self.settled(home)

    def close(self) -> None:
        """End both hosts and their network."""
        for end in self._ends:
            end.close()
        self.lab.close()
