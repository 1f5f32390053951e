# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the test oracle about if_mpadm: what it does, what it refuses, and who may ask."""

from __future__ import annotations

import subprocess
import time
from typing import Dict, Iterator, List

import pytest
from bed import Bed, eventually
from capture import ARP, Capture, Frame

pytestmark = pytest.mark.kernel
A1, B1, TA, TB = "192.0.2.11", "192.0.2.12", "192.0.2.111", "192.0.2.112"
TEST = "addif {}/24 deprecated -failover up"
FILES: Dict[str, str] = {
    "hostname.eth1": f"{A1}/24 group g up {TEST.format(TA)}\n",
    "hostname.eth2": f"{B1}/24 group g up {TEST.format(TB)}\n",
}
GATEWAY = "[g]\ngateways = 192.0.2.254\n"
FDT = "FAILURE_DETECTION_TIME=700\n"  # a probe each 100 ms
LAST = (
    "Offline failed as there is no other functional interface available in the multipathing group"
    " for failing over the network access.\n"
)


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=3) as made:
        yield made


def mpadm(bed: Bed, option: str, name: str) -> subprocess.CompletedProcess[str]:
    return bed.run("if_mpadm", option, name)


def done(bed: Bed, option: str, name: str) -> None:
    result = mpadm(bed, option, name)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def refused(bed: Bed, option: str, name: str) -> str:
    result = mpadm(bed, option, name)
    assert (result.returncode, result.stdout) == (1, "")
    return result.stderr


def probe(frame: Frame) -> bool:
    return frame.outgoing and frame.echo_request


@pytest.mark.oracle("T61")
def test_offline_takes_everything_off_the_nic_and_ends_its_probes(bed: Bed) -> None:
    bed.start(FILES, groups=GATEWAY, defaults=FDT)
    with Capture(bed.host, "eth1") as seen:
        seen.wait(lambda f: probe(f) and f.source == TA)
        done(bed, "-d", "eth1")
        begin = time.time()
        assert bed.hosting() == {A1: "eth2", B1: "eth2", TB: "eth2"}
        assert bed.flags("eth1") == ["OFFLINE", "DOWN"]
        assert bed.address(TA)["state"] == "down"
        time.sleep(0.7)
    assert seen.all(probe, begin) == []
    assert seen.all(lambda f: f.outgoing and f.kind == ARP and f.source in (A1, TA), begin) == []


@pytest.mark.oracle("T62")
def test_the_last_one_is_refused_and_stays_as_it_was(bed: Bed) -> None:
    bed.start(FILES, groups=GATEWAY, defaults=FDT)
    done(bed, "-d", "eth1")
    before = bed.interface("eth2")
    assert refused(bed, "-d", "eth2") == LAST
    assert {**bed.interface("eth2"), "probing": before["probing"]} == before  # it goes on probing
    assert "OFFLINE" not in before["flags"] and before["active"]
    assert bed.hosting() == {A1: "eth2", B1: "eth2", TB: "eth2"}


@pytest.mark.oracle("T63")
def test_what_is_already_so_is_refused(bed: Bed) -> None:
    bed.start(FILES, groups=GATEWAY)
    assert refused(bed, "-r", "eth1") == "Interface not offlined\n"
    done(bed, "-d", "eth1")
    assert refused(bed, "-d", "eth1") == "Interface already offlined\n"
    done(bed, "-r", "eth1")
    assert refused(bed, "-r", "eth1") == "Interface not offlined\n"
    assert bed.hosting() == {A1: "eth1", TA: "eth1", B1: "eth2", TB: "eth2"}


@pytest.mark.oracle("T64")
def test_undo_brings_everything_home_even_without_failback(bed: Bed) -> None:
    bed.start(FILES, groups=GATEWAY, defaults=f"{FDT}FAILBACK=no\n")
    done(bed, "-d", "eth1")
    assert bed.hosting() == {A1: "eth2", B1: "eth2", TB: "eth2"}
    with Capture(bed.host, "eth1") as seen:
        done(bed, "-r", "eth1")
        eventually(bed.on(eth1=f"{A1} {TA}", eth2=f"{B1} {TB}"), "all at home", 10)
        assert bed.address(TA)["state"] == "up"
        assert not {"OFFLINE", "INACTIVE", "FAILED"} & set(bed.flags("eth1"))
        seen.wait(lambda f: probe(f) and f.source == TA)


@pytest.mark.oracle("T65")
@pytest.mark.parametrize("name", ["eth3", "nosuch0"])
def test_a_nic_in_no_group_is_refused(bed: Bed, name: str) -> None:
    bed.start({**FILES, "hostname.eth3": "192.0.2.13/24 up\n"}, groups=GATEWAY)
    before = bed.hosting()
    assert refused(bed, "-d", name).startswith("if_mpadm: Invalid argument\n")
    assert bed.hosting() == before
    assert before["192.0.2.13"] == "eth3"


@pytest.mark.oracle("T68")
def test_an_inactive_standby_goes_offline_and_nothing_moves(bed: Bed) -> None:
    bed.start({"hostname.eth1": f"{A1}/24 group g up\n", "hostname.eth2": "group g standby up\n"})
    assert "INACTIVE" in bed.flags("eth2")
    events = bed.events()
    done(bed, "-d", "eth2")
    eventually(lambda: [e for e in events.of("if_change") if e["interface"] == "eth2"], "told")
    events.close()
    assert events.of("move") == []
    assert bed.flags("eth2") == ["STANDBY", "OFFLINE", "DOWN"]
    assert bed.hosting() == {A1: "eth1"}


def unprivileged(bed: Bed, group: str, *command: str) -> subprocess.CompletedProcess[str]:
    return bed.run("setpriv", "--reuid=65534", f"--regid={group}", "--clear-groups", *command)


@pytest.mark.oracle("T69")
def test_only_root_may_and_an_attempt_is_logged(bed: Bed) -> None:
    bed.host.run("grep -q ^ipmp: /etc/group || echo ipmp:x:64999: >>/etc/group")
    bed.start(FILES, groups=GATEWAY)
    before = bed.hosting()
    for group in ("ipmp", "65534"):
        result = unprivileged(bed, group, "if_mpadm", "-d", "eth1")
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith("if_mpadm: Permission denied")
    assert bed.hosting() == before
    assert "OFFLINE" not in bed.flags("eth1")
    # Others than the group's members are turned away by the kernel, at the socket's mode.
    told: List[str] = [line for line in bed.log.texts() if line.startswith("Unprivileged request")]
    assert told == ["Unprivileged request from uid 65534 for privileged command 'offline'"]
    assert unprivileged(bed, "ipmp", "ipmpstat", "-g").returncode == 0  # looking is allowed


@pytest.mark.oracle("T70")
def test_without_a_daemon_it_says_so(bed: Bed) -> None:
    bed.start(FILES, groups=GATEWAY)
    bed.stop()
    before = bed.hosting()
    for option in ("-d", "-r"):
        assert refused(bed, option, "eth1").splitlines()[0] == "Cannot establish communication with in.mpathd."
    assert bed.hosting() == before
