# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop: order within a round, timers, signals, and callbacks that fail."""

from __future__ import annotations

import os
import signal
from typing import Iterator, List

import pytest

from ipmp import loop as loops


class Bed:
    def __init__(self) -> None:
        self.log: List[str] = []
        self.seen: List[str] = []
        self.loop = loops.Loop(self.log.append)
        self.fds: List[int] = []

    def pipe(self) -> tuple[int, int]:
        ends = os.pipe()
        self.fds += ends
        return ends

    def readable(self, name: str, priority: int = loops.NORMAL) -> int:
        reader, writer = self.pipe()
        os.write(writer, b"x")
        self.loop.add_fd(reader, lambda mask: self.seen.append(name), priority=priority)
        return reader


@pytest.fixture
def bed() -> Iterator[Bed]:
    made = Bed()
    yield made
    made.loop.close()
    for fd in made.fds:
        os.close(fd)


def test_a_round_takes_link_events_first_then_timers_then_the_rest(bed: Bed) -> None:
    bed.readable("request")
    bed.readable("link", loops.FIRST)
    bed.readable("another request")
    bed.loop.call_later(0, lambda: bed.seen.append("timer"))
    bed.loop.run_once()
    assert bed.seen[:2] == ["link", "timer"]
    assert sorted(bed.seen[2:]) == ["another request", "request"]


def test_timers_run_in_the_order_of_their_moments_and_of_their_making(bed: Bed) -> None:
    moment = loops.now()
    bed.loop.call_at(moment + 0.02, lambda: bed.seen.append("late"))
    bed.loop.call_at(moment + 0.01, lambda: bed.seen.append("early 1"))
    bed.loop.call_at(moment + 0.01, lambda: bed.seen.append("early 2"))
    bed.loop.call_at(moment + 0.03, bed.loop.stop)
    bed.loop.run()
    assert bed.seen == ["early 1", "early 2", "late"]


def test_a_timer_never_runs_before_its_moment(bed: Bed) -> None:
    early: List[float] = []

    def set_again(left: int) -> None:
        due = loops.now() + 0.0013
        bed.loop.call_at(due, lambda: fired(left, due))

    def fired(left: int, due: float) -> None:
        if loops.now() < due:
            early.append(due)
        if left:
            set_again(left - 1)
        else:
            bed.loop.stop()

    set_again(50)
    bed.loop.run()
    waiting = bed.loop.call_later(0.005, bed.loop.stop)
    while waiting.pending:  # awake all the time, as when requests come in
        bed.loop.run_once(0)
        if not waiting.pending and loops.now() < waiting.when:
            early.append(waiting.when)
    assert not early


def test_a_cancelled_timer_does_not_run_not_even_in_its_own_round(bed: Bed) -> None:
    second = None

    def first() -> None:
        assert second is not None
        second.cancel()

    moment = loops.now()
    bed.loop.call_at(moment, first)
    second = bed.loop.call_at(moment, lambda: bed.seen.append("second"))
    assert second.pending
    bed.loop.run_once(0)
    assert not second.pending
    bed.loop.run_once(0)
    assert bed.seen == []


def test_a_timer_that_sets_itself_again_does_not_starve_the_descriptors(bed: Bed) -> None:
    def again() -> None:
        bed.loop.call_later(0, again)

    again()
    bed.readable("request")
    bed.loop.run_once()
    bed.loop.run_once()
    assert "request" in bed.seen


def test_a_failing_callback_is_logged_with_its_place_and_the_loop_goes_on(bed: Bed) -> None:
    def fail() -> None:
        raise KeyError("eth9")

    reader, writer = bed.pipe()
    os.write(writer, b"x")
    bed.loop.add_fd(reader, lambda mask: fail(), priority=loops.FIRST)
    bed.loop.call_later(0, fail)
    bed.loop.call_later(0, lambda: bed.seen.append("after"))
    bed.loop.run_once()
    assert bed.seen == ["after"]
    assert len(bed.log) == 2
    assert all("KeyError: 'eth9'" in text and "test_loop.py" in text for text in bed.log)


def test_a_descriptor_removed_in_a_round_is_not_called_even_if_its_number_is_used_again(bed: Bed) -> None:
    ends = []

    def swap(victim: int) -> None:
        bed.loop.remove_fd(victim)
        os.close(victim)
        reader, writer = os.pipe()
        ends.append(reader)
        bed.fds += [reader, writer]
        bed.fds.remove(victim)
        bed.loop.add_fd(reader, lambda mask: bed.seen.append("wrong"))

    victim = bed.readable("victim")
    reader, writer = bed.pipe()
    os.write(writer, b"x")
    bed.loop.add_fd(reader, lambda mask: swap(victim) if not ends else None, priority=loops.FIRST)
    bed.loop.run_once()
    assert ends == [victim], "the number was not used again, so this shows nothing"
    assert bed.seen == []


def test_writing_and_hanging_up_are_told_apart(bed: Bed) -> None:
    masks: List[int] = []
    reader, writer = bed.pipe()
    bed.loop.add_fd(writer, masks.append, events=loops.WRITE)
    bed.loop.run_once()
    bed.loop.modify_fd(writer, 0)
    bed.loop.run_once(0.01)
    assert masks == [loops.WRITE]
    os.close(reader)
    bed.fds.remove(reader)
    bed.loop.run_once(1)
    assert masks[1] & loops.GONE


def test_a_signal_is_handled_in_the_loop(bed: Bed) -> None:
    bed.loop.on_signal(signal.SIGHUP, lambda: bed.seen.append("reload"))
    bed.loop.on_signal(signal.SIGTERM, bed.loop.stop)
    bed.loop.call_later(0, lambda: os.kill(os.getpid(), signal.SIGHUP))
    bed.loop.call_later(0.02, lambda: os.kill(os.getpid(), signal.SIGTERM))
    bed.loop.run()
    assert bed.seen == ["reload"]


def test_stop_ends_the_round(bed: Bed) -> None:
    bed.loop.call_later(0, bed.loop.stop)
    bed.loop.call_later(0, lambda: bed.seen.append("after stop"))
    bed.readable("request")
    bed.loop.run()
    assert bed.seen == []
    bed.loop.run_once()
    assert bed.seen == ["after stop", "request"], "and loses nothing, if there is another one"


def test_the_clocks_run_forward() -> None:
    first = loops.now(), loops.boottime()
    assert loops.now() >= first[0] and loops.boottime() >= first[1] >= first[0]
