# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever ends a detach early, the kernel is as it was: judged by ip, sysctl and nft, not by the daemon."""

from __future__ import annotations

import json
import random
import signal
import time
from typing import Any, Iterator

import pytest
from asking import call, end, in_order, start
from namespaces import eventually

from lab import Host, Lab, compare, describe, dump, inventory

pytestmark = pytest.mark.kernel
GROUP = {
    "name": "lan",
    "gateways": ["192.0.2.254"],
    "interfaces": [
        {"name": "eth1", "data_addresses": ["192.0.2.11/24", "2001:db8::11/64"], "mtu": 1400},
        {"name": "eth2", "data_addresses": ["192.0.2.12/24"]},
    ],
}


ADMINISTRATORS = (  # what a rollback has to restore although it is not ours
    "ip addr add 198.51.100.7/24 dev eth1",
    "ip addr add 2001:db8:7::7/64 nodad dev eth1",
    "ip route add 203.0.113.0/24 via 198.51.100.1 dev eth1 proto static",
    "ip neigh replace 192.0.2.200 lladdr 02:00:00:00:00:99 dev eth1 nud permanent",
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(describe(hosts=1, nics=2)) as made:
        path = tmp_path_factory.mktemp("inventory") / "hosts.yml"
        made.write_inventory(path, {"h1": {"ipmp_groups": [GROUP]}})
        done = inventory.ansible(made.controller, "netpath.ipmp.setup", "-i", str(path))
        assert done.returncode == 0, done.stdout + done.stderr
        host = made.hosts["h1"]
        for line in ADMINISTRATORS:
            host.run(line)
        yield made


@pytest.fixture
def host(lab: Lab) -> Host:
    host = lab.hosts["h1"]
    settled(host)
    return host


def settled(host: Host) -> None:
    if not eventually(lambda: in_order(host), 60):
        pytest.fail(
            json.dumps(call(host, "status"), indent=1) + host.run("cat /run/ipmp/*.log /var/log/mpathd.log").stdout
        )


def same(before: Any, host: Host) -> None:
    assert compare(before, dump(host), nexthop_ids=False) == []


def test_the_caller_changes_its_mind(host: Host) -> None:
    before = dump(host)
    prepared = call(host, "detach-prepare", component="eth1", confirm_timeout=60)
    assert {(m["address"], m["to"]) for m in prepared["moves"]} == {("192.0.2.11", "eth2"), ("2001:db8::11", "eth2")}
    assert compare(before, dump(host), nexthop_ids=False) != []
    undone = call(host, "detach-rollback", transaction=prepared["transaction"])
    assert (undone["rolled_back"], undone["differences"]) == (True, [])
    settled(host)  # the kernel checks the link-local address anew
    same(before, host)


def test_nobody_confirms(host: Host) -> None:
    before = dump(host)
    prepared = call(host, "detach-prepare", component="eth1", confirm_timeout=1)
    call(host, "detach-commit", transaction=prepared["transaction"])
    settled(host)
    same(before, host)
    late = call(host, "detach-confirm", transaction=prepared["transaction"])
    assert late["kind"] == "state"
    assert "rolled back" in late["message"]


def test_a_second_transaction_is_busy_and_has_no_effect(host: Host) -> None:
    prepared = call(host, "detach-prepare", component="eth1", confirm_timeout=60)
    between = dump(host)
    for op, args in (("detach-prepare", {"component": "eth2"}), ("offline", {"interface": "eth2"}), ("apply", {})):
        refused = call(host, op, **args)
        assert (refused["kind"], refused["transaction"]) == ("busy", prepared["transaction"]), refused
    same(between, host)
    call(host, "detach-rollback", transaction=prepared["transaction"])


def test_a_step_that_cannot_be_journalled_is_not_done_and_those_before_it_are_undone(host: Host) -> None:
    before = dump(host)
    endings = set()
    try:
        for pages in range(1, 40):
            host.run(f"mount -t tmpfs -o size={4 * pages}k,nr_inodes=20 full /var/lib/ipmp")
            answer = call(host, "detach-prepare", component="eth1", confirm_timeout=60)
            if "transaction" in answer:
                call(host, "detach-rollback", transaction=answer["transaction"])
            settled(host)
            same(before, host)
            endings.add(
                "done" if "transaction" in answer else "put back" if "put back" in answer["message"] else "not begun"
            )
            host.run("umount /var/lib/ipmp")
            if "transaction" in answer:
                break
    finally:
        host.run("umount /var/lib/ipmp", check=False)
    assert endings == {"not begun", "put back", "done"}


def test_a_daemon_killed_in_a_prepared_detach_undoes_it_in_time(host: Host) -> None:
    before = dump(host)
    prepared = call(host, "detach-prepare", component="eth1", confirm_timeout=2)
    call(host, "detach-commit", transaction=prepared["transaction"])
    end(host, signal.SIGKILL)
    start(host)
    assert call(host, "status")["transaction"]["transaction"] == prepared["transaction"]
    settled(host)
    same(before, host)


def test_a_configuration_that_nobody_confirms_is_put_back(host: Host) -> None:
    before, path = dump(host), "/etc/hostname.eth2"
    text = host.read_file(path)
    prepared = call(host, "apply-prepare", previous={path: text}, confirm_timeout=2)
    host.write_file(path, text.replace("192.0.2.12", "192.0.2.13"))
    applied = call(host, "apply", transaction=prepared["transaction"])
    assert {"address": "192.0.2.13", "from": None, "to": "eth2"} in applied["moves"]
    assert host.run("ip -4 addr show dev eth2").stdout.count("192.0.2.13/32") == 1
    settled(host)
    assert host.read_file(path) == text
    same(before, host)


def test_a_configuration_that_is_confirmed_stays(host: Host) -> None:
    path = "/etc/hostname.eth2"
    text = host.read_file(path)
    prepared = call(host, "apply-prepare", previous={path: text}, confirm_timeout=1)
    host.write_file(path, text.replace("192.0.2.12", "192.0.2.13"))
    call(host, "apply", transaction=prepared["transaction"])
    assert call(host, "apply-confirm", transaction=prepared["transaction"])["changed"] is True
    assert call(host, "apply-confirm", transaction=prepared["transaction"])["changed"] is False
    time.sleep(1.5)
    assert "192.0.2.13/32" in host.run("ip -4 addr show dev eth2").stdout
    host.write_file(path, text)
    call(host, "apply")


@pytest.mark.parametrize("seed", range(6))
def test_a_daemon_killed_at_a_random_moment_of_a_detach_ends_as_before(host: Host, seed: int) -> None:
    before = dump(host)
    moment = random.Random(seed).uniform(0.1, 0.5)
    pid = call(host, "ping")["pid"]
    host.run(f"(sleep {moment:.3f}; kill -9 {pid}) & cfgadm -c unconfigure eth1 >/dev/null 2>&1; wait")
    start(host)
    held = host.run("ip addr show dev eth1; ip addr show dev eth2").stdout
    assert [ip for ip in ("192.0.2.11/32", "2001:db8::11/128", "192.0.2.12/32") if ip not in held] == []
    if call(host, "status")["transaction"] is not None:
        call(host, "detach-rollback")
    elif any(i["state"] == "detached" for i in call(host, "status")["interfaces"]):
        assert "kind" not in call(host, "attach", component="eth1")
        # It was finished, and a card that comes back does not bring what an administrator had put on it.
        for line in ADMINISTRATORS:
            host.run(line, check=False)
    settled(host)
    same(before, host)
