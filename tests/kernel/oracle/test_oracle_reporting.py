# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the test oracle about reporting: events, ipmpstat's columns, and snapshots that hold together."""

from __future__ import annotations

import signal
import threading
from typing import Any, Dict, Iterator, List, Set

import pytest
from bed import Bed, eventually

pytestmark = pytest.mark.kernel
A1, B1 = "192.0.2.11", "192.0.2.12"
FILES = {"hostname.eth1": f"{A1}/24 group g up\n", "hostname.eth2": f"{B1}/24 group g up\n"}
STATES = ("group_state", "group_change", "group_member_change", "if_change")


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=3) as made:
        yield made


def signature(bed: Bed) -> int:
    (group,) = bed.status()["groups"]
    return int(group["signature"])


@pytest.mark.oracle("T118")
def test_each_change_of_state_is_one_event_with_a_higher_signature(bed: Bed) -> None:
    bed.start(FILES)
    events = bed.events()

    def change(act: Any, state: str) -> List[Any]:
        """The events of states that an act causes, up to the one of the group that ends in that state."""
        before, known = len(events.seen), signature(bed)
        act()
        eventually(lambda: [e for e in events.of("group_state", since=before) if e["state"] == state], state)
        told = events.of(*STATES, since=before)
        signatures = [e["signature"] for e in told]
        assert signatures == sorted(set(signatures)), "each one higher than the one before"
        assert signatures[0] > known
        assert signatures[-1] == signature(bed)
        of_nic = [(e["state"], e["flags"], e.get("link"), e.get("probe")) for e in told if e["type"] == "if_change"]
        assert all(sooner != later for sooner, later in zip(of_nic, of_nic[1:])), "a repetition is no change"
        return [(e["type"], e.get("interface") or e.get("group"), e["state"]) for e in told]

    nic = bed.nic("eth1")
    assert change(nic.pull, "degraded") == [("if_change", "eth1", "failed"), ("group_state", "g", "degraded")]
    before, known = len(events.seen), signature(bed)
    nic.pull()  # again: nothing new
    bed.signal(signal.SIGHUP)  # the same files: nothing new
    bed.log.wait("SIGHUP: restart and reread config file")
    bed.call("apply")
    bed.call("status")
    assert events.of(*STATES, "move", since=before) == []
    assert signature(bed) == known
    assert change(nic.plug, "ok")[-2:] == [("if_change", "eth1", "ok"), ("group_state", "g", "ok")]
    events.close()


def groups(bed: Bed) -> str:
    result = bed.run("ipmpstat", "-P", "-o", "state,interfaces", "-g")
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.mark.oracle("T119")
def test_groups_are_shown_with_active_inactive_and_unusable_members(bed: Bed) -> None:
    bed.start(
        {
            "hostname.eth1": "group g up\n",
            "hostname.eth2": f"{B1}/24 group g up\n",
            "hostname.eth3": "group g standby up\n",
        }
    )
    assert groups(bed) == "ok:eth1 eth2 (eth3)\n"
    bed.nic("eth1").pull()
    eventually(lambda: bed.interface("eth1")["state"] == "failed", "failed")
    assert groups(bed) == "degraded:eth2 (eth3) [eth1]\n"
    for name in ("eth2", "eth3"):
        bed.nic(name).pull()
    bed.log.wait("All Interfaces in group g have failed")
    assert groups(bed) == "failed:[eth1 eth2 eth3]\n"
    shown = bed.run("ipmpstat", "-g").stdout.splitlines()
    assert shown[0].split() == ["GROUP", "GROUPNAME", "STATE", "FDT", "INTERFACES"]
    assert shown[1].split() == ["g", "g", "failed", "--", "[eth1", "eth2", "eth3]"]


@pytest.mark.oracle("T120")
def test_colons_of_an_address_are_escaped(bed: Bed) -> None:
    bed.start({**FILES, "hostname6.eth1": "group g up addif 2001:db8::11/64 up\n", "hostname6.eth2": "group g up\n"})
    rows = bed.run("ipmpstat", "-a", "-n", "-P", "-o", "address,inbound").stdout.splitlines()
    assert sorted(rows) == ["192.0.2.11:eth1", "192.0.2.12:eth2", "2001\\:db8\\:\\:11:eth1"]
    alone = bed.run("ipmpstat", "-a", "-n", "-P", "-o", "address").stdout.splitlines()
    assert "2001:db8::11" in alone


@pytest.mark.oracle("T121")
def test_a_snapshot_shows_a_move_as_not_begun_or_as_done(bed: Bed) -> None:
    four = "".join(f"addif 192.0.2.{n}/24 up\n" for n in range(20, 100))
    six = "".join(f"addif 2001:db8::{n:x}/64 up\n" for n in range(20, 60))
    bed.start(
        {
            "hostname.eth1": f"{A1}/24 group g up\n{four}",
            "hostname.eth2": f"{B1}/24 group g up\n",
            "hostname6.eth1": f"group g up\n{six}",
            "hostname6.eth2": "group g up\n",
        }
    )
    end, shots = threading.Event(), []

    def watch() -> None:
        while not end.is_set():
            shots.append(bed.status())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        while len(shots) < 60:
            bed.call("offline", interface="eth1")
            bed.call("undo-offline", interface="eth1")
    finally:
        end.set()
        watcher.join()
    seen: Set[str] = set()
    for shot in shots:
        places: Dict[str, str] = {a["address"]: a["interface"] for a in shot["addresses"]}
        assert len(places) == len(shot["addresses"]) == 122
        assert places.pop(B1) == "eth2"
        (place,) = set(places.values())
        (group,) = shot["groups"]
        assert group["active"] == (["eth1", "eth2"] if place == "eth1" else ["eth2"])
        assert all(a["state"] == "up" for a in shot["addresses"])
        seen.add(place)
    assert seen == {"eth1", "eth2"}
