# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks on several hosts, one of them unreachable or in trouble: who is done, and what the closing table says.

The tests build on each other: each one begins with what the one before it has left.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
from namespaces import eventually
from playing import Bed, addresses, row

pytestmark = pytest.mark.kernel
HOSTS = ["h1", "h2", "h3"]
ETH1 = ("-e", "ipmp_component=eth1")


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    with Bed(tmp_path_factory.mktemp("rollout"), hosts=3) as bed:
        done = bed.play("setup", "-e", '{"ipmp_serial": "100%"}')
        assert done.returncode == 0, done.stdout + done.stderr
        yield bed


@pytest.fixture
def without_h2(bed: Bed) -> Iterator[None]:
    """Nobody can reach h2 any more."""
    before = bed.inventory.read_text()
    pid = bed.lab.hosts["h2"].pid
    bed.inventory.write_text(before.replace(f"ansible_nsenter_pid: {pid}\n", "ansible_nsenter_pid: 999999999\n"))
    yield
    bed.inventory.write_text(before)


def where(bed: Bed) -> List[str]:
    """For each host the NIC that its addresses are on."""
    found = [bed.hosting(host) for host in HOSTS]
    assert [list(one) for one in found] == [addresses(number) for number in (1, 2, 3)]
    return [str(nic) for one in found for nic in sorted(set(map(str, one.values())))]


def results(text: str) -> List[str]:
    """The closing table's column of results."""
    columns = {host: row(text, host) for host in HOSTS}
    return [cells[2] for cells in columns.values()]


def lines(text: str) -> List[Dict[str, Any]]:
    """The lines of JSON that status prints."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_status_of_whole_groups_is_a_line_each_and_success(bed: Bed) -> None:
    done = bed.play("status")
    assert done.returncode == 0, done.stdout
    whole = {"state": "ok", "groups": {"lan": "ok"}, "detached": [], "removed": [], "transaction": "", "why": ""}
    assert lines(done.stdout) == [{"host": host, **whole} for host in HOSTS]


def test_a_trial_that_fails_is_undone_and_stops_the_roll_out(bed: Bed) -> None:
    done = bed.play("dr_detach", *ETH1, "-e", '{"ipmp_verify_ports": [9]}')
    assert done.returncode == 2
    assert results(done.stdout) == ["rolled back", "not tried", "not tried"]
    assert re.search(r"accepts no connection to port 9.*it was put back", row(done.stdout, "h1")[-1])
    assert "To go on with the others: --limit h2,h3" in done.stdout
    assert (where(bed), bed.status()["transaction"]) == (["eth1"] * 3, None)


def test_a_host_that_cannot_be_reached_stops_the_roll_out(bed: Bed, without_h2: None) -> None:
    done = bed.play("dr_detach", *ETH1)
    assert done.returncode == 2
    assert results(done.stdout) == ["detached", "unreachable", "not tried"]
    assert where(bed) == ["eth2", "eth1", "eth1"]


def test_or_it_is_left_out_and_listed(bed: Bed, without_h2: None) -> None:
    done = bed.play("dr_detach", *ETH1, "-e", "ipmp_unreachable=skip")
    assert done.returncode == 2
    assert results(done.stdout) == ["was detached already", "unreachable", "detached"]
    assert row(done.stdout, "h2")[-1] == "left out; nothing was tried"
    assert where(bed) == ["eth2", "eth1", "eth2"]


def test_a_check_asks_all_hosts_and_fails_for_those_that_refuse(bed: Bed) -> None:
    done = bed.play("dr_check", "-e", "ipmp_component=eth2")
    assert done.returncode == 2
    assert results(done.stdout) == ["refused", "may be detached", "refused"]
    assert row(done.stdout, "h1")[-1].startswith("no other interface of group lan works")


def test_status_of_what_is_not_whole_fails_and_says_why(bed: Bed, without_h2: None) -> None:
    done = bed.play("status")
    assert done.returncode == 2
    found = lines(done.stdout)
    assert [(one["host"], one["state"], one["detached"]) for one in found] == [
        ("h1", "degraded", ["eth1"]),
        ("h2", "unreachable", []),
        ("h3", "degraded", ["eth1"]),
    ]
    assert (found[0]["groups"], found[1]["why"] != "") == ({"lan": "degraded"}, True)


def test_reattach_of_all_at_once(bed: Bed) -> None:
    done = bed.play("dr_reattach", *ETH1, "-e", "ipmp_serial=3")
    assert done.returncode == 0, done.stdout
    assert results(done.stdout) == ["attached", "was attached already", "attached"]
    assert re.fullmatch(r"0 of [1-9]\d*", row(done.stdout, "h1")[4]), done.stdout
    assert where(bed) == ["eth1"] * 3


def test_status_tells_a_nic_that_left_by_itself_from_one_that_was_detached(bed: Bed) -> None:
    nic = bed.lab.nic("h3", "eth2")
    nic.take_out()
    done = bed.play("status")
    assert done.returncode == 2
    found = lines(done.stdout)[2]
    assert (found["state"], found["detached"], found["removed"]) == ("degraded", [], ["eth2"]), str(found)
    nic.put_back()
    assert eventually(lambda: bed.play("status").returncode == 0, 60)


def test_remove_twice(bed: Bed) -> None:
    first = bed.play("remove", "-e", '{"ipmp_serial": "100%"}')
    assert first.returncode == 0, first.stdout
    assert [row(first.stdout, host)[1] for host in HOSTS] == ["removed"] * 3
    left = ["/etc/hostname.eth1", "/etc/hostname6.eth1", "/etc/hostname.eth2"]
    assert all(path in row(first.stdout, "h1")[2] and bed.host.exists(path) for path in left), first.stdout
    assert not Path(f"/proc/{bed.host.pid}/root/usr/local/lib/ipmp").exists()
    assert "192.0.2.11" not in bed.host.run(["ip", "-4", "addr"]).stdout
    again = bed.play("remove", "-e", '{"ipmp_serial": "100%"}')
    assert again.returncode == 0, again.stdout
    assert re.findall(r"changed=(\d+)", again.stdout) == ["0"] * 3
    assert [row(again.stdout, host)[1] for host in HOSTS] == ["was removed already"] * 3
    asked = bed.play("status")
    assert asked.returncode == 2
    assert {one["state"] for one in lines(asked.stdout)} == {"unknown"}
