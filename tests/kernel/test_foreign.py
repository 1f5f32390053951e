# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was on a host before it had groups: taken over where the files claim it, kept otherwise, and given back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Iterator, List

import pytest
from namespaces import eventually

from lab import Host, Lab, compare, describe, dump, inventory

pytestmark = pytest.mark.kernel
GROUP = {
    "name": "lan",
    "interfaces": [
        {"name": "eth1", "data_addresses": ["192.0.2.11/24"]},
        {"name": "eth2", "data_addresses": ["192.0.2.12/24"]},
    ],
}
ROUTES = [
    "default via 192.0.2.254 dev eth1 proto static metric 100",
    "203.0.113.0/24 via 192.0.2.253 dev eth1",
]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A host as an installer leaves it: one address and the default route on a NIC that becomes a member."""
    with Lab(describe(hosts=1, nics=2)) as made:
        made.folder = tmp_path
        made.write_inventory(tmp_path / "hosts.yml", {"h1": {"ipmp_groups": [GROUP]}})
        host = made.hosts["h1"]
        host.run("ip link set eth1 up; ip link set eth2 up; ip addr add 192.0.2.11/24 brd + dev eth1")
        host.run("ip addr add 192.0.2.99/24 dev eth1")  # a neighbour of the claimed address that nobody claims
        for route in ROUTES:
            host.run(f"ip route add {route}")
        yield made


def setup(lab: Lab) -> None:
    done = inventory.ansible(lab.controller, "netpath.ipmp.setup", "-i", str(lab.folder / "hosts.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def routes(host: Host) -> List[str]:
    """The administrator's routes, without what tells of the link's state."""
    shown = host.run("ip route show proto static; ip route show proto boot").stdout.splitlines()
    dropped = {"dead", "linkdown", "onlink"}
    return sorted(" ".join(word for word in line.split() if word not in dropped) for line in shown)


def places(host: Host) -> List[str]:
    links = json.loads(host.run("ip -j -4 addr").stdout)
    return sorted(
        f"{link['ifname']} {a['local']}" for link in links if link["ifname"] != "lo" for a in link["addr_info"]
    )


def test_an_administrators_routes_outlive_the_addresses_that_leave_their_card(lab: Lab) -> None:
    host = lab.hosts["h1"]
    before = routes(host)
    setup(lab)
    assert "eth1 192.0.2.99" in places(host)
    host.run("ip addr del 192.0.2.99/24 dev eth1")
    assert routes(host) == before
    home = ["eth1 192.0.2.11", "eth2 192.0.2.12"]
    assert places(host) == home
    lab.nic("h1", "eth1").pull()
    assert eventually(lambda: places(host) == ["eth2 192.0.2.11", "eth2 192.0.2.12"], 30), places(host)
    assert eventually(lambda: routes(host) == before, 30), routes(host)
    lab.nic("h1", "eth1").plug()
    assert eventually(lambda: places(host) == home, 30), places(host)
    for switch in ("-d", "-r"):
        host.run(["if_mpadm", switch, "eth1"])
        assert eventually(lambda: routes(host) == before, 30), routes(host)
    assert eventually(lambda: places(host) == home, 30), places(host)


def test_what_was_taken_over_is_given_back(lab: Lab) -> None:
    host = lab.hosts["h1"]
    host.run("ip addr del 192.0.2.99/24 dev eth1")
    assert eventually(lambda: "tentative" not in host.run("ip -6 addr").stdout, 30)
    before = dump(host)
    setup(lab)
    assert "192.0.2.11/32" in host.run("ip addr show dev eth1").stdout
    host.run(["in.mpathd", "--release"])
    left = compare(before, dump(host))
    assert not left, "\n".join(left)
