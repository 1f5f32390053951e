# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The eyes and hands of the oracle's tests work: else a case could pass since nothing was looked at."""

from __future__ import annotations

import time
from typing import Iterator

import pytest
from bed import Bed, eventually
from capture import Capture
from echoer import Echoer

pytestmark = pytest.mark.kernel
FILES = {"hostname.eth1": "192.0.2.11/24 group g up\n", "hostname.eth2": "192.0.2.12/24 group g up\n"}


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=2) as made:
        yield made


def test_the_bed_begins_anew_each_time(bed: Bed) -> None:
    for _ in range(2):
        bed.start(FILES)
        assert bed.hosting() == {"192.0.2.11": "eth1", "192.0.2.12": "eth2"}
        bed.nic("eth1").pull()
        bed.log.wait("Successfully failed over from NIC eth1 to NIC eth2")
        bed.drop("ether type ip6")
        bed.nic("eth2").cut()
    bed.reset()
    assert bed.hosting() == {}
    assert bed.log.lines == []
    assert "proto 199" not in bed.host.run("ip route show table all; ip nexthop").stdout


def test_the_switch_drops_what_it_is_told_to(bed: Bed) -> None:
    bed.start(FILES)
    ping = ["ping", "-c", "1", "-W", "0.3", "192.0.2.11"]
    eventually(lambda: bed.client.run(ping, check=False).returncode == 0, "the first ping")
    bed.drop(f"oifname {bed.nic('eth1').port} ip protocol icmp")
    assert bed.client.run(ping, check=False).returncode != 0
    bed.pass_all()
    assert bed.client.run(ping, check=False).returncode == 0


@pytest.mark.parametrize("nobody", ["192.0.2.241", "2001:db8::241"])
def test_an_echoer_answers_as_it_is_told_to(bed: Bed, nobody: str) -> None:
    bed.start({**FILES, "hostname6.eth1": "addif 2001:db8::11/64 up\n"})
    command = ["ping", "-c", "1", "-W", "2", "-i", "0.2", nobody]
    with Capture(bed.client, "c0") as seen, Echoer(bed.client, "c0", [nobody]) as echoer:
        eventually(lambda: bed.run(*command).returncode == 0, "answered")
        asked = seen.wait(lambda f: f.echo_request and f.target == nobody and not f.outgoing)
        answered = seen.wait(lambda f: f.echo_reply and f.source == nobody and f.outgoing)
        assert (asked.identifier, asked.sequence) == (answered.identifier, answered.sequence)
        echoer.delay[nobody] = 0.3
        begin = time.time()
        assert bed.run(*command).returncode == 0
        assert 0.3 <= time.time() - begin < 2
        echoer.silent.add(nobody)
        assert bed.run("ping", "-c", "1", "-W", "0.3", nobody).returncode != 0
        echoer.silent.clear()
        echoer.shape = lambda request, _answer: [echoer.answer(request, nobody, identifier=request.identifier ^ 1)]
        assert bed.run("ping", "-c", "1", "-W", "0.5", nobody).returncode != 0
    assert bed.run("ping", "-c", "1", "-W", "0.3", nobody).returncode != 0  # the address has gone with it
