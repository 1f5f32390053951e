# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The path check between members: what is proved is true, and what others send proves nothing."""

from __future__ import annotations

import socket
import time
from typing import Dict, Iterator, List, Set, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from namespaces import Cable, Namespace

from ipmp import announce, beacon
from ipmp.beacon import Beacon, PathCheck, Proof

pytestmark = pytest.mark.kernel


@pytest.fixture
def switch(peer: Namespace, nics: List[Cable]) -> Namespace:
    """The peer as a switch that both members hang on."""
    peer.ip("link add sw type bridge mcast_snooping 0", "link set sw up")
    for nic in nics:
        peer.ip(f"link set p-{nic.name} master sw")
    return peer


@pytest.fixture
def check(host: Namespace, nics: List[Cable]) -> Iterator[PathCheck]:
    """The path check of a group of m0 and m1."""
    made = PathCheck("ipmp0")
    for nic in nics:
        made.add(nic.ifindex, host.mac(nic.name))
    yield made
    made.close()


def proofs(check: PathCheck, nics: List[Cable], asking: Cable, seconds: float = 1.0, enough: int = 2) -> Set[Proof]:
    """What is proved within that time, or as soon as there are enough proofs; asks every 0.1 s."""
    found: Set[Proof] = set()
    end = time.monotonic() + seconds
    while time.monotonic() < end and len(found) < enough:
        check.ask(asking.ifindex)
        for _ in range(10):
            for nic in nics:
                found.update(check.read(nic.ifindex))
            time.sleep(0.01)
    return found


def frames(peer: Namespace, port: str) -> socket.socket:
    """A socket at the far end of a cable, for our ethertype."""
    with peer:
        connection = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        connection.bind((port, beacon.ETHERTYPE))
    connection.settimeout(10)
    return connection


def test_members_on_one_link_prove_both_directions(switch: Namespace, nics: List[Cable], check: PathCheck) -> None:
    m0, m1 = nics[0].ifindex, nics[1].ifindex
    assert set(check.filenos()) == {m0, m1}
    assert proofs(check, nics, nics[0], 10) == {Proof(m0, m1, False), Proof(m0, m1, True)}
    assert proofs(check, nics, nics[1], 10) == {Proof(m1, m0, False), Proof(m1, m0, True)}


def test_members_on_two_links_prove_nothing(switch: Namespace, nics: List[Cable], check: PathCheck) -> None:
    switch.ip("link add other type bridge", "link set other up", "link set p-m1 master other")
    assert proofs(check, nics, nics[0]) == set()


def test_a_member_that_only_transmits_does_not_prove_that_it_receives(
    switch: Namespace, nics: List[Cable], check: PathCheck
) -> None:
    switch.ip("link set p-m0 type bridge_slave flood off mcast_flood off bcast_flood off learning off")
    switch.ip("link set p-m0 type bridge_slave fdb_flush")  # where m0 is may be known from its kernel's own frames
    m0, m1 = nics[0].ifindex, nics[1].ifindex
    assert proofs(check, nics, nics[0]) == {Proof(m0, m1, False)}
    assert proofs(check, nics, nics[1]) == set(), "what m1 asks does not get to m0"


def test_a_port_that_forwards_late_proves_late(switch: Namespace, nics: List[Cable], check: PathCheck) -> None:
    switch.run("bridge", "link", "set", "dev", "p-m0", "state", "0")
    assert proofs(check, nics, nics[0], 0.5) == set()
    switch.run("bridge", "link", "set", "dev", "p-m0", "state", "3")
    assert len(proofs(check, nics, nics[0], 10)) == 2


def test_a_member_that_left_is_not_heard_any_more(switch: Namespace, nics: List[Cable], check: PathCheck) -> None:
    check.remove(nics[1].ifindex)
    assert proofs(check, nics, nics[0], 0.5) == set()
    assert check.read(nics[1].ifindex) == []
    assert not check.ask(nics[1].ifindex)


def test_a_nic_that_goes_down_or_away_hurts_nobody(
    host: Namespace, switch: Namespace, nics: List[Cable], check: PathCheck
) -> None:
    host.ip("link set m0 down")
    assert not check.ask(nics[0].ifindex)
    assert proofs(check, nics, nics[1], 0.3) == set()
    host.ip("link set m0 up")
    assert len(proofs(check, nics, nics[1], 10)) == 2
    host.ip("link del m0")
    assert proofs(check, nics, nics[0], 0.3) == set()
    with pytest.raises(OSError):
        check.add(nics[0].ifindex, "02:00:00:00:00:01")


def test_another_group_or_host_on_the_link_proves_nothing(
    host: Namespace, switch: Namespace, nics: List[Cable], check: PathCheck
) -> None:
    """A sibling there is of another process: it knows none of our nonces, and we none of its."""
    others = PathCheck("ipmp0")
    for nic in nics:
        others.add(nic.ifindex, host.mac(nic.name))
    others.ask(nics[0].ifindex)
    check.ask(nics[0].ifindex)
    time.sleep(0.3)
    assert others.read(nics[1].ifindex) == [Proof(nics[0].ifindex, nics[1].ifindex, False)]
    assert check.read(nics[1].ifindex) == [Proof(nics[0].ifindex, nics[1].ifindex, False)]
    others.close()


def asked(check: PathCheck, switch: Namespace, nic: Cable, host: Namespace) -> Tuple[Beacon, Dict[str, bytes]]:
    """One question as somebody on the link sees it, and the members' MACs."""
    with frames(switch, f"p-{nic.name}") as listening:
        assert check.ask(nic.ifindex)
        frame = listening.recv(2048)
    seen = beacon.parse(frame)
    assert seen
    assert len(frame) == 60
    return seen, {name: announce.mac_bytes(host.mac(name)) for name in ("m0", "m1")}


def test_forged_frames_prove_nothing(host: Namespace, peer: Namespace, nics: List[Cable], check: PathCheck) -> None:
    """Two separate cables: whoever is at their ends has seen a question and plays the sibling, with one thing wrong."""
    question, macs = asked(check, peer, nics[0], host)
    m0, m1 = nics[0].ifindex, nics[1].ifindex
    right = Beacon(macs["m1"], True, question.group, question.nonce, m1)
    wrong = {
        "nonce": right._replace(nonce=b"\0" * 16),
        "group": right._replace(group=beacon.group_hash("ipmp1")),
        "sender": right._replace(ifindex=4711),
        "itself": right._replace(ifindex=m0, source=macs["m0"]),
        "MAC": right._replace(source=b"\x02\0\0\0\0\1"),
        "its own question": question,
    }
    packed = {name: beacon.pack(macs["m0"], forged) for name, forged in wrong.items()}
    good = beacon.pack(macs["m0"], right)
    packed.update({"short": good[:40], "magic": good[:14] + b"IPMP" + good[18:], "kind": good[:19] + b"\3" + good[20:]})
    packed["version"] = good[:18] + b"\2" + good[19:]
    with frames(peer, "p-m0") as sender:
        for name, frame in packed.items():
            sender.send(frame)
            time.sleep(0.05)
            assert check.read(m0) == [], name
        with frames(peer, "p-m1") as other:
            other.send(good)  # an answer, but on another member than the one that asked
            time.sleep(0.05)
            assert check.read(m1) == []
        sender.send(good)
        time.sleep(0.05)
        assert check.read(m0) == [Proof(m0, m1, True)], "the same with nothing wrong is believed"


def test_an_answer_that_comes_too_late_proves_nothing(
    host: Namespace, peer: Namespace, nics: List[Cable], check: PathCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    question, macs = asked(check, peer, nics[0], host)
    monkeypatch.setattr(beacon, "NONCE_LIFE", 0.0)
    with frames(peer, "p-m0") as sender:
        sender.send(beacon.pack(macs["m0"], Beacon(macs["m1"], True, question.group, question.nonce, nics[1].ifindex)))
    time.sleep(0.05)
    assert check.read(nics[0].ifindex) == []


def test_questions_differ_and_are_forgotten(
    nics: List[Cable], check: PathCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        check.ask(nics[0].ifindex)
    assert len(check._asked) == 3
    monkeypatch.setattr(beacon, "NONCE_LIFE", 0.0)
    check.ask(nics[0].ifindex)
    assert len(check._asked) == 1


def test_garbage_of_our_ethertype_is_drained(peer: Namespace, nics: List[Cable], check: PathCheck) -> None:
    with frames(peer, "p-m0") as sender:
        for size in range(14, 100):
            sender.send(b"\xff" * 12 + beacon.ETHERTYPE.to_bytes(2, "big") + b"\xa5" * (size - 14))
    time.sleep(0.05)
    assert check.read(nics[0].ifindex) == []


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_exception(frame: bytes) -> None:
    beacon.parse(frame)


@given(st.integers(0, 60), st.binary(max_size=80))
def test_damaged_frames_are_read_without_an_exception(position: int, rest: bytes) -> None:
    good = beacon.pack(b"\xff" * 6, Beacon(b"\2" * 6, False, b"g" * 8, b"n" * 16, 3))
    beacon.parse(good[:position] + rest)
    beacon.parse(good[:position] + rest + good[position + len(rest) :])


@given(
    st.builds(
        Beacon,
        st.binary(min_size=6, max_size=6),
        st.booleans(),
        st.binary(min_size=8, max_size=8),
        st.binary(min_size=16, max_size=16),
        st.integers(1, 2**31 - 1),
    )
)
def test_what_we_send_is_what_we_read(sent: Beacon) -> None:
    assert beacon.parse(beacon.pack(b"\xff" * 6, sent)) == sent
