# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pyroute2 the daemon works with: the distribution's on a host that has it, else the one that setup brings along.

The hosts have no way out, no compiler and no pip.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import List

import pytest

from lab import Host, Lab, describe, inventory

pytestmark = pytest.mark.kernel
GROUP = {
    "name": "lan",
    "interfaces": [{"name": "eth1", "data_addresses": ["192.0.2.11/24"]}, {"name": "eth2", "standby": True}],
}
# As the launcher of the daemon does it.
WHICH = "import sys; sys.path.insert(0, '/usr/local/lib/ipmp'); import pyroute2; print(pyroute2.__file__)"
BUNDLED, DEBIAN = "/usr/local/lib/ipmp/pyroute2/__init__.py", "/usr/lib/python3/dist-packages/pyroute2/__init__.py"


def setup(lab: Lab, folder: Path, asked: str) -> subprocess.CompletedProcess[str]:
    path = folder / "hosts.yml"
    lab.write_inventory(path, {"h1": {"ipmp_groups": [GROUP], "mpathd_pyroute2": asked}})
    return inventory.ansible(lab.controller, "-i", str(path), "netpath.ipmp.setup")


def changed(done: subprocess.CompletedProcess[str]) -> List[int]:
    assert done.returncode == 0, done.stdout + done.stderr
    return [int(number) for number in re.findall(r"changed=(\d+)", done.stdout)]


def works_with(host: Host, path: str) -> None:
    """The daemon has that pyroute2, hosts the address, and has nothing to complain of."""
    assert host.run(["python3", "-c", WHICH]).stdout.strip() == path
    assert "192.0.2.11/24" in host.run("ip -o address show dev eth1 || true").stdout.replace("/32", "/24")
    assert host.run(["ipmpstat", "-g", "-P", "-o", "groupname,state"]).stdout == "lan:ok\n"
    assert host.run("systemctl show -P NRestarts ipmp.service").stdout == "0\n"
    assert "Traceback" not in host.run("journalctl -u ipmp.service").stdout


def has_no_tools(host: Host) -> bool:
    return host.run("command -v cc gcc pip pip3", check=False).stdout == ""


def test_a_host_with_the_distributions_pyroute2_uses_it_unless_told_otherwise(tmp_path: Path) -> None:
    description = {**describe(hosts=1, nics=2, bed="systemd"), "rootfs_packages": ["python3-pyroute2"]}
    with Lab(description) as lab:
        host = lab.hosts["h1"]
        assert has_no_tools(host)
        assert changed(setup(lab, tmp_path, "auto")) == [2]
        works_with(host, DEBIAN)
        assert not host.exists("/usr/local/lib/ipmp/pyroute2")
        assert changed(setup(lab, tmp_path, "system")) == [0]
        assert changed(setup(lab, tmp_path, "bundled")) == [1]
        works_with(host, BUNDLED)
        assert changed(setup(lab, tmp_path, "bundled")) == [0]
        assert changed(setup(lab, tmp_path, "auto")) == [1]
        works_with(host, DEBIAN)
        assert not host.exists("/usr/local/lib/ipmp/pyroute2")


def test_a_host_without_any_gets_the_controllers_and_cannot_be_told_to_use_its_own(tmp_path: Path) -> None:
    with Lab(describe(hosts=1, nics=2, bed="systemd")) as lab:
        host = lab.hosts["h1"]
        assert has_no_tools(host)
        refused = setup(lab, tmp_path, "system")
        assert refused.returncode == 2
        assert "this host's python3 has no pyroute2" in refused.stdout
        assert not host.exists("/usr/local/lib/ipmp")
        assert changed(setup(lab, tmp_path, "auto")) == [2]
        works_with(host, BUNDLED)
        assert changed(setup(lab, tmp_path, "auto")) == [0]
