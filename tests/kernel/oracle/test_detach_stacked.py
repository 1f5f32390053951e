# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members that are built on another NIC leave and return with it. A macvlan stands for a VLAN: every kernel has it."""

from __future__ import annotations

from typing import Iterator

import pytest
from bed import Bed, eventually
from cards import Cards, at_rest

from ipmp.client import DaemonError
from lab import compare

pytestmark = pytest.mark.kernel
A1, B1, C1, D1 = "192.0.2.11", "192.0.2.12", "198.51.100.13", "198.51.100.14"
ALONE = {
    "hostname.eth1": f"{A1}/24 group g up\n",
    "hostname.eth2": f"{B1}/24 group g up\n",
    "hostname.mv0": f"{C1}/24 group h up\n",
}
FILES = {**ALONE, "hostname.eth3": f"{D1}/24 group h up\n"}
STACK = "link add link eth2 name mv0 type macvlan mode bridge"
CARD = "00f0:00:05"  # of a PCI domain that no machine has


@pytest.fixture(scope="module")
def made() -> Iterator[Bed]:
    with Bed(nics=3) as bed:
        yield bed


@pytest.fixture
def bed(made: Bed) -> Iterator[Bed]:
    made.host.ip(STACK)
    yield made
    made.run("ip", "link", "del", "mv0")


def test_it_is_asked_about_moves_and_comes_home_with_the_nic_below(bed: Bed) -> None:
    bed.start(FILES)
    eventually(bed.on(eth1=A1, eth2=B1, mv0=C1, eth3=D1), bed.hosting)
    before = at_rest(bed)
    query = bed.call("detach-query", component="eth2", consumers=False)
    assert (query["allowed"], query["component"]["interfaces"]) == (True, ["eth2", "mv0"])
    assert {(m["address"], m["to"]) for m in query["moves"]} == {(B1, "eth1"), (C1, "eth3")}
    assert bed.run("cfgadm", "-c", "unconfigure", "eth2").returncode == 0
    assert bed.hosting() == {A1: "eth1", B1: "eth1", C1: "eth3", D1: "eth3"}
    assert [bed.interface(name)["state"] for name in ("eth2", "mv0")] == ["detached", "detached"]
    result = bed.run("cfgadm", "-c", "configure", "eth2")
    assert (result.returncode, result.stderr) == (0, "")
    assert bed.on(eth1=A1, eth2=B1, mv0=C1, eth3=D1)()
    eventually(lambda: compare(before, at_rest(bed), nexthop_ids=False) == [], "all is as before")
    for name in ("eth2", "mv0"):
        assert bed.call("verify", component=name)["differences"] == []
    assert bed.run("cfgadm", "-c", "unconfigure", "mv0").returncode == 0  # it may go alone
    assert bed.hosting() == {A1: "eth1", B1: "eth2", C1: "eth3", D1: "eth3"}


def test_a_nic_below_the_last_of_a_group_does_not_go(bed: Bed) -> None:
    bed.start(ALONE)
    eventually(bed.on(eth1=A1, eth2=B1, mv0=C1), bed.hosting)
    with pytest.raises(DaemonError, match="no other interface of group h works, and mv0 would be missing"):
        bed.call("detach-prepare", component="eth2")
    assert bed.on(eth1=A1, eth2=B1, mv0=C1)()


def test_when_the_card_leaves_whoever_made_it_has_to_make_it_again(bed: Bed) -> None:
    bed.start(FILES)
    eventually(bed.on(eth1=A1, eth2=B1, mv0=C1, eth3=D1), bed.hosting)
    with Cards(bed, {f"{CARD}.0": ["eth2"]}):
        asked = {"component": "eth2", "hardware": "pci", "consumers": False}
        assert bed.call("detach-query", **asked)["component"]["reversible"] is False
        timed = bed.call("detach-query", **asked, confirm_timeout=60)
        assert timed["allowed"] is False and "cannot undo by itself" in timed["warnings"][0]
        assert bed.run("cfgadm", "-o", "hardware=pci", "-c", "unconfigure", "eth2").returncode == 0
        assert bed.hosting() == {A1: "eth1", B1: "eth1", C1: "eth3", D1: "eth3"}
        bed.nic("eth2").put_back()
        with pytest.raises(DaemonError) as caught:
            bed.call("attach", component="eth2", wait_timeout=2)
        assert (caught.value.kind, "mv0" in str(caught.value)) == ("timeout", True)
        assert bed.on(eth1=A1, eth2=B1, eth3=f"{C1} {D1}")()
        bed.host.ip(STACK)
        eventually(bed.on(eth1=A1, eth2=B1, mv0=C1, eth3=D1), bed.hosting)
        assert bed.call("attach", component="eth2")["differences"] == []
        assert bed.call("transactions")["records"] == []
