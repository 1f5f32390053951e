# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What probing costs: the CPU time of the prober's thread in namespaces of their own; prints JSON.

    python tests/bench/prober_cpu.py [SECONDS]

Needs root. The far ends of the cables answer by themselves, in the kernel; what that costs is in the figures, since a
veth runs it in the sender's time.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Dict, List, Union

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "plugins/module_utils"), str(HERE.parent / "kernel"), str(HERE.parent)]

from namespaces import Namespace  # noqa: E402

from ipmp.prober import Prober  # noqa: E402
from ipmp.probing import Orders, ProbeSource, Router, Snapshot, Watched, WatchedGroup  # noqa: E402

SETTLING = 2.0  # s

# Name: (NICs, failure detection time in ms, targets a NIC)
CASES = {
    "default, 8 NICs": (8, 10000, 5),
    "1000 probes/s, 40 NICs": (40, 560, 5),  # both families; P = 80 ms
    "8 NICs, detection time 100 ms": (8, 100, 5),  # both families; P = 14 ms, 1143 probes/s
}
Figures = Dict[str, Union[int, float, str]]


class Bed:
    """A host with that many NICs, each with a cable to a host of its own side that has all the targets."""

    def __init__(self, nics: int, targets: int) -> None:
        self.host, self.peer = Namespace(), Namespace()
        self.host.run("sysctl", "-q", "-w", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
        self.host.run("sysctl", "-q", "-w", "net.ipv4.conf.default.arp_ignore=1")
        self.peer.ip("link add sw type bridge mcast_snooping 0", "link set sw up")
        self.targets = [f"192.0.2.{1 + number}" for number in range(targets)]
        self.targets += [f"fe80::{1 + number}" for number in range(targets)]
        for target in self.targets:
            self.peer.ip(f"addr add {target}/{64 if ':' in target else 24} dev sw")
        self.nics: List[Watched] = []
        for number in range(nics):
            name, source = f"m{number}", f"192.0.2.{100 + number}"
            self.host.veth(name, f"p{number}", self.peer)
            self.peer.ip(f"link set p{number} master sw")
            self.host.ip(f"addr add {source}/32 dev {name} scope link noprefixroute")
            local = self.host.show(f"-6 addr show dev {name} scope link")[0]["addr_info"][0]["local"]
            tests = (ProbeSource(source, 24), ProbeSource(local, 64))
            self.nics.append(Watched(name, self.host.ifindex(name), True, True, False, tests))

    def close(self) -> None:
        self.host.close()
        self.peer.close()


def total(snapshot: Snapshot, what: str) -> int:
    """The sum over all instances."""
    return sum(getattr(instance, what) for watch in snapshot.watches for instance in watch.instances)


def measure(nics: int, detection_time: int, targets: int, seconds: float) -> Figures:
    """The prober's CPU with that many NICs, once it has settled."""
    bed = Bed(nics, targets)
    try:
        with bed.host:
            prober = Prober(lambda: None)
            routers = tuple(Router(target) for target in bed.targets)
            prober.assign(Orders((WatchedGroup("g", detection_time, tuple(bed.nics), (), routers),)))
            time.sleep(SETTLING)
            thread = prober._thread
            assert thread is not None and thread.ident is not None
            clock = time.pthread_getcpuclockid(thread.ident)
            before, spent, began = prober.snapshot(), time.clock_gettime(clock), time.monotonic()
            time.sleep(seconds)
            after, spent, took = prober.snapshot(), time.clock_gettime(clock) - spent, time.monotonic() - began
            prober.close()
    finally:
        bed.close()
    sent = total(after, "sent") - total(before, "sent")
    return {
        "nics": nics,
        "instances": nics * 2,
        "detection_time_ms": detection_time,
        "probes_per_second": round(sent / took, 1),
        "cpu_percent": round(spent / took * 100, 3),
        "cpu_us_per_probe": round(spent / sent * 1e6, 1),
        "lost": total(after, "lost") - total(before, "lost"),
        "missed": after.missed - before.missed,
    }


def main() -> None:
    """All cases, or as long as asked for."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    figures = {name: measure(*case, seconds) for name, case in CASES.items()}
    json.dump({"prober_cpu": figures}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
