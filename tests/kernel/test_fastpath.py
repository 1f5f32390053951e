# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fast path: what its messages do is judged by ip(8), and what it says by what was done."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import time
from pathlib import Path
from typing import Any, Iterator, List, Set

import pytest
from namespaces import Cable, Namespace, cables, eventually

from ipmp import fastpath, nl
from ipmp.nlparse import AddrEvent, LinkEvent, NexthopEvent, RouteEvent

pytestmark = pytest.mark.kernel

A, B, BOTH, VIA = nl.NH_BASE + 1, nl.NH_BASE + 2, nl.NH_BASE + 3, nl.NH_BASE + 4


@pytest.fixture
def requests(host: Namespace) -> Iterator[fastpath.Requests]:
    opened = fastpath.Requests()
    yield opened
    opened.close()


@pytest.fixture
def events(host: Namespace) -> Iterator[fastpath.EventSocket]:
    opened = fastpath.EventSocket()
    yield opened
    opened.close()


def done(requests: fastpath.Requests, *messages: bytes) -> None:
    assert requests.batch(messages) == []


def addresses(host: Namespace, name: str) -> List[Any]:
    """Without the link-local ones that the kernel makes."""
    shown = host.show(f"addr show dev {name}")[0]["addr_info"]
    return [a for a in shown if not a["local"].startswith("fe80")]


def seen(events: fastpath.EventSocket, kind: type, **wanted: Any) -> Any:
    """The first event to come of that kind with these values."""

    def look() -> Any:
        for event in events.read():
            if isinstance(event, kind) and all(getattr(event, k) == v for k, v in wanted.items()):
                return event
        return None

    event = eventually(look)
    assert event, f"no {kind.__name__} with {wanted}"
    return event


# Addresses


def test_a_data_address_is_as_asked(host: Namespace, nics: List[Cable], requests: fastpath.Requests) -> None:
    done(requests, nl.addr_add(nics[0].ifindex, "192.0.2.1", 32, broadcast="192.0.2.255", label="m0:1"))
    (shown,) = addresses(host, "m0")
    assert (shown["local"], shown["prefixlen"], shown["broadcast"]) == ("192.0.2.1", 32, "192.0.2.255")
    assert (shown["scope"], shown["label"], shown["noprefixroute"]) == ("global", "m0:1", True)
    assert "deprecated" not in shown


def test_an_ipv4_test_address_is_scope_link_and_deprecated(
    host: Namespace, nics: List[Cable], requests: fastpath.Requests
) -> None:
    done(requests, nl.addr_add(nics[0].ifindex, "192.0.2.9", 32, scope=nl.SCOPE_LINK, preferred_lft=0))
    (shown,) = addresses(host, "m0")
    assert (shown["scope"], shown["deprecated"]) == ("link", True)


def test_an_ipv6_address_is_without_detection_of_duplicates_and_without_prefix_route(
    host: Namespace, nics: List[Cable], requests: fastpath.Requests
) -> None:
    done(requests, nl.addr_add(nics[0].ifindex, "2001:db8::1", 64))
    (shown,) = addresses(host, "m0")
    assert (shown["prefixlen"], shown["nodad"], shown["noprefixroute"]) == (64, True, True)
    assert not [r for r in host.show("-6 route show") if r["dst"].startswith("2001")]


def test_a_prefix_route_comes_when_it_is_asked_for(
    host: Namespace, nics: List[Cable], requests: fastpath.Requests
) -> None:
    done(requests, nl.addr_add(nics[0].ifindex, "192.0.2.1", 24, noprefixroute=False))
    assert [r["dst"] for r in host.show("route show")] == ["192.0.2.0/24"]


def test_our_mark_is_on_our_addresses_only(host: Namespace, nics: List[Cable], requests: fastpath.Requests) -> None:
    host.ip("addr add 192.0.2.2/24 dev m0")
    done(requests, nl.addr_add(nics[0].ifindex, "192.0.2.1", 32), nl.addr_add(nics[0].ifindex, "2001:db8::1", 128))
    marks = {a.ip: a.proto for a in requests.dump_addresses()}
    assert (marks["192.0.2.1"], marks["2001:db8::1"], marks["192.0.2.2"]) == (nl.PROTO, nl.PROTO, 0)


def test_adding_twice_is_no_failure_and_deleting_deletes(
    host: Namespace, nics: List[Cable], requests: fastpath.Requests
) -> None:
    for ip, length in (("192.0.2.1", 32), ("2001:db8::1", 128)):
        done(requests, nl.addr_add(nics[0].ifindex, ip, length), nl.addr_add(nics[0].ifindex, ip, length))
    assert [a["local"] for a in addresses(host, "m0")] == ["192.0.2.1", "2001:db8::1"]
    done(
        requests,
        nl.addr_del(nics[0].ifindex, "192.0.2.1", 32),
        nl.addr_del(nics[0].ifindex, "2001:db8::1", 128),
    )
    assert addresses(host, "m0") == []


# Nexthops and routes


def test_nexthops_by_device_by_gateway_and_in_a_group(
    host: Namespace, nics: List[Cable], requests: fastpath.Requests
) -> None:
    done(
        requests,
        nl.nexthop_replace(A, nics[0].ifindex, 4),
        nl.nexthop_replace(B, nics[1].ifindex, 4),
        nl.nexthop_group(BOTH, [A, B]),
        nl.nexthop_replace(VIA, nics[0].ifindex, 4, gateway="192.0.2.254", onlink=True),
    )
    shown = {hop["id"]: hop for hop in host.show("nexthop show")}
    assert (shown[A]["dev"], shown[B]["dev"]) == ("m0", "m1")
    assert [member["id"] for member in shown[BOTH]["group"]] == [A, B]
    assert (shown[VIA]["gateway"], shown[VIA]["flags"]) == ("192.0.2.254", ["onlink"])
    assert {str(hop["protocol"]) for hop in shown.values()} == {"199"}
    done(requests, nl.nexthop_group(BOTH, [B]))
    assert [m["id"] for h in host.show("nexthop show") if h["id"] == BOTH for m in h["group"]] == [B]
    done(requests, nl.nexthop_del(VIA))
    assert VIA not in {hop["id"] for hop in host.show("nexthop show")}


@pytest.mark.parametrize("family", [4, 6])
def test_what_a_group_of_members_needs_in_the_kernel(
    host: Namespace, nics: List[Cable], requests: fastpath.Requests, family: int
) -> None:
    ip, length, prefix, gateway, any_ = {
        4: ("192.0.2.1", 32, "192.0.2.0/24", "192.0.2.254", "0.0.0.0/0"),
        6: ("2001:db8::1", 128, "2001:db8::/64", "2001:db8::fe", "::/0"),
    }[family]
    m0, m1 = nics[0].ifindex, nics[1].ifindex
    link = nl.SCOPE_LINK if family == 4 else nl.SCOPE_UNIVERSE
    messages = [
        nl.addr_add(m0, ip, length),
        nl.nexthop_replace(A, m0, family),
        nl.nexthop_replace(B, m1, family),
        nl.nexthop_group(BOTH, [A, B]),
        nl.route_replace(prefix, nhid=BOTH, metric=50, prefsrc=ip),
        nl.route_replace(prefix, ifindex=m0, metric=4096, scope=link, prefsrc=ip),
        nl.route_replace(prefix, ifindex=m1, metric=4097, scope=link, prefsrc=ip),
        nl.route_replace(
            f"{ip}/{length}",
            ifindex=1,
            table=nl.TABLE_LOCAL,
            kind=nl.LOCAL,
            scope=nl.SCOPE_HOST if family == 4 else nl.SCOPE_UNIVERSE,
            metric=1,
        ),
        nl.nexthop_replace(VIA, m0, family, gateway=gateway, onlink=family == 4),
        nl.route_replace(any_, nhid=VIA, metric=50, prefsrc=ip),
        nl.route_replace(any_, ifindex=m0, gateway=gateway, metric=4096, onlink=family == 4),
    ]
    assert requests.add_addresses_and_wait(messages, {(m0, ip)} if family == 6 else set(), 10) == []
    done(requests, *messages)

    shown = [r for r in host.show(f"-{family} route show table all") if str(r.get("protocol")) == "199"]
    main = {(r["dst"], r.get("metric")): r for r in shown if r.get("table") != "local"}
    assert set(main) == {(prefix, 50), (prefix, 4096), (prefix, 4097), ("default", 50), ("default", 4096)}
    assert (main[prefix, 50]["nhid"], main[prefix, 50]["prefsrc"]) == (BOTH, ip)
    assert [hop["dev"] for hop in main[prefix, 50]["nexthops"]] == ["m0", "m1"]
    assert (main[prefix, 4097]["dev"], main["default", 4096]["gateway"]) == ("m1", gateway)
    assert (main["default", 50]["nhid"], main["default", 50]["dev"]) == (VIA, "m0")
    (anchor,) = [r for r in shown if r.get("table") == "local"]
    assert (anchor["type"], anchor["dst"], anchor["dev"], anchor["metric"]) == ("local", ip, "lo", 1)
    assert len(requests.dump_routes()) == 6

    done(
        requests,
        nl.route_del(prefix, metric=50),
        nl.route_del(prefix, metric=4096),
        nl.route_del(prefix, metric=4097),
        nl.route_del(any_, metric=50),
        nl.route_del(any_, metric=4096),
        nl.route_del(f"{ip}/{length}", table=nl.TABLE_LOCAL, kind=nl.LOCAL, metric=1),
    )
    left = host.show(f"-{family} route show table all")
    assert not [r for r in left if str(r.get("protocol")) == "199"]
    assert [r for r in left if r["dst"] == ip and r["dev"] == "m0"], "the address' own local route has to stay"


def test_deleting_spares_a_route_of_somebody_else(
    host: Namespace, nics: List[Cable], requests: fastpath.Requests
) -> None:
    host.ip("addr add 192.0.2.1/24 dev m0", "route add 198.51.100.0/24 dev m0 metric 50")
    (failure,) = requests.batch([nl.route_del("198.51.100.0/24", metric=50)])
    assert failure.errno == errno.ESRCH
    assert host.show("route show 198.51.100.0/24")


def test_a_route_in_a_table_beyond_255(host: Namespace, nics: List[Cable], requests: fastpath.Requests) -> None:
    done(requests, nl.route_replace("198.51.100.0/24", ifindex=nics[0].ifindex, table=777, scope=nl.SCOPE_LINK))
    assert host.show("route show table 777")[0]["dev"] == "m0"
    assert [(r.dst, r.table) for r in requests.dump_routes()] == [("198.51.100.0/24", 777)]
    done(requests, nl.route_del("198.51.100.0/24", table=777))
    assert not [r for r in host.show("route show table all") if r.get("table") == "777"]


# Links


def test_setting_a_link(host: Namespace, nics: List[Cable], requests: fastpath.Requests) -> None:
    requests.set_link(nics[0].ifindex, mtu=1400)
    shown = host.show("link show dev m0")[0]
    assert (shown["mtu"], "UP" in shown["flags"]) == (1400, True)
    requests.set_link(nics[0].ifindex, up=False)
    shown = host.show("link show dev m0")[0]
    assert (shown["mtu"], "UP" in shown["flags"]) == (1400, False)
    requests.set_link(nics[0].ifindex, up=True)
    assert "UP" in host.show("link show dev m0")[0]["flags"]
    with pytest.raises(OSError, match="could not be set"):
        requests.set_link(nics[0].ifindex, mtu=1)


def test_what_is_said_of_a_link_is_what_ip_says(
    host: Namespace, nics: List[Cable], requests: fastpath.Requests
) -> None:
    host.ip("link property add dev m0 altname a-name-longer-than-fifteen", "link set m1 down")
    shown = {link["ifname"]: link for link in host.show("link show")}
    dumped = {link.name: link for link in requests.dump_links()}
    assert set(dumped) == set(shown)
    for name, link in dumped.items():
        assert (link.ifindex, link.mtu, link.mac) == (
            shown[name]["ifindex"],
            shown[name]["mtu"],
            shown[name]["address"],
        )
        assert (link.up, link.loopback) == ("UP" in shown[name]["flags"], name == "lo")
        assert requests.link(link.ifindex) == link
    assert (dumped["m0"].altnames, dumped["m0"].kind) == (("a-name-longer-than-fifteen",), "veth")


def test_a_link_that_is_not_there(host: Namespace, requests: fastpath.Requests) -> None:
    assert requests.link(4711) is None
    assert requests.carriers([1, 4711]) == {1: True, 4711: None}
    assert requests.carriers([]) == {}


def test_carrier_comes_and_goes_as_events(
    nics_of_both_kinds: List[Cable], events: fastpath.EventSocket, requests: fastpath.Requests
) -> None:
    nic = nics_of_both_kinds[0]
    assert requests.carriers([nic.ifindex]) == {nic.ifindex: True}
    nic.pull()
    assert seen(events, LinkEvent, ifindex=nic.ifindex, carrier=False).up
    assert requests.carriers([nic.ifindex]) == {nic.ifindex: False}
    nic.plug()
    assert seen(events, LinkEvent, ifindex=nic.ifindex, carrier=True).name == "m0"
    assert requests.carriers([nic.ifindex]) == {nic.ifindex: True}


def test_an_interface_that_is_down_has_no_carrier_for_the_poll(
    host: Namespace, nics_of_both_kinds: List[Cable], requests: fastpath.Requests
) -> None:
    host.ip("link set m0 down")
    assert requests.carriers([nic.ifindex for nic in nics_of_both_kinds]) == {
        nics_of_both_kinds[0].ifindex: False,
        nics_of_both_kinds[1].ifindex: True,
    }


def test_a_second_loss_within_a_second_is_seen_by_the_first_poll(
    host: Namespace, peer: Namespace, events: fastpath.EventSocket, requests: fastpath.Requests
) -> None:
    """The kernel itself tells a NIC's second loss up to a second late, and does so machine wide."""
    with cables(host, peer, "tap", 3) as (first, second, third):
        for nic in (first, second, third):
            nic.pull()
            assert requests.carriers([nic.ifindex]) == {nic.ifindex: False}
        indexes = [nic.ifindex for nic in (first, second, third)]
        assert requests.carriers(indexes) == dict.fromkeys(indexes, False)
        for index in indexes:
            link = requests.link(index)
            assert link is not None
            assert link.carrier is False


def test_a_link_that_comes_and_goes(host: Namespace, peer: Namespace, events: fastpath.EventSocket) -> None:
    host.veth("late", "p", peer)
    index = host.ifindex("late")
    assert seen(events, LinkEvent, name="late", ifindex=index, deleted=False)
    host.ip("link del late")
    assert seen(events, LinkEvent, name="late", ifindex=index, deleted=True)


def test_leaving_a_bridge_is_not_the_end_of_a_link(
    host: Namespace, nics: List[Cable], events: fastpath.EventSocket
) -> None:
    host.ip("link add b0 type bridge")
    events.read()
    host.ip("link set m0 master b0")
    assert seen(events, LinkEvent, name="m0", master=host.ifindex("b0"))
    host.ip("link set m0 nomaster", "addr add 192.0.2.1/24 dev m0")
    news: List[Any] = []
    assert eventually(lambda: news.extend(events.read()) or any(isinstance(event, AddrEvent) for event in news))
    links = [event for event in news if isinstance(event, LinkEvent) and event.name == "m0"]
    assert links[-1].master == 0
    assert not any(link.deleted for link in links)


# Events about what others do


def test_addresses_routes_and_nexthops_changed_behind_our_back_are_told(
    host: Namespace, nics: List[Cable], requests: fastpath.Requests, events: fastpath.EventSocket
) -> None:
    m0 = nics[0].ifindex
    for ip, length in (("192.0.2.1", 32), ("2001:db8::1", 128)):
        done(requests, nl.addr_add(m0, ip, length))
        added = seen(events, AddrEvent, ip=ip, deleted=False)
        assert (added.ifindex, added.prefixlen, added.proto) == (m0, length, nl.PROTO)
        host.ip(f"addr del {ip}/{length} dev m0")
        assert seen(events, AddrEvent, ip=ip, deleted=True)
    done(
        requests,
        nl.nexthop_replace(A, m0, 4),
        nl.nexthop_replace(B, m0, 6),
        nl.route_replace("198.51.100.0/24", nhid=A, metric=50),
        nl.route_replace("203.0.113.0/24", nhid=A, metric=50),
        nl.route_replace("2001:db8:9::/64", nhid=B, metric=50),
    )
    host.ip("route del 198.51.100.0/24 metric 50", "-6 route del 2001:db8:9::/64 metric 50", f"nexthop del id {A}")
    news: List[Any] = []
    assert eventually(
        lambda: news.extend(events.read()) or any(isinstance(e, NexthopEvent) and e.deleted and e.id == A for e in news)
    )
    ended = {event.dst for event in news if isinstance(event, RouteEvent) and event.deleted}
    assert {"198.51.100.0/24", "2001:db8:9::/64"} <= ended
    # The kernel says nothing of the routes that a nexthop takes with it.
    assert [route.dst for route in requests.dump_routes()] == []


def test_what_routing_daemons_do_with_routes_of_their_own_is_not_told(
    host: Namespace, nics: List[Cable], events: fastpath.EventSocket
) -> None:
    bgp = "proto 186"  # a table of theirs may hold a million routes
    host.ip(
        f"route add 198.51.100.0/24 dev m0 {bgp}", "nexthop add id 7 dev m0", f"route add 203.0.113.0/24 nhid 7 {bgp}"
    )
    host.ip("nexthop del id 7", "addr add 192.0.2.1/32 dev m0")
    news: List[Any] = []
    assert eventually(lambda: news.extend(events.read()) or any(isinstance(event, AddrEvent) for event in news))
    assert not [event for event in news if isinstance(event, (RouteEvent, NexthopEvent))]


def test_lost_events_are_said_once_the_buffer_is_full_and_then_it_goes_on(
    nics: List[Cable], requests: fastpath.Requests, events: fastpath.EventSocket
) -> None:
    with socket.socket(fileno=os.dup(events.fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    done(requests, *(nl.addr_add(nics[0].ifindex, f"198.51.100.{n}", 32) for n in range(1, 200)))
    assert fastpath.Overrun() in events.read()
    done(requests, nl.addr_add(nics[0].ifindex, "192.0.2.1", 32))
    assert seen(events, AddrEvent, ip="192.0.2.1")


def test_no_event_is_lost_with_the_buffer_as_it_is(
    nics: List[Cable], requests: fastpath.Requests, events: fastpath.EventSocket
) -> None:
    done(requests, *(nl.addr_add(nics[0].ifindex, f"10.0.{n >> 8}.{n & 255}", 32) for n in range(1000)))
    told: Set[str] = set()
    for _ in range(100):
        news = events.read()
        assert fastpath.Overrun() not in news
        told |= {event.ip for event in news if isinstance(event, AddrEvent)}
        if not news:
            break
    assert len([ip for ip in told if ip.startswith("10.0.")]) == 1000


# Batches


@pytest.mark.parametrize("family", [4, 6])
def test_a_thousand_addresses_and_every_answer(
    host: Namespace, nics: List[Cable], requests: fastpath.Requests, family: int
) -> None:
    ips = [f"10.0.{n >> 8}.{n & 255}" if family == 4 else f"2001:db8::{n:x}" for n in range(1, 1001)]
    length = {4: 32, 6: 128}[family]
    done(requests, *(nl.addr_add(nics[0].ifindex, ip, length) for ip in ips))
    assert {a["local"] for a in addresses(host, "m0")} == set(ips)
    again = requests.batch([nl.addr_del(nics[1].ifindex, ip, length) for ip in ips])
    assert [(failure.index, failure.errno) for failure in again] == [(n, errno.EADDRNOTAVAIL) for n in range(1000)]
    done(requests, *(nl.addr_del(nics[0].ifindex, ip, length) for ip in ips))
    assert addresses(host, "m0") == []


def test_failures_are_told_by_place_and_what_follows_is_done_all_the_same(
    host: Namespace, nics: List[Cable], requests: fastpath.Requests
) -> None:
    wrong = {0, 199, 200, 449}
    messages = [
        nl.addr_del(nics[0].ifindex, "203.0.113.1", 32)
        if n in wrong
        else nl.addr_add(nics[0].ifindex, f"10.0.{n >> 8}.{n & 255}", 32)
        for n in range(450)
    ]
    failures = requests.batch(messages)
    assert {failure.index for failure in failures} == wrong
    assert str(failures[0]) == "ipv4: Address not found"
    assert len(addresses(host, "m0")) == 446


def test_answers_that_do_not_fit_are_a_failure_and_not_silence(
    nics: List[Cable], requests: fastpath.Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fastpath, "_RECEIVE_BUFFER", 2304)
    monkeypatch.setattr(fastpath, "_SO_RCVBUFFORCE", socket.SO_RCVBUF)
    small = fastpath.Requests()
    try:
        failures = small.batch([nl.addr_del(nics[0].ifindex, "192.0.2.1", 32)] * 200)
    finally:
        small.close()
    assert failures[-1].errno == errno.ENOBUFS
    assert len(failures) < 200


def test_sequence_numbers_begin_again(nics: List[Cable], requests: fastpath.Requests) -> None:
    requests._seq = 0xFFFFFFFE
    for _ in range(3):
        assert requests.carriers([nics[0].ifindex, nics[1].ifindex]) == dict.fromkeys(
            (nics[0].ifindex, nics[1].ifindex), True
        )


def test_messages_packed_ahead_can_be_sent_again(
    host: Namespace, nics: List[Cable], requests: fastpath.Requests
) -> None:
    there = [nl.addr_add(nics[0].ifindex, "192.0.2.1", 32), nl.addr_del(nics[1].ifindex, "192.0.2.1", 32)]
    back = [nl.addr_add(nics[1].ifindex, "192.0.2.1", 32), nl.addr_del(nics[0].ifindex, "192.0.2.1", 32)]
    done(requests, there[0])
    for _ in range(5):
        done(requests, *back)
        assert (len(addresses(host, "m0")), len(addresses(host, "m1"))) == (0, 1)
        done(requests, *there)
        assert (len(addresses(host, "m0")), len(addresses(host, "m1"))) == (1, 0)


# IPv6 addresses that are there but do not work yet


def test_ipv6_addresses_work_when_the_wait_is_over(
    host: Namespace, nics: List[Cable], requests: fastpath.Requests
) -> None:
    ips = [f"2001:db8::{n:x}" for n in range(1, 101)]
    messages = [nl.addr_add(nics[0].ifindex, ip, 128) for ip in ips]
    assert requests.add_addresses_and_wait(messages, {(nics[0].ifindex, ip) for ip in ips}, 20) == []
    for ip in (ips[0], ips[-1]):
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as bound:
            bound.bind((ip, 0))
    local = {route["dst"] for route in host.show("-6 route show table local dev m0")}
    assert set(ips) <= local


def test_an_ipv6_address_that_does_not_begin_to_work_is_named(
    host: Namespace, nics: List[Cable], requests: fastpath.Requests
) -> None:
    """Here because the kernel looks for duplicates, which takes it a second at least."""
    for setting, value in (("accept_dad", "1"), ("dad_transmits", "5")):
        Path("/proc/sys/net/ipv6/conf/m0", setting).write_text(value)
    messages = [
        nl.addr_add(nics[1].ifindex, "2001:db8::2", 128),
        nl.addr_add(nics[0].ifindex, "2001:db8::1", 128, nodad=False),
    ]
    expected = {(nics[1].ifindex, "2001:db8::2"), (nics[0].ifindex, "2001:db8::1")}
    (failure,) = requests.add_addresses_and_wait(messages, expected, 0.5)
    assert (failure.index, failure.errno) == (1, errno.ETIMEDOUT)
    assert "2001:db8::1" in str(failure)


def test_an_address_that_the_kernel_refused_is_not_waited_for(nics: List[Cable], requests: fastpath.Requests) -> None:
    messages = [nl.addr_add(4711, "2001:db8::1", 128)]
    begin = time.monotonic()
    (failure,) = requests.add_addresses_and_wait(messages, {(4711, "2001:db8::1")}, 20)
    assert time.monotonic() - begin < 10
    assert failure.errno == errno.ENODEV


# Dumps


def test_dumps_hold_what_ip_shows(host: Namespace, nics: List[Cable], requests: fastpath.Requests) -> None:
    done(requests, *(nl.route_replace(f"10.{n}.0.0/16", ifindex=nics[0].ifindex, metric=9) for n in range(256)))
    done(requests, *(nl.route_replace(f"2001:db8:{n:x}::/48", ifindex=nics[0].ifindex, metric=9) for n in range(256)))
    shown = host.show("-4 route show table all") + host.show("-6 route show table all")
    assert len(requests.dump_routes(0)) == len(shown)
    assert len(requests.dump_routes()) == len([r for r in shown if str(r.get("protocol")) == "199"]) == 512
    assert len(requests.dump_addresses()) == sum(len(link["addr_info"]) for link in host.show("addr show"))


@pytest.mark.parametrize("ip", ["::ffff:c000:201", "::c000:201", "2001:db8:0:1:1:1:1:1", "2001:db8::1:0:0:1"])
def test_addresses_read_back_are_written_as_in_the_model(
    nics: List[Cable], requests: fastpath.Requests, ip: str
) -> None:
    canonical = str(ipaddress.ip_address(ip))
    done(requests, nl.addr_add(nics[0].ifindex, canonical, 128))
    assert canonical in {address.ip for address in requests.dump_addresses()}
