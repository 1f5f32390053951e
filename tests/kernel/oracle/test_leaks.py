# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes and goes while the daemon runs leaves no descriptor behind."""

from __future__ import annotations

import os
from typing import Iterator

import pytest
from bed import Bed, eventually

pytestmark = pytest.mark.kernel
A1, TA, TB = "192.0.2.11", "192.0.2.111", "192.0.2.112"
FILES = {
    "hostname.eth1": f"{A1}/24 group g up addif {TA}/24 deprecated -failover up\n",
    "hostname.eth2": f"group g up {TB}/24 deprecated -failover up\n",
}


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=2) as made:
        yield made


def descriptors(bed: Bed) -> int:
    return len(os.listdir(bed.root / f"proc/{bed.call('ping')['pid']}/fd"))


def home(bed: Bed, mark: int) -> None:
    bed.log.wait("NIC repair detected on eth1 of group g", mark)
    eventually(bed.on(eth1=A1), "home")


def test_a_card_that_leaves_and_comes_back_as_another_interface(bed: Bed) -> None:
    bed.start(FILES, groups="[g]\ngateways = 192.0.2.254\n", defaults="FAILURE_DETECTION_TIME=350\n")
    counts = []
    for _turn in range(4):
        mark = bed.log.mark()
        bed.nic("eth1").take_out()
        eventually(bed.on(eth2=A1), "away")
        bed.nic("eth1").put_back()
        home(bed, mark)
        eventually(lambda: descriptors(bed) <= (counts or [99])[0], lambda: f"{descriptors(bed)} after {counts}", 5)
        counts.append(descriptors(bed))
