# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is odd about a group is said once, and once more when it has ended."""

from __future__ import annotations

from typing import AbstractSet, List, Mapping

import pytest

from ipmp import complaints
from ipmp.model import Address, Config, Defaults, Group, Interface
from ipmp.probing import Instance
from ipmp.runtime import Runtime

PROBED = (Instance(4, "routes", "192.0.2.81", ("192.0.2.254",)),)


def host(*, failure_detection_time: int = 10000, family: int = 4) -> Runtime:
    """A group lan of eth1 and eth2, both there and probed."""
    ip = "192.0.2.1/24" if family == 4 else "2001:db8::1/64"
    address = Address(ip.split("/")[0], int(ip.split("/")[1]))
    test = Address("192.0.2.81", 24, test=True)
    group = Group("lan", (Interface("eth1", "lan", addresses=(address, test)), Interface("eth2", "lan")))
    runtime = Runtime()
    runtime.adopt(Config((group,), defaults=Defaults(failure_detection_time=failure_detection_time)), 0.0)
    for index, nic in enumerate(runtime.nics.values(), 2):
        nic.present, nic.ifindex, nic.mac, nic.instances = True, index, f"02:00:00:00:00:{index:02x}", PROBED
    return runtime


class Log:
    """What is said, round by round."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime, self.complaints = runtime, complaints.Complaints()

    def at(self, now: float, off: AbstractSet[str] = frozenset(), doubles: Mapping[str, str] = {}) -> List[str]:
        return [f"{n.level} {n.text}" for n in self.complaints.news(self.runtime, off, doubles, now)]


def test_a_group_in_order_gives_no_cause() -> None:
    log = Log(host())
    assert log.at(0) + log.at(100) == []


def test_a_nic_without_test_address_is_named_after_20_s_once_and_when_it_has_got_one() -> None:  # TST-7
    runtime = host()
    runtime.nics["eth2"].instances = ()
    log = Log(runtime)
    assert log.at(0) + log.at(19) == []
    assert log.at(20) == [
        "info No test address configured on interface eth2; disabling probe-based failure detection on it"
    ]
    assert log.at(30) == []
    runtime.nics["eth2"].instances = PROBED
    assert log.at(40) == [
        "info Test address now configured on interface eth2; enabling probe-based failure detection on it"
    ]


@pytest.mark.parametrize("out", ["offline", "detached", "twin"])
def test_a_nic_that_is_out_of_use_has_not_got_what_it_lacked(out: str) -> None:
    runtime = host()
    nic = runtime.nics["eth2"]
    nic.instances = ()
    log = Log(runtime)
    assert len(log.at(0) + log.at(20)) == 1
    setattr(nic, out, True)
    assert [line for line in log.at(30) if "Test address" in line] == []
    setattr(nic, out, False)
    assert [line for line in log.at(40) if "test address" in line.lower()] == [], "that is known already"
    runtime.adopt(Config(), 0.0)
    assert log.at(50) == []


def test_a_test_address_that_two_have_is_an_error_at_once() -> None:  # TST-5
    log = Log(host())
    assert log.at(0, doubles={"eth2": "fe80::1"}) == [
        "err Test address fe80::1 is not unique in group; disabling probe-based failure detection on eth2"
    ]
    assert log.at(1, doubles={"eth2": "fe80::1"}) == []
    assert log.at(2) == [
        "err Test address now configured on interface eth2; enabling probe-based failure detection on it"
    ]


def test_ipv6_switched_off_matters_only_where_the_group_uses_it() -> None:  # CHK-1
    assert Log(host()).at(0, {"eth2"}) == []
    log = Log(host(family=6))
    (said,) = log.at(0, {"eth2"})
    assert said.startswith("err NIC eth2 of group lan is not plumbed for IPv6 and may affect failover capability")
    assert said.endswith("set net.ipv6.conf.eth2.disable_ipv6 to 0")
    assert log.at(1) == ["err NIC eth2 is now consistent with group lan and failover capability is restored"]


def test_of_two_members_with_one_hardware_address_the_one_that_hosts_stays() -> None:  # CHK-2
    runtime = host()
    one, two = runtime.nics["eth1"], runtime.nics["eth2"]
    one.mac = two.mac
    runtime.hosting = {"192.0.2.1": "eth2"}
    log = Log(runtime)
    runtime.mark_twins()
    assert (one.twin, two.twin, one.state, one.usable) == (True, False, "offline", False)
    assert log.at(0) == ["err IP interface eth1 has a hardware address which is not unique in group lan; offlining"]
    runtime.hosting = {"192.0.2.1": "eth1"}
    runtime.mark_twins()
    assert one.twin, "the one that is out of use stays out"
    one.mac = "02:00:00:00:00:99"
    runtime.mark_twins()
    assert not one.twin
    assert log.at(1) == ["err IP interface eth1 now has a unique hardware address in group lan; onlining"]


def test_detection_times_below_100_ms_are_called_experimental_where_something_probes() -> None:
    assert complaints.doubts(host().config) == []
    (said,) = complaints.doubts(host(failure_detection_time=50).config)
    assert "group lan" in said
    assert "50 ms is experimental" in said


def test_what_is_odd_in_the_files_is_said_in_solaris_words_once() -> None:  # CFG-3, CFG-4
    runtime = host()
    text = "Invalid value for FAILBACK maybe"
    runtime.adopt(Config(runtime.config.groups, warnings=(f"/etc/default/mpathd: {text}",)), 0.0)
    log = Log(runtime)
    assert log.at(0) == [f"err {text}"]
    assert log.at(1) == []


def test_two_groups_with_gateways_are_told_whose_default_route_it_is() -> None:
    groups = tuple(Group(name, gateways=("192.0.2.254",)) for name in ("a", "b"))
    (said,) = complaints.doubts(Config(groups))
    assert "a, b" in said
    assert "that of b" in said
    assert complaints.doubts(Config((groups[0], Group("c", gateways=("fe80::1",))))) == []
