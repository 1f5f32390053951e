# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking the daemon away over real SSH: refused where the session would be lost with the group, else without loss."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest
from asking import call
from namespaces import eventually
from playing import Bed, groups

pytestmark = pytest.mark.kernel
ADDRESS = "192.0.2.11"
PROGRAM = "/usr/local/sbin/in.mpathd"


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    with Bed(tmp_path) as bed:
        yield bed


def set_up(bed: Bed) -> None:
    done = bed.play("setup")
    assert done.returncode == 0, done.stdout + done.stderr
    bed.lab.write_inventory(bed.ssh, bed.variables, ssh={"h1": ADDRESS})


def deployed(bed: Bed) -> bool:
    return bed.host.run(["test", "-e", PROGRAM], check=False).returncode == 0


def eth2_is_up(bed: Bed) -> bool:
    return "UP" in bed.host.run("ip link show dev eth2 | grep -o '<.*>'").stdout.strip("<>\n").split(",")


def test_it_is_refused_over_an_address_that_only_the_group_has(bed: Bed) -> None:
    set_up(bed)
    hosting = bed.hosting()
    for mode in (["--check"], []):
        done = bed.play("remove", *mode, ssh=True)
        said = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == 2, said
        assert f"this task's connection ends at {ADDRESS}, which only the group has" in said
        assert (deployed(bed), bed.reached(), bed.hosting()) == (True, True, hosting)
    bed.play("remove", "-e", "ipmp_force=true", ssh=True)
    assert eventually(lambda: not deployed(bed))
    assert not bed.reached()


def test_an_address_that_was_there_before_stays_and_so_does_the_session(bed: Bed) -> None:
    bed.host.run(f"ip link set eth1 up; ip link set eth2 down; ip address add {ADDRESS}/24 dev eth1")
    set_up(bed)
    assert eth2_is_up(bed)
    done = bed.play("remove", ssh=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (deployed(bed), bed.reached(), eth2_is_up(bed)) == (False, True, False)


def test_it_is_refused_where_only_the_group_has_a_way_to_the_controller(bed: Bed) -> None:
    """The session ends at an address of somebody else's, and comes from behind the group's gateway."""
    bed.variables["h1"]["ipmp_groups"] = [{**groups(1)[0], "gateways": ["192.0.2.254"]}]
    bed.lab.write_inventory(bed.inventory, bed.variables)
    set_up(bed)
    bed.host.run("ip address add 198.51.100.5/24 dev eth1")
    near, far = {"address": "198.51.100.5", "peer": "198.51.100.9"}, {"address": "198.51.100.5", "peer": "203.0.113.9"}
    assert call(bed.host, "release-query", **near) == {}
    refused = call(bed.host, "release-query", **far)
    assert refused["kind"] == "refused"
    assert "comes from 203.0.113.9, to which only the group has a route" in refused["message"]
    assert call(bed.host, "release", **far) == refused
    bed.host.run("ip route add default via 198.51.100.1 dev eth1 metric 20000")
    assert call(bed.host, "release-query", **far) == {}
    assert call(bed.host, "release-query") == {}
