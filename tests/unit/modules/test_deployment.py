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
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import pytest
from ansible_collections.netpath.ipmp.plugins.module_utils.deploy import (
    artifact,
    deployment,
    layout,
    network_managers,
    pyroute2_choice,
)

# Answers pings as in.mpathd would, and ends on SIGTERM or when asked to release the host.
DAEMON = """
import json, os, socket, sys
root = os.environ["IPMP_ROOT"]
def main(arguments):
    path = os.path.join(root, "run/ipmp/control.sock")
    if os.path.exists(path):
        os.unlink(path)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    while True:
        peer = server.accept()[0]
        request = json.loads(peer.makefile().readline())
        peer.sendall(json.dumps({"v": 1, "id": 1, "ok": True, "result": {"pid": os.getpid()}}).encode() + b"\\n")
        peer.close()
        if request["op"] == "release":
            open(os.path.join(root, "released"), "w").close()
            return 0
"""


def run(command: Sequence[str]) -> Tuple[int, str, str]:
    if command[0] == "groupadd":
        return 0, "", ""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "controller" / "ipmp"
    (folder / "commands").mkdir(parents=True)
    for name in ("__init__.py", "commands/__init__.py"):
        (folder / name).write_text("")
    (folder / "commands" / "in_mpathd.py").write_text(DAEMON)
    return folder


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[deployment.Host]:
    # Names of sockets are short, those of pytest's folders are not.
    root = tmp_path / "r"
    root.mkdir()
    monkeypatch.setenv("IPMP_ROOT", str(root))
    monkeypatch.setattr(deployment, "_group_exists", lambda: True)
    monkeypatch.setattr(pyroute2_choice, "installed_version", lambda: "0.9.7")
    host = deployment.Host(str(root), run, lambda path: None, 10)
    yield host
    pid = host.service.pid()
    if pid:
        os.kill(pid, signal.SIGKILL)


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
    deployment.remove(host)
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
    deployment.remove(host)
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


def test_managers_that_are_not_installed_get_no_file(tmp_path: Path) -> None:
    places = network_managers.places(str(tmp_path), network_managers.MANAGERS, ["eth1"])
    assert [place for place in places.values() if place.difference()] == []


def installed(root: Path, program: str) -> None:
    (root / program).parent.mkdir(parents=True, exist_ok=True)
    (root / program).write_text("")


def test_networkmanager_and_networkd_are_told(tmp_path: Path) -> None:
    installed(tmp_path, "usr/sbin/NetworkManager")
    installed(tmp_path, "usr/lib/systemd/systemd-networkd")
    places = network_managers.places(str(tmp_path), network_managers.MANAGERS, ["eth2", "eth1"])
    assert "unmanaged-devices+=interface-name:eth1;interface-name:eth2\n" in places["NetworkManager"].wanted()
    assert "Name=eth1 eth2\n" in places["systemd-networkd"].wanted()


def test_ifupdown_keeps_the_users_own_exclusions(tmp_path: Path) -> None:
    installed(tmp_path, "sbin/ifup")
    defaults = tmp_path / "etc/default/networking"
    defaults.parent.mkdir(parents=True)
    original = '# mine\nEXCLUDE_INTERFACES="eth9"\n'
    defaults.write_text(original)
    for members, expected in (
        (["eth1"], 'EXCLUDE_INTERFACES="eth9 eth1"\n'),
        (["eth2"], '"eth9 eth2"\n'),
        ([], "eth9"),
    ):
        place = network_managers.places(str(tmp_path), network_managers.MANAGERS, members)["ifupdown"]
        place.make(lambda path: None)
        assert expected in defaults.read_text()
        assert place.difference() is None
    assert defaults.read_text() == original


def test_the_unit_names_the_rights_it_needs_and_no_more() -> None:
    unit: List[str] = layout.UNIT_TEXT.splitlines()
    assert "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_SYS_NICE" in unit
    assert "ReadWritePaths=/etc /var/lib/ipmp /run/ipmp" in unit
    assert "ExecReload=/bin/kill -HUP $MAINPID" in unit
