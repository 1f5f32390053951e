# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hardware steps write to the files that the kernel listens at, see that the NICs are gone, and can be undone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict

import pytest
from fake_sysfs import Tree

from ipmp.components import Sysfs
from ipmp.hardware import HardwareError, put_back, take_out


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path)
    for number in (0, 1):
        tree.nic(f"eth{number}", tree.function(f"0000:00:05.{number}", driver="igb"))
    tree.slot("7", "0000:00:05")
    return tree


def asked(tree: Tree, way: str) -> Dict[str, Any]:
    found = Sysfs(tree.links, str(tree.root)).component("0000:00:05", way)
    assert found is not None
    return found.as_dict()


def gone(tree: Tree) -> None:
    """As the kernel would; a written file does nothing by itself."""
    for name in ("eth0", "eth1"):
        (tree.root / "class/net" / name / "device").unlink()
        (tree.root / "class/net" / name).rmdir()


def step(tree: Tree, component: Dict[str, Any]) -> str:
    """The error of a step after which nothing leaves."""
    with pytest.raises(HardwareError) as caught:
        take_out(component, sysfs=str(tree.root), patience=0.1)
    return str(caught.value)


def test_pci_removes_every_function_and_looks_if_they_went(tree: Tree) -> None:
    component = asked(tree, "pci")
    assert step(tree, component) == "eth0, eth1 did not leave within 0 s of the step 'pci'"
    assert [tree.read(f"bus/pci/devices/0000:00:05.{n}/remove") for n in (0, 1)] == ["1", "1"]
    gone(tree)
    take_out(component, sysfs=str(tree.root))
    put_back(component, sysfs=str(tree.root))
    assert tree.read("bus/pci/rescan") == "1"


def test_a_function_that_is_gone_already_is_passed_over(tree: Tree) -> None:
    component = asked(tree, "pci")
    gone(tree)
    os.unlink(tree.root / "bus/pci/devices/0000:00:05.0")
    take_out(component, sysfs=str(tree.root))
    assert tree.read("bus/pci/devices/0000:00:05.1/remove") == "1"


def test_slot_takes_its_power_and_gives_it_again(tree: Tree) -> None:
    component = asked(tree, "slot")
    gone(tree)
    take_out(component, sysfs=str(tree.root))
    assert tree.read("bus/pci/slots/7/power") == "0"
    put_back(component, sysfs=str(tree.root))
    assert tree.read("bus/pci/slots/7/power") == "1"


def test_driver_lets_go_of_each_device_and_takes_it_again(tree: Tree) -> None:
    component = asked(tree, "driver")
    gone(tree)
    take_out(component, sysfs=str(tree.root))
    driver = tree.root / "bus/pci/drivers/igb"
    assert (driver / "unbind").read_text() == "0000:00:05.1"  # the kernel would have read the first one before
    put_back(component, sysfs=str(tree.root))
    assert (driver / "bind").read_text() == ""  # they are bound
    (driver / "0000:00:05.0").unlink()
    put_back(component, sysfs=str(tree.root))
    assert (driver / "bind").read_text() == "0000:00:05.0"


def test_none_writes_nothing(tree: Tree) -> None:
    component = asked(tree, "none")
    take_out(component, sysfs=str(tree.root))
    put_back(component, sysfs=str(tree.root))
    assert tree.read("bus/pci/rescan") == tree.read("bus/pci/slots/7/power") == ""


def test_a_file_that_cannot_be_written_is_named_and_not_made(tree: Tree) -> None:
    component = asked(tree, "slot")
    power = tree.root / "bus/pci/slots/7/power"
    power.unlink()
    assert step(tree, component) == f"{power}: writing '0' failed: No such file or directory"
    assert not power.exists()
