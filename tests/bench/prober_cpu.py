# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What probing costs: the CPU time of the prober's thread in namespaces of their own.

The far ends of the cables answer by themselves, in the kernel; what that costs is in the figures, since a veth runs it
in the sender's time.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from typing import Dict, List

from namespaces import Namespace

from ipmp.prober import Prober
from ipmp.probing import Orders, ProbeSource, Router, Snapshot, Watched, WatchedGroup

from . import load
from .bfd import Bfd
from .row import BenchError, Figures, Run
from .wire import at_once

SETTLING, WINDOW = 2.0, 0.5  # s
TARGETS = 5
DAEMON = 1  # its real-time priority


class Bed:
    """A host with that many NICs, each with a cable to a host of its own side that has all the targets."""

    def __init__(self, nics: int) -> None:
        self.host, self.peer = Namespace(), Namespace()
        self.host.run("sysctl", "-q", "-w", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
        self.host.run("sysctl", "-q", "-w", "net.ipv4.conf.default.arp_ignore=1")
        self.peer.ip("link add sw type bridge mcast_snooping 0", "link set sw up")
        self.targets = [f"192.0.2.{1 + number}" for number in range(TARGETS)]
        self.targets += [f"fe80::{1 + number}" for number in range(TARGETS)]
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


def probe_cpu(nics: int, detection_time: int, run: Run, *, beside: int = 0) -> Figures:
    """Percent of a core, a window a round, once the prober has settled.

    beside: BFD with this interval (ms) and a session for each NIC has the same windows; 0: nobody has.
    """
    values: List[float] = []
    others: Dict[str, List[float]] = {}
    with ExitStack() as stack:
        bed = stack.enter_context(closing(Bed(nics)))
        peers = [stack.enter_context(closing(Bfd(beside, nics=nics)))] if beside else []
        with bed.host:
            prober = stack.enter_context(closing(Prober(lambda: None)))
        with bed.host, at_once(DAEMON):  # its thread stays where and as it begins
            routers = tuple(Router(target) for target in bed.targets)
            prober.assign(Orders((WatchedGroup("g", detection_time, tuple(bed.nics), (), routers),)))
        time.sleep(SETTLING)
        thread = prober._thread
        assert thread is not None and thread.ident is not None
        clock = time.pthread_getcpuclockid(thread.ident)
        before, all_began, all_spent = prober.snapshot(), time.monotonic(), time.clock_gettime(clock)
        for _ in range(run.rounds()):
            pids = [peer.programs.pids() for peer in peers]
            spent, theirs, began = (
                time.clock_gettime(clock),
                [sum(map(load.spent, ps)) for ps in pids],
                time.monotonic(),
            )
            time.sleep(WINDOW)
            took = time.monotonic() - began
            values.append((time.clock_gettime(clock) - spent) / took * 100)
            for peer, ps, its in zip(peers, pids, theirs):
                others.setdefault(peer.name, []).append((sum(map(load.spent, ps)) - its) / took * 100)
        after, took = prober.snapshot(), time.monotonic() - all_began
        all_spent = time.clock_gettime(clock) - all_spent
    sent = total(after, "sent") - total(before, "sent")
    if not sent:
        raise BenchError("nothing was probed")
    details = {
        "probes_per_second": round(sent / took, 1),
        "cpu_us_per_probe": round(all_spent / sent * 1e6, 1),
        "lost": total(after, "lost") - total(before, "lost"),
        "missed": after.missed - before.missed,
    }
    note = f"the prober's thread, kernel time included, {WINDOW:g} s a round; {nics} NICs, both families, five targets "
    note += f"each, detection time {detection_time} ms: {details['probes_per_second']:g} probes/s, "
    note += (
        f"{details['cpu_us_per_probe']:g} us of processor a probe, {details['lost']} lost, {details['missed']} missed"
    )
    why = (
        f"A probe takes {details['cpu_us_per_probe']:g} us: two system calls, the far end's answer, which a veth runs "
        "within the send, and the detector, each time after a sleep in which others had the caches."
    )
    if beside:
        note += "; of BFD the host's programs, IPv4 only, one far end for each NIC"
    return Figures(values, note, details, others, why)
