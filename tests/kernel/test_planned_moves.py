# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A card goes and comes back while a client counts at 10 kHz both ways: nothing is lost. The bench does 100 rounds."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path
from typing import Iterator

import pytest
from bench.planned import CONNECTIONS, NICS, RATE, Bed, BenchError, Stage, planned

pytestmark = pytest.mark.kernel
ROUNDS = 3


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=NICS) as made:
        yield made


@pytest.mark.parametrize("nics", [1, 2], ids=["one-nic", "two-nics"])
@pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])
def test_a_card_goes_and_comes_back_without_a_loss_or_a_reset(bed: Bed, family: int, nics: int) -> None:
    found = planned(Stage(bed, family, nics), ROUNDS)
    holes = [(track.address, track.direction, list(track.holes())) for track in found.record.tracks]
    assert (found.lost, found.resets) == (0, 0), (holes, found.record.tcp_ends, found.record.agents)
    assert found.record.agents["client"]["connected"] == CONNECTIONS
    assert found.sent > ROUNDS * RATE * nics


def test_what_the_client_is_too_slow_to_take_is_no_loss_but_an_error_of_the_measurement(bed: Bed) -> None:
    class Stopped(Stage):
        def round(self) -> None:
            agents = [p for p in bed.client.processes() if b"agent.py" in Path(f"/proc/{p}/cmdline").read_bytes()]
            (parent,) = re.findall(r"^PPid:\s+(\d+)", Path(f"/proc/{agents[0]}/status").read_text(), re.MULTILINE)
            os.kill(agents[0], signal.SIGSTOP)
            time.sleep(40_000 / RATE)  # 16 MiB of the kernel's memory hold some 20,000
            os.kill(int(parent), signal.SIGCONT)  # nsenter stops and goes on with what it runs

    with pytest.raises(BenchError, match=r"sockets had no room for \d{3,} datagrams"):
        planned(Stopped(bed, 4, 1), 1)
