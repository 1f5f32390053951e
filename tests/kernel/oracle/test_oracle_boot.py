# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the test oracle about NICs that are missing at boot: what the console says, and where their addresses are.

A boot is a start of the daemon with nothing in /run/ipmp. udev does not run in the bed; its queue file stands for it.
"""

from __future__ import annotations

import json
import signal
import time
from typing import Any, Callable, Dict, Iterator, List, Mapping

import pytest
from bed import Bed, eventually

from ipmp.bootwatch import BOOT_WAIT, QUIET
from lab.kerneldump import Dump, compare, dump

pytestmark = pytest.mark.kernel
A1, B1, C1, A6, TA, TB = "192.0.2.11", "192.0.2.12", "192.0.2.13", "2001:db8::11", "192.0.2.111", "192.0.2.112"
OWNER, EMPTY, STANDBY = f"{A1}/24 group g up\n", "group g up\n", "group g standby up\n"
PLUMB4, PLUMB6 = "Failed to plumb IPv4 interface(s): {}", "Failed to plumb IPv6 interface(s): {}"
MOVING4, MOVING6 = (
    "moving addresses from failed IPv4 interfaces: {}.",
    "moving addresses from failed IPv6 interfaces: {}.",
)
NOBODY = "{} (couldn't move; no alternative interface)"
SEMICOLON = "a semicolon after 'move', as the chapter prints it"


@pytest.fixture(scope="module")
def machine() -> Iterator[Bed]:
    with Bed(nics=4) as made:
        yield made


@pytest.fixture
def bed(machine: Bed) -> Iterator[Bed]:
    machine.reset()
    machine.host.run("rm -rf /run/udev /etc/dhcp.*; : >/run/console")
    yield machine
    machine.host.run("rm -rf /run/udev /etc/dhcp.*")


def boot(bed: Bed, files: Mapping[str, str], *missing: str, groups: str = "", defaults: str = "") -> None:
    """With these NICs missing."""
    bed.write(files, groups=groups, defaults=defaults)
    for name in missing:
        bed.nic(name).take_out()
    bed.run_daemon()


def udev(bed: Bed, busy: bool) -> None:
    bed.host.run("mkdir -p /run/udev; touch /run/udev/queue" if busy else "rm /run/udev/queue")


def waiting_for(bed: Bed) -> List[str]:
    """NICs that are missing and of which nothing has been said."""
    state: Dict[str, Any] = json.loads((bed.root / "run/ipmp/state.json").read_text())
    return list(state["missing"])


def console(bed: Bed) -> List[str]:
    """What it shows when everything has been said."""
    # Well before the daemon's next reconciliation, which writes the state again anyhow.
    eventually(lambda: (bed.root / "run/ipmp/state.json").exists() and not waiting_for(bed), "all is said", 6)
    shown = (bed.root / "run/console").read_text().splitlines()
    logged = lambda: [x.text for x in bed.log.lines if x.level == "err" and x.text in shown]  # noqa: E731
    eventually(lambda: logged() == shown, lambda: f"{shown} in the log, and once; it has {bed.log.texts()}", 5)
    return shown


@pytest.mark.oracle("T105")
def test_the_addresses_are_on_the_sibling_and_the_console_says_so(bed: Bed) -> None:
    own = f"{A1} netmask 255.255.255.0 broadcast 192.0.2.127 group g up\naddif {TA}/24 deprecated -failover up\n"
    files = {"hostname.eth1": own, "hostname6.eth1": f"group g up addif {A6}/64 up\n", "hostname.eth2": EMPTY}
    boot(bed, files, "eth1")
    assert console(bed) == [
        PLUMB4.format("eth1"),
        PLUMB6.format("eth1"),
        MOVING4.format("eth1 (moved to eth2)"),
        MOVING6.format("eth1 (moved to eth2)"),
    ]
    assert bed.hosting() == {A1: "eth2", A6: "eth2"}
    assert bed.held("eth2")[A1]["broadcast"] == "192.0.2.127"
    assert (bed.address(A1)["prefixlen"], bed.address(A1)["state"], bed.address(A1)["owner"]) == (24, "up", "eth1")
    assert bed.address(TA)["interface"] is None
    for ip in (A1, A6):
        assert bed.client.run(["ping", "-c", "1", "-W", "2", ip], check=False).returncode == 0


def test_it_is_said_once_in_a_boot(bed: Bed) -> None:
    boot(bed, {"hostname.eth1": OWNER, "hostname.eth2": EMPTY}, "eth1")
    told = console(bed)
    assert told == [PLUMB4.format("eth1"), MOVING4.format("eth1 (moved to eth2)")]
    bed.nic("eth2").take_out()  # what goes later is no matter of the boot
    for sig in (signal.SIGTERM, signal.SIGKILL):
        bed.stop(sig)
        bed.run_daemon()
    time.sleep(QUIET + 0.5)
    assert console(bed) == told
    bed.nic("eth2").put_back()
    bed.stop()
    bed.host.run("rm -r /run/ipmp")
    bed.run_daemon()
    assert console(bed) == [*told, *told]


def test_while_udev_is_busy_a_nic_may_still_come_and_nothing_waits_for_it(bed: Bed) -> None:
    udev(bed, busy=True)
    boot(bed, {"hostname.eth1": OWNER, "hostname.eth2": EMPTY, "hostname.eth3": EMPTY}, "eth1", "eth3")
    assert bed.hosting() == {A1: "eth2"}
    time.sleep(QUIET + 0.5)
    assert waiting_for(bed) == ["eth1", "eth3"]
    bed.nic("eth1").put_back()
    eventually(bed.on(eth1=A1), "home")
    bed.stop(signal.SIGKILL)
    bed.nic("eth1").take_out()  # it was there, so it is not missing at boot
    bed.run_daemon()
    udev(bed, busy=False)
    assert console(bed) == [PLUMB4.format("eth3"), MOVING4.format("eth3 (moved to eth2)")]


def test_when_all_have_come_nothing_is_said(bed: Bed) -> None:
    udev(bed, busy=True)
    boot(bed, {"hostname.eth1": OWNER, "hostname.eth2": EMPTY}, "eth1")
    bed.nic("eth1").put_back()
    eventually(bed.on(eth1=A1), "home")
    assert console(bed) == []
    udev(bed, busy=False)
    time.sleep(QUIET + 0.5)
    assert console(bed) == []


def test_a_udev_that_is_never_done_is_not_waited_for_for_ever(bed: Bed) -> None:
    udev(bed, busy=True)
    begin = time.monotonic()
    boot(bed, {"hostname.eth1": OWNER, "hostname.eth2": EMPTY}, "eth1")
    assert bed.hosting() == {A1: "eth2"}
    said = bed.log.wait(MOVING4.format("eth1 (moved to eth2)"))
    assert said.at - begin >= BOOT_WAIT


def test_a_nic_that_was_detached_is_not_called_missing_after_a_reboot(bed: Bed) -> None:
    boot(bed, {"hostname.eth1": OWNER, "hostname.eth2": EMPTY, "hostname.eth3": EMPTY})
    prepared = bed.call("detach-prepare", component="eth1")
    bed.call("detach-commit", transaction=prepared["transaction"])
    bed.stop()
    for name in ("eth1", "eth3"):
        bed.nic(name).take_out()
    bed.host.run("rm -r /run/ipmp")
    bed.run_daemon()
    assert console(bed) == [PLUMB4.format("eth3"), MOVING4.format("eth3 (moved to eth2)")]
    assert bed.hosting() == {A1: "eth2"}


@pytest.mark.oracle("T107", deviates=SEMICOLON)
def test_without_another_member_the_address_is_nowhere(bed: Bed) -> None:
    boot(bed, {"hostname.eth1": OWNER, "hostname.eth2": f"{B1}/24 up\n"}, "eth1")
    assert console(bed) == [PLUMB4.format("eth1"), MOVING4.format(NOBODY.format("eth1"))]
    nowhere(bed, A1)


@pytest.mark.oracle("T108", deviates=SEMICOLON)
def test_the_address_of_an_ungrouped_one_is_nowhere(bed: Bed) -> None:
    boot(bed, {"hostname.eth1": f"{A1}/24 up\n", "hostname.eth2": f"{B1}/24 group g up\n"}, "eth1")
    assert console(bed) == [PLUMB4.format("eth1"), MOVING4.format(NOBODY.format("eth1"))]
    nowhere(bed, A1)


def nowhere(bed: Bed, ip: str) -> None:
    """No NIC has the address, and the host does not answer for it through another NIC."""
    assert bed.hosting() == {B1: "eth2"}
    ping = ["ping", "-c", "1", "-W", "2", B1]
    eventually(lambda: bed.client.run(ping, check=False).returncode == 0, "the host itself answers")
    assert bed.client.run(["ping", "-c", "1", "-W", "1", ip], check=False).returncode != 0
    assert json.loads(bed.client.run(["ip", "-j", "neigh", "show", ip]).stdout)[0].get("lladdr") is None


@pytest.mark.oracle(
    "T109", deviates="the standby serves without ceasing to be one, so that it is inactive again when the NIC has come"
)
def test_of_all_siblings_the_standby_is_chosen_and_active(bed: Bed) -> None:
    files = {"hostname.eth1": OWNER, "hostname.eth2": f"{B1}/24 group g up\n", "hostname.eth3": STANDBY}
    boot(bed, {**files, "hostname.eth4": EMPTY}, "eth1")
    assert console(bed) == [PLUMB4.format("eth1"), MOVING4.format("eth1 (moved to eth3)")]
    assert bed.hosting() == {A1: "eth3", B1: "eth2"}
    assert bed.flags("eth3") == ["STANDBY"]
    bed.nic("eth1").put_back()
    eventually(bed.on(eth1=A1, eth2=B1), "home")
    assert bed.flags("eth3") == ["STANDBY", "INACTIVE", "DOWN"]


@pytest.mark.oracle("T110", deviates=SEMICOLON)
def test_an_address_that_dhcp_would_bring_goes_nowhere(bed: Bed) -> None:
    files = {"hostname.eth1": "", "hostname.eth3": "group g\n", "hostname.eth2": f"{B1}/24 group g up\n"}
    boot(bed, {**files, "dhcp.eth1": "", "dhcp.eth3": ""}, "eth1", "eth3")
    assert console(bed) == [
        PLUMB4.format("eth1 eth3"),
        "Failed to configure IPv4 DHCP interface(s): eth1 eth3",
        MOVING4.format(NOBODY.format("eth1") + " eth3 (moved to eth2)"),
    ]
    assert bed.hosting() == {B1: "eth2"}


@pytest.mark.oracle("T113", deviates=SEMICOLON)
def test_all_of_a_group_missing_are_told_one_by_one(bed: Bed) -> None:
    files = {"hostname.eth1": OWNER, "hostname.eth2": EMPTY, "hostname.eth3": STANDBY}
    boot(bed, files, "eth1", "eth2", "eth3")
    fates = " ".join(NOBODY.format(f"eth{n}") for n in (1, 2, 3))
    assert console(bed) == [PLUMB4.format("eth1 eth2 eth3"), MOVING4.format(fates)]
    assert bed.hosting() == {}
    assert bed.status()["groups"][0]["state"] == "failed"


@pytest.mark.oracle("T114")
def test_attached_later_everything_is_as_if_it_had_been_there_at_boot(bed: Bed) -> None:
    test = "addif {}/24 deprecated -failover up\n"
    files = {
        "hostname.eth1": f"{A1}/24 broadcast 192.0.2.127 group g mtu 1400 up\n{test.format(TA)}",
        "hostname6.eth1": f"-failover group g up\naddif {A6}/64 up\n",
        "hostname.eth2": f"{B1}/24 group g up\n{test.format(TB)}",
        "hostname6.eth2": "-failover group g up\n",
        "hostname.eth3": STANDBY,
    }
    groups = "[g]\ngateways = 192.0.2.254, 2001:db8::254\nroutes = 198.51.100.0/24 via 192.0.2.254\n"
    quick = "FAILURE_DETECTION_TIME=1000\n"
    home = bed.on(eth1=f"{A1} {A6} {TA}", eth2=f"{B1} {TB}")
    boot(bed, files, groups=groups, defaults=quick)
    present = settled(bed, home)
    bed.reset()
    boot(bed, files, "eth1", groups=groups, defaults=quick)
    assert console(bed)[2:] == [MOVING4.format("eth1 (moved to eth3)"), MOVING6.format("eth1 (moved to eth3)")]
    assert compare(present, dump(bed.host)) != []
    bed.nic("eth1").put_back()
    assert compare(present, settled(bed, home), nexthop_ids=False) == []
    assert bed.call("verify", component="eth1")["differences"] == []


def settled(bed: Bed, home: Callable[[], bool]) -> Dump:
    """The complete state, as the kernel has it and as status tells it, once nobody waits for anything."""

    def states() -> List[str]:
        return [i["state"] + i["probe"] for i in bed.status()["interfaces"]]

    def with_link_local() -> List[str]:
        return [n for n in bed.host.nics if any(ip.startswith("fe80") for ip in bed.held(n))]

    eventually(home, bed.hosting)
    eventually(lambda: states() == ["okok", "okok", "okdisabled"], states)
    eventually(lambda: {"eth1", "eth2", "eth3"} <= set(with_link_local()), with_link_local)
    status = bed.status()
    told = {i["name"]: {k: i[k] for k in ("group", "active", "flags", "test_addresses")} for i in status["interfaces"]}
    told["addresses"] = {a["address"]: a for a in status["addresses"]}
    return {**dump(bed.host), "status": told}


@pytest.mark.oracle(
    "T116",
    deviates="chosen when no sibling has carrier; where one has, that one is chosen at once, not after a failure",
)
def test_a_sibling_without_carrier_is_chosen_where_there_is_no_better_one(bed: Bed) -> None:
    files = {"hostname.eth1": OWNER, "hostname.eth2": EMPTY, "hostname.eth3": EMPTY}
    for name in ("eth2", "eth3"):
        bed.nic(name).pull()
    boot(bed, files, "eth1")
    assert console(bed) == [PLUMB4.format("eth1"), MOVING4.format("eth1 (moved to eth2)")]
    assert bed.hosting() == {A1: "eth2"}
    bed.nic("eth3").plug()
    bed.log.wait("Successfully failed over from NIC eth2 to NIC eth3")
    assert bed.hosting() == {A1: "eth3"}


def test_a_sibling_with_carrier_is_chosen_before_one_without(bed: Bed) -> None:
    bed.nic("eth2").pull()
    boot(bed, {"hostname.eth1": OWNER, "hostname.eth2": STANDBY, "hostname.eth3": EMPTY}, "eth1")
    assert console(bed) == [PLUMB4.format("eth1"), MOVING4.format("eth1 (moved to eth3)")]
    assert bed.hosting() == {A1: "eth3"}
