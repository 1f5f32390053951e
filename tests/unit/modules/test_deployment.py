# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon's deployment, run for real under another root: compared, made once, taken away without a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, List

import pytest
from ansible_collections.netpath.ipmp.plugins.module_utils.deploy import (
    artifact,
    deployment,
    layout,
    network_managers,
    pyroute2_choice,
)


def wanted(host: deployment.Host, package: Path, **changes: Any) -> deployment.Deployment:
    asked: Dict[str, Any] = {
        "code": artifact.digest(str(package)),
        "pyroute2": None,
        "pyroute2_version": None,
        "pyroute2_asked": "auto",
        "managers": network_managers.MANAGERS,
        "members": ["eth1", "eth2"],
    }
    return deployment.Deployment(host, **{**asked, **changes})


def deploy(host: deployment.Host, package: Path, tmp_path: Path) -> None:
    archive = tmp_path / "ipmp.tar.gz"
    archive.write_bytes(artifact.pack({"ipmp": str(package)}))
    wanted(host, package).make(str(archive))


def test_a_second_run_has_nothing_to_do(host: deployment.Host, package: Path, tmp_path: Path) -> None:
    assert wanted(host, package).differences()
    deploy(host, package, tmp_path)
    again = wanted(host, package)
    assert (again.differences(), again.needs) == ([], [])


def test_new_code_restarts_the_daemon_once(host: deployment.Host, package: Path, tmp_path: Path) -> None:
    deploy(host, package, tmp_path)
    first = host.service.pid()
    (package / "model.py").write_text("")
    assert wanted(host, package).needs == ["ipmp"]
    deploy(host, package, tmp_path)
    second = host.service.pid()
    assert first != second
    assert not wanted(host, package).differences()


def test_a_run_that_ended_before_the_restart_is_finished_by_the_next(
    host: deployment.Host, package: Path, tmp_path: Path
) -> None:
    deploy(host, package, tmp_path)
    first = host.service.pid()
    Path(host.lib, deployment.STAMP).write_text("")
    unfinished = wanted(host, package)
    assert [entry["after"] for entry in unfinished.differences()] == ["restart\n"]
    unfinished.make(None)
    assert host.service.pid() != first


def test_a_daemon_that_has_ended_is_started(host: deployment.Host, package: Path, tmp_path: Path) -> None:
    deploy(host, package, tmp_path)
    pid = host.service.pid()
    os.kill(int(pid or 0), signal.SIGKILL)
    while host.service.pid():
        time.sleep(0.01)
    again = wanted(host, package)
    assert [entry["after"] for entry in again.differences()] == ["start\n"]
    again.make(None)
    assert host.service.pid()


def test_a_daemon_that_cannot_start_is_told_with_its_last_words(
    host: deployment.Host, package: Path, tmp_path: Path
) -> None:
    (package / "commands" / "in_mpathd.py").write_text("def main(arguments): raise SystemExit('no such kernel')\n")
    with pytest.raises(deployment.ServiceError, match=r"ended at once.*no such kernel"):
        deploy(host, package, tmp_path)


@pytest.mark.parametrize("path", ["usr/local/lib/ipmp/bin/in.mpathd", "usr/local/sbin/ipmpstat", "etc/ipmp/rcm"])
def test_what_somebody_else_changed_is_put_right(
    host: deployment.Host, package: Path, tmp_path: Path, path: str
) -> None:
    deploy(host, package, tmp_path)
    spoilt = Path(host.root, path)
    if spoilt.is_dir():
        spoilt.chmod(0o700)
    else:
        spoilt.unlink()
    assert wanted(host, package).differences()[0]["before_header"] == str(spoilt)
    wanted(host, package).make(None)
    assert not wanted(host, package).differences()


def test_absent_leaves_configuration_and_nothing_else(host: deployment.Host, package: Path, tmp_path: Path) -> None:
    deploy(host, package, tmp_path)
    pid = host.service.pid()
    assert deployment.removal(host)
    deployment.remove(host, {})
    assert deployment.removal(host) == []
    assert not Path(f"/proc/{pid}").exists() or host.service.pid() is None
    files = [p.relative_to(host.root).as_posix() for p in Path(host.root).rglob("*") if not p.is_dir()]
    assert files == ["released"]
    assert Path(host.root, "etc/ipmp/rcm").is_dir()


def test_absent_starts_a_daemon_that_has_ended_to_put_the_host_back(
    host: deployment.Host, package: Path, tmp_path: Path
) -> None:
    deploy(host, package, tmp_path)
    os.kill(int(host.service.pid() or 0), signal.SIGKILL)
    while host.service.pid():
        time.sleep(0.01)
    deployment.remove(host, {})
    assert (host.service.pid(), deployment.removal(host)) == (None, [])
    assert Path(host.root, "released").exists()


@pytest.mark.parametrize(
    ("asked", "on_host", "on_controller", "chosen"),
    [
        ("auto", "0.7.2", "0.9.7", "system"),
        ("auto", "0.6.9", "0.9.7", "bundled"),
        ("auto", None, "0.9.7", "bundled"),
        ("system", "0.9.1", None, "system"),
        ("bundled", "0.9.7", "0.9.7", "bundled"),
    ],
)
def test_which_pyroute2(asked: str, on_host: str, on_controller: str, chosen: str) -> None:
    assert pyroute2_choice.choose(asked, on_host, on_controller, False) == chosen


@pytest.mark.parametrize("asked", ["auto", "bundled", "system"])
def test_no_pyroute2_anywhere_is_one_sentence_with_the_way_out(asked: str) -> None:
    with pytest.raises(ValueError, match=r"0\.7\.2.*install") as caught:
        pyroute2_choice.choose(asked, None, None, False)
    assert "\n" not in str(caught.value)


class Generated:
    """A folder with the generator of all managers, and what it writes there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        network_managers.generator(str(root), network_managers.MANAGERS).make(lambda path: None)

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def run(self) -> None:
        environment = {**os.environ, "IPMP_ROOT": str(self.root)}
        program = self.root / network_managers.GENERATOR
        subprocess.run([program, self.root / "units"], env=environment, check=True)

    def text(self, path: str) -> str:
        return (self.root / path).read_text() if (self.root / path).exists() else ""


def test_at_boot_the_files_say_what_is_kept_off(tmp_path: Path) -> None:
    bed = Generated(tmp_path)
    bed.write("etc/hostname.eth2", "# group no\ngroup lan standby up\n")
    bed.write("etc/hostname6.eth1", "addif 2001:db8::1/64 group lan\n")
    bed.write("etc/hostname.eth1:1", "192.0.2.1/24 group lan\n")
    bed.write("etc/hostname.eth3", "# group lan\n192.0.2.3/24 up\n")
    bed.write("etc/default/networking", 'EXCLUDE_INTERFACES="eth9"\n')
    bed.run()
    assert network_managers.kept(str(tmp_path)) == ["eth1", "eth2"]
    network_manager = bed.text("run/NetworkManager/conf.d/50-ipmp.conf")
    assert "unmanaged-devices+=interface-name:eth1;interface-name:eth2;\n" in network_manager
    assert "Name=eth1 eth2\n\n[Link]\nUnmanaged=yes\n" in bed.text("run/systemd/network/00-ipmp.network")
    assert bed.text("run/ipmp/ifupdown") == 'EXCLUDE_INTERFACES="eth9 eth1 eth2"\n'
    assert str(tmp_path / "run/ipmp/ifupdown") in bed.text("units/networking.service.d/50-ipmp.conf")
    assert "ConditionPathExists=!" in bed.text("units/ifup@eth2.service.d/50-ipmp.conf")


def test_without_groups_nobody_is_kept_off_anything(tmp_path: Path) -> None:
    bed = Generated(tmp_path)
    bed.write("etc/hostname.eth1", "group lan up\n")
    bed.run()
    (tmp_path / "etc/hostname.eth1").unlink()
    bed.run()
    assert not any(bed.text(path) for path in network_managers.DROP_INS)


def test_members_named_by_the_role_count_until_the_files_speak(tmp_path: Path) -> None:
    bed, root = Generated(tmp_path), str(tmp_path)
    place = network_managers.named(root, ["eth2", "eth1"])
    assert place is not None and place.wanted() == "eth1\neth2\n"
    place.make(lambda path: None)
    bed.run()
    assert network_managers.named(root, ["eth1", "eth2"]) is None
    assert network_managers.named(root, ["eth1"]) is not None
    (tmp_path / network_managers.NAMED).unlink()  # the host has booted
    bed.run()
    assert network_managers.named(root, ["eth1", "eth2"]) is not None
    bed.write("etc/hostname.eth1", "group lan up\n")
    bed.write("etc/hostname.eth2", "group lan standby up\n")
    bed.run()
    assert network_managers.named(root, ["eth1", "eth2"]) is None


def test_the_unit_names_the_rights_it_needs_and_no_more() -> None:
    unit: List[str] = layout.UNIT_TEXT.splitlines()
    assert "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_SYS_NICE CAP_SYSLOG" in unit
    assert "ReadWritePaths=/etc /var/lib/ipmp /run/ipmp" in unit
    assert "ExecReload=/bin/kill -HUP $MAINPID" in unit
