# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which link-local address of a NIC probes leave from, as addresses come and go; the values are those of the kernel."""

from __future__ import annotations

from typing import Any, List

from ipmp import nl
from ipmp.kernel import Kernel
from ipmp.nlparse import AddrEvent


class Dump:
    """What the kernel lists: per NIC the newest first."""

    def __init__(self) -> None:
        self.addresses: List[AddrEvent] = []

    def dump_addresses(self) -> List[AddrEvent]:
        return self.addresses

    def nothing(self, *_arguments: object) -> List[Any]:
        return []

    dump_nexthops = dump_routes = nothing


def address(ip: str, flags: int = 0, deleted: bool = False) -> AddrEvent:
    return AddrEvent(7, 6, ip, 64, flags, nl.SCOPE_LINK, 0, nl.FOREVER, nl.FOREVER, None, None, deleted)


OLD, NEW = address("fe80::a"), address("fe80::b")


def kernel(*addresses: AddrEvent) -> Kernel:
    dump: Any = Dump()
    dump.addresses = list(addresses)
    made = Kernel(dump)
    made.observe(frozenset())
    return made


def test_of_several_it_is_the_oldest() -> None:
    assert kernel(NEW, OLD).link_locals == {7: "fe80::a"}


def test_one_that_comes_later_changes_nothing_seen_again_or_not() -> None:  # its results would be forgotten
    host = kernel(OLD)
    host.take_address(NEW)
    assert host.link_locals == {7: "fe80::a"}
    dump: Any = host.requests
    for dump.addresses in ([NEW, OLD], [OLD, NEW]):
        host.observe(frozenset())
        assert host.link_locals == {7: "fe80::a"}


def test_when_it_goes_or_is_a_duplicate_another_takes_over_at_once() -> None:
    host = kernel(OLD)
    host.take_address(NEW)
    host.take_address(address("fe80::a", deleted=True))
    assert host.link_locals == {7: "fe80::b"}
    host.take_address(address("fe80::b", nl.IFA_F_DADFAILED))
    assert host.link_locals == {}
    host.take_address(address("fe80::c", nl.IFA_F_TENTATIVE))
    assert host.link_locals == {}
    host.take_address(address("fe80::c"))
    assert host.link_locals == {7: "fe80::c"}
