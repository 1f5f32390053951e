# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other configurations become groups: each folder of fixtures/migration holds a host's files and what is expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.netpath.ipmp.plugins.filter.hostname_lines import hostname_lines
from ansible_collections.netpath.ipmp.plugins.filter.to_ipmp_groups import to_ipmp_groups
from ansible_collections.netpath.ipmp.plugins.filter.to_ipmp_notes import to_ipmp_notes
from hypothesis import given
from hypothesis import strategies as st

FIXTURES = Path(__file__).parents[1] / "fixtures"
CASES = sorted((FIXTURES / "migration").iterdir())


def texts(case: Path) -> Dict[str, str]:
    """By path; what stands in commands/ was printed by the command that names it."""
    found = {str(p.relative_to(case)): p.read_text() for p in case.rglob("*") if p.is_file() and p.parent != case}
    return {name[9:] if name.startswith("commands/") else f"/{name}": text for name, text in found.items()}


def rendered(groups: Any) -> Dict[str, str]:
    """The hostname files that the roles write for these groups."""
    return {
        f"/etc/hostname{'6' if family == 6 else ''}.{interface['name']}": text
        for group in groups
        for interface in group["interfaces"]
        for family in (4, 6)
        for text in [hostname_lines(interface, group["name"], family)]
        if text
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_host_becomes_what_is_expected(case: Path) -> None:
    expected = yaml.safe_load((case / "expected.yml").read_text())
    assert to_ipmp_groups(texts(case), expected["names"]) == expected["groups"]
    assert to_ipmp_notes(texts(case), expected["names"]) == expected["notes"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_the_roles_write_for_it_reads_back_as_the_same(case: Path) -> None:
    expected = yaml.safe_load((case / "expected.yml").read_text())["groups"]
    again = to_ipmp_groups(rendered(expected))
    assert sorted(again, key=lambda g: g["name"]) == sorted(map(members_only, expected), key=lambda g: g["name"])


def members_only(group: Any) -> Any:
    interfaces = sorted(group["interfaces"], key=lambda i: i["name"])
    return {"name": group["name"], "interfaces": interfaces}


@pytest.mark.parametrize("case", sorted((FIXTURES / "hostname").iterdir()), ids=lambda case: case.name)
def test_the_vendors_own_examples_are_taken(case: Path) -> None:
    given_ = {f"/etc/{path.name}": path.read_text() for path in case.iterdir()}
    given_["/etc/hosts"] = "".join(f"192.0.2.{n} host{letter}\n" for n, letter in enumerate("ABC", 1))
    (group,) = to_ipmp_groups(given_)
    assert {i["name"] for i in group["interfaces"]} == {path.name.partition(".")[2] for path in case.iterdir()}
    assert not [note for note in to_ipmp_notes(given_) if note.startswith("NOT")]


NICS = st.lists(st.sampled_from(["eth1", "eth2", "eth3", "eth4"]), min_size=1, unique=True)
NUMBERS = st.lists(st.integers(1, 254), max_size=6, unique=True)


@given(NICS, NUMBERS, st.sampled_from(["active-backup", "802.3ad", "balance-rr", "balance-xor", "balance-alb", "0"]))
def test_no_address_of_a_bond_gets_lost_or_doubled(members: Any, numbers: Any, mode: str) -> None:
    cidrs = [f"192.0.2.{number}/24" for number in numbers]
    bond = {"interfaces": members, "addresses": cidrs, "parameters": {"mode": mode}}
    (group,) = to_ipmp_groups({"/etc/netplan/1.yaml": yaml.safe_dump({"network": {"bonds": {"bond0": bond}}})})
    assert [i["name"] for i in group["interfaces"]] == members
    assert sorted(c for i in group["interfaces"] for c in i.get("data_addresses", [])) == sorted(cidrs)
    standby = [i["name"] for i in group["interfaces"] if i.get("standby")]
    assert standby == (members[1:] if mode == "active-backup" else [])


BOND = "iface bond0 inet static\n address 192.0.2.1/24\n bond-slaves eth1 eth2\n"


@pytest.mark.parametrize(
    ("given_", "sentence"),
    [
        ({"/etc/passwd": ""}, "/etc/passwd: this is no file that can be migrated"),
        ({"/etc/netplan/a.yaml": "network: ["}, "/etc/netplan/a.yaml: this is not netplan's YAML"),
        ({"/etc/netplan/a.yaml": "ethernets: {}"}, "/etc/netplan/a.yaml: this is not netplan's YAML"),
        ({"/etc/netplan/a.yaml": "network: {bonds: [bond0]}"}, "/etc/netplan/a.yaml: this is not netplan's YAML"),
        ({"/etc/netplan/a.yaml": "network: {ethernets: {eth1: x}}"}, "/etc/netplan/a.yaml: this is not netplan's YAML"),
        (
            {"/etc/netplan/a.yaml": "network: {bonds: {bond0: {interfaces: eth1}}}"},
            "/etc/netplan/a.yaml: this is not netplan's YAML",
        ),
        ({"a.nmconnection": "hello"}, "a.nmconnection: this is neither a NetworkManager keyfile nor"),
        ({"/proc/net/bonding/bond0": "hello"}, "/proc/net/bonding/bond0: this is not what the kernel writes there"),
        ({"ip -json route": "default via"}, "ip -json route: this is not JSON"),
        ({"ip -json route": "null"}, "ip -json route: this is not what ip prints"),
        (
            {"/etc/network/interfaces": BOND.replace("/24", "")},
            "'192.0.2.1' of bond0 is not an address with its length",
        ),
        (
            {"/etc/network/interfaces": BOND.replace("eth2", "a-name-that-is-too-long")},
            "no interface can have the name",
        ),
        ({"/etc/network/interfaces": BOND + " gateway router\n"}, "router"),
        ("192.0.2.1", "give a dictionary of texts by path"),
    ],
)
def test_what_is_nothing_known_is_refused_with_a_sentence(given_: Any, sentence: str) -> None:
    for read in (to_ipmp_groups, to_ipmp_notes):
        with pytest.raises(AnsibleFilterError, match=f"{read.__name__}: "):
            read(given_)
    with pytest.raises(AnsibleFilterError) as refused:
        to_ipmp_groups(given_)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("given_", "sentence"),
    [
        ({"/etc/network/interfaces": BOND + " bond-mode 802.3ad\n"}, "LACP (802.3ad) of bond0 cannot be carried over"),
        ({"/etc/network/interfaces": BOND + " bond-mode 0\n"}, "mode 0 of bond0 cannot be carried over"),
        ({"/etc/network/interfaces": BOND.replace("eth2", "")}, "bond0 has a single member, eth1"),
        ({"/etc/network/interfaces": "iface b inet dhcp\n bond-slaves eth1 eth2\n"}, "b has its address from DHCP"),
        ({"/etc/network/interfaces": BOND + "iface br0 inet dhcp\n bridge_ports bond0\n"}, "br0 is a bridge of bond0"),
        ({"/etc/hostname.eth1": "192.0.2.1/24 group g trailers up"}, "NOT carried over, correct it first: /etc/host"),
        ({"/etc/hostname.eth1": "192.0.2.1/24 group g\naddif 192.0.2.2/24 down"}, "192.0.2.2 is down and is left out"),
        ({"/etc/hostname.ipmp0": "ipmp group g 192.0.2.1/24 up"}, "no NIC's file names group 'g'"),
        ({"/etc/hostname.eth1": "192.0.2.1/² group g up"}, "NOT carried over, correct it first: /etc/hostname.eth1"),
        (
            {"/etc/hostname6.eth1": "addif db1/64 group g up", "/etc/hosts": "2001:db8::1%eth1 db1"},
            "write the address without '%' and scope",
        ),
        (
            {"/etc/hostname.eth1": "192.0.2.1/24 group g up", "/etc/defaultrouter": "192.0.3.1"},
            "router 192.0.3.1 is in",
        ),
    ],
)
def test_what_cannot_be_carried_over_is_said(given_: Dict[str, str], sentence: str) -> None:
    assert [note for note in to_ipmp_notes(given_) if sentence in note]


def test_the_labels_of_ifupdown_are_addresses_of_their_nic() -> None:
    text = "iface eth1 inet static\n address 192.0.2.1/24\niface eth1:1 inet static\n address 192.0.2.2/24\n"
    text += "iface eth2 inet static\n address 192.0.2.3/24\n mtu ²\n"
    (group,) = to_ipmp_groups({"/etc/network/interfaces": text})
    assert group["interfaces"] == [
        {"name": "eth1", "data_addresses": ["192.0.2.1/24", "192.0.2.2/24"]},
        {"name": "eth2", "data_addresses": ["192.0.2.3/24"]},
    ]


@pytest.mark.parametrize("names", [["hme0"], "hme0=eth1", {"hme0": None}, {"hme0": 5}])
def test_new_names_that_are_no_dictionary_of_names_are_refused(names: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="to_ipmp_groups: give new names as a dictionary"):
        to_ipmp_groups({"/etc/hostname.hme0": "192.0.2.1/24 group g up"}, names)


def test_a_running_bond_takes_nothing_from_the_file_that_describes_it() -> None:
    files = {"/etc/network/interfaces": BOND + " bond-mode active-backup\n"}
    proc = texts(FIXTURES / "migration" / "running")
    assert to_ipmp_groups({**proc, **files}) == to_ipmp_groups(files)
