# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All files of a host together: what they say, what contradicts, what is left alone."""

from __future__ import annotations

import pytest

from ipmp import files, hostname
from ipmp.model import Address, ConfigError, Defaults, Interface, Route

TWO = {
    "/etc/hostname.eth1": "192.0.2.1/24 group prod up\n",
    "/etc/hostname.eth2": "192.0.2.2/24 group prod up\n",
}


def put(root, texts):
    for path, text in texts.items():
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def test_a_host_without_any_file(tmp_path):
    config = files.read_config(str(tmp_path))
    assert (config.groups, config.ungrouped, config.defaults, config.warnings) == ((), (), Defaults(), ())


def test_everything_is_read_from_under_the_root(tmp_path):
    put(
        tmp_path,
        {
            "/etc/hosts": "127.0.0.1 lo\n192.0.2.1\tWeb web.example  # old\n2001:db8::1 web\n192.0.2.9 web\n",
            "/etc/hostname.eth1": "web group prod\n",
            "/etc/hostname6.eth1": "group prod up\naddif web/64 up\n",
            "/etc/hostname.eth1:3": "192.0.2.33/24\n",
            "/etc/hostname.eth2": "group prod standby up\n",
            "/etc/hostname.eth3": "198.51.100.1/24\n",
            "/etc/ipmp/groups.conf": "[prod]\ngateways=192.0.2.254\nroutes=default via 192.0.2.253\nfailback=no\n",
            "/etc/default/mpathd": "FAILURE_DETECTION_TIME=2000\n",
            "/etc/hostname": "host1\n",
            "/etc/hostname.eth1.bak": "group gone\n",
            "/etc/hostname.eth9~": "group gone\n",
            "/etc/hostname.rpmnew": "group gone\n",
        },
    )
    config = files.read_config(str(tmp_path))
    (group,) = config.groups
    assert group.name == "prod"
    assert [i.name for i in group.interfaces] == ["eth1", "eth2"]
    assert [a.cidr for a in group.interfaces[0].addresses] == ["192.0.2.1/24", "192.0.2.33/24", "2001:db8::1/64"]
    assert group.interfaces[1].standby
    assert (group.gateways, group.routes) == (("192.0.2.254",), (Route("0.0.0.0/0", "192.0.2.253"),))
    assert not config.failback(group)
    assert config.failure_detection_time(group) == 2000
    assert [i.name for i in config.ungrouped] == ["eth3"]
    assert config.warnings == ()


def test_the_overlay_comes_before_the_disk(tmp_path):
    put(tmp_path, TWO)
    config = files.read_config(str(tmp_path), {"/etc/hostname.eth1": None, "/etc/hostname.eth3": "group prod"})
    assert [i.name for i in config.groups[0].interfaces] == ["eth2", "eth3"]
    assert files.read_texts(str(tmp_path)) == TWO


def test_an_empty_file_is_an_interface_of_its_own():
    assert files.config({"/etc/hostname6.eth1": ""}).ungrouped == (Interface("eth1", inet6=True),)


@pytest.mark.parametrize(
    "text",
    [
        "dhcp\n",
        "inet 10.0.0.1 255.255.255.0 NONE\n",
        "web1.example.org\n",
        "up\n!route add default 10.0.0.254\n",
    ],
)
def test_a_file_that_is_not_meant_for_us_is_reported_and_left_alone(text):
    config = files.config({**TWO, "/etc/hostname.em0": text})
    assert [g.name for g in config.groups] == ["prod"]
    assert config.ungrouped == ()
    (warning,) = config.warnings
    assert warning.startswith("/etc/hostname.em0, line ")
    assert warning.endswith("; the files of em0 name no group and are left alone")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("192.0.2.1/24 gorup prod up", "/etc/hostname.eth3, line 1, column 14: unknown word 'gorup'"),
        (
            "192.0.2.3/24 group prod upp",
            "/etc/hostname.eth3, line 1, column 25: unknown word 'upp'; did you mean",
        ),
        (f"{hostname.HEADER}\n192.0.2.3/24 standbye", "/etc/hostname.eth3, line 2, column 14: unknown word 'standbye'"),
    ],
)
def test_a_typo_in_a_file_of_ours_is_an_error(text, sentence):
    with pytest.raises(ConfigError) as error:
        files.config({**TWO, "/etc/hostname.eth3": text})
    assert str(error.value).startswith(sentence)


def test_a_typo_in_one_family_is_an_error_where_the_other_names_a_group():
    with pytest.raises(ConfigError, match=r"^/etc/hostname6.eth1, line 1, column 1: unknown word 'adif'"):
        files.config({**TWO, "/etc/hostname6.eth1": "adif 2001:db8::1/64 up"})


def test_a_daemon_may_start_with_the_files_that_are_right():
    problems = []
    config = files.config({**TWO, "/etc/hostname.eth3": "group prod upp", "/etc/ipmp/groups.conf": "["}, problems)
    assert [i.name for i in config.groups[0].interfaces] == ["eth1", "eth2"]
    assert [p.file for p in problems] == ["/etc/hostname.eth3", "/etc/ipmp/groups.conf"]


@pytest.mark.parametrize(
    ("more", "file", "sentence"),
    [
        (
            {"/etc/hostname.eth3": "192.0.2.1/24 group prod"},
            "/etc/hostname.eth3",
            "address 192.0.2.1 is on eth1 and on eth3; remove one of them",
        ),
        (
            {"/etc/hostname.eth3": "192.0.2.1/24 -failover group prod"},
            "/etc/hostname.eth3",
            "address 192.0.2.1 is as data and as test address on eth1 and on eth3; remove one of them",
        ),
        (
            {"/etc/hostname.eth0": "192.0.2.1/24"},
            "/etc/hostname.eth0",
            "address 192.0.2.1 is on eth1 and on eth0; remove one of them",
        ),
        (
            {"/etc/hostname.eth1:1": "192.0.2.1/24 -failover"},
            "/etc/hostname.eth1:1, line 1, column 1",
            "address 192.0.2.1 of eth1 stands in /etc/hostname.eth1 too; remove one of them",
        ),
        (
            {"/etc/hostname.eth3": "192.0.2.3/24 group web"},
            "/etc/hostname.eth3",
            "192.0.2.0/24 is in group 'web' (eth3) and in group 'prod' (eth1); one network belongs to one group",
        ),
        (
            {"/etc/hostname6.eth1": "group web"},
            "/etc/hostname6.eth1",
            "group of eth1 is 'web' here but 'prod' in /etc/hostname.eth1; write the same in both",
        ),
    ],
)
def test_files_that_contradict_each_other(more, file, sentence):
    with pytest.raises(ConfigError) as error:
        files.config({**TWO, **more})
    assert str(error.value).startswith(f"{file}: {sentence}")


def test_an_ungrouped_interface_may_share_a_groups_network():
    assert files.config({**TWO, "/etc/hostname.eth0": "192.0.2.9/24"}).ungrouped[0].name == "eth0"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {"/etc/ipmp/groups.conf": "[web]\ngateways = 192.0.2.254\n"},
            "/etc/ipmp/groups.conf: group 'web' has no member; write 'group web' into a NIC's hostname file",
        ),
        (
            {"/etc/ipmp/groups.conf": "[prod]\ngateways = 198.51.100.254\n"},
            "/etc/ipmp/groups.conf: gateway 198.51.100.254 of group 'prod' is in no network of its addresses",
        ),
        (
            {"/etc/ipmp/groups.conf": "[prod]\nroutes = 10.0.0.0/8 via 198.51.100.254\n"},
            "/etc/ipmp/groups.conf: gateway 198.51.100.254 of group 'prod' is in no network of its addresses",
        ),
        (
            {"/etc/hostname.eth3": "standby"},
            "/etc/hostname.eth3: 'standby' has no effect on eth3, which is in no",
        ),
        ({"/etc/hostname.a:b:c": ""}, "/etc/hostname.a:b:c: not read, because no interface can have that name"),
        ({"/etc/hostname.eth3": "\n192.0.2.3/24\nup down"}, None),
        (
            {"/etc/hostname.eth3": "group prod\naddif 192.0.2.3/24"},
            "/etc/hostname.eth3, line 2: 192.0.2.3 stays down, because no 'up' stands after it",
        ),
        (
            {"/etc/default/mpathd": "FAILBACK=perhaps\n"},
            "/etc/default/mpathd: Invalid value for FAILBACK perhaps",
        ),
    ],
)
def test_what_is_odd_but_works_is_a_warning(more, sentence):
    warnings = files.config({**TWO, **more}).warnings
    assert len(warnings) == (1 if sentence else 0)
    assert all(w.startswith(sentence) for w in warnings)


def test_a_link_local_gateway_is_not_odd():
    assert files.config({**TWO, "/etc/ipmp/groups.conf": "[prod]\ngateways = fe80::1\n"}).warnings == ()


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    put(tmp_path, TWO)
    (tmp_path / "etc/hostname.eth1").unlink()
    (tmp_path / "etc/hostname.eth1").symlink_to("hostname.eth1")
    with pytest.raises(ConfigError, match=r"^/etc/hostname.eth1: cannot be read: Too many levels of symbolic links"):
        files.read_config(str(tmp_path))


def test_bytes_that_are_no_text_survive(tmp_path):
    put(tmp_path, TWO)
    raw = "# caf\xe9\n".encode("latin-1") + b"192.0.2.1/24 group prod up\r\n"
    (tmp_path / "etc/hostname.eth1").write_bytes(raw)
    text = files.read_text(str(tmp_path), "/etc/hostname.eth1")
    assert files.read_config(str(tmp_path)).group("prod").interface("eth1").addresses == (
        Address("192.0.2.1", 24, broadcast="192.0.2.255"),
    )
    files.write_files(str(tmp_path), {"/etc/hostname.eth3": text})
    assert (tmp_path / "etc/hostname.eth3").read_bytes() == raw
