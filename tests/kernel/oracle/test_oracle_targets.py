# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the test oracle about whom probes ask: routers, else hosts, found by asking all; each seen on the wire.

The hosts are an ``Echoer``'s, at the client; the bed's own peers are silent unless a test names them as a target.
"""

from __future__ import annotations

import time
from typing import Dict, Iterator, List, Sequence, Set

import pytest
from bed import Bed, eventually
from capture import Capture
from echoer import ALL_HOSTS, Echoer

pytestmark = pytest.mark.kernel
A1, B1, TA, TB, ROUTER = "192.0.2.11", "192.0.2.12", "192.0.2.111", "192.0.2.112", "192.0.2.254"
HOSTS = {4: [f"192.0.2.{n}" for n in range(101, 107)], 6: [f"fe80::1:{n}" for n in range(101, 107)]}
FAILED = "NIC failure detected on {} of group g"
ALL_FAILED = "All Interfaces in group g have failed"
FAST = "FAILURE_DETECTION_TIME=210\n"  # P = 30 ms


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=2) as made:
        for peer in (made.router, made.lab.controller):
            peer.run(["sysctl", "-qw", "net.ipv6.icmp.echo_ignore_all=1"])
        yield made


@pytest.fixture(autouse=True)
def at_rest(bed: Bed) -> None:
    """A test's captures see no frame of the daemon of the test before."""
    bed.reset()


def files(family: int = 4) -> Dict[str, str]:
    """Group g of eth1 and eth2, each with a data address and a test address of this family."""
    found = {}
    for nic, data, test in (("eth1", A1, TA), ("eth2", B1, TB)):
        also = f" addif {test}/24 deprecated -failover up" if family == 4 else ""
        found[f"hostname.{nic}"] = f"{data}/24 group g up{also}\n"
        if family == 6:
            found[f"hostname6.{nic}"] = "group g -failover up\n"
    return found


def asked(wire: Capture, since: float = 0.0) -> List[str]:
    """Whom the echo requests from that moment (unix time) on went to, in their order."""
    return [f.target for f in wire.all(lambda f: f.echo_request and f.outgoing, since)]


def shown(bed: Bed, nic: str) -> Set[str]:
    """The targets of a NIC that the status names."""
    return {target for instance in bed.interface(nic)["probing"] for target in instance["targets"]}


def both_ask(bed: Bed, *hosts: str) -> None:
    eventually(
        lambda: shown(bed, "eth1") == shown(bed, "eth2") == {*hosts},
        lambda: f"targets {hosts}: {[i['probing'] for i in bed.status()['interfaces']]}",
    )


def both_answered(bed: Bed) -> None:
    """Each NIC has had an answer, so that its silence means something (PRB-7)."""
    eventually(
        lambda: all(i["acked"] for nic in ("eth1", "eth2") for i in bed.interface(nic)["probing"]), "both answered"
    )


def all_is_well(bed: Bed) -> bool:
    return [bed.flags(nic) for nic in ("eth1", "eth2")] == [[], []] and bed.on(eth1=A1, eth2=B1)()


@pytest.mark.oracle("T06")
def test_a_host_that_goes_away_is_dropped_and_another_looked_for(bed: Bed) -> None:
    five, (gone, *others) = HOSTS[4][:5], HOSTS[4][:5]
    with Capture(bed.host, "eth1") as wire, Echoer(bed.client, "c0", five) as hosts:
        bed.start(files(), defaults=FAST)
        both_ask(bed, *five)
        both_answered(bed)
        silent = time.time()
        hosts.silent.add(gone)
        both_ask(bed, *others)
        time.sleep(0.3)
    after = asked(wire, silent)
    assert 5 <= after.count(gone) <= 6
    call = after.index(ALL_HOSTS[0])
    assert after[:call].count(gone) == after.count(gone)
    assert bed.log.texts() == [] and all_is_well(bed)


@pytest.mark.oracle("T07")
def test_a_dead_router_is_left_alone_and_nobody_fails(bed: Bed) -> None:
    """That it is tried again after a minute is shown in simulated time."""
    one, two = HOSTS[4][:2]
    with Capture(bed.host, "eth1") as wire, Echoer(bed.client, "c0", [one, two]) as routers:
        bed.start(files(), groups=f"[g]\ngateways = {one}, {two}\n", defaults=FAST)
        both_ask(bed, one, two)
        both_answered(bed)
        silent = time.time()
        routers.silent.add(one)
        both_ask(bed, two)
        rests = time.time()
        time.sleep(1)
    assert 5 <= asked(wire, silent).count(one) <= 7
    assert set(asked(wire, rests + 0.1)) == {two}
    assert not set(ALL_HOSTS) & set(asked(wire))
    assert bed.log.texts() == [] and all_is_well(bed)


@pytest.mark.oracle("T09", deviates="a NIC that has FAILED and has no targets is shown as failed, and not as unknown")
def test_when_all_hosts_fall_silent_the_group_has_failed_and_hosts_are_looked_for(bed: Bed) -> None:
    three = HOSTS[4][:3]
    with Capture(bed.host, "eth1") as wire, Echoer(bed.client, "c0", three) as hosts:
        bed.start(files(), defaults=FAST)
        both_ask(bed, *three)
        both_answered(bed)
        hosts.silent |= {*three}
        bed.log.wait(ALL_FAILED)
        both_ask(bed)
        for nic in ("eth1", "eth2"):
            assert (bed.flags(nic), bed.interface(nic)["probe"]) == (["FAILED"], "failed")
        assert bed.on(eth1=A1, eth2=B1)()  # nothing moves
        begin = time.time()
        time.sleep(0.6)
        assert set(asked(wire, begin + 0.05)) == {ALL_HOSTS[0]} and len(asked(wire, begin)) >= 10
        assert bed.log.only([FAILED.format(nic) for nic in ("eth1", "eth2")]) == []
        hosts.silent.clear()
        both_ask(bed, *three)
        eventually(lambda: all_is_well(bed), "both repaired")


@pytest.mark.oracle("T16")
@pytest.mark.parametrize("family", [4, 6])
def test_five_hosts_at_most_and_a_router_replaces_them_all(bed: Bed, family: int) -> None:
    with Capture(bed.host, "eth1") as wire, Echoer(bed.client, "c0", HOSTS[family]) as hosts:
        bed.start(files(family), defaults=FAST)
        eventually(lambda: len(shown(bed, "eth1")) == 5, "five hosts")
        eventually(lambda: {*asked(wire)} >= shown(bed, "eth1"), "five hosts asked")
        chosen, begin = shown(bed, "eth1"), time.time()
        assert chosen < {*HOSTS[family]} and shown(bed, "eth2") == chosen
        sixth = next(host for host in HOSTS[family] if host not in chosen)
        eventually(lambda: len(asked(wire, begin)) >= 15, "15 probes")
        assert {*asked(wire, begin)} == chosen
        assert [host for _, host in hosts.asked].count(sixth) >= 1  # it did answer the call
        via = ROUTER if family == 4 else sixth
        default = f"ip -{family} route add default via {via} dev eth2"
        bed.host.run(default)
        both_ask(bed, via)
        begin = time.time()
        eventually(lambda: len(asked(wire, begin)) >= 10, "10 probes")
        assert {*asked(wire, begin + 0.05)} == {via}
        assert bed.interface("eth1")["probing"][0]["mode"] == "routes"
        bed.host.run(default.replace("add", "del"))
    assert all_is_well(bed) and [bed.interface(nic)["failures"] for nic in ("eth1", "eth2")] == [0, 0]


@pytest.mark.oracle("T17")
def test_a_host_route_makes_its_next_hop_a_router(bed: Bed) -> None:
    other = HOSTS[4][0]
    bed.write(files(), defaults=FAST)
    bed.host.run(f"ip link set eth1 up; ip route add {other} via {other} dev eth1 onlink")
    with Capture(bed.host, "eth1") as one, Capture(bed.host, "eth2") as two, Echoer(bed.client, "c0", [other]):
        bed.run_daemon()
        both_ask(bed, other)
        for wire in (one, two):
            eventually(lambda wire=wire: len(asked(wire)) >= 10, "10 probes")  # type: ignore[misc]
            assert {*asked(wire)} == {other}
        assert [i["mode"] for nic in ("eth1", "eth2") for i in bed.interface(nic)["probing"]] == ["routes"] * 2
    bed.host.run(f"ip route del {other} via {other} dev eth1")


def test_each_way_of_a_multipath_route_is_a_router(bed: Bed) -> None:  # TGT-2
    bed.start(files(), defaults=FAST)
    bed.host.run(f"ip route add 203.0.113.0/24 nexthop via {ROUTER} dev eth1 nexthop via {HOSTS[4][0]} dev eth2")
    both = lambda: {*bed.interface("eth1")["probing"][0]["targets"]} == {ROUTER, HOSTS[4][0]}  # noqa: E731
    eventually(both, lambda: bed.interface("eth1")["probing"], 5)  # by the route's event, not by the next reconcile
    bed.host.run("ip route del 203.0.113.0/24")
    eventually(lambda: not both(), lambda: bed.interface("eth1")["probing"], 5)


@pytest.mark.oracle("T18")
def test_a_single_host_is_asked_along_with_all(bed: Bed) -> None:
    only = HOSTS[4][0]
    with Capture(bed.host, "eth1") as wire, Echoer(bed.client, "c0", [only]):
        bed.start(files(), defaults=FAST)
        both_ask(bed, only)
        begin = time.time()
        eventually(lambda: len(asked(wire, begin)) >= 40, "40 requests")
    order = asked(wire, begin)[2:38]
    assert order.count(only) == order.count(ALL_HOSTS[0]) == 18
    assert all({*pair} == {only, ALL_HOSTS[0]} for pair in pairs(order, only))
    assert bed.log.texts() == [] and all_is_well(bed)


def pairs(order: Sequence[str], first: str) -> List[Sequence[str]]:
    """Each probe with the request that went out after it."""
    start = order.index(first)
    return [order[n : n + 2] for n in range(start, len(order) - 1, 2)]


@pytest.mark.oracle("T20")
@pytest.mark.parametrize("family", [4, 6])
def test_an_own_address_is_never_a_target(bed: Bed, family: int) -> None:
    """IPv6: eth2 itself hears the call of eth1 and answers. IPv4: the client does, with the host's addresses."""
    bed.host.run("sysctl -qw net.ipv4.conf.all.accept_local=1")
    call, other = ALL_HOSTS[family == 6], HOSTS[family][0]
    try:
        with Capture(bed.host, "eth1") as wire, Echoer(bed.client, "c0", [other]) as hosts:
            hosts.shape = lambda request, _answer: [hosts.answer(request, ip) for ip in (TB, B1, A1) if family == 4]
            bed.start(files(family), defaults=FAST)
            own = {TB, B1} if family == 4 else {ip for ip in bed.held("eth2") if ":" in ip}
            for ip in own:
                wire.wait(lambda f, ip=ip: f.echo_reply and f.source == ip and not f.outgoing)  # type: ignore[misc]
            time.sleep(0.3)
            assert {*asked(wire)} == {call}
            assert shown(bed, "eth1") == shown(bed, "eth2") == set()
            assert bed.interface("eth1")["probe"] == "unknown"
            hosts.shape = lambda _request, answer: [answer]
            both_ask(bed, other)
    finally:
        bed.host.run("sysctl -qw net.ipv4.conf.all.accept_local=0")
