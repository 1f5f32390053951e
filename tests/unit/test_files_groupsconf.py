# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""groups.conf and mpathd's defaults: meaning, refusals, and edits that keep what nobody asked about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipmp import groupsconf
from ipmp.model import ConfigError, Defaults, Group, Route

FULL = """\
# The site's groups.

[prod]
# the routers of floor 2
gateways = 192.0.2.254, 2001:DB8::FFFE
routes = 198.51.100.0/24 via 192.0.2.253,
    default via 192.0.2.254
; hosts to probe
targets = 192.0.2.250 192.0.2.251
failure_detection_time = 1000
failback = No

# the web servers
[web]
"""
PROD = Group(
    "prod",
    (),
    ("192.0.2.254", "2001:db8::fffe"),
    (Route("198.51.100.0/24", "192.0.2.253"), Route("0.0.0.0/0", "192.0.2.254")),
    ("192.0.2.250", "192.0.2.251"),
    1000,
    False,
)


def test_every_option_is_read():
    assert groupsconf.parse_groups(FULL) == (PROD, Group("web"))
    assert groupsconf.parse_groups("") == ()
    assert groupsconf.parse_groups("[g]\nroutes = default via fe80::1\n")[0].routes == (Route("::/0", "fe80::1"),)


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("gateways = 192.0.2.1\n", 1, "'gateways = 192.0.2.1' stands before the first section"),
        ("[a]\n\n[a]\n", 3, "group 'a' has a section further up; put all its options there"),
        ("[]\n", 1, "a section needs a group's name between the brackets"),
        ("[" + "x" * 32 + "]\n", 1, "has 32 characters; at most 31 are allowed"),
        ("# x\n[a b]\n", 2, "'a b' is not a legal group name"),
        ("[a]\ngateway = 192.0.2.1\n", 2, "unknown option 'gateway'; did you mean 'gateways'?"),
        ("[a]\nxyz = 1\n", 2, "unknown option 'xyz'; there are gateways, routes, targets"),
        ("[a]\nfailback\n", 2, "unknown option 'failback'"),
        ("[a]\nfailback = no\nfailback = yes\n", 3, "'failback' is given twice for group 'a'; keep one"),
        ("[a]\nfailback = maybe\n", 2, "failback is 'maybe'; write yes or no"),
        ("[a]\ngateways = 192.0.2.300\n", 2, "gateways: '192.0.2.300' is not a unicast IP address"),
        ("[a]\ntargets = 192.0.2.1,\n 224.0.0.1\n", 2, "targets: '224.0.0.1' is not a unicast IP address"),
        ("[a]\nroutes = default 192.0.2.1\n", 2, "route 'default 192.0.2.1' is not of the form"),
        (
            "[a]\nroutes = 10.0.0.1/8 via 192.0.2.1\n",
            2,
            "'10.0.0.1/8' has bits right of its prefix; write '10.0.0.0",
        ),
        ("[a]\nroutes = net via 192.0.2.1\n", 2, "routes: 'net' is not a network such as 198.51.100.0/24"),
        ("[a]\nroutes = ::/0 via 192.0.2.1\n", 2, "::/0 cannot go via 192.0.2.1; both must be IPv4 or both IPv6"),
        ("[a]\nfailure_detection_time = 10s\n", 2, "failure_detection_time is '10s'; give whole milliseconds"),
        ("[a]\nfailure_detection_time = 19\n", 2, "failure_detection_time is 19 ms; the least is 20 ms"),
        ("[a]\nfailure_detection_time = ²\n", 2, "failure_detection_time is '²'; give whole milliseconds"),
        (f"[a]\nfailure_detection_time = {'9' * 5000}\n", 2, "failure_detection_time is '99"),
        ("[a]\nroutes = 2001:db8::%e/64 via fe80::1\n", 2, "write the network without '%' and scope"),
    ],
)
def test_a_wrong_line_is_named(text, line, sentence):
    with pytest.raises(ConfigError) as error:
        groupsconf.parse_groups(text)
    assert str(error.value).startswith(f"/etc/ipmp/groups.conf, line {line}: ")
    assert sentence in str(error.value)


def test_a_section_that_is_right_keeps_every_byte():
    assert groupsconf.edit_groups(FULL, PROD) == FULL
    assert groupsconf.edit_groups(FULL, Group("new")) == FULL


def test_one_option_changes_and_the_rest_stays():
    wanted = Group("prod", (), PROD.gateways, (), PROD.targets, 1000, True)
    assert groupsconf.edit_groups(FULL, wanted) == FULL.replace(
        "routes = 198.51.100.0/24 via 192.0.2.253,\n    default via 192.0.2.254\n", ""
    ).replace("failback = No", "failback = yes")


def test_options_and_sections_are_added():
    text = groupsconf.edit_groups(FULL, Group("web", gateways=("203.0.113.1",)))
    assert text == FULL + "gateways = 203.0.113.1\n"
    text = groupsconf.edit_groups(FULL, Group("new", failure_detection_time=500))
    assert text == FULL + "\n[new]\nfailure_detection_time = 500\n"
    assert groupsconf.edit_groups("", Group("new", failback=True)).endswith("\n\n[new]\nfailback = yes\n")


def test_a_section_goes_and_the_comment_of_the_next_stays():
    assert groupsconf.remove_group(FULL, "prod") == "# The site's groups.\n\n# the web servers\n[web]\n"
    assert groupsconf.edit_groups(FULL, Group("prod")) == groupsconf.remove_group(FULL, "prod")
    assert groupsconf.remove_group(FULL, "other") == FULL


IPS = st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "fe80::1"])
ROUTES = st.sampled_from([Route("0.0.0.0/0", "192.0.2.1"), Route("10.0.0.0/8", "192.0.2.2"), Route("::/0", "fe80::1")])


def groups(names=("prod", "web", "new")):
    return st.builds(
        Group,
        st.sampled_from(names),
        st.just(()),
        st.lists(IPS).map(tuple),
        st.lists(ROUTES).map(tuple),
        st.lists(IPS).map(tuple),
        st.none() | st.integers(20, 10**6),
        st.none() | st.booleans(),
    )


@given(st.lists(groups(), max_size=4), groups())
def test_an_edit_reaches_its_group_and_no_other(earlier, wanted):
    text = FULL
    for group in earlier:
        text = groupsconf.edit_groups(text, group)
    before = {g.name: g for g in groupsconf.parse_groups(text)}
    after = {g.name: g for g in groupsconf.parse_groups(groupsconf.edit_groups(text, wanted))}
    assert after.get(wanted.name, Group(wanted.name)) == wanted
    assert {n: g for n, g in after.items() if n != wanted.name} == {n: g for n, g in before.items() if n != wanted.name}


@pytest.mark.parametrize(
    ("text", "milliseconds", "warning"),
    [
        ("", 10000, None),
        ("FAILURE_DETECTION_TIME=2000\n", 2000, None),
        ("# x\nfailure_detection_time=2000\nFAILURE_DETECTION_TIME=3000\n", 2000, None),  # first match, any case
        ("FAILURE_DETECTION_TIME=0x2710\n", 10000, None),
        ("FAILURE_DETECTION_TIME=010000\n", 4096, None),
        ("FAILURE_DETECTION_TIME=2000ms\n", 2000, None),
        ("FAILURE_DETECTION_TIME = 2000\n", 10000, None),  # CFG-1: no blanks around '='
        ("FAILURE_DETECTION_TIME=abc\n", 10000, "Invalid failure detection time abc, assuming default 10000"),
        (f"FAILURE_DETECTION_TIME={'9' * 5000}\n", 999_999_999, None),
        ("FAILURE_DETECTION_TIME=-1\n", 10000, "Invalid failure detection time -1, assuming default 10000"),
        ("FAILURE_DETECTION_TIME=0\n", 10000, "Invalid failure detection time 0, assuming default 10000"),
        ("FAILURE_DETECTION_TIME=19\n", 20, "Too small failure detection time of 19, assuming minimum 20"),
    ],
)
@pytest.mark.oracle("CFG-3")
def test_the_failure_detection_time(text, milliseconds, warning):
    defaults, warnings = groupsconf.parse_mpathd(text)
    assert defaults.failure_detection_time == milliseconds
    assert warnings == ((f"/etc/default/mpathd: {warning}",) if warning else ())


@pytest.mark.parametrize(
    ("value", "expected"), [("yes", True), ("YES", True), ("yesterday", True), ("no", False), ("None", False)]
)
@pytest.mark.oracle("CFG-4")
def test_yes_and_no(value, expected):
    text = f"FAILBACK={value}\nTRACK_INTERFACES_ONLY_WITH_GROUPS={value}\n"
    assert groupsconf.parse_mpathd(text) == (Defaults(10000, expected, expected), ())


def test_neither_yes_nor_no():
    assert groupsconf.parse_mpathd("FAILBACK=1\nTRACK_INTERFACES_ONLY_WITH_GROUPS=on\n") == (
        Defaults(),
        (
            "/etc/default/mpathd: Invalid value for FAILBACK 1",
            "/etc/default/mpathd: Invalid value for TRACK_INTERFACES_ONLY_WITH_GROUPS on",
        ),
    )


SHIPPED = "# ms\nFAILURE_DETECTION_TIME=10000\n#\nFAILBACK=yes\n"


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({}, SHIPPED),
        ({"failure_detection_time": 10000, "failback": True, "track_interfaces_only_with_groups": True}, SHIPPED),
        ({"failure_detection_time": None, "failback": "yes"}, SHIPPED),
        ({"failback": False}, SHIPPED.replace("yes", "no")),
        ({"failure_detection_time": 500}, SHIPPED.replace("10000", "500")),
        ({"track_interfaces_only_with_groups": False}, SHIPPED + "TRACK_INTERFACES_ONLY_WITH_GROUPS=no\n"),
    ],
)
def test_defaults_are_edited_line_by_line(wanted, text):
    assert groupsconf.edit_mpathd(SHIPPED, wanted) == text


def test_defaults_of_a_host_without_the_file():
    assert groupsconf.edit_mpathd("", {"failback": False}) == "FAILBACK=no\n"
    assert groupsconf.edit_mpathd("FAILBACK=yes", {"failure_detection_time": 50}) == (
        "FAILBACK=yes\nFAILURE_DETECTION_TIME=50\n"
    )


def test_a_wrong_line_is_corrected_even_if_the_default_is_wanted():
    assert groupsconf.edit_mpathd("FAILBACK=maybe\n", {"failback": True}) == "FAILBACK=yes\n"
    assert groupsconf.edit_mpathd("FAILURE_DETECTION_TIME=abc\n", {"failure_detection_time": 10000}) == (
        "FAILURE_DETECTION_TIME=10000\n"
    )


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"failbak": True}, "defaults: unknown option 'failbak'; did you mean 'failback'?"),
        ({"failback": "maybe"}, "defaults: failback is 'maybe'; write yes or no"),
        ({"failure_detection_time": 5}, "defaults: failure_detection_time is 5 ms; the least is 20 ms"),
        ({"failure_detection_time": True}, "defaults: failure_detection_time is 'True'; give whole milliseconds"),
    ],
)
def test_wrong_defaults_are_refused(wanted, sentence):
    with pytest.raises(ConfigError) as error:
        groupsconf.edit_mpathd("", wanted)
    assert str(error.value).startswith(sentence)
