# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs on cards that leave: as members of a group they go along and come back, else they are in the way."""

from __future__ import annotations

import pytest

from .bed import ADDRESSES, HOME, Bed

pytestmark = pytest.mark.vm
TAGGED = {"a": ("v7a", "198.51.100.11"), "b": ("v7b", "198.51.100.12")}  # card -> its VLAN, and the address of that
# Who makes the VLANs, as people do it who have no network manager on these cards.
RULE = 'ACTION=="add", SUBSYSTEM=="net", NAME=="{nic}", RUN+="/sbin/{make}"\n'
MAKE = "ip link add link {nic} name {vlan} type vlan id 7"


def test_vlans_that_are_members_leave_with_their_card_and_return_with_it(bed: Bed) -> None:
    names = bed.guest.names()
    for card, (vlan, address) in TAGGED.items():
        make = MAKE.format(nic=names[card], vlan=vlan)
        rule = RULE.format(nic=names[card], make=make)
        bed.guest.run(["tee", f"/etc/udev/rules.d/90-{vlan}.rules"], input=rule)
        bed.guest.run(["tee", f"/etc/hostname.{vlan}"], input=f"{address}/24 group tagged up\n")
        bed.guest.run(make)
    bed.guest.run(f"ip link add link {names['c0']} name v8 type vlan id 8")  # in no group
    bed.guest.run("systemctl reload ipmp")
    home = {**HOME, **{address: vlan for vlan, address in TAGGED.values()}}
    before = bed.rest(home)

    refused = bed.guest.call("detach-query", component=names["c0"], hardware="pci", force=True)
    assert refused["allowed"] is False
    assert f"v8 is built on {names['c0']}" in str(refused["refusals"])

    (vlan, address), (sibling, _) = TAGGED.values()
    query = bed.guest.call("detach-query", component=names["a"], hardware="pci", confirm_timeout=60)
    assert query["component"]["interfaces"] == [names["a"], vlan]
    assert {move["to"] for move in query["moves"] if move["address"] == address} == {sibling}
    assert query["allowed"] is False and "cannot undo by itself" in str(query["warnings"]), "no timer makes a VLAN"

    # The controller is not in the VLAN; what it sends there comes over a card that stays.
    bed.host.ip(f"route replace {address}/32 via {ADDRESSES['b'][0].partition('/')[0]}")
    client = bed.client([*HOME, address])
    bed.played("dr_detach", ipmp_component=names["a"], ipmp_hardware="pci", ipmp_force=True)
    hosting = bed.guest.hosting()
    assert hosting[address] == sibling and "a" not in hosting.values()
    assert {*bed.guest.names()} == {"b", "c0", "c1"}
    bed.played("dr_reattach", ipmp_component=names["a"])
    assert client.stop() == dict.fromkeys([*HOME, address], 0)
    bed.eventually(lambda: bed.guest.hosting() == home)
    bed.is_as(before)
