# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slots as on real servers (pciehp): their button, or the hypervisor's, gives five seconds of notice."""

from __future__ import annotations

import pytest

from .bed import ADDRESSES, HOME, Bed

pytestmark = pytest.mark.vm
OF_A = [address.partition("/")[0] for address in ADDRESSES["a"]]
SLOT = "/sys/bus/pci/slots/1"


def test_addresses_move_away_before_the_slot_loses_power(native_bed: Bed) -> None:
    bed = native_bed
    before, files = bed.rest(), bed.guest.run(f"cat {SLOT}/power {SLOT}/attention {SLOT}/adapter").stdout
    client = bed.client(list(HOME))
    bed.machine.unplug("a", wait=False)
    bed.eventually(lambda: bed.guest.hosting() == {**HOME, **dict.fromkeys(OF_A, "b")}, 4)
    assert "a" in bed.guest.names(), "its card is still there"
    assert bed.guest.run(f"cat {SLOT}/power {SLOT}/attention {SLOT}/adapter").stdout == files, "sysfs shows the notice"
    bed.machine.qmp.wait("DEVICE_DELETED", device="a")
    bed.machine.plug("a")
    bed.eventually(bed.at_home)
    assert client.stop() == dict.fromkeys(HOME, 0)
    bed.is_as(before)


def test_the_power_of_a_slot_is_switched_off(native_bed: Bed) -> None:
    bed = native_bed
    name, before = bed.guest.names()["a"], bed.rest()
    client = bed.client(list(HOME))
    bed.played("dr_detach", ipmp_component=name, ipmp_hardware="slot", ipmp_force=True)
    assert bed.guest.run(f"cat {SLOT}/power").stdout == "0\n"
    bed.machine.qmp.wait("DEVICE_DELETED", device="a")
    bed.machine.plug("a")
    bed.eventually(lambda: "a" in bed.guest.names() and bed.guest.state(name)["present"])
    bed.played("dr_reattach", ipmp_component=name)
    assert client.stop() == dict.fromkeys(HOME, 0)
    bed.is_as(before)
