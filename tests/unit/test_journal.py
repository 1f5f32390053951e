# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What survives a kill, a torn write and a full disk."""

from __future__ import annotations

import os
import resource
import tempfile
from pathlib import Path
from typing import Any, Dict, List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipmp.journal import Journal, JournalError, Records

ENTRIES: List[Dict[str, Any]] = [
    {"transaction": "t1", "step": "open", "component": "eth1"},
    {"transaction": "t1", "step": "move", "address": "192.0.2.1"},
    {"transaction": "t1", "step": "commit", "text": "naïve\n\r\u2028\ud800"},
]


def written(root: Path) -> Journal:
    journal = Journal(str(root))
    for entry in ENTRIES:
        journal.append(entry)
    return journal


def test_what_was_appended_is_read_by_the_next_daemon(tmp_path: Path) -> None:
    assert Journal(str(tmp_path)).read() == []
    written(tmp_path)
    assert Journal(str(tmp_path)).read() == ENTRIES


def test_a_journal_cut_anywhere_is_the_entries_before_the_cut_and_goes_on(tmp_path: Path) -> None:
    whole = Path(written(tmp_path).path).read_bytes()
    ends = [n + 1 for n, byte in enumerate(whole) if byte == 0x0A]
    for cut in range(len(whole) + 1):
        for garbage in (b"", b"\0" * 40, b"\r\r"):
            if garbage and cut in (0, *ends[:-1]):
                continue
            journal = Journal(str(tmp_path))
            Path(journal.path).write_bytes(whole[:cut] + garbage)
            kept = ENTRIES[: sum(end <= cut for end in ends)]
            assert journal.read() == kept
            journal.append({"step": "next"})
            assert journal.read() == [*kept, {"step": "next"}]
            assert Path(journal.path).read_bytes().endswith(b'"next"}\n'), "the torn part is gone"


def test_damage_before_the_last_line_is_not_believed_and_not_written_to(tmp_path: Path) -> None:
    path = Path(written(tmp_path).path)
    damaged = path.read_bytes().replace(b"192.0.2.1", b"192.0.2.9")
    path.write_bytes(damaged)
    with pytest.raises(JournalError) as caught:
        Journal(str(tmp_path)).read()
    assert str(caught.value) == f"{path}, line 2: this line is damaged; remove the file to begin anew"
    with pytest.raises(JournalError):
        Journal(str(tmp_path)).append({})
    assert path.read_bytes() == damaged


def test_the_last_entry_is_open_until_its_transaction_has_ended(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path))
    assert journal.open_entry() is None
    for state in ("begun", "prepared", "committed"):
        journal.append({"transaction": "t1", "state": state})
        assert Journal(str(tmp_path)).open_entry() == {"transaction": "t1", "state": state}
    for state in ("confirmed", "rolled_back"):
        journal.append({"transaction": "t1", "state": state})
        assert journal.open_entry() is None


def test_closing_forgets_the_entries_and_the_next_transaction_begins(tmp_path: Path) -> None:
    journal = written(tmp_path)
    journal.close("t1", "ended by a reboot")
    assert journal.read() == [{"transaction": "t1", "closed": "ended by a reboot"}]
    assert journal.open_entry() is None
    journal.append({"transaction": "t2", "state": "begun"})
    assert journal.open_entry() == {"transaction": "t2", "state": "begun"}


def in_a_child_with_file_limit(limit: int, root: Path, work: str) -> int:
    """Run the work where files cannot grow beyond the limit; 7 if that was said as a JournalError."""
    child = os.fork()
    if child == 0:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            if work == "append":
                Journal(str(root)).append({"step": "x" * 200})
            else:
                Records(str(root)).write("eth1", {"component": "x" * 200})
        except JournalError as error:
            os._exit(7 if "cannot be written: File too large" in str(error) else 8)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_an_entry_that_did_not_fit_never_was_there(tmp_path: Path) -> None:
    path = Path(written(tmp_path).path)
    before = path.read_bytes()
    assert in_a_child_with_file_limit(len(before) + 100, tmp_path, "append") == 7
    assert path.read_bytes() == before


def test_a_record_that_did_not_fit_leaves_the_old_one(tmp_path: Path) -> None:
    Records(str(tmp_path)).write("eth1", {"component": "eth1"})
    assert in_a_child_with_file_limit(100, tmp_path, "record") == 7
    assert Records(str(tmp_path)).all() == [{"component": "eth1"}]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file where a directory should be")
    with pytest.raises(JournalError, match="var/lib/ipmp/journal cannot be"):
        Journal(str(tmp_path)).append({})
    with pytest.raises(JournalError, match=r"detached/eth1\.json cannot be"):
        Records(str(tmp_path)).write("eth1", {})


def test_records_are_put_listed_replaced_and_forgotten(tmp_path: Path) -> None:
    records = Records(str(tmp_path))
    assert records.names() == [] and records.all() == [] and records.read("eth1") is None
    records.delete("eth1")
    records.write("eth2", {"component": "eth2", "lost": []})
    records.write("0000:01:00.0", {"component": "0000:01:00.0"})
    records.write("eth2", {"component": "eth2", "lost": ["192.0.2.1"]})
    assert records.names() == ["0000:01:00.0", "eth2"]
    assert records.all() == [{"component": "0000:01:00.0"}, {"component": "eth2", "lost": ["192.0.2.1"]}]
    records.delete("0000:01:00.0")
    assert Records(str(tmp_path)).names() == ["eth2"]


@pytest.mark.parametrize("name", ["", ".", "..", "../../etc/passwd", "a/b", "a\0b", "x" * 300])
def test_a_name_cannot_lead_out_of_the_directory(tmp_path: Path, name: str) -> None:
    with pytest.raises(JournalError, match="cannot be the name of a component"):
        Records(str(tmp_path)).write(name, {})


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    records = Records(str(tmp_path))
    records.write("eth1", {})
    Path(records.directory, "eth1.json").write_bytes(b"{")
    with pytest.raises(JournalError, match=r"detached/eth1\.json: this record is damaged; remove it"):
        records.all()


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_a_journal_or_a_journal_error(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as root:
        journal = Journal(root)
        journal.append({"step": "first"})
        with open(journal.path, "ab") as file:
            file.write(data)
        try:
            assert journal.read()[0] == {"step": "first"}
        except JournalError:
            pass
