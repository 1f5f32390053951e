# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves together, and by which way: one NIC, a card with two ports, a device with two functions, a slot."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_sysfs import Tree, link

from ipmp.components import Component, ComponentError, Sysfs, seen


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """eth0: a virtio NIC; eth1 and eth2: ports of one function; eth3, eth4: functions of one device; veth0: none."""
    tree = Tree(tmp_path)
    virtio = tree.function("0000:00:03.0", driver="virtio-pci") + "/virtio1"
    tree.nic("eth0", virtio, altnames=("enp0s3", "lan"))
    tree.bind(virtio, "virtio", "virtio_net")
    card = tree.function("0000:00:04.0", driver="mlx4_core")
    tree.nic("eth1", card)
    tree.nic("eth2", card)
    for number in (0, 1):
        tree.nic(f"eth{number + 3}", tree.function(f"0000:00:05.{number}", driver="igb"))
    tree.nic("veth0")
    return tree


def component(tree: Tree, name: str, way: str = "auto") -> Component:
    found = Sysfs(tree.links, str(tree.root)).component(name, way)
    assert found is not None
    return found


def together(tree: Tree, name: str, way: str = "auto") -> str:
    found = component(tree, name, way)
    return f"{found.hardware}: {' '.join(found.interfaces)}"


def test_a_virtio_nic_is_the_pci_function_above_it_and_has_its_own_driver(tree: Tree) -> None:
    found = component(tree, "eth0")
    assert (found.hardware, found.interfaces, found.functions) == ("pci", ("eth0",), ("0000:00:03.0",))
    assert found.drivers == (("bus/virtio/drivers/virtio_net", "virtio1"),)
    assert found.reversible


def test_another_name_of_the_interface_will_do(tree: Tree) -> None:
    found = component(tree, "enp0s3")
    assert (found.name, found.altnames) == ("eth0", ("enp0s3", "lan"))
    assert found.as_dict()["macs"] == {"eth0": "02:00:00:00:00:01"}


@pytest.mark.parametrize(
    ("name", "way", "expected"),
    [
        ("eth1", "none", "none: eth1"),
        ("eth1", "driver", "driver: eth1 eth2"),
        ("eth1", "pci", "pci: eth1 eth2"),
        ("eth1", "auto", "pci: eth1 eth2"),
        ("0000:00:04.0", "none", "none: eth1 eth2"),
        ("eth3", "pci", "pci: eth3"),
        ("0000:00:05.1", "auto", "pci: eth4"),
        ("0000:00:05", "none", "none: eth3 eth4"),
        ("0000:00:05", "pci", "pci: eth3 eth4"),
        ("0000:00:05", "driver", "driver: eth3 eth4"),
        ("veth0", "auto", "none: veth0"),
    ],
)
def test_who_leaves_depends_on_the_name_and_on_the_way(tree: Tree, name: str, way: str, expected: str) -> None:
    assert together(tree, name, way) == expected


def test_a_slot_takes_all_that_is_in_it_whoever_is_named(tree: Tree) -> None:
    tree.slot("7", "0000:00:05")
    for name in ("7", "eth3", "0000:00:05", "0000:00:05.1"):
        assert together(tree, name) == "slot: eth3 eth4", name
        assert component(tree, name).slot == "7"
    assert not component(tree, "eth3").reversible
    assert together(tree, "eth3", "pci") == "pci: eth3"
    assert together(tree, "7", "none") == "none: eth3 eth4"


def test_a_slot_without_power_is_a_name_only(tree: Tree) -> None:
    tree.slot("7", "0000:00:05", power=False)
    assert together(tree, "7") == "pci: eth3 eth4"
    with pytest.raises(ComponentError, match="^7 cannot be taken out by 'slot': it is in no slot whose power"):
        component(tree, "7", "slot")


def test_what_is_behind_a_bridge_in_a_slot_is_in_the_slot(tree: Tree) -> None:
    bridge = tree.function("0000:00:06.0", kind="0x060400", driver="pcieport")
    for bus in (2, 3):
        tree.nic(f"eth{bus + 6}", tree.function(f"0000:0{bus}:00.0", below=bridge, driver="igb"))
    tree.slot("9", "0000:00:06")
    assert together(tree, "9") == together(tree, "eth8") == "slot: eth8 eth9"
    found = component(tree, "9", "pci")
    assert (found.functions, found.interfaces) == (("0000:00:06.0",), ("eth8", "eth9"))
    assert found.strangers == ()


def test_a_disk_controller_on_the_card_is_no_part_but_named(tree: Tree) -> None:
    tree.function("0000:00:05.2", kind="0x010802", driver="nvme")
    tree.function("0000:00:05.3", kind="0x010802")  # nobody uses it
    assert component(tree, "0000:00:05", "pci").strangers == ("0000:00:05.2 (nvme)",)
    assert component(tree, "eth3", "pci").strangers == ()
    assert component(tree, "0000:00:05", "none").strangers == ()


def test_a_physical_function_takes_its_virtual_ones_and_cannot_bring_them_back(tree: Tree) -> None:
    physical = tree.function("0000:00:08.0", driver="igb")
    tree.nic("eth6", physical)
    tree.nic("eth7", tree.virtual(physical, 0, "0000:00:10.0", driver="igbvf"))
    tree.virtual(physical, 1, "0000:00:10.1", driver="vfio-pci")
    tree.virtual(physical, 2, "0000:00:10.2")
    for way in ("none", "driver", "pci"):
        found = component(tree, "eth6", way)
        assert found.interfaces == ("eth6", "eth7")
        assert found.borrowed == ("0000:00:10.1 (vfio-pci)",)
        assert found.reversible == (way == "none")
    assert together(tree, "eth7", "pci") == "pci: eth7"


def test_a_nic_of_another_bus_goes_by_its_driver_or_not_at_all(tree: Tree) -> None:
    tree.nic("eth8", "devices/vmbus/1234")
    tree.bind("devices/vmbus/1234", "vmbus", "hv_netvsc")
    tree.nic("eth9", "devices/vmbus/5678")
    assert together(tree, "eth8") == "driver: eth8"
    assert together(tree, "eth9") == "none: eth9"


@pytest.mark.parametrize(
    ("name", "way", "why"),
    [("veth0", "pci", "it is on no PCI bus"), ("eth0", "slot", "it is in no slot"), ("veth0", "driver", "no driver")],
)
def test_a_way_that_is_not_open_is_an_error(tree: Tree, name: str, way: str, why: str) -> None:
    with pytest.raises(ComponentError, match=f"^{name} cannot be taken out by '{way}': {why}"):
        component(tree, name, way)


@pytest.mark.parametrize("name", ["eth77", "0000:00:09", "0000:00:05.7", "77", "0000:00", ""])
def test_what_is_not_there_or_has_no_nic_is_no_component(tree: Tree, name: str) -> None:
    tree.function("0000:00:09.0")
    assert Sysfs(tree.links, str(tree.root)).component(name) is None


def test_all_components_are_listed_by_nic_device_and_slot(tree: Tree) -> None:
    tree.slot("7", "0000:00:05")
    tree.slot("8", "0000:00:1f")
    tree.links["lo"] = link("lo", 99, flags=8)
    listed = [(c.kind, c.name, " ".join(c.interfaces)) for c in Sysfs(tree.links, str(tree.root)).all()]
    assert listed == [
        ("ethernet", "eth0", "eth0"),
        ("ethernet", "eth1", "eth1 eth2"),
        ("ethernet", "eth2", "eth1 eth2"),
        ("ethernet", "eth3", "eth3 eth4"),
        ("ethernet", "eth4", "eth3 eth4"),
        ("ethernet", "veth0", "veth0"),
        ("pci", "0000:00:03", "eth0"),
        ("pci", "0000:00:04", "eth1 eth2"),
        ("pci", "0000:00:05", "eth3 eth4"),
        ("slot", "7", "eth3 eth4"),
    ]


def test_a_host_without_sysfs_has_plain_nics(tmp_path: Path) -> None:
    found = Sysfs({"eth0": link("eth0")}, str(tmp_path / "nowhere")).component("eth0")
    assert found is not None
    assert (found.hardware, found.interfaces) == ("none", ("eth0",))


def test_members_that_are_built_on_a_nic_leave_with_it_and_others_do_not(tree: Tree) -> None:
    for name, below, index in (("eth3.10", "eth3", 30), ("eth3.10.7", "eth3.10", 31), ("eth3.20", "eth3", 32)):
        parent = tree.links[below].ifindex
        tree.links[name] = link(name, index)._replace(kind="vlan", parent=parent)
    ours = ["eth3", "eth3.10", "eth3.10.7"]
    found = {way: Sysfs(tree.links, str(tree.root), ours).component("eth3", way) for way in ("none", "pci")}
    for way, component in found.items():
        assert component is not None
        assert (component.interfaces, component.stacked) == (tuple(ours), tuple(ours[1:]))
        assert component.reversible == (way == "none")
    alone = Sysfs(tree.links, str(tree.root), ours).component("eth3.10.7")
    assert alone is not None and (alone.interfaces, alone.hardware, alone.stacked) == (("eth3.10.7",), "none", ())
    above = Sysfs(tree.links, str(tree.root), ours).component("eth3.10")
    assert above is not None and above.interfaces == ("eth3.10", "eth3.10.7")


def test_what_returns_is_another_device() -> None:
    """A record of two interfaces: as detached, one gone, both others, one of them still the one that was detached."""
    card = {"interfaces": ["eth1", "eth2"], "ifindexes": {"eth1": 3, "eth2": 4}}

    def after(**indexes: int) -> str:
        return seen(card, {name: link(name, index) for name, index in indexes.items()})

    assert [after(eth1=3, eth2=4), after(eth1=3), after(eth1=7), after()] == ["there", "gone", "gone", "gone"]
    assert [after(eth1=7, eth2=8), after(eth1=3, eth2=8)] == ["back", "there"]
    assert seen({"interfaces": ["eth1"]}, {"eth1": link("eth1", 9)}) == "there"  # of a daemon that kept no numbers


def test_what_was_not_there_when_it_was_detached_is_back_when_it_is() -> None:
    """As a card that was dead at boot, and is detached to be replaced."""
    absent = Component("eth1", ("eth1",), "none", present=False).as_dict()
    assert (seen(absent, {}), seen(absent, {"eth1": link("eth1", 9)})) == ("gone", "back")
    one = {"interfaces": ["eth1", "eth2"], "ifindexes": {"eth1": 3}}
    links = {"eth1": link("eth1", 3), "eth2": link("eth2", 9)}
    assert (seen(one, links), seen(one, {**links, "eth1": link("eth1", 8)})) == ("there", "back")


def test_what_has_come_since_may_be_the_new_card_if_it_is_as_real(tree: Tree) -> None:
    before = len(tree.links)
    tree.nic("new0", tree.function("0000:00:0a.0"))
    tree.nic("veth1")
    tree.links["lo"] = link("lo", 99, flags=9)
    sysfs = Sysfs(tree.links, str(tree.root), ("eth1",))
    card = {"functions": ["0000:00:05.0"], "drivers": [], "ifindexes": {"eth9": 9}}
    assert (sysfs.newcomers(card, before), sysfs.newcomers(card, before + 1)) == (("new0",), ())
    assert sysfs.newcomers({**card, "functions": []}, before) == ("veth1",)
    assert sysfs.newcomers({**card, "functions": [], "ifindexes": {}}, before) == ("new0",)
    assert Sysfs(tree.links, str(tree.root), ("new0",)).newcomers(card, before) == ()
