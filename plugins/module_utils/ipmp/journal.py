# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be known after a crash and after a reboot: the open transaction, and which components are detached.

Each write is on the disk before the call returns.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import zlib
from typing import Any, Dict, List, Optional, Tuple

Entry = Dict[str, Any]

ENDED = ("confirmed", "rolled_back")  # states of a transaction


class JournalError(Exception):
    """A store cannot be written or makes no sense. ``str()`` is one sentence that names the file."""


class Journal:
    """``/var/lib/ipmp/journal`` under ``root``: what a transaction is about to do, written before it is done.

    A line is the CRC32 of an entry and the entry in JSON. A last line that was torn by a crash is no entry;
    any other line that does not fit its sum makes the journal unreadable.
    """

    def __init__(self, root: str) -> None:
        self.path = os.path.join(root, "var/lib/ipmp/journal")

    def append(self, entry: Entry) -> None:
        """Returns when the entry is on the disk; raises JournalError when it is not, and then it never was there."""
        end = self._scan()[1]
        try:
            _make_directory(os.path.dirname(self.path))
            created = not os.path.exists(self.path)
            fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(fd, end)  # a torn line must not become the middle of the journal
                try:
                    _write_all(fd, _line(entry), end)
                    os.fsync(fd)
                except OSError:
                    os.ftruncate(fd, end)
                    raise
            finally:
                os.close(fd)
            if created:
                _sync_directory(os.path.dirname(self.path))
        except OSError as error:
            raise _unwritable(self.path, error)

    def read(self) -> List[Entry]:
        """All entries, oldest first. Raises JournalError when the file is damaged before its last line."""
        return self._scan()[0]

    def open_entry(self) -> Optional[Entry]:
        """The last entry, if its transaction has not come to an end. Raises JournalError as read() does."""
        entries = self.read()
        if not entries or "closed" in entries[-1] or entries[-1].get("state") in ENDED:
            return None
        return entries[-1]

    def untold(self) -> List[Entry]:
        """The last entry of each transaction that was confirmed, while its consumers may not know of it yet.

        Raises JournalError as read() does.
        """
        last = {entry["transaction"]: entry for entry in self.read()}
        return [e for e in last.values() if e.get("state") == "confirmed" and e.get("consumers")]

    def close(self, transaction: str, why: str) -> None:
        """Forget the entries of a transaction that has ended, and keep this one line.

        Where that cannot be written nothing is lost but space: the end itself was an entry, or its
        failure has been reported.
        """
        with contextlib.suppress(JournalError):
            _replace(self.path, _line({"transaction": transaction, "closed": why}))

    def _scan(self) -> Tuple[List[Entry], int]:
        """The entries, and where the last of them ends."""
        data = _read(self.path) or b""
        entries: List[Entry] = []
        position = 0
        lines = list(io.BytesIO(data))
        for number, line in enumerate(lines, 1):
            entry = _entry(line)
            if entry is None:
                if number < len(lines):
                    raise JournalError(
                        f"{self.path}, line {number}: this line is damaged; remove the file to begin anew"
                    )
                break
            entries.append(entry)
            position += len(line)
        return entries, position


class Records:
    """``/var/lib/ipmp/detached/NAME.json`` under ``root``: one RECORD for each component that is detached.

    Or what else is kept in a ``folder``, an entry a name.
    """

    def __init__(self, root: str, folder: str = "detached") -> None:
        self.directory = os.path.join(root, "var/lib/ipmp", folder)

    def names(self) -> List[str]:
        """Components that have a record, sorted."""
        try:
            found = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise JournalError(f"{self.directory} cannot be read: {error.strerror}")
        return sorted(name[:-5] for name in found if name.endswith(".json"))

    def read(self, name: str) -> Optional[Entry]:
        """The record, or None where there is none. Raises JournalError when it is damaged."""
        path = self._path(name)
        data = _read(path)
        if data is None:
            return None
        record = _object(data)
        if record is None:
            raise JournalError(f"{path}: this record is damaged; remove it to have {name} forgotten")
        return record

    def all(self) -> List[Entry]:
        """Every record, sorted by component."""
        return [record for record in map(self.read, self.names()) if record is not None]

    def write(self, name: str, record: Entry) -> None:
        """Put or replace it, on the disk."""
        _replace(self._path(name), _json(record))

    def delete(self, name: str) -> None:
        """Forget it; harmless when there is none."""
        path = self._path(name)
        try:
            os.unlink(path)
            _sync_directory(self.directory)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise _unwritable(path, error)

    def _path(self, name: str) -> str:
        if not name or name.startswith(".") or "/" in name or "\0" in name or len(os.fsencode(name)) > 200:
            raise JournalError(f"{name!r:.80} cannot be the name of a component")
        return os.path.join(self.directory, name + ".json")


def _json(entry: Entry) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode()


def _object(data: bytes) -> Optional[Entry]:
    try:
        found = json.loads(data)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _line(entry: Entry) -> bytes:
    text = _json(entry)
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _entry(line: bytes) -> Optional[Entry]:
    total, _space, text = line[:-1].partition(b" ")
    if not line.endswith(b"\n") or total != b"%08x" % zlib.crc32(text):
        return None
    return _object(text)


def _read(path: str) -> Optional[bytes]:
    """The whole file, or None where there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error.strerror}")


def _replace(path: str, data: bytes) -> None:
    """The file has this content, or on JournalError still its old one."""
    directory, temporary = os.path.dirname(path), path + ".new"
    try:
        _make_directory(directory)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write_all(fd, data, 0)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(temporary, path)
        _sync_directory(directory)
    except OSError as error:
        raise _unwritable(path, error)


def _write_all(fd: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(fd, data, offset)
        data, offset = data[written:], offset + written


def _make_directory(path: str) -> None:
    """It is there, and its name on the disk too."""
    if not os.path.isdir(path):
        parent = os.path.dirname(os.path.abspath(path))
        _make_directory(parent)
        os.mkdir(path, 0o755)
        _sync_directory(parent)


def _sync_directory(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _unwritable(path: str, error: OSError) -> JournalError:
    return JournalError(f"{path} cannot be written: {error.strerror}")
