# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which card a name means: what counts as another one."""

from __future__ import annotations

import pytest

from ipmp.identity import Identity, another

ONE, TWO = "52:54:00:00:00:01", "52:54:00:00:00:02"
HERE, THERE = "0000:00:05.0", "0000:00:06.0"


@pytest.mark.parametrize(
    ("before", "now", "rebooted", "told"),
    [
        (Identity(ONE, True, HERE), Identity(ONE, True, HERE), False, None),
        (Identity(ONE, True, HERE), Identity(TWO, True, HERE), False, f"another card than before: {TWO} instead"),
        (Identity(ONE, True, HERE), Identity(TWO, True, HERE), True, f"another card than before: {TWO} instead"),
        (Identity(ONE, False, ""), Identity(TWO, False, ""), False, f"another card than before: {TWO} instead"),
        (Identity(ONE, False, ""), Identity(TWO, False, ""), True, None),
        (Identity(ONE, True, HERE), Identity(TWO, False, HERE), True, None),
        (Identity(ONE, True, HERE), Identity(ONE, True, THERE), False, f"another place than before: at {THERE}"),
        (Identity(ONE, True, HERE), Identity(ONE, True, THERE), True, f"another place than before: at {THERE}"),
        (Identity(ONE, True, HERE), Identity(TWO, True, THERE), False, f"{TWO} at {THERE} instead of {ONE} at {HERE}"),
        (Identity(ONE, True, ""), Identity(ONE, True, THERE), False, None),
        (Identity("", False, HERE), Identity(ONE, True, HERE), False, None),
    ],
)
def test_another_card(before: Identity, now: Identity, rebooted: bool, told: str) -> None:
    found = another("eth1", before, now, {"eth1": before}, rebooted=rebooted)
    assert (found is None) == (told is None)
    assert found is None or told in found


def test_a_card_that_had_another_name_is_told_by_it() -> None:
    one, two = Identity(ONE, True, HERE), Identity(TWO, True, THERE)
    told = another("eth1", one, two, {"eth1": one, "eth2": two}, rebooted=True)
    assert told == (f"eth1 is another card than before: {TWO} at {THERE}, which was eth2, instead of {ONE} at {HERE}")


def test_what_is_saved_can_be_read() -> None:
    one = Identity(ONE, True, HERE)
    assert Identity.read(one._asdict()) == one
    assert Identity.read({}) == Identity("", False, "")
