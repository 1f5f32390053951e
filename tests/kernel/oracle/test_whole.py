# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon's own look at the whole: what a rollback puts back and compares, what an attach holds against a boot."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Iterator, List

import pytest
from bed import Bed, eventually
from cards import Cards, at_rest

from ipmp.client import DaemonError
from lab import compare

pytestmark = pytest.mark.kernel
A1, B1, C1 = "192.0.2.11", "192.0.2.12", "192.0.2.13"
A6 = "2001:db8::11"
FILES = {
    "hostname.eth1": f"{A1}/24 group g mtu 1400 up\n",
    "hostname6.eth1": f"group g up addif {A6}/64 up\n",
    "hostname.eth2": f"{B1}/24 group g up\n",
    "hostname.eth3": "group g standby up\n",
}
CARD = "00f0:00:05"  # of a PCI domain that no machine has
OWN = ("ipv4/conf/eth1/log_martians=1", "ipv6/conf/eth1/accept_ra=0", "ipv4/neigh/eth1/gc_stale_time=77")
NEIGHBOUR = "neigh replace 192.0.2.200 lladdr 02:00:00:00:00:99 dev eth1 nud permanent"


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=4) as made:
        yield made


def settings(bed: Bed) -> List[str]:
    return [bed.host.run(f"cat /proc/sys/net/{one.partition('=')[0]}").stdout.strip() for one in OWN]


def change(bed: Bed, values: List[str]) -> None:
    for one, value in zip(OWN, values):
        bed.host.run(f"echo {value} >/proc/sys/net/{one.partition('=')[0]}")


def verified(bed: Bed, component: str = "eth1") -> List[str]:
    return list(bed.call("verify", component=component)["differences"])


@pytest.mark.parametrize("way", ["none", "pci"])
def test_a_rollback_brings_back_what_a_card_has_lost(bed: Bed, way: str) -> None:
    bed.start(FILES)
    usual = settings(bed)
    change(bed, [one.partition("=")[2] for one in OWN])
    bed.host.ip(NEIGHBOUR)
    with Cards(bed, {f"{CARD}.0": ["eth1"]}) as cards:
        before = at_rest(bed)
        prepared = bed.call("detach-prepare", component="eth1", hardware=way, confirm_timeout=60)
        assert bed.on(eth3=f"{A1} {A6}")()
        if way == "pci":
            cards._leave([f"{CARD}.0"])
        undone = bed.call("detach-rollback", transaction=prepared["transaction"], wait_timeout=60)
        assert (undone["rolled_back"], undone["differences"]) == (True, [])
        assert settings(bed) == ["1", "0", "77"]
        assert "02:00:00:00:00:99" in bed.host.run("ip neigh show dev eth1 nud permanent").stdout
        assert "INACTIVE" in bed.flags("eth3")
        eventually(lambda: compare(before, at_rest(bed), nexthop_ids=False) == [], "all is as before")
        assert verified(bed) == []
    change(bed, usual)


def failing(bed: Bed, spoil: Callable[[], Any]) -> Dict[str, Any]:
    """A rollback after somebody has meddled; what it says."""
    prepared = bed.call("detach-prepare", component="eth1", confirm_timeout=60)
    spoil()
    with pytest.raises(DaemonError) as caught:
        bed.call("detach-rollback", transaction=prepared["transaction"], wait_timeout=60)
    assert caught.value.kind == "verify"
    return caught.value.details


def test_a_rollback_says_which_role_is_another_than_before(bed: Bed) -> None:
    bed.start(FILES)

    def meddle() -> None:
        bed.nic("eth2").pull()
        eventually(bed.on(eth3=f"{A1} {A6} {B1}"), bed.hosting)

    found = failing(bed, meddle)["differences"]
    assert "members: eth2: hosts was ['192.0.2.12'], is []" in found
    assert "members: eth3: flags was ['STANDBY', 'INACTIVE'], is ['STANDBY']" in found
    bed.nic("eth2").plug()


def test_at_a_boot_nothing_differs_from_a_boot_and_without_its_nic_much_does(bed: Bed) -> None:
    bed.start(FILES)
    eventually(lambda: verified(bed) == [], lambda: verified(bed))
    told = ["eth1: its MTU is 1300, not 1400", "eth1: setting ipv4/conf/eth1/arp_ignore: 0 -> 1"]

    def spoilt() -> List[str]:
        """At once, before the daemon puts it right."""
        bed.host.run("ip link set eth1 mtu 1300; echo 0 >/proc/sys/net/ipv4/conf/eth1/arp_ignore")
        return verified(bed)

    eventually(lambda: spoilt() == told, "it is seen")
    bed.nic("eth1").pull()
    eventually(bed.on(eth3=f"{A1} {A6}"), bed.hosting)
    assert "eth1: it is failed: the link is down" in verified(bed)
    bed.nic("eth1").plug()
    bed.nic("eth1").take_out()
    try:
        eventually(lambda: verified(bed) == ["eth1: it is not there"], lambda: verified(bed))
    finally:
        bed.nic("eth1").put_back()
    eventually(bed.on(eth1=f"{A1} {A6}", eth2=B1), bed.hosting)
    eventually(lambda: verified(bed) == [], lambda: verified(bed))


def test_an_attach_that_leaves_something_otherwise_than_a_boot_says_what(bed: Bed) -> None:
    """A macvlan cannot have a larger MTU than the NIC below it, which has become smaller meanwhile."""
    bed.start({"hostname.eth1": f"{A1}/24 group g up\n", "hostname.mv0": f"{B1}/24 group g mtu 2000 up\n"})
    bed.host.ip("link set eth4 up mtu 2000", "link add link eth4 name mv0 type macvlan mode bridge")
    try:
        eventually(lambda: verified(bed, "mv0") == [], lambda: verified(bed, "mv0"))
        assert bed.run("cfgadm", "-c", "unconfigure", "mv0").returncode == 0
        bed.host.ip("link set eth4 mtu 1500")
        told = "mv0: its MTU is 1500, not 2000"
        with pytest.raises(DaemonError) as caught:
            bed.call("attach", component="mv0")
        assert (caught.value.kind, caught.value.details["differences"]) == ("verify", [told])
        assert bed.log.find(f"after the attach of mv0: {told}")
        assert bed.on(eth1=A1, mv0=B1)()
        assert bed.call("transactions")["records"] == []
        result = bed.run("cfgadm", "-c", "configure", "mv0")
        assert result.returncode == 1 and result.stderr.rstrip().endswith(told)
        bed.host.ip("link set eth4 mtu 2000")
        eventually(lambda: verified(bed, "mv0") == [], lambda: verified(bed, "mv0"))
        assert json.loads(bed.run("ip", "-j", "link", "show", "mv0").stdout)[0]["mtu"] == 2000
        assert bed.call("attach", component="mv0")["differences"] == []
    finally:
        bed.run("ip", "link", "del", "mv0")
        bed.host.ip("link set eth4 mtu 1500 down")
