# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three ways in which a card leaves most often; ``make test`` runs these too."""

from __future__ import annotations

from typing import Callable

import pytest

from .bed import ADDRESSES, HOME, Bed

pytestmark = [pytest.mark.vm, pytest.mark.vm_short]
OF_A = [address.partition("/")[0] for address in ADDRESSES["a"]]


def test_a_function_is_removed_from_the_bus_and_found_again(bed: Bed) -> None:
    name = bed.guest.names()["a"]
    before, index = bed.rest(), bed.guest.state(name)["ifindex"]
    session = bed.guest.session(OF_A[0])
    client = bed.client(list(HOME))
    query = bed.guest.call("detach-query", component=name, hardware="pci", confirm_timeout=60)
    assert query["allowed"] and {move["address"] for move in query["moves"]} == {*OF_A}
    bed.played("dr_detach", ipmp_component=name, ipmp_hardware="pci")
    assert name not in bed.guest.names().values()
    assert {bed.guest.hosting()[ip] for ip in OF_A} == {"b"}
    assert bed.guest.state(name)["state"] == "detached"
    bed.played("dr_reattach", ipmp_component=name)
    assert client.stop() == dict.fromkeys(HOME, 0)
    assert bed.guest.hosting() == HOME
    assert bed.guest.state(name)["ifindex"] != index, "the kernel gives a card that comes back another index"
    bed.is_as(before)
    assert session.communicate("still here\n", timeout=60)[0] == "still here\n"


def test_a_card_that_the_hypervisor_takes_and_gives_back(bed: Bed) -> None:
    before = bed.rest()
    client = bed.client(list(HOME))
    bed.machine.unplug("a")
    bed.eventually(lambda: bed.guest.hosting() == {**HOME, **dict.fromkeys(OF_A, "b")})
    bed.machine.plug("a")
    bed.eventually(bed.at_home)
    lost = client.stop()
    assert {ip for ip, count in lost.items() if count} <= {*OF_A}, lost
    bed.is_as(before)


def test_a_card_that_was_missing_at_boot(bed: Bed, off: Callable[..., Bed]) -> None:
    before = bed.rest()
    off(without=["a"])
    bed.eventually(lambda: "moving addresses from failed" in bed.machine.console)
    name, sibling = "enp1s0", bed.guest.names()["b"]
    for family in ("IPv4", "IPv6"):
        assert f"Failed to plumb {family} interface(s): {name}" in bed.machine.console
        assert f"moving addresses from failed {family} interfaces: {name} (moved to {sibling})." in bed.machine.console
    assert bed.guest.hosting() == {**HOME, **dict.fromkeys(OF_A, "b")}
    bed.machine.plug("a")
    bed.eventually(bed.at_home)
    bed.is_as(before)
