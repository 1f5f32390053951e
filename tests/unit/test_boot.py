# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which NICs count as missing at boot, and what the console says of them, from the texts of their files."""

from __future__ import annotations

from typing import AbstractSet, Dict, List

import pytest

from ipmp import boot, files
from ipmp.runtime import Runtime

FAILED4, FAILED6 = "moving addresses from failed IPv4 interfaces: ", "moving addresses from failed IPv6 interfaces: "
NOBODY = "couldn't move; no alternative interface"
A1, A6, T1 = "192.0.2.11/24", "2001:db8::11/64", "192.0.2.111/24"


def host(there: str, **texts: str) -> Runtime:
    """``host("eth2", hostname_eth1="...", hostname6_eth2="...")``: placed with only the NICs named in there present."""
    runtime = Runtime()
    runtime.adopt(files.config({f"/etc/{name.replace('_', '.')}": text for name, text in texts.items()}), 0.0)
    for name in there.split():
        runtime.nics[name].present = True
    runtime.hosting = runtime.placed()
    return runtime


def said(runtime: Runtime, dhcp: AbstractSet[str] = frozenset()) -> List[str]:
    return boot.report(runtime, boot.absent(runtime), dhcp)


def moving(runtime: Runtime, dhcp: AbstractSet[str] = frozenset()) -> List[str]:
    return [line for line in said(runtime, dhcp) if line.startswith("moving")]


def test_both_families_are_told_in_the_words_of_the_chapter() -> None:
    files_of_two = {"hostname_eth1": f"{A1} group g up\n", "hostname6_eth1": f"group g up addif {A6} up\n"}
    assert said(host("eth2", **files_of_two, hostname_eth2="group g up\n")) == [
        "Failed to plumb IPv4 interface(s): eth1",
        "Failed to plumb IPv6 interface(s): eth1",
        "moving addresses from failed IPv4 interfaces: eth1 (moved to eth2).",
        "moving addresses from failed IPv6 interfaces: eth1 (moved to eth2).",
    ]
    assert moving(host("", **files_of_two)) == [
        "moving addresses from failed IPv4 interfaces: eth1 (couldn't move; no alternative interface).",
        "moving addresses from failed IPv6 interfaces: eth1 (couldn't move; no alternative interface).",
    ]


def test_nothing_is_said_where_everything_is_there() -> None:
    runtime = host("eth1 eth2", hostname_eth1=f"{A1} group g up\n", hostname_eth2="group g up\n")
    assert boot.absent(runtime) == frozenset()
    assert said(runtime) == []


def test_all_missing_ones_of_a_family_stand_on_one_line_each_with_its_own_fate() -> None:
    runtime = host(
        "eth2 eth4",
        hostname_eth5="192.0.2.15/24 up\n",
        hostname_eth3="198.51.100.13/24 group h up\n",
        hostname_eth1=f"{A1} group g up\n",
        hostname_eth2="group g up\n",
        hostname_eth4="group h up\n",
    )
    assert said(runtime) == [
        "Failed to plumb IPv4 interface(s): eth1 eth3 eth5",
        f"{FAILED4}eth1 (moved to eth2) eth3 (moved to eth4) eth5 ({NOBODY}).",
    ]


def test_a_name_with_several_files_is_told_once() -> None:  # MISS-5
    texts = {"hostname_eth1": f"{A1} group g up\n", "hostname_eth1:1": "192.0.2.12/24 up\n"}
    assert said(host("eth2", **texts, hostname_eth2="group g up\n")) == [
        "Failed to plumb IPv4 interface(s): eth1",
        f"{FAILED4}eth1 (moved to eth2).",
    ]


def test_an_ipv6_file_may_name_the_group_for_both() -> None:  # MISS-2
    texts = {"hostname_eth1": f"{A1}\n", "hostname6_eth1": "group g up\n"}
    assert moving(host("eth2", **texts, hostname_eth2="group g up\n")) == [
        f"{FAILED4}eth1 (moved to eth2).",
        f"{FAILED6}eth1 (moved to eth2).",
    ]


@pytest.mark.parametrize(
    ("text", "fate"),
    [
        ("", NOBODY),  # MISS-4, MISS-6
        ("192.0.2.11/24 up\n", NOBODY),
        ("group g up\n", "moved to eth3"),
        (f"{T1} group g deprecated -failover up\n", "moved to eth3"),
        ("group g standby up\n", "moved to eth3"),
    ],
    ids=["empty", "no group", "group only", "test address only", "standby"],
)
def test_files_without_anything_to_move(text: str, fate: str) -> None:
    runtime = host("eth2 eth3", hostname_eth1=text, hostname_eth2="group g up\n", hostname_eth3="group g standby up\n")
    assert moving(runtime) == [f"{FAILED4}eth1 ({fate})."]
    assert not set(runtime.hosting) - {"192.0.2.12"}


def test_the_line_names_the_nic_that_has_the_addresses() -> None:
    """It is the standby (MISS-2), but for one whose link is down, where another's is up."""
    texts = {"hostname_eth1": f"{A1} group g up\n", "hostname_eth2": "group g up\n"}
    runtime = host("eth2 eth3", **texts, hostname_eth3="group g standby up\n")
    assert moving(runtime) == [f"{FAILED4}eth1 (moved to eth3)."]
    runtime.hosting["192.0.2.11"] = "eth2"
    assert moving(runtime) == [f"{FAILED4}eth1 (moved to eth2)."]


def test_a_family_without_data_addresses_is_told_where_the_other_family_went() -> None:
    texts = {"hostname_eth1": f"{A1} group g up\n", "hostname6_eth1": "-failover group g up\n"}
    runtime = host("eth2 eth3", **texts, hostname_eth2="group g up\n", hostname_eth3="group g up\n")
    runtime.hosting["192.0.2.11"] = "eth3"
    assert moving(runtime) == [f"{FAILED4}eth1 (moved to eth3).", f"{FAILED6}eth1 (moved to eth3)."]


def test_each_family_is_told_where_its_own_addresses_are() -> None:
    texts = {"hostname_eth1": f"{A1} group g up\n", "hostname6_eth1": f"group g up addif {A6} up\n"}
    runtime = host("eth2 eth3", **texts, hostname_eth2="group g up\n", hostname_eth3="group g up\n")
    runtime.hosting.update({"192.0.2.11": "eth2", "2001:db8::11": "eth3"})
    assert moving(runtime) == [f"{FAILED4}eth1 (moved to eth2).", f"{FAILED6}eth1 (moved to eth3)."]


@pytest.mark.parametrize("state", ["offline", "twin", "detached"])
def test_an_alternative_must_be_plumbed(state: str) -> None:
    runtime = host("eth2", hostname_eth1="group g up\n", hostname_eth2="group g up\n")
    setattr(runtime.nics["eth2"], state, True)
    assert moving(runtime) == [f"{FAILED4}eth1 ({NOBODY})."]


def test_dhcp_that_could_not_be_had_is_told_for_those_whose_ipv4_file_is_there() -> None:  # BOOT-4
    texts: Dict[str, str] = {"hostname_eth1": "", "hostname6_eth2": ""}
    assert said(host("", **texts), frozenset({"eth1", "eth2"})) == [
        "Failed to plumb IPv4 interface(s): eth1",
        "Failed to plumb IPv6 interface(s): eth2",
        "Failed to configure IPv4 DHCP interface(s): eth1",
        f"{FAILED4}eth1 ({NOBODY}).",
        f"{FAILED6}eth2 ({NOBODY}).",
    ]


def test_detached_ones_are_not_missing() -> None:
    names = [f"eth{n}" for n in (1, 2, 3)]
    runtime = host("", **{f"hostname_{name}": "group g up\n" for name in names})
    runtime.nics["eth2"].detached = True  # in this boot
    assert boot.absent(runtime, {"eth3"}) == {"eth1"}  # eth3: in the last one


def test_what_is_still_to_be_said_survives_a_restart() -> None:
    runtime = host("", hostname_eth1="group g up\n")
    runtime.missing = boot.absent(runtime)
    after = host("", hostname_eth1="group g up\n")
    after.load(runtime.dump())
    assert after.missing == {"eth1"}
    after.load({})  # written by a daemon that knew nothing of it: this boot was judged, if at all, by that one
    assert after.missing == frozenset()
