# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the test oracle about standbys: who is INACTIVE, and when it serves."""

from __future__ import annotations

import signal
import socket
from typing import Iterator, List

import pytest
from bed import Bed, eventually
from capture import ARP, IPV4, UDP, Capture, inside

pytestmark = pytest.mark.kernel
A1, B1 = "192.0.2.11", "192.0.2.12"
STANDBY = "group g standby up\n"
OVER, BACK = "Successfully failed over from NIC {} to NIC {}", "Successfully failed back to NIC {}"


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=4) as made:
        yield made


@pytest.mark.oracle("T55")
def test_a_standby_with_a_test_address_sends_probes_and_no_data(bed: Bed) -> None:
    test = "192.0.2.112"
    bed.start(
        {
            "hostname.eth1": f"{A1}/24 group g up\n",
            "hostname.eth2": f"{test}/24 deprecated -failover group g standby up\n",
        },
        groups="[g]\ngateways = 192.0.2.254\n",
        defaults="FAILURE_DETECTION_TIME=700\n",
    )
    assert bed.flags("eth2") == ["STANDBY", "INACTIVE"]
    with Capture(bed.host, "eth1") as active, Capture(bed.host, "eth2") as spare:
        spare.wait(lambda f: f.outgoing and f.echo_request and f.source == test and f.target == "192.0.2.254")
        with inside(bed.host), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(1, 200):  # new destinations: on two active NICs they would spread
                sender.sendto(b"data", (f"203.0.113.{number}", 9))
        bed.client.run(["ping", "-c", "3", "-i", "0.05", A1])
        active.wait(lambda f: f.outgoing and f.protocol == UDP and f.target == "203.0.113.199")
    assert len(active.all(lambda f: f.outgoing and f.protocol == UDP)) == 199
    assert len(active.all(lambda f: f.outgoing and f.echo_reply)) == 3
    left = spare.all(lambda f: f.outgoing and f.kind in (IPV4, ARP) and f.source != test)
    assert left == []
    assert [f for f in spare.frames if f.outgoing and f.kind == IPV4 and not f.echo_request] == []


@pytest.mark.oracle("T57")
def test_a_standby_serves_until_the_repair_and_is_inactive_again(bed: Bed) -> None:
    bed.start({"hostname.eth1": f"{A1}/24 group g up\n", "hostname.eth2": STANDBY})
    assert bed.flags("eth2") == ["STANDBY", "INACTIVE", "DOWN"]
    bed.nic("eth1").pull()
    bed.log.wait(OVER.format("eth1", "eth2"))
    assert bed.hosting() == {A1: "eth2"}
    assert bed.flags("eth2") == ["STANDBY"]
    bed.nic("eth1").plug()
    bed.log.wait(BACK.format("eth1"))
    assert bed.hosting() == {A1: "eth1"}
    assert bed.flags("eth2") == ["STANDBY", "INACTIVE", "DOWN"]
    routes = bed.host.run("ip route show dev eth2 metric 50; ip nexthop show dev eth2").stdout
    assert routes == ""  # and no traffic of the group leaves through it


@pytest.mark.oracle("T58")
def test_a_nic_that_is_no_standby_any_more_is_not_inactive(bed: Bed) -> None:
    bed.start({"hostname.eth1": f"{A1}/24 group g up\n", "hostname.eth2": STANDBY})
    assert {"STANDBY", "INACTIVE"} <= set(bed.flags("eth2"))
    bed.write({"hostname.eth2": "group g up\n"})
    bed.signal(signal.SIGHUP)
    eventually(lambda: "STANDBY" not in bed.flags("eth2"), lambda: bed.flags("eth2"))
    assert "INACTIVE" not in bed.flags("eth2")
    assert bed.hosting() == {A1: "eth1"}


@pytest.mark.oracle("T59")
def test_as_many_standbys_serve_as_active_nics_fail(bed: Bed) -> None:
    bed.start(
        {
            "hostname.eth1": f"{A1}/24 group g up\n",
            "hostname.eth2": f"{B1}/24 group g up\n",
            "hostname.eth3": STANDBY,
            "hostname.eth4": STANDBY,
        }
    )

    def serving() -> List[str]:
        (group,) = bed.status()["groups"]
        assert not set(group["active"]) & set(group["inactive"])
        return [name for name in ("eth3", "eth4") if name in group["active"]]

    assert serving() == []
    bed.nic("eth1").pull()
    bed.log.wait("^" + OVER.format("eth1", "eth[34]"))
    assert len(serving()) == 1
    bed.nic("eth1").plug()
    bed.log.wait(BACK.format("eth1"))
    assert serving() == []
    assert bed.hosting() == {A1: "eth1", B1: "eth2"}
    mark = bed.log.mark()
    for name in ("eth1", "eth2"):
        bed.nic(name).pull()
        bed.log.wait("^" + OVER.format(name, "eth[34]"), mark)
    assert serving() == ["eth3", "eth4"]
    assert set(bed.hosting().values()) == {"eth3", "eth4"}
