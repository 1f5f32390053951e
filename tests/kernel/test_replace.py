# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbook dr_replace: a NIC leaves, another one comes; it goes on after interruptions, and says how far it came."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Iterator, List

import pytest
from playing import Bed, row

pytestmark = pytest.mark.kernel
HOME = {"192.0.2.11": "eth1", "2001:db8::11": "eth1"}
AWAY = dict.fromkeys(HOME, "eth2")
ETH1 = ("-e", "ipmp_component=eth1")
TAKE_OUT = "h1: eth1 is detached; take the card out now"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    with Bed(tmp_path_factory.mktemp("replace")) as bed:
        done = bed.play("setup")
        assert done.returncode == 0, done.stdout + done.stderr
        yield bed


@pytest.fixture
def bed(made: Bed) -> Bed:
    """Each test begins, and should end, with all at home."""
    assert made.hosting() == HOME
    return made


def detaches(bed: Bed) -> List[str]:
    """How the detaches so far ended, the last one first."""
    return [past["state"] for past in bed.call("transactions")["history"] if past["kind"] == "detach"]


def test_another_card_takes_the_place(bed: Bed) -> None:
    running, nic, before = bed.begin("dr_replace", *ETH1), bed.lab.nic("h1", "eth1"), len(detaches(bed))
    running.wait_for(TAKE_OUT)
    assert (bed.hosting(), bed.status()["transaction"]) == (AWAY, None)
    nic.take_out()
    running.wait_for("h1: eth1 seen gone")
    nic.put_back(mac="02:00:00:00:aa:01")
    assert running.finish() == 0, running.text
    assert "h1: eth1 seen back with MAC 02:00:00:00:aa:01" in running.text
    assert (bed.hosting(), len(detaches(bed))) == (HOME, before + 1)
    assert row(running.text, "h1")[1:3] == ["eth1", "replaced"]
    assert "2 came home" in row(running.text, "h1")[3]


def test_a_card_that_comes_under_another_name_is_not_waited_for_in_silence(bed: Bed) -> None:
    running, nic = bed.begin("dr_replace", *ETH1, "-e", "ipmp_replace_timeout=10"), bed.lab.nic("h1", "eth1")
    running.wait_for(TAKE_OUT)
    nic.take_out()
    running.wait_for("h1: eth1 seen gone")
    nic.put_back(mac="02:00:00:00:aa:03")
    bed.host.ip("link set eth1 name other1")
    assert running.finish() == 2, running.text
    why = row(running.text, "h1")[-1]
    assert why.startswith("eth1 has not come back after 10 s; other1 (02:00:00:00:aa:03) came meanwhile"), why
    assert "have udev name it eth1" in why
    assert "run dr_replace again to go on" in why
    bed.host.ip("link set other1 name eth1")
    again = bed.play("dr_replace", *ETH1)
    assert again.returncode == 0, again.stdout
    assert (bed.hosting(), row(again.stdout, "h1")[2]) == (HOME, "replaced")


def test_a_run_that_is_killed_goes_on_where_it_was(bed: Bed) -> None:
    """Killed before it could confirm, interrupted while it waited, and the card changed while nobody looked."""
    before, nic = len(detaches(bed)), bed.lab.nic("h1", "eth1")
    first = bed.begin("dr_replace", *ETH1)
    first.wait_for("TASK [Reach the host over a new connection]")
    first.interrupt(signal.SIGKILL)
    opened = bed.status()["transaction"]
    assert opened["state"] == "committed"
    second = bed.begin("dr_replace", *ETH1)
    second.wait_for(TAKE_OUT)
    second.interrupt(signal.SIGINT)
    history = bed.call("transactions")["history"]
    assert (history[0]["transaction"], history[0]["state"]) == (opened["transaction"], "confirmed")
    assert (bed.hosting(), bed.status()["transaction"], len(detaches(bed))) == (AWAY, None, before + 1)
    nic.take_out()
    nic.put_back(mac="02:00:00:00:aa:02")
    third = bed.play("dr_replace", *ETH1)
    assert third.returncode == 0, third.stdout
    assert "seen gone" not in third.stdout
    assert "seen back with MAC 02:00:00:00:aa:02" in third.stdout
    assert (bed.hosting(), len(detaches(bed))) == (HOME, before + 1)


def test_a_run_that_was_killed_is_ended_by_another_name_of_the_nic(bed: Bed) -> None:
    bed.host.run("ip link property add dev eth1 altname port-one")
    port_one = ("-e", "ipmp_component=port-one")
    first = bed.begin("dr_detach", *ETH1)
    first.wait_for("TASK [Reach the host over a new connection]")
    first.interrupt(signal.SIGKILL)
    assert bed.status()["transaction"]["state"] == "committed"
    second = bed.play("dr_detach", *port_one)
    assert second.returncode == 0, second.stdout
    assert (bed.hosting(), bed.status()["transaction"]) == (AWAY, None)
    third = bed.play("dr_reattach", *port_one)
    assert third.returncode == 0, third.stdout
    bed.host.run("ip link property del dev eth1 altname port-one")
    assert bed.hosting() == HOME


def test_a_card_that_nobody_takes_out_stays_detached_until_a_hook_says_that_it_is_done(
    bed: Bed, tmp_path: Path
) -> None:
    late = bed.play("dr_replace", *ETH1, "-e", "ipmp_replace_timeout=2", "-e", "dr_look=1")
    assert late.returncode == 2
    cells = row(late.stdout, "h1")
    assert cells[1:3] == ["eth1", "failed"]
    assert cells[-1].startswith("eth1 is still there after 2 s; eth1 stays detached"), late.stdout
    assert (bed.hosting(), bed.status()["transaction"]) == (AWAY, None)
    count, hook = tmp_path / "count", tmp_path / "hook"
    hook.write_text(f'#!/bin/sh\necho $IPMP_HOST $IPMP_COMPONENT >>{count}\ntest "$(wc -l <{count})" = 2\n')
    hook.chmod(0o755)
    asked = bed.play("dr_replace", *ETH1, "-e", f"ipmp_replace_hook={hook}", "-e", "ipmp_replace_timeout=20")
    assert asked.returncode == 0, asked.stdout
    assert count.read_text() == "h1 eth1\n" * 2
    assert (bed.hosting(), row(asked.stdout, "h1")[2]) == (HOME, "replaced")


def test_a_refused_one_waits_for_nobody(bed: Bed) -> None:
    refused = bed.play("dr_replace", *ETH1, "-e", "ipmp_hardware=pci")
    assert refused.returncode == 2
    assert "Wait until it is gone" not in refused.stdout
    assert "nothing was changed" in row(refused.stdout, "h1")[-1]
    checked = bed.play("dr_replace", *ETH1, "--check")
    assert (checked.returncode, row(checked.stdout, "h1")[2]) == (0, "would be detached"), checked.stdout
    assert (bed.hosting(), bed.status()["transaction"]) == (HOME, None)
