# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a detach ends: not before it was committed, back at once where the survivor fails, and never half way."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import pytest
from bed import Bed, eventually
from cards import Cards, at_rest

from ipmp.client import ClientError, DaemonError
from lab import compare, dump

pytestmark = pytest.mark.kernel
A1, B1, C1 = "192.0.2.11", "192.0.2.12", "192.0.2.13"
PAIR: Dict[str, str] = {"hostname.eth1": f"{A1}/24 group g up\n", "hostname.eth2": f"{B1}/24 group g up\n"}
TRIO = {**PAIR, "hostname.eth3": f"{C1}/24 group g up\n"}
CARD = "00f0:00:05"  # of a PCI domain that no machine has, lest anything happen to its own cards
SLOW = """#!/bin/sh
case $1 in
scriptinfo) echo rcm_script_version=1 ;;
register) echo rcm_resource_name=SUNW_network/eth1 ;;
preremove) touch /run/preremove; sleep 1 ;;
undoremove) touch /run/undoremove ;;
esac
"""


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=3) as made:
        yield made


def aside(answers: List[Any], bed: Bed, op: str, **args: Any) -> threading.Thread:
    """An operation that is asked for while the test goes on; its answer or its error goes to answers."""

    def ask() -> None:
        try:
            answers.append(bed.call(op, **args))
        except ClientError as error:
            answers.append(error)

    caller = threading.Thread(target=ask)
    caller.start()
    return caller


def opened(bed: Bed) -> Any:
    return bed.call("transactions")["open"]


def history(bed: Bed) -> Dict[str, Any]:
    """The transaction that has ended last."""
    return dict(bed.call("transactions")["history"][0])


def test_what_is_not_committed_is_not_confirmed(bed: Bed) -> None:
    bed.start(PAIR)
    bed.host.run("rm -f /run/preremove")
    bed.host.write_file("/etc/ipmp/rcm/slow", SLOW, 0o755)
    answers: List[Any] = []
    caller = aside(answers, bed, "detach-prepare", component="eth1", confirm_timeout=60)
    eventually((bed.root / "run/preremove").exists, "it has begun")
    name = opened(bed)["transaction"]
    for state in ("begun", "prepared"):
        assert opened(bed)["state"] == state
        for op, args in (("detach-confirm", {}), ("end-query", {"kind": "detach", "end": "confirmed"})):
            with pytest.raises(DaemonError, match=rf"still under way \({state}\), so there is nothing to confirm yet"):
                bed.call(op, transaction=name, **args)
        caller.join(30)
    assert answers[0]["transaction"] == name
    assert bed.call("transactions")["records"] == []
    bed.call("detach-commit", transaction=name)
    assert bed.call("detach-confirm", transaction=name)["changed"]
    assert bed.interface("eth1")["state"] == "detached"


def test_a_caller_who_leaves_while_consumers_let_go_has_moved_nothing(bed: Bed) -> None:
    """Nobody could commit it; the host is not reserved for a minute, nor are addresses away so long."""
    bed.start(PAIR)
    bed.host.run("rm -f /run/preremove /run/undoremove")
    bed.host.write_file("/etc/ipmp/rcm/slow", SLOW, 0o755)
    process = bed.host.popen(["cfgadm", "-c", "unconfigure", "eth1"])
    eventually((bed.root / "run/preremove").exists, "it has begun")
    process.send_signal(signal.SIGKILL)
    process.wait()
    eventually(lambda: opened(bed) is None, "over", 10)
    assert (history(bed)["state"], history(bed)["reason"]) == ("rolled_back", "whoever asked for it has gone")
    assert (bed.root / "run/undoremove").exists()
    assert bed.log.find("Successfully failed over from NIC eth1 to NIC eth2") is None
    assert bed.hosting() == {A1: "eth1", B1: "eth2"}


def test_files_that_go_and_come_in_the_middle_bring_nothing_back(bed: Bed) -> None:
    bed.start(PAIR)
    before = at_rest(bed)
    name = bed.call("detach-prepare", component="eth1", confirm_timeout=600)["transaction"]
    bed.call("detach-commit", transaction=name)

    def reads(text: Optional[str], *known: str) -> None:
        bed.write({"hostname.eth1": text})
        bed.signal(signal.SIGHUP)
        eventually(lambda: [i["name"] for i in bed.status()["interfaces"]] == [*known], "read")

    reads(None, "eth2")
    reads(PAIR["hostname.eth1"], "eth1", "eth2")
    time.sleep(0.5)
    assert bed.interface("eth1")["state"] == "detached"
    assert bed.on(eth2=f"{A1} {B1}")()
    undone = bed.call("detach-rollback", transaction=name)
    assert (undone["rolled_back"], undone["differences"]) == (True, [])
    eventually(lambda: not compare(before, dump(bed.host), nexthop_ids=False), "the kernel is as before", 10)


def test_an_attach_that_was_cut_off_goes_on_after_what_is_in_its_way(bed: Bed) -> None:
    bed.start(PAIR)
    bed.host.run("ip route add 203.0.113.0/24 via 192.0.2.254 dev eth1 proto static onlink")
    assert bed.run("cfgadm", "-c", "unconfigure", "eth1").returncode == 0
    bed.nic("eth1").pull()
    caller = aside([], bed, "attach", component="eth1")
    eventually(lambda: bed.interface("eth1")["state"] == "failed", "it waits for the link")
    other = bed.call("detach-prepare", component="eth3")["transaction"]
    bed.stop(signal.SIGKILL)
    caller.join(30)
    bed.run_daemon()
    assert opened(bed)["transaction"] == other
    bed.nic("eth1").plug()
    eventually(bed.on(eth1=A1), "it is home by itself")
    assert [r["component"] for r in bed.call("transactions")["records"]] == ["eth1"]
    bed.call("detach-commit", transaction=other)
    eventually(lambda: [r["component"] for r in bed.call("transactions")["records"]] == ["eth3"], "its record has gone")
    assert "dev eth1" in bed.run("ip", "route", "show", "203.0.113.0/24").stdout


def test_a_card_that_comes_after_its_attach_has_given_up_is_attached(bed: Bed) -> None:
    bed.start(PAIR)
    bed.host.run("ip route add 203.0.113.0/24 via 192.0.2.254 dev eth1 proto static onlink")
    with Cards(bed, {f"{CARD}.0": ["eth1"]}) as cards:
        assert bed.run("cfgadm", "-o", "hardware=pci", "-c", "unconfigure", "eth1").returncode == 0
        cards.lost.add(f"{CARD}.0")
        with pytest.raises(DaemonError, match="not everything is in place"):
            bed.call("attach", component="eth1", wait_timeout=1)
        assert [r["component"] for r in bed.call("transactions")["records"]] == ["eth1"]
        cards.lost.clear()
        bed.host.run("printf 1 >/sys/bus/pci/rescan")
        eventually(bed.on(eth1=A1, eth2=B1), "home")
        eventually(lambda: bed.call("transactions")["records"] == [], "its record has gone", 10)
        assert "dev eth1" in bed.run("ip", "route", "show", "203.0.113.0/24").stdout
        assert bed.log.find("eth1 is attached")


def test_a_forced_one_is_undone_when_the_survivor_fails(bed: Bed) -> None:
    bed.start(PAIR)
    bed.host.run("ip route add 203.0.113.0/24 dev eth1 proto dhcp")
    name = bed.call("detach-prepare", component="eth1", force=True, confirm_timeout=600)["transaction"]
    bed.call("detach-commit", transaction=name)
    bed.nic("eth2").pull()
    eventually(bed.on(eth1=f"{A1} {B1}"), "eth1 is back and hosts everything")
    eventually(lambda: opened(bed) is None, "over", 60)
    assert (history(bed)["state"], history(bed)["reason"]) == ("rolled_back", "group g has failed meanwhile")


@pytest.mark.parametrize("force", [False, True], ids=["a dead one of a dead group", "the last one"])
def test_one_that_left_nobody_behind_is_not(bed: Bed, force: bool) -> None:
    bed.start(PAIR)
    bed.nic("eth1").pull()
    eventually(bed.on(eth2=f"{A1} {B1}"), "all on eth2")
    if not force:
        bed.nic("eth2").pull()
        bed.log.wait("All Interfaces in group g have failed")
    name = bed.call("detach-prepare", component="eth2" if force else "eth1", force=force)["transaction"]
    bed.signal(signal.SIGHUP)
    bed.log.wait("SIGHUP: restart and reread config file")
    time.sleep(0.5)
    assert opened(bed)["state"] == "prepared", bed.log.texts()
    assert bed.call("detach-commit", transaction=name)["state"] == "confirmed"


def test_a_second_rollback_says_how_it_has_ended(bed: Bed) -> None:
    bed.start(PAIR)
    name = bed.call("detach-prepare", component="eth1", confirm_timeout=60)["transaction"]
    assert bed.call("detach-rollback", transaction=name, reason="no cable")["changed"]
    again = bed.call("detach-rollback", transaction=name)
    assert (again["changed"], again["rolled_back"]) == (False, True)
    assert again["messages"] == ["it was rolled back before: no cable"]
    name = bed.call("detach-prepare", component="eth1")["transaction"]
    bed.call("detach-commit", transaction=name)
    late = bed.call("detach-rollback", transaction=name)
    assert (late["changed"], late["rolled_back"]) == (False, False)
    assert late["messages"] == ["it is confirmed, so eth1 stays detached"]
    assert bed.call("detach-rollback", transaction="nobody")["messages"] == []


def test_a_card_is_not_home_before_udev_has_named_all_of_it(bed: Bed) -> None:
    bed.start(TRIO)
    before = at_rest(bed)
    udev: Path = bed.root / "run/udev"
    (udev / "data").mkdir(parents=True)
    (udev / "control").touch()

    def named(name: str) -> None:
        (link,) = json.loads(bed.host.run(["ip", "-j", "link", "show", name]).stdout)
        (udev / "data" / f"n{link['ifindex']}").touch()

    try:
        with Cards(bed, {f"{CARD}.0": ["eth1"], f"{CARD}.1": ["eth2"]}):
            prepared = bed.call("detach-prepare", component=CARD, hardware="pci", confirm_timeout=600)
            for function in prepared["component"]["functions"]:
                bed.host.run(f"printf 1 >/sys/bus/pci/devices/{function}/remove")
            eventually(lambda: not bed.nic("eth1").present and not bed.nic("eth2").present, "they are gone")
            answers: List[Any] = []
            caller = aside(answers, bed, "detach-rollback", transaction=prepared["transaction"])
            eventually(lambda: bed.nic("eth1").present and bed.nic("eth2").present, "they are back")
            named("eth1")
            bed.log.wait("interface eth1 has appeared")
            time.sleep(0.5)
            assert opened(bed)["state"] == "rolling-back"
            named("eth2")
            caller.join(60)
            assert (answers[0]["rolled_back"], answers[0]["differences"]) == (True, [])
            eventually(lambda: not compare(before, dump(bed.host), nexthop_ids=False), "the kernel is as before", 10)
    finally:
        bed.host.run("rm -r /run/udev")


def test_one_that_cannot_be_compared_ends_all_the_same(bed: Bed) -> None:
    """Its library has gone meanwhile: it must not stay open, nor pass for one that was compared."""
    bed.start(PAIR)
    name = bed.call("detach-prepare", component="eth1", confirm_timeout=3)["transaction"]
    bed.call("detach-commit", transaction=name)
    bed.stop(signal.SIGKILL)
    library = bed.root / "usr/local/lib/ipmp/pyroute2"
    library.rename(library.with_name("kept"))
    library.mkdir()
    (library / "__init__.py").write_text("raise ImportError\n")
    try:
        bed.run_daemon()
        assert opened(bed)["transaction"] == name
        eventually(lambda: opened(bed) is None, "over", 20)
        assert history(bed)["state"] == "rolled_back"
        bed.log.wait("^after the rollback: what was not ours could not be looked after: pyroute2 is missing.*")
        assert bed.hosting() == {A1: "eth1", B1: "eth2"}
        bed.stop(signal.SIGKILL)
    finally:
        bed.host.run("cd /usr/local/lib/ipmp && rm -r pyroute2 && mv kept pyroute2")


def test_a_card_that_comes_under_another_name_is_no_return_and_that_is_said(bed: Bed) -> None:
    bed.start(PAIR)
    assert bed.run("cfgadm", "-c", "unconfigure", "eth1").returncode == 0
    nic = bed.nic("eth1")
    nic.take_out()
    eventually(lambda: record(bed)["seen"] == "gone", "it is gone")
    assert record(bed)["hint"] == ""
    nic.put_back("02:00:00:00:aa:05")
    bed.host.ip("link set eth1 name other1")
    eventually(lambda: record(bed)["hint"], "the other is seen")
    assert record(bed)["seen"] == "gone"
    assert record(bed)["hint"] == (
        "other1 (02:00:00:00:aa:05) came meanwhile, and no hostname file names it: if that is the new card, have udev "
        "name it eth1 (a .link file, see systemd.link(5)), or name it in the group instead of eth1"
    )
    with pytest.raises(DaemonError, match=r"it is configured when it appears; other1 \(02.*have udev name it eth1"):
        bed.call("attach", component="eth1", wait_timeout=1)
    bed.host.ip("link set other1 name eth1")
    assert bed.call("attach", component="eth1")["moves"] == [{"address": A1, "from": "eth2", "to": "eth1"}]
    assert bed.call("transactions")["records"] == []


def record(bed: Bed) -> Dict[str, Any]:
    (found,) = bed.call("transactions")["records"]
    return dict(found)


def test_the_group_may_take_the_new_name_instead(bed: Bed) -> None:
    """As docs/operations.md has it: then an attach of the old name has its record forgotten."""
    bed.start(PAIR)
    assert bed.run("cfgadm", "-c", "unconfigure", "eth1").returncode == 0
    bed.host.ip("link set eth1 name other1")
    try:
        eventually(lambda: record(bed)["seen"] == "gone", "it is gone")
        bed.write({"hostname.eth1": None, "hostname.other1": PAIR["hostname.eth1"]})
        bed.call("apply")
        eventually(bed.on(other1=A1, eth2=B1), bed.hosting)
        done = bed.run("cfgadm", "-c", "configure", "eth1")
        assert (done.returncode, done.stdout) == (0, "no hostname file names eth1; it is left alone\n")
        assert bed.call("transactions")["records"] == []
        assert bed.on(other1=A1, eth2=B1)()
    finally:
        bed.stop(release=True)
        bed.host.ip("link set other1 down name eth1")


def test_another_name_of_what_is_out_is_known(bed: Bed) -> None:
    bed.start(PAIR)
    bed.host.run("ip link property add dev eth1 altname port-one")
    with Cards(bed, {f"{CARD}.0": ["eth1"]}):
        assert bed.run("cfgadm", "-o", "hardware=pci", "-c", "unconfigure", "port-one").returncode == 0
        assert not bed.nic("eth1").present
        done = bed.run("cfgadm", "-c", "configure", "port-one")
        assert (done.returncode, done.stderr) == (0, "")
        assert bed.hosting() == {A1: "eth1", B1: "eth2"}


def test_a_configuration_is_undone_though_its_files_cannot_be_written(bed: Bed) -> None:
    """A host that was cut off comes back; but it must not be said that the files are as before."""
    bed.start(PAIR)
    name = bed.call("apply-prepare", previous={"/etc/hostname.eth1": PAIR["hostname.eth1"]}, confirm_timeout=60)
    bed.write({"hostname.eth1": "192.0.2.99/24 group g up\n"})
    bed.call("apply", **name)
    assert bed.hosting() == {"192.0.2.99": "eth1", B1: "eth2"}
    bed.stop(signal.SIGKILL)
    bed.host.run("mount --bind /etc /etc && mount -o remount,bind,ro /etc")
    try:
        bed.run_daemon()
        with pytest.raises(DaemonError, match="not everything is as it was: the previous files could not be"):
            bed.call("apply-rollback", **name)
        assert bed.hosting() == {A1: "eth1", B1: "eth2"}
        assert history(bed)["state"] == "rolled_back"
    finally:
        bed.stop(signal.SIGKILL)
        bed.host.run("umount /etc")
    bed.start(PAIR)
    name = bed.call("apply-prepare", previous={}, confirm_timeout=60)
    bed.call("apply-confirm", **name)
    late = bed.call("apply-rollback", **name)
    assert (late["rolled_back"], late["messages"]) == (False, ["it is confirmed, so the configuration stays in force"])
