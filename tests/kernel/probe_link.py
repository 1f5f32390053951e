# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of the prober stand on: a link of two NICs, captures of their cables, and a sender of any packet."""

from __future__ import annotations

import socket
import struct
from typing import List, Sequence

from namespaces import Cable, Namespace
from oracle.capture import ETH_P_ALL, SO_RCVBUFFORCE, SO_TIMESTAMPNS, Frame, parse

TESTS = {"m0": "192.0.2.10", "m1": "192.0.2.11"}
PEER = "192.0.2.1"
ICMP, ICMP6 = socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6


def checksum(data: bytes) -> bytes:
    """RFC 1071."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return (~(total + (total >> 16)) & 0xFFFF).to_bytes(2, "big")


class Eye:
    """Every frame at the far end of a cable, with the kernel's stamps, from the moment it is made."""

    def __init__(self, peer: Namespace, cable: Cable) -> None:
        with peer:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._socket.setblocking(False)
            self._socket.bind((f"p-{cable.name}", ETH_P_ALL))
        self.port = f"p-{cable.name}"

    def frames(self) -> List[Frame]:
        """What passed since the last look, each way (``outgoing``: to the host)."""
        seen: List[Frame] = []
        try:
            while True:
                data, notes, _flags, address = self._socket.recvmsg(2048, 128)
                seconds, nanoseconds = struct.unpack("@ll", notes[0][2])
                seen.append(parse(data, seconds + nanoseconds / 1e9, address[2] == socket.PACKET_OUTGOING))
        except BlockingIOError:
            return seen

    def requests(self) -> List[Frame]:
        """Those that the host sent as echo requests."""
        return [frame for frame in self.frames() if frame.echo_request and not frame.outgoing]

    def send(self, frame: bytes) -> None:
        """Puts a frame on the cable, towards the host."""
        self._socket.send(frame)

    def close(self) -> None:
        self._socket.close()


def answer_to(
    request: Frame,
    *,
    source: str = "",
    nonce: bytes = b"",
    identifier: bytes = b"",
    extra: bytes = b"",
    mac: str = "",
) -> bytes:
    """The frame that answers a request of ours, or a forgery; ``extra``: IPv4 options or an IPv6 routing header."""
    version = 6 if ":" in request.source else 4
    packed = socket.AF_INET6 if version == 6 else socket.AF_INET
    source_ip, to_ip = socket.inet_pton(packed, source or request.target), socket.inet_pton(packed, request.source)
    body = (identifier or request.payload[4:6]) + request.payload[6:8] + (nonce or request.payload[8:16])
    body += request.payload[16:]
    if version == 4:
        message = b"\0\0" + checksum(b"\0\0\0\0" + body) + body
        head = struct.pack("!BBHHHBB", 0x45 + len(extra) // 4, 0, 20 + len(extra) + len(message), 0, 0, 64, ICMP)
        packet = head + checksum(head + b"\0\0" + source_ip + to_ip + extra) + source_ip + to_ip + extra + message
    else:
        pseudo = source_ip + to_ip + struct.pack("!II", len(body) + 4, ICMP6)
        message = b"\x81\0" + checksum(pseudo + b"\x81\0\0\0" + body) + body
        following = 43 if extra else ICMP6
        head = struct.pack("!IHBB", 6 << 28, len(extra) + len(message), following, 64)
        packet = head + source_ip + to_ip + extra + message
    destination = bytes.fromhex((mac or request.source_mac).replace(":", ""))
    return destination + bytes.fromhex("020000000099") + request.kind.to_bytes(2, "big") + packet


def prepare(host: Namespace, peer: Namespace, nics: Sequence[Cable]) -> None:
    """Test addresses without routes on the host, settings as the daemon makes them; the peer is a switch with an IP."""
    for nic in nics:
        base = f"net.ipv4.conf.{nic.name}"
        settings = f"{base}.arp_ignore=1 {base}.arp_announce=2 {base}.rp_filter=0".split()
        host.run("sysctl", "-q", "-w", *settings, "net.ipv4.conf.all.rp_filter=0")
        host.ip(f"addr add {TESTS[nic.name]}/32 dev {nic.name} scope link preferred_lft 0 noprefixroute")
    # With a MAC of its own: else it would be that of a port, and another one once that port is gone.
    peer.ip("link add sw address 02:00:00:00:00:fe type bridge mcast_snooping 0")
    peer.ip("link set sw up", f"addr add {PEER}/24 dev sw")
    for nic in nics:
        peer.ip(f"link set p-{nic.name} master sw")


def link_local(namespace: Namespace, name: str) -> str:
    """The link-local address of an interface."""
    addresses = namespace.show(f"-6 addr show dev {name} scope link")[0]["addr_info"]
    return str(addresses[0]["local"])
