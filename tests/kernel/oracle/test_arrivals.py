# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs that appear by themselves: not before they have their name, and not with addresses that another host has."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
from bed import Bed, eventually

pytestmark = pytest.mark.kernel
A1, B1, E1, TA = "192.0.2.11", "192.0.2.12", "192.0.2.13", "192.0.2.111"
A6 = "2001:db8::11"
PAIR = {
    "hostname.eth1": f"{A1}/24 group g up addif {TA}/24 deprecated -failover up\n",
    "hostname.eth2": f"{B1}/24 group g up\n",
}
ALONE = {"hostname.eth1": f"{A1}/24 group g up\n", "hostname6.eth1": f"group g up addif {A6}/64 up\n"}
UNGROUPED = {"hostname.eth3": f"{E1}/24 up\n"}


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=3) as made:
        yield made


@contextlib.contextmanager
def stranger(bed: Bed, *ips: str) -> Iterator[str]:
    """The client has these addresses too; its MAC."""
    (nic,) = bed.client.nics.values()
    options = [f"{ip}/64 nodad" if ":" in ip else f"{ip}/24" for ip in ips]
    bed.client.ip(*(f"addr add {text} dev {nic.name}" for text in options))
    try:
        yield nic.mac
    finally:
        bed.client.ip(*(f"addr del {text.split()[0]} dev {nic.name}" for text in options))


@contextlib.contextmanager
def out(bed: Bed, *names: str) -> Iterator[None]:
    """In the end they are in their places again."""
    for name in names:
        bed.nic(name).take_out()
    try:
        yield
    finally:
        for name in names:
            if not bed.nic(name).present:
                bed.nic(name).put_back()


def taken(mac: str, *ips: str) -> str:
    return "; ".join(f"address {ip} is in use by {mac} on the same link" for ip in ips)


def refused(name: str, mac: str, *ips: str) -> str:
    way_out = "take it off that host, or out of the hostname files here"
    return f"{name} is not brought into service: {taken(mac, *ips)}; {way_out}"


def link(bed: Bed, name: str) -> Dict[str, Any]:
    return dict(json.loads(bed.host.run(["ip", "-j", "link", "show", name]).stdout)[0])


@pytest.mark.oracle("T104")
@pytest.mark.parametrize(
    ("files", "name", "ips"),
    [(PAIR, "eth1", [A1]), (PAIR, "eth1", [TA]), (ALONE, "eth1", [A1, A6]), (UNGROUPED, "eth3", [E1])],
    ids=["data", "test", "alone", "ungrouped"],
)
@pytest.mark.parametrize("when", ["returns", "late"])
def test_what_another_host_has_does_not_come_up_when_its_nic_appears(
    bed: Bed, when: str, files: Dict[str, str], name: str, ips: List[str]
) -> None:
    if when == "late":
        bed.reset()
    else:
        bed.start(files)
    with out(bed, name):
        if when == "late":
            bed.write(files)
            bed.run_daemon()
        else:
            bed.log.wait(f"^{name} was taken away.*")
        before = bed.hosting()
        assert name not in before.values()
        with stranger(bed, *ips) as mac:
            bed.nic(name).put_back()
            bed.log.wait(refused(name, mac, *ips))
            time.sleep(1.5)  # it is asked again
            assert bed.hosting() == before
            shown = bed.interface(name)
            assert (shown["state"], shown["present"]) == ("failed", True)
            assert shown["reason"] == f"{taken(mac, *ips)}; it is asked again, and used when they are free"
            result = bed.run("cfgadm", "-c", "configure", name)
            assert result.returncode == 1 and taken(mac, *ips) in result.stderr
            mark = bed.log.mark()
            bed.stop(signal.SIGKILL)
            bed.run_daemon()
            bed.log.wait(refused(name, mac, *ips), mark)
            assert bed.hosting() == before
        own = (A1, "eth1"), (A6, "eth1"), (TA, "eth1"), (B1, "eth2"), (E1, "eth3")
        wanted = {ip: nic for ip, nic in own if any(ip in text for text in files.values())}
        eventually(lambda: bed.hosting() == wanted, bed.hosting)
        assert bed.interface(name)["reason"] == ""
        assert len(bed.log.only([refused(name, mac, *ips)])) == 2  # once by each daemon


@pytest.fixture
def udev(bed: Bed) -> Iterator[Path]:
    """The folder in which udev keeps what it knows, in a host where it runs."""
    place = bed.root / "run/udev"
    (place / "data").mkdir(parents=True)
    (place / "control").touch()
    yield place / "data"
    bed.host.run("rm -r /run/udev")


@pytest.mark.parametrize("before_us", [False, True], ids=["running", "at boot"])
def test_a_nic_is_left_alone_until_udev_has_given_it_its_name(bed: Bed, udev: Path, before_us: bool) -> None:
    for name in ("eth1", "eth2"):
        (udev / f"n{link(bed, name)['ifindex']}").touch()
    if before_us:
        bed.reset()
    else:
        bed.start(PAIR)
    with out(bed, "eth1"):
        if before_us:
            bed.nic("eth1").put_back()
            bed.write(PAIR)
            bed.run_daemon()
        else:
            eventually(bed.on(eth2=f"{A1} {B1}"), bed.hosting)
            bed.nic("eth1").put_back()
        index = link(bed, "eth1")["ifindex"]
        time.sleep(0.5)
        assert "UP" not in link(bed, "eth1")["flags"]
        assert bed.interface("eth1")["state"] == "absent"
        bed.host.ip("link set eth1 name other0")  # as udev refuses to once it is up
        (udev / f"n{index}").touch()
        time.sleep(0.5)
        assert "UP" not in link(bed, "other0")["flags"]
        assert bed.interface("eth1")["state"] == "absent"
        bed.host.ip("link set other0 name eth1")
        eventually(bed.on(eth1=f"{A1} {TA}", eth2=B1), bed.hosting)


def test_without_a_daemon_names_are_waited_for_as_well(bed: Bed, udev: Path) -> None:
    bed.reset()
    bed.write(PAIR)
    (udev / f"n{link(bed, 'eth2')['ifindex']}").touch()
    once = bed.host.popen(["/usr/local/sbin/in.mpathd", "--static", "-d"])
    eventually(lambda: B1 in bed.hosting(), bed.hosting)
    assert "UP" not in link(bed, "eth1")["flags"]
    (udev / f"n{link(bed, 'eth1')['ifindex']}").touch()
    assert once.wait(30) == 0
    assert bed.on(eth1=f"{A1} {TA}", eth2=B1)()


def test_a_udev_that_says_nothing_is_not_waited_for_long(bed: Bed, udev: Path) -> None:
    bed.start(PAIR)
    with out(bed, "eth1"):
        eventually(bed.on(eth2=f"{A1} {B1}"), bed.hosting)
        bed.nic("eth1").put_back()
        eventually(bed.on(eth1=f"{A1} {TA}", eth2=B1), bed.hosting)


def test_what_fails_while_it_appears_is_tried_again(bed: Bed) -> None:
    """A macvlan cannot have a larger MTU than the NIC below it."""
    told = "^the MTU of mv0 cannot be 2000: .*; it is tried again"
    bed.start({"hostname.eth1": f"{A1}/24 group g up\n", "hostname.mv0": f"{B1}/24 group g mtu 2000 up\n"})
    try:
        bed.host.ip("link set eth3 up", "link add link eth3 name mv0 type macvlan mode bridge")
        bed.log.wait(told)
        eventually(bed.on(eth1=A1, mv0=B1), bed.hosting)
        time.sleep(1)
        bed.host.ip("link set eth3 mtu 2000")
        bed.log.wait("mv0 has taken its MTU of 2000 at last")
        assert link(bed, "mv0")["mtu"] == 2000
        assert sum("cannot be 2000" in text for text in bed.log.texts()) == 1
    finally:
        bed.run("ip", "link", "del", "mv0")
        bed.host.ip("link set eth3 mtu 1500")
