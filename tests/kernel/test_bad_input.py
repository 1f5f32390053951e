# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong input gives one sentence that names the thing and the way out, and changes nothing in the kernel."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Iterator, List

import pytest
from asking import call

from lab import Host, Lab, compare, dump, inventory

pytestmark = pytest.mark.kernel
LAB = {
    "links": ["lan", "other"],
    "hosts": {
        "h1": {
            "nics": {
                "eth1": {"link": "lan"},
                "eth2": {"link": "lan"},
                "eth3": {"link": "lan"},
                "eth4": {"link": "other"},
            }
        }
    },
    "client": {"nics": {"c0": {"link": "lan", "addresses": ["192.0.2.200/24"]}}},
    "router": {"nics": {"r0": {"link": "other", "addresses": ["203.0.113.1/24"]}}},
    "controller": {"nics": {"m0": {"link": "other", "addresses": ["203.0.113.2/24"]}}},
}
GROUP = {
    "name": "lan",
    "interfaces": [
        {"name": "eth1", "data_addresses": ["192.0.2.11/24"]},
        {"name": "eth2", "data_addresses": ["192.0.2.12/24"]},
    ],
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(LAB) as made:
        path = tmp_path_factory.mktemp("inventory") / "hosts.yml"
        made.write_inventory(path, {"h1": {"ipmp_groups": [GROUP]}})
        done = inventory.ansible(made.controller, "netpath.ipmp.setup", "-i", str(path))
        assert done.returncode == 0, done.stdout + done.stderr
        made.hosts["h1"].run("ip link set eth3 up; ip link set eth4 up")
        yield made


@pytest.fixture
def host(lab: Lab) -> Iterator[Host]:
    """The host in order; afterwards its files are what they were."""
    host = lab.hosts["h1"]
    files = {f"/etc/hostname.eth{n}": host.read_file(f"/etc/hostname.eth{n}") for n in (1, 2)}
    end = time.monotonic() + 20
    while "tentative" in host.run("ip -6 addr").stdout and time.monotonic() < end:
        time.sleep(0.05)
    yield host
    host.run("rm -f /etc/hostname.eth3 /etc/hostname.eth4 /etc/hostname.eth9 /etc/hostname6.eth*")
    for path, text in files.items():
        host.write_file(path, text)
    assert "kind" not in call(host, "apply")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("eth3", "192.0.2.13/24 gorup lan up\n", ["/etc/hostname.eth3", "line 1", "column", "gorup", "group"]),
        ("eth3", "192.0.2.12/24 group lan up\n", ["192.0.2.12", "eth2", "eth3"]),
        ("eth3", "192.0.2.12/24 deprecated -failover group lan up\n", ["192.0.2.12", "test", "data"]),
        ("eth3", "192.0.2.13/24 group second up\n", ["192.0.2.0/24", "lan", "second"]),
        ("eth3", f"192.0.2.13/24 group {'x' * 32} up\n", ["31", "x" * 32]),
        ("eth3", "192.0.2.200/24 group lan up\n", ["192.0.2.200", "in use", "choose another"]),
    ],
    ids=["typo", "address twice", "data and test", "prefix twice", "long name", "address of another host"],
)
def test_wrong_files_change_nothing(host: Host, name: str, text: str, words: List[str]) -> None:
    before = dump(host)
    host.write_file(f"/etc/hostname.{name}", text)
    refused = call(host, "apply")
    assert refused["kind"] == "invalid", refused
    assert [w for w in words if w not in refused["message"]] == [], refused["message"]
    assert "\n" not in refused["message"]
    assert compare(before, dump(host)) == []


def test_a_member_of_a_bridge_is_refused(host: Host) -> None:
    host.run("ip link add br7 type bridge; ip link set eth3 master br7")
    try:
        before = dump(host)
        host.write_file("/etc/hostname.eth3", "192.0.2.13/24 group lan up\n")
        refused = call(host, "apply")
        assert refused["kind"] == "invalid"
        assert "eth3" in refused["message"]
        assert "take it out of br7" in refused["message"]
        assert compare(before, dump(host)) == []
    finally:
        host.run("ip link del br7")


def test_members_on_two_links_are_refused(lab: Lab, host: Host) -> None:
    """Both links are alive: on each somebody is heard, but the members do not hear each other."""
    host.write_file("/etc/hostname.eth4", "192.0.2.14/24 group lan up\n")
    before = dump(host)
    chatter = [
        who.popen(["ping", "-q", "-b", "-i", "0.05", everybody])
        for who, everybody in ((lab.client, "192.0.2.255"), (lab.router, "203.0.113.255"))
    ]
    try:
        refused = call(host, "apply")
    finally:
        for process in chatter:
            process.kill()
            process.wait()
    assert refused["kind"] == "invalid", refused
    assert "two links" in refused["message"]
    assert "eth4" in refused["message"]
    assert compare(before, dump(host)) == []


def test_an_interface_that_does_not_exist_is_said_and_configured_when_it_appears(lab: Lab, host: Host) -> None:
    nic = lab.nic("h1", "eth3")
    nic.take_out()
    host.write_file("/etc/hostname.eth3", "192.0.2.13/24 group lan up\n")
    applied = call(host, "apply")
    assert any("eth3" in w and "does not exist" in w for w in applied["warnings"]), applied
    assert "192.0.2.13/32" in host.run("ip addr").stdout  # on an alternative meanwhile
    nic.put_back()
    end = time.monotonic() + 20
    while "192.0.2.13/32" not in host.run("ip addr show dev eth3").stdout:
        assert time.monotonic() < end, host.run("ip addr").stdout
        time.sleep(0.05)


def test_a_reload_with_wrong_files_leaves_the_old_configuration_in_force(host: Host) -> None:
    before = dump(host)
    host.write_file("/etc/hostname.eth1", "192.0.2.99/24 gorup lan up\n")
    host.run(["pkill", "-HUP", "-f", "in[.]mpathd"])
    time.sleep(0.5)
    assert compare(before, dump(host)) == []
    assert [g["name"] for g in call(host, "status")["groups"]] == ["lan"]


def test_a_start_with_wrong_files_touches_nothing_and_says_so(host: Host) -> None:
    before = dump(host)
    text = host.read_file("/etc/hostname.eth1")
    host.write_file("/etc/hostname.eth1", "192.0.2.11/24 gorup lan up\n")
    host.run(["pkill", "-9", "-f", "in[.]mpathd"])
    host.run("setsid /usr/local/sbin/in.mpathd </dev/null >>/var/log/mpathd.log 2>&1 &")
    end = time.monotonic() + 20
    while call(host, "ping").get("kind") == "unreachable":
        assert time.monotonic() < end, host.run("cat /var/log/mpathd.log; ps ax").stdout
        time.sleep(0.05)
    assert any("gorup" in w for w in call(host, "status")["warnings"])
    assert compare(before, dump(host)) == []
    host.write_file("/etc/hostname.eth1", text)
    assert "kind" not in call(host, "apply")
    assert compare(before, dump(host), nexthop_ids=False) == []


def test_a_second_daemon_says_who_is_there(host: Host) -> None:
    done = host.run(["in.mpathd", "-d"], check=False)
    assert done.returncode == 1
    assert "already active" in done.stderr


def test_without_root_or_rights_one_is_told_so(host: Host) -> None:
    user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    done = host.run([*user, "in.mpathd"], check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "root" in done.stderr
    assert "only root and the members of group ipmp may" in call(host, "status", by=user)["message"]
    reader = ["setpriv", "--reuid", "65534", "--regid", str(_gid(host)), "--clear-groups"]
    assert call(host, "status", by=reader)["groups"]
    assert call(host, "offline", by=reader, interface="eth1")["kind"] == "denied"


def _gid(host: Host) -> int:
    return int(host.run(["getent", "group", "ipmp"]).stdout.split(":")[2])


def test_without_a_daemon_each_command_says_so(lab: Lab, host: Host, tmp_path: Path) -> None:
    host.run(["pkill", "-f", "in[.]mpathd"])
    time.sleep(0.5)
    try:
        for command in (["ipmpstat", "-g"], ["if_mpadm", "-d", "eth1"], ["cfgadm", "-c", "unconfigure", "eth1"]):
            done = host.run(command, check=False)
            assert done.returncode != 0
            assert "in.mpathd" in done.stderr, (command, done.stderr)
    finally:
        host.run("setsid /usr/local/sbin/in.mpathd </dev/null >>/var/log/mpathd.log 2>&1 &")
        time.sleep(1)
