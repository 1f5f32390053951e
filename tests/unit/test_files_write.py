# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing the files: all or none, and one writer at a time."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from ipmp import files
from ipmp.model import ConfigError

PACKAGE = str(pathlib.Path(files.__file__).parent.parent)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hostname.eth1").write_text("old\n")
    return tmp_path


def content(root):
    return {str(p.relative_to(root)): p.read_text() for p in root.rglob("*") if p.is_file()}


def test_what_is_written_is_there_and_what_was_there_comes_back(root):
    wanted = {"/etc/hostname.eth1": None, "/etc/hostname.eth2": "new\n", "/etc/ipmp/groups.conf": "[g]\n"}
    previous = files.write_files(str(root), wanted)
    assert previous == {"/etc/hostname.eth1": "old\n", "/etc/hostname.eth2": None, "/etc/ipmp/groups.conf": None}
    assert content(root) == {"etc/hostname.eth2": "new\n", "etc/ipmp/groups.conf": "[g]\n"}
    assert (root / "etc/hostname.eth2").stat().st_mode & 0o7777 == 0o644
    files.write_files(str(root), previous)
    assert content(root) == {"etc/hostname.eth1": "old\n"}


def test_what_is_right_is_not_written(root):
    before = (root / "etc/hostname.eth1").stat()
    assert files.write_files(str(root), {"/etc/hostname.eth1": "old\n", "/etc/hostname.eth9": None}) == {}
    after = (root / "etc/hostname.eth1").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_when_one_cannot_be_written_the_others_are_put_back(root):
    (root / "etc/ipmp/groups.conf/a folder where a file should be").mkdir(parents=True)
    before = content(root)
    wanted = {"/etc/hostname.eth1": None, "/etc/hostname.eth2": "new\n", "/etc/ipmp/groups.conf": "[g]\n"}
    with pytest.raises(ConfigError, match=r"^/etc/ipmp/groups.conf: cannot be written: .*; nothing was changed$"):
        files.write_files(str(root), wanted)
    assert content(root) == before


def test_when_one_cannot_be_read_nothing_is_written(root):
    (root / "etc/ipmp").write_text("a file where a folder should be\n")
    before = content(root)
    with pytest.raises(ConfigError, match=r"^/etc/ipmp/groups.conf: cannot be read: Not a directory"):
        files.write_files(str(root), {"/etc/hostname.eth1": None, "/etc/ipmp/groups.conf": "[g]\n"})
    assert content(root) == before


def test_a_link_stays_a_link(root):
    (root / "etc/site").mkdir()
    (root / "etc/site/eth2").write_text("old\n")
    (root / "etc/hostname.eth2").symlink_to("site/eth2")
    files.write_files(str(root), {"/etc/hostname.eth2": "new\n"})
    assert (root / "etc/hostname.eth2").is_symlink()
    assert (root / "etc/site/eth2").read_text() == "new\n"


def test_a_writer_killed_at_any_moment_leaves_the_old_or_the_new_text(root):
    """The file is written over and over and the writer killed: never half a text, nothing that counts as a file."""
    code = (
        f"import sys; sys.path.insert(0, {PACKAGE!r})\n"
        "from ipmp import files\n"
        "print(flush=True)\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1\n"
        f"    files.write_files({str(root)!r}, {{'/etc/hostname.eth1': str(n % 10) * 5000 + chr(10)}})\n"
    )
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            for _ in range(20):
                text = (root / "etc/hostname.eth1").read_text()
                assert text == "old\n" or (len(text) == 5001 and len(set(text)) == 2)
            writer.kill()
        text = (root / "etc/hostname.eth1").read_text()
        assert text == "old\n" or (len(text) == 5001 and len(set(text)) == 2)
    assert [path for path in files.read_texts(str(root)) if path != "/etc/hostname.eth1"] == []


def test_two_writers_take_turns(root):
    """Each of four processes adds 25 lines, reading and writing under the lock; not one line is lost."""
    code = (
        f"import sys; sys.path.insert(0, {PACKAGE!r})\n"
        "from ipmp import files\n"
        f"root, path = {str(root)!r}, '/etc/hostname.eth1'\n"
        "for _ in range(25):\n"
        "    with files.locked(root):\n"
        "        files.write_files(root, {path: files.read_text(root, path) + 'line' + chr(10)})\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [w.wait() for w in writers] == [0] * 4
    assert (root / "etc/hostname.eth1").read_text() == "old\n" + "line\n" * 100
    assert os.path.exists(root / "run/ipmp/config.lock")


def test_the_lock_is_free_again_after_an_error(root):
    with pytest.raises(RuntimeError), files.locked(str(root)):
        raise RuntimeError
    with files.locked(str(root)):
        pass
