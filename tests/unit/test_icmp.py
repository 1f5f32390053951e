# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Echo packets as bytes: what we ask, what an answer looks like, and that nothing else is taken for one."""

from __future__ import annotations

import struct
from typing import Callable, Optional

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ipmp import icmp
from ipmp.icmp import Echo

IDENTIFIER = 0x1DEA
ECHO = Echo(0x1234, 0xFFFE, 0xFEDCBA9876543210)
HEADER = bytes.fromhex("4500003000000000400100000a0000020a000001")
families = pytest.mark.parametrize("family", [4, 6])
echoes = st.builds(Echo, st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1), st.integers(0, 2**64 - 1))


def checksum(message: bytes) -> int:
    """RFC 1071, word by word."""
    total = 0
    for (word,) in struct.iter_unpack("!H", message):
        total += word
        if total > 0xFFFF:
            total -= 0xFFFF
    return total


def answer(family: int, request: bytes) -> bytes:
    """What a host makes of a request, as a raw socket delivers it."""
    if family == 6:
        return b"\x81" + request[1:]
    message = b"\0\0\0\0" + request[4:]
    return HEADER + message[:2] + (0xFFFF - checksum(message)).to_bytes(2, "big") + message[4:]


@pytest.mark.parametrize(("family", "kind"), [(4, 8), (6, 128)])
def test_a_request_is_an_echo_request_of_ours(family: int, kind: int) -> None:
    message = icmp.request(family, IDENTIFIER, ECHO)
    assert message[:2] == bytes([kind, 0])
    assert message[4:8] == bytes.fromhex("1deafffe")
    assert message[8:20] == bytes.fromhex("fedcba987654321000001234"), "64 bits of nonce, 32 of kind"


@given(echoes, st.integers(0, 2**16 - 1))
def test_the_checksum_of_a_request_is_right(echo: Echo, identifier: int) -> None:
    assert checksum(icmp.request(4, identifier, echo)) == 0xFFFF


@families
@given(echo=echoes, identifier=st.integers(0, 2**16 - 1))
def test_an_answer_brings_back_what_was_sent(family: int, echo: Echo, identifier: int) -> None:
    assert icmp.parse(family, answer(family, icmp.request(family, identifier, echo)), identifier) == echo


def with_options(packet: bytes) -> bytes:
    """An IPv4 packet that came by a source route."""
    return b"\x47" + packet[1:20] + bytes.fromhex("8307040a000003" + "00") + packet[20:]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda packet, at: packet[:-1], id="too short"),
        pytest.param(lambda packet, at: packet + b"\0", id="too long"),
        pytest.param(lambda packet, at: packet[:at] + bytes([packet[at] ^ 8]) + packet[at + 1 :], id="another type"),
        pytest.param(lambda packet, at: packet[: at + 1] + b"\1" + packet[at + 2 :], id="a code"),
        pytest.param(lambda packet, at: packet[: at + 5] + b"\0" + packet[at + 6 :], id="another identifier"),
        pytest.param(lambda packet, at: packet[:-1] + b"\2", id="another version of ours"),
        pytest.param(lambda packet, at: packet[:at] + packet[at:] + b"\0" * 8, id="padded"),
        pytest.param(lambda packet, at: b"", id="nothing"),
    ],
)
@families
def test_what_is_not_quite_an_answer_is_none(family: int, change: Callable[[bytes, int], bytes]) -> None:
    at = 20 if family == 4 else 0
    packet = change(answer(family, icmp.request(family, IDENTIFIER, ECHO)), at)
    if family == 4 and len(packet) == 48:  # let not the checksum alone decide
        message = packet[20:22] + b"\0\0" + packet[24:]
        packet = packet[:22] + (0xFFFF - checksum(message)).to_bytes(2, "big") + packet[24:]
    assert icmp.parse(family, packet, IDENTIFIER) is None


def test_ipv4_that_is_damaged_or_came_by_a_source_route_or_is_no_icmp_is_none() -> None:
    packet = answer(4, icmp.request(4, IDENTIFIER, ECHO))
    assert icmp.parse(4, packet, IDENTIFIER) == ECHO
    assert icmp.parse(4, packet[:30] + bytes([packet[30] ^ 1]) + packet[31:], IDENTIFIER) is None
    assert icmp.parse(4, with_options(packet), IDENTIFIER) is None
    assert icmp.parse(4, packet[:9] + b"\x11" + packet[10:], IDENTIFIER) is None
    assert icmp.parse(4, b"\x65" + packet[1:], IDENTIFIER) is None
    assert icmp.parse(4, b"\x46" + packet[1:], IDENTIFIER) is None


@families
def test_a_request_is_no_answer(family: int) -> None:
    request = icmp.request(family, IDENTIFIER, ECHO)
    assert icmp.parse(family, HEADER + request if family == 4 else request, IDENTIFIER) is None


@families
@given(packet=st.binary(max_size=200), identifier=st.integers(0, 2**16 - 1))
@example(packet=b"\x45" * 48, identifier=0x4545)
@example(packet=b"\0" * 48, identifier=0)
@example(packet=b"\x81" + b"\0" * 27, identifier=0)
def test_any_bytes_are_read_without_an_exception_and_match_nothing(family: int, packet: bytes, identifier: int) -> None:
    assert icmp.parse(family, packet, identifier) is None


def position(data: st.DataObject, packet: bytes) -> int:
    return int(data.draw(st.integers(0, len(packet) - 1)))


@families
@given(data=st.data(), rest=st.binary(max_size=60))
def test_damaged_answers_raise_nothing_and_what_is_left_has_our_marks(
    family: int, data: st.DataObject, rest: bytes
) -> None:
    good = answer(family, icmp.request(family, IDENTIFIER, ECHO))
    start = position(data, good)
    for packet in (good[:start], good[:start] + rest, good[:start] + rest + good[start + len(rest) :]):
        found: Optional[Echo] = icmp.parse(family, packet, IDENTIFIER)
        if found is not None:
            assert len(packet) == len(good)
            assert packet[-24:-22] == IDENTIFIER.to_bytes(2, "big")
            assert packet[-8:] == good[-8:]


@given(st.integers(0, 27), st.integers(1, 255))
def test_one_damaged_byte_of_ipv4_is_never_believed(offset: int, flip: int) -> None:
    """The kernel does not check it for a raw socket."""
    packet = bytearray(answer(4, icmp.request(4, IDENTIFIER, ECHO)))
    packet[20 + offset] ^= flip
    assert icmp.parse(4, bytes(packet), IDENTIFIER) is None


@pytest.mark.parametrize(
    ("ip", "address"),
    [
        ("192.0.2.1", ("192.0.2.1", 0)),
        ("224.0.0.1", ("224.0.0.1", 0)),
        ("fe80::1", ("fe80::1", 0, 0, 7)),
        ("febf::1", ("febf::1", 0, 0, 7)),
        ("ff02::1", ("ff02::1", 0, 0, 7)),
        ("2001:db8::1", ("2001:db8::1", 0, 0, 0)),
        ("fec0::1", ("fec0::1", 0, 0, 0)),
        ("::1", ("::1", 0, 0, 0)),
    ],
)
def test_addresses_get_a_scope_where_they_need_one(ip: str, address: icmp.Address) -> None:
    assert icmp.where(ip, 7) == address
