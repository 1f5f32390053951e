# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that answer, and those that do not, on the loopback interface."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Iterator

import pytest
from running import Failed, run


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_what_answers_is_fine(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    assert run(monkeypatch, "ipmp_reach", addresses=["127.0.0.1"], ports=[port])["silent"] == []


def test_a_closed_port_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    with pytest.raises(Failed) as failure:
        run(monkeypatch, "ipmp_reach", addresses=["127.0.0.1"], ports=[closed], wait_timeout=1)
    assert failure.value.result["silent"] == [f"127.0.0.1 accepts no connection to port {closed}"]
    assert failure.value.result["reason"] == "verify"


def test_an_address_without_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # The kernel does not let this one out, so no packet leaves the machine.
    with pytest.raises(Failed, match=r"255\.255\.255\.255 does not answer ping$"):
        run(monkeypatch, "ipmp_reach", addresses=["255.255.255.255", "127.0.0.1"], wait_timeout=1)


def test_where_no_ping_can_be_sent_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*arguments: object) -> socket.socket:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(socket, "socket", forbidden)
    with pytest.raises(Failed, match="set ipmp_verify_from"):
        run(monkeypatch, "ipmp_reach", addresses=["127.0.0.1"])


def test_a_watch_counts_what_was_sent_and_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = ["127.0.0.1", "255.255.255.255", "::1"]
    begun = run(monkeypatch, "ipmp_reach", addresses=addresses, state="watched", interval=10, watch_timeout=20)
    assert Path(begun["watch"]).is_dir()
    time.sleep(0.5)
    ended = run(monkeypatch, "ipmp_reach", addresses=["127.0.0.1"], watch=begun["watch"])
    here, nowhere, here6 = ended["watched"]
    assert [w["address"] for w in ended["watched"]] == addresses
    assert here["sent"] == here["answered"] > 5
    assert here["longest_gap"] == here6["longest_gap"] == 0
    assert here6["sent"] == here6["answered"]
    assert (nowhere["answered"], nowhere["longest_gap"]) == (0, 10 * nowhere["sent"])
    assert run(monkeypatch, "ipmp_reach", addresses=[], watch=begun["watch"])["watched"] is None
    deadline = time.monotonic() + 10
    while Path(begun["watch"]).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(begun["watch"]).exists()


def test_a_watch_is_ended_by_a_check_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = run(monkeypatch, "ipmp_reach", addresses=["127.0.0.1"], state="watched", watch_timeout=20)
    with pytest.raises(Failed) as failure:
        run(monkeypatch, "ipmp_reach", addresses=["255.255.255.255"], wait_timeout=1, watch=begun["watch"])
    assert failure.value.result["watched"][0]["answered"] > 0


def test_a_watch_that_nobody_ends_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = run(monkeypatch, "ipmp_reach", addresses=["127.0.0.1"], state="watched", watch_timeout=1)
    deadline = time.monotonic() + 20
    while Path(begun["watch"]).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(begun["watch"]).exists()
