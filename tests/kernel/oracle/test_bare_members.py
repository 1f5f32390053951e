# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Active members without an address of their own: the kernel puts another member's into their ARP requests."""

from __future__ import annotations

import json
import time
from typing import Callable, Iterator, Optional

import pytest
from bed import Bed, eventually

from ipmp.announcing import REPEAT

pytestmark = pytest.mark.kernel
DATA, CLIENT = "192.0.2.11", "192.0.2.250"
FILES = {"hostname.eth1": f"{DATA}/24 group g up\n", "hostname.eth2": "group g up\n"}
SEND = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('{}', 0)); s.sendto(b'', ('{}', 9))"


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=2) as made:
        yield made


def told(bed: Bed) -> Optional[str]:
    """The hardware address that the client has for the data address."""
    known = json.loads(bed.client.run(["ip", "-j", "neigh", "show", DATA]).stdout)
    return known[0].get("lladdr") if known else None


def begun(bed: Bed) -> None:
    """The client believes that the address is behind eth2, because eth2 has asked for the client."""
    bed.start(FILES)
    eventually(bed.on(eth1=DATA), bed.hosting)
    time.sleep(REPEAT[-1] + 0.5)  # what is told again of the start would be taken for the news that is to come
    bed.client.run(["ping", "-c", "1", DATA])
    bed.host.run("ip neigh flush all")

    def misled() -> bool:
        bed.host.run(["python3", "-c", SEND.format(DATA, CLIENT)])
        return told(bed) == bed.nic("eth2").mac

    eventually(misled, lambda: told(bed))


def detach(bed: Bed) -> None:
    assert bed.run("cfgadm", "-c", "unconfigure", "eth2").returncode == 0


@pytest.mark.parametrize("go", [lambda bed: bed.nic("eth2").pull(), detach], ids=["its cable is pulled", "detached"])
def test_peers_are_told_when_it_goes_though_nothing_moves(bed: Bed, go: Callable[[Bed], object]) -> None:
    begun(bed)
    go(bed)
    eventually(lambda: told(bed) == bed.nic("eth1").mac, lambda: told(bed), 3.0)
    assert bed.hosting()[DATA] == "eth1"
