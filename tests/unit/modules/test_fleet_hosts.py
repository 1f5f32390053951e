# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts say of themselves, judged: versions, members, links, the controller's way; and what became of each."""

from __future__ import annotations

from typing import Any, Dict, List

import pytest
from ansible_collections.netpath.ipmp.plugins.filter.fleet_problems import fleet_problems
from ansible_collections.netpath.ipmp.plugins.filter.fleet_results import fleet_results
from ansible_collections.netpath.ipmp.plugins.filter.fleet_todo import fleet_todo
from ansible_collections.netpath.ipmp.plugins.plugin_utils import fleet_hosts

GROUPS: List[Dict[str, Any]] = [
    {
        "name": "net0",
        "interfaces": [
            {"name": "eth1", "data_addresses": ["192.0.2.11/24"], "test_addresses": ["link-local"]},
            {"name": "eth2", "standby": True},
        ],
    }
]
CARD = {"present": True, "configured": False, "ethernet": True, "master": None, "up": True, "carrier": True}
HOST: Dict[str, Any] = {
    "python": "3.9.2",
    "kernel": "5.14.0",
    "root": True,
    "nexthops": True,
    "daemon": None,
    "too_new": None,
    "members": {"eth1": {**CARD, "name": "eth1"}, "eth2": {**CARD, "name": "eth2"}},
    "way": {"peer": "198.51.100.1", "address": "198.51.100.11", "interface": "eth0", "back": {"interface": "eth0"}},
    "link": {"net0": {"used": {}, "sides": [["eth1", "eth2"]], "alive": ["eth1", "eth2"]}},
    "refused": {},
}


def look(**found: Any) -> Dict[str, Any]:
    return {"differs": ["daemon", "groups"], "host": {**HOST, **found}}


def judged(**found: Any) -> List[str]:
    """``thing: what to do`` of each problem."""
    problems = fleet_hosts.judge("h1", GROUPS, look(**found))
    assert {p.host for p in problems} <= {"h1"}
    return [f"{p.group} {p.thing}: {p.what_to_do}".strip() for p in problems]


def card(which: str, **changes: Any) -> Dict[str, Any]:
    return {"members": {**HOST["members"], which: {**CARD, "name": which, **changes}}}


def way(address: str, interface: str, peer: str, back: str, via: Any = None) -> Dict[str, Any]:
    return {
        "way": {"peer": peer, "address": address, "interface": interface, "back": {"interface": back, "via": via}},
    }


def test_a_host_that_is_as_it_should_be_passes() -> None:
    assert judged() == []


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"python": "3.8.10"}, "Python 3.8.10: is too old"),
        ({"root": False}, "root: is needed"),
        ({"nexthops": False, "kernel": "4.18.0"}, "kernel 4.18.0: has no nexthop objects"),
        ({"too_new": "this caller is too old"}, "protocol: this caller is too old"),
        ({"members": {"eth1": {"present": False, "configured": False}}}, "net0 eth1: is not on this host"),
        (card("eth2", master="br0"), "net0 eth2: belongs to br0"),
        (card("eth2", ethernet=False), "net0 eth2: is no Ethernet interface"),
        (card("eth2", name="eth1"), "net0 eth2: is the same interface as eth1"),
        ({"refused": {"groups": "one sentence"}}, "groups: one sentence"),
        (
            {"link": {"net0": {"used": {"192.0.2.11": "02:00:00:00:00:09"}, "sides": [["eth1", "eth2"]], "alive": []}}},
            "net0 192.0.2.11: is in use by 02:00:00:00:00:09",
        ),
        (
            {"link": {"net0": {"used": {}, "sides": [["eth1"], ["eth2"]], "alive": ["eth1", "eth2"]}}},
            "net0 link: eth1 and eth2 do not hear each other",
        ),
        (way("192.0.2.5", "eth1", "192.0.2.1", "eth1"), "net0 192.0.2.5: of eth1 is where the controller's"),
        (
            way("192.0.2.11", "eth1", "203.0.113.7", "eth1", "192.0.2.254"),
            "net0 203.0.113.7: is the controller and answered through eth1 by 192.0.2.254",
        ),
    ],
)
def test_what_does_not_fit_is_told(found: Dict[str, Any], words: str) -> None:
    told = judged(**found)
    assert len(told) == 1
    assert told[0].startswith(words), told


@pytest.mark.parametrize(
    "found",
    [
        {"members": None, "way": None, "link": None},
        {"link": {"net0": {"used": {}, "sides": [["eth1"], ["eth2"]], "alive": ["eth1"]}}},
        {"members": {"eth1": {"present": False, "configured": True}}},
        card("eth2", configured=True, master="br0"),
        way("192.0.2.11", "eth1", "192.0.2.1", "eth1"),
        way("198.51.100.11", "eth0", "203.0.113.7", "eth0", "198.51.100.1"),
    ],
    ids=["nothing known", "a silent link", "taken out", "in a bridge since", "over the group itself", "past the group"],
)
def test_what_cannot_be_shown_or_is_right_passes(found: Dict[str, Any]) -> None:
    assert judged(**found) == []


@pytest.mark.parametrize(
    "more",
    [{"gateways": ["192.0.2.254"]}, {"routes": [{"to": "203.0.113.0/24", "via": "192.0.2.254"}]}],
)
def test_a_group_that_leads_back_to_the_controller_passes(more: Dict[str, Any]) -> None:
    found = way("192.0.2.11", "eth1", "203.0.113.7", "eth1", "192.0.2.254")
    assert fleet_hosts.judge("h1", [{**GROUPS[0], **more}], look(**found)) == []


def test_a_python_that_is_too_old_is_told_though_nothing_else_could_be_looked_at() -> None:
    few = {"differs": ["daemon"], "host": {"python": "3.8.1", "kernel": "5.14", "root": True}}
    assert [p.thing for p in fleet_hosts.judge("h1", GROUPS, few)] == ["Python 3.8.1"]


def test_ansible_core_of_the_controller() -> None:
    assert fleet_hosts.controller("2.16.0") == fleet_hosts.controller("2.21.5") == []
    assert [p.thing for p in fleet_hosts.controller("2.15.13")] == ["ansible-core"]


def variables(address: int, said: Dict[str, Any]) -> Dict[str, Any]:
    groups = [{"name": "g", "interfaces": [{"name": "eth1", "data_addresses": [f"192.0.2.{address}/24"]}]}]
    return {"ipmp_groups": groups, "look": said}


HOSTVARS: Dict[str, Dict[str, Any]] = {
    "same": variables(1, {"differs": [], "host": HOST}),
    "new": variables(2, look()),
    "gone": variables(3, {"unreachable": True, "msg": "no route to host"}),
    "never": variables(4, {}),
    "odd": variables(5, {"msg": "MODULE FAILURE", "rc": 1}),
}


def test_hosts_that_did_not_answer_are_left_out_or_a_problem() -> None:
    assert [r["host"] for r in fleet_problems(HOSTVARS, list(HOSTVARS), "look")] == ["odd"]
    stopped = fleet_problems(HOSTVARS, list(HOSTVARS), "look", "stop")
    assert [r["host"] for r in stopped] == ["gone", "never", "odd"]


@pytest.mark.parametrize("gateways", ["192.0.2.254", ["192.0.2.254"]])
def test_a_text_in_place_of_a_list_is_judged_as_the_modules_take_it(gateways: Any) -> None:
    interface = {"name": "eth1", "data_addresses": "192.0.2.11/24"}
    said = look(**way("192.0.2.11", "eth1", "203.0.113.7", "eth1", "192.0.2.254"))
    host = {"ipmp_groups": [{"name": "g", "interfaces": [interface], "gateways": gateways}], "look": said}
    assert fleet_problems({"h1": host}, ["h1"], "look") == []


def test_only_hosts_that_differ_are_to_do() -> None:
    assert fleet_todo(HOSTVARS, "look") == ["new"]
    assert fleet_todo({"same": HOSTVARS["same"]}, "look") == ["!all"]


@pytest.mark.parametrize(
    ("daemon", "config", "check", "row"),
    [
        ({}, {}, False, {"result": "not done", "why": None}),
        ({"changed": True}, {"changed": False}, False, {"result": "changed", "moved": []}),
        (
            {"changed": False},
            {"changed": True, "moves": [{"address": "192.0.2.2", "from": None, "to": "eth1"}]},
            True,
            {"result": "would change", "moved": ["192.0.2.2 to eth1"]},
        ),
        ({"changed": False}, {"changed": False, "moves": []}, False, {"result": "unchanged", "moved": []}),
        ({"failed": True, "msg": "why"}, {}, False, {"result": "failed", "why": "why"}),
        ({"changed": True}, {"failed": True, "msg": "why"}, False, {"result": "failed", "why": "why"}),
        ({"changed": True}, {"unreachable": True, "msg": "why"}, False, {"result": "lost", "why": "why"}),
    ],
)
def test_what_became_of_a_host(
    daemon: Dict[str, Any], config: Dict[str, Any], check: bool, row: Dict[str, Any]
) -> None:
    every = {**HOSTVARS, "new": {**HOSTVARS["new"], "mpathd_done": daemon, "hostname_files_done": config}}
    rows = {r["host"]: r for r in fleet_results(every, list(every), "look", check)}
    assert rows["new"] == {"host": "new", **row}
    assert [rows[name]["result"] for name in ("same", "gone", "never")] == ["unchanged", "unreachable", "unreachable"]
    assert rows["odd"] == {"host": "odd", "result": "not looked at", "why": "MODULE FAILURE"}
