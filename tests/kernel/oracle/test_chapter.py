# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements of Solaris' chapter on IPMP and dynamic reconfiguration that no case of the oracle shows by itself."""

from __future__ import annotations

from typing import Iterator

import pytest
from bed import Bed, eventually

pytestmark = pytest.mark.kernel
A1, B1, C1, TA = "192.0.2.11", "192.0.2.12", "198.51.100.13", "192.0.2.81"


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=3) as made:
        yield made


def test_a_new_nic_may_have_a_group_of_its_own_and_is_there_after_a_boot_only_with_a_file(bed: Bed) -> None:
    bed.start({"hostname.eth1": f"{A1}/24 group g up\n", "hostname.eth2": f"{B1}/24 group g up\n"})
    bed.write({"hostname.eth3": f"{C1}/24 group h up\n"})
    bed.call("apply")
    eventually(bed.on(eth1=A1, eth2=B1, eth3=C1), bed.hosting)
    assert [(g["name"], g["active"]) for g in bed.status()["groups"]] == [("g", ["eth1", "eth2"]), ("h", ["eth3"])]
    for text, addresses in ((f"{C1}/24 group h up\n", {C1}), (None, set())):
        bed.reset()
        bed.write({"hostname.eth3": text} if text else {})
        bed.run_daemon()
        assert {ip for ip, nic in bed.hosting().items() if nic == "eth3"} == addresses
        assert (C1 in bed.held("eth3")) is (text is not None)


def test_a_nic_that_was_detached_has_no_address_left_and_is_down(bed: Bed) -> None:
    test = f"addif {TA}/24 deprecated -failover up\n"
    bed.start({"hostname.eth1": f"{A1}/24 group g up\n{test}", "hostname.eth2": f"{B1}/24 group g up\n"})
    assert {A1, TA} <= set(bed.held("eth1"))
    assert bed.run("cfgadm", "-c", "unconfigure", "eth1").returncode == 0
    assert bed.run("ip", "-o", "addr", "show", "eth1").stdout == ""
    assert "UP" not in bed.run("ip", "link", "show", "eth1").stdout.split(">")[0]
    assert A1 in bed.held("eth2") and TA not in bed.held("eth2")
