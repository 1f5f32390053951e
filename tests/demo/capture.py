# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second witness: a packet capture on the client, taken by tcpdump and read back here.

It tells which numbered datagrams reached the client, and through which NIC of a host each address is reached.
"""

from __future__ import annotations

import ipaddress
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from lab import Host, LabError, Process

PATH = "/run/traffic/capture.pcap"
RECORD = struct.Struct("<IIII")
NUMBER = struct.Struct("!Q")
IPV4, IPV6, UDP = 0x0800, 0x86DD, 17


@dataclass
class Seen:
    """What the capture holds."""

    numbers: Dict[str, bytearray] = field(default_factory=dict)  # address -> 1 at each number that reached the client
    inbound: Dict[str, List[Tuple[float, str]]] = field(default_factory=dict)  # address -> (since, MAC that hosts it)
    dropped: int = 0  # packets that the capture missed, since the machine was too busy: then it is no witness


def start(client: Host, nic: str) -> Process:
    """Begin to capture UDP and TCP, both ways; LabError."""
    client.run(["mkdir", "-p", str(Path(PATH).parent)])
    program = client.popen(
        ["tcpdump", "-i", nic, "-p", "-nn", "-s", "96", "-B", "32768", "-Z", "root", "--time-stamp-precision=nano"]
        + ["-w", PATH, "udp or tcp"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stderr is not None
    said = ""
    for line in program.stderr:
        said += line
        if "listening on" in line:
            return program
    raise LabError(f"tcpdump did not start (Debian package tcpdump): {said.strip()}")


def stop(client: Host, program: Process, ours: Sequence[str]) -> Seen:
    """End the capture and read it, ours being the client's addresses."""
    program.terminate()
    _, said = program.communicate(timeout=30)
    dropped = next((line.split()[0] for line in said.splitlines() if "dropped by kernel" in line), "0")
    seen = read(Path(f"/proc/{client.pid}/root{PATH}").read_bytes(), ours)
    seen.dropped = int(dropped)
    return seen


def read(data: bytes, ours: Sequence[str]) -> Seen:
    """A pcap file of Ethernet frames with nanosecond stamps, as tcpdump writes it."""
    seen = Seen()
    place, length = 24, len(data)
    own = {ipaddress.ip_address(address).packed for address in ours}
    names: Dict[bytes, str] = {}
    macs: Dict[bytes, bytes] = {}
    unpack, number_at = RECORD.unpack_from, NUMBER.unpack_from
    while place + 16 <= length:
        seconds, nanoseconds, kept, _whole = unpack(data, place)
        frame = place + 16
        place = frame + kept
        kind = data[frame + 12] << 8 | data[frame + 13]
        if kind == IPV4:
            protocol, source, target = data[frame + 23], data[frame + 26 : frame + 30], data[frame + 30 : frame + 34]
            payload = frame + 14 + (data[frame + 14] & 15) * 4
        elif kind == IPV6:
            protocol, source, target = data[frame + 20], data[frame + 22 : frame + 38], data[frame + 38 : frame + 54]
            payload = frame + 54
        else:
            continue
        if source in own:
            mac = data[frame : frame + 6]
            if macs.get(target) != mac:
                macs[target] = mac
                address = str(ipaddress.ip_address(target))
                seen.inbound.setdefault(address, []).append((seconds + nanoseconds / 1e9, mac.hex(":")))
        elif protocol == UDP and target in own and kept >= payload - frame + 16:
            address = names.get(source) or names.setdefault(source, str(ipaddress.ip_address(source)))
            flags = seen.numbers.setdefault(address, bytearray())
            number = number_at(data, payload + 8)[0]
            if number >= len(flags):
                flags.extend(bytes(number + 1 - len(flags)))
            flags[number] = 1
    return seen
