# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The artifact: the same code gives the same bytes, and what arrives broken replaces nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.netpath.ipmp.plugins.module_utils.deploy import artifact


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "controller" / "ipmp"
    (folder / "commands").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "model.py").write_text("A = 1\n")
    (folder / "commands" / "ipmpstat.py").write_text("B = 2\n")
    return folder


def test_times_owners_modes_and_compiled_files_do_not_count(package: Path) -> None:
    before, packed = artifact.digest(str(package)), artifact.pack({"ipmp": str(package)})
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "model.cpython-311.pyc").write_bytes(b"x")
    os.utime(package / "model.py", (1, 1))
    (package / "model.py").chmod(0o600)
    assert artifact.digest(str(package)) == before
    assert artifact.pack({"ipmp": str(package)}) == packed


@pytest.mark.parametrize("change", ["content", "name", "new", "gone"])
def test_every_difference_in_code_counts(package: Path, change: str) -> None:
    before = artifact.digest(str(package))
    if change == "content":
        (package / "model.py").write_text("A = 2\n")
    elif change == "name":
        (package / "model.py").rename(package / "models.py")
    elif change == "new":
        (package / "plan.py").write_text("")
    else:
        (package / "model.py").unlink()
    assert artifact.digest(str(package)) not in (None, before)


def test_nothing_there_has_no_digest(tmp_path: Path) -> None:
    assert artifact.digest(str(tmp_path / "missing")) is None


def test_unpacking_replaces_the_whole_package_and_leaves_no_rest(package: Path, tmp_path: Path) -> None:
    target = tmp_path / "host"
    (target / "ipmp").mkdir(parents=True)
    (target / "ipmp" / "removed_long_ago.py").write_text("")
    archive = tmp_path / "ipmp.tar.gz"
    archive.write_bytes(artifact.pack({"ipmp": str(package)}))
    artifact.unpack(str(archive), str(target), {"ipmp": str(artifact.digest(str(package)))}, lambda _fresh: None)
    assert artifact.digest(str(target / "ipmp")) == artifact.digest(str(package))
    artifact.forget_old(str(target))
    assert [p.name for p in target.iterdir()] == ["ipmp"]


def test_another_archive_than_announced_replaces_nothing(package: Path, tmp_path: Path) -> None:
    target = tmp_path / "host"
    (target / "ipmp").mkdir(parents=True)
    (target / "ipmp" / "old.py").write_text("")
    archive = tmp_path / "ipmp.tar.gz"
    archive.write_bytes(artifact.pack({"ipmp": str(package)}))
    with pytest.raises(ValueError, match="run the task again"):
        artifact.unpack(str(archive), str(target), {"ipmp": "0" * 64}, lambda _fresh: None)
    assert (target / "ipmp" / "old.py").exists()


@pytest.mark.parametrize(
    ("version", "good"),
    [(None, False), ("0.6.13", False), ("0.7.1", False), ("0.7.2", True), ("0.9.7", True), ("1.0", True)],
)
def test_pyroute2_is_good_from_0_7_2_on(version: str, good: bool) -> None:
    assert artifact.good_pyroute2(version) is good
