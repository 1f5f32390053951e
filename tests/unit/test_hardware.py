# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sysfs says of a NIC: the kernel's own for one without a device, trees in its shape for cards this host lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from ipmp import hardware


def nic(sysfs: Path, name: str, device: str, *, driver: str = "", bus: str = "pci") -> Path:
    """A NIC as sysfs shows it: links from class to device, from device to driver and subsystem."""
    path = sysfs / "devices" / device
    path.mkdir(parents=True, exist_ok=True)
    (sysfs / "class/net" / name).mkdir(parents=True)
    (sysfs / "class/net" / name / "device").symlink_to(path)
    (sysfs / "bus" / bus / "drivers" / (driver or "x")).mkdir(parents=True, exist_ok=True)
    if not (path / "subsystem").exists():
        (path / "subsystem").symlink_to(sysfs / "bus" / bus)
    if driver:
        (path / "driver").symlink_to(sysfs / "bus" / bus / "drivers" / driver)
    return path


def slot(sysfs: Path, name: str, address: str, *, power: bool = True) -> None:
    path = sysfs / "bus/pci/slots" / name
    path.mkdir(parents=True)
    (path / "address").write_text(address + "\n")
    if power:
        (path / "power").write_text("1\n")


def chosen(sysfs: Path, name: str) -> object:
    return hardware.component(name, [name], sysfs=str(sysfs))["hardware"]


def test_a_nic_without_a_device_offers_none() -> None:
    assert hardware.component("lo", ["lo"]) == {
        "name": "lo",
        "interfaces": ["lo"],
        "hardware": "none",
        "present": True,
        "reversible": True,
    }
    assert hardware.bus_path("lo") is None


def test_a_nic_that_is_gone_offers_none() -> None:
    found = hardware.component("eth9", ["lo"])
    assert (found["present"], found["hardware"]) == (False, "none")


def test_a_card_in_a_slot_with_power_goes_by_its_slot_and_not_back(tmp_path: Path) -> None:
    nic(tmp_path, "eth0", "pci0000:00/0000:00:03.0", driver="e1000e")
    slot(tmp_path, "3", "0000:00:03")
    found = hardware.component("eth0", ["eth0"], sysfs=str(tmp_path))
    assert (found["hardware"], found["reversible"]) == ("slot", False)
    assert hardware.bus_path("eth0", str(tmp_path)) == "devices/pci0000:00/0000:00:03.0"


def test_a_card_without_a_slot_of_its_own_is_removed_from_the_bus(tmp_path: Path) -> None:
    nic(tmp_path, "eth0", "pci0000:00/0000:00:03.0", driver="e1000e")
    slot(tmp_path, "3", "0000:00:03", power=False)
    slot(tmp_path, "4", "0000:00:04")
    assert chosen(tmp_path, "eth0") == "pci"


def test_a_virtio_nic_is_the_pci_device_above_it(tmp_path: Path) -> None:
    function = tmp_path / "devices/pci0000:00/0000:00:05.0"
    (tmp_path / "bus/pci").mkdir(parents=True)
    nic(tmp_path, "eth0", "pci0000:00/0000:00:05.0/virtio2", driver="virtio_net", bus="virtio")
    (function / "subsystem").symlink_to(tmp_path / "bus/pci")
    assert chosen(tmp_path, "eth0") == "pci"
    slot(tmp_path, "5", "0000:00:05")
    assert chosen(tmp_path, "eth0") == "slot"


def test_a_nic_of_another_bus_is_unbound_from_its_driver_or_left(tmp_path: Path) -> None:
    nic(tmp_path, "eth0", "vmbus/1234", driver="hv_netvsc", bus="vmbus")
    nic(tmp_path, "eth1", "vmbus/5678", bus="vmbus")
    assert chosen(tmp_path, "eth0") == "driver"
    assert chosen(tmp_path, "eth1") == "none"


@pytest.mark.parametrize("way", ["pci", "slot", "driver"])
def test_what_is_asked_for_is_named_and_for_now_refused_when_it_comes_to_it(way: str) -> None:
    found = hardware.component("eth0", ["eth0"], hardware=way)
    assert found["hardware"] == way
    with pytest.raises(hardware.HardwareError) as caught:
        hardware.take_out(found)
    assert str(caught.value) == f"taking eth0 out by {way!r} is not supported yet: use hardware: none"


def test_none_takes_nothing_out() -> None:
    hardware.take_out(hardware.component("eth0", ["eth0"], hardware="none"))
