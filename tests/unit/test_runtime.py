# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a daemon takes over from the one before it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ipmp.health import Health
from ipmp.model import Address, Config, Defaults, Group, Interface
from ipmp.runtime import Nic, Runtime

FAILED = Health(link=False, failed=True, failures=3)


def runtime(*interfaces: Interface, track_all: bool = False) -> Runtime:
    made = Runtime()
    members = tuple(i for i in interfaces if i.group)
    ungrouped = tuple(i for i in interfaces if not i.group)
    defaults = Defaults(track_interfaces_only_with_groups=not track_all)
    made.adopt(Config((Group("lan", members),) if members else (), ungrouped, defaults), 0.0)
    return made


def restarted(before: Interface, after: Interface, *, track_all: bool = False) -> Nic:
    """The NIC as the next daemon knows it, when its file was changed while none ran."""
    first = runtime(before, track_all=True)
    nic = first.nics["eth1"]
    nic.health, nic.offline, nic.held_back, nic.joined = FAILED, bool(before.group), bool(before.group), True
    second = runtime(after, track_all=track_all)
    second.load(first.dump())
    return second.nics["eth1"]


GROUPED = Interface("eth1", "lan", addresses=(Address("192.0.2.1", 24),))
ALONE = replace(GROUPED, group=None)


def test_a_member_is_as_it_was() -> None:
    nic = restarted(GROUPED, GROUPED)
    assert (nic.health, nic.offline, nic.held_back, nic.joined) == (FAILED, True, True, True)


@pytest.mark.parametrize("before", [GROUPED, ALONE])
def test_who_is_not_watched_any_more_has_not_failed_for_ever(before: Interface) -> None:  # LOOP-6
    nic = restarted(before, ALONE)
    assert (nic.health, nic.offline, nic.held_back, nic.joined) == (Health(), False, False, True)


def test_who_left_its_group_is_not_offline_where_all_are_watched_either() -> None:  # no if_mpadm could undo it
    nic = restarted(GROUPED, ALONE, track_all=True)
    assert (nic.health, nic.offline, nic.held_back) == (FAILED, False, False)
