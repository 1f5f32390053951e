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


def test_moves_are_a_line():
    moves = [{"address": "192.0.2.11", "from": "eth1", "to": "eth2"}]
    assert moves_text.moves_text(moves) == "192.0.2.11 moved from eth1 to eth2"
    assert moves_text.FilterModule().filters() == {"moves_text": moves_text.moves_text}
