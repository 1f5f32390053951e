# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each call at which an operation could be killed, and a second kill while the next daemon makes good for the first."""

from __future__ import annotations

import contextlib
import random
import threading
from typing import Callable, Dict, Iterator, List, Union

import pytest
from bed import Bed

from ipmp.client import ClientError

from .applying import ApplyJudge, SetupJudge
from .consuming import ConsumerJudge
from .killing import Point
from .pulling import SYSFS, PulledJudge
from .stories import Judge, twice, walk

pytestmark = [pytest.mark.kernel, pytest.mark.crash]
JUDGES: Dict[str, Callable[[Bed], Judge]] = {
    "plain": Judge,
    "consumers": ConsumerJudge,
    "hardware": PulledJudge,
    "configuration": ApplyJudge,
    "setup": SetupJudge,
}
STORIES = [
    *(("plain", name) for name in ("detach", "rollback", "attach")),
    *(("consumers", name) for name in ("detach", "rollback")),
    *(("hardware", name) for name in ("detach", "rollback")),
    *(("configuration", name) for name in ("apply", "apply, confirmed", "apply, rolled back")),
    *(("setup", name) for name in ("apply, confirmed", "apply, rolled back", "apply, thought better of")),
]
SHARES = 3  # of the calls of one story, so that they can be tried side by side
SECOND = 12  # of how many first kills one is followed by a second one


@pytest.fixture(scope="module")
def judge(request: pytest.FixtureRequest) -> Iterator[Judge]:
    with Bed(nics=3) as bed:
        made = JUDGES[request.param](bed)
        yield made
        made.close()


def each(*shares: Union[int, str]) -> pytest.MarkDecorator:
    """Every story, in shares."""
    cases = [(kind, name, share) for kind, name in STORIES for share in shares]
    return pytest.mark.parametrize(
        ("judge", "name", "share"), cases, indirect=["judge"], ids=[f"{k}-{n}-{s}" for k, n, s in cases]
    )


@each(*range(SHARES))
def test_whichever_call_it_is_killed_at_the_end_is_clean(judge: Judge, name: str, share: int) -> None:
    assert walk(judge, name, judge.undisturbed(name)[share::SHARES]) == []


@each("twice")
def test_killed_again_while_it_makes_good_the_end_is_clean(judge: Judge, name: str, share: str) -> None:
    chance = random.Random(name)
    firsts = judge.undisturbed(name)
    firsts = firsts[chance.randrange(SECOND) :: SECOND]
    seconds = judge.start_points(name, firsts[len(firsts) // 2])
    assert twice(judge, name, firsts, iter(lambda: chance.choice(seconds), None)) == []


@pytest.mark.parametrize("way", SYSFS)
def test_killed_while_the_card_is_put_back_beside_the_loop(way: str) -> None:
    with Bed(nics=3) as bed:
        judge = PulledJudge(bed, way)
        found = walk(judge, "rollback", [Point(call, 1, SYSFS[way]) for call in ("openat", "write", "close")])
        judge.close()
    assert found == []


@pytest.mark.parametrize("judge", ["consumers"], indirect=True)
@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("detach", ["queryremove"], ["queryremove"]),
        ("detach", ["preremove"], ["queryremove", "preremove", "undoremove"]),
        ("detach", ["preremove", "undoremove"], ["queryremove", "preremove", "undoremove", "undoremove"]),
        ("detach", ["postremove"], ["queryremove", "preremove", "postremove", "postremove"]),
        ("detach", ["postremove"] * 2, ["queryremove", "preremove", "postremove", "postremove", "postremove"]),
        ("rollback", ["undoremove"] * 2, ["queryremove", "preremove", "undoremove", "undoremove", "undoremove"]),
    ],
)
def test_killed_while_a_consumer_is_at_it_the_end_is_told(
    judge: ConsumerJudge, name: str, words: List[str], told: List[str]
) -> None:
    """Once for each of the words, each time with the program that it had just called."""
    story = judge.stories[name]
    story.begin(judge.bed)
    judge.slow(words[0])
    asking = threading.Thread(target=asked, args=(judge.bed, story.ask))
    asking.start()
    for following in (*words[1:], "none"):
        judge.killed_with_it()
        judge.slow(following)
        judge.bed.run_daemon()
    asking.join()
    judge.after(odd=False)
    judge.over()
    assert judge.told() == told
    judge.home()


def asked(bed: Bed, ask: Callable[[Bed], object]) -> None:
    """By somebody who learns nothing, since the daemon is killed."""
    with contextlib.suppress(ClientError, OSError):
        ask(bed)
