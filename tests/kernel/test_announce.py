# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Announcements change what a real neighbour believes, and whoever has an address already is found."""

from __future__ import annotations

import os
import socket
import struct
import time
from typing import Iterator, List

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from namespaces import Cable, Namespace, eventually

from ipmp import announce

pytestmark = pytest.mark.kernel

OURS, OTHER = "02:00:00:00:00:aa", "02:00:00:00:00:bb"


@pytest.fixture
def capture(peer: Namespace, nics: List[Cable]) -> Iterator[socket.socket]:
    """Everything that arrives at the far end of m0's cable."""
    with peer:
        listening = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        listening.bind(("p-m0", 3))
    listening.settimeout(10)
    yield listening
    listening.close()


def arrived(capture: socket.socket, frame: bytes) -> bool:
    """Whether the frame comes, whatever else comes before."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if capture.recv(2048) == frame:
            return True
    return False


def send(host: Namespace, name: str, frame: bytes) -> None:
    with host, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((name, 0))
        sender.send(frame)


def believed(peer: Namespace, ip: str) -> str:
    """The MAC that the neighbour's kernel has for an address."""
    entries = peer.show(f"neigh show {ip} dev p-m0")
    return entries[0].get("lladdr", "") if entries else ""


def ones_complement(data: bytes) -> int:
    """The sum of RFC 1071, folded, written down a second time."""
    total = 0
    for high, low in zip(data[::2], data[1::2]):
        total += high << 8 | low
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    return total


# What goes over the wire


def test_a_gratuitous_arp_arrives_as_the_standard_says(nics: List[Cable], capture: socket.socket) -> None:
    frame = announce.arp_announcement(OURS, "192.0.2.1")
    announcer = announce.Announcer()
    assert announcer.send(nics[0].ifindex, [frame]) == 1
    announcer.close()
    assert arrived(capture, frame)
    mac, ip = bytes.fromhex("0200000000aa"), bytes([192, 0, 2, 1])
    assert frame[:14] == b"\xff" * 6 + mac + b"\x08\x06"
    assert frame[14:22] == b"\x00\x01\x08\x00\x06\x04\x00\x01"
    assert frame[22:] == mac + ip + bytes(6) + ip


def test_an_unsolicited_na_arrives_as_the_standard_says(nics: List[Cable], capture: socket.socket) -> None:
    frame = announce.na_announcement(OURS, "2001:db8::1")
    announcer = announce.Announcer()
    assert announcer.send(nics[0].ifindex, [frame]) == 1
    announcer.close()
    assert arrived(capture, frame)
    mac, ip = bytes.fromhex("0200000000aa"), bytes.fromhex("20010db8000000000000000000000001")
    all_nodes = bytes.fromhex("ff020000000000000000000000000001")
    assert frame[:14] == bytes.fromhex("333300000001") + mac + b"\x86\xdd"
    version, length, following, hops = struct.unpack("!IHBB", frame[14:22])
    assert (version >> 28, length, following, hops) == (6, len(frame) - 54, 58, 255)
    assert (frame[22:38], frame[38:54]) == (ip, all_nodes)
    assert (frame[54], frame[55], frame[58]) == (136, 0, 0x20)
    assert frame[62:] == ip + b"\x02\x01" + mac
    assert ones_complement(ip + all_nodes + struct.pack("!II", length, 58) + frame[54:]) == 0xFFFF
    assert announce.na_announcement(OURS, "2001:db8::1", router=True)[58] == 0xA0


@pytest.mark.parametrize(("own", "address"), [("192.0.2.254/24", "192.0.2.1"), ("2001:db8::fe/64", "2001:db8::1")])
def test_a_neighbours_kernel_believes_the_announcement(
    host: Namespace, peer: Namespace, nics: List[Cable], own: str, address: str
) -> None:
    peer.ip(f"addr add {own} dev p-m0", f"neigh add {address} lladdr {OTHER} dev p-m0 nud reachable")
    announcer = announce.Announcer()
    assert announcer.send(nics[0].ifindex, [announce.announcement(OURS, address)]) == 1
    assert eventually(lambda: believed(peer, address) == OURS), believed(peer, address)
    announcer.close()


def test_thousands_of_announcements_all_arrive_in_order(nics: List[Cable], capture: socket.socket) -> None:
    capture.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)
    frames = [announce.arp_announcement(OURS, f"10.0.{n >> 8}.{n & 255}") for n in range(2000)]
    announcer = announce.Announcer()
    announcer.open(nics[0].ifindex)
    assert announcer.send(nics[0].ifindex, frames) == 2000
    announcer.close()
    got = []
    while len(got) < 2000:
        frame = capture.recv(2048)
        if frame[12:14] == b"\x08\x06":
            got.append(frame)
    assert got == frames


def test_a_nic_that_is_down_or_gone_sends_nothing_and_hurts_nobody(host: Namespace, nics: List[Cable]) -> None:
    frames = [announce.arp_announcement(OURS, "192.0.2.1")] * 3
    announcer = announce.Announcer()
    assert announcer.send(nics[0].ifindex, frames) == 3
    host.ip("link set m0 down")
    assert announcer.send(nics[0].ifindex, frames) == 0
    host.ip("link set m0 up")
    assert announcer.send(nics[0].ifindex, frames) == 3
    host.ip("link del m0")
    assert announcer.send(nics[0].ifindex, frames) == 0
    assert announcer.send(4711, frames) == 0
    assert announcer.send(nics[1].ifindex, frames) == 3
    announcer.close()


def test_a_nic_that_came_back_with_the_same_number_sends_again(
    host: Namespace, peer: Namespace, nics: List[Cable]
) -> None:
    frames = [announce.arp_announcement(OURS, "192.0.2.1")] * 3
    announcer = announce.Announcer()
    assert announcer.send(nics[0].ifindex, frames) == 3
    host.ip(
        "link del m0",
        f"link add m0 index {nics[0].ifindex} type veth peer name p-m0 netns {peer.path}",
        "link set m0 up",
    )
    assert announcer.send(nics[0].ifindex, frames) == 3
    announcer.close()


def test_a_mac_that_is_none_is_refused() -> None:
    for mac in ("", "02:00", "02:00:00:00:00:00:00:01", "xx:00:00:00:00:00"):
        with pytest.raises(ValueError):
            announce.arp_announcement(mac, "192.0.2.1")


# Duplicates


def use(peer: Namespace, *addresses: str) -> None:
    """Gives the neighbour addresses and waits until they work."""
    peer.ip(*(f"addr add {address} dev p-m0" for address in addresses))
    assert eventually(lambda: "tentative" not in peer.run("ip", "addr"))


def check(nics: List[Cable], host: Namespace, ips: List[str], own: List[str]) -> announce.DuplicateCheck:
    return announce.DuplicateCheck(nics[0].ifindex, host.mac("m0"), ips, own)


def verdict(asked: announce.DuplicateCheck) -> object:
    again = asked.deadline - 0.15
    while time.monotonic() < asked.deadline + 0.2:
        asked.read()
        if again and time.monotonic() > again:
            asked.ask()
            again = 0.0
        time.sleep(0.01)
    asked.close()
    return asked.conflicts


def test_whoever_has_an_address_already_is_named(host: Namespace, peer: Namespace, nics: List[Cable]) -> None:
    use(peer, "192.0.2.1/24", "2001:db8::1/64")
    asked = check(nics, host, ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"], [])
    assert len(asked.filenos()) == 2
    assert asked.deadline <= time.monotonic() + announce.DUPLICATE_WAIT
    mac = peer.mac("p-m0")
    assert verdict(asked) == {"192.0.2.1": mac, "2001:db8::1": mac}


def test_probing_changes_nothing_at_the_neighbour(host: Namespace, peer: Namespace, nics: List[Cable]) -> None:
    use(peer, "192.0.2.254/24", "2001:db8::fe/64")
    for ip in ("192.0.2.1", "2001:db8::1"):
        peer.ip(f"neigh add {ip} lladdr {OTHER} dev p-m0 nud reachable")
    assert verdict(check(nics, host, ["192.0.2.1", "2001:db8::1"], [])) == {}
    assert (believed(peer, "192.0.2.1"), believed(peer, "2001:db8::1")) == (OTHER, OTHER)


def test_a_sibling_that_has_the_address_is_no_conflict(host: Namespace, peer: Namespace, nics: List[Cable]) -> None:
    use(peer, "192.0.2.1/24", "2001:db8::1/64")
    assert verdict(check(nics, host, ["192.0.2.1", "2001:db8::1"], [peer.mac("p-m0")])) == {}


def test_somebody_who_probes_for_the_address_at_the_same_time_is_a_conflict(
    host: Namespace, peer: Namespace, nics: List[Cable]
) -> None:
    asked = check(nics, host, ["192.0.2.1", "2001:db8::1"], [])
    send(peer, "p-m0", announce.probe(OTHER, "192.0.2.1"))
    send(peer, "p-m0", announce.probe(OTHER, "2001:db8::1"))
    assert verdict(asked) == {"192.0.2.1": OTHER, "2001:db8::1": OTHER}


def test_talk_about_an_address_is_no_claim_to_it(host: Namespace, peer: Namespace, nics: List[Cable]) -> None:
    asked = check(nics, host, ["192.0.2.1", "2001:db8::1"], [])
    arp = bytearray(announce.arp_announcement(OTHER, "192.0.2.9"))
    arp[38:42] = bytes([192, 0, 2, 1])  # who has 192.0.2.1? tell 192.0.2.9
    send(peer, "p-m0", bytes(arp))
    for cut in (13, 14, 30, 41):
        send(peer, "p-m0", announce.arp_announcement(OTHER, "192.0.2.1")[:cut].ljust(14, b"\0"))
    advertisement = announce.na_announcement(OTHER, "2001:db8::1")
    for position in (21, 40, 56, 60, 80):  # hop limit, destination, checksum, reserved, option
        wrong = bytearray(advertisement)
        wrong[position] ^= 1
        send(peer, "p-m0", bytes(wrong))
    assert verdict(asked) == {}


def test_other_traffic_does_not_reach_the_check(host: Namespace, peer: Namespace, nics: List[Cable]) -> None:
    """A busy NIC must not keep the daemon busy: the kernel filters."""
    asked = check(nics, host, ["2001:db8::1"], [])
    (fd,) = asked.filenos()
    packet = announce.na_announcement(OTHER, "2001:db8::9")
    for position, value in ((20, 17), (54, 128)):  # UDP; an echo request
        other = bytearray(packet)
        other[position] = value
        send(peer, "p-m0", bytes(other))
    time.sleep(0.1)
    same = socket.socket(fileno=os.dup(fd))
    with pytest.raises(BlockingIOError):
        same.recv(2048)
    send(peer, "p-m0", packet)
    assert eventually(lambda: _readable(same))
    same.close()
    asked.close()


def _readable(connection: socket.socket) -> bool:
    try:
        return bool(connection.recv(2048))
    except BlockingIOError:
        return False


def test_a_nic_that_is_gone_cannot_be_asked(host: Namespace, nics: List[Cable]) -> None:
    with pytest.raises(OSError):
        announce.DuplicateCheck(4711, OURS, ["192.0.2.1"], [])
    host.ip("link set m0 down")
    with pytest.raises(OSError):
        announce.DuplicateCheck(nics[0].ifindex, OURS, ["192.0.2.1"], [])


# Parsing


@given(
    st.ip_addresses(v=4).filter(lambda ip: int(ip) > 0) | st.ip_addresses(v=6).filter(lambda ip: not ip.is_multicast),
    st.binary(min_size=6, max_size=6),
)
def test_what_we_send_is_what_we_read(ip: object, mac: bytes) -> None:
    text, sender = str(ip), mac.hex(":")
    assert announce.parse(announce.announcement(sender, text)) == announce.Claim(text, sender, False)
    assert announce.parse(announce.probe(sender, text)) == announce.Claim(text, sender, True)


@given(st.binary(max_size=200))
@example(b"")
@example(b"\0" * 12 + b"\x08\x06")
@example(b"\0" * 12 + b"\x86\xdd" + b"\x60" + b"\0" * 60)
def test_any_bytes_are_read_without_an_exception(frame: bytes) -> None:
    announce.parse(frame)


@given(
    st.sampled_from(
        [
            make(OURS, ip)
            for make in (announce.announcement, announce.probe)
            for ip in ("192.0.2.1", "2001:db8::1", "fe80::1")
        ]
    ),
    st.integers(0, 100),
    st.binary(max_size=20),
)
def test_damaged_frames_are_read_without_an_exception(frame: bytes, position: int, rest: bytes) -> None:
    announce.parse(frame[:position] + rest)
    announce.parse(frame[:position] + rest + frame[position + len(rest) :])


@given(st.integers(22, 85), st.integers(1, 255))
def test_an_advertisement_with_one_wrong_byte_is_not_believed(position: int, change: int) -> None:
    frame = bytearray(announce.na_announcement(OURS, "2001:db8::1"))
    frame[position] ^= change
    assert announce.parse(bytes(frame)) is None
