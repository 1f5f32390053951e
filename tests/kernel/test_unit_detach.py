# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A detach, its consumers and a rollback by timer under the unit that is shipped, with all that it forbids."""

from __future__ import annotations

from typing import Iterator

import pytest
from asking import call, in_order
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
CONSUMER = """#!/bin/sh
case $1 in
scriptinfo) echo rcm_script_version=1 ;;
register) echo rcm_resource_name=SUNW_network/eth1 ;;
preremove) systemctl stop acme.service || exit 1; cut -d' ' -f41 /proc/self/stat >/run/ipmp/policy ;;
undoremove) systemctl start acme.service || exit 1 ;;
*) exit 2 ;;
esac
"""
SERVICE = "[Service]\nExecStart=/usr/bin/sleep infinity\n"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with Lab(describe(hosts=1, nics=2, bed="systemd")) as lab:
        path = tmp_path_factory.mktemp("inventory") / "hosts.yml"
        lab.write_inventory(path, {"h1": {"ipmp_groups": [GROUP]}})
        done = inventory.ansible(lab.controller, "netpath.ipmp.setup", "-i", str(path))
        assert done.returncode == 0, done.stdout + done.stderr
        yield lab.hosts["h1"]


def active(host: Host) -> str:
    return host.run("systemctl is-active acme.service", check=False).stdout.strip()


def test_a_consumer_stops_its_service_and_a_timer_brings_both_back(host: Host) -> None:
    host.write_file("/etc/systemd/system/acme.service", SERVICE)
    host.write_file("/etc/ipmp/rcm/acme,service", CONSUMER, 0o755)
    host.run("systemctl daemon-reload; systemctl start acme.service")
    assert eventually(lambda: in_order(host), 60)
    before = dump(host)
    prepared = call(host, "detach-prepare", component="eth1", confirm_timeout=3)
    assert prepared.get("moves") == [{"address": "192.0.2.11", "from": "eth1", "to": "eth2"}], prepared
    assert active(host) == "inactive"
    assert host.read_file("/run/ipmp/policy") == "0\n"
    call(host, "detach-commit", transaction=prepared["transaction"])
    assert eventually(lambda: in_order(host), 60), host.run("journalctl -u ipmp -n 30").stdout
    assert active(host) == "active"
    assert compare(before, dump(host), nexthop_ids=False) == []
    history = [t for t in call(host, "transactions")["history"] if t["kind"] == "detach"]  # setup has made one, too
    assert [(t["transaction"], t["state"]) for t in history] == [(prepared["transaction"], "rolled_back")]


def test_a_detach_that_is_confirmed_survives_a_restart_of_the_daemon(host: Host) -> None:
    assert host.run("cfgadm -c unconfigure eth1").stderr == ""
    host.run("systemctl restart ipmp")
    assert host.run("cfgadm -l eth1").stdout.splitlines()[1].split()[2:] == ["connected", "unconfigured", "unknown"]
    assert "192.0.2.11/32" in host.run("ip addr show dev eth2").stdout
    assert host.run("cfgadm -c configure eth1").stderr == ""
    assert eventually(lambda: in_order(host))
