# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detach, attach and apply that meet each other, or a NIC that is offline or not there."""

from __future__ import annotations

import json
import time
from typing import Any, Dict, Iterator

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
# The daemon takes requests in the order in which they come in: the detach begins while the apply asks the link.
BOTH = """
import json, socket, sys
sys.path.insert(0, "/usr/local/lib/ipmp")
from ipmp.client import Client, DaemonError, connect, socket_path
early = connect(socket_path("/"), 60)
early.sendall(b'{"v": 1, "id": 1, "op": "apply"}\\n')
Client().call("ping")
prepared = Client().call("detach-prepare", component="eth1", confirm_timeout=60)
print(json.dumps([json.loads(early.makefile().readline()), prepared]))
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(describe(hosts=1, nics=3)) as made:
        path = tmp_path_factory.mktemp("inventory") / "hosts.yml"
        made.write_inventory(path, {"h1": {"ipmp_groups": [GROUP]}})
        done = inventory.ansible(made.controller, "netpath.ipmp.setup", "-i", str(path))
        assert done.returncode == 0, done.stdout + done.stderr
        made.hosts["h1"].run("ip link set eth3 up")
        yield made


@pytest.fixture
def host(lab: Lab) -> Host:
    """The host in order: every address at home, nothing open."""
    host = lab.hosts["h1"]
    assert eventually(lambda: in_order(host), 60), call(host, "status")
    return host


def test_an_offline_nic_is_not_attached_and_one_is_told_how_to_bring_it_back(host: Host) -> None:
    call(host, "offline", interface="eth1")
    try:
        before, begin = dump(host), time.monotonic()
        refused = call(host, "attach", component="eth1", wait_timeout=30)
        assert time.monotonic() - begin < 15
        assert refused["kind"] == "state", refused
        assert "eth1 is offline" in refused["message"]
        assert "if_mpadm -r eth1" in refused["message"]
        assert compare(before, dump(host)) == []
    finally:
        host.run(["if_mpadm", "-r", "eth1"])
    assert "kind" not in call(host, "attach", component="eth1", wait_timeout=30)


def test_a_detach_that_begins_while_an_apply_asks_the_link_is_not_disturbed(host: Host) -> None:
    host.write_file("/etc/hostname.eth3", "192.0.2.13/24 group lan up\n")
    try:
        applied, prepared = json.loads(host.run(["/usr/bin/python3", "-c", BOTH]).stdout)
        error: Dict[str, Any] = applied.get("error", {})
        assert (error.get("kind"), error.get("transaction")) == ("busy", prepared["transaction"]), applied
        assert "confirm it or roll it back first" in error["message"]
        assert "192.0.2.13" not in host.run("ip addr").stdout
        assert call(host, "detach-rollback", transaction=prepared["transaction"])["differences"] == []
        assert "kind" not in call(host, "apply")
        assert "192.0.2.13/32" in host.run("ip addr show dev eth3").stdout
    finally:
        call(host, "detach-rollback")
        host.run("rm /etc/hostname.eth3")
        call(host, "apply")


def test_a_detached_nic_comes_back_by_attach_only_whatever_its_files_do(host: Host) -> None:
    name = call(host, "detach-prepare", component="eth1", confirm_timeout=0)["transaction"]
    call(host, "detach-commit", transaction=name)
    text = host.read_file("/etc/hostname.eth1")
    try:
        host.run("rm /etc/hostname.eth1")
        call(host, "apply")
        host.write_file("/etc/hostname.eth1", text)
        assert "kind" not in call(host, "apply")
        assert "192.0.2.11/32" in host.run("ip addr show dev eth2").stdout
        assert [i["state"] for i in call(host, "status")["interfaces"] if i["name"] == "eth1"] == ["detached"]
    finally:
        host.write_file("/etc/hostname.eth1", text)
        call(host, "apply")
        assert "kind" not in call(host, "attach", component="eth1", wait_timeout=30)
    assert call(host, "transactions")["records"] == []


def test_a_detach_of_a_nic_that_is_not_there_is_undone_without_a_difference(lab: Lab, host: Host) -> None:
    nic = lab.nic("h1", "eth1")
    nic.take_out()
    try:
        assert eventually(lambda: "192.0.2.11/32" in host.run("ip addr show dev eth2").stdout)
        before = dump(host)
        prepared = call(host, "detach-prepare", component="eth1", confirm_timeout=60)
        undone = call(host, "detach-rollback", transaction=prepared["transaction"])
        assert (undone.get("rolled_back"), undone.get("differences")) == (True, []), (prepared, undone)
        assert compare(before, dump(host), nexthop_ids=False) == []
    finally:
        nic.put_back()
