# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong input gives one sentence that names the thing and the way out, and changes nothing in the kernel."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
from asking import call, end, hearing, start
from namespaces import eventually
from refusals import hosting, refused, sentence, unchanged
from spoilt import SPOILT, spoilt

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
GROUP: Dict[str, Any] = {
    "name": "lan",
    "interfaces": [
        {"name": "eth1", "data_addresses": ["192.0.2.11/24"]},
        {"name": "eth2", "data_addresses": ["192.0.2.12/24"]},
    ],
}
HOME = {"192.0.2.11": "eth1", "192.0.2.12": "eth2"}
SEED = int(os.environ.get("BAD_FILES_SEED", "0"))
ADDED = ("eth3", "eth4", "lo", "tun7")  # whose files a test may write


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
    assert eventually(lambda: "tentative" not in host.run("ip -6 addr").stdout, 20)
    yield host
    for path, text in files.items():
        host.write_file(path, text)
    restore(host)
    assert hosting(host) == HOME


def restore(host: Host) -> None:
    """Takes away what a test has added to the files."""
    host.run(f"rm -f {' '.join(f'/etc/hostname.{name} /etc/hostname6.{name}' for name in ADDED)}")
    assert "kind" not in call(host, "apply")


TYPO = "192.0.2.13/24 gorup lan up\n"
TYPO_WORDS = ["/etc/hostname.eth3", "line 1", "column 15", "'gorup'", "did you mean 'group'?"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("eth3", TYPO, TYPO_WORDS),
        ("eth3", "192.0.2.12/24 group lan up\n", ["192.0.2.12", "on eth2 and on eth3", "remove one of them"]),
        (
            "eth3",
            "192.0.2.12/24 deprecated -failover group lan up\n",
            ["192.0.2.12", "as data and as test address", "on eth2 and on eth3", "remove one of them"],
        ),
        (
            "eth3",
            "192.0.2.13/24 group second up\n",
            ["192.0.2.0/24", "'lan'", "'second'", "join the groups or correct an address"],
        ),
        ("eth3", f"192.0.2.13/24 group {'x' * 32} up\n", ["x" * 32, "at most 31", "choose a shorter name"]),
        (
            "eth3",
            "192.0.2.200/24 group lan up\n",
            ["192.0.2.200", "in use by {mac}", "choose another or take it off that host"],
        ),
        ("lo", "192.0.2.13/24 group lan up\n", ["lo", "no Ethernet interface", "leave it out of the group"]),
    ],
    ids=["typo", "twice", "data and test", "prefix twice", "long name", "another host's", "no Ethernet"],
)
def test_wrong_files_change_nothing(lab: Lab, host: Host, name: str, text: str, words: List[str]) -> None:
    mac = lab.client.run("cat /sys/class/net/c0/address").stdout.strip()
    host.write_file(f"/etc/hostname.{name}", text)
    refused(host, [word.format(mac=mac) for word in words])


def test_whatever_is_wrong_in_a_further_file_changes_nothing(host: Host) -> None:
    """Each mistake somewhere in a file that is right otherwise; the seed says where."""
    chance = random.Random(SEED)
    before = dump(host)
    for number, mistake in enumerate(SPOILT):
        path, text = spoilt(mistake, chance)
        host.write_file(path, text)
        planned, applied = call(host, "plan"), call(host, "apply")
        assert (planned, applied.get("kind")) == (applied, "invalid"), (SEED, number, path, text)
        sentence(applied["message"], [path, *mistake.words])
        host.run(["rm", path])
    assert compare(before, dump(host)) == []
    assert hosting(host) == HOME
    assert call(host, "plan")["operations"] == []


@pytest.mark.parametrize("mode", ["--check", "--diff"])
def test_a_role_that_is_refused_leaves_the_host_as_it_is(lab: Lab, host: Host, tmp_path: Path, mode: str) -> None:
    wrong = {**GROUP, "interfaces": [*GROUP["interfaces"], {"name": "eth3", "data_addresses": ["192.0.2.200/24"]}]}
    lab.write_inventory(tmp_path / "hosts.yml", {"h1": {"ipmp_groups": [wrong]}})
    play = [{"hosts": "all", "gather_facts": False, "roles": ["netpath.ipmp.hostname_files"]}]
    (tmp_path / "play.yml").write_text(json.dumps(play))
    with unchanged(host):
        done = inventory.ansible(lab.controller, str(tmp_path / "play.yml"), "-i", str(tmp_path / "hosts.yml"), mode)
    assert done.returncode != 0
    (said,) = [line for line in done.stdout.splitlines() if line.startswith("fatal: [h1]")]
    sentence(said, ["192.0.2.200 is already in use by", "choose another or take it off that host"])


def test_a_new_member_that_is_down_is_asked_all_the_same_and_left_down(lab: Lab, host: Host, tmp_path: Path) -> None:
    """As on a first setup, where nobody has brought the members up yet."""
    wrong = {**GROUP, "interfaces": [*GROUP["interfaces"], {"name": "eth3", "data_addresses": ["192.0.2.200/24"]}]}
    lab.write_inventory(tmp_path / "hosts.yml", {"h1": {"ipmp_groups": [wrong]}})
    play = [{"hosts": "all", "gather_facts": False, "roles": ["netpath.ipmp.hostname_files"]}]
    (tmp_path / "play.yml").write_text(json.dumps(play))
    host.run("ip link set eth3 down")
    before = dump(host)
    try:
        done = inventory.ansible(lab.controller, str(tmp_path / "play.yml"), "-i", str(tmp_path / "hosts.yml"))
        assert compare(before, dump(host)) == []
        assert not host.exists("/etc/hostname.eth3")
    finally:
        host.run("ip link set eth3 up")
        assert eventually(lambda: "fe80" in host.run("ip -6 addr show dev eth3 -tentative").stdout, 20)
    assert "192.0.2.200 is already in use by" in done.stdout


def test_a_tunnel_is_no_member(host: Host) -> None:
    host.run("ip tuntap add tun7 mode tun; ip link set tun7 up")
    try:
        host.write_file("/etc/hostname.tun7", "192.0.2.13/24 group lan up\n")
        refused(host, ["tun7", "no Ethernet interface", "leave it out of the group"])
    finally:
        restore(host)
        host.run("ip link del tun7")


@pytest.mark.parametrize("kind", ["bridge", "bond"])
def test_a_member_of_a_bridge_or_bond_is_refused(host: Host, kind: str) -> None:
    made = host.run(f"ip link add master7 type {kind}", check=False)
    if "Unknown device type" in made.stderr:
        pytest.skip(f"this kernel has no {kind} device: {made.stderr.strip()}")
    try:
        host.run("ip link set eth3 down; ip link set eth3 master master7; ip link set eth3 up")
        assert eventually(lambda: "tentative" not in host.run("ip -6 addr").stdout, 20)
        host.write_file("/etc/hostname.eth3", "192.0.2.13/24 group lan up\n")
        refused(host, ["interface eth3 of group lan", "belongs to master7", "take it out of master7 first"])
    finally:
        host.run("ip link del master7; ip link set eth3 up")


def test_members_on_two_links_are_refused(lab: Lab, host: Host) -> None:
    """Both links are alive: on each somebody is heard, but the members do not hear each other."""
    host.write_file("/etc/hostname.eth4", "192.0.2.14/24 group lan up\n")
    chatter = [
        who.popen(["ping", "-q", "-b", "-i", "0.05", everybody])
        for who, everybody in ((lab.client, "192.0.2.255"), (lab.router, "203.0.113.255"))
    ]
    try:
        refused(host, ["group lan", "two links", "eth4", "connect them to one link, or make two groups"])
    finally:
        for process in chatter:
            process.kill()
            process.wait()


def test_an_interface_that_does_not_exist_is_said_and_configured_when_it_appears(lab: Lab, host: Host) -> None:
    nic = lab.nic("h1", "eth3")
    nic.take_out()
    host.write_file("/etc/hostname.eth3", "192.0.2.13/24 group lan up\n")
    applied = call(host, "apply")
    (said,) = applied["warnings"]
    sentence(said, ["eth3", "does not exist", "configured when it appears"])
    assert hosting(host)["192.0.2.13"] in ("eth1", "eth2")  # on an alternative meanwhile
    nic.put_back()
    assert eventually(lambda: hosting(host)["192.0.2.13"] == "eth3", 20), hosting(host)


def test_a_reload_with_wrong_files_leaves_the_old_configuration_in_force(host: Host) -> None:
    host.write_file("/etc/hostname.eth3", TYPO)
    with unchanged(host), hearing(host) as heard:
        host.kill(call(host, "ping")["pid"], signal.SIGHUP)
        assert eventually(lambda: call(host, "status")["files_error"])
    status = call(host, "status")
    assert [g["name"] for g in status["groups"]] == ["lan"]
    (said,) = [w for w in status["warnings"] if "gorup" in w]
    sentence(said, ["wrong and not in force", *TYPO_WORDS])
    (said,) = [e["message"] for e in heard if e["type"] == "log" and "gorup" in e["message"]]
    sentence(said, ["the configuration from before stays in force", *TYPO_WORDS])
    shown = host.run(["ipmpstat", "-g"])
    assert "lan" in shown.stdout
    sentence(shown.stderr, ["systemctl reload ipmp", *TYPO_WORDS])
    restore(host)
    assert call(host, "status")["files_error"] is None
    assert host.run(["ipmpstat", "-g"]).stderr == ""


def test_a_reload_asks_the_link_as_well(lab: Lab, host: Host) -> None:
    host.write_file("/etc/hostname.eth3", "192.0.2.200/24 group lan up\n")
    with unchanged(host), hearing(host) as heard:
        host.kill(call(host, "ping")["pid"], signal.SIGHUP)
        assert eventually(lambda: call(host, "status")["files_error"])
    words = ["192.0.2.200", "in use by", "choose another or take it off that host"]
    sentence(call(host, "status")["files_error"], words)
    (said,) = [e["message"] for e in heard if e["type"] == "log" and "192.0.2.200" in e["message"]]
    sentence(said, ["the configuration from before stays in force", *words])


def test_a_start_with_wrong_files_touches_nothing_and_says_so(host: Host) -> None:
    before = dump(host)
    host.write_file("/etc/hostname.eth3", TYPO)
    with unchanged(host):
        end(host, signal.SIGKILL)
        start(host)
        sentence(call(host, "status")["files_error"], TYPO_WORDS)
        shown = host.run(["ipmpstat", "-g"], check=False)
        assert (shown.returncode, shown.stdout) == (1, "")
        sentence(shown.stderr, ["wrong and not in force", "mend them, then 'systemctl reload ipmp'", *TYPO_WORDS])
        for op in ("detach-prepare", "attach", "offline"):
            answer = call(host, op, component="eth1", interface="eth1")
            assert answer["kind"] == "state", answer
            sentence(answer["message"], ["mend them, then 'systemctl reload ipmp'", *TYPO_WORDS])
    restore(host)
    assert call(host, "status")["files_error"] is None
    assert compare(before, dump(host), nexthop_ids=False) == []


def test_what_was_known_outlives_a_start_with_wrong_files(host: Host) -> None:
    call(host, "offline", interface="eth1")
    host.write_file("/etc/hostname.eth3", TYPO)
    with unchanged(host):
        for _ in range(2):
            end(host)
            start(host)
    restore(host)
    assert {i["name"]: i["state"] for i in call(host, "status")["interfaces"]} == {"eth1": "offline", "eth2": "ok"}
    call(host, "undo-offline", interface="eth1")
    assert eventually(lambda: hosting(host) == HOME)


def test_a_second_daemon_says_who_is_there_and_what_to_do(host: Host) -> None:
    words = ["another in.mpathd", f"pid {call(host, 'ping')['pid']}", "'systemctl reload ipmp', or stop it first"]
    with unchanged(host):
        for option in ([], ["-d"]):
            done = host.run(["in.mpathd", *option], check=False)
            assert (done.returncode, done.stdout) == (1, "")
            sentence(done.stderr, words)


def test_without_root_one_is_told_to_be_root(host: Host) -> None:
    user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    for command, words in (
        (["in.mpathd"], ["only root may change addresses and routes", "run it as root"]),
        (["ipmpstat", "-g"], ["insufficient privileges", "group ipmp", "as root, or have root add you to group ipmp"]),
        (["if_mpadm", "-d", "eth1"], ["Permission denied", "run this as root"]),
        (["cfgadm", "-c", "unconfigure", "eth1"], ["Insufficient privileges", "run this as root"]),
    ):
        with unchanged(host):
            done = host.run([*user, *command], check=False)
        assert (done.returncode, done.stdout) == (1, ""), command
        sentence(done.stderr, words)


def test_a_peer_without_the_right_is_told_who_has_it(host: Host) -> None:
    gid = host.run(["getent", "group", "ipmp"]).stdout.split(":")[2]
    reader = ["setpriv", "--reuid", "65534", "--regid", gid, "--clear-groups"]
    assert [g["name"] for g in call(host, "status", by=reader)["groups"]] == ["lan"]
    for op, args in (("offline", {"interface": "eth1"}), ("apply", {}), ("detach-prepare", {"component": "eth1"})):
        with unchanged(host):
            denied = call(host, op, by=reader, **args)
        assert denied["kind"] == "denied", denied
        sentence(denied["message"], ["only root may ask", f"'{op}'", "run this as root"])


def test_without_a_daemon_each_command_says_so_and_how_to_start_it(host: Host) -> None:
    with unchanged(host):
        end(host)
        shown = host.run(["ipmpstat", "-g"], check=False)
        assert shown.returncode == 1
        assert shown.stderr.startswith("ipmpstat: cannot contact in.mpathd(1M) -- is IPMP in use? ")  # IST-2
        sentence(shown.stderr, ["start it with 'systemctl start ipmp'"])
        for option in ("-d", "-r"):
            done = host.run(["if_mpadm", option, "eth1"], check=False)
            first, way_out = done.stderr.splitlines()
            assert (done.returncode, first) == (1, "Cannot establish communication with in.mpathd.")  # T70
            sentence(way_out, ["/run/ipmp/control.sock", "start it with 'systemctl start ipmp'"])
        for function in ("configure", "unconfigure"):
            done = host.run(["cfgadm", "-c", function, "eth1"], check=False)
            assert done.returncode == 1
            sentence(done.stderr, ["Library error", "in.mpathd", "start it with 'systemctl start ipmp'"])
        start(host)


def test_an_administrators_address_on_a_member_stays_whatever_happens(lab: Lab, host: Host) -> None:
    by_hand = "ip -o addr show dev eth1 to 198.51.100.0/24; ip -o addr show dev eth1 to 2001:db8:7::/64"
    host.run("ip addr add 198.51.100.7/24 dev eth1; ip addr add 2001:db8:7::7/64 nodad dev eth1")
    try:
        before = host.run(by_hand).stdout
        assert before.count("\n") == 2
        watch = host.popen(["ip", "-o", "monitor", "address"], stdout=subprocess.PIPE, text=True)
        host.write_file("/etc/hostname.eth3", "192.0.2.13/24 group lan up\n")
        assert call(host, "apply")["changed"]
        assert host.run(by_hand).stdout == before
        lab.nic("h1", "eth1").pull()
        assert eventually(lambda: hosting(host)["192.0.2.11"] != "eth1", 20)
        assert host.run(by_hand).stdout == before
        host.run("rm /etc/hostname.eth3")
        host.kill(call(host, "ping")["pid"], signal.SIGHUP)
        assert eventually(lambda: "192.0.2.13" not in hosting(host))
        assert host.run(by_hand).stdout == before
        lab.nic("h1", "eth1").plug()
        assert eventually(lambda: hosting(host) == HOME, 60), hosting(host)
        assert host.run(by_hand).stdout == before
        watch.terminate()
        told = watch.communicate()[0]
        assert "192.0.2.11" in told  # it does watch
        assert [line for line in told.splitlines() if "198.51.100.7" in line or "2001:db8:7::7" in line] == []
    finally:
        host.run("ip addr del 198.51.100.7/24 dev eth1; ip addr del 2001:db8:7::7/64 dev eth1")


def test_an_address_of_ours_that_somebody_deletes_is_put_back_within_a_second_and_said(host: Host) -> None:
    before = dump(host)
    with hearing(host) as heard:
        begin = time.monotonic()
        host.run("ip addr del 192.0.2.11/32 dev eth1")
        assert eventually(lambda: hosting(host) == HOME)
        took = time.monotonic() - begin
        assert eventually(lambda: any(e["type"] == "log" for e in heard))
    assert took < 1
    (said,) = [e["message"] for e in heard if e["type"] == "log"]
    sentence(said, ["removed", "put back", "192.0.2.11 on eth1"])
    assert compare(before, dump(host), nexthop_ids=False) == []
