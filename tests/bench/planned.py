# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planned moves: a card is taken out and put back, again and again, and a client counts what it loses meanwhile.

Numbered datagrams go both ways between the client and each address that moves, 10,000 a second each way, so that one
lost datagram stands for 0.1 ms; a hundred TCP connections are open. Lost is what never arrived in the receiving
socket, refused by the sender's kernel included; what a socket or a queue of the machine had no room for makes the
measurement void instead. keepalived hands its address over in blocks of rounds between ours (handover.py).
"""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from functools import cache
from typing import Dict, List, NamedTuple, Tuple

from bed import Bed, eventually
from cards import Cards
from demo.traffic import Count, Record, Traffic

from . import load
from .handover import handed_over
from .row import BenchError, Figures, Run
from .vrrp import ADDRESS, Keepalived

CARD, NICS = "00f0:00:05", 3
RATE, CONNECTIONS = 10_000, 100
BLOCKS, ROUNDS, PEER_ROUNDS = 2, 25, 5  # the last two: in each block
ADVERT = 0.03  # s, keepalived's: it then notices an end soonest
PEER_ADDRESS = {4: ADDRESS, 6: "2001:db8::9"}
REST = 0.1  # s between the steps of a round
ANSWERED = "; keepalived's datagrams are answered by whoever has the address, and one that is not is one lost"
LAST = {"eth1": 11, "eth2": 12, "eth3": 13}  # the last part of the address of each NIC


class Measured(NamedTuple):
    """rounds: one count for each detach and reattach together."""

    rounds: List[Count]
    record: Record

    @property
    def sent(self) -> int:
        """Datagrams, both ways."""
        return sum(count.sent for count in self.rounds)

    @property
    def lost(self) -> int:
        """Those that never arrived."""
        return sum(count.lost for count in self.rounds)

    @property
    def resets(self) -> int:
        """Connections that ended by themselves."""
        return sum(count.tcp_resets for count in self.rounds)


class Stage:
    """A bed with a group of three NICs, each with an address of that family (4, 6); the card has the first of them."""

    def __init__(self, bed: Bed, family: int, nics: int) -> None:
        self.bed, self.nics = bed, [f"eth{number}" for number in range(1, nics + 1)]
        self.home = {name: f"192.0.2.{n}" if family == 4 else f"2001:db8::{n}" for name, n in LAST.items()}
        self.cards = Cards(bed, {f"{CARD}.{number}": [name] for number, name in enumerate(self.nics)})
        files: Dict[str, str] = {}
        for name, address in self.home.items():
            if family == 4:
                files[f"hostname.{name}"] = f"{address}/24 group g up\n"
            else:
                files[f"hostname6.{name}"] = f"group g up\naddif {address}/64 up\n"
        self._files = files

    @property
    def movers(self) -> List[str]:
        """The addresses on the card."""
        return [self.home[name] for name in self.nics]

    def start(self) -> None:
        """The daemon, and all at home."""
        self.bed.start(self._files, groups="[g]\ngateways = 192.0.2.254, 2001:db8::254\n")
        eventually(self.bed.on(**self.home), self.bed.hosting)

    def round(self) -> None:
        """Taken out with its hardware, and put back, as people do it."""
        for command in (("-o", "hardware=pci", "-c", "unconfigure"), ("-c", "configure")):
            done = self.bed.run("cfgadm", *command, CARD)
            hosting = self.bed.hosting()
            moved = all(ip in hosting and hosting[ip] not in self.nics for ip in self.movers)
            if done.returncode or not (self.bed.on(**self.home)() if "configure" in command else moved):
                raise BenchError(f"cfgadm {' '.join(command)}: {done.stderr.strip()}; addresses are on {hosting}")
            time.sleep(REST)


def planned(stage: Stage, rounds: int) -> Measured:
    """So many rounds under traffic. Raises BenchError when that says nothing about the moves."""
    stage.start()
    traffic = Traffic(stage.bed.lab, {"h1": stage.movers}, RATE, calls=CONNECTIONS // len(stage.movers), witness=False)
    time.sleep(1.0)  # neighbours are known and connections are open
    dropped, times = load.dropped(), [time.time()]
    with stage.cards:
        for _ in range(rounds):
            stage.round()
            times.append(time.time())
    dropped = load.dropped() - dropped
    record = traffic.stop()
    overflowed = sum(agent["overflowed"] for agent in record.agents.values())
    found = Measured([record.count(begin, end) for begin, end in zip(times, times[1:])], record)
    if overflowed or (found.lost and dropped):
        raise BenchError(
            f"the machine was too busy: sockets had no room for {overflowed} datagrams, "
            f"the kernel's queues none for {dropped} packets"
        )
    if not found.resets and record.agents["client"]["connected"] != CONNECTIONS:
        raise BenchError(f"only {record.agents['client']['connected']} connections came about")
    return found


@cache
def _measured(family: int, nics: int, run: Run) -> Tuple[List[Measured], Dict[str, List[Count]]]:
    """Two rows are made of one measurement: our blocks, and what became of the peer's traffic. One NIC has a peer."""
    ours: List[Measured] = []
    others: Dict[str, List[Count]] = {}
    with ExitStack() as stack:
        stage = Stage(stack.enter_context(Bed(nics=NICS)), family, nics)
        compared = nics == 1
        if compared:
            peer = stack.enter_context(closing(Keepalived(ADVERT, [PEER_ADDRESS[family]])))
        for _ in range(run.rounds(BLOCKS)):
            ours.append(planned(stage, run.rounds(ROUNDS)))
            if compared:
                for name, counts in handed_over(peer, RATE, run.rounds(PEER_ROUNDS)).items():
                    others.setdefault(name, []).extend(counts)
    return ours, others


def lost(family: int, nics: int, run: Run) -> Figures:
    """Datagrams lost in each round, both ways together."""
    found, others = _measured(family, nics, run)
    rounds = [count for block in found for count in block.rounds]
    sent, missing, resets = (sum(getattr(block, what) for block in found) for what in ("sent", "lost", "resets"))
    details = {"packets": sent, "lost": missing, "resets": resets, "connections": CONNECTIONS}
    details["longest_gap_ms"] = max(count.longest_gap_ms for count in rounds)
    note = f"IPv{family}, a card with {nics} NIC{'s' if nics > 1 else ''} taken out and put back by cfgadm, a round "
    note += f"each time; {sent} datagrams both ways, {RATE} a second each way for each address of the card, "
    note += f"{missing} lost; {CONNECTIONS} TCP connections, {resets} reset; {_senders(found)}"
    note += ANSWERED if others else ""
    peers = {name: [float(count.lost) for count in counts] for name, counts in others.items()}
    return Figures([float(count.lost) for count in rounds], note, details, peers)


def gap(family: int, nics: int, run: Run) -> Figures:
    """ms, the longest time without an arrival in each round, of either way and any address."""
    found, others = _measured(family, nics, run)
    note = "from the same rounds as the row before: between two arrivals one after the other, by the kernel's stamps, "
    note += f"less what the sender itself had paused; while all is well it is {1000 / RATE:g} ms"
    peers = {name: [count.longest_gap_ms for count in counts] for name, counts in others.items()}
    return Figures([count.longest_gap_ms for block in found for count in block.rounds], note, peers=peers)


def _senders(blocks: List[Measured]) -> str:
    late = max(agent["late"] for block in blocks for agent in block.record.agents.values()) * 1000
    return f"the senders, programs in Python, came {late:.0f} ms late at worst, and sent at once what was due"
