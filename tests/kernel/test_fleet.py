# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbook setup on several hosts of the lab: it looks first, stops before it touches, goes on where it was stopped."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from lab import Lab, describe, inventory

pytestmark = pytest.mark.kernel
CALLBACKS = Path(__file__).parents[1] / "callbacks"
Variables = Dict[str, Dict[str, Any]]


def groups(number: int) -> List[Dict[str, Any]]:
    interfaces = [{"name": "eth1", "data_addresses": [f"192.0.2.{10 + number}/24"]}, {"name": "eth2", "standby": True}]
    return [{"name": "lan", "interfaces": interfaces, "gateways": ["192.0.2.254"]}]


def variables(hosts: int = 3) -> Variables:
    return {f"h{n}": {"ipmp_groups": groups(n)} for n in range(1, hosts + 1)}


class Fleet:
    """A lab, its inventory, and setup on it."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.counts: Dict[str, List[str]] = {}

    def setup(self, given: Variables, *arguments: str, ssh: Any = None) -> subprocess.CompletedProcess[str]:
        path, counts = self.folder / "inventory.yml", self.folder / "counts.json"
        self.lab.write_inventory(path, given, ssh=ssh)
        extra = {
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "task_counts",
            "TASK_COUNTS": str(counts),
        }
        done = inventory.ansible(self.lab.controller, "-i", str(path), "netpath.ipmp.setup", *arguments, extra=extra)
        self.counts = json.loads(counts.read_text()) if counts.exists() else {}
        return done

    def touched(self) -> List[str]:
        """Hosts that have anything of ours."""
        look = "ls -d /usr/local/lib/ipmp /etc/hostname.eth? /etc/systemd/network/*ipmp* 2>/dev/null"
        return [name for name, host in self.lab.hosts.items() if host.run(look, check=False).stdout]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with Lab(describe(hosts=3, nics=2)) as lab:
        yield Fleet(lab, tmp_path)


def rows(done: subprocess.CompletedProcess[str]) -> Dict[str, str]:
    """Host -> its line of the last table."""
    table = done.stdout.rpartition("\nHOST ")[2]
    return {line.split()[0]: line for line in table.splitlines()[1:] if re.match(r"h\d+ +\w", line)}


def test_wrong_data_is_told_in_one_table_before_any_host_is_asked(fleet: Fleet) -> None:
    given = variables()
    given["h2"]["ipmp_groups"] = [*groups(1), {"name": "second", "interfaces": [{"name": "eth2"}]}]
    given["h3"]["ansible_nsenter_pid"] = 1 << 30  # nobody there, which nobody has noticed yet
    done = fleet.setup(given)
    assert done.returncode == 2
    table = re.findall(r"^(h\d) +(\w+) +(\S+) ", done.stdout, re.MULTILINE)
    assert table == [("h1", "lan", "192.0.2.11"), ("h2", "lan", "192.0.2.11"), ("h2", "lan", "eth2")], done.stdout
    assert (fleet.touched(), fleet.counts) == ([], {})


def test_an_address_twice_outside_the_limit_counts(fleet: Fleet) -> None:
    given = variables()
    given["h3"]["ipmp_groups"] = groups(1)
    done = fleet.setup(given, "--limit", "h1")
    assert (done.returncode, "is also on eth1 of h3" in done.stdout, fleet.touched()) == (2, True, [])


def test_what_hosts_say_stops_all_of_them_and_one_that_says_nothing_is_left_out(fleet: Fleet) -> None:
    """First a name that is not there and an address that the client has; then all is right but h3."""
    for name in ("h1", "h2"):
        fleet.lab.hosts[name].ip("link set eth1 up", "link set eth2 up")
    given = variables()
    given["h1"]["ipmp_groups"][0]["interfaces"][0]["data_addresses"].append("192.0.2.250/24")
    given["h2"]["ipmp_groups"][0]["interfaces"].append({"name": "eth7"})
    given["h3"]["ansible_nsenter_pid"] = 1 << 30
    done = fleet.setup(given)
    assert done.returncode
    table = re.findall(r"^(h\d) +(\w+) +(\S+) +(.*)", done.stdout, re.MULTILINE)
    assert [row[:3] for row in table] == [("h1", "lan", "192.0.2.250"), ("h2", "lan", "eth7")], done.stdout
    assert "is in use by" in table[0][3]
    assert fleet.touched() == []

    stopped = fleet.setup({**variables(), "h3": given["h3"]}, "-e", "ipmp_unreachable=stop")
    assert (stopped.returncode != 0, fleet.touched()) == (True, [])
    skipped = fleet.setup({**variables(), "h3": given["h3"]})
    assert skipped.returncode == 4  # Ansible's word for hosts that did not answer
    assert {name: row.split()[1] for name, row in rows(skipped).items()} == {
        "h1": "changed",
        "h2": "changed",
        "h3": "unreachable",
    }
    assert fleet.touched() == ["h1", "h2"]


def test_a_host_that_fails_is_told_the_others_are_done_and_a_second_run_goes_on(fleet: Fleet) -> None:
    """A file is in the way of a folder of ours on h3."""
    fleet.lab.hosts["h3"].write_file("/usr/local/lib/ipmp", "mine\n")
    failed = fleet.setup(variables(), "-e", '{"ipmp_serial": [1, "100%"]}')
    assert failed.returncode == 2, failed.stdout
    assert {name: row.split()[1] for name, row in rows(failed).items()} == {
        "h1": "changed",
        "h2": "changed",
        "h3": "failed",
    }
    assert "/usr/local/lib/ipmp" in rows(failed)["h3"]
    assert {name: len(tasks) for name, tasks in fleet.counts.items() if name != "h3"} == {"h1": 3, "h2": 3}
    assert fleet.lab.hosts["h3"].run("ls /etc/hostname.eth1", check=False).returncode != 0

    fleet.lab.hosts["h3"].run("rm /usr/local/lib/ipmp")
    again = fleet.setup(variables())
    assert again.returncode == 0, again.stdout
    assert {name: len(tasks) for name, tasks in fleet.counts.items()} == {"h1": 1, "h2": 1, "h3": 3}
    assert re.findall(r"^(h\d) .*changed=(\d+)", again.stdout, re.MULTILINE) == [("h1", "0"), ("h2", "0"), ("h3", "2")]


def test_two_links_are_told_before_there_is_a_daemon(tmp_path: Path) -> None:
    description = copy.deepcopy(describe(hosts=1, nics=2))
    description["links"].append("other")
    description["hosts"]["h1"]["nics"]["eth2"]["link"] = "other"
    gateway = {"link": "other", "kind": "veth", "addresses": ["192.0.2.254/24"]}
    description["client"]["nics"]["c1"] = gateway  # so that both links are alive
    with Lab(description) as lab:
        fleet = Fleet(lab, tmp_path)
        lab.hosts["h1"].ip("link set eth1 up", "link set eth2 up")
        done = fleet.setup(variables(1))
        assert (done.returncode, fleet.touched()) == (2, []), done.stdout
        assert "h1    lan    link   eth1 and eth2 do not hear each other" in done.stdout


def test_the_controllers_way_has_to_stay(tmp_path: Path) -> None:
    """SSH ends at an address of a future member; it is kept when it is one of the group's."""
    with Lab(describe(hosts=1, nics=2)) as lab:
        fleet = Fleet(lab, tmp_path)
        lab.hosts["h1"].ip("link set eth1 up", "addr add 192.0.2.99/24 dev eth1")
        cut = fleet.setup(variables(1), ssh={"h1": "192.0.2.99"})
        assert (cut.returncode, fleet.touched()) == (2, []), cut.stdout
        assert "h1    lan    192.0.2.99  of eth1 is where the controller's connection ends" in cut.stdout
        given = variables(1)
        given["h1"]["ipmp_groups"][0]["interfaces"][0]["data_addresses"].append("192.0.2.99/24")
        kept = fleet.setup(given, ssh={"h1": "192.0.2.99"})
        assert kept.returncode == 0, kept.stdout
        assert rows(kept)["h1"].split()[1] == "changed"
