# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an inventory with test addresses to a silent failure that is found: the playbook, the daemon, real packets."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import call
from namespaces import eventually

from lab import Lab, describe, inventory

pytestmark = pytest.mark.kernel
GROUP = {
    "name": "lan",
    "gateways": ["192.0.2.254", "2001:db8::254"],
    "targets": ["192.0.2.250"],
    "failure_detection_time": 500,
    "interfaces": [
        {
            "name": "eth1",
            "data_addresses": ["192.0.2.11/24", "2001:db8::11/64"],
            "test_addresses": ["192.0.2.81/24", "link-local"],
        },
        {
            "name": "eth2",
            "data_addresses": ["192.0.2.12/24"],
            "test_addresses": ["192.0.2.82/24", "link-local"],
        },
        {"name": "eth3", "standby": True, "test_addresses": ["192.0.2.83/24", "link-local"]},
    ],
}


def test_a_group_with_test_addresses_is_set_up_once_and_finds_a_silent_failure(tmp_path: Path) -> None:
    with Lab(describe(hosts=1, nics=3)) as lab:
        host, path = lab.hosts["h1"], tmp_path / "hosts.yml"
        lab.write_inventory(path, {"h1": {"ipmp_groups": [GROUP]}})
        for changed in ("changed=2", "changed=0"):
            done = inventory.ansible(lab.controller, "netpath.ipmp.setup", "-i", str(path))
            assert (done.returncode, changed in done.stdout) == (0, True), done.stdout + done.stderr

        def probed() -> bool:
            found = {i["name"]: i for i in call(host, "status")["interfaces"]}
            return all(i["probe"] == "ok" and len(i["probing"]) == 2 for i in found.values())

        assert eventually(probed), call(host, "status")["interfaces"]
        targets = host.run(["ipmpstat", "-n", "-t", "-P", "-o", "interface,targets"]).stdout.splitlines()
        assert {tuple(sorted(row.split(":", 1)[1].split())) for row in targets if row.startswith("eth1")} == {
            ("192.0.2.250", "192.0.2.254"),
            ("2001\\:db8\\:\\:254",),
        }
        lab.nic("h1", "eth1").cut()
        assert eventually(lambda: "192.0.2.11/32" in host.run("ip addr show dev eth3").stdout)
        assert host.run("ip addr show dev eth1").stdout.count("192.0.2.81/32") == 1
        lab.nic("h1", "eth1").mend()
        assert eventually(lambda: "192.0.2.11/32" in host.run("ip addr show dev eth1").stdout)
