# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The grammars of the files, on each Python that a managed host may have; ansible-test units runs this."""

from __future__ import annotations

from ansible_collections.netpath.ipmp.plugins.module_utils import wanted
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp import files, groupsconf, hostname

GROUP = {
    "name": "prod",
    "interfaces": [
        {"name": "eth1", "data_addresses": ["192.0.2.11/24", "2001:db8::11/64"], "test_addresses": ["192.0.2.21/24"]},
        {"name": "eth2", "standby": True, "mtu": 1400},
    ],
    "gateways": ["192.0.2.254"],
    "failure_detection_time": 500,
}


def test_what_a_task_wants_is_what_the_daemon_reads():
    texts = wanted.wanted_files({}, [GROUP])
    config = files.config(texts)
    (group,) = config.groups
    assert config.warnings == ()
    assert [i.name for i in group.interfaces if i.standby] == ["eth2"]
    assert [a.cidr for _owner, a in group.data_addresses] == ["192.0.2.11/24", "2001:db8::11/64"]
    assert (group.gateways, config.failure_detection_time(group)) == (("192.0.2.254",), 500)
    assert wanted.wanted_files(texts, [GROUP]) == texts


def test_a_mistake_is_told_with_its_place():
    errors = []
    files.config({"/etc/hostname.eth1": "192.0.2.1/24 gorup prod up"}, errors)
    assert str(errors[0]).startswith("/etc/hostname.eth1, line 1, column 14: ")


def test_hosts_defaults_are_kept_beside_comments():
    text = groupsconf.edit_mpathd("# ours\nFAILBACK=yes\n", {"failback": False})
    assert text == "# ours\nFAILBACK=no\n"
    assert hostname.has_header(hostname.HEADER)
