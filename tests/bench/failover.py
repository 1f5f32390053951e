# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrier loss and repair: until the client has been told where the last address is now."""

from __future__ import annotations

import contextlib
import random
import statistics
import time
from typing import Dict, List, Sequence

from bed import Bed

from . import daemon, load
from .peers import carrier
from .row import Figures, Run
from .vrrp import Keepalived
from .wire import Ear, plug, pull

FAST = 0.03  # s between keepalived's adverts; slower ones are measured in every tenth round only, they take seconds
FROM = "from the moment the switch begins to take its port down, which the bench does with real-time priority"
TAP = "; frames pass through a program of the lab, whose time is in the figures"


def addresses(count: int, family: int = 4) -> List[str]:
    """That many, in one /16 or one /64."""
    if family == 6:
        return [f"2001:db8:1::{number:x}" for number in range(1, count + 1)]
    return [f"10.1.{number >> 8}.{number & 255}" for number in range(1, count + 1)]


def files(wanted: Sequence[str], nics: int) -> Dict[str, str]:
    """All addresses on eth1, and members without any."""
    if ":" in wanted[0]:
        words, name = ["group g up", *(f"addif {address}/64 up" for address in wanted)], "hostname6"
    else:
        words, name = [f"{wanted[0]}/16 group g up", *(f"addif {address}/16 up" for address in wanted[1:])], "hostname"
    others = {f"{name}.eth{number}": "group g up\n" for number in range(2, nics + 1)}
    return {f"{name}.eth1": "\n".join(words) + "\n", **others}


def carrier_loss(
    count: int,
    run: Run,
    *,
    family: int = 4,
    nics: int = 2,
    kind: str = "veth",
    busy: bool = False,
    adverts: Sequence[float] = (),
) -> Figures:
    """ms from the loss to the last of the first announcements, a newly started daemon each round.

    adverts: keepalived with these intervals (s) loses its carrier in the same rounds.
    """
    wanted = addresses(count, family)
    values, first = [], []
    with contextlib.ExitStack() as stack:
        bed = stack.enter_context(Bed(nics=nics, kind=kind))
        peers = {
            advert: stack.enter_context(contextlib.closing(Keepalived(advert, wanted))) for advert in sorted(adverts)
        }
        others: Dict[str, List[float]] = {peer.name: [] for peer in peers.values()}
        macs = {bed.nic(f"eth{number}").mac for number in range(2, nics + 1)}
        for number in range(run.rounds()):
            bed.start(files(wanted, nics))
            daemon.quiet(daemon.pid_of(bed))
            with load.burners() if busy else contextlib.nullcontext(), Ear(bed.client, "c0", family) as ear:
                # A loss may come anywhere between two looks.
                time.sleep((0.3 if busy else 0.0) + random.uniform(0, daemon.POLL))
                began = pull(bed.nic("eth1"))
                time.sleep(0.05)
                heard = ear.heard(macs, set(wanted), began).values()
            values.append((max(heard) - began) * 1000)
            first.append((min(heard) - began) * 1000)
            for advert, peer in peers.items():
                if advert <= FAST or number % 10 == 0:
                    others[peer.name].append(peer.round(carrier) * 1000)
    note = f"IPv{family}, {kind}, {nics} NICs link-only, each round the first failover of a newly started daemon"
    note += ", both cores kept busy by others" if busy else ""
    note += f"; {FROM}" + (TAP if kind == "tap" else "")
    note += "; of keepalived the other host's announcements are counted" if peers else ""
    slowest, known = max(zip(values, first))
    why = (
        f"In the slowest round {known:.3g} of the {slowest:.3g} ms passed before the first announcement: "
        "until the kernel had told of the loss, and the daemon had its turn."
    )
    if count > 1:
        each = statistics.median((last - early) / (count - 1) * 1000 for last, early in zip(values, first))
        why += (
            f" From then on an announcement took {each:.3g} us: one send, in which a veth carries the frame through "
            "the switch to the client; the machine's cost of a datagram stands in the table above."
        )
    if busy:
        why += (
            " The kernel tells from a worker of ordinary priority, which waits for a core as all others do. The daemon,"
        )
        why += (
            " which has real-time priority, looks by itself every 50 ms only, since looking costs more than all else."
        )
    return Figures(values, note, {"first_announcement_median": round(statistics.median(first), 4)}, others, why)


def second_loss(run: Run) -> Figures:
    """ms from the second loss within a second, which the kernel tells late, to the address' announcement."""
    (address,) = wanted = addresses(1)
    values = []
    with Bed(nics=3, kind="tap") as bed:
        macs = {nic.mac: nic for nic in (bed.nic("eth2"), bed.nic("eth3"))}
        for _ in range(run.rounds()):
            bed.start(files(wanted, 3))
            daemon.quiet(daemon.pid_of(bed))
            with Ear(bed.client, "c0") as ear:
                began = pull(bed.nic("eth1"))
                time.sleep(random.uniform(0.2, 0.8))
                holder = macs[next(mac for mac in macs if ear.has_heard(mac, address, began))]
                others = macs.keys() - {holder.mac}
                began = pull(holder)
                time.sleep(0.05)
                values.append((ear.heard(others, {address}, began)[address] - began) * 1000)
    note = "IPv4, tap, three NICs link-only, a newly started daemon each round, 0.2 to 0.8 s between the losses; "
    return Figures(values, note + FROM + TAP)


def repair(run: Run) -> Figures:
    """ms from the cable's return to the announcement of the address at home."""
    (address,) = wanted = addresses(1)
    values = []
    with Bed(nics=2) as bed:
        for _ in range(run.rounds()):
            bed.start(files(wanted, 2))
            daemon.quiet(daemon.pid_of(bed))
            with Ear(bed.client, "c0") as ear:
                began = pull(bed.nic("eth1"))
                ear.heard({bed.nic("eth2").mac}, {address}, began)
                time.sleep(1.0)
                began = plug(bed.nic("eth1"))
                values.append((ear.heard({bed.nic("eth1").mac}, {address}, began)[address] - began) * 1000)
    note = "IPv4, veth, both NICs link-only, a newly started daemon each round; the path is proved by a frame between "
    return Figures(values, note + "the members before the address goes home; nothing is lost meanwhile, it is served")
