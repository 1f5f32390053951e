# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""keepalived's planned hand-overs under traffic: numbered datagrams to the address, which whoever has it answers."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Callable, Dict, List, Tuple

from demo.capture import Seen
from demo.traffic import AGENT, AGENT_THERE, CLIENT_PORT, HOST_PORT, Count, Record, told, track

from lab import Host, Process

from . import load
from .row import BenchError
from .vrrp import Keepalived

MIRROR = Path(__file__).with_name("mirror.py")
MIRROR_THERE = "/run/traffic/mirror.py"
CLIENT = {4: "192.0.2.250", 6: "2001:db8::250"}


class Answered:
    """Traffic to the one address of a keepalived, from the moment it is made; lost is what was not answered."""

    def __init__(self, peer: Keepalived, rate: int) -> None:
        (self._address,) = peer.addresses
        self._rate, self._dropped = rate, load.dropped()
        hosts = peer.lab.hosts.values()
        self._mirrors = [_start(host, MIRROR, MIRROR_THERE, self._address, str(HOST_PORT)) for host in hosts]
        local = CLIENT[6 if ":" in self._address else 4]
        flow = {"local": local, "lport": CLIENT_PORT, "remote": self._address, "rport": HOST_PORT, "calls": 0}
        spec = json.dumps({"rate": rate, "tcp": "connect", "flows": [flow]})
        self._agent = _start(peer.lab.client, AGENT, AGENT_THERE, spec)

    def stop(self) -> Record:
        """End it."""
        output = self._agent.communicate()[0]
        for mirror in self._mirrors:
            mirror.communicate()
        head, ((sent, arrived),) = told("the client", output)
        if not any(arrived):
            raise BenchError(f"nobody answered for {self._address}")
        overflowed, dropped = sum(flow["overflowed"] for flow in head["flows"]), load.dropped() - self._dropped
        if overflowed or dropped:
            raise BenchError(
                f"the machine was too busy: a socket had no room for {overflowed} datagrams, "
                f"the kernel's queues none for {dropped} packets"
            )
        return Record([track("peer", self._address, "answered", sent, arrived)], [], Seen(), self._rate, {}, False)


def _start(host: Host, program: Path, there: str, *arguments: str) -> Process:
    host.write_file(there, program.read_text(encoding="utf-8"))
    command = ["/usr/bin/python3", "-IS", there, *arguments]
    started = host.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert started.stdout is not None
    if started.stdout.readline().strip() != b"ready":
        raise BenchError(f"the traffic of {host.name} did not start")
    return started


def handed_over(peer: Keepalived, rate: int, rounds: int) -> Dict[str, List[Count]]:
    """What became of the datagrams in each round of a hand-over and the way back, for each way of doing it."""
    ways: Tuple[Tuple[str, Callable[[], None]], ...] = (
        (f"{peer.name}, stopped and started", peer.stop_and_start),
        (f"{peer.name}, priority lowered and raised", peer.lower_and_raise),
    )
    traffic = Answered(peer, rate)
    time.sleep(1.0)  # neighbours are known
    spans: List[Tuple[str, float, float]] = []
    for name, hand_over in ways:
        for _ in range(rounds):
            began = time.time()
            hand_over()
            spans.append((name, began, time.time()))
    record = traffic.stop()
    return {name: [record.count(begin, end) for one, begin, end in spans if one == name] for name, _way in ways}
