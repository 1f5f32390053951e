# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test units and integration, on the tarball and what of the tests ansible-test takes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

from lab import Lab, describe

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "tools"))
import cores  # noqa: E402
import sanity  # noqa: E402

TESTS = CHECKOUT / "tests"
FOLDER = CHECKOUT / "build" / "ansible-test"


@pytest.fixture
def tree(request: pytest.FixtureRequest) -> Callable[[str, str], Path]:
    """The collection for one line of ansible-core, with one part of the tests."""

    def made(core: str, part: str) -> Path:
        top = FOLDER / f"{part.replace('/', '-')}-{core}"
        shutil.rmtree(top, ignore_errors=True)
        top.mkdir(parents=True)
        folder = sanity.tree(core, sanity.built(core, top), top)
        shutil.copytree(TESTS / part, folder / "tests" / part, ignore=shutil.ignore_patterns("__pycache__"))
        return folder

    return made


def test_every_module_has_a_target() -> None:
    modules = {path.stem for path in (CHECKOUT / "plugins" / "modules").glob("*.py")}
    targets = {path.name for path in (TESTS / "integration" / "targets").iterdir()}
    assert targets == {*modules, "setup_group"}


@pytest.mark.parametrize(("core", "python"), [("2.16", "3.9"), ("2.16", "3.11"), ("2.21", "3.9"), ("2.21", "3.13")])
def test_units(tree: Callable[[str, str], Path], core: str, python: str) -> None:
    folder = tree(core, "unit/plugins")
    program = str(CHECKOUT / "build" / "cores" / core / "bin" / "ansible-test")
    line = [program, "units", "--color", "no", "--venv", "--python", python]
    done = subprocess.run(line, cwd=folder, env=sanity.environment(core), capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert " passed" in said, said
    assert "Skipping" not in said, said


@pytest.mark.kernel
def test_integration(tree: Callable[[str, str], Path]) -> None:
    """In a host of the lab: ansible-test changes the host that it runs on."""
    core = list(cores.CORES)[-1]
    folder = tree(core, "integration")
    program = str(CHECKOUT / "build" / "cores" / core / "bin" / "ansible-test")
    options = f"--color no --allow-destructive --allow-root --python {cores.CORES[core].python}"
    line = f"cd '{folder}' && exec '{program}' integration {options}"
    with Lab(describe(hosts=1, nics=2)) as lab:
        host = lab.hosts["h1"]
        # The checkout may lie in /tmp, and the host has its own, upon the lab's.
        host.run(f"until test -e '{folder}'; do umount /tmp || exit; done")
        done = subprocess.run(
            host.command(line), env=sanity.environment(core), capture_output=True, text=True, check=False
        )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-6000:]
    for target in (TESTS / "integration" / "targets").iterdir():
        assert target.name == "setup_group" or f"Running {target.name} integration test role" in said, target.name
