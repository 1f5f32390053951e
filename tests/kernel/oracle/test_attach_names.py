# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A card that is back has NICs with the kernel's names for a moment; udev gives them their own."""

from __future__ import annotations

from typing import Iterator

import pytest
from bed import Bed, eventually
from cards import Cards

from ipmp.client import DaemonError

pytestmark = pytest.mark.kernel
CARD = "00f0:00:05"  # of a PCI domain that no machine has
TRIO = {f"hostname.eth{n}": f"192.0.2.1{n}/24 group g up\n" for n in (1, 2, 3)}
HOME = {f"192.0.2.1{n}": f"eth{n}" for n in (1, 2, 3)}


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=3) as made:
        yield made


def test_an_attach_is_not_done_with_nics_that_udev_has_not_named_yet(bed: Bed) -> None:
    bed.start(TRIO)
    with Cards(bed, {f"{CARD}.0": ["eth1"], f"{CARD}.1": ["eth2"]}) as cards:
        bed.run("cfgadm", "-o", "hardware=pci", "-c", "unconfigure", CARD)
        bed.host.run("ip link add new0 type veth peer name new1")
        cards._tree._link(f"bus/pci/devices/{CARD}.0", cards._paths[f"{CARD}.0"])
        cards._tree.nic("new0", cards._paths[f"{CARD}.0"])
        eventually(lambda: any(c["name"] == "new0" for c in bed.call("components")["components"]), "new0 is seen")
        with pytest.raises(DaemonError, match="eth1: interface eth1 of group g does not exist"):
            bed.call("attach", component=CARD, wait_timeout=1)
        bed.host.run("ip link del new0")
        bed.run("cfgadm", "-c", "configure", CARD)
        assert bed.hosting() == HOME
