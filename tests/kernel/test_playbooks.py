# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped playbooks on a host of the lab: set up, refuse, verify, put back; and a host that is cut off returns."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import Iterator, List

import pytest
from playing import Bed, row

pytestmark = pytest.mark.kernel
HOME = {"192.0.2.11": "eth1", "2001:db8::11": "eth1"}


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    with Bed(tmp_path) as bed:
        done = bed.play("setup")
        assert done.returncode == 0, done.stdout + done.stderr
        assert bed.hosting() == HOME
        yield bed


def changed(done: subprocess.CompletedProcess[str]) -> List[int]:
    return [int(number) for number in re.findall(r"changed=(\d+)", done.stdout)]


def test_a_second_setup_changes_nothing(bed: Bed) -> None:
    again = bed.play("setup")
    assert (again.returncode, changed(again)) == (0, [0]), again.stdout


def test_check_detach_and_reattach(bed: Bed) -> None:
    checked = bed.play("dr_check", "-e", "ipmp_component=eth1")
    assert "192.0.2.11 would move from eth1 to eth2" in checked.stdout
    assert (checked.returncode, changed(checked), bed.hosting()) == (0, [0], HOME)
    detached = bed.play("dr_detach", "-e", "ipmp_component=eth1")
    assert detached.returncode == 0, detached.stdout
    assert set(bed.hosting().values()) == {"eth2"}
    assert bed.status()["transaction"] is None
    moved = "192.0.2.11 moved from eth1 to eth2, 2001:db8::11 moved from eth1 to eth2"
    assert row(detached.stdout, "h1")[:4] == ["h1", "eth1", "detached", moved]
    assert re.fullmatch(r"0 of [1-9]\d*", row(detached.stdout, "h1")[4]), detached.stdout
    refused = bed.play("dr_detach", "-e", "ipmp_component=eth2")
    assert refused.returncode == 2
    assert "nothing was changed" in refused.stdout + refused.stderr
    assert row(refused.stdout, "h1")[1:3] == ["eth2", "refused"]
    attached = bed.play("dr_reattach", "-e", "ipmp_component=eth1")
    assert attached.returncode == 0, attached.stdout
    assert bed.hosting() == HOME


def test_a_check_that_could_not_be_made_is_no_refusal(bed: Bed) -> None:
    done = bed.play("dr_check", "-e", "ipmp_component=eth9")
    assert (done.returncode, row(done.stdout, "h1")[1:3]) == (2, ["eth9", "failed"]), done.stdout


def test_check_mode_of_the_detach_changes_nothing(bed: Bed) -> None:
    done = bed.play("dr_detach", "-e", "ipmp_component=eth1", "--check")
    assert done.returncode == 0, done.stdout
    assert row(done.stdout, "h1")[1:3] == ["eth1", "would be detached"]
    assert (bed.hosting(), bed.status()["transaction"]) == (HOME, None)


def test_a_detach_that_fails_its_verification_is_put_back(bed: Bed) -> None:
    done = bed.play("dr_detach", "-e", "ipmp_component=eth1", "-e", '{"ipmp_verify_ports": [9]}')
    assert done.returncode == 2
    assert re.search(r"accepts no connection to port 9.*it was put back", done.stdout + done.stderr)
    assert (bed.hosting(), bed.status()["transaction"]) == (HOME, None)
    assert bed.reached()
    assert row(done.stdout, "h1")[2:4] == ["rolled back", "-"]
    assert re.fullmatch(r"\d+ of [1-9]\d*( \(\d+ ms\))?", row(done.stdout, "h1")[4]), done.stdout


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("ipmp_confirm_timeout=0", "leave ipmp_confirm_timeout above 0"),
        ("ipmp_verify_from=nobody", "ipmp_verify_from names no host"),
    ],
)
def test_a_detach_without_a_net_is_refused_first(bed: Bed, option: str, sentence: str) -> None:
    done = bed.play("dr_detach", "-e", "ipmp_component=eth1", "-e", option)
    assert done.returncode == 2
    assert sentence in done.stdout + done.stderr
    assert (bed.hosting(), bed.status()["transaction"]) == (HOME, None)


def test_a_host_that_a_detach_cuts_off_comes_back_by_itself(bed: Bed) -> None:
    """SSH goes over an address of eth1; the standby that it moves to has carrier, but gets no frame through."""
    bed.lab.write_inventory(bed.ssh, bed.variables, ssh={"h1": "192.0.2.11"})
    assert bed.play("dr_check", "-e", "ipmp_component=eth1", ssh=True).returncode == 0
    bed.lab.nic("h1", "eth2").cut()
    done = bed.play("dr_detach", "-e", "ipmp_component=eth1", "-e", "ipmp_confirm_timeout=20", ssh=True)
    assert done.returncode != 0, done.stdout
    # 20 s until the timer; then up to 45 s, because no sibling can hear that eth1's path is good.
    deadline = time.monotonic() + 120
    while not bed.reached() and time.monotonic() < deadline:
        time.sleep(0.5)
    assert bed.reached(), bed.status()
    while bed.status()["transaction"] and time.monotonic() < deadline:
        time.sleep(0.5)
    assert (bed.hosting(), bed.status()["transaction"]) == (HOME, None)
