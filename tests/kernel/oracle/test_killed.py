# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed with -9 at a random moment of whatever it does, and started again: no address is missing or double."""

from __future__ import annotations

import random
import signal
import threading
import time
from typing import Callable, Dict, Iterator

import pytest
from bed import Bed, eventually

from ipmp.client import ClientError
from lab import compare, dump

pytestmark = pytest.mark.kernel
DATA = ["192.0.2.11", "192.0.2.12", "192.0.2.13", "2001:db8::11"]
FILES = {
    "hostname.eth1": "192.0.2.11/24 group g up\naddif 192.0.2.13/24 up\naddif 192.0.2.81/24 deprecated -failover up\n",
    "hostname6.eth1": "group g\naddif 2001:db8::11/64 up\n",
    "hostname.eth2": "192.0.2.12/24 group g up\naddif 192.0.2.82/24 deprecated -failover up\n",
    "hostname.eth3": "group g standby up\naddif 192.0.2.83/24 deprecated -failover up\n",
}
OTHER = {"hostname.eth2": "192.0.2.12/24 group g up\naddif 192.0.2.84/24 deprecated -failover up\n"}
HOME = {"192.0.2.11": "eth1", "192.0.2.13": "eth1", "2001:db8::11": "eth1", "192.0.2.12": "eth2"}


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=3) as made:
        yield made


def detach(bed: Bed) -> None:
    bed.call("detach-commit", transaction=bed.call("detach-prepare", component="eth1")["transaction"])


def reconfigure(bed: Bed) -> None:
    bed.write(OTHER)
    bed.call("apply")


ASKED: Dict[str, Callable[[Bed], object]] = {
    "offline": lambda bed: bed.call("offline", interface="eth1"),
    "online": lambda bed: bed.call("undo-offline", interface="eth1"),
    "detach": detach,
    "attach": lambda bed: bed.call("attach", component="eth1", wait_timeout=5),
    "rollback": lambda bed: bed.call("detach-rollback"),
    "apply": reconfigure,
    "pull": lambda bed: bed.nic("eth1").pull(),
    "plug": lambda bed: bed.nic("eth1").plug(),
}
STORY = ("offline", "online", "detach", "attach", "apply", "pull", "plug")


@pytest.mark.parametrize("seed", range(5))
def test_whatever_it_was_doing_the_next_one_goes_on(bed: Bed, seed: int) -> None:
    rng = random.Random(seed)
    bed.start(FILES, groups="[g]\ngateways = 192.0.2.254\n", defaults="FAILURE_DETECTION_TIME=200\n")
    eventually(lambda: bed.interface("eth1")["probe"] == "ok", "probing")
    before = dump(bed.host)
    for asked in STORY:
        asking = threading.Thread(target=_ask, args=(bed, asked))
        asking.start()
        time.sleep(rng.uniform(0.0, 0.12))
        bed.stop(signal.SIGKILL)
        asking.join()
        bed.run_daemon()
        eventually(lambda: _once(bed), lambda: bed.host.run("ip addr").stdout)
    _put_right(bed)
    eventually(lambda: HOME.items() <= bed.hosting().items(), bed.hosting)
    eventually(lambda: all(bed.interface(f"eth{n}")["state"] == "ok" for n in (1, 2, 3)), bed.status)
    assert compare(before, dump(bed.host), nexthop_ids=False) == []


def _ask(bed: Bed, asked: str) -> None:
    try:
        ASKED[asked](bed)
    except (ClientError, OSError):
        pass  # it was killed, or it refuses what the killed one has done


def _once(bed: Bed) -> bool:
    """Each data address is on exactly one NIC."""
    held = [ip for nic in ("eth1", "eth2", "eth3") for ip in bed.held(nic)]
    return all(held.count(ip) == 1 for ip in DATA)


def _put_right(bed: Bed) -> None:
    bed.write(FILES)
    if bed.nic("eth1").pulled:
        bed.nic("eth1").plug()
    # A detach that is open is rolled back; where the files changed meanwhile it says truly what is different.
    for asked in ("rollback", "online", "attach"):
        _ask(bed, asked)
    bed.call("apply")
