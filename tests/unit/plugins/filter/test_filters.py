# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters as templates use them; ansible-test units runs this."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.netpath.ipmp.plugins.filter import hostname_lines, moves_text, to_ipmp_groups, to_ipmp_notes

INTERFACE = {"name": "eth1", "data_addresses": ["192.0.2.11/24"]}


def test_a_rendered_file_becomes_the_same_group():
    text = hostname_lines.hostname_lines(INTERFACE, "prod")
    expected = [{"name": "prod", "interfaces": [INTERFACE]}]
    assert to_ipmp_groups.to_ipmp_groups({"/etc/hostname.eth1": text}) == expected
    assert to_ipmp_notes.to_ipmp_notes({"/etc/hostname.eth1": text}) == []


def test_what_is_wrong_is_an_error_of_the_filter():
    with pytest.raises(AnsibleFilterError, match="hostname_lines: data_addresses of eth1: 'x' is not an address"):
        hostname_lines.hostname_lines({"name": "eth1", "data_addresses": ["x"]}, "prod")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"standby": "no"}, {"standby": False}),
        ({"standby": "False"}, {"standby": False}),  # what ansible-core 2.16 makes of "{{ false }}"
        ({"standby": "yes"}, {"standby": True}),
        ({"mtu": "9000"}, {"mtu": 9000}),
        ({"data_addresses": "192.0.2.11/24,192.0.2.12/24"}, {"data_addresses": ["192.0.2.11/24", "192.0.2.12/24"]}),
        ({"test_addresses": "link-local"}, {"test_addresses": ["link-local"]}),
        ({"extra": "private"}, {"extra": ["private"]}),
        ({"data_addresses": None, "standby": None}, {}),
    ],
)
@pytest.mark.parametrize("family", [4, 6])
def test_a_value_means_what_it_means_to_the_modules(said, meant, family):
    rendered = hostname_lines.hostname_lines({"name": "eth1", **said}, "prod", family)
    assert rendered == hostname_lines.hostname_lines({"name": "eth1", **meant}, "prod", family)
    assert bool(rendered) == (family == 4 or "test_addresses" in meant)


@pytest.mark.parametrize(
    ("interface", "family", "sentence"),
    [
        ("eth1", 4, "'eth1' is no interface; give a dictionary"),
        (None, 4, "'None' is no interface"),
        ({}, 4, "missing required arguments: name"),
        ({"name": "eth1", "stanby": True}, 4, "eth1: there is no stanby. Supported parameters include: "),
        ({"name": "eth1", "standby": "perhaps"}, 4, "eth1: argument 'standby'"),
        ({"name": "eth1", "mtu": "big"}, 4, "eth1: argument 'mtu'"),
        ({"name": "eth1.bak"}, 4, "would be taken for a copy and not be read"),
        (INTERFACE, "six", "'family' is six; say 4 or 6"),
    ],
)
def test_what_is_no_interface_is_an_error_of_the_filter(interface, family, sentence):
    with pytest.raises(AnsibleFilterError) as refused:
        hostname_lines.hostname_lines(interface, "prod", family)
    assert "hostname_lines: " in str(refused.value)
    assert sentence in str(refused.value)


def test_moves_are_a_line():
    moves = [{"address": "192.0.2.11", "from": "eth1", "to": "eth2"}]
    assert moves_text.moves_text(moves) == "192.0.2.11 moved from eth1 to eth2"
    assert moves_text.FilterModule().filters() == {"moves_text": moves_text.moves_text}
