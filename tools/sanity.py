#!/usr/bin/env python3
# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ansible-test sanity on the built tarball with every supported ansible-core, or those named; nothing is ignored.

ansible-test refuses a symlinked collection, so the tarball is installed and tested, as a repository of its own: else
ansible-test would ask the checkout's, where build/ is ignored. A Python that it skips is a failure.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Dict, List

import cores
from setup import BUILD, CHECKOUT, run, say

TREES = BUILD / "sanity"
# ansible-test fetches a script that brings pip into the environments that it makes, unless it has it in its cache. The
# pip that came with Python does: to replace it first would be half of the time.
PIP = """
import subprocess, sys
others = [a for a in sys.argv[1:] if '==' in a and not a.startswith('pip==')]
subprocess.check_call([sys.executable, '-m', 'ensurepip'], stdout=subprocess.DEVNULL)
if others:
    subprocess.check_call([sys.executable, '-m', 'pip', 'install', '--quiet', *others])
"""


def environment(core: str) -> Dict[str, str]:
    """A home of its own for each line: two would make the same environment in there at once."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
    home = BUILD / "home" / core
    home.mkdir(parents=True, exist_ok=True)
    return {
        **kept,
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "PATH": cores.path(core),
        "PIP_CACHE_DIR": str(BUILD / "home" / "pip"),
        "PIP_NO_COMPILE": "1",
    }


def built(core: str, folder: Path) -> Path:
    """The tarball, built into the folder."""
    build = [str(BUILD / "cores" / core / "bin" / "ansible-galaxy"), "collection", "build", "--force"]
    run("building the tarball", [*build, "--output-path", str(folder), str(CHECKOUT)], environment(core))
    (tarball,) = folder.glob("netpath-ipmp-*.tar.gz")
    return tarball


def tree(core: str, tarball: Path, top: Path) -> Path:
    """The collection as a user of that line installs it below top, and what only ansible-test needs."""
    bin_ = BUILD / "cores" / core / "bin"
    install = [str(bin_ / "ansible-galaxy"), "collection", "install", "--force", "--offline", "--no-deps"]
    run(f"installing the tarball for {core}", [*install, "-p", str(top), str(tarball)], environment(core))
    found = top / "ansible_collections" / "netpath" / "ipmp"
    (found / "tests").mkdir()
    shutil.copy(CHECKOUT / "tests" / "config.yml", found / "tests")
    subprocess.run(["git", "init", "--quiet", str(found)], check=True)
    ask = "import pathlib, ansible_test; print(pathlib.Path(ansible_test.__file__).parent)"
    package = subprocess.run([bin_ / "python", "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    cache = Path(environment(core)["HOME"]) / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    source = (Path(package) / "_internal" / "python_requirements.py").read_text(encoding="utf-8")
    for version in re.findall(r"\bpip='([0-9.]+)'", source):
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(PIP, encoding="utf-8")
    return found


def test(core: str, tarball: Path) -> List[str]:
    """What is wrong; the whole output is in a log."""
    folder = tree(core, tarball, TREES / core)
    log = BUILD / "log" / f"sanity-{core}.log"
    begin = time.monotonic()
    with log.open("w", encoding="utf-8") as out:
        line = ["ansible-test", "sanity", "--color", "no"]
        program = str(BUILD / "cores" / core / "bin" / line[0])
        done = subprocess.run(
            [program, *line[1:]],
            cwd=folder,
            env=environment(core),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            check=False,
        )
    said = log.read_text(encoding="utf-8").splitlines()
    ran = sum(text.startswith("Running sanity test") for text in said)
    wrong = [text for text in said if text.startswith(("ERROR", "FATAL")) or "Skipping" in text]
    if done.returncode and not wrong:
        wrong = said[-20:]
    verdict = "failed" if wrong else "passed"
    say(f"ansible-test sanity with {core}: {ran} tests {verdict} in {time.monotonic() - begin:.0f} s; see {log}")
    return [f"{core}: {text}" for text in wrong]


def main() -> int:
    """The exit code."""
    names = cores.make(sys.argv[1:])
    shutil.rmtree(TREES, ignore_errors=True)
    TREES.mkdir(parents=True)
    tarball = built(names[-1], TREES)
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        wrong = [text for found in pool.map(lambda core: test(core, tarball), names) for text in found]
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
