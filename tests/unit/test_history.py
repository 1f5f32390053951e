# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ring of results: who is found by sequence number, when a probe counts as lost, what is counted in a row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipmp.history import ACKED, FORGOTTEN, LOST, OPEN, RING, UNSENT, History
from ipmp.targets import ACTIVE, Target

INTERVAL = 1000.0  # ms


def ring(results: str, *names: str) -> History:
    """A history of ``+`` answered, ``-`` lost, ``?`` forgotten and ``o`` open probes, one a second from 0 on.

    ``names`` are the targets in turn; without them there is one.
    """
    history = History()
    targets = {name: Target(name, 0.0) for name in names or ("R",)}
    turn = names or ("R",)
    for place, result in enumerate(results):
        probe = history.add(targets[turn[place % len(turn)]], 1000 + place, float(place))
        probe.leave(float(place))
        if result == "+":
            history.ack(probe)
        else:
            probe.state = {"-": LOST, "?": FORGOTTEN, "o": OPEN}[result]
    return history


@given(st.integers(0, 200), st.integers(1, 1 << 17))
def test_last_52_are_found_by_their_sixteen_bits(count: int, first: int) -> None:
    """PKT-4, PRB-5; also where the numbers wrap."""
    history = History()
    history.number = first
    probes = [history.add(Target("R", 0.0), 0, 0.0) for _ in range(count)]
    assert [p.number for p in probes] == list(range(first, first + count))
    for probe in probes[-52:]:
        assert 0 <= probe.sequence <= 0xFFFF and history.find(probe.sequence) is probe
    for number in (first + count, first + count - 53):
        assert history.find(number & 0xFFFF) is None


def test_cleared_ring_knows_nothing_and_counts_on() -> None:
    history = ring("++")
    history.clear()
    assert history.find(1) is None and history.find(2) is None and history.newest() is None
    assert history.last_success == float("-inf")
    assert history.add(Target("R", 0.0), 0, 0.0).sequence == 3


def test_probe_is_lost_when_it_takes_longer_than_usual() -> None:
    """PRB-4: the critical time of the target, or the interval as long as that is unknown."""
    history = ring("o")
    assert history.judge(1.0, INTERVAL, False) == []
    assert [p.number for p in history.judge(1.001, INTERVAL, False)] == [1]
    assert history.judge(2.0, INTERVAL, False) == []  # told once
    history = ring("o")
    probe = history.find(1)
    assert probe is not None
    probe.target.rtt.take(100, INTERVAL)
    assert history.judge(0.3, INTERVAL, False) == []
    assert history.judge(0.301, INTERVAL, False) == [probe] and probe.state == LOST


def test_only_the_last_probe_may_be_on_its_way() -> None:
    """PRB-4: the one before is lost, however short the time."""
    history = ring("oo")
    assert [p.number for p in history.judge(1.001, 1e6, False)] == [1]
    history.add(Target("R", 0.0), 0, 2.0).leave(2.0)
    assert [p.number for p in history.judge(2.001, 1e6, False)] == [2]


def test_what_was_never_sent_or_not_awaited_is_forgotten() -> None:
    history = ring("+")
    unsent = history.add(Target("R", 0.0), 0, 1.0)
    assert unsent.state == UNSENT
    assert history.judge(9.0, INTERVAL, False) == [] and unsent.state == FORGOTTEN
    late = history.add(Target("R", 0.0), 0, 2.0)
    late.leave(2.0)
    assert history.judge(9.0, INTERVAL, True) == [] and late.state == FORGOTTEN
    newest = history.newest()
    assert newest is not None and newest.number == 1 and history.streak() == []


@pytest.mark.parametrize(
    ("results", "expected"), [("", 0), ("+", 0), ("-", 1), ("-+--", 2), ("+---oo", 3), ("-?-?", 2), ("--+", 0)]
)
def test_losses_in_a_row(results: str, expected: int) -> None:
    """FAIL-2: the first of them is the last of the list."""
    streak = ring(results).streak()
    assert len(streak) == expected
    assert [p.number for p in streak] == sorted((p.number for p in streak), reverse=True)


@pytest.mark.parametrize(
    ("results", "names", "expected"),
    [
        ("", "R", 0),
        ("+++", "R", 3),
        ("+-++o", "R", 2),
        ("++?++", "R", 4),
        ("++-", "R", 0),
        ("+-+-+-+", "AB", 4),  # A always answers, and was last
        ("+-+-+-+-", "AB", 0),  # B was last
        ("+-+-+++", "AB", 4),
        ("-+++++", "AB", 5),
        ("++-+-+++++", "AB", 5),
    ],
)
def test_successes_in_a_row(results: str, names: str, expected: int) -> None:
    """REP-1: over all targets, or of the latest target."""
    assert ring(results, *names).successes() == expected


def test_answers_before_the_failure_are_no_proof() -> None:
    """REP-1, stricter: A has always answered, and yet the NIC had failed."""
    history = ring("+-+-+-+-+-+-+", *"AB")
    assert history.successes() == 7
    history.proof_from = 9
    assert history.successes() == 3


@pytest.mark.parametrize(
    ("results", "names", "expected"),
    [("", "A", False), ("-----", "A", False), ("+-----", "ABCDEF", True), ("-+----", "ABCDEF", True)]
    + [("+-----", "ABCDE", False), ("+o----?", "ABCDEF", True), ("-----+", "ABCDEF", True)],
)
def test_is_a_target_answering(results: str, names: str, expected: bool) -> None:
    """FAIL-2, stricter: five losses of others say nothing of the one that answers and has not had its turn."""
    history = ring(results, *names)
    assert not history.answering()  # none is probed any more
    for probe in history._probes:
        probe.target.state = ACTIVE
    assert history.answering() == expected


def test_losses_of_one_target() -> None:
    """TGT-12."""
    history = ring("+-+-+-+-o?+", "A", "B")
    a, b = (history.find(n).target for n in (1, 2))  # type: ignore[union-attr]
    assert (history.losses(a), history.losses(b)) == (0, 4)


def test_last_success_is_the_newest_that_was_sent() -> None:
    """GRP-4: a late answer to an older probe does not set it back."""
    history = ring("-+")
    assert history.last_success == 1.0
    late = history.find(1)
    assert late is not None
    history.ack(late)
    assert late.state == ACKED and history.last_success == 1.0
    assert RING == 52
