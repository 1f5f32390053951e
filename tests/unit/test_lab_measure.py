# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the demo counts: losses, gaps, what a busy sender is not blamed for; and the page that shows it."""

from __future__ import annotations

import re
from array import array
from typing import Iterable

import pytest
from demo.capture import Seen
from demo.picture import Picture
from demo.report import page
from demo.run import judge, losses, table
from demo.steps import Event, Step
from demo.traffic import TO_CLIENT, TO_HOST, Record, Track

PERIOD = 0.001


def track(lost: Iterable[int] = (), pause: float = 0.0, count: int = 1000, first: int = 0) -> Track:
    """A datagram each ms from time 100 on, each 0.1 ms on its way; the sender pauses before number 500."""
    sent = array("d", [100 + n * PERIOD + (pause if n >= 500 else 0) for n in range(count)])
    gone = set(lost)
    arrived = array("d", [0.0 if n in gone or n < first else when + 0.0001 for n, when in enumerate(sent)])
    return Track("h1", "192.0.2.11", TO_HOST, sent, arrived, first)


def record(*tracks: Track) -> Record:
    return Record(list(tracks), [], Seen(), 1000, {"client": {"cpu": 0.1, "late": 0.001, "errors": {}}})


def test_what_never_arrived_is_lost_in_the_time_it_was_sent_in() -> None:
    whole = record(track(lost=[100, 101, 102, 700]))
    assert whole.count(100, 101).lost == 4
    assert whole.count(100.05, 100.2).lost == 3
    assert whole.count(100.2, 100.6).lost == 0
    assert whole.count(100.05, 100.2).sent == 150


def test_the_gap_is_the_time_without_an_arrival() -> None:
    whole = record(track(lost=range(100, 150)))
    assert whole.count(100, 101).longest_gap_ms == pytest.approx(51, abs=0.2)
    assert whole.count(100.2, 101).longest_gap_ms == pytest.approx(1, abs=0.2)


def test_a_gap_that_outlasts_the_step_counts_whole_and_only_there() -> None:
    whole = record(track(lost=range(100, 300)))
    assert whole.count(100, 100.2).longest_gap_ms == pytest.approx(201, abs=0.2)
    assert whole.count(100.2, 101).longest_gap_ms == pytest.approx(1, abs=0.2)


def test_a_sender_that_the_scheduler_held_back_makes_no_gap() -> None:
    whole = record(track(pause=0.2))
    assert whole.count(100, 102).lost == 0
    assert whole.count(100, 102).longest_gap_ms == pytest.approx(1, abs=0.2)


def test_an_address_counts_from_its_first_answer() -> None:
    whole = record(track(first=400))
    assert (whole.count(100, 101).sent, whole.count(100, 101).lost) == (600, 0)
    assert list(whole.tracks[0].holes()) == []


def test_holes_are_told_one_by_one() -> None:
    found = losses(100.0, record(track(lost=[10, 11, 500])))
    assert [(loss["at"], loss["lost"]) for loss in found] == [(0.0091, 2), (0.4991, 1)]


def steps() -> list:
    names = ["set_up", "second_run", "cable_pull", "repair", "check", "detach", "reattach", "refused_detach"]
    return [Step(name, f"what <{name}> does", 100 + n * 0.12, 100 + (n + 1) * 0.12) for n, name in enumerate(names)]


def other_way(one: Track) -> Track:
    return Track(one.host, one.address, TO_CLIENT, one.sent, one.arrived, one.first)


def with_capture(one: Track) -> Record:
    seen = Seen(
        {one.address: bytearray(1 if when else 0 for when in one.arrived)},
        {one.address: [(100.0, "aa"), (100.65, "bb")]},
    )
    return Record([one, other_way(one)], [], seen, 1000, record().agents)


@pytest.mark.parametrize(
    ("lost", "failed"),
    [
        ([], []),
        ([300], []),
        ([490], ["check"]),
        ([630], ["detach"]),
        ([750], ["reattach"]),
        ([900], ["refused_detach"]),
    ],
)
def test_only_steps_that_may_lose_nothing_fail_for_a_loss(lost: list, failed: list) -> None:
    whole = with_capture(track(lost=lost))
    rows = judge(steps(), whole)["steps"]
    assert [row["name"] for row in rows if row["problem"].startswith("datagrams lost")] == failed


def test_a_reset_connection_or_a_witness_that_disagrees_spoils_the_verdict() -> None:
    good = with_capture(track())
    assert judge(steps(), good)["ok"]
    ended = Record(good.tracks, [(100.5, "h1", "192.0.2.11", "reset")], good.seen, 1000, good.agents)
    assert not judge(steps(), ended)["ok"]
    good.seen.numbers["192.0.2.11"][77] = 0
    assert not judge(steps(), good)["ok"]
    assert not judge(steps()[:-1], with_capture(track()))["ok"]


def test_the_page_is_whole_in_itself_and_names_everything() -> None:
    whole = with_capture(track(lost=[300, 301]))
    events = [Event(100.25, "h1", "eth1", "pull", "cable <of> eth1 pulled")]
    result = judge(steps(), whole)
    html = page(result, Picture(whole, steps(), events, {"aa": "eth1", "bb": "eth2"}))
    assert not re.search(r"""\s(src|href)\s*=|url\(|@import|<script""", html)
    assert "cable &lt;of&gt; eth1 pulled" in html
    assert "what &lt;detach&gt; does" in html
    assert "2 lost to the host, 3 ms" in html
    assert "to 192.0.2.11, hosted by eth2" in html
    assert all(step.name in html for step in steps())
    assert len(table(result).splitlines()) == 9
