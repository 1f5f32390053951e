# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways out and back that real PCI hardware offers where its firmware removes cards at once (acpiphp)."""

from __future__ import annotations

import json
import threading

import pytest

from .bed import ADDRESSES, HOME, Bed

pytestmark = pytest.mark.vm
OF_A = [address.partition("/")[0] for address in ADDRESSES["a"]]
OF_C = [address.partition("/")[0] for card in ("c0", "c1") for address in ADDRESSES[card]]
OTHER_MAC = "52:54:00:00:99:01"


def card_of(bed: Bed, interface: str) -> str:
    """The PCI device of an interface, without its function."""
    path = bed.guest.run(f"readlink -f /sys/class/net/{interface}/device/..").stdout.strip()
    return path.rpartition("/")[2].rpartition(".")[0]


def test_a_driver_lets_go_of_a_card_and_takes_it_again(bed: Bed) -> None:
    name, before = bed.guest.names()["a"], bed.rest()
    client = bed.client(list(HOME))
    bed.played("dr_detach", ipmp_component=name, ipmp_hardware="driver")
    assert name not in bed.guest.names().values()
    bed.played("dr_reattach", ipmp_component=name)
    assert client.stop() == dict.fromkeys(HOME, 0)
    bed.is_as(before)


def test_both_functions_of_a_card_leave_together_and_return(bed: Bed) -> None:
    names, before = bed.guest.names(), bed.rest()
    card = card_of(bed, names["c0"])
    client = bed.client(list(HOME))
    bed.played("dr_detach", ipmp_component=card, ipmp_hardware="pci")
    assert {*bed.guest.names()} == {"a", "b"}
    bed.played("dr_reattach", ipmp_component=card)
    assert client.stop() == dict.fromkeys(HOME, 0)
    bed.is_as(before)


def test_the_hypervisor_takes_one_function_and_both_are_gone(bed: Bed) -> None:
    before = bed.rest()
    bed.machine.unplug("c1")
    bed.eventually(lambda: {*bed.guest.hosting().values()} == {"a", "b"})
    assert {*bed.guest.names()} == {"a", "b"}
    bed.machine.plug("c1")
    bed.machine.plug("c0")
    bed.eventually(bed.at_home)
    bed.is_as(before)


def test_a_slot_whose_power_no_timer_brings_back_needs_force(bed: Bed) -> None:
    name, before = bed.guest.names()["a"], bed.rest()
    refused = bed.play("dr_check", ipmp_component=name)
    assert refused.returncode == 2
    assert "use hardware=pci, driver or none" in refused.stdout + refused.stderr
    client = bed.client(list(HOME))
    bed.played("dr_detach", ipmp_component=name, ipmp_force=True)
    bed.machine.qmp.wait("DEVICE_DELETED", device="a")
    assert bed.guest.state(name)["state"] == "detached"
    bed.machine.plug("a")
    bed.eventually(lambda: "a" in bed.guest.names() and bed.guest.state(name)["present"])
    bed.played("dr_reattach", ipmp_component=name)
    assert client.stop() == dict.fromkeys(HOME, 0)
    bed.is_as(before)


def test_a_card_is_replaced_by_another_one(bed: Bed) -> None:
    name = bed.guest.names()["a"]
    bed.played("dr_detach", ipmp_component=name, ipmp_hardware="driver")
    bed.machine.unplug("a")
    bed.machine.plug("a", mac=OTHER_MAC)
    bed.eventually(lambda: bed.guest.state(name)["present"])
    assert bed.guest.state(name)["state"] == "detached", "a card that was taken out is not used before it is attached"
    bed.played("dr_reattach", ipmp_component=name)
    bed.eventually(lambda: {ip: bed.guest.hosting()[ip] for ip in OF_A} == dict.fromkeys(OF_A, name))
    assert bed.guest.state(name)["mac"] == OTHER_MAC
    client = bed.client(list(HOME))
    assert client.stop(seconds=1) == dict.fromkeys(HOME, 0)


def test_a_cable_is_pulled_at_the_other_end(bed: Bed) -> None:
    before = bed.rest()
    bed.machine.carrier("a", False)
    bed.eventually(lambda: bed.guest.hosting() == {**HOME, **dict.fromkeys(OF_A, "b")})
    assert bed.guest.state(bed.guest.names()["a"])["link"] == "down"
    bed.machine.carrier("a", True)
    bed.eventually(bed.at_home)
    bed.is_as(before)


def test_the_hosts_own_timer_finds_a_removed_function_again(bed: Bed) -> None:
    """The controller loses its way to the host between the detach and the confirmation."""
    name, before = bed.guest.names()["a"], bed.rest()

    def cut_off() -> None:
        bed.eventually(lambda: (bed.guest.call("transactions")["open"] or {}).get("state") == "committed", 120)
        bed.host.ip("link set t-mgmt down")

    cutter = threading.Thread(target=cut_off)
    cutter.start()
    # The cable may be cut while a task still runs; its ssh would wait for as long as it is.
    alive = "-o ServerAliveInterval=5 -o ServerAliveCountMax=4"
    quick = {"ansible_timeout": 5, "ipmp_confirm_timeout": 20, "ansible_ssh_extra_args": alive}
    try:
        done = bed.play("dr_detach", ipmp_component=name, ipmp_hardware="pci", **quick)
    finally:
        cutter.join()
        bed.host.ip("link set t-mgmt up")
    assert done.returncode != 0, json.dumps(done.stdout)
    assert "the host puts it back by itself within 20 s" in done.stdout + done.stderr
    bed.guest.connect()
    bed.eventually(bed.at_home)
    assert "rolled_back" in bed.guest.journal()
    bed.is_as(before)
