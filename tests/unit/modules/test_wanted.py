# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what tasks ask for to texts: what was asked changes, everything else stays byte for byte."""

from __future__ import annotations

from typing import Any, Dict, Optional

import pytest
from ansible_collections.netpath.ipmp.plugins.filter.hostname_lines import hostname_lines
from ansible_collections.netpath.ipmp.plugins.module_utils import wanted
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp import files, hostname, model

Texts = Dict[str, Optional[str]]
E1, E2, E3, E1_6 = "/etc/hostname.eth1", "/etc/hostname.eth2", "/etc/hostname.eth3", "/etc/hostname6.eth1"
CONF, MPATHD = "/etc/ipmp/groups.conf", "/etc/default/mpathd"
PROD: Dict[str, Any] = {
    "name": "prod",
    "interfaces": [
        {"name": "eth1", "data_addresses": ["192.0.2.11/24", "2001:db8::11/64"], "test_addresses": ["link-local"]},
        {"name": "eth2", "data_addresses": ["192.0.2.12/24"], "test_addresses": ["192.0.2.22/24"], "mtu": 1400},
        {"name": "eth3", "standby": True, "extra": ["private"]},
    ],
    "gateways": ["192.0.2.254"],
    "routes": [{"to": "198.51.100.0/24", "via": "192.0.2.253"}],
    "failback": False,
}


def after(before: Texts, changes: Texts) -> Texts:
    """The files once the changes are written."""
    return {path: text for path, text in {**before, **changes}.items() if text is not None}


def differ(before: Texts, changes: Texts) -> Texts:
    return {path: text for path, text in changes.items() if text != before.get(path)}


@pytest.fixture
def host() -> Texts:
    """A host that has PROD."""
    return after({}, wanted.wanted_files({}, [PROD]))


def test_a_group_is_what_is_listed(host: Texts) -> None:
    group = files.config(host).group("prod")
    assert group is not None
    one, two, three = group.interfaces
    assert [a.cidr for a in one.data_addresses] == ["192.0.2.11/24", "2001:db8::11/64"]
    assert (one.link_local_test, two.link_local_test) == (True, False)
    assert [(a.ip, a.deprecated) for a in two.test_addresses] == [("192.0.2.22", True)]
    assert (two.mtu, three.standby, "private" in str(host[E3])) == (1400, True, True)
    assert (group.gateways, group.routes) == (("192.0.2.254",), (model.Route("198.51.100.0/24", "192.0.2.253"),))
    assert (group.failback, group.failure_detection_time) == (False, None)


def test_the_same_again_changes_nothing(host: Texts) -> None:
    assert differ(host, wanted.wanted_files(host, [PROD])) == {}


def test_a_file_of_ones_own_that_means_the_same_keeps_every_byte(host: Texts) -> None:
    host[E2] = (
        "# mine\nmtu 1400 192.0.2.12 netmask 255.255.255.0 group prod up\naddif 192.0.2.22/24 -failover deprecated up\n"
    )
    assert differ(host, wanted.wanted_files(host, [PROD])) == {}


def test_the_filter_writes_what_the_modules_write(host: Texts) -> None:
    for interface in PROD["interfaces"]:
        for family, prefix in ((4, "/etc/hostname."), (6, "/etc/hostname6.")):
            assert hostname_lines(interface, "prod", family) == host.get(prefix + interface["name"], "")


def test_the_roles_texts_and_then_the_same_groups_change_nothing(host: Texts) -> None:
    texts = {path: text for path, text in host.items() if path.startswith("/etc/hostname")}
    by_role = after({}, wanted.wanted_files({}, [PROD], texts=texts))
    assert by_role == host
    assert differ(by_role, wanted.wanted_files(by_role, [PROD])) == {}


def test_a_text_given_replaces_all_files_of_its_interface(host: Texts) -> None:
    changes = differ(host, wanted.wanted_files(host, [PROD], texts={E1: "192.0.2.11/24 group prod up\n"}))
    assert changes == {E1: "192.0.2.11/24 group prod up\n", E1_6: None}


def test_a_typo_in_a_file_that_is_replaced_anyway_is_no_obstacle(host: Texts) -> None:
    right = host[E1]
    host[E1] = "192.0.2.11/24 grup prod up\n"
    texts = {E1: right, E1_6: host[E1_6]}
    assert differ(host, wanted.wanted_files(host, [PROD], texts=texts)) == {E1: right}
    with pytest.raises(model.ConfigError, match="line 1.*grup"):
        wanted.wanted_files(host, [PROD])


def test_members_not_listed_leave_the_group(host: Texts) -> None:
    smaller = {**PROD, "interfaces": PROD["interfaces"][:2]}
    assert differ(host, wanted.wanted_files(host, [smaller])) == {E3: None}


def test_other_groups_stay_unless_purged(host: Texts) -> None:
    other = {"name": "lan", "interfaces": [{"name": "eth9", "data_addresses": ["198.51.100.9/24"]}], "failback": True}
    host = after(host, wanted.wanted_files(host, [other]))
    assert differ(host, wanted.wanted_files(host, [PROD])) == {}
    changes = differ(host, wanted.wanted_files(host, [PROD], purge=True))
    assert changes["/etc/hostname.eth9"] is None
    assert "lan" not in str(changes[CONF])
    assert set(changes) == {"/etc/hostname.eth9", CONF}
    assert differ(host, wanted.wanted_files(host, [PROD], purge=True, keep=["eth9"])) == {}


def test_purge_leaves_files_that_are_not_ours_and_ungrouped_interfaces(host: Texts) -> None:
    host["/etc/hostname.eth8"] = "198.51.100.8/24 group theirs up\n"
    host["/etc/hostname.eth7"] = f"{hostname.HEADER}\n203.0.113.7/24 up\n"
    assert differ(host, wanted.wanted_files(host, [PROD], purge=True)) == {}


def test_defaults_are_set_and_others_left(host: Texts) -> None:
    host[MPATHD] = "# mine\nFAILBACK=yes\nFAILURE_DETECTION_TIME=5000\n"
    changes = differ(
        host, wanted.wanted_files(host, [PROD], defaults={"failback": False, "failure_detection_time": None})
    )
    assert changes == {MPATHD: "# mine\nFAILBACK=no\nFAILURE_DETECTION_TIME=5000\n"}


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ({"name": "x" * 32, "interfaces": []}, "32 characters"),
        ({"name": "g", "interfaces": [{"name": "x" * 16}]}, "1 to 15 characters"),
        (
            {"name": "g", "interfaces": [{"name": "eth4", "data_addresses": ["192.0.2.1"]}]},
            "'192.0.2.1' is not an address with",
        ),
        ({"name": "g", "interfaces": [{"name": "eth4", "data_addresses": ["192.0.2.1/33"]}]}, "data_addresses of eth4"),
        ({"name": "g", "interfaces": [{"name": "eth4", "extra": ["grup"]}]}, "extra of eth4: 'grup'"),
        ({"name": "g", "interfaces": [{"name": "eth4"}, {"name": "eth4"}]}, "name it in one of them, once"),
        ({"name": "g", "interfaces": [{"name": "eth4"}], "gateways": ["nowhere"]}, "gateways: 'nowhere'"),
        ({"name": "g", "interfaces": [{"name": "eth4"}], "failure_detection_time": 1}, "the least is"),
    ],
)
def test_wrong_input_is_one_sentence(group: Dict[str, Any], words: str) -> None:
    with pytest.raises(model.ConfigError) as caught:
        wanted.wanted_files({}, [group])
    assert words in str(caught.value)


def test_only_our_files_can_be_given_as_texts() -> None:
    with pytest.raises(model.ConfigError, match="/etc/passwd is not a hostname file"):
        wanted.wanted_files({}, [], texts={"/etc/passwd": ""})


def test_a_group_goes_with_its_files_and_its_section(host: Texts) -> None:
    left = after(host, wanted.without_group(host, "prod"))
    assert set(left) <= {CONF}
    assert "prod" not in str(left.get(CONF, ""))
    assert differ(left, wanted.without_group(left, "prod")) == {}


def test_an_interface_changes_only_as_named(host: Texts) -> None:
    host[E2] = f"# mine\n{host[E2]}"
    changes = differ(host, wanted.with_interface(host, "eth2", data_addresses=["192.0.2.99/24"]))
    text = str(changes[E2])
    assert set(changes) == {E2}
    assert text.startswith("# mine\n")
    assert ("192.0.2.99/24" in text, "192.0.2.12" in text, "192.0.2.22/24" in text, "mtu 1400" in text) == (
        True,
        False,
        True,
        True,
    )
    assert differ(host, wanted.with_interface(host, "eth2", standby=False, group="prod")) == {}


def test_a_new_interface_needs_a_group(host: Texts) -> None:
    with pytest.raises(model.ConfigError, match="eth4 is in no group yet"):
        wanted.with_interface(host, "eth4", standby=True)
    changes = wanted.with_interface(host, "eth4", group="prod", standby=True)
    assert "group prod standby up" in str(changes["/etc/hostname.eth4"])


def test_an_interface_goes_with_all_its_files(host: Texts) -> None:
    assert wanted.without_interface(host, "eth1") == {E1: None, E1_6: None}
    assert wanted.without_interface(host, "eth4") == {}


@pytest.mark.parametrize("address", ["192.0.2.77/24", "2001:db8::77/64"])
@pytest.mark.parametrize("test", [False, True])
def test_an_address_comes_and_goes(host: Texts, address: str, test: bool) -> None:
    added = after(host, wanted.with_address(host, "eth2", address, test=test))
    interface = files.config(added).groups[0].interface("eth2")
    assert interface is not None
    assert [a.test for a in interface.addresses if a.cidr == address] == [test]
    assert differ(added, wanted.with_address(added, "eth2", address, test=test)) == {}
    removed = after(added, wanted.without_address(added, "eth2", address))
    assert files.config(removed).groups[0].interface("eth2") is not None
    assert address not in str(removed)
    assert differ(removed, wanted.without_address(removed, "eth2", address)) == {}


def test_an_address_needs_an_interface_that_is_configured(host: Texts) -> None:
    with pytest.raises(model.ConfigError, match="eth4 has no hostname file"):
        wanted.with_address(host, "eth4", "192.0.2.77/24", test=False)
    assert wanted.without_address(host, "eth4", "192.0.2.77/24") == {}


def test_a_file_of_a_single_unit_is_kept_while_it_is_right_and_merged_when_not(host: Texts) -> None:
    host["/etc/hostname.eth2:1"] = "192.0.2.13/24 up\n"
    more = [*PROD["interfaces"][1]["data_addresses"], "192.0.2.13/24"]
    right = {
        **PROD,
        "interfaces": [PROD["interfaces"][0], {**PROD["interfaces"][1], "data_addresses": more}, PROD["interfaces"][2]],
    }
    assert differ(host, wanted.wanted_files(host, [right])) == {}
    changes = differ(host, wanted.wanted_files(host, [PROD]))
    assert changes == {"/etc/hostname.eth2:1": None}
