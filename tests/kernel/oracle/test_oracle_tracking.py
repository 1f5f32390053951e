# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the test oracle about what is watched, and how often: NICs in no group, without test address or targets.

Group g is eth1 and eth2; eth3 is in no group, and its target is in a subnet of its own.
"""

from __future__ import annotations

import signal
import time
from typing import Iterator, List, Mapping, Tuple

import pytest
from bed import Bed, eventually
from capture import Capture, Frame
from echoer import ALL_HOSTS, Echoer

pytestmark = pytest.mark.kernel
A1, B1, TA, TB, ROUTER = "192.0.2.11", "192.0.2.12", "192.0.2.111", "192.0.2.112", "192.0.2.254"
TC, ALONE, ELSEWHERE = "198.51.100.113", "198.51.100.101", "203.0.113.112"
FAILED, REPAIRED = "NIC failure detected on {} of group g", "NIC repair detected on {} of group g"
OVER = "Successfully failed over from NIC {} to NIC {}"
NO_TEST = "No test address configured on interface eth1; disabling probe-based failure detection on it"
TEST = "Test address now configured on interface eth1; enabling probe-based failure detection on it"
REREAD = "SIGHUP: restart and reread config file"
SLACK = 0.25  # s that a busy machine may keep the daemon, or us, from the processor
GRID = 0.010  # s: what is due waits for the next tick at most so long
WITHOUT = {"hostname.eth1": f"{A1}/24 group g up\n"}
FILES = {
    "hostname.eth1": f"{A1}/24 group g up addif {TA}/24 deprecated -failover up\n",
    "hostname.eth2": f"{B1}/24 group g up addif {TB}/24 deprecated -failover up\n",
}
UNGROUPED = {"hostname.eth3": f"{TC}/24 -failover up\n"}
GROUP = f"[g]\ntargets = {ROUTER}\n"


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=3) as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def patient() -> Iterator[Tuple[Bed, float]]:
    """A host whose eth1 loses its test address when this module begins: what is said of that takes half a minute.

    Also when its daemon began.
    """
    with Bed(nics=2) as made:
        began = time.monotonic()
        made.start(FILES, groups=GROUP, defaults=fast(700))
        eventually(lambda: answers(made, "eth1") >= 3, "answers")
        made.write(WITHOUT)
        made.signal(signal.SIGHUP)
        yield made, began


def fast(milliseconds: int, track: str = "yes") -> str:
    return f"FAILURE_DETECTION_TIME={milliseconds}\nTRACK_INTERFACES_ONLY_WITH_GROUPS={track}\n"


def answers(bed: Bed, nic: str) -> int:
    return sum(int(instance["acked"]) for instance in bed.interface(nic)["probing"])


def errors(bed: Bed) -> List[str]:
    """What was logged as an error; that a busy machine made us miss a probe is none."""
    return [line.text for line in bed.log.lines if line.level == "err"]


def asks(frame: Frame) -> bool:
    return frame.echo_request and frame.outgoing


def reread(bed: Bed, files: Mapping[str, str], defaults: str) -> None:
    mark = bed.log.mark()
    bed.write(files, defaults=defaults)
    bed.signal(signal.SIGHUP)
    bed.log.wait(REREAD, mark)


# ---- in no group


@pytest.mark.oracle("T28")
def test_where_all_are_tracked_a_silent_nic_in_no_group_has_failed_and_nothing_moves(bed: Bed) -> None:
    interval = 0.071
    with Echoer(bed.client, "c0", [ALONE, ROUTER]), Capture(bed.host, "eth3") as wire:
        bed.start({**FILES, **UNGROUPED}, groups=GROUP, defaults=fast(500, "no"))
        eventually(lambda: min(answers(bed, nic) for nic in ("eth1", "eth2", "eth3")) >= 3, "answers")
        assert {f.target for f in wire.all(asks)} >= {ALONE} and {f.source for f in wire.all(asks)} == {TC}
        before = time.monotonic()
        bed.nic("eth3").cut()
        after = time.monotonic()
        told = bed.log.wait("NIC failure detected on eth3")
        assert told.at - after >= 4 * interval and told.at - before <= 7.5 * interval + SLACK
        assert bed.flags("eth3") == ["FAILED"]
        time.sleep(0.3)
        assert bed.hosting() == {A1: "eth1", TA: "eth1", B1: "eth2", TB: "eth2", TC: "eth3"}
        bed.nic("eth3").mend()
        bed.log.wait("NIC repair detected on eth3")
        assert bed.flags("eth3") == []
    assert errors(bed) == ["NIC failure detected on eth3", "NIC repair detected on eth3"]


@pytest.mark.oracle("T29")
def test_where_only_groups_are_tracked_a_nic_in_none_is_not_probed_and_its_flags_are_cleared(bed: Bed) -> None:
    with Echoer(bed.client, "c0", [ALONE, ROUTER]):
        bed.start({**FILES, **UNGROUPED}, groups=GROUP, defaults=fast(100, "no"))
        eventually(lambda: answers(bed, "eth3") >= 3, "answers")
        bed.nic("eth3").cut()
        bed.log.wait("NIC failure detected on eth3")
        reread(bed, {}, fast(100))
        eventually(lambda: bed.flags("eth3") == [], "not FAILED any more")
        begin = time.time()
        with Capture(bed.host, "eth3") as wire, Capture(bed.host, "eth1") as other:
            eventually(lambda: len(other.all(asks)) >= 60, "60 probes of eth1")
            assert wire.all(lambda f: asks(f) and f.at > begin + 0.05) == []
        assert bed.interface("eth3")["probing"] == [] and bed.flags("eth3") == []
        assert bed.hosting()[TC] == "eth3"
    assert len([text for text in bed.log.texts() if "eth3" in text]) == 1


@pytest.mark.oracle("T29")
@pytest.mark.parametrize("restarted", [False, True])
def test_a_nic_that_leaves_its_group_is_neither_offline_nor_failed_any_more(bed: Bed, restarted: bool) -> None:
    member = f"{TC}/24 group g deprecated -failover up\n"
    bed.start({**FILES, "hostname.eth3": member}, groups=GROUP, defaults=fast(500))
    bed.nic("eth3").pull()
    bed.log.wait(FAILED.format("eth3"))
    bed.call("offline", interface="eth3")
    assert "OFFLINE" in bed.flags("eth3")
    if restarted:
        bed.stop()
        bed.write(UNGROUPED)
        bed.run_daemon()
    else:
        reread(bed, UNGROUPED, fast(500))
    eventually(lambda: bed.flags("eth3") == [], lambda: bed.flags("eth3"), limit=2)


# ---- without targets, without test addresses


@pytest.mark.oracle(
    "T34", deviates="a sibling that knows nobody to ask is a destination, as in later releases of Solaris"
)
def test_a_sibling_without_targets_serves(bed: Bed) -> None:
    lonely = f"{B1}/24 group g up addif {ELSEWHERE}/24 deprecated -failover up\n"
    with Capture(bed.host, "eth2") as wire:
        bed.start({**FILES, "hostname.eth2": lonely}, groups=GROUP, defaults=fast(500))
        eventually(lambda: answers(bed, "eth1") >= 3 and wire.all(asks), "probes")
        assert (bed.interface("eth1")["probe"], bed.interface("eth2")["probe"]) == ("ok", "unknown")
        bed.nic("eth1").cut()
        bed.log.wait(OVER.format("eth1", "eth2"))
        assert {f.target for f in wire.all(asks)} == {ALL_HOSTS[0]} and not wire.all(lambda f: f.echo_reply)
    assert errors(bed) == [FAILED.format("eth1"), OVER.format("eth1", "eth2")]
    assert bed.on(eth1=TA, eth2=f"{A1} {B1} {ELSEWHERE}")()
    assert (bed.flags("eth1"), bed.flags("eth2")) == (["FAILED"], [])


# ---- another detection time


@pytest.mark.oracle("T54")
def test_another_detection_time_is_in_force_after_sighup_and_nothing_moves(bed: Bed) -> None:
    bed.start(FILES, groups=GROUP, defaults=fast(700))
    eventually(lambda: min(answers(bed, nic) for nic in ("eth1", "eth2")) >= 3, "answers")
    events = bed.events()
    with Capture(bed.host, "eth1") as wire, Capture(bed.host, "eth2") as other:
        for milliseconds in (700, 210, 700):
            interval = milliseconds / 7000
            if milliseconds != group_time(bed):
                reread(bed, {}, fast(milliseconds))
                eventually(lambda ms=milliseconds: group_time(bed) == ms, "in force")  # type: ignore[misc]
            begin, count = time.time(), 15 if milliseconds == 700 else 40
            eventually(lambda n=count, t=begin: len(wire.all(asks, t)) > n, "probes")  # type: ignore[misc]
            gaps = spaces(wire.all(asks, begin)[1:])
            assert min(gaps) >= interval / 2 - GRID - 0.005 and max(gaps) <= 1.5 * interval + GRID + SLACK
            assert sum(gaps) / len(gaps) == pytest.approx(interval, rel=0.25)
    for seen, elsewhere in ((wire, {B1, TB}), (other, {A1, TA})):
        assert not seen.all(lambda f, elsewhere=elsewhere: f.outgoing and f.announces in elsewhere)  # type: ignore[misc]
    assert errors(bed) == [REREAD] * 2
    assert events.of("move") == []
    events.close()
    assert bed.on(eth1=f"{A1} {TA}", eth2=f"{B1} {TB}")()


def group_time(bed: Bed) -> int:
    return int(bed.status()["groups"][0]["failure_detection_time"])


def spaces(frames: List[Frame]) -> List[float]:
    return [b.at - a.at for a, b in zip(frames, frames[1:])]


@pytest.mark.oracle("T25")
def test_that_a_test_address_is_missing_is_said_once_and_that_it_is_there_again(patient: Tuple[Bed, float]) -> None:
    bed, began = patient
    log = bed.log
    with Capture(bed.host, "eth1") as wire:
        line = log.wait(NO_TEST, limit=60)
        assert line.level == "info" and line.at - began >= 20
        assert wire.all(asks) == [] and bed.interface("eth1")["probing"] == []
        assert bed.on(eth1=A1, eth2=B1)() and bed.flags("eth1") == []
        bed.write(FILES)
        bed.signal(signal.SIGHUP)
        eventually(lambda: wire.all(lambda f: asks(f) and f.source == TA), "probes")
        again = log.wait(TEST, limit=30)
    assert again.level == "info"
    assert log.only([REREAD, NO_TEST, TEST]) == [REREAD, NO_TEST, REREAD, TEST] and errors(bed) == [REREAD] * 2
    bed.nic("eth1").cut()
    log.wait(FAILED.format("eth1"), limit=10)
