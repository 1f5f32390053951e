# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host package as one reproducible archive: digest, pack, unpack. Shared by the action plugin and its module."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import shutil
import tarfile
from typing import Callable, Iterator, Mapping, Optional, Tuple

NEW, OLD = ".new", ".old"  # folders beside what they replace
OLDEST_PYROUTE2 = (0, 7, 2)


def good_pyroute2(version: Optional[str]) -> bool:
    """Whether a pyroute2 of that version (None: not installed) is one the daemon works with."""
    numbers = tuple(int(n) for n in re.findall(r"\d+", version or "")[:3])
    return numbers >= OLDEST_PYROUTE2


def _sources(folder: str) -> Iterator[Tuple[str, str]]:
    """(path inside the folder, path) of every Python source, in an order that is the same everywhere."""
    found = []
    for directory, _folders, names in os.walk(folder):
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(directory, name)
                found.append((os.path.relpath(path, folder), path))
    return iter(sorted(found))


def digest(folder: str) -> Optional[str]:
    """SHA-256 over names and contents of the Python sources below the folder; None when there are none.

    Compiled files do not count, and neither do times, owners and modes: two machines with the same code agree.
    """
    total = hashlib.sha256()
    empty = True
    for name, path in _sources(folder):
        with open(path, "rb") as source:
            content = source.read()
        total.update(b"%d %d %s" % (len(name), len(content), name.encode()))
        total.update(content)
        empty = False
    return None if empty else total.hexdigest()


def pack(folders: Mapping[str, str]) -> bytes:
    """A tar.gz of the Python sources of each folder, under its name; the same input gives the same bytes."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for top in sorted(folders):
            for name, path in _sources(folders[top]):
                with open(path, "rb") as source:
                    content = source.read()
                entry = tarfile.TarInfo(f"{top}/{name}")
                entry.size, entry.mode = len(content), 0o644
                archive.addfile(entry, io.BytesIO(content))
    return _gzip(stream.getvalue())


def _gzip(data: bytes) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=6, mtime=0, filename="") as stream:
        stream.write(data)
    return out.getvalue()


def unpack(archive: str, target: str, wanted: Mapping[str, str], accept: Callable[[str], None]) -> None:
    """Replaces target/NAME by the archive's NAME for every ``wanted: {NAME: digest}``.

    All is written to a folder beside the old, checked, offered to accept (which raises what it likes), and put in its
    place by renames; what was there before stays until ``forget_old``. Files get the present time, so that nothing
    compiled from an older source of the same size is ever taken for theirs.

    Raises ValueError when what arrived is not what was announced; then nothing has been replaced.
    """
    fresh = os.path.join(target, NEW)
    shutil.rmtree(fresh, ignore_errors=True)
    with tarfile.open(archive, mode="r:gz") as content:
        for entry in content:
            top, _slash, rest = entry.name.partition("/")
            source = content.extractfile(entry)
            if top not in wanted or source is None or ".." in rest.split("/"):
                continue
            path = os.path.join(fresh, top, rest)
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            with open(path, "wb") as out:
                out.write(source.read())
            os.chmod(path, 0o644)
    for name in wanted:
        if digest(os.path.join(fresh, name)) != wanted[name]:
            raise ValueError(f"the archive's {name} is not the one announced; run the task again")
    accept(fresh)
    forget_old(target)
    os.makedirs(os.path.join(target, OLD), mode=0o755)
    for name in wanted:
        place = os.path.join(target, name)
        if os.path.lexists(place):
            os.rename(place, os.path.join(target, OLD, name))
        os.rename(os.path.join(fresh, name), place)
    shutil.rmtree(fresh)


def forget_old(target: str) -> None:
    """What was replaced is not needed any more."""
    shutil.rmtree(os.path.join(target, OLD), ignore_errors=True)


def put_old_back(target: str) -> bool:
    """What was replaced is put in its place again; False if there is nothing to put back."""
    old = os.path.join(target, OLD)
    names = os.listdir(old) if os.path.isdir(old) else []
    for name in names:
        place = os.path.join(target, name)
        shutil.rmtree(place, ignore_errors=True)
        os.rename(os.path.join(old, name), place)
    forget_old(target)
    return bool(names)
