# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic between a lab's client and every data address, and what became of each datagram.

    traffic = Traffic(lab, {"h1": ["192.0.2.11", "192.0.2.12"]})
    ...
    record = traffic.stop()
    record.count(begin, end).lost

Loss is judged by what arrived at the far end, number by number. A packet capture on the client, by a program that is
not ours, is the second witness. Times are unix time in s, of the one clock that all namespaces share.
"""

from __future__ import annotations

import array
import json
import subprocess
import time
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from lab import Host, Lab, LabError, Process

from . import capture

AGENT = Path(__file__).with_name("agent.py")
AGENT_THERE = "/run/traffic/agent.py"
CAPTURE_BLOCK = 1.1  # s that the capture may hold packets back before it writes them
HOST_PORT, CLIENT_PORT, TCP_PORT = 7001, 7100, 7002
TO_HOST, TO_CLIENT = "to host", "to client"
Times = Tuple["array.array[float]", "array.array[float]"]  # sent, arrived


@dataclass(frozen=True)
class Hole:
    """Datagrams that never arrived, one after the other."""

    begin: float  # last arrival before
    end: float  # first arrival after; of the last datagram's sending if there was none
    lost: int


@dataclass(frozen=True)
class Count:
    """What became of the datagrams that were sent between two times."""

    sent: int
    lost: int
    longest_gap_ms: float  # longest time without an arrival, less what the sender itself paused
    tcp_resets: int


@dataclass(frozen=True)
class Track:
    """One direction of one address's traffic: when each datagram was sent, and when it arrived (0: never)."""

    host: str
    address: str
    direction: str
    sent: array.array[float]
    arrived: array.array[float]
    first: int  # the first sent after one had arrived: before it the address was not there, and nothing is counted

    def within(self, begin: float, end: float) -> range:
        """The numbers of the datagrams sent in [begin, end), from `first` on."""
        return range(max(self.first, bisect_left(self.sent, begin)), max(self.first, bisect_left(self.sent, end)))

    def holes(self) -> Iterator[Hole]:
        """Every loss from `first` on."""
        arrived, before, missing = self.arrived, self.sent[self.first] if self.first < len(self.sent) else 0.0, 0
        for number in range(self.first, len(arrived)):
            when = arrived[number]
            if not when:
                missing += 1
                continue
            if missing:
                yield Hole(before, when, missing)
            before, missing = when, 0
        if missing:
            yield Hole(before, max(before, self.sent[-1]), missing)

    def lost(self, begin: float, end: float) -> int:
        """How many of those sent in [begin, end) never arrived."""
        return sum(1 for number in self.within(begin, end) if not self.arrived[number])

    def longest_gap(self, begin: float, end: float, period: float) -> float:
        """Longest time in s between two arrivals, the former one sent in [begin, end), less the sender's pauses.

        A sender that the scheduler held back makes a gap too, but none of the network's.
        """
        sent, arrived, numbers = self.sent, self.arrived, self.within(begin, end)
        longest, last = 0.0, None
        for number in range(numbers.start, len(arrived)):
            if not arrived[number]:
                continue
            if last is not None:
                paused = max(0.0, sent[number] - sent[last] - (number - last) * period)
                longest = max(longest, arrived[number] - arrived[last] - paused)
            last = number
            if number >= numbers.stop:
                break
        return longest


@dataclass(frozen=True)
class Record:
    """All that was measured. tcp_ends: (when, host, address, why) of every connection that ended by itself.

    agents: of each host by name, and "client": cpu (of one core), late (s, worst), errors, overflowed (datagrams that
    had arrived and that a socket had no room for: the measurement's fault), connected (the client's TCP connections
    that are up in the end). witnessed: there was a capture, and so seen tells something.
    """

    tracks: List[Track]
    tcp_ends: List[Tuple[float, str, str, str]]
    seen: capture.Seen
    rate: int
    agents: Dict[str, Dict[str, Any]]
    witnessed: bool = True

    def count(self, begin: float, end: float, hosts: Sequence[str] = ()) -> Count:
        """Both ways and all addresses together, of all hosts or only these; the gap is the worst of all."""
        tracks = [track for track in self.tracks if not hosts or track.host in hosts]
        gaps = [track.longest_gap(begin, end, 1 / self.rate) for track in tracks]
        return Count(
            sum(len(track.within(begin, end)) for track in tracks),
            sum(track.lost(begin, end) for track in tracks),
            round(max(gaps, default=0.0) * 1000, 1),
            sum(1 for when, host, _, _ in self.tcp_ends if begin <= when < end and (not hosts or host in hosts)),
        )

    def disagreements(self) -> List[str]:
        """Where the capture and the client's own sockets tell different things of the datagrams sent to the client.

        Empty if there was none, or if it missed packets: then it cannot tell.
        """
        found: List[str] = []
        if self.seen.dropped or not self.witnessed:
            return found
        for track in self.tracks:
            if track.direction == TO_CLIENT:
                seen = self.seen.numbers.get(track.address, bytearray())
                numbers = range(track.first, min(len(track.sent), max(len(seen), len(track.arrived))))
                ours = [n for n in numbers if n < len(track.arrived) and track.arrived[n]]
                theirs = [n for n in numbers if n < len(seen) and seen[n]]
                if ours != theirs:
                    differing = sorted(set(ours) ^ set(theirs))
                    found.append(f"{track.address}: {len(differing)} datagrams, the first number {differing[0]}")
        return found


class Traffic:
    """Flows from the moment it is made; ``stop()`` ends it and tells.

    rate: datagrams a second each way for each address. calls: TCP connections to each. witness: take a capture.
    """

    def __init__(
        self,
        lab: Lab,
        addresses: Mapping[str, Sequence[str]],
        rate: int = 1000,
        *,
        calls: int = 1,
        witness: bool = True,
    ) -> None:
        self.lab, self.rate = lab, rate
        self.pairs = [(host, address) for host, listed in addresses.items() for address in listed]
        nic = next(iter(lab.client.nics))
        spec = next(host for host in lab.spec.hosts if host.role == "client")
        ours = [address.partition("/")[0] for address in spec.nics[0].addresses]
        flows: Dict[str, List[Dict[str, Any]]] = {"client": [], **{host: [] for host in addresses}}
        for number, (host, address) in enumerate(self.pairs):
            mine = next((a for a in ours if (":" in a) == (":" in address)), None)
            if mine is None:
                raise LabError(f"the client has no address of the family of {address}")
            port = CLIENT_PORT + number
            tcp = {"tcp_port": TCP_PORT, "calls": calls}
            flows["client"].append({"local": mine, "lport": port, "remote": address, "rport": HOST_PORT, **tcp})
            flows[host].append({"local": address, "lport": HOST_PORT, "remote": mine, "rport": port, **tcp})
        self._ours = ours
        self._capture = capture.start(lab.client, nic) if witness else None
        self._agents = {host: self._start(lab.hosts[host], "serve", flows[host]) for host in addresses}
        self._agents["client"] = self._start(lab.client, "connect", flows["client"])

    def _start(self, host: Host, tcp: str, flows: List[Dict[str, Any]]) -> Process:
        host.write_file(AGENT_THERE, AGENT.read_text(encoding="utf-8"))
        spec = json.dumps({"rate": self.rate, "tcp": tcp, "flows": flows})
        agent = host.popen(
            ["/usr/bin/python3", "-IS", AGENT_THERE, spec], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert agent.stdout is not None
        if agent.stdout.readline().strip() != b"ready":
            raise LabError(f"the traffic of {host.name} did not start")
        return agent

    def stop(self) -> Record:
        """End the traffic; what is on its way may still arrive."""
        outputs: Dict[str, bytes] = {}
        for agent in self._agents.values():
            assert agent.stdin is not None
            agent.stdin.close()
        for name, agent in self._agents.items():
            assert agent.stdout is not None
            with agent.stdout:
                outputs[name] = agent.stdout.read()
            agent.wait()
        heads: Dict[str, Any] = {}
        arrays: Dict[str, List[Times]] = {}
        for name, output in outputs.items():
            heads[name], arrays[name] = told(name, output)
        tracks, ends = [], []
        places = {name: iter(listed) for name, listed in arrays.items()}
        for number, (host, address) in enumerate(self.pairs):
            here, there = next(places["client"]), next(places[host])
            tracks.append(track(host, address, TO_HOST, here[0], there[1]))
            tracks.append(track(host, address, TO_CLIENT, there[0], here[1]))
            callers = (caller for caller in heads["client"]["tcp"] if caller["flow"] == number)
            ends += [(when, host, address, why) for caller in callers for when, why in caller["ends"]]
        agents = {name: _agent(head) for name, head in heads.items()}
        seen = capture.Seen()
        if self._capture is not None:
            time.sleep(CAPTURE_BLOCK)
            seen = capture.stop(self.lab.client, self._capture, self._ours)
        return Record(tracks, sorted(ends), seen, self.rate, agents, self._capture is not None)


def told(name: str, output: bytes) -> Tuple[Dict[str, Any], List[Times]]:
    """What an agent has written: its head, and for each flow when datagrams were sent and had arrived; LabError."""
    line, _, data = output.partition(b"\n")
    if not line:
        raise LabError(f"the traffic of {name} ended before its time")
    head: Dict[str, Any] = json.loads(line)
    times, place = [], 0
    for flow in head["flows"]:
        pair = []
        for length in (flow["sent"], flow["arrived"]):
            pair.append(array.array("d", data[place : place + 8 * length]))
            place += 8 * length
        times.append((pair[0], pair[1]))
    return head, times


def track(host: str, address: str, direction: str, sent: array.array[float], arrived: array.array[float]) -> Track:
    """Of two arrays of an agent, or of two agents."""
    arrived.extend([0.0] * (len(sent) - len(arrived)))
    # What waited for the address to be resolved arrives with it, but nobody could have counted on that.
    alive = min(filter(None, arrived), default=float("inf"))
    return Track(host, address, direction, sent, arrived, bisect_left(sent, alive))


def _agent(head: Dict[str, Any]) -> Dict[str, Any]:
    errors: Dict[str, int] = {}
    for flow in head["flows"]:
        for name, count in flow["errors"].items():
            errors[name] = errors.get(name, 0) + count
    return {
        "cpu": round(head["cpu"], 2),
        "late": round(head["late"], 4),
        "errors": errors,
        "overflowed": sum(flow["overflowed"] for flow in head["flows"]),
        "connected": sum(caller["connected"] for caller in head["tcp"]),
    }
