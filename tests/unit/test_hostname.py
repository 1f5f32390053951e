# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The grammar of hostname files: what the words mean, and what is said of wrong ones."""

from __future__ import annotations

import pathlib

import pytest

from ipmp import hostname
from ipmp.hostname_words import file_name, legal_interface
from ipmp.model import Address, ConfigError, Interface

FIXTURES = pathlib.Path(__file__).parent / "fixtures" / "hostname"
HOSTS = {("hostA", 4): "192.168.85.19", ("hostA", 6): "2001:db8::19"}


def data(ip, **more):
    return Address(ip, 24, broadcast=ip.rsplit(".", 1)[0] + ".255", **more)


def parse4(text):
    return hostname.parse("eth1", {4: text}, resolve=lambda *key: HOSTS.get(key))


def parse6(text):
    return hostname.parse("eth1", {6: text}, resolve=lambda *key: HOSTS.get(key))


CANONICAL = {
    "active-active/hostname.hme0": Interface(
        "hme0",
        "testgroup1",
        addresses=(data("192.168.85.19"), data("192.168.85.21", test=True, deprecated=True)),
        inet=True,
    ),
    "active-active/hostname.hme1": Interface(
        "hme1",
        "testgroup1",
        addresses=(data("192.168.85.20"), data("192.168.85.22", test=True, deprecated=True)),
        inet=True,
    ),
    "active-standby/hostname.hme1": Interface(
        "hme1", "test", standby=True, addresses=(data("192.168.85.22", test=True, deprecated=True),), inet=True
    ),
    "ipv6/hostname6.hme0": Interface("hme0", "testgroup1", inet6=True, link_local_test=True),
    "ipv6-standby/hostname6.hme1": Interface("hme1", "test", standby=True, inet6=True, link_local_test=True),
    "link-based/hostname.hme0": Interface("hme0", "ipmp0", addresses=(data("192.168.85.19"),), inet=True),
    "link-based/hostname.hme1": Interface("hme1", "ipmp0", inet=True),
    "singleton/hostname.hme0": Interface("hme0", "v4test", addresses=(data("192.168.85.19", test=True),), inet=True),
    "three-addresses/hostname.hme0": Interface(
        "hme0",
        "one",
        addresses=(
            Address("10.0.0.4", 8, test=True, broadcast="10.255.255.255"),
            Address("10.0.0.5", 8, broadcast="10.255.255.255"),
            Address("10.0.0.6", 8, broadcast="10.255.255.255"),
        ),
        inet=True,
    ),
}


def test_every_fixture_is_judged():
    assert {str(p.relative_to(FIXTURES)) for p in FIXTURES.glob("*/*")} == set(CANONICAL)


@pytest.mark.parametrize("name", CANONICAL)
def test_the_canonical_files_of_the_manual_mean_what_it_says(name):
    family = 6 if "hostname6" in name else 4
    text = (FIXTURES / name).read_text()
    got = hostname.parse(name.rpartition(".")[2], {family: text}, resolve=lambda *key: HOSTS.get(key))
    assert got == CANONICAL[name]


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("192.0.2.1", [data("192.0.2.1")]),  # HN-2: netmask, broadcast and up are appended
        ("\n# ours\n192.0.2.1\n\n# more\n", [data("192.0.2.1")]),  # blank lines and comments do not count
        ("192.0.2.1/25", [Address("192.0.2.1", 25, broadcast="192.0.2.127")]),
        ("192.0.2.1 netmask 255.255.255.128", [Address("192.0.2.1", 25, broadcast="192.0.2.127")]),
        ("192.0.2.1 netmask 0xffffff80", [Address("192.0.2.1", 25, broadcast="192.0.2.127")]),
        ("192.0.2.1 netmask ffffff80", [Address("192.0.2.1", 25, broadcast="192.0.2.127")]),
        ("172.16.0.1", [Address("172.16.0.1", 16, broadcast="172.16.255.255")]),  # by class
        ("192.0.2.1/31", [Address("192.0.2.1", 31)]),
        ("192.0.2.1/32", [Address("192.0.2.1", 32)]),
        ("192.0.2.1/24 down", [data("192.0.2.1")]),  # HN-2: 'up' comes after it
        ("plumb\n192.0.2.1/24 down", [data("192.0.2.1", up=False)]),
        ("plumb\n192.0.2.1/24", [data("192.0.2.1", up=False)]),  # HN-2: nothing is appended to two lines
        ("plumb\n192.0.2.1/24 broadcast 192.0.2.200 up", [Address("192.0.2.1", 24, broadcast="192.0.2.200")]),
        ("plumb\n192.0.2.1/24 broadcast 0.0.0.0 up", [Address("192.0.2.1", 24)]),
        ("plumb\nset 192.0.2.1/24 up", [data("192.0.2.1")]),
        ("inet 192.0.2.1/24 up\ninet addif 192.0.2.2/24 up", [data("192.0.2.1"), data("192.0.2.2")]),
        ("192.0.2.1/24 up addif 192.0.2.2/24 up", [data("192.0.2.1"), data("192.0.2.2")]),
        ("192.0.2.1/24 addif 192.0.2.2/24", [data("192.0.2.1", up=False), data("192.0.2.2")]),
        ("192.0.2.1/24 up\naddif 192.0.2.2/24 up\nremoveif 192.0.2.1", [data("192.0.2.2")]),
        ("192.0.2.1/24 up\naddif 192.0.2.2/24 up\nremoveif 192.0.2.2", [data("192.0.2.1")]),
        # a new line is about the interface's own address again
        ("192.0.2.1/24 up\naddif 192.0.2.2/24 up\ndeprecated", [data("192.0.2.1", deprecated=True), data("192.0.2.2")]),
        ("-failover 192.0.2.1/24", [data("192.0.2.1", test=True)]),
        ("192.0.2.1/24 -failover failover", [data("192.0.2.1")]),  # the last word counts
        ("0.0.0.0 group g", []),
        ("192.0.2.1/24 private -preferred plumb", [data("192.0.2.1")]),
        # HN-5: the broadcast address is that of the mask as it was then
        (
            "plumb\n192.0.2.1 broadcast + netmask 255.255.255.128 up",
            [Address("192.0.2.1", 25, broadcast="192.0.2.255")],
        ),
        ("hostA/25", [Address("192.168.85.19", 25, broadcast="192.168.85.127")]),
        ("", []),
        ("# only a comment\n", []),
    ],
)
def test_ipv4_addresses(text, addresses):
    got = parse4(text)
    assert got.addresses == tuple(addresses)
    assert got.inet
    assert not got.inet6


@pytest.mark.parametrize(
    ("text", "link_local_test", "addresses"),
    [
        ("", False, []),
        ("group g up", False, []),
        ("-failover group g", True, []),
        ("-failover failover group g", False, []),
        ("group g up\naddif 2001:db8::1/64 up", False, [Address("2001:db8::1", 64)]),
        ("addif 2001:DB8:0::1/64", False, [Address("2001:db8::1", 64, up=False)]),
        ("2001:db8::1/64 group g", False, [Address("2001:db8::1", 64)]),  # HN-3: its own unit is brought up
        ("2001:db8::1/64 -failover group g", False, [Address("2001:db8::1", 64, test=True)]),
        ("-failover group g\naddif 2001:db8::1/64 -failover up", True, [Address("2001:db8::1", 64, test=True)]),
        ("inet6 addif hostA/64 up", False, [Address("2001:db8::19", 64)]),
        (":: -failover up", True, []),
    ],
)
def test_ipv6_files(text, link_local_test, addresses):
    got = parse6(text)
    assert (got.link_local_test, got.addresses) == (link_local_test, tuple(addresses))
    assert got.inet6
    assert not got.inet


def test_words_of_the_interface():
    assert parse4("192.0.2.1/24 group g standby mtu 9000") == Interface(
        "eth1", "g", True, 9000, (data("192.0.2.1"),), inet=True
    )
    assert not parse4("standby -standby").standby
    assert parse4('group a\ngroup ""').group is None
    assert parse4("group a\ngroup b").group == "b"


def test_a_word_in_one_file_holds_for_both_families():
    got = hostname.parse("eth1", {4: "192.0.2.1/24 group g standby", 6: "addif 2001:db8::1/64 up"})
    assert (got.group, got.standby, [a.family for a in got.addresses]) == ("g", True, [4, 6])


def test_an_address_that_stays_down_by_omission_is_pointed_out():
    file = hostname.parse_file("/etc/hostname.eth1", "192.0.2.1/24 up\n\naddif 192.0.2.2/24\n")
    assert file.warnings == ("/etc/hostname.eth1, line 3: 192.0.2.2 stays down, because no 'up' stands after it",)


def test_a_down_that_has_no_effect_is_pointed_out():
    (warning,) = hostname.parse_file("/etc/hostname.eth1", "192.0.2.1/24 down").warnings
    assert "192.0.2.1 is up in spite of 'down'" in warning


def test_a_length_by_class_is_pointed_out():
    (warning,) = hostname.parse_file("/etc/hostname.eth1", "10.1.2.3 netmask +").warnings
    assert "10.1.2.3 gets the length /8 of its class" in warning


WRONG4 = [
    ("gorup g", 1, 1, "unknown word 'gorup'; did you mean 'group'?"),
    ("192.0.2.1/24 \\\n  depricated up", 2, 3, "unknown word 'depricated'; did you mean 'deprecated'?"),
    ("192.0.2.1/24 failover_ up", 1, 14, "unknown word 'failover_'; did you mean 'failover'?"),
    ("192.0.2.1/24 @@", 1, 14, "unknown word '@@'; remove it"),
    ("hostB group g", 1, 1, "host name 'hostB' has no IPv4 address in /etc/hosts"),
    ("set hostB", 1, 5, "host name 'hostB' has no IPv4 address in /etc/hosts"),
    (
        "192.0.2.1/24 192.0.2.2",
        1,
        14,
        "would be the far end of a point-to-point link, which IPMP cannot use; write 'addif",
    ),
    ("192.0.2.1 255.255.255.0", 1, 11, "write 'netmask 255.255.255.0' if it is the mask of 192.0.2.1"),
    ("192.0.2.1/24\n192.0.2.2/24", 2, 1, "eth1 already has 192.0.2.1 from line 1; write 'addif 192.0.2.2/24'"),
    ("192.0.2.1/24 up\naddif 192.0.2.1/24 up", 2, 7, "address 192.0.2.1 is given twice for eth1"),
    ("192.0.2.300/24", 1, 1, "'192.0.2.300' is not an IPv4 address"),
    ("192.0.2.1/33", 1, 1, "prefix length '33' of 192.0.2.1 is not a number from 1 to 32"),
    ("192.0.2.1/", 1, 1, "prefix length '' of 192.0.2.1"),
    ("192.0.2.1/²", 1, 1, "prefix length '²' of 192.0.2.1 is not a number from 1 to 32"),
    (f"192.0.2.1/{'9' * 5000}", 1, 1, "prefix length '99"),
    ("mtu ²", 1, 5, "mtu '²' is not a number from 68 to 65535"),
    (f"mtu {'9' * 5000}", 1, 5, "mtu '99"),
    ("2001:db8::1/64 up", 1, 1, "IPv6 addresses belong into /etc/hostname6.eth1"),
    ("inet6 up", 1, 1, "'inet6' belongs into /etc/hostname6.eth1"),
    ("192.0.2.0/24", 1, 1, "192.0.2.0/24 is the address of a whole network"),
    ("192.0.2.255/24", 1, 1, "192.0.2.255/24 is the broadcast address of its network"),
    ("224.0.0.1/24", 1, 1, "224.0.0.1 is not an address that a host can have"),
    ("127.0.0.1/8", 1, 1, "127.0.0.1 is not an address that a host can have"),
    ("addif 0.0.0.0", 1, 7, "'addif 0.0.0.0' adds nothing"),
    ("addif", 1, 1, "'addif' needs an address after it"),
    ("192.0.2.1/24 group", 1, 14, "'group' needs a name after it"),
    ("group " + "x" * 32, 1, 7, "has 32 characters; at most 31 are allowed, choose a shorter name"),
    ("group -failover", 1, 7, "'-failover' is not a legal group name"),
    ("group a[b]", 1, 7, "'a[b]' is not a legal group name"),
    ("mtu 20", 1, 5, "mtu '20' is not a number from 68 to 65535"),
    ("mtu big", 1, 5, "mtu 'big' is not a number"),
    ("192.0.2.1 netmask 255.0.255.0", 1, 19, "'255.0.255.0' is not a netmask"),
    ("192.0.2.1 netmask x", 1, 19, "'x' is not a netmask"),
    ("192.0.2.1 broadcast 192.0.2.255/24", 1, 21, "the broadcast address is written without a length"),
    ("192.0.2.1/24 up\nremoveif 192.0.2.2", 2, 10, "no address 192.0.2.2 stands before this"),
    ("192.0.2.1/24 up # web", 1, 17, "a comment needs a line of its own"),
    ("192.0.2.1/24 metric 1", 1, 14, "'metric' cannot be honoured on Linux: remove it; routes of a group belong into"),
    ("192.0.2.1/24 preferred", 1, 14, "mark the interface's other addresses 'deprecated' instead"),
    ("ipmp group g", 1, 1, "addresses sit on the NICs here"),
    ("dhcp", 1, 1, "leave the address to the DHCP client"),
]


@pytest.mark.parametrize(("text", "line", "column", "sentence"), WRONG4)
def test_a_wrong_word_is_named_with_its_place_and_the_way_out(text, line, column, sentence):
    with pytest.raises(ConfigError) as error:
        parse4(text)
    assert str(error.value).startswith(f"/etc/hostname.eth1, line {line}, column {column}: ")
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "word",
    [
        *("ether", "index", "token", "zone", "usesrc", "modinsert", "modremove", "xmit", "-xmit", "arp", "-arp", "nud"),
        *(
            "trailers",
            "-trailers",
            "subnet",
            "anycast",
            "local",
            "unplumb",
            "auto-dhcp",
            "router",
            "destination",
            "tsrc",
        ),
    ],
)
def test_words_that_linux_cannot_honour_are_refused(word):
    with pytest.raises(
        ConfigError, match=rf"^/etc/hostname.eth1, line 2, column 1: '{word}' cannot be honoured on Linux"
    ):
        parse4(f"192.0.2.1/24 group g up\n{word} x")


@pytest.mark.parametrize(
    ("text", "line", "column", "sentence"),
    [
        ("addif 2001:db8::1 up", 1, 7, "needs a prefix length; write it as 2001:db8::1/64"),
        ("addif 192.0.2.1/24", 1, 7, "IPv4 addresses belong into /etc/hostname.eth1"),
        ("inet up", 1, 1, "'inet' belongs into /etc/hostname.eth1"),
        ("addif fe80::1/64 up", 1, 7, "fe80::1 is link-local, and the kernel makes that address itself"),
        ("addif fe80::1%eth1/64 up", 1, 7, "fe80::1%eth1"),
        ("addif 2001:db8::g/64 up", 1, 7, "'2001:db8::g' is not an IPv6 address"),
        ("addif 2001:db8::1/64 netmask +", 1, 30, "'netmask' is for IPv4"),
        ("addif 2001:db8::1/64 broadcast +", 1, 32, "'broadcast' is for IPv4"),
        ("mtu 1000", 1, 5, "mtu '1000' is not a number from 1280 to 65535"),
        ("addif hostB/64", 1, 7, "host name 'hostB' has no IPv6 address in /etc/hosts"),
    ],
)
def test_a_wrong_word_in_an_ipv6_file(text, line, column, sentence):
    with pytest.raises(ConfigError) as error:
        parse6(text)
    assert str(error.value).startswith(f"/etc/hostname6.eth1, line {line}, column {column}: ")
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("v4", "v6", "sentence"),
    [
        ("group a", "group b", "group of eth1 is 'b' here but 'a' in /etc/hostname.eth1; write the same in both"),
        ("group a standby", "-standby", "standby of eth1 is off here but on in /etc/hostname.eth1"),
        ("mtu 1000", "group a", "mtu 1000 of eth1 is too little for IPv6, which needs 1280"),
        ("mtu 1500", "mtu 9000", "mtu of eth1 is '9000' here but '1500' in /etc/hostname.eth1"),
    ],
)
def test_the_two_files_of_an_interface_contradict_each_other(v4, v6, sentence):
    with pytest.raises(ConfigError) as error:
        hostname.parse("eth1", {4: v4, 6: v6})
    assert str(error.value).startswith("/etc/hostname6.eth1: ")
    assert sentence in str(error.value)


def test_an_illegal_interface_name():
    with pytest.raises(ConfigError, match=r"^/etc/hostname.sixteencharacter: no interface can have this name"):
        hostname.parse("sixteencharacter", {4: ""})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/etc/hostname.eth1", (4, "eth1", 0)),
        ("/etc/hostname6.eth1", (6, "eth1", 0)),
        ("/etc/hostname.eth1:2", (4, "eth1", 2)),
        ("/etc/hostname.eth1.100", (4, "eth1.100", 0)),
        ("/etc/hostname", None),
        ("/etc/hostname.", None),
        ("/etc/hostname.eth1:x", None),
        ("/etc/hostname.sixteencharacter", None),
        *((f"/etc/hostname.{s}", None) for s in ("bak", "old", "orig", "save", "rpmnew", "dpkg-dist", "eth1~")),
        *((f"/etc/hostname.eth1.{s}", None) for s in ("bak", "old", "orig", "save", "rpmsave", "dpkg-old")),
    ],
)
def test_which_paths_are_hostname_files(path, expected):
    assert file_name(path) == expected


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "a:1", "x" * 16])
def test_names_that_no_interface_can_have(name):
    assert not legal_interface(name)
