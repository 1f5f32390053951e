# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's measurement: it finds the losses that were made and no others, and its two witnesses agree."""

from __future__ import annotations

import time
from typing import Dict, Iterator, List

import pytest
from demo.traffic import TO_CLIENT, Record, Traffic

from lab import Lab, describe

pytestmark = pytest.mark.kernel
ADDRESSES: Dict[str, List[str]] = {"h1": ["192.0.2.11", "2001:db8::11"], "h2": ["192.0.2.21"]}


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab(describe(hosts=2, nics=1)) as made:
        for host, addresses in ADDRESSES.items():
            made.hosts[host].ip(
                "link set eth1 up",
                *(f"addr add {a}/64 dev eth1 nodad" if ":" in a else f"addr add {a}/24 dev eth1" for a in addresses),
            )
        yield made


def wait_until_alive(lab: Lab) -> None:
    """Neighbours are known both ways, so that what is counted from now on is not the start."""
    for host in lab.hosts.values():
        for address in ("192.0.2.250", "2001:db8::250") if host.name == "h1" else ("192.0.2.250",):
            host.run(["ping", "-c1", "-W5", address])
    time.sleep(0.5)


def explained(record: Record) -> str:
    return f"{record.agents} {[(t.address, t.direction, list(t.holes())) for t in record.tracks]}"


def test_a_quiet_network_loses_nothing_and_a_cut_one_just_what_was_sent_meanwhile(lab: Lab) -> None:
    traffic = Traffic(lab, ADDRESSES, rate=500)
    wait_until_alive(lab)
    begin = time.time()
    time.sleep(1)
    cut = time.time()
    lab.nic("h1", "eth1").cut()
    time.sleep(0.4)
    lab.nic("h1", "eth1").mend()
    mended = time.time() + 0.1
    time.sleep(1)
    end = time.time()
    record = traffic.stop()
    quiet, broken, after = record.count(begin, cut), record.count(cut, mended), record.count(mended, end)
    assert quiet.lost == 0, explained(record)
    assert quiet.sent > 6 * 500 * 0.8
    assert record.count(cut, mended, ["h2"]).lost == 0, explained(record)
    sent_meanwhile = 4 * 0.4 * 500
    assert 0.9 * sent_meanwhile <= broken.lost <= 1.5 * sent_meanwhile, explained(record)
    assert 390 <= broken.longest_gap_ms <= 1000
    assert after.lost == 0, explained(record)
    assert record.count(begin, end).tcp_resets == 0
    assert record.disagreements() == []


def test_a_connection_that_the_host_resets_is_counted(lab: Lab) -> None:
    traffic = Traffic(lab, ADDRESSES, rate=200)
    wait_until_alive(lab)
    begin = time.time()
    lab.hosts["h2"].run(["ss", "-K", "sport", "=", "7002"])
    time.sleep(1)
    record = traffic.stop()
    assert record.count(begin, time.time()).tcp_resets == 1
    assert record.tcp_ends[0][1:3] == ("h2", "192.0.2.21")
    assert record.count(begin, time.time(), ["h1"]).tcp_resets == 0


def test_an_address_counts_from_when_it_first_answered(lab: Lab) -> None:
    lab.hosts["h2"].ip("addr del 192.0.2.21/24 dev eth1")
    traffic = Traffic(lab, ADDRESSES, rate=200)
    begin = time.time()
    time.sleep(1)
    appeared = time.time()
    lab.hosts["h2"].ip("addr add 192.0.2.21/24 dev eth1")
    time.sleep(2)
    record = traffic.stop()
    assert record.count(begin, appeared, ["h2"]).sent == 0
    later = record.count(begin, time.time(), ["h2"])
    assert later.sent > 0
    assert later.lost == 0, explained(record)


def test_the_capture_contradicts_sockets_that_claim_too_much(lab: Lab) -> None:
    traffic = Traffic(lab, ADDRESSES, rate=200)
    wait_until_alive(lab)
    record = traffic.stop()
    assert record.disagreements() == []
    track = next(t for t in record.tracks if t.direction == TO_CLIENT)
    track.arrived[len(track.arrived) // 2] = 0.0
    assert len(record.disagreements()) == 1
