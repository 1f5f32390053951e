# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest on which playbook setup has made the group: set up once, restored for each test in about a second."""

from __future__ import annotations

from typing import Callable, Iterator

import pytest

from .bed import Bed
from .machine import State


class Deployed:
    """A bed and the state in which its group is set up."""

    def __init__(self, hotplug: str) -> None:
        self.bed = Bed(hotplug)
        try:
            self.state = self._set_up()
        except BaseException:
            self.bed.close()
            raise

    def _set_up(self) -> State:
        bed = self.bed
        bed.restore(bed.ready, disk=bed.folder / "deployed.qcow2")
        bed.played("setup", ipmp_groups=bed.group(bed.guest.names()))
        bed.eventually(bed.at_home)
        return bed.save("deployed")


@pytest.fixture(scope="session")
def acpi() -> Iterator[Deployed]:
    """The firmware removes cards, at once."""
    made = Deployed("acpi")
    yield made
    made.bed.close()


@pytest.fixture(scope="session")
def native() -> Iterator[Deployed]:
    """The ports of the slots say beforehand that they lose power, as on real servers."""
    made = Deployed("native")
    yield made
    made.bed.close()


@pytest.fixture
def native_bed(native: Deployed) -> Iterator[Bed]:
    """Ready, all addresses at home."""
    yield from _restored(native)


@pytest.fixture
def bed(acpi: Deployed) -> Iterator[Bed]:
    """Ready, all addresses at home."""
    yield from _restored(acpi)


@pytest.fixture
def off(acpi: Deployed) -> Iterator[Callable[..., Bed]]:
    """Boots the machine from its disk: ``off(without=["a"])``."""

    def boot(**options: object) -> Bed:
        acpi.bed.boot(acpi.state, **options)  # type: ignore[arg-type]
        return acpi.bed

    yield boot
    acpi.bed.end()


def _restored(deployed: Deployed) -> Iterator[Bed]:
    deployed.bed.restore(deployed.state)
    try:
        yield deployed.bed
    finally:
        deployed.bed.end()
