# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong groups that cut the controller off, over real SSH: the host puts everything back by itself."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
from machine import ADDRESS, GROUP, HOME, OTHERS, Machine, eventually

from lab import Lab, compare, describe, dump

pytestmark = pytest.mark.kernel
FAR, BEHIND = "198.51.100.1", "198.51.100.254"
PROFILE = "[connection]\nid=lan\ntype=ethernet\ninterface-name=eth1\n[ipv4]\nmethod=manual\n"
PROFILE += f"address1={ADDRESS}/24,192.0.2.254\n"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """The controller is behind the router; NetworkManager has configured the host."""
    description: Dict[str, Any] = {**describe(hosts=1, nics=2, bed="systemd"), "rootfs_packages": list(OTHERS)}
    description["links"] = ["lan", "far"]
    description["router"]["nics"]["r1"] = {"link": "far", "addresses": [f"{BEHIND}/24"]}
    description["controller"] = {
        "nics": {"m0": {"link": "far", "addresses": [f"{FAR}/24"]}},
        "routes": [{"to": "192.0.2.0/24", "via": BEHIND}],
    }
    with Lab(description) as lab:
        machine = Machine(lab, tmp_path)
        machine.write({"/etc/NetworkManager/system-connections/lan.nmconnection": PROFILE})
        machine.sh("systemctl -q enable --now NetworkManager && nm-online -q -t 20")
        assert eventually(lambda: reached(machine)), machine.sh("ip addr; ip route")
        yield machine


def reached(machine: Machine) -> bool:
    return machine.lab.controller.run(["ping", "-c1", "-W1", ADDRESS], check=False).returncode == 0


def files(machine: Machine) -> List[str]:
    return machine.sh("ls /etc | grep '^hostname6*[.]' || true").split()


def wrong(**changes: Any) -> List[Dict[str, Any]]:
    return [{**copy.deepcopy(GROUP), **changes}]


def cut_off(machine: Machine, groups: List[Dict[str, Any]]) -> str:
    """What setup says when these groups are the wrong ones; it failed."""
    machine.listen(groups)
    done = machine.play("netpath.ipmp.setup", "-e", "hostname_files_confirm_timeout=20")
    assert done.returncode != 0, done.stdout
    return " ".join((done.stdout + done.stderr).split())


def test_a_first_setup_with_a_wrong_gateway_is_undone_and_the_next_boot_is_the_old_one(machine: Machine) -> None:
    before = machine.at_rest()
    told = cut_off(machine, wrong(gateways=["192.0.2.99"]))
    assert "puts everything back by itself" in told, told
    assert eventually(lambda: reached(machine), 90), machine.journal()
    assert eventually(lambda: files(machine) == []), files(machine)
    # Its prefix route and what is link-local is the kernel's now, and was NetworkManager's.
    ignored = ["eth2", f"eth1 {ADDRESS}", '"dst": "192.0.2.0/24"', "fe80:", "ff00:", "addr_gen_mode"]

    def as_before() -> List[str]:
        found = compare(before, dump(machine.host), without=ignored)
        return [difference for difference in found if not difference.startswith("links: eth1:")]

    assert eventually(lambda: not as_before()), as_before()
    assert machine.hosting() == HOME
    machine.lab.restart("h1")
    assert eventually(lambda: reached(machine), 60), machine.journal()
    assert "eth1:connected" in machine.sh("nmcli -t -f DEVICE,STATE device").splitlines()

    machine.listen()
    machine.played("netpath.ipmp.setup")
    assert machine.hosting() == HOME
    assert machine.status()["transaction"] is None
    good = machine.at_rest()
    assert "puts everything back by itself" in cut_off(machine, wrong(gateways=["192.0.2.99"]))
    assert eventually(lambda: reached(machine), 90), machine.journal()
    assert eventually(lambda: compare(good, dump(machine.host), nexthop_ids=False) == [], 60)
    machine.listen()
    again = machine.played("netpath.ipmp.setup", "--check")
    assert re.findall(r"changed=(\d+)", again) == ["0"], again
