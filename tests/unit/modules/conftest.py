# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the collection importable under its own name, as Ansible does, from whatever folder the checkout is in.

And a host below a folder of its own, for the tests of the deployment.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator, Sequence, Tuple

import pytest

ROOT = Path(__file__).resolve().parents[3]
_view = tempfile.TemporaryDirectory(prefix="ipmp-view-")
_namespace = Path(_view.name, "ansible_collections", "netpath")
_namespace.mkdir(parents=True)
(_namespace / "ipmp").symlink_to(ROOT)
sys.path[:0] = [_view.name, str(Path(__file__).parent), str(Path(__file__).parents[1])]

from ansible_collections.netpath.ipmp.plugins.module_utils.deploy import deployment, pyroute2_choice  # noqa: E402

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


def _run(command: Sequence[str]) -> Tuple[int, str, str]:
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
    host = deployment.Host(str(root), _run, lambda path: None, 10)
    yield host
    pid = host.service.pid()
    if pid:
        os.kill(pid, signal.SIGKILL)
