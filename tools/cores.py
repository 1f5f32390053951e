#!/usr/bin/env python3
# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes build/cores/CORE, an environment for each supported line of ansible-core, or for those named."""

from __future__ import annotations

import fcntl
import hashlib
import sys
from pathlib import Path
from typing import List, NamedTuple

import pythons
from setup import BUILD, CHECKOUT, run


class Core(NamedTuple):
    """python: what this line runs on here; others: the further Pythons that its ansible-test has to find."""

    python: str
    others: List[str]


# Of what each line supports: all that a managed host (3.9 and newer) or a controller may have.
CORES = {
    "2.16": Core("3.11", ["3.9", "3.10", "3.12"]),
    "2.19": Core("3.12", ["3.9", "3.10", "3.11", "3.13"]),
    "2.20": Core("3.13", ["3.9", "3.10", "3.11", "3.12", "3.14"]),
    "2.21": Core("3.13", ["3.9", "3.10", "3.11", "3.12", "3.14"]),
}


def venv(core: str) -> Path:
    """The environment of that line, made anew when its requirements or its Python differ from what it was made of."""
    program = pythons.folder_of(CORES[core].python) / f"python{CORES[core].python}"
    wanted = CHECKOUT / "requirements" / "cores" / f"{core}.txt"
    return environment(BUILD / "cores" / core, str(program), wanted)


def environment(folder: Path, program: str, wanted: Path) -> Path:
    """The folder, with an environment of this Python and what the requirements file wants."""
    key = hashlib.sha256(f"{program} {folder}".encode() + wanted.read_bytes()).hexdigest() + "\n"
    stamp = folder / ".stamp"
    if not stamp.exists() or stamp.read_text() != key:
        where = folder.relative_to(CHECKOUT)
        run(f"making {where}", [program, "-m", "venv", "--clear", str(folder)])
        quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-r", str(wanted)]
        run(f"installing {wanted.relative_to(CHECKOUT)} into {where}", pip, quiet)
        stamp.write_text(key)
    return folder


def path(core: str) -> str:
    """PATH for programs of that line: its own, every Python that it is tested on, and the system's."""
    found = [pythons.folder_of(version) for version in CORES[core].others]
    return ":".join(map(str, [venv(core) / "bin", *found, "/usr/sbin", "/usr/bin", "/sbin", "/bin"]))


def make(names: List[str]) -> List[str]:
    """The environments of these lines, or of all; their names."""
    unknown = [name for name in names if name not in CORES]
    if unknown:
        sys.exit(f"{unknown[0]} is no line of ansible-core that is tested; there are {', '.join(CORES)}")
    BUILD.mkdir(exist_ok=True)
    with (BUILD / ".setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in names or CORES:
            venv(name)
    return names or list(CORES)


if __name__ == "__main__":
    make(sys.argv[1:])
