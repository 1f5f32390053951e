# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison of an inventory: what is right passes, each mistake names the hosts that are to be corrected."""

from __future__ import annotations

import copy
import time
from typing import Any, Dict, List, Tuple

import pytest
from ansible_collections.netpath.ipmp.plugins.filter.fleet_problems import fleet_problems
from ansible_collections.netpath.ipmp.plugins.plugin_utils.fleet import Data, Problem, compare
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import StrictUndefined

Groups = List[Dict[str, Any]]


def groups(number: int) -> Groups:
    """Two right groups of host number."""
    low, high = number % 250 + 1, number // 250
    return [
        {
            "name": "net0",
            "interfaces": [
                {
                    "name": "eth1",
                    "data_addresses": [f"10.1.{high}.{low}/16", f"2001:db8::{number + 1:x}/64"],
                    "test_addresses": [f"10.1.{high + 100}.{low}/16", "link-local"],
                },
                {"name": "eth2", "data_addresses": [f"10.1.{high + 200}.{low}/16"]},
                {"name": "eth3", "standby": True},
            ],
            "gateways": ["10.1.255.254"],
        },
        {"name": "net1", "interfaces": [{"name": "eth4", "data_addresses": [f"10.2.{high}.{low}/16"]}]},
    ]


def fleet(size: int = 3) -> Dict[str, Data]:
    return {f"h{n}": Data(groups(n), None, f"192.0.2.{n + 1}" if n < 250 else "") for n in range(size)}


def changed(host: str, change: Any, size: int = 3) -> Dict[str, Data]:
    """The fleet after change(groups of that host)."""
    found = fleet(size)
    theirs = copy.deepcopy(found[host].groups)
    change(theirs)
    return {**found, host: found[host]._replace(groups=theirs)}


def told(found: Dict[str, Data], *chosen: str) -> List[Tuple[str, str, str]]:
    return [(p.host, p.group, p.thing) for p in compare(found, chosen or list(found))]


def first(theirs: Groups) -> Dict[str, Any]:
    entry: Dict[str, Any] = theirs[0]["interfaces"][0]
    return entry


def test_what_is_right_passes() -> None:
    assert compare(fleet(), list(fleet())) == []


@pytest.mark.parametrize("key", ["data_addresses", "test_addresses"])
@pytest.mark.parametrize("address", ["10.1.0.2/16", "10.1.100.2/24", "2001:db8:0::2/64"])
def test_an_address_twice_names_both_hosts(key: str, address: str) -> None:
    found = changed("h0", lambda theirs: first(theirs)[key].append(address))
    ip = address.partition("/")[0].replace(":0:", ":")
    twice = [row for row in told(found) if row[2] == ip]
    assert twice == [("h0", "net0", ip), ("h1", "net0", ip)]


def test_an_address_twice_counts_when_only_one_of_its_hosts_is_in_the_play() -> None:
    found = changed("h0", lambda theirs: first(theirs)["data_addresses"].append("10.1.0.2/16"))
    assert told(found, "h0") == [("h0", "net0", "10.1.0.2")]
    assert told(found, "h1") == [("h1", "net0", "10.1.0.2")]
    assert told(found, "h2") == []


def test_a_link_local_address_may_be_on_many_hosts_but_once_on_each() -> None:
    found = {f"h{n}": Data([*groups(n)]) for n in range(2)}
    for data in found.values():
        first(data.groups)["test_addresses"] = ["169.254.0.1/16"]
    assert compare(found, list(found)) == []
    found["h0"].groups[0]["interfaces"][1]["test_addresses"] = ["169.254.0.1/16"]
    assert {p.host for p in compare(found, list(found))} == {"h0"}


def test_an_address_at_which_the_controller_reaches_another_host() -> None:
    found = changed("h0", lambda theirs: first(theirs)["data_addresses"].append("192.0.2.2/24"))
    assert told(found) == [("h0", "net0", "192.0.2.2")]
    own = changed("h0", lambda theirs: first(theirs)["data_addresses"].append("192.0.2.1/24"))
    assert told(own) == []


@pytest.mark.parametrize(
    ("change", "row", "words"),
    [
        (lambda t: t[1]["interfaces"].append({"name": "eth1"}), ("net0", "eth1"), "is in net0 and net1"),
        (lambda t: t[0]["interfaces"].append({"name": "eth1"}), ("net0", "eth1"), "is in net0 twice"),
        (lambda t: t[1].update(name="net0"), ("net0", "name"), "2 groups of this name"),
        (
            lambda t: t[1]["interfaces"][0].update(data_addresses=["10.1.9.9/16"]),
            ("net1", "10.1.0.0/16"),
            "is in group net0 as well",
        ),
        (
            lambda t: t[1]["interfaces"][0].update(test_addresses=["10.1.9.9/24"]),
            ("net1", "10.1.9.0/24"),
            "overlaps 10.1.0.0/16 of group net0",
        ),
        (lambda t: t[0].update(gateways=["10.1.0.2"]), ("net0", "10.1.0.2"), "this host itself"),
        (lambda t: t[0].update(targets=["2001:db8:0::2"]), ("net0", "2001:db8:0::2"), "this host itself"),
        (lambda t: first(t)["data_addresses"].append("10.1.0.300/16"), ("net0", "eth1"), "not an address"),
        (lambda t: t[0].update(routes=[{"to": "10.9.0.0/40", "via": "10.1.0.9"}]), ("net0", "routes"), "10.9.0.0/40"),
        (lambda t: t[0].update(failure_detection_time=1), ("net0", "failure_detection_time"), "the least is"),
        (lambda t: t[0].update(gatewys=[]), ("", "ipmp_groups"), "there is no ipmp_groups.gatewys. Supported"),
        (lambda t: first(t).update(stanby=True), ("", "ipmp_groups"), "there is no ipmp_groups.interfaces.stanby."),
        (lambda t: first(t).update(name="eth1.old"), ("net0", "eth1.old"), "would be taken for a copy"),
        (lambda t: first(t).update(mtu=1000), ("net0", "eth1"), "1000 is too little for IPv6, which needs 1280"),
        (lambda t: first(t)["data_addresses"].append("10.1.0.9/0"), ("net0", "eth1"), "'10.1.0.9/0' is not an address"),
        (lambda t: first(t)["data_addresses"].append("2001:db8::9%e/64"), ("net0", "eth1"), "is not an address"),
        (
            lambda t: t[0].update(routes=[{"to": "2001:db8:9::%e/64", "via": "2001:db8::9"}]),
            ("net0", "routes"),
            "write the network without '%'",
        ),
        (lambda t: first(t).pop("name"), ("", "ipmp_groups"), "name"),
    ],
)
def test_a_mistake_within_a_host_is_told_with_its_place(change: Any, row: Tuple[str, str], words: str) -> None:
    problems = compare(changed("h1", change), ["h0", "h1", "h2"])
    assert [p.host for p in problems] == ["h1"]
    assert ((problems[0].group, problems[0].thing), words in problems[0].what_to_do) == (row, True), problems


def test_a_host_without_groups_or_with_unreadable_ones_is_told_only_when_it_is_in_the_play() -> None:
    found = {**fleet(), "h8": Data(), "h9": Data(unreadable="'nosuch' is undefined")}
    assert told(found, "h0", "h1", "h2") == []
    problems = compare(found, list(found))
    assert [(p.host, p.thing) for p in problems] == [("h8", "ipmp_groups"), ("h9", "ipmp_groups")]
    assert "'nosuch' is undefined" in problems[1].what_to_do


@pytest.mark.parametrize("wrong", [[1], 5, True, [{"failback": False}]])
def test_defaults_that_are_no_dictionary_are_told(wrong: Any) -> None:
    found = {**fleet(), "h1": Data(groups(1), wrong)}
    assert told(found) == [("h1", "", "ipmp_defaults")]


@pytest.mark.parametrize("where", [lambda u: u, lambda u: [{"name": "net0", "interfaces": u}], lambda u: [u]])
def test_a_variable_that_is_not_defined_is_told_of_its_own_host(where: Any) -> None:
    # What ansible-core 2.19 and newer give to a filter for a template that names no variable.
    hostvars = {"h0": {"ipmp_groups": groups(0)}, "h1": {"ipmp_groups": where(StrictUndefined(name="nowhere"))}}
    assert fleet_problems(hostvars, ["h0"]) == []
    (row,) = fleet_problems(hostvars, ["h0", "h1"])
    assert (row["host"], row["what_to_do"]) == ("h1", "cannot be read: 'nowhere' is undefined")


def test_all_problems_are_told_at_once() -> None:
    def change(theirs: Groups) -> None:
        first(theirs)["data_addresses"] = ["10.1.0.2/16", "nowhere"]
        theirs[1]["interfaces"].append({"name": "eth1"})
        theirs[1]["gateways"] = ["nobody"]

    assert told(changed("h0", change)) == [
        ("h0", "net0", "eth1"),
        ("h0", "net0", "eth1"),
        ("h0", "net1", "gateways"),
    ]


MISTAKES = {
    "address": lambda one, other: first(one)["data_addresses"].append(first(other)["data_addresses"][0]),
    "test address": lambda one, other: one[1]["interfaces"].append(
        {"name": "eth9", "test_addresses": [first(other)["test_addresses"][0].replace("/16", "/32")]}
    ),
    "interface": lambda one, _other: one[1]["interfaces"].append({"name": one[0]["interfaces"][1]["name"]}),
    "prefix": lambda one, _other: one[1]["interfaces"].append({"name": "eth9", "data_addresses": ["10.1.254.9/16"]}),
}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_of_random_fleets_exactly_the_hosts_with_a_mistake_are_named(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 12))
    numbers = data.draw(st.lists(st.integers(0, 13000), min_size=size, max_size=size, unique=True))
    found = {f"h{place}": Data(groups(number)) for place, number in enumerate(numbers)}
    assert compare(found, list(found)) == []
    names = data.draw(st.permutations(sorted(found)))
    one, other = names[:2]
    kind = data.draw(st.sampled_from(sorted(MISTAKES)))
    MISTAKES[kind](found[one].groups, found[other].groups)
    problems = compare(found, list(found))
    expected = {one, other} if "address" in kind else {one}
    assert {p.host for p in problems} == expected
    shuffled = {name: found[name] for name in names}
    assert compare(shuffled, names) == problems == sorted(set(problems))
    chosen = data.draw(st.sets(st.sampled_from(sorted(found))))
    assert compare(found, chosen) == [p for p in problems if p.host in chosen]


def test_two_thousand_hosts_are_compared_in_seconds() -> None:
    found = changed("h7", lambda theirs: first(theirs).update(groups(1999)[0]["interfaces"][0]), size=2000)
    began = time.process_time()
    problems = compare(found, list(found))
    assert time.process_time() - began < 30  # a guard against squares; it takes about 4 s
    assert {p.host for p in problems} == {"h7", "h1999"}


def test_the_filter_reads_hostvars_and_refuses_a_word_it_does_not_know() -> None:
    hostvars = {
        "h0": {"ipmp_groups": groups(0), "ansible_host": "192.0.2.1"},
        "h1": {"ipmp_groups": groups(0)},
        "web": {},
    }
    rows = fleet_problems(hostvars, ["h0"])
    assert {row["host"] for row in rows} == {"h0"}
    assert set(rows[0]) == set(Problem._fields)
    hostvars["h1"] = {"ipmp_groups": groups(1)}
    assert fleet_problems(hostvars, ["h0", "h1"]) == []
    assert [row["thing"] for row in fleet_problems(hostvars, ["h0"], unreachable="ignore")] == ["ipmp_unreachable"]
