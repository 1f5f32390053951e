# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbook migrate on a host of the lab: what it prints is an inventory that setup makes a working group of."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Iterator

import pytest
import yaml

from lab import Lab, describe, inventory

pytestmark = pytest.mark.kernel
BOND = """
auto bond0
iface bond0 inet static
    address 192.0.2.11/24
    bond-slaves eth1 eth2
    bond-mode active-backup
    bond-primary eth2
    post-up /usr/local/sbin/own-script
"""
SOLARIS = {
    "/etc/hostname.hme0": "db1 netmask + broadcast + group prod up\n",
    "/etc/hostname.hme1": "group prod standby up\n",
    "/etc/inet/hosts": "192.0.2.11 db1\n",
    "/etc/inet/netmasks": "192.0.2.0 255.255.254.0\n",
}


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab(describe(hosts=1, nics=2)) as lab:
        lab.hosts["h1"].run("rm -rf /etc/network /etc/netplan /etc/NetworkManager")
        yield lab


def play(lab: Lab, folder: Path, playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    lab.write_inventory(folder / "inventory.yml", {})
    line = ["-i", str(folder / "inventory.yml"), f"netpath.ipmp.{playbook}", *arguments]
    return inventory.ansible(lab.controller, *line, extra={"ANSIBLE_HOME": str(folder / "ansible")})


def migrated(lab: Lab, folder: Path, *arguments: str) -> str:
    done = play(lab, folder, "migrate", "-e", f"ipmp_migrate_to={folder}", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    text = (folder / "h1.yml").read_text()
    assert all(line.replace('"', '\\"') in done.stdout for line in text.splitlines()), done.stdout
    return text


def comes_to_life(lab: Lab, folder: Path, address: str) -> None:
    done = play(lab, folder, "setup", "-e", f"@{folder / 'h1.yml'}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert lab.client.run(["ping", "-c3", "-W2", address], check=False).returncode == 0


def test_a_bond_of_the_host_becomes_a_group_that_works(lab: Lab, tmp_path: Path) -> None:
    lab.hosts["h1"].write_file("/etc/network/interfaces", BOND)
    text = migrated(lab, tmp_path)
    (group,) = yaml.safe_load(text)["ipmp_groups"]
    assert group["interfaces"] == [
        {"name": "eth2", "data_addresses": ["192.0.2.11/24"]},
        {"name": "eth1", "standby": True},
    ]
    assert "# /etc/network/interfaces: 'post-up /usr/local/sbin/own-script' of bond0 is not carried over" in text
    comes_to_life(lab, tmp_path, "192.0.2.11")
    assert "192.0.2.11" in lab.hosts["h1"].run("ip -o address show dev eth2").stdout


def test_a_copy_of_a_solaris_host_becomes_a_group_that_works(lab: Lab, tmp_path: Path) -> None:
    for path, text in SOLARIS.items():
        (tmp_path / "old" / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "old" / path[1:]).write_text(text)
    names = '{"ipmp_migrate_names": {"hme0": "eth1", "hme1": "eth2"}}'
    text = migrated(lab, tmp_path, "-e", f"ipmp_migrate_from={tmp_path / 'old'}/", "-e", names)
    assert yaml.safe_load(text)["ipmp_groups"] == [
        {
            "name": "prod",
            "interfaces": [
                {"name": "eth1", "data_addresses": ["192.0.2.11/23"]},
                {"name": "eth2", "standby": True},
            ],
        }
    ]
    comes_to_life(lab, tmp_path, "192.0.2.11")
    assert "db1" not in lab.hosts["h1"].run("cat /etc/hostname.eth1").stdout
