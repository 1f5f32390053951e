# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Round trip estimates: the arithmetic, the outlier that is forgiven, what RTT-only probes may do."""

from __future__ import annotations

from typing import List

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ipmp.rtt import Estimate

INTERVAL = 1428.0
SAMPLES = st.lists(st.floats(0, 60000), max_size=40)


def fed(*samples: float, interval: float = INTERVAL) -> Estimate:
    estimate = Estimate()
    for sample in samples:
        estimate.take(sample, interval)
    return estimate


def test_nothing_is_known_at_first() -> None:
    estimate = Estimate()
    assert (estimate.average, estimate.deviation, estimate.critical) == (None, None, None)


def test_first_sample_counts_three_times() -> None:
    """RTT-1: sa = 8m, sd = 2m, so CRTT = 3m."""
    estimate = fed(10)
    assert (estimate.average, estimate.deviation, estimate.critical) == (10, 5, 30)


def test_later_samples_are_smoothed() -> None:
    """RTT-1, in Solaris' own scaled numbers."""
    estimate, sa, sd = fed(10), 80.0, 20.0
    for sample in (18.0, 2.0, 40.0, 7.5):
        estimate.take(sample, INTERVAL)
        error = sample - sa / 8
        sa += error
        sd += abs(error) - sd / 4
        assert estimate.average == pytest.approx(sa / 8)
        assert estimate.deviation == pytest.approx(sd / 4)
        assert estimate.critical == pytest.approx(sa / 8 + sd)


def test_one_outlier_changes_nothing() -> None:
    """RTT-3."""
    estimate = fed(10)
    assert not estimate.take(3000, INTERVAL)
    assert estimate.critical == 30
    assert estimate.take(10, INTERVAL)
    assert not estimate.take(3000, INTERVAL)  # the one before is forgotten


def test_outliers_that_come_together_are_one() -> None:
    """The kernel held the probes back until it knew where to send them, and then sent all of them at once."""
    estimate = fed(10)
    assert not estimate.take(3000, INTERVAL)
    assert not estimate.take(2500, INTERVAL, together=True)
    assert estimate.critical == 30
    assert not fed(10, 10).take(3000, INTERVAL, together=True)
    assert estimate.take(2500, INTERVAL)
    assert estimate.critical is not None and estimate.critical > INTERVAL


def test_quick_answers_lift_nothing_above_the_interval() -> None:
    """Jacobson's deviation rises when times become much shorter."""
    estimate = fed(450)
    assert estimate.critical == 1350
    for _ in range(20):
        assert estimate.take(0.1, INTERVAL)
        assert estimate.critical is not None and estimate.critical <= INTERVAL
    assert estimate.critical < 700


def test_second_outlier_in_a_row_brings_in_the_first() -> None:
    """RTT-3: both are folded in, in their order."""
    estimate = fed(10)
    assert not estimate.take(3000, INTERVAL)
    assert estimate.take(2000, INTERVAL)
    expected = fed(10, 3000, 2000, interval=1e6)
    assert estimate.critical == expected.critical and estimate.average == expected.average


def test_first_sample_may_be_an_outlier_too() -> None:
    """RTT-3: 500 ms make a CRTT of 1500."""
    assert fed(500).critical is None
    assert fed(500, 500).critical is not None


def test_what_took_longer_than_the_ring_is_ignored() -> None:
    """RTT-2: 52 intervals."""
    estimate = fed(10)
    assert not estimate.take(52 * INTERVAL + 1, INTERVAL)
    assert not estimate.take(3000, INTERVAL)  # the first outlier, not the second
    assert estimate.take(52 * INTERVAL, INTERVAL)


@given(SAMPLES, st.floats(0, 60000))
@example([4.25e-322], 1.4e-322)  # floats are so far apart there that a rounding would raise it
def test_rtt_only_probe_never_raises_the_critical_time(samples: List[float], extra: float) -> None:
    """FDT-2."""
    estimate = fed(*samples)
    before = estimate.critical
    lowered = estimate.lower(extra)
    if before is None:
        assert estimate.critical is None and not lowered
    else:
        assert estimate.critical is not None
        assert estimate.critical <= before * (1 + 1e-12)
        assert lowered or estimate.critical == before


def test_rtt_only_probes_lower_the_critical_time() -> None:
    """FDT-2."""
    estimate = fed(400, 400)
    assert estimate.critical == 1000
    for _ in range(40):
        assert estimate.lower(1.0)
    assert estimate.critical < 20
    assert not estimate.lower(100.0) and estimate.critical < 20


@given(SAMPLES)
def test_critical_time_is_average_and_four_deviations(samples: List[float]) -> None:
    estimate = fed(*samples)
    if estimate.critical is not None:
        assert estimate.average is not None and estimate.deviation is not None
        assert estimate.average >= 0 and estimate.deviation >= 0
        assert estimate.critical == pytest.approx(estimate.average + 4 * estimate.deviation)


def test_forgotten_means_unknown() -> None:
    """RTT-4, and an outlier put aside before is forgotten as well."""
    estimate = fed(10, 3000)
    estimate.forget()
    assert estimate.critical is None
    assert not estimate.take(3000, INTERVAL)
