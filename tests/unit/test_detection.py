# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The detector in a simulated network: when probes go out, failure and repair, what is shown."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Optional

import pytest
from simulated_network import R2, START, Network, P, R, group, nic, two

from ipmp import judgement
from ipmp.health import Note
from ipmp.probing import Changed, Orders, ProbeSource, Seen, Verdict

# ---- when probes go out


@pytest.mark.parametrize(("fdt", "interval"), [(10000, 1.428), (1000, 0.142), (100, 0.014), (20, 0.002)])
def test_probes_leave_at_jittered_intervals(fdt: int, interval: float) -> None:
    """PRB-1."""
    network = Network(group(nic(1), fdt=fdt, routers=[R]))
    network.host(R, rtt=0.0001)
    network.run(2000 * interval)
    times = [s.at for s in network.probes("eth1")]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert START <= times[0] <= START + interval
    assert min(gaps) >= interval / 2 - 1e-9 and max(gaps) <= interval * 1.5 + 1e-9
    assert min(gaps) < interval * 0.55 and max(gaps) > interval * 1.45  # it is jittered
    assert sum(gaps) / len(gaps) == pytest.approx(interval, rel=0.03)


def test_each_nic_and_family_has_its_own_schedule_and_numbers() -> None:
    """PRB-2, PKT-1: sequences begin at 1 and only unicast probes take them."""
    network = Network(group(nic(1, v6=True), nic(2), routers=[R, "fe80::1"]))
    network.host(R, "fe80::1")
    network.run(10 * P)
    for name, family in (("eth1", 4), ("eth1", 6), ("eth2", 4)):
        sequences = [s.send.sequence for s in network.probes(name, family=family)]
        assert 9 <= len(sequences) <= 11 and sequences == list(range(1, len(sequences) + 1))
    assert len({s.send.nonce for s in network.sent}) == len(network.sent)
    assert network.probes("eth1")[0].at != network.probes("eth2")[0].at != network.probes("eth1", family=6)[0].at


def test_sequence_numbers_wrap() -> None:
    network = Network(group(nic(1), fdt=100, routers=[R]))
    network.host(R, rtt=0.0005)
    network.detector._instances[11, 4].history.number = 65500
    network.run(1.5)
    sequences = [s.send.sequence for s in network.probes("eth1")]
    assert 65535 in sequences and 0 in sequences and 1 in sequences
    seen = network.instance("eth1")
    assert seen.sent == len(sequences) and seen.acked >= seen.sent - 1 and seen.unknown == 0


def test_offline_and_missing_nics_are_not_probed() -> None:
    """TST-3."""
    network = Network(group(nic(1, online=False), nic(2, ifindex=0), nic(3, v4=False), nic(4), routers=[R]))
    network.host(R)
    network.run(2)
    assert {s.send.nic for s in network.sent} == {"eth4"}
    assert [network.watch(f"eth{n}").probe for n in range(1, 5)] == ["disabled"] * 3 + ["ok"]
    network.change("eth1", online=True)
    network.change("eth4", online=False)
    network.sent.clear()
    network.run(2)
    assert {s.send.nic for s in network.sent} == {"eth1"}


def test_nothing_is_sent_without_a_link_and_timers_restart() -> None:
    """PRB-6."""
    network = two()
    network.cable("eth1", False)
    network.sent.clear()
    network.run(2)
    assert not network.probes("eth1") and network.probes("eth2")
    network.cable("eth1", True)
    back = network.now
    network.run(1)
    assert back <= network.probes("eth1")[0].at <= back + P
    assert network.verdicts == []  # 1 s is not enough for ten probes
    network.run(1)
    assert network.verdicts == [("nic-repaired", "eth1")]


def test_new_orders_leave_the_schedule_alone() -> None:
    network, same = two(), two()
    for _ in range(200):
        network.run(0.05)
        same.run(0.05)
        network.assign()
    assert [s.at for s in network.sent] == [s.at for s in same.sent]
    assert not [f for f in network.found if f.at > START + 3]


def test_other_test_address_begins_anew() -> None:
    """TST-4."""
    network = two()
    network.change("eth1", tests=(ProbeSource("192.0.2.99", 24),))
    assert network.instance("eth1").sent == 0 and network.instance("eth1").test_address == "192.0.2.99"
    assert Changed("eth1") in [f.finding for f in network.found if f.at == network.now]
    network.run(1)
    assert network.probes("eth1")[-1].send.source == "192.0.2.99"
    assert network.verdicts == []


def test_missed_probes_are_skipped_counted_and_noted() -> None:
    """PRB-3."""
    network = Network(group(nic(1), routers=[R]))
    network.host(R)
    network.run(2)
    network.sent.clear()
    network.stall(10 * P)
    network.run(0)
    assert len(network.sent) == 1
    (note,) = [n for n in network.all(Note) if n.text.startswith("missed sending ")]
    assert note.level == "info"
    (count,) = [int(w) for w in note.text.split()[2:3]]
    assert 8 <= count <= 10
    assert f" cur_time {network.now * 1000:.0f} snxt_time " in note.text and " snxt_basetime " in note.text
    snapshot = network.detector.snapshot()
    assert (snapshot.missed, snapshot.missed_times) == (count, 1)
    network.run(2)
    assert len(network.notes) == 1 and 13 <= len(network.sent) <= 16


def test_a_busy_second_is_one_line() -> None:
    network = Network(group(nic(1), routers=[R], fdt=100))
    network.host(R)
    network.run(1)
    for _ in range(10):
        network.stall(0.1)
        network.run(0)
    network.stall(1)
    network.run(0)
    notes = [n.text for n in network.all(Note) if n.text.startswith("missed sending ")]
    assert len(notes) in (2, 3), notes
    assert sum(int(text.split()[2]) for text in notes) == network.detector.snapshot().missed


def test_grid_of_wake_ups() -> None:
    """An eighth of the shortest interval, a quarter of a long one."""
    assert Network(group(nic(1), fdt=10000)).detector.tick() == 0.020
    assert Network(group(nic(1), fdt=350)).detector.tick() == pytest.approx(0.050 / 4)
    assert Network(group(nic(1), fdt=100), group(nic(2), name="h")).detector.tick() == pytest.approx(0.014 / 8)
    assert Network(group(nic(1, v4=False), fdt=100)).detector.tick() == 0.020
    assert Network().detector.wake() is None


# ---- failure and repair


@pytest.mark.parametrize("fdt", [100, 1000, 10000])
def test_silent_nic_is_found_and_repaired(fdt: int) -> None:
    """FAIL-2, FAIL-4, REP-1, REP-3: neither sooner nor later than Solaris."""
    interval = fdt // 7 / 1000
    for seed in range(40):
        network = Network(group(nic(1), nic(2), fdt=fdt, routers=[R]), seed=seed)
        network.host(R, rtt=0.0002)
        network.run(8 * interval + network.rng.uniform(0, 3 * interval))
        network.silent.add("eth1")
        fault = network.now
        network.run(20 * interval)
        assert network.verdicts == [("nic-failed", "eth1")]
        assert 4.5 * interval <= network.when("nic-failed") - fault <= 7.5 * interval
        assert network.watch("eth1").probe == "failed" and network.watch("eth2").probe == "ok"
        network.silent.clear()
        mended = network.now
        network.run(20 * interval)
        assert network.verdicts[1:] == [("nic-repaired", "eth1")]
        assert 9 * interval <= network.when("nic-repaired") - mended <= 12 * interval
        assert network.watch("eth1").probe == "ok"


def test_four_lost_probes_are_no_failure() -> None:
    """FAIL-2: any answer begins the count anew."""
    network = two()
    answered = {"eth1": 0}

    def every_fifth(name: str) -> Optional[float]:
        answered[name] = answered.get(name, 0) + 1
        return 0.0005 if name != "eth1" or answered[name] % 5 == 0 else None

    network.answers[R] = every_fifth
    network.run(60)
    assert network.verdicts == []
    network.answers[R] = lambda name: None if name == "eth1" else 0.0005
    network.run(2)
    assert network.verdicts == [("nic-failed", "eth1")]


def test_failed_targets_of_others_do_not_fail_a_nic() -> None:
    """FAIL-2 counts over all targets together."""
    network = Network(group(nic(1), nic(2), routers=[R, R2]))
    network.host(R, R2)
    network.run(3)
    del network.answers[R2]
    network.run(30)
    assert network.verdicts == []


def test_one_family_keeps_a_nic_up() -> None:
    """FAIL-2, REP-4: failure needs both families, repair one."""
    network = Network(group(nic(1, v6=True), nic(2, v6=True), routers=[R, "fe80::1"]))
    network.host(R, "fe80::1")
    network.run(3)
    network.answers[R] = lambda name: None if name == "eth1" else 0.0005
    network.run(5)
    assert network.verdicts == []
    assert network.instance("eth1").lost > 20 and network.instance("eth1", 6).lost == 0
    network.answers["fe80::1"] = network.answers[R]
    fault = network.now
    network.run(3)
    assert network.verdicts == [("nic-failed", "eth1")]
    assert 4.5 * P <= network.when("nic-failed") - fault <= 7.5 * P
    network.host("fe80::1")
    network.run(3)
    assert network.verdicts[1:] == [("nic-repaired", "eth1")]


def test_dead_spares_that_come_back_do_not_fail_a_nic_whose_target_answers() -> None:
    """TGT-7: after a minute four or five dead ones are tried before the live one has its turn again."""
    for seed in range(20):
        others = [f"192.0.2.{n}" for n in range(200, 207)]
        network = Network(group(nic(1), nic(2), routers=[R, *others]), seed=seed)
        network.host(R)
        network.run(70)
        assert {s.send.target for s in network.probes("eth1")} == {R, *others}
        network.run(120)
        assert network.verdicts == [], seed


def test_late_answers_do_not_repair_a_nic() -> None:
    """REP-1, stricter: what was held up somewhere and comes in one burst after the failure proves little."""
    network = two()
    hold = network.now + 8 * P
    network.answers[R] = lambda name: max(0.0005, hold - network.now) if name == "eth1" else 0.0005
    network.run(8.2 * P)
    assert network.verdicts == [("nic-failed", "eth1")] and network.instance("eth1").lost == 0
    network.run(12 * P)
    assert network.verdicts[1:] == [("nic-repaired", "eth1")]
    assert network.when("nic-repaired") - network.when("nic-failed") > 9 * P


def test_family_without_targets_has_no_say() -> None:
    """FAIL-2: only capable families count."""
    network = Network(group(nic(1, v6=True), nic(2, v6=True), routers=[R]))
    network.host(R)
    network.run(3)
    network.silent.add("eth1")
    network.run(3)
    assert network.verdicts == [("nic-failed", "eth1")]


def test_quiet_period_of_forty_seconds() -> None:
    """PRB-7: what never answered has not failed yet."""
    network = Network(group(nic(1), nic(2), routers=[R]))
    network.answers[R] = lambda name: None if name == "eth1" else 0.0005
    network.run(39.9)
    assert network.verdicts == [] and network.instance("eth1").lost > 200
    network.run(0.5)
    assert network.verdicts == [("nic-failed", "eth1")]


def test_first_answer_ends_the_quiet_period() -> None:
    """PRB-7."""
    network = Network(group(nic(1), nic(2), routers=[R]))
    network.host(R)
    network.run(2 * P)
    assert network.instance("eth1").acked > 0
    network.silent.add("eth1")
    network.run(2)
    assert network.verdicts == [("nic-failed", "eth1")]


def test_nic_that_had_failed_before_is_repaired_by_ten_answers() -> None:
    """REP-1; the quiet period says nothing about repair."""
    network = Network(group(nic(1, failed=True), nic(2), routers=[R]))
    network.host(R)
    assert network.watch("eth1").probe == "failed"
    while not network.verdicts:
        network.run(0.001)
    assert network.verdicts == [("nic-repaired", "eth1")]
    assert network.instance("eth1").acked in (10, 11)
    assert network.now - START < 12.5 * P


def test_nine_answers_in_a_row_are_no_repair() -> None:
    """REP-1."""
    network = two()
    network.silent.add("eth1")
    network.run(3)
    count = {"eth1": 0}

    def no_tenth(name: str) -> Optional[float]:
        count[name] = count.get(name, 0) + 1
        return None if name == "eth1" and count[name] % 10 == 0 else 0.0005

    network.silent.clear()
    network.answers[R] = no_tenth
    network.run(30)
    assert network.verdicts == [("nic-failed", "eth1")]


def test_ten_answers_of_one_target_are_a_repair() -> None:
    """REP-1: with one of two targets gone there are never ten in a row over all."""
    network = Network(group(nic(1, failed=True), nic(2), routers=[R, R2]))
    network.host(R)
    network.answers[R2] = lambda name: None if name == "eth1" else 0.0005
    network.run(18 * P)
    assert network.verdicts == []
    network.run(6 * P)
    assert network.verdicts == [("nic-repaired", "eth1")]


def test_late_answer_turns_lost_into_acked() -> None:
    """PKT-4: answers that take longer than the interval are answers, and no failure."""
    network = two()
    network.answers[R] = lambda name: 1.9 * P if name == "eth1" else 0.0005
    network.detector.seen_wanted = True
    network.run(0.6 * P)  # estimates are not adapted before two in a row
    network.detector._pace.adapt = lambda *_: None  # type: ignore[method-assign]
    network.run(40 * P)
    fates = [(seen.sequence, seen.state) for seen in network.all(Seen) if seen.nic == "eth1"]
    late = [n for n, state in fates if state == "lost"]
    assert late and all((n, "acked") in fates for n in late[:-3])
    shown = network.instance("eth1")
    assert network.verdicts == [] and shown.lost <= 2 and shown.sent - shown.acked <= 3


def test_probe_that_could_not_be_sent_is_lost() -> None:
    """Differs from PKT-5: sends that fail are a failure."""
    network = two()
    network.broken.add("eth1")
    fault = network.now
    before = network.instance("eth1").lost
    network.run(2)
    assert network.verdicts == [("nic-failed", "eth1")]
    assert network.when("nic-failed") - fault <= 7.5 * P
    shown = network.instance("eth1")
    assert shown.lost > before + 8 and shown.sent == shown.acked + shown.lost
    network.broken.clear()
    network.run(3)
    assert network.verdicts[1:] == [("nic-repaired", "eth1")]


def test_probe_that_was_never_sent_says_nothing() -> None:
    network = two()
    network.mute.add("eth1")
    network.run(100 * P)
    shown = network.instance("eth1")
    assert network.verdicts == [] and shown.lost == 0


def test_losing_the_link_begins_a_repair_anew() -> None:
    """PRB-6: nine answers before do not count."""
    network = two()
    network.silent.add("eth1")
    network.run(2)
    network.silent.clear()
    acked = network.instance("eth1").acked
    while network.instance("eth1").acked < acked + 9:
        network.run(0.001)
    network.cable("eth1", False)
    network.cable("eth1", True)
    network.run(8 * P)
    assert network.verdicts == [("nic-failed", "eth1")]
    network.run(4 * P)
    assert network.verdicts[1:] == [("nic-repaired", "eth1")]


# ---- what is shown


def test_each_probe_is_seen_when_somebody_looks() -> None:
    """EVT-2, IST-4."""
    network = two()
    assert network.all(Seen) == []
    network.detector.seen_wanted = True
    network.detector.epoch = 1_700_000_000_000_000_000
    network.run(P * 5)
    network.silent.add("eth1")
    network.run(P * 3)
    rows = [s for s in network.all(Seen) if s.nic == "eth1"]
    acked, lost = [s for s in rows if s.state == "acked"], [s for s in rows if s.state == "lost"]
    assert 4 <= len(acked) <= 6 and 1 <= len(lost) <= 3
    sent = {s.send.sequence: s.at for s in network.probes("eth1")}
    for row in acked:
        assert row.received is not None and row.processed is not None
        assert row.started <= row.sent < row.received <= row.processed
        assert (row.received - row.sent) / 1e6 == pytest.approx(0.5)
        assert row.sent == int(sent[row.sequence] * 1e9) + network.detector.epoch
        assert (row.family, row.target) == (4, R) and row.average == pytest.approx(0.5)
    assert all((row.received, row.processed) == (None, None) for row in lost)


def test_changes_are_told_once_and_only_when_something_changed() -> None:
    network = two()
    assert [f.finding for f in network.found] == [Changed("eth1"), Changed("eth2")]
    for routers in ([R2], [R]):
        network.detector.assign(Orders((group(nic(1), nic(2), routers=routers),)), network.now)
    assert network.detector.take() == [Changed("eth1"), Changed("eth2")]
    network = two()
    network.run(60)
    assert len(network.found) == 2
    network.host(R2)
    network.route(R, R2)
    assert [f.finding for f in network.found[2:]] == [Changed("eth1"), Changed("eth2")]
    network.silent.add("eth1")
    network.run(2)
    assert [f.finding for f in network.found[4:]] == [Verdict("nic-failed", "eth1", 11), Changed("eth1")]


def test_snapshot_shows_everything() -> None:
    probing = group(nic(1, v6=True), nic(2, v4=False), routers=[R, R2, "fe80::1"])
    network = Network(probing, group(nic(3, v4=False), name="h"))
    network.host(R, R2, "fe80::1")
    network.run(3)
    snapshot = network.detector.snapshot()
    assert [w.nic for w in snapshot.watches] == ["eth1", "eth2", "eth3"]
    assert snapshot.detection_times == (("g", 1000),)  # nobody probes in h
    first, second = snapshot.watches[0].instances
    assert (first.family, first.mode, first.test_address) == (4, "routes", "192.0.2.11")
    assert (second.family, second.test_address, second.targets) == (6, "fe80::11", ("fe80::1",))
    following = next(s.send.target for s in reversed(network.sent) if s.send.source == "192.0.2.11")
    assert {*first.targets} == {R, R2} and first.targets[0] != following
    assert first.average == pytest.approx(0.5) and first.deviation is not None


PURE = ("detection", "findings", "history", "judgement", "pace", "probing", "rtt", "targets", "watched")


@pytest.mark.parametrize("room", PURE)
def test_rooms_are_pure(room: str) -> None:
    """No clock, no socket, no thread: time, randomness and nonces come from outside."""
    tree = ast.parse(Path(judgement.__file__).with_name(f"{room}.py").read_text())
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    own = {n.module for n in imports if n.level} | {a.name for n in imports if not n.module for a in n.names}
    foreign = {n.module for n in imports if not n.level}
    foreign |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert own - {None} <= {*PURE, "health"}
    assert foreign <= {"__future__", "collections", "functools", "heapq", "ipaddress", "math", "random", "typing"}
