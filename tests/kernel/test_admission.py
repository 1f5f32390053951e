# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The link is asked before a configuration is put into force, and a NIC that goes meanwhile does not end the asking."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, List, Optional, Tuple

import pytest
from namespaces import Cable, Namespace

from ipmp import files
from ipmp.admission import Admission
from ipmp.daemon import Daemon
from ipmp.loop import now
from ipmp.model import Config

pytestmark = pytest.mark.kernel
LIMIT = 20.0  # s; an answer takes half a second


@pytest.fixture
def daemon(host: Namespace, peer: Namespace, nics: List[Cable], tmp_path: Path) -> Iterator[Tuple[Daemon, List[str]]]:
    """One that knows m0 and m1 on one link, and has no configuration; and what it logs."""
    peer.ip("link add br0 type bridge", "link set br0 up", "link set p-m0 master br0", "link set p-m1 master br0")
    logged: List[str] = []
    made = Daemon(str(tmp_path), lambda _level, text: logged.append(text))
    try:
        made.kernel.read_links()
        yield made, logged
    finally:
        made.close()


def config(first: str, second: str) -> Config:
    return files.config(
        {f"/etc/hostname.{name}": f"192.0.2.1{n}/24 group lan up\n" for n, name in enumerate((first, second))}
    )


def answer(
    daemon: Daemon, wanted: Config, between: Tuple[str, ...] = (), host: Optional[Namespace] = None
) -> List[Optional[str]]:
    told: List[Optional[str]] = []
    Admission(daemon, wanted, frozenset(), told.append)
    if host is not None:
        host.ip(*between)
    end = now() + LIMIT
    while not told and now() < end:
        daemon.loop.run_once(0.1)
    return told


def test_a_free_address_on_one_link_is_admitted(daemon: Tuple[Daemon, List[str]]) -> None:
    assert answer(daemon[0], config("m0", "m1")) == [None]
    assert daemon[1] == []


def test_a_nic_that_went_before_it_could_be_asked_is_left_out(
    daemon: Tuple[Daemon, List[str]], host: Namespace
) -> None:
    """The daemon has not read yet that it is gone."""
    host.ip("link del m1")
    assert answer(daemon[0], config("m0", "m1")) == [None]
    assert [text for text in daemon[1] if text.startswith("m1: cannot ask whether it is on the group's link")] != []


def test_a_nic_that_goes_while_it_is_asked_does_not_keep_the_answer_back(
    daemon: Tuple[Daemon, List[str]], host: Namespace
) -> None:
    assert answer(daemon[0], config("m0", "m1"), ("link del m1",), host) == [None]
