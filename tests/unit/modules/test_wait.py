# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What module ipmp_wait makes of the daemon's records."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

import pytest
from control_bed import serving
from running import Failed, run

RECORD = {
    "component": "0000:00:05",
    "interfaces": ["eth1", "eth2"],
    "now": {"eth2": "02:00:00:00:00:02"},
    "card": {"altnames": ["enp0s5"]},
}
OPEN = {"transaction": "t1", "component": "eth1", "interfaces": ["eth1"]}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("IPMP_ROOT", str(tmp_path))
    return str(tmp_path)


def records(seen: str) -> Dict[str, Any]:
    return {"records": [{**RECORD, "seen": seen}], "open": None}


@pytest.mark.parametrize(("wanted", "seen"), [("gone", "gone"), ("gone", "back"), ("back", "back")])
@pytest.mark.parametrize("name", ["0000:00:05", "eth2", "enp0s5"])
def test_what_is_so_already_needs_no_waiting(
    root: str, monkeypatch: pytest.MonkeyPatch, name: str, wanted: str, seen: str
) -> None:
    with serving(root, transactions=records(seen)):
        result = run(monkeypatch, "ipmp_wait", component=name, seen=wanted)
    assert (result["seen"], result["macs"], result["changed"]) == (seen, RECORD["now"], False)


@pytest.mark.parametrize(
    ("wanted", "seen", "sentence"),
    [("gone", "there", "eth1 is still there after 0 s"), ("back", "gone", "eth1 has not come back after 0 s")],
)
def test_what_does_not_happen_in_time_fails(
    root: str, monkeypatch: pytest.MonkeyPatch, wanted: str, seen: str, sentence: str
) -> None:
    with serving(root, transactions=records(seen)):
        with pytest.raises(Failed, match=sentence) as failure:
            run(monkeypatch, "ipmp_wait", component="eth1", seen=wanted, wait_timeout=0)
        assert failure.value.result["reason"] == "timeout"
        assert run(monkeypatch, "ipmp_wait", component="eth1", seen=wanted, check=True)["seen"] == seen


def test_who_has_come_in_its_stead_is_told(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"records": [{**RECORD, "seen": "gone", "hint": "eth9 has come"}], "open": None}
    with serving(root, transactions=answer), pytest.raises(Failed, match="not come back after 0 s; eth9 has come$"):
        run(monkeypatch, "ipmp_wait", component="eth1", seen="back", wait_timeout=0)


def test_what_may_still_be_undone_is_not_waited_for(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(root, transactions={"records": [], "open": OPEN}):
        with pytest.raises(Failed, match="is not confirmed"):
            run(monkeypatch, "ipmp_wait", component="eth1", seen="gone")


@pytest.mark.parametrize(("present", "seen"), [(True, "back"), (False, "gone")])
def test_what_is_attached_is_back(root: str, monkeypatch: pytest.MonkeyPatch, present: bool, seen: str) -> None:
    query = {"component": {"present": present, "macs": {"eth1": "02:00:00:00:00:01"}}}
    with serving(root, transactions={"records": [], "open": None}, detach_query=query):
        result = run(monkeypatch, "ipmp_wait", component="eth1", seen="gone")
    assert (result["seen"], result["attached"]) == (seen, present)
