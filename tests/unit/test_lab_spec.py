# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The description of a lab: what it fills in and what it refuses; and the comparison of kernel dumps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.kerneldump import compare
from lab.spec import LabError, describe, read


def test_the_usual_description_has_a_mac_for_every_card() -> None:
    spec = read(describe(hosts=2, nics=3, mgmt=True))
    macs = [nic.mac for host in spec.hosts for nic in host.nics]
    assert [host.name for host in spec.hosts] == ["h1", "h2", "client", "router", "controller"]
    assert len(macs) == len(set(macs)) == 2 * 4 + 3


def test_a_yaml_file_reads_as_the_same_mapping(tmp_path: Path) -> None:
    path = tmp_path / "lab.yml"
    path.write_text(json.dumps(describe(hosts=1, nics=1)))
    assert read(path) == read(describe(hosts=1, nics=1))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"bed": "fast"}, "bed: 'fast' is none of quick, systemd"),
        ({"links": []}, "host h1, NIC eth1: link 'lan' is none of the lab's links"),
        ({"hosts": {"h 1": {}}}, "host 'h 1': a name is"),
        ({"hosts": {"h1": {"nics": {"e": {"link": "lan", "adresses": []}}}}}, "unknown key 'adresses'"),
        ({"hosts": {"h1": {"nics": {"e": {"link": "lan", "mac": "01:00:00:00:00:01"}}}}}, "is not the MAC of one NIC"),
        ({"hosts": {"h1": {"nics": {"e": {"link": "lan", "addresses": ["192.0.2.300/24"]}}}}}, "host h1, NIC e"),
        ({"hosts": {"h1": {"nics": {n: {"link": "lan", "mac": "02:00:00:00:00:01"} for n in "ab"}}}}, "two NICs have"),
    ],
)
def test_a_mistake_is_named(change: dict, sentence: str) -> None:
    with pytest.raises(LabError, match=".*" + sentence.replace("(", r"\(")):
        read({**describe(hosts=1, nics=2), **change})


def dumped(nexthop: int, via: str = "192.0.2.254") -> dict:
    route = json.dumps({"dst": "default", "nhid": nexthop}, sort_keys=True)
    return {"routes": {f"inet {route}": 1}, "nexthops": {str(nexthop): {"gateway": via, "dev": "eth1"}}}


def test_dumps_are_compared_by_number_or_by_meaning() -> None:
    assert compare(dumped(1), dumped(1)) == []
    assert len(compare(dumped(1), dumped(2))) == 4
    assert compare(dumped(1), dumped(2), nexthop_ids=False) == []
    assert len(compare(dumped(1), dumped(2, "192.0.2.253"), nexthop_ids=False)) == 4


def test_what_is_meant_to_differ_is_left_out() -> None:
    before = {"sysctls": {"net.ipv4.conf.eth1.rp_filter": "0", "net.ipv4.conf.eth2.rp_filter": "0"}}
    after = {"sysctls": {"net.ipv4.conf.eth1.rp_filter": "2"}}
    assert compare(before, after, without=["eth2"]) == ['sysctls: net.ipv4.conf.eth1.rp_filter: was "0", is "2"']
