# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped playbooks on a host of the lab: set up, refuse, verify, put back; and a host that is cut off returns."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import pytest

from lab import Host, Lab, describe, inventory

pytestmark = pytest.mark.kernel
COLLECTIONS = Path(__file__).resolve().parents[2] / "build" / "collections"
GROUPS = [
    {
        "name": "lan",
        "interfaces": [
            {"name": "eth1", "data_addresses": ["192.0.2.11/24", "2001:db8::11/64"]},
            {"name": "eth2", "standby": True},
        ],
    }
]
VARIABLES = {"h1": {"ipmp_groups": GROUPS}}


class Bed:
    """A lab of one host, its controller, and the playbooks."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.inventory = folder / "inventory.yml"
        self.ssh = folder / "ssh.yml"
        lab.write_inventory(self.inventory, VARIABLES)

    @property
    def host(self) -> Host:
        return self.lab.hosts["h1"]

    def play(self, playbook: str, *arguments: str, ssh: bool = False) -> subprocess.CompletedProcess[str]:
        extra = {
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o ConnectTimeout=3 -o ServerAliveInterval=1",
        }
        chosen = self.ssh if ssh else self.inventory
        return inventory.ansible(
            self.lab.controller, "-i", str(chosen), f"netpath.ipmp.{playbook}", *arguments, extra=extra
        )

    def status(self) -> Dict[str, Any]:
        program = "import sys, json; sys.path.insert(0, '/usr/local/lib/ipmp'); from ipmp import client; "
        program += "print(json.dumps(client.Client().call('status')))"
        answer: Dict[str, Any] = json.loads(self.host.run(["/usr/bin/python3", "-c", program]).stdout)
        return answer

    def hosting(self) -> Dict[str, Optional[str]]:
        return {a["address"]: a["interface"] for a in self.status()["addresses"]}

    def reached(self, address: str = "192.0.2.11") -> bool:
        return self.lab.controller.run(["ping", "-c1", "-W1", address], check=False).returncode == 0


HOME = {"192.0.2.11": "eth1", "2001:db8::11": "eth1"}


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    with Lab(describe(hosts=1, nics=2)) as lab:
        bed = Bed(lab, tmp_path)
        done = bed.play("setup")
        assert done.returncode == 0, done.stdout + done.stderr
        assert bed.hosting() == HOME
        yield bed


def changed(done: subprocess.CompletedProcess[str]) -> List[int]:
    return [int(number) for number in re.findall(r"changed=(\d+)", done.stdout)]


def test_a_second_setup_changes_nothing(bed: Bed) -> None:
    again = bed.play("setup")
    assert (again.returncode, changed(again)) == (0, [0]), again.stdout


def test_check_detach_and_reattach(bed: Bed) -> None:
    checked = bed.play("dr_check", "-e", "ipmp_component=eth1")
    assert "192.0.2.11 would move from eth1 to eth2" in checked.stdout
    assert (checked.returncode, changed(checked), bed.hosting()) == (0, [0], HOME)
    detached = bed.play("dr_detach", "-e", "ipmp_component=eth1")
    assert detached.returncode == 0, detached.stdout
    assert set(bed.hosting().values()) == {"eth2"}
    assert bed.status()["transaction"] is None
    refused = bed.play("dr_detach", "-e", "ipmp_component=eth2")
    assert refused.returncode == 2
    assert "nothing was changed" in refused.stdout + refused.stderr
    attached = bed.play("dr_reattach", "-e", "ipmp_component=eth1")
    assert attached.returncode == 0, attached.stdout
    assert bed.hosting() == HOME


def test_check_mode_of_the_detach_changes_nothing(bed: Bed) -> None:
    done = bed.play("dr_detach", "-e", "ipmp_component=eth1", "--check")
    assert done.returncode == 0, done.stdout
    assert "eth1 would be detached" in done.stdout
    assert (bed.hosting(), bed.status()["transaction"]) == (HOME, None)


def test_a_detach_that_fails_its_verification_is_put_back(bed: Bed) -> None:
    done = bed.play("dr_detach", "-e", "ipmp_component=eth1", "-e", '{"ipmp_verify_ports": [9]}')
    assert done.returncode == 2
    assert re.search(r"accepts no connection to port 9.*it was put back", done.stdout + done.stderr)
    assert (bed.hosting(), bed.status()["transaction"]) == (HOME, None)
    assert bed.reached()


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("ipmp_confirm_timeout=0", "leave ipmp_confirm_timeout above 0"),
        ("ipmp_verify_from=nobody", "ipmp_verify_from names no host"),
    ],
)
def test_a_detach_without_a_net_is_refused_first(bed: Bed, option: str, sentence: str) -> None:
    done = bed.play("dr_detach", "-e", "ipmp_component=eth1", "-e", option)
    assert done.returncode == 2
    assert sentence in done.stdout + done.stderr
    assert (bed.hosting(), bed.status()["transaction"]) == (HOME, None)


def test_a_host_that_a_detach_cuts_off_comes_back_by_itself(bed: Bed) -> None:
    """SSH goes over an address of eth1; the standby that it moves to has carrier, but gets no frame through."""
    bed.lab.write_inventory(bed.ssh, VARIABLES, ssh={"h1": "192.0.2.11"})
    assert bed.play("dr_check", "-e", "ipmp_component=eth1", ssh=True).returncode == 0
    bed.lab.nic("h1", "eth2").cut()
    done = bed.play("dr_detach", "-e", "ipmp_component=eth1", "-e", "ipmp_confirm_timeout=20", ssh=True)
    assert done.returncode != 0, done.stdout
    # 20 s until the timer; then up to 45 s, because no sibling can hear that eth1's path is good.
    deadline = time.monotonic() + 120
    while not bed.reached() and time.monotonic() < deadline:
        time.sleep(0.5)
    assert bed.reached(), bed.status()
    while bed.status()["transaction"] and time.monotonic() < deadline:
        time.sleep(0.5)
    assert (bed.hosting(), bed.status()["transaction"]) == (HOME, None)
