# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering and editing hostname files, judged by reading them back."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from ipmp import hostname
from ipmp.hostname_edit import edit, same_meaning
from ipmp.model import Address, ConfigError, Interface

BYTE = st.integers(1, 254)


@st.composite
def addresses4(draw):
    prefixlen = draw(st.sampled_from([8, 16, 24, 25, 31, 32]))
    host = draw(st.sampled_from([1, 2, 3, 129, 200]))
    usual = hostname.default_broadcast(f"10.1.2.{host}", prefixlen)
    broadcast = draw(st.sampled_from([usual, usual, None, "10.1.2.77"]))
    flags = [draw(st.booleans()) for _ in range(3)]
    return Address(f"10.1.2.{host}", prefixlen, *flags, broadcast)


@st.composite
def addresses6(draw):
    return Address(
        f"2001:db8::{draw(BYTE):x}", draw(st.sampled_from([48, 64, 128])), *[draw(st.booleans()) for _ in "123"]
    )


def lists(of):
    return st.lists(of, max_size=4, unique_by=lambda a: a.ip)


@st.composite
def interfaces(draw):
    inet, inet6 = draw(st.sampled_from([(True, False), (False, True), (True, True)]))
    return Interface(
        "eth1",
        draw(st.sampled_from([None, "g", "prod.1", "standby"])),
        draw(st.booleans()),
        draw(st.sampled_from([None, 1280, 9000])),
        tuple(draw(lists(addresses4())) if inet else []) + tuple(draw(lists(addresses6())) if inet6 else []),
        inet,
        inet6,
        inet6 and draw(st.booleans()),
    )


WORDS4 = ["10.1.2.1", "10.1.2.2/24", "set", "addif", "removeif", "netmask", "+", "broadcast", "255.255.255.0", "group"]
WORDS4 += ["g", '""', "standby", "-standby", "deprecated", "-failover", "failover", "up", "down", "private", "plumb"]
WORDS4 += ["mtu", "1500", "inet", "\\\n", "\n", "\n# a comment\n", "gorup", "hostA", "addif 10.1.2.3/24", "netmask +"]
WORDS6 = [
    "2001:db8::1/64",
    "addif 2001:db8::2/64",
    "-failover",
    "failover",
    "group g",
    "standby",
    "up",
    "down",
    "inet6",
]
WORDS6 += ["\n", "\\\n", "deprecated", "mtu 1500", "addif 2001:db8::3/64 -failover up"]


def texts(words):
    return st.lists(st.sampled_from(words), max_size=14).map(" ".join)


OWN4 = ["group g", "group h", "standby", "-standby", "mtu 1500", "deprecated", "-failover", "up", "down", "private"]
OWN4 += ["netmask +", "netmask 255.255.255.0", "broadcast +", "broadcast 10.1.2.77"]
OWN6 = ["group g", "standby", "deprecated", "-failover", "failover", "up", "down", "-preferred"]
JOINTS = st.sampled_from(["\n", "\n", " \\\n   ", "\n# a comment\n", "\n\n", " "])


@st.composite
def right_texts(draw, own, addresses):
    """Texts that are nearly always right: addresses once each, with any words, on any lines."""
    some = st.lists(st.sampled_from(own), max_size=5).map(" ".join)
    first, *others = draw(st.lists(st.sampled_from(addresses), max_size=4, unique=True)) or [""]
    text = draw(some) + " " + draw(st.sampled_from(["", first])) + " " + draw(some)
    for address in others:
        text += f"{draw(JOINTS)}addif {address} {draw(some)}"
    return text + draw(st.sampled_from(["", "\n"]))


def right4():
    return right_texts(OWN4, ["10.1.2.1", "10.1.2.2/24", "10.1.2.3/32", "hostA", "10.1.2.5/16"])


def right6():
    return right_texts(OWN6, ["2001:db8::1/64", "2001:db8::2/64", "2001:db8:1::3/128"])


def names(_name, family):
    return "10.1.2.9" if family == 4 else None


def refusal(read, *arguments):
    """The ConfigError, or None."""
    try:
        read(*arguments)
    except ConfigError as error:
        return error
    return None


def parsed(texts_of_families):
    return hostname.parse("eth1", texts_of_families, resolve=names)


@given(interfaces())
def test_what_is_rendered_reads_back_as_the_same(interface):
    assert hostname.parse("eth1", hostname.render(interface)) == interface


@settings(max_examples=300)
@given(texts(WORDS4) | right4(), texts(WORDS6) | right6())
def test_any_text_is_refused_with_a_sentence_or_survives_rendering(text4, text6):
    error = refusal(parsed, {4: text4, 6: text6})
    if error:
        assert str(error).startswith(("/etc/hostname.eth1", "/etc/hostname6.eth1"))
    else:
        interface = parsed({4: text4, 6: text6})
        assert hostname.parse("eth1", hostname.render(interface)) == interface


@settings(max_examples=300)
@given(st.text(max_size=60))
def test_no_text_makes_the_reader_stumble(text):
    for family in (4, 6):
        error = refusal(hostname.parse, "eth1", {family: text})
        assert error is None or (error.line, error.column) >= (1, 1)


@settings(max_examples=300)
@given(right4(), right6(), interfaces())
def test_an_edit_reaches_what_is_wanted_and_keeps_every_comment(text4, text6, wanted):
    before = {4: text4, 6: text6}
    if refusal(parsed, before):
        return
    after = edit(before, wanted, resolve=names)
    assert same_meaning(parsed(after), wanted)
    for family, text in after.items():
        comments = [line for line in before[family].split("\n") if line.lstrip().startswith("#")]
        assert [line for line in text.split("\n") if line.lstrip().startswith("#")] == comments


@given(right4(), right6())
def test_what_is_right_already_keeps_every_byte(text4, text6):
    before = {4: text4, 6: text6}
    if refusal(parsed, before):
        return
    wanted = parsed(before)
    reordered = replace(wanted, addresses=tuple(reversed(wanted.addresses)))
    assert edit(before, reordered, resolve=names) == before


BY_HAND = {
    4: "# the web server's NIC\n"
    "192.0.2.1  netmask + broadcast + group prod private up \\\n"
    "    addif 192.0.2.11 deprecated -failover netmask + broadcast + up\n"
    "# below: for the old customers\n"
    "addif 192.0.2.2 netmask + broadcast + up\n"
}
NOW = hostname.parse("eth1", BY_HAND)


def without(ip):
    return replace(NOW, addresses=tuple(a for a in NOW.addresses if a.ip != ip))


def test_an_address_goes_and_nothing_else():
    assert edit(BY_HAND, without("192.0.2.2")) == {
        4: BY_HAND[4].replace("addif 192.0.2.2 netmask + broadcast + up\n", "")
    }
    assert edit(BY_HAND, without("192.0.2.11")) == {
        4: "# the web server's NIC\n"
        "192.0.2.1  netmask + broadcast + group prod private up\n"
        "# below: for the old customers\n"
        "addif 192.0.2.2 netmask + broadcast + up\n"
    }


def test_the_first_address_goes_and_the_words_of_the_interface_stay():
    assert edit(BY_HAND, without("192.0.2.1"))[4].startswith(
        "# the web server's NIC\ngroup prod private \\\n    addif 192.0.2.11 deprecated"
    )


def test_an_address_comes_at_the_end():
    new = Address("192.0.2.3", 24, broadcast="192.0.2.255")
    wanted = replace(NOW, addresses=(*NOW.addresses, new))
    assert edit(BY_HAND, wanted) == {4: BY_HAND[4] + "addif 192.0.2.3/24 broadcast + up\n"}


def test_an_address_is_replaced_where_it_stood():
    new = Address("192.0.2.3", 24, broadcast="192.0.2.255")
    wanted = replace(without("192.0.2.2"), addresses=(*without("192.0.2.2").addresses, new))
    assert edit(BY_HAND, wanted)[4].endswith("# below: for the old customers\naddif 192.0.2.3/24 broadcast + up\n")


def test_group_and_standby_change_in_their_place():
    assert edit(BY_HAND, replace(NOW, group="web")) == {4: BY_HAND[4].replace("group prod", "group web")}
    assert edit(BY_HAND, replace(NOW, group=None)) == {4: BY_HAND[4].replace(" group prod", "")}
    assert edit(BY_HAND, replace(NOW, standby=True)) == {4: BY_HAND[4].replace("192.0.2.1 ", "192.0.2.1 standby ")}


def test_a_second_line_writes_out_what_was_appended_to_the_only_one():
    now = hostname.parse("eth1", {4: "192.0.2.1 group g\n"})
    new = Address("192.0.2.3", 24, broadcast="192.0.2.255")
    assert edit({4: "192.0.2.1 group g\n"}, replace(now, addresses=(*now.addresses, new))) == {
        4: "192.0.2.1 group g netmask + broadcast + up\naddif 192.0.2.3/24 broadcast + up\n"
    }


def test_a_family_that_is_not_wanted_has_no_text_and_a_new_one_is_rendered():
    wanted = replace(NOW, inet6=True, link_local_test=True)
    assert edit(BY_HAND, wanted) == {**BY_HAND, 6: f"{hostname.HEADER}\n-failover group prod up\n"}
    assert edit(edit(BY_HAND, wanted), NOW) == BY_HAND


def test_words_without_effect_are_added_where_they_are_missing():
    assert edit(BY_HAND, NOW, ["private"]) == BY_HAND
    assert edit(BY_HAND, NOW, ["-preferred"]) == {4: BY_HAND[4] + "-preferred\n"}
    assert "group g private up" in hostname.render(Interface("eth1", "g", inet=True), ["private"])[4]


def test_a_rendered_file_says_who_made_it():
    assert hostname.has_header(hostname.render(NOW)[4])
    assert not hostname.has_header(BY_HAND[4])
