# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a query finds in the way of a component beside its addresses, what yields to force, and cards that come back."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any, Dict, Iterator, List

import pytest
from bed import Bed, eventually
from cards import CARDS_DRIVER, Cards, at_rest

from ipmp.client import DaemonError
from lab import compare, dump

pytestmark = pytest.mark.kernel
A1, B1, E1 = "192.0.2.11", "192.0.2.12", "198.51.100.1"
TEST = "addif {}/24 deprecated -failover up"
PAIR: Dict[str, str] = {"hostname.eth1": f"{A1}/24 group g up\n", "hostname.eth2": f"{B1}/24 group g up\n"}
GATEWAY = "[g]\ngateways = 192.0.2.254\n"
CARD = "00f0:00:05"  # of a PCI domain that no machine has, lest anything happen to its own cards


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=4) as made:
        yield made


def query(bed: Bed, component: str = "eth1", **args: Any) -> Dict[str, Any]:
    """What it answers; it has touched nothing."""
    before = at_rest(bed)
    answer = bed.call("detach-query", component=component, **args)
    assert compare(before, dump(bed.host)) == []
    return answer


def yields(bed: Bed, reason: str, row: Dict[str, str], **args: Any) -> None:
    """That is the only objection, the detach says the same, and force is let through."""
    answer = query(bed, **args)
    assert (answer["allowed"], answer["warnings"], answer["refusals"]) == (False, [reason], [row])
    with pytest.raises(DaemonError) as caught:
        bed.call("detach-prepare", component=args.pop("component", "eth1"), **args)
    assert (caught.value.kind, str(caught.value)) == ("refused", reason)
    assert caught.value.details["refusals"] == [row]
    forced = query(bed, force=True, **args)
    assert (forced["allowed"], forced["refusals"]) == (True, [row])


def route(bed: Bed, destination: str) -> List[str]:
    return bed.run("ip", "route", "show", destination).stdout.split()


def test_a_survivor_whose_probes_were_never_answered_is_not_proven(bed: Bed) -> None:
    files = {n: f"{PAIR[n].strip()} {TEST.format(ip)}\n" for n, ip in zip(PAIR, ("192.0.2.111", "192.0.2.112"))}
    bed.start(files, groups=GATEWAY, defaults="FAILURE_DETECTION_TIME=700\n")
    bed.stop()
    bed.nic("eth2").cut()
    bed.run_daemon()
    eventually(lambda: bed.interface("eth1")["probing"][0]["acked"], "eth1 is proven")
    assert bed.interface("eth2")["state"] == "ok"  # for 40 s, as on Solaris
    why = "no probe through it has been answered yet"
    row = {"resource": "SUNW_network/eth2", "information": f"eth2 not proven: {why}"}
    yields(bed, f"eth2 would take over, but {why}", row)
    bed.nic("eth2").mend()
    eventually(lambda: query(bed)["allowed"], "proven")


def test_routes_of_a_dhcp_client_are_in_the_way(bed: Bed) -> None:
    bed.start(PAIR)
    bed.host.run("ip route add 203.0.113.0/24 via 192.0.2.254 dev eth1 proto dhcp onlink")
    reason = "routes through eth1 cannot be moved: 203.0.113.0/24 (dhcp)"
    row = {"resource": "route/203.0.113.0/24", "information": "route 203.0.113.0/24 (dhcp) through eth1"}
    yields(bed, reason, row)


@pytest.mark.parametrize("end", ["attach", "rollback"])
def test_static_routes_go_along_and_come_back(bed: Bed, end: str) -> None:
    bed.start(PAIR)
    bed.host.ip(
        "addr add 198.51.100.7/24 dev eth1",
        "route add 203.0.113.0/24 via 198.51.100.254 dev eth1 proto static src 198.51.100.7",
        "route add 203.0.113.0/24 via 192.0.2.254 dev eth1 metric 9 onlink",
        "route add 10.7.0.0/16 dev eth1 proto static",
    )
    if (
        end == "rollback"
    ):  # the kernel drops an administrator's IPv6 address with the link, for good if nobody undoes it
        bed.host.ip("addr add 2001:db8:7::7/64 nodad dev eth1")
        bed.host.ip("route add 2001:db8:8::/48 via 2001:db8:7::1 dev eth1 proto static")
    before = at_rest(bed)
    assert "static routes move from eth1 to another member" in " ".join(query(bed)["warnings"])
    transaction = bed.call("detach-prepare", component="eth1", confirm_timeout=60)["transaction"]
    for destination in ("203.0.113.0/24", "10.7.0.0/16"):
        assert "eth2" in route(bed, destination)
        assert "eth1" not in route(bed, destination)
    if end == "rollback":
        assert "dev eth2" in bed.host.run("ip -6 route show 2001:db8:8::/48").stdout
        assert bed.call("detach-rollback", transaction=transaction)["differences"] == []
    else:
        bed.call("detach-commit", transaction=transaction)
        bed.call("detach-confirm", transaction=transaction)
        assert bed.call("attach", component="eth1")["messages"] == []
    eventually(
        lambda: not compare(before, dump(bed.host), nexthop_ids=False), lambda: compare(before, dump(bed.host)), 10
    )


def test_bound_sockets_are_in_the_way_but_our_own_probes_are_not(bed: Bed) -> None:
    files = {**PAIR, "hostname.eth1": f"{A1}/24 group g up {TEST.format('192.0.2.111')}\n"}
    bed.start(files, groups=GATEWAY, defaults="FAILURE_DETECTION_TIME=700\n")
    eventually(lambda: bed.interface("eth1")["probing"][0]["acked"], "it probes")
    assert query(bed)["allowed"]
    program = (
        "import socket, sys; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, 25, b'eth1'); "
        "s.bind(('', 7777)); s.listen(); print('bound', flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    process = bed.host.popen(["python3", "-c", program], stdin=pipe, stdout=pipe, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "bound\n"
        row = {"resource": "SUNW_network/eth1", "information": "tcp port 7777 of uid 0 bound to eth1"}
        yields(bed, "sockets are bound to eth1: tcp port 7777 of uid 0", row)
        assert query(bed, component="eth2")["allowed"]
    finally:
        process.communicate()
    assert query(bed)["allowed"]


def test_the_way_to_the_caller_is_in_the_way_unless_there_is_another(bed: Bed) -> None:
    bed.start(PAIR, groups=GATEWAY)
    bed.host.ip("link set eth3 up", "link set eth4 up", "route add 203.0.113.0/24 dev eth3 proto boot")
    assert query(bed, peer="198.51.100.9")["allowed"]  # the group's gateway leads there
    assert query(bed, peer="192.0.2.250")["allowed"]
    answer = query(bed, component="eth3", peer="203.0.113.5")
    assert not answer["allowed"]
    assert "routes through eth3 cannot be moved: 203.0.113.0/24 (static)" in answer["warnings"]
    assert query(bed, component="eth3", peer="192.0.2.250")["refusals"] == answer["refusals"]  # by the gateway as well
    bed.host.ip("route del 203.0.113.0/24 dev eth3", "addr add 198.18.0.1/15 dev eth3")
    row = {"resource": "SUNW_network/eth3", "information": "eth3 leads to 198.19.0.5"}
    bed.stop()
    bed.write({"ipmp/groups.conf": None})
    bed.run_daemon()
    asked = query(bed, component="eth3", peer="198.19.0.5")
    assert row in asked["refusals"]
    assert "the way to 198.19.0.5, where this is asked from, leads through eth3 and nowhere else" in asked["warnings"]
    bed.host.ip(
        "route add 198.19.0.0/24 dev eth4 metric 9 src 198.18.0.1", "addr add 198.18.0.2/15 dev eth4 noprefixroute"
    )
    assert row not in query(bed, component="eth3", peer="198.19.0.5")["refusals"]
    assert query(bed, component="eth3", peer="fe80::1%eth3")["refusals"] != []
    assert query(bed, peer="no address")["allowed"]


def test_a_disk_on_the_card_is_in_the_way_even_with_force(bed: Bed) -> None:
    bed.start(PAIR)
    with Cards(bed, {f"{CARD}.0": ["eth1"]}) as cards:
        cards.stranger(f"{CARD}.1", "0x010802")
        for force in (False, True):
            answer = query(bed, component=CARD, hardware="pci", force=force)
            assert not answer["allowed"]
            row = {"resource": f"pci/{CARD}.1", "information": f"{CARD}.1 ({CARDS_DRIVER}) in use"}
            assert answer["refusals"] == [row]
        assert query(bed, component=CARD, hardware="none")["allowed"]


def test_a_card_is_put_back_by_a_timer(bed: Bed) -> None:
    bed.start({**PAIR, "hostname.eth3": "192.0.2.13/24 group g up\n"})
    before = at_rest(bed)
    with Cards(bed, {f"{CARD}.0": ["eth1"], f"{CARD}.1": ["eth2"]}) as cards:
        prepared = bed.call("detach-prepare", component=CARD, hardware="pci", confirm_timeout=1)
        assert prepared["component"]["functions"] == [f"{CARD}.0", f"{CARD}.1"]
        for function in prepared["component"]["functions"]:
            bed.host.run(f"printf 1 >/sys/bus/pci/devices/{function}/remove")
        eventually(lambda: not os.path.lexists(bed.root / "sys/class/net/eth2"), "they are gone")
        bed.call("detach-commit", transaction=prepared["transaction"])
        assert set(bed.hosting().values()) == {"eth3"}
        bed.log.wait(f"^detach of {CARD} is rolled back: it was not confirmed in time")
        eventually(lambda: bed.call("transactions")["open"] is None, "over", 60)
        assert ("bus/pci/rescan", "1") in cards.written
        assert bed.call("transactions")["history"][0]["state"] == "rolled_back"
        eventually(lambda: not compare(before, dump(bed.host), nexthop_ids=False), "the kernel is as before", 10)


def test_a_timer_that_could_not_bring_the_card_back_is_refused(bed: Bed) -> None:
    bed.start(PAIR)
    with Cards(bed, {f"{CARD}.0": ["eth1"]}, slots={"7": CARD}):
        listed = {c["name"]: c for c in bed.call("components")["components"]}
        assert (listed["eth1"]["hardware"], listed["eth1"]["reversible"]) == ("slot", False)
        assert (listed["7"]["kind"], listed["7"]["interfaces"]) == ("slot", ["eth1"])
        with pytest.raises(DaemonError, match="the host cannot undo by itself"):
            bed.call("detach-prepare", component="eth1", confirm_timeout=60)
        assert not query(bed, confirm_timeout=60)["allowed"]
        assert query(bed)["allowed"]
        for args in ({"hardware": "pci"}, {"force": True}):
            prepared = bed.call("detach-prepare", component="eth1", confirm_timeout=60, **args)
            bed.call("detach-rollback", transaction=prepared["transaction"])


def test_what_is_named_by_another_name_or_by_none_that_exists(bed: Bed) -> None:
    bed.start(PAIR)
    bed.host.run("ip link property add dev eth1 altname port-one")
    try:
        assert query(bed, component="port-one")["component"]["name"] == "eth1"
        for name, way, kind in (("eth77", "auto", "unknown"), ("eth1", "pci", "hardware"), ("a/b", "auto", "unknown")):
            with pytest.raises(DaemonError) as caught:
                bed.call("detach-query", component=name, hardware=way)
            assert caught.value.kind == kind
    finally:
        bed.host.run("ip link property del dev eth1 altname port-one")


def test_a_daemon_that_is_killed_while_a_card_is_out_puts_it_back_in_time(bed: Bed) -> None:
    bed.start(PAIR)
    before = at_rest(bed)
    with Cards(bed, {f"{CARD}.0": ["eth1"]}):
        prepared = bed.call("detach-prepare", component=f"{CARD}.0", hardware="pci", confirm_timeout=3)
        bed.host.run(f"printf 1 >/sys/bus/pci/devices/{CARD}.0/remove")
        eventually(lambda: not bed.nic("eth1").present, "it is gone")
        bed.call("detach-commit", transaction=prepared["transaction"])
        bed.stop(signal.SIGKILL)
        bed.run_daemon()
        assert bed.call("transactions")["open"]["transaction"] == prepared["transaction"]
        assert bed.call("detach-query", component=f"{CARD}.0")["state"] == "detached"
        eventually(lambda: bed.call("transactions")["open"] is None, "over", 60)
        eventually(
            lambda: not compare(before, dump(bed.host), nexthop_ids=False), lambda: compare(before, dump(bed.host))
        )


def test_a_survivor_that_fails_while_the_card_is_out_brings_it_back_at_once(bed: Bed) -> None:
    bed.start(PAIR)
    with Cards(bed, {f"{CARD}.0": ["eth1"]}):
        prepared = bed.call("detach-prepare", component="eth1", hardware="pci", confirm_timeout=600)
        bed.host.run(f"printf 1 >/sys/bus/pci/devices/{CARD}.0/remove")
        eventually(lambda: not bed.nic("eth1").present, "it is gone")
        bed.call("detach-commit", transaction=prepared["transaction"])
        bed.nic("eth2").pull()
        eventually(bed.on(eth1=f"{A1} {B1}"), "the card is back and hosts everything", 60)
        assert bed.call("transactions")["history"][0]["reason"] == "group g has failed meanwhile"


def test_a_component_keeps_its_names_while_it_is_out(bed: Bed) -> None:
    bed.start(PAIR)
    with Cards(bed, {f"{CARD}.0": ["eth1"], f"{CARD}.1": ["eth3"]}):
        assert bed.run("cfgadm", "-o", "hardware=pci", "-c", "unconfigure", CARD).returncode == 0
        for name in (CARD, "eth1", "eth3"):
            found = query(bed, component=name)
            assert (found["state"], found["component"]["name"], found["component"]["present"]) == (
                "detached",
                CARD,
                False,
            )
        (record,) = bed.call("transactions")["records"]
        assert (record["component"], record["interfaces"]) == (CARD, ["eth1", "eth3"])
        with pytest.raises(DaemonError, match=f"{CARD} is already detached"):
            bed.call("detach-prepare", component="eth3")
        listed = bed.run("cfgadm", "-al").stdout
        assert f"{CARD}                     pci          disconnected unconfigured" in listed
        bed.stop()
        bed.run_daemon()
        assert query(bed, component="eth3")["state"] == "detached"
        assert bed.run("cfgadm", "-c", "configure", "eth3").returncode == 0
        assert bed.call("transactions")["records"] == []
        assert query(bed, component=CARD)["state"] == "attached"
    assert bed.hosting() == {A1: "eth1", B1: "eth2"}


def test_a_card_that_does_not_come_at_once_can_be_asked_for_again(bed: Bed) -> None:
    bed.start(PAIR)
    with Cards(bed, {f"{CARD}.0": ["eth1"]}) as cards:
        assert bed.run("cfgadm", "-o", "hardware=pci", "-c", "unconfigure", CARD).returncode == 0
        cards.lost.add(f"{CARD}.0")
        with pytest.raises(DaemonError) as caught:
            bed.call("attach", component=CARD, wait_timeout=1)
        assert caught.value.kind == "timeout"
        assert query(bed, component=CARD)["component"]["present"] is False
        cards.lost.clear()
        assert bed.run("cfgadm", "-c", "configure", CARD).returncode == 0
        assert bed.call("transactions")["records"] == []
        assert bed.hosting() == {A1: "eth1", B1: "eth2"}


def test_a_card_that_came_by_itself_is_asked_about_as_it_is_now(bed: Bed) -> None:
    bed.start(PAIR)
    with Cards(bed, {f"{CARD}.0": ["eth1"]}) as cards:
        assert bed.run("cfgadm", "-o", "hardware=pci", "-c", "unconfigure", "eth1").returncode == 0
        cards.lost.add(f"{CARD}.0")
        with pytest.raises(DaemonError):
            bed.call("attach", component="eth1", wait_timeout=1)
        cards.lost.clear()
        bed.host.run("printf 1 >/sys/bus/pci/rescan")  # somebody else did
        eventually(bed.on(eth1=A1, eth2=B1), "home")
        answer = query(bed, component="eth1", hardware="driver")
        assert (answer["state"], answer["allowed"], answer["component"]["hardware"]) == ("attached", True, "driver")


def test_what_is_built_on_somebody_elses_interface_of_that_number_is_not_in_the_way(bed: Bed) -> None:
    bed.start(PAIR)
    index = bed.interface("eth1")["ifindex"]
    script = (
        f"ip link add p1 index {index} type veth peer name p2 index 999 && ip link add link p1 name mv9 type macvlan"
        " && ip link set mv9 netns 1 && exec sleep 100"
    )
    process = bed.host.popen(["unshare", "--net", "sh", "-c", script])
    try:
        eventually(lambda: bed.run("ip", "link", "show", "mv9").returncode == 0, "it is there")
        assert query(bed)["allowed"]
    finally:
        process.send_signal(9)
        process.wait()


def test_a_rollback_leaves_an_offline_nic_offline_and_a_spare_a_spare(bed: Bed) -> None:
    bed.start(PAIR, defaults="FAILBACK=no\n")
    bed.nic("eth2").pull()
    eventually(bed.on(eth1=f"{A1} {B1}"), "all on eth1")
    bed.nic("eth2").plug()
    eventually(lambda: "INACTIVE" in bed.flags("eth2"), "it is a spare")
    flags = [i["flags"] for i in bed.status()["interfaces"]]
    for moved in (True, False):
        transaction = bed.call("detach-prepare", component="eth1" if moved else "eth2")["transaction"]
        assert ("INACTIVE" in bed.flags("eth2")) is False
        undone = bed.call("detach-rollback", transaction=transaction)
        assert (undone["rolled_back"], undone["differences"]) == (True, [])
        assert [i["flags"] for i in bed.status()["interfaces"]] == flags
    assert bed.run("if_mpadm", "-d", "eth2").returncode == 0
    before = at_rest(bed)
    transaction = bed.call("detach-prepare", component="eth2")["transaction"]
    assert bed.interface("eth2")["state"] == "detached"
    assert bed.call("detach-rollback", transaction=transaction)["differences"] == []
    assert "OFFLINE" in bed.flags("eth2")
    eventually(
        lambda: not compare(before, dump(bed.host), nexthop_ids=False), lambda: compare(before, dump(bed.host)), 10
    )
