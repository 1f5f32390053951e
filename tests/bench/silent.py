# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A path that is lost while the carrier stays: until probes have found out and the client has been told."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack, closing
from functools import partial
from typing import Callable, Dict, List

from bed import Bed, eventually

from . import daemon
from .bfd import Bfd
from .peers import Peer, silent
from .row import Figures, Run
from .vrrp import Keepalived
from .wire import Ear, cut

DATA = "192.0.2.11"
FILES = {
    "hostname.eth1": f"{DATA}/24 group g up addif 192.0.2.111/24 deprecated -failover up\n",
    "hostname.eth2": "192.0.2.12/24 group g up addif 192.0.2.112/24 deprecated -failover up\n",
}
TARGETS = [f"192.0.2.{last}" for last in (254, 250, 201, 202, 203)]  # the last ones are the client's, too
ANSWERS = 10  # of each NIC, before the first round
PROBING = 20.0  # percent of a core that it may take on slow machines


def silent_loss(detection_time: int, run: Run, *, targets: int = 2, compared: bool = True) -> Figures:
    """ms from the cut to the first announcement of the address that was on the NIC; peers have the same time for it.

    That is three packets for both: BFD's multiplier, and the adverts that a VRRP backup waits for. BFD has the usual
    interval, and the one that uses up the time.
    """
    values: List[float] = []
    intervals = {100: (30, 33), 300: (100,), 1000: (300, 333)}[detection_time]
    makers: List[Callable[[], Peer]] = [partial(Bfd, interval) for interval in intervals]
    makers.append(partial(Keepalived, intervals[0] / 1000))
    with ExitStack() as stack:
        bed = stack.enter_context(Bed(nics=2))
        peers = [stack.enter_context(closing(make())) for make in (makers if compared else ())]
        others: Dict[str, List[float]] = {peer.name: [] for peer in peers}
        bed.client.ip(*(f"address add {ip}/24 dev c0" for ip in TARGETS[2:]))
        groups = f"[g]\ntargets = {', '.join(TARGETS[:targets])}\n"
        bed.start(FILES, groups=groups, defaults=f"FAILURE_DETECTION_TIME={detection_time}\n")
        pid = daemon.pid_of(bed)
        eventually(lambda: all(nic["probing"][0]["acked"] >= ANSWERS for nic in bed.status()["interfaces"]), "answers")
        for _ in range(run.rounds()):
            daemon.quiet(pid, PROBING)
            since = bed.log.mark()
            with Ear(bed.client, "c0") as ear:
                time.sleep(random.uniform(0, detection_time / 7000))
                began = cut(bed.nic("eth1"))
                time.sleep(detection_time / 2000)
                values.append((ear.heard({bed.nic("eth2").mac}, {DATA}, began)[DATA] - began) * 1000)
            bed.nic("eth1").mend()
            for peer in peers:
                others[peer.name].append(peer.round(silent) * 1000)
            bed.log.wait("Successfully failed back to NIC eth1", since)
        false = sum(peer.false for peer in peers if isinstance(peer, Bfd))
    period = detection_time // 7
    note = f"IPv4, {targets} targets, a probe every {period} ms; verdicts are due {4.5 * period:g} to {7.5 * period:g} "
    note += "ms after the cut"
    if peers:
        note += "; of BFD only the end of the session is counted, of keepalived the other host's announcement"
        note += f"; {false} times the BFD session ended without a fault, and the round was made again"
    return Figures(values, note, {"bfd_ended_without_a_fault": false} if peers else {}, others)
