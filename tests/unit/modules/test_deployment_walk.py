# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ipmp_daemon says in check mode is what it then does, and what it says it did is what the host's files show.

A seed is a walk from a bare host through deployments, removals, new code and whatever people do to what is there.
``DEPLOYMENT_SEEDS`` (6) walks of ``DEPLOYMENT_STEPS`` (10) tasks, the first of them from ``DEPLOYMENT_FIRST`` (0).
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import pytest
from ansible_collections.netpath.ipmp.plugins.module_utils.deploy import artifact, deployment
from running import run

SEEDS = int(os.environ.get("DEPLOYMENT_SEEDS", "6"))
STEPS = int(os.environ.get("DEPLOYMENT_STEPS", "10"))
FIRST = int(os.environ.get("DEPLOYMENT_FIRST", "0"))
TOLD = ("changed", "diff", "pyroute2", "sent", "managers")
Manifest = Dict[str, Tuple[int, str]]


class Walk:
    """One host on its way, and the controller's code."""

    def __init__(self, host: deployment.Host, package: Path, folder: Path, seed: int) -> None:
        self.host, self.package, self.archive = host, package, folder / "ipmp.tar.gz"
        self.root, self.chance = Path(host.root), random.Random(seed)

    def options(self) -> Dict[str, Any]:
        """A task: mostly the daemon shall be there."""
        if self.chance.random() < 0.2:
            return {"state": "absent"}
        self.archive.write_bytes(artifact.pack({"ipmp": str(self.package)}))
        code = artifact.digest(str(self.package))
        return {
            "state": "present",
            "members": self.chance.choice([[], ["eth1"], ["eth1", "eth2"]]),
            "artifact": {"code": code, "archive": str(self.archive)},
        }

    def files(self) -> Manifest:
        """Everything below the root that no running daemon writes: path -> (mode, text or target)."""
        found: Manifest = {}
        for path in sorted(self.root.rglob("*")):
            name = path.relative_to(self.root).as_posix()
            if "__pycache__" in name or name.startswith(("run", "released")) or name.endswith(deployment.STAMP):
                continue
            text = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else ""
            found[name] = (path.lstat().st_mode, text)
        return found

    def pid(self) -> Optional[int]:
        return self.host.service.pid()

    def happens(self) -> None:
        """New code on the controller, or what people and accidents do to a host; nothing in some cases."""
        deployed = [path for path in sorted(self.root.rglob("*")) if path.relative_to(self.root).parts[0] != "run"]
        files = [path for path in deployed if path.is_file() or path.is_symlink()]
        folders = [path for path in deployed if path.is_dir() and not path.is_symlink()]
        events: List[Callable[[], object]] = [lambda: None, self._new_code, self._ended]
        if files:
            one = self.chance.choice(files)
            events += [one.unlink, lambda: self._scribble(one), lambda: one.exists() and one.chmod(0o600)]
        if folders:
            place = self.chance.choice(folders)
            events += [lambda: shutil.rmtree(place), lambda: place.chmod(0o700)]
        if (self.root / "usr/local/lib/ipmp").is_dir():
            events.append((self.root / "usr/local/lib/ipmp" / deployment.STAMP).touch)
        self.chance.choice(events)()

    def _new_code(self) -> None:
        (self.package / "model.py").write_text(f"# {self.chance.random()}\n")

    @staticmethod
    def _scribble(path: Path) -> None:
        if not path.is_symlink():
            path.write_text("# somebody was here\n")

    def _ended(self) -> None:
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGKILL)
            while self.pid():
                time.sleep(0.01)


def changed_files(before: Manifest, after: Manifest) -> List[str]:
    return [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_check_mode_and_the_run_agree_with_each_other_and_with_the_host(
    host: deployment.Host, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    walk = Walk(host, package, tmp_path, seed)
    for _step in range(STEPS):
        walk.happens()
        options = walk.options()
        before = walk.files(), walk.pid()

        checked = run(monkeypatch, "ipmp_daemon", check=True, diff=True, **options)
        assert (walk.files(), walk.pid()) == before, "check mode touched something"

        done = run(monkeypatch, "ipmp_daemon", diff=True, **options)
        assert {k: done[k] for k in TOLD if k in done} == {k: checked[k] for k in TOLD if k in checked}
        after = walk.files(), walk.pid()
        told = [os.path.relpath(entry["after_header"], walk.root) for entry in done["diff"]]
        for name in changed_files(before[0], after[0]):
            inside = [
                path for path in told if name == path or name.startswith(f"{path}/") or path.startswith(f"{name}/")
            ]
            assert inside, f"{name} was changed, and nothing is said of it: {told}"
        for path in [path for path in told if path.startswith(("usr", "etc"))]:
            assert [
                name for name in changed_files(before[0], after[0]) if name == path or name.startswith(f"{path}/")
            ], path
        assert done["changed"] or after == before
        assert (after[1] is not None) == (options["state"] == "present")
        assert after[1] != before[1] or not done.get("sent"), "new code, and the old daemon"
        restarted = [entry["after"] for entry in done["diff"] if entry["after_header"] == "in.mpathd"]
        assert (after[1] == before[1]) == (not restarted and options["state"] == "present") or after[1] is None

        again = run(monkeypatch, "ipmp_daemon", diff=True, **options)
        assert (again["changed"], again["diff"]) == (False, [])
        assert (walk.files(), walk.pid()) == after, "a second run touched something"
