# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packet filters, the real programs: what firewalld does to probes, and filters that stop them, which are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator

import pytest
from machine import ADDRESS, GROUP, OTHERS, Machine, booted, eventually

pytestmark = pytest.mark.kernel
PROBED: Dict[str, Any] = {
    **GROUP,
    "failure_detection_time": 2000,
    "targets": ["192.0.2.254", "192.0.2.250"],
    "interfaces": [
        {**GROUP["interfaces"][0], "test_addresses": ["192.0.2.21/24"]},
        {**GROUP["interfaces"][1], "test_addresses": ["192.0.2.22/24"]},
    ],
}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    for made in booted(tmp_path, packages=OTHERS):
        made.host.ip("link set eth1 up", f"addr add {ADDRESS}/24 dev eth1")
        made.listen([PROBED])
        made.played("netpath.ipmp.setup")
        yield made


def probes(machine: Machine) -> Dict[str, str]:
    return {i["name"]: i["probe"] for i in machine.status()["interfaces"]}


def test_filters_that_stop_probes_are_named_and_firewalld_stops_none(machine: Machine) -> None:
    good = {"eth1": "ok", "eth2": "ok"}
    assert eventually(lambda: probes(machine) == good, 60), machine.status()
    machine.sh("systemctl start firewalld")
    assert not eventually(lambda: probes(machine) != good, 8), machine.status()
    assert machine.status()["warnings"] == []
    machine.sh("systemctl stop firewalld")

    table = "nft add table inet t && nft 'add chain inet t {0} {{ type filter hook {0} priority 0; }}'"
    machine.sh(table.format("input") + " && nft add rule inet t input icmp type echo-reply drop")
    assert eventually(lambda: len(machine.status()["warnings"]) == 2, 60), machine.journal()
    assert all("let icmp echo-reply in on eth" in text for text in machine.status()["warnings"])
    assert machine.hosting()[ADDRESS] == "eth1"
    machine.sh("nft delete table inet t")
    assert eventually(lambda: machine.status()["warnings"] == [], 60), machine.status()
    assert "answers to probes reach in.mpathd on eth1 again" in machine.journal()

    machine.sh(table.format("output") + " && nft add rule inet t output icmp type echo-request drop")
    named = "a packet filter of this host refuses it: let icmp echo-request out on eth1"
    assert eventually(lambda: named in machine.journal(), 30), machine.journal()
