# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the daemon finds odd about a group on a real host (section 11): hardware addresses, families, signals, moves."""

from __future__ import annotations

import json
import signal
from typing import Iterator

import pytest
from bed import Bed, eventually

pytestmark = pytest.mark.kernel
FILES = {
    "hostname.eth1": "192.0.2.11/24 group g up\naddif 192.0.2.81/24 deprecated -failover up\n",
    "hostname.eth2": "192.0.2.12/24 group g up\naddif 192.0.2.82/24 deprecated -failover up\n",
}
ROUTER = "[g]\ngateways = 192.0.2.254\n"
FAST = "FAILURE_DETECTION_TIME=200\n"
TWIN = "IP interface {} has a hardware address which is not unique in group g; offlining"
SINGLE = "IP interface {} now has a unique hardware address in group g; onlining"


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=2) as made:
        yield made


def test_a_second_nic_with_the_same_hardware_address_is_out_of_use_until_it_has_its_own(bed: Bed) -> None:  # CHK-2
    bed.start(FILES, groups=ROUTER, defaults=FAST)
    own = bed.interface("eth2")["mac"]
    bed.host.run(f"ip link set eth2 address {bed.interface('eth1')['mac']}")
    eventually(bed.on(eth1="192.0.2.11 192.0.2.12"), bed.hosting)
    assert bed.interface("eth2")["state"] == "offline"
    bed.log.wait(TWIN.format("eth2"))
    flags = bed.run("ipmpstat", "-i", "-o", "interface,flags").stdout.splitlines()
    assert flags[2].split() == ["eth2", "-----dh"]
    refused = bed.run("if_mpadm", "-r", "eth2")
    assert refused.returncode == 1
    assert "duplicate hardware address" in refused.stderr
    bed.host.run(f"ip link set eth2 address {own}")
    eventually(bed.on(eth1="192.0.2.11", eth2="192.0.2.12"), bed.hosting)
    bed.log.wait(SINGLE.format("eth2"))
    assert bed.interface("eth2")["state"] == "ok"


def test_ipv6_switched_off_on_a_member_of_an_ipv6_group_is_named_with_its_setting(bed: Bed) -> None:  # CHK-1
    bed.reset()
    bed.host.run("sysctl -qw net.ipv6.conf.eth2.disable_ipv6=1")
    try:
        bed.start({**FILES, "hostname6.eth1": "group g\naddif 2001:db8::11/64 up\n"}, groups=ROUTER, defaults=FAST)
        begins = "^NIC eth2 of group g is not plumbed for IPv6 and may affect failover capability.*disable_ipv6 to 0"
        bed.log.wait(begins)
        bed.host.run("sysctl -qw net.ipv6.conf.eth2.disable_ipv6=0")
        bed.signal(signal.SIGHUP)
        bed.log.wait("NIC eth2 is now consistent with group g and failover capability is restored")
    finally:
        bed.host.run("sysctl -qw net.ipv6.conf.eth2.disable_ipv6=0")


def test_sigusr1_writes_the_counters_of_all_probes(bed: Bed) -> None:  # DMN-5
    bed.start(FILES, groups=ROUTER, defaults=FAST)
    eventually(lambda: bed.interface("eth1")["probing"][0]["acked"] > 3, "answers")
    mark = bed.log.mark()
    bed.signal(signal.SIGUSR1)
    bed.log.wait("^Missed sending total of \\d+ probes spread over \\d+ occurrences", mark)
    bed.log.wait("Probe stats on (inet eth1)", mark)
    bed.log.wait("^Number of probe acks received [1-9]\\d*", mark)


def test_ipmpstat_p_streams_probes_to_root_only(bed: Bed) -> None:  # IST-4
    bed.start(FILES, groups=ROUTER, defaults=FAST)
    eventually(lambda: bed.interface("eth1")["probe"] == "ok", "probing")
    rows = bed.run("timeout", "1", "ipmpstat", "-p", "-P", "-o", "interface,probe,netrtt,target").stdout.splitlines()
    seen = [row.split(":") for row in rows]
    assert {row[0] for row in seen} == {"eth1", "eth2"}
    assert {row[3] for row in seen} == {"192.0.2.254"}
    numbers = [int(row[1]) for row in seen if row[0] == "eth1"]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert all(row[2].endswith("ms") for row in seen)
    bed.nic("eth1").cut()
    lost = bed.run("timeout", "0.4", "ipmpstat", "-p", "-P", "-o", "interface,netrtt").stdout.splitlines()
    assert "eth1:" in lost
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "ipmpstat", "-p"]
    assert "insufficient privileges" in bed.run(*nobody).stderr


def test_facts_tell_what_ipmpstat_tells(bed: Bed) -> None:
    bed.start(FILES, groups=ROUTER, defaults=FAST)
    eventually(lambda: bed.interface("eth1")["probe"] == "ok", "probing")
    shown = json.dumps(bed.status()["interfaces"])
    targets = bed.run("ipmpstat", "-n", "-t", "-P", "-o", "interface,mode,testaddr,targets").stdout.splitlines()
    assert targets == ["eth1:routes:192.0.2.81:192.0.2.254", "eth2:routes:192.0.2.82:192.0.2.254"]
    assert '"test_address": "192.0.2.81"' in shown
    assert bed.run("ipmpstat", "-g", "-P", "-o", "fdt").stdout == "0.20s\n"


def test_a_member_that_a_bridge_has_is_named_and_serves_when_it_is_free_again(bed: Bed) -> None:
    sentence = "interface eth2 of group g belongs to br7; take it out of br7 first"
    bed.reset()
    bed.host.run("ip link add br7 type bridge; ip link set eth2 master br7")
    try:
        bed.start(FILES, groups=ROUTER, defaults=FAST)  # as at a boot: nobody could be refused
        eventually(bed.on(eth1="192.0.2.11 192.0.2.12"), bed.hosting)
        bed.log.wait(sentence)
        assert sentence in bed.status()["warnings"]
        bed.host.run("ip link set eth2 nomaster")
        eventually(bed.on(eth1="192.0.2.11", eth2="192.0.2.12"), bed.hosting)
        assert sentence not in bed.status()["warnings"]
        mark = bed.log.mark()
        bed.host.run("ip link set eth2 master br7")
        eventually(bed.on(eth1="192.0.2.11 192.0.2.12"), bed.hosting)
        bed.log.wait(sentence, mark)
        assert "192.0.2.82" not in bed.held("eth2")
    finally:
        bed.host.run("ip link del br7")
    eventually(bed.on(eth1="192.0.2.11", eth2="192.0.2.12"), bed.hosting)
