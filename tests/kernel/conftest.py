# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host in a fresh network namespace, which the test runs in, and what its cables lead to."""

from __future__ import annotations

from typing import Iterator, List

import pytest
from namespaces import Cable, Namespace, cables


@pytest.fixture
def host() -> Iterator[Namespace]:
    """The namespace that the test runs in: its sockets and its /proc/sys/net are the host's."""
    namespace = Namespace()
    try:
        with namespace:
            yield namespace
    finally:
        namespace.close()


@pytest.fixture
def peer() -> Iterator[Namespace]:
    """The namespace at the other end of the cables."""
    namespace = Namespace()
    try:
        yield namespace
    finally:
        namespace.close()


@pytest.fixture
def nics(host: Namespace, peer: Namespace) -> Iterator[List[Cable]]:
    """Two members m0 and m1 (veth)."""
    with cables(host, peer, "veth", 2) as made:
        yield made


@pytest.fixture(params=["veth", "tap"])
def nics_of_both_kinds(request: pytest.FixtureRequest, host: Namespace, peer: Namespace) -> Iterator[List[Cable]]:
    """Two members m0 and m1: once veth, and once tap, whose carrier losses the kernel batches like a NIC's."""
    with cables(host, peer, request.param, 2) as made:
        yield made
