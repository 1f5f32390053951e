# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of the whole network state: they see what changed, and what they restore is as it was."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, List

import pytest
from namespaces import Cable, Namespace, eventually

from ipmp import fastpath, nl, rtnl

pytestmark = pytest.mark.kernel

EVERYTHING = (
    "addr add 192.0.2.1/24 brd 192.0.2.255 dev m0",
    "addr add 2001:db8::1/64 dev m0 nodad",
    "route add 198.51.100.0/24 via 192.0.2.254 dev m0 metric 7 mtu 1400",
    "route add 198.51.101.0/24 via 192.0.2.254 dev m0 table 777 src 192.0.2.1",
    "route add 198.51.102.0/24 via 203.0.113.1 dev m0 onlink",
    "-6 route add 2001:db8:9::/64 via 2001:db8::fe dev m0 metric 77",
    "route add 203.0.113.0/24 nexthop via 192.0.2.254 dev m0 nexthop dev m1",
    "route add blackhole 203.0.114.0/24",
    "nexthop add id 5 dev m0",
    "route add 203.0.115.0/24 nhid 5",
    "rule add from 10.9.0.0/16 table 777 pref 99",
    "neigh add 192.0.2.7 lladdr 02:00:00:00:00:07 dev m0 nud permanent",
    "neigh add 2001:db8::7 lladdr 02:00:00:00:00:07 dev m0 nud permanent",
    "link property add dev m0 altname a-name-longer-than-fifteen",
)


@pytest.fixture
def busy(host: Namespace, nics: List[Cable]) -> Namespace:
    """A host with something of everything, after the kernel has finished with its link-local addresses."""
    host.ip(*EVERYTHING)
    assert eventually(lambda: "tentative" not in host.run("ip", "addr"))
    return host


def differences(before: rtnl.Snapshot, *ignore: str) -> List[str]:
    return rtnl.compare(before, rtnl.snapshot(), ignore)


def test_a_snapshot_is_json_and_equals_the_next_one(busy: Namespace) -> None:
    before = json.loads(json.dumps(rtnl.snapshot()))
    assert differences(before) == []
    assert set(before["links"]) == {"lo", "m0", "m1"}
    assert before["links"]["m0"]["altnames"] == ["a-name-longer-than-fifteen"]
    assert {name for part in before.values() for name in part} >= {
        "192.0.2.1/24 on m0",
        "198.51.100.0/24 dev m0 table 254 metric 7",
        "blackhole 203.0.114.0/24 table 254 metric 0",
        "IPv4 99",
        "192.0.2.7 on m0",
    }
    assert before["routes"]["203.0.115.0/24 dev m0 table 254 metric 0"]["nhid"] == 5


CHANGES = [
    ("link set m1 down", "links: m1: up was True, is False"),
    ("link set m1 mtu 1400", "links: m1: mtu was 1500, is 1400"),
    ("link set m1 txqueuelen 9", "links: m1: txqlen was 1000, is 9"),
    ("link set m1 promisc on", "links: m1: flags was ['up'], is ['promisc', 'up']"),
    ("addr add 192.0.2.2/32 dev m1", "addresses: 192.0.2.2/32 on m1 is new"),
    ("addr change 192.0.2.1/24 dev m0 preferred_lft 0", "addresses: 192.0.2.1/24 on m0: flags was 128, is 160"),
    ("addr del 2001:db8::1/64 dev m0", "addresses: 2001:db8::1/64 on m0 is gone"),
    ("route del blackhole 203.0.114.0/24", "routes: blackhole 203.0.114.0/24 table 254 metric 0 is gone"),
    (
        "route change 198.51.100.0/24 via 192.0.2.253 dev m0 metric 7 mtu 1400",
        "routes: 198.51.100.0/24 dev m0 table 254 metric 7: attributes was",
    ),
    (
        "route change 203.0.113.0/24 nexthop via 192.0.2.254 dev m0 nexthop via 192.0.2.253 dev m0",
        "routes: 203.0.113.0/24 table 254 metric 0: hops was",
    ),
    ("nexthop replace id 5 dev m1", "nexthops: 5: dev was 'm0', is 'm1'"),
    ("rule del pref 99", "rules: IPv4 99 is gone"),
    ("neigh del 192.0.2.7 dev m0", "neighbours: 192.0.2.7 on m0 is gone"),
    (
        "neigh change 192.0.2.7 lladdr 02:00:00:00:00:08 dev m0 nud permanent",
        "neighbours: 192.0.2.7 on m0: lladdr was '02:00:00:00:00:07', is '02:00:00:00:00:08'",
    ),
    ("link property add dev m1 altname x1", "links: m1: altnames was [], is ['x1']"),
]


@pytest.mark.parametrize(("command", "sentence"), CHANGES, ids=[command for command, _ in CHANGES])
def test_each_change_is_seen(busy: Namespace, command: str, sentence: str) -> None:
    before = rtnl.snapshot()
    busy.ip(command)
    found = differences(before)
    assert any(difference.startswith(sentence) for difference in found), found
    assert differences(before, "links", "addresses", "routes", "nexthops", "rules", "neighbours") == []


def test_what_changes_by_itself_is_not_a_difference(busy: Namespace, peer: Namespace) -> None:
    busy.ip("addr add 192.0.2.9/32 dev m0 valid_lft 1000 preferred_lft 900")
    before = rtnl.snapshot()
    busy.ip("neigh add 192.0.2.8 lladdr 02:00:00:00:00:08 dev m0 nud reachable")
    busy.ip("addr change 192.0.2.9/32 dev m0 valid_lft 990 preferred_lft 890")
    peer.ip("link set p-m1 down")
    assert eventually(lambda: "NO-CARRIER" in busy.run("ip", "link", "show", "m1"))
    assert differences(before) == []


LEFT_OUT = ("nexthops: 5", "routes: 203.0.113.0/24", "routes: 203.0.115.0/24")  # over two NICs, or a nexthop object


def test_what_was_not_ours_is_put_back_after_a_link_was_down(busy: Namespace) -> None:
    busy.ip("addr add 192.0.2.5/32 dev m0 scope link preferred_lft 0")
    before = rtnl.snapshot()
    busy.ip(
        "link property del dev m0 altname a-name-longer-than-fifteen",
        "link property add dev m0 altname another",
        "neigh flush dev m0 nud permanent",
        "addr flush dev m0",
        "link set m0 down",
        "link set m0 address 02:00:00:00:00:55 mtu 1400 txqueuelen 7",
    )
    assert len(differences(before)) > 10
    assert rtnl.restore_foreign(before, ["m0"]) == []
    assert eventually(lambda: differences(before, *LEFT_OUT) == []), differences(before, *LEFT_OUT)
    assert rtnl.restore_foreign(before, ["m0"]) == []
    assert differences(before, *LEFT_OUT) == []


def test_what_was_not_ours_is_put_back_on_a_nic_that_came_back(busy: Namespace, peer: Namespace) -> None:
    before = rtnl.snapshot()
    busy.ip("link del m0")
    peer.ip("link add p-m0 type veth peer name m0 netns " + busy.path, "link set p-m0 up")
    assert rtnl.restore_foreign(before, ["m0"]) == []
    assert eventually(lambda: differences(before, *LEFT_OUT) == []), differences(before, *LEFT_OUT)


def test_our_own_addresses_are_not_put_back(busy: Namespace) -> None:
    requests = fastpath.Requests()
    assert requests.batch([nl.addr_add(busy.ifindex("m0"), "192.0.2.77", 32)]) == []
    before = rtnl.snapshot()
    busy.ip("addr del 192.0.2.77/32 dev m0", "addr add 192.0.2.77/32 dev m1")
    assert rtnl.restore_foreign(before, ["m0"]) == []
    assert [a["local"] for a in busy.show("addr show dev m1")[0]["addr_info"]].count("192.0.2.77") == 1
    assert "192.0.2.77" not in busy.run("ip", "addr", "show", "dev", "m0")
    requests.close()


def test_what_cannot_be_put_back_is_said(busy: Namespace) -> None:
    before = rtnl.snapshot()
    busy.ip("link del m0")
    failures = rtnl.restore_foreign(before, ["m0"])
    assert "m0: its link settings could not be put back: interface m0 is not there" in failures
    assert any(failure.startswith("m0: the route to 198.51.100.0/24 could not be put back") for failure in failures)


def test_static_routes_are_those_of_one_nic_by_an_administrator(busy: Namespace) -> None:
    assert {(r["dst"], r["table"]) for r in rtnl.static_routes(rtnl.snapshot(), "m0")} == {
        ("198.51.100.0/24", 254),
        ("198.51.101.0/24", 777),
        ("198.51.102.0/24", 254),
        ("2001:db8:9::/64", 254),
    }


def test_a_static_route_stays_elsewhere_as_ours_meanwhile(busy: Namespace) -> None:
    busy.ip("addr add 192.0.2.2/24 dev m1")
    before = rtnl.snapshot()
    routes = [r for r in rtnl.static_routes(before, "m0") if r["dst"] == "198.51.100.0/24"]
    busy.ip("link set m0 down")
    for route in routes:
        rtnl.add_route(route, "m1", nl.PROTO)
    (shown,) = busy.show("route show 198.51.100.0/24")
    assert (shown["dev"], shown["gateway"], str(shown["protocol"])) == ("m1", "192.0.2.254", "199")
    for route in routes:
        rtnl.del_route(route, "m1", nl.PROTO)
    assert busy.show("route show 198.51.100.0/24") == []


def test_an_interface_that_is_not_there(host: Namespace, nics: List[Cable]) -> None:
    before = rtnl.snapshot()
    host.ip("link del m0")
    with pytest.raises(OSError, match="interface m0 is not there"):
        rtnl.restore_link(before, "m0")


def test_the_kernels_refusal_is_an_oserror(busy: Namespace) -> None:
    (route, *_) = rtnl.static_routes(rtnl.snapshot(), "m0")
    rtnl.del_route(route)
    with pytest.raises(OSError) as refusal:
        rtnl.del_route(route)
    assert refusal.value.errno == 3


def test_without_the_library_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch, host: Namespace) -> None:
    missing: Any = None
    monkeypatch.setitem(sys.modules, "pyroute2", missing)
    with pytest.raises(rtnl.LibraryMissing, match=r"install python3-pyroute2, or run role netpath\.ipmp\.mpathd"):
        rtnl.snapshot()


def test_the_library_is_not_loaded_before_it_is_needed() -> None:
    path = str(Path(__file__).parents[2] / "plugins/module_utils")
    program = f"import sys; sys.path.insert(0, {path!r}); import ipmp.rtnl; sys.exit('pyroute2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
