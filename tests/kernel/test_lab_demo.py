# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo as a whole: its numbers hold, its report needs nothing else, and nothing is left when it is stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Set

import pytest

pytestmark = pytest.mark.kernel
TESTS = Path(__file__).parents[1]
STEPS = ["set_up", "second_run", "cable_pull", "repair", "check", "detach", "reattach", "refused_detach"]
FIELDS = {"name", "ok", "seconds", "sent", "lost", "longest_gap_ms", "tcp_resets", "changed"}


def start(folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "demo", str(folder)],
        cwd=TESTS,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_demo_runs_and_its_numbers_hold(tmp_path: Path) -> None:
    demo = start(tmp_path)
    said, _ = demo.communicate(timeout=300)
    result = json.loads((tmp_path / "result.json").read_text())
    steps = {step["name"]: step for step in result["steps"]}
    assert list(steps) == STEPS, said
    assert all(set(step) >= FIELDS for step in steps.values())
    assert steps["set_up"]["changed"] > 0
    assert steps["second_run"]["changed"] == 0, said
    assert [steps[name]["lost"] for name in ("check", "detach", "reattach", "refused_detach")] == [0, 0, 0, 0], said
    assert sum(step["tcp_resets"] for step in steps.values()) == 0, said
    assert result["ok"], said
    assert demo.returncode == 0
    page = (tmp_path / "report.html").read_text()
    assert "<svg" in page
    assert not re.search(r"""(src|href)\s*=|url\(|@import|<script""", page), "the report needs something else"


def lab_processes(demo: int) -> Set[str]:
    """Process namespaces that began below the demo's process."""
    ours, found = os.readlink("/proc/self/ns/pid"), set()
    waiting = [demo]
    while waiting:
        pid = waiting.pop()
        try:
            waiting += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
            found.add(os.readlink(f"/proc/{pid}/ns/pid"))
        except OSError:
            pass
    return found - {ours}


def in_use() -> Set[str]:
    found = set()
    for space in Path("/proc").glob("[0-9]*/ns/pid"):
        try:
            found.add(os.readlink(space))
        except OSError:
            pass
    return found


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_demo_that_is_stopped_in_the_middle_takes_its_lab_along(tmp_path: Path, sig: int) -> None:
    demo = start(tmp_path)
    assert demo.stdout is not None
    with demo.stdout:
        for line in demo.stdout:
            if "set_up" in line:
                break
        time.sleep(0.7)  # a playbook is running
        spaces = lab_processes(demo.pid)
        assert len(spaces) >= 5
        demo.send_signal(sig)
        assert demo.wait(30) != 0
    end = time.monotonic() + 10
    while spaces & in_use() and time.monotonic() < end:
        time.sleep(0.05)
    assert not spaces & in_use()
    assert not (tmp_path / "result.json").exists()
