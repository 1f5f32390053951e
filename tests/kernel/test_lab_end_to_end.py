# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole product on one host of the lab, on veth and on tap: judged by a client's traffic and by kernel dumps.

The dumps are made by ip, sysctl and nft, the losses are counted by programs of the lab; nothing asks the daemon.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Dict, Iterator, List

import pytest
from demo.traffic import Traffic
from namespaces import eventually

from lab import Host, Lab, compare, describe, dump, inventory

pytestmark = pytest.mark.kernel
GROUP = {
    "name": "lan",
    "gateways": ["192.0.2.254"],
    "interfaces": [
        {"name": "eth1", "data_addresses": ["192.0.2.11/24", "2001:db8::11/64"]},
        {"name": "eth2", "data_addresses": ["192.0.2.12/24"]},
        {"name": "eth3", "standby": True},
    ],
}
HOME = {"192.0.2.11": "eth1", "2001:db8::11": "eth1", "192.0.2.12": "eth2"}
ADDRESSES: Dict[str, List[str]] = {"h1": list(HOME)}


@pytest.fixture(scope="module", params=["veth", "tap"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(describe(hosts=1, nics=3, kind=request.param)) as made:
        path = tmp_path_factory.mktemp("inventory") / "hosts.yml"
        made.write_inventory(path, {"h1": {"ipmp_groups": [GROUP]}})
        made.folder = path.parent
        played(made, "setup")
        yield made


def played(lab: Lab, playbook: str, *arguments: str) -> str:
    done = inventory.ansible(
        lab.controller, f"netpath.ipmp.{playbook}", "-i", str(lab.folder / "hosts.yml"), *arguments
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def host(lab: Lab) -> Host:
    """The host, all in order and quiet: every address at home, the link-local ones past their check."""
    host = lab.hosts["h1"]
    assert eventually(lambda: hosting(host) == HOME, 60), f"before the test: {hosting(host)}"
    assert eventually(lambda: "tentative" not in host.run("ip -6 addr").stdout, 30)
    return host


def hosting(host: Host) -> Dict[str, str]:
    links = json.loads(host.run(["ip", "-j", "addr"]).stdout)
    return {
        a["local"]: link["ifname"]
        for link in links
        for a in link["addr_info"]
        if a["scope"] == "global" and link["ifname"] != "lo"
    }


def daemon(host: Host) -> int:
    """Its process id as the host numbers it."""
    found = host.run(["pgrep", "-f", "in[.]mpathd"]).stdout.split()
    assert len(found) == 1, host.run("ps ax").stdout
    return int(found[0])


def start_daemon(host: Host) -> None:
    host.run("setsid /usr/local/sbin/in.mpathd </dev/null >>/var/log/mpathd.log 2>&1 &")
    assert eventually(lambda: host.run(["ipmpstat", "-g"], check=False).returncode == 0, 30), (
        "the daemon does not answer"
    )


def test_a_pulled_cable_costs_little_and_its_return_restores_everything(lab: Lab, host: Host) -> None:
    before = dump(host)
    traffic = Traffic(lab, ADDRESSES, rate=500)
    time.sleep(1)
    pulled = time.time()
    lab.nic("h1", "eth1").pull()
    moved = {**HOME, "192.0.2.11": "eth3", "2001:db8::11": "eth3"}
    assert eventually(lambda: hosting(host) == moved, 30), f"not on the standby: {hosting(host)}"
    time.sleep(1)
    plugged = time.time()
    lab.nic("h1", "eth1").plug()
    assert eventually(lambda: hosting(host) == HOME, 90), f"not home again: {hosting(host)}"
    time.sleep(2)
    end = time.time()
    record = traffic.stop()
    assert record.count(pulled, plugged).longest_gap_ms < 500
    assert record.count(plugged - 0.5, plugged).lost == 0
    assert record.count(end - 0.5, end).lost == 0
    assert record.count(pulled, end).tcp_resets == 0
    assert compare(before, dump(host), nexthop_ids=False) == []


def test_detach_take_out_put_back_and_reattach_end_where_they_began(lab: Lab, host: Host) -> None:
    before = dump(host)
    traffic = Traffic(lab, ADDRESSES, rate=500)
    time.sleep(1)
    begin = time.time()
    played(lab, "dr_detach", "-e", "ipmp_component=eth1")
    assert hosting(host) == {**HOME, "192.0.2.11": "eth3", "2001:db8::11": "eth3"}
    lab.nic("h1", "eth1").take_out()
    time.sleep(0.5)
    lab.nic("h1", "eth1").put_back()
    played(lab, "dr_reattach", "-e", "ipmp_component=eth1")
    assert hosting(host) == HOME
    time.sleep(2)
    end = time.time()
    record = traffic.stop()
    assert record.count(begin, end).lost == 0, [list(t.holes()) for t in record.tracks]
    assert record.count(begin, end).tcp_resets == 0
    assert compare(before, dump(host), nexthop_ids=False) == []


def test_offline_and_back_end_where_they_began_and_lose_nothing(lab: Lab, host: Host) -> None:
    before = dump(host)
    traffic = Traffic(lab, ADDRESSES, rate=2000)  # a datagram every 0.5 ms, so that no short moment is missed
    time.sleep(1)
    begin = time.time()
    for _ in range(3):
        host.run(["if_mpadm", "-d", "eth1"])
        assert "eth1" not in hosting(host).values()
        time.sleep(0.3)
        host.run(["if_mpadm", "-r", "eth1"], timeout=120)
        assert eventually(lambda: hosting(host) == HOME, 90), f"not home again: {hosting(host)}"
        time.sleep(0.3)
    time.sleep(1)
    end = time.time()
    record = traffic.stop()
    assert record.count(begin, end).lost == 0, [list(t.holes()) for t in record.tracks]
    assert compare(before, dump(host), nexthop_ids=False) == []


def test_a_daemon_that_is_killed_and_started_again_touches_nothing(lab: Lab, host: Host) -> None:
    before = dump(host)
    messages = host.popen(["ip", "-o", "monitor", "address"], stdout=-1, text=True)
    traffic = Traffic(lab, ADDRESSES, rate=500)
    time.sleep(1)
    begin = time.time()
    host.kill(daemon(host))
    time.sleep(0.3)
    assert compare(before, dump(host)) == []
    start_daemon(host)
    time.sleep(2)
    end = time.time()
    messages.terminate()
    told, _ = messages.communicate()
    assert told == ""
    assert compare(before, dump(host)) == []
    assert traffic.stop().count(begin, end).lost == 0


# No card more than twice in a minute, or it counts as flapping and its addresses stay away for a minute (REP-5).
@pytest.mark.parametrize(("seed", "card"), [(0, "eth2"), (1, "eth1"), (2, "eth2")])
def test_a_daemon_that_dies_around_a_failure_loses_no_address(lab: Lab, host: Host, seed: int, card: str) -> None:
    before = dump(host)
    nic, chance = lab.nic("h1", card), random.Random(seed)
    nic.pull()
    time.sleep(chance.choice([0.0, 0.002, 0.005, 0.02]))
    host.kill(daemon(host))
    start_daemon(host)
    moved = {address: "eth3" if home == card else home for address, home in HOME.items()}
    assert eventually(lambda: hosting(host) == moved, 30), f"not moved: {hosting(host)}"
    nic.plug()
    time.sleep(chance.uniform(0, 1))
    host.kill(daemon(host))
    start_daemon(host)
    assert eventually(lambda: hosting(host) == HOME, 90), f"not home again: {hosting(host)}"
    time.sleep(2)
    assert compare(before, dump(host), nexthop_ids=False) == []


def test_a_host_with_a_dead_cable_is_set_up_on_its_other_cards(tmp_path: Path) -> None:
    with Lab(describe(hosts=1, nics=3)) as made:
        made.folder = tmp_path
        made.write_inventory(tmp_path / "hosts.yml", {"h1": {"ipmp_groups": [GROUP]}})
        made.nic("h1", "eth1").pull()
        played(made, "setup")
        host = made.hosts["h1"]
        assert eventually(lambda: set(hosting(host)) == set(HOME), 30), hosting(host)
        assert "eth1" not in hosting(host).values()
        made.nic("h1", "eth1").plug()
        assert eventually(lambda: hosting(host) == HOME, 90), f"not home after the repair: {hosting(host)}"
