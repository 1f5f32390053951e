# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health of a NIC: what is believed after which news, and what the log says."""

from __future__ import annotations

from typing import List, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipmp import health
from ipmp.health import Health, Note

DOWN = "The link has gone down on eth1"
UP = "The link has come up on eth1"
FAILURE = "NIC failure detected on eth1 of group g"
REPAIR = "NIC repair detected on eth1 of group g"
FLAPPING = "The link has come up on eth1 more than 2 times in the last minute; disabling failback until it stabilizes"
DOUBT = "No proof of the path of eth1 in 45 s; trusting its link"


class Story:
    """A NIC called eth1 of group g, told what happens; remembers the log."""

    def __init__(self, start: Health = Health()) -> None:  # noqa: B008 - frozen
        self.health = start
        self.log: List[str] = []

    def down(self) -> Story:
        return self._take(health.link_down(self.health, "eth1", "g"))

    def up(self, now: float) -> Story:
        return self._take(health.link_up(self.health, "eth1", now))

    def up_probed(self, now: float) -> Story:
        return self._take(health.link_up(self.health, "eth1", now, probing=True))

    def unanswered(self) -> Story:
        return self._take(health.unanswered(self.health, "eth1", "g"))

    def with_group(self) -> Story:
        self.health = health.with_group(self.health)
        return self

    def answered(self) -> Story:
        return self._take(health.repaired(self.health, "eth1", "g"))

    def proof_by(self, probed: bool, now: float, testless: bool = False, groupless: bool = False) -> Story:
        self.health = health.proof_by(self.health, probed, now, testless=testless, groupless=groupless)
        return self

    def proved(self) -> Story:
        return self._take(health.proved(self.health, "eth1", "g"))

    def tick(self, now: float) -> Story:
        return self._take(health.tick(self.health, "eth1", "g", now))

    def suspect(self, now: float) -> Story:
        self.health = health.suspect(self.health, now)
        return self

    def said(self) -> List[str]:
        """What the log got since the last call."""
        log, self.log = self.log, []
        return log

    def _take(self, outcome: Tuple[Health, Tuple[Note, ...]]) -> Story:
        self.health, notes = outcome
        assert all(note.level == "err" for note in notes), notes  # DMN-6: good news too
        self.log += [note.text for note in notes]
        return self


def flapped() -> Story:
    """Link-ups at 0, 10 and 20 s: the third is refused."""
    story = Story()
    for now in (0.0, 10.0, 20.0):
        story.down().up(now)
    story.said()
    return story


def test_a_nic_never_seen_is_trusted() -> None:
    assert Health() == Health(link=True, failed=False)
    assert Health().deadline is None


def test_carrier_loss_fails_at_once_and_says_so_in_this_order() -> None:  # FAIL-5, FAIL-7
    story = Story().down()
    assert story.health.failed and not story.health.link
    assert story.health.failures == 1
    assert story.said() == [DOWN, FAILURE]


def test_a_nic_without_group_fails_without_naming_one() -> None:  # FAIL-7, GRP-1
    _after, notes = health.link_down(Health(), "eth1", None)
    assert [n.text for n in notes] == [DOWN, "NIC failure detected on eth1"]


def test_carrier_lost_again_before_the_proof_is_no_second_failure() -> None:
    story = Story().down().up(1.0)
    story.said()
    story.down()
    assert story.health.failures == 1
    assert story.health.failed
    assert story.said() == [DOWN]


def test_repeated_news_changes_and_says_nothing() -> None:  # EVT-4
    story = Story().up(1.0)
    assert (story.health, story.said()) == (Health(), [])
    lost = story.down().health
    story.said()
    assert story.down().health == lost
    assert story.said() == []


def test_link_up_alone_does_not_repair() -> None:  # REP-7, and the decision "before failback or reattach"
    story = Story().down()
    story.said()
    story.up(7.0)
    assert story.health.link and story.health.failed
    assert story.said() == [UP]
    assert story.health.deadline == 7.0 + 45.0


def test_proof_repairs() -> None:  # REP-8
    story = Story().down().up(7.0)
    story.said()
    story.proved()
    assert not story.health.failed
    assert story.health.reason == ""
    assert story.health.deadline is None
    assert story.said() == [REPAIR]
    assert story.proved().said() == []


def test_proof_without_carrier_is_not_believed() -> None:
    story = Story().down()
    story.said()
    assert story.proved().health.failed
    assert story.said() == []


@pytest.mark.parametrize(("after", "repaired"), [(44.9, False), (45.0, True)])
def test_without_proof_the_link_is_trusted_after_45_s_and_that_is_said(after: float, repaired: bool) -> None:
    story = Story().down().up(100.0)
    story.said()
    story.tick(100.0 + after)
    assert story.health.failed is not repaired
    assert story.said() == ([DOUBT, REPAIR] if repaired else [])


def test_the_third_up_within_a_minute_is_refused() -> None:  # REP-6
    story = Story()
    for now in (0.0, 10.0):
        story.down()
        story.said()
        assert story.up(now).said() == [UP]
    story.down()
    story.said()
    story.up(20.0)
    assert story.said() == [UP, FLAPPING]
    assert story.health.failed
    assert story.proved().health.failed, "a damped link must not be repaired by a proof"


def test_a_refused_up_is_tried_again_60_s_after_the_second() -> None:  # REP-6: t2 + 60
    story = flapped()
    assert story.health.deadline == 70.0
    waiting = story.health
    assert story.tick(69.9).health == waiting
    story.tick(70.0)
    assert story.health.failed
    assert story.health.deadline == 70.0 + 45.0
    assert story.said() == []
    assert not story.proved().health.failed
    assert story.said() == [REPAIR]


def test_every_further_up_pushes_the_retry_out() -> None:  # REP-6
    story = flapped()
    story.said()
    story.down().up(30.0)
    assert story.health.deadline == 80.0
    assert story.said() == [DOWN, UP], "what flaps has been named already"


def test_an_up_more_than_a_minute_after_the_last_but_one_is_not_flapping() -> None:
    story = Story()
    for now in (0.0, 10.0):
        story.down().up(now)
    story.said()
    story.down().up(60.1)
    assert FLAPPING not in story.said()
    assert story.health.deadline == 60.1 + 45.0


def test_the_up_at_start_is_not_counted() -> None:  # REP-6
    story = Story().suspect(0.0).proved()
    for now in (1.0, 2.0):
        story.down().up(now)
    assert FLAPPING not in story.said()


def test_carrier_lost_while_damped_ends_the_waiting() -> None:
    story = flapped().down()
    assert story.health.deadline is None
    lost = story.health
    assert story.tick(1000.0).health == lost


def test_an_attached_nic_has_to_prove_its_path() -> None:
    story = Story().suspect(5.0)
    assert story.health.failed and story.health.link
    assert story.health.failures == 0
    assert not story.proved().health.failed
    assert story.said() == [REPAIR]


def test_an_attached_nic_that_was_flapping_is_proved_like_any_other() -> None:
    """Given a damped NIC, when it is put back and proved, then the old damping does not doubt it again."""
    story = flapped().suspect(30.0).proved()
    assert not story.health.failed
    working = story.health
    assert story.tick(70.0).health == working


def test_lost_probes_fail_a_nic_whose_link_is_up() -> None:  # FAIL-1, FAIL-7
    story = Story().unanswered()
    assert story.said() == [FAILURE]
    assert (story.health.failed, story.health.link, story.health.reason) == (True, True, "its probes are lost")
    assert story.unanswered().said() == []
    assert story.health.failures == 1


def test_what_probes_have_failed_no_path_check_repairs() -> None:  # FAIL-1
    story = Story().unanswered()
    assert story.proof_by(True, 1).proved().health.failed
    assert story.proof_by(False, 2).proved().tick(99).health.failed, "its last target has gone: nothing is known"
    story.said()
    assert story.answered().said() == [REPAIR]
    assert story.health == Health(failures=1)


def test_a_failed_group_accuses_nobody() -> None:  # GRP-5
    story = Story().with_group()
    assert story.said() == []
    assert (story.health.failed, story.health.reason) == (True, "the probes of the whole group are lost")
    assert story.proof_by(False, 1, testless=True).proved().tick(99).health.failed, "its own path is not the question"
    assert story.answered().said() == [REPAIR]


def test_where_it_is_probed_a_link_that_came_back_waits_for_probes_and_flapping_is_not_damped() -> None:  # REP-6, T48
    story = Story()
    for now in range(5):
        assert story.down().up_probed(now).health.failed
    assert FLAPPING not in story.said()
    assert story.health.deadline is None
    assert story.proved().tick(1000).health.failed
    assert not story.answered().health.failed


def test_probes_that_answer_while_the_link_is_down_are_not_believed() -> None:  # PKT-3
    story = Story().down()
    assert story.answered().health.failed


def test_without_a_test_address_the_path_decides_what_probes_had_decided() -> None:  # TST-10
    story = Story().unanswered().proof_by(False, 5, testless=True)
    assert story.health.proving_since == 5
    assert not story.proved().health.failed


def test_when_nobody_in_the_group_probes_any_more_the_path_decides() -> None:  # TST-10
    story = Story().with_group().proof_by(False, 5, testless=True, groupless=True)
    assert story.health.proving_since == 5


def test_targets_that_come_or_go_change_what_a_waiting_nic_has_to_show() -> None:
    story = Story().down().up(1)
    assert story.proof_by(True, 2).health.proving_since is None
    assert story.health.reason == "waiting for 10 probe replies in a row"
    assert story.proof_by(False, 3).health.proving_since == 3


EVENT = st.tuples(
    st.sampled_from(("down", "up", "down", "up", "proved", "tick", "suspect", "unanswered", "with_group", "answered")),
    st.sampled_from((0, 1, 30, 61)),
)


TIMELESS = ("down", "proved", "unanswered", "with_group", "answered")


@settings(max_examples=400)
@given(st.lists(EVENT, min_size=5, max_size=30))
def test_whatever_happens_beliefs_fit_together(events: List[Tuple[str, int]]) -> None:
    story, now, lost = Story(), 0.0, 0
    for what, later in events:
        now += later
        was = story.health
        if what == "down":
            story.down()
        elif what in TIMELESS:
            getattr(story, what)()
        else:
            getattr(story, what)(now)
        lost += not was.failed and story.health.failed and what in ("down", "unanswered", "with_group")
        believed = f"{what} at {now}: {was} -> {story.health}"
        assert story.health.link or story.health.failed, believed
        if story.health.waiting:
            waits = (story.health.damped_until, story.health.proving_since)
            assert sum(w is not None for w in waits) == 1, f"nothing, or two things, will end this: {believed}"
        else:
            assert story.health.deadline is None, believed
        assert story.health.failures == lost, believed
        assert bool(story.health.reason) == story.health.failed, believed
        if was.failed and not story.health.failed:
            by_path = what in ("proved", "tick") and was.proving_since is not None and was.waiting
            assert by_path or (what == "answered" and was.link), believed


@settings(max_examples=400)
@given(st.lists(EVENT, min_size=5, max_size=30))
def test_with_carrier_time_alone_ends_every_waiting(events: List[Tuple[str, int]]) -> None:
    story, now = Story(), 0.0
    for what, later in events:
        now += later
        getattr(story, what)(*(() if what in TIMELESS else (now,)))
    story.up(now).proof_by(False, now, testless=True, groupless=True)
    for _again in range(3):
        if story.health.deadline is not None:
            story.tick(story.health.deadline)
    assert not story.health.failed, story.health
