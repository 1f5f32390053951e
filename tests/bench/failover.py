# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrier loss with many addresses: until the client has been told where the last of them is now."""

from __future__ import annotations

import contextlib
import random
import statistics
import time
from typing import List

from bed import Bed

from . import daemon, load
from .row import Figures, Run
from .wire import Ear, pull

POLL = 0.040  # s between the daemon's looks at the carrier; a loss may come anywhere in it


def addresses(count: int) -> List[str]:
    """That many, in one /16."""
    return [f"10.1.{number >> 8}.{number & 255}" for number in range(1, count + 1)]


def carrier_loss(count: int, usual: int, run: Run, *, kind: str = "veth", busy: bool = False) -> Figures:
    """ms from the loss to the last of the first announcements, a newly started daemon each round."""
    wanted = addresses(count)
    words = [f"{wanted[0]}/16 group g up", *(f"addif {address}/16 up" for address in wanted[1:])]
    files = {"hostname.eth1": "\n".join(words) + "\n", "hostname.eth2": "group g up\n"}
    values, first = [], []
    with Bed(nics=2, kind=kind) as bed:
        mac = bed.nic("eth2").mac
        for _ in range(run.rounds(usual)):
            bed.start(files)
            daemon.quiet(daemon.pid_of(bed))
            with load.burners() if busy else contextlib.nullcontext(), Ear(bed.client, "c0") as ear:
                time.sleep((0.3 if busy else 0.0) + random.uniform(0, POLL))
                began = pull(bed.nic("eth1"))
                time.sleep(0.05)
                heard = ear.heard(mac, set(wanted), began).values()
            values.append((max(heard) - began) * 1000)
            first.append((min(heard) - began) * 1000)
    note = f"IPv4, {kind}, both NICs link-only, each round the first failover of a newly started daemon"
    note += ", both cores kept busy by others" if busy else ""
    note += "; from the moment the switch begins to take its port down, which the bench does with real-time priority"
    if kind == "tap":
        note += "; frames pass through a program of the lab, whose time is in the figures"
    return Figures(values, note, {"first_announcement_median": round(statistics.median(first), 4)})
