# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel settings of members: as needed while they are members, afterwards as they were."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Dict, List

import pytest
from namespaces import Cable, Namespace

from ipmp.sysctl import Sysctls

pytestmark = pytest.mark.kernel

NET = Path("/proc/sys/net")
NEEDED = {
    "ipv4/conf/{}/arp_ignore": "1",
    "ipv4/conf/{}/arp_announce": "2",
    "ipv4/conf/{}/arp_filter": "0",
    "ipv4/conf/{}/rp_filter": "0",
    "ipv4/conf/{}/promote_secondaries": "1",
    "ipv4/conf/{}/ignore_routes_with_linkdown": "1",
    "ipv6/conf/{}/ignore_routes_with_linkdown": "1",
    "ipv6/conf/{}/keep_addr_on_down": "1",
}
HASH_POLICIES = ("ipv4/fib_multipath_hash_policy", "ipv6/fib_multipath_hash_policy")


def state() -> Dict[str, str]:
    """Every setting of every interface and of the host."""
    paths = [p for conf in ("ipv4/conf", "ipv6/conf") for p in (NET / conf).rglob("*") if p.is_file()]
    readable = [p for p in (*paths, *(NET / name for name in HASH_POLICIES)) if os.access(p, os.R_OK)]
    texts = {}
    for path in readable:
        try:
            texts[str(path.relative_to(NET))] = path.read_text().strip()
        except OSError:
            continue  # stable_secret, when there is none
    return texts


def saved(root: Path) -> Dict[str, Dict[str, str]]:
    return dict(json.loads((root / "var/lib/ipmp/sysctl.json").read_text())["saved"])


def test_joining_sets_just_what_a_member_needs_and_leaving_puts_everything_back(
    nics: List[Cable], tmp_path: Path
) -> None:
    (NET / "ipv4/conf/all/rp_filter").write_text("0")
    (NET / "ipv4/conf/m0/rp_filter").write_text("1")
    (NET / "ipv4/conf/m0/arp_filter").write_text("1")
    before = state()
    settings = Sysctls(str(tmp_path))
    changes = settings.join("m0")
    wanted = {setting.format("m0"): value for setting, value in NEEDED.items()}
    assert state() == {**before, **wanted}
    assert sorted(str(c) for c in changes) == sorted(
        f"{setting}: {before[setting]} -> {value}" for setting, value in wanted.items() if before[setting] != value
    )
    assert settings.members() == ["m0"]
    assert settings.join("m0") == []
    assert len(settings.leave("m0")) == len(changes)
    assert state() == before
    assert settings.members() == []
    assert settings.leave("m0") == []


@pytest.mark.parametrize("every", ["1", "2"])
def test_where_all_interfaces_filter_a_member_filters_loosely(nics: List[Cable], tmp_path: Path, every: str) -> None:
    (NET / "ipv4/conf/all/rp_filter").write_text(every)
    settings = Sysctls(str(tmp_path))
    settings.join("m0")
    assert (NET / "ipv4/conf/m0/rp_filter").read_text() == "2\n"
    assert (NET / "ipv4/conf/all/rp_filter").read_text() == f"{every}\n"
    assert [change for change in settings.drift(["m0"]) if "m0" in change.setting] == []


def test_the_hosts_own_settings_come_and_go_with_the_groups(host: Namespace, tmp_path: Path) -> None:
    before = state()
    settings = Sysctls(str(tmp_path))
    settings.join_host()
    assert state() == {**before, **dict.fromkeys(HASH_POLICIES, "1")}
    assert settings.members() == []
    settings.leave_host()
    assert state() == before


def test_old_values_are_on_disk_before_the_first_is_overwritten(
    nics: List[Cable], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state()
    settings = Sysctls(str(tmp_path))
    (tmp_path / "var/lib").mkdir(parents=True)
    (tmp_path / "var/lib/ipmp").write_text("in the way")
    with pytest.raises(OSError):
        settings.join("m0")
    assert state() == before


def test_a_process_that_was_killed_leaves_what_the_next_one_puts_back(nics: List[Cable], tmp_path: Path) -> None:
    before = state()
    program = "import os, sys; from ipmp.sysctl import Sysctls; Sysctls(sys.argv[1]).join('m0'); os._exit(9)"
    path = str(Path(__file__).parents[2] / "plugins/module_utils")
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], env={**os.environ, "PYTHONPATH": path}, check=False
    )
    assert done.returncode == 9
    assert state() != before
    settings = Sysctls(str(tmp_path))
    assert settings.join("m0") == []
    settings.leave("m0")
    assert state() == before


def test_an_interface_with_dots_in_its_name(host: Namespace, peer: Namespace, tmp_path: Path) -> None:
    host.veth("eth0.100", "p", peer)
    settings = Sysctls(str(tmp_path))
    settings.join("eth0.100")
    assert (NET / "ipv4/conf/eth0.100/arp_ignore").read_text() == "1\n"
    settings.leave("eth0.100")
    assert (NET / "ipv4/conf/eth0.100/arp_ignore").read_text() == "0\n"


def test_an_interface_that_is_not_there_or_is_none(host: Namespace, tmp_path: Path) -> None:
    before = state()
    settings = Sysctls(str(tmp_path))
    for name in ("eth9", "all", "default", "..", "."):
        assert settings.join(name) == []
    assert state() == before
    assert settings.members() == []


def test_an_interface_that_went_while_it_was_a_member_is_forgotten_without_fuss(
    host: Namespace, nics: List[Cable], tmp_path: Path
) -> None:
    settings = Sysctls(str(tmp_path))
    settings.join("m0")
    settings.join("m1")
    host.ip("link del m0")
    assert settings.leave("m0") == []
    assert list(saved(tmp_path)) == ["m1"]


def test_an_interface_that_came_back_keeps_the_values_saved_for_its_name(
    host: Namespace, peer: Namespace, tmp_path: Path
) -> None:
    host.veth("eth1", "p1", peer)
    (NET / "ipv4/conf/eth1/rp_filter").write_text("1")
    settings = Sysctls(str(tmp_path))
    settings.join("eth1")
    host.ip("link del eth1")
    host.veth("eth1", "p1", peer)
    assert settings.join("eth1")
    settings.leave("eth1")
    assert (NET / "ipv4/conf/eth1/rp_filter").read_text() == "1\n"


def test_drift_names_what_somebody_changed(nics: List[Cable], tmp_path: Path) -> None:
    settings = Sysctls(str(tmp_path))
    settings.join_host()
    settings.join("m0")
    assert settings.drift(["m0"]) == []
    assert settings.drift([]) == []
    (NET / "ipv4/conf/m0/arp_ignore").write_text("0")
    (NET / HASH_POLICIES[0]).write_text("0")
    assert {str(change) for change in settings.drift(["m0"])} == {
        "ipv4/conf/m0/arp_ignore: 0 -> 1",
        f"{HASH_POLICIES[0]}: 0 -> 1",
    }


def test_values_saved_in_another_boot_do_not_count(nics: List[Cable], tmp_path: Path) -> None:
    settings = Sysctls(str(tmp_path))
    (NET / "ipv4/conf/all/rp_filter").write_text("0")
    (NET / "ipv4/conf/m0/rp_filter").write_text("1")
    settings.join("m0")
    file = tmp_path / "var/lib/ipmp/sysctl.json"
    content = json.loads(file.read_text())
    content["boot_id"] = "00000000-0000-0000-0000-000000000000"
    file.write_text(json.dumps(content))
    assert Sysctls(str(tmp_path)).leave("m0") == []
    assert (NET / "ipv4/conf/m0/rp_filter").read_text() == "0\n"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"boot_id": "BOOT"}', '{"boot_id": "BOOT", "saved": [1]}', "\udcff"])
def test_a_file_that_cannot_be_read_is_said_and_does_not_stop_anything(
    nics: List[Cable], tmp_path: Path, text: str
) -> None:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    file = tmp_path / "var/lib/ipmp/sysctl.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(text.replace("BOOT", boot).encode("utf-8", "surrogateescape"))
    settings = Sysctls(str(tmp_path))
    assert settings.warning
    assert settings.warning.startswith(str(file))
    assert settings.join("m0")
    assert Sysctls(str(tmp_path)).warning is None


def test_ipv6_kept_off_an_interface(nics: List[Cable], tmp_path: Path) -> None:
    settings = Sysctls(str(tmp_path))
    assert not settings.disable_ipv6("m0")
    (NET / "ipv6/conf/m0/disable_ipv6").write_text("1")
    assert settings.disable_ipv6("m0")
