# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts with the network managers that people have, the real programs: from a running host to a group and back.

Each host's only address and default route are on a future member, and Ansible reaches it over just that address.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple

import pytest
from machine import ADDRESS, HOME, Flow, Machine, booted, eventually

from lab import compare, dump

pytestmark = pytest.mark.kernel
GATEWAY = "192.0.2.254"
NETPLAN = f"""\
network:
  version: 2
  renderer: %s
  ethernets:
    eth1:
      addresses: [{ADDRESS}/24]
      routes: [{{to: default, via: {GATEWAY}}}]
"""


class Manager(NamedTuple):
    """How a host is managed: its files, how that is put into force, asked, and disturbed."""

    program: str  # as the role names it
    files: Dict[str, str]
    start: str
    disturb: List[str]
    flushes: bool = False  # disturbing it removes addresses, link-local ones too


MANAGERS = {
    "NetworkManager": Manager(
        "NetworkManager",
        {
            "/etc/NetworkManager/system-connections/lan.nmconnection": "[connection]\nid=lan\ntype=ethernet\n"
            f"interface-name=eth1\n[ipv4]\nmethod=manual\naddress1={ADDRESS}/24,{GATEWAY}\n"
        },
        "systemctl -q enable --now NetworkManager && nm-online -q -t 20",
        ["systemctl reload NetworkManager", "systemctl restart NetworkManager", "nmcli connection reload"],
    ),
    "systemd-networkd": Manager(
        "systemd-networkd",
        {
            "/etc/systemd/network/10-lan.network": "[Match]\nName=eth1\n[Link]\nMTUBytes=1400\n"
            f"[Network]\nAddress={ADDRESS}/24\nGateway={GATEWAY}\n",
            # A second interface that stays managed: with none networkd leaves other people's routes alone anyway.
            "/etc/systemd/network/20-other.network": "[Match]\nName=eth3\n[Network]\nAddress=203.0.113.1/24\n",
        },
        "systemctl -q enable --now systemd-networkd",
        ["networkctl reload", "systemctl restart systemd-networkd", "networkctl reconfigure eth3"],
    ),
    "ifupdown": Manager(
        "ifupdown",
        {
            "/etc/network/interfaces": "auto lo\niface lo inet loopback\nauto eth1\nallow-hotplug eth1\n"
            f"iface eth1 inet static\n  address {ADDRESS}/24\n  gateway {GATEWAY}\n",
            "/etc/default/networking": 'EXCLUDE_INTERFACES="eth9"\n',
        },
        "systemctl -q enable networking && systemctl restart networking",
        ["systemctl restart networking", "udevadm trigger --action=add /sys/class/net/eth1 && udevadm settle"],
    ),
    "netplan with networkd": Manager(
        "systemd-networkd",
        {"/etc/netplan/50-lan.yaml": NETPLAN % "networkd"},
        "systemctl -q enable --now systemd-networkd && netplan apply",
        ["netplan apply", "netplan generate && systemctl daemon-reload && systemctl restart systemd-networkd"],
    ),
    "netplan with NetworkManager": Manager(
        "NetworkManager",
        {"/etc/netplan/50-lan.yaml": NETPLAN % "NetworkManager"},
        "systemctl -q enable --now NetworkManager && netplan apply && nm-online -q -t 20",
        ["netplan apply"],
        flushes=True,
    ),
}


@pytest.fixture(params=MANAGERS)
def managed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Machine, Manager]]:
    manager = MANAGERS[request.param]
    for machine in booted(tmp_path, nics=3):
        machine.write(manager.files)
        machine.sh(manager.start)
        assert eventually(machine.reached), machine.sh("ip addr; ip route; networkctl")
        machine.listen()
        yield machine, manager


def told(machine: Machine, manager: Manager) -> Dict[str, str]:
    """What the program itself says of the two members."""
    if manager.program == "NetworkManager":
        rows = [line.split(":") for line in machine.sh("nmcli -t -f DEVICE,STATE device").splitlines()]
    elif manager.program == "systemd-networkd":
        rows = [line.split()[1::3] for line in machine.sh("networkctl list --no-legend --no-pager").splitlines()]
    else:
        return {"eth1": "unmanaged", "eth2": "unmanaged"}
    return {name: state for name, state in rows if name in ("eth1", "eth2")}


def test_a_running_host_becomes_ours_and_stays_so(managed: tuple[Machine, Manager]) -> None:
    machine, manager = managed
    host = machine.host
    original = machine.at_rest()
    flow = Flow(machine)
    done = machine.played("netpath.ipmp.setup")
    assert machine.hosting()[ADDRESS] == "eth1"
    assert told(machine, manager) == {"eth1": "unmanaged", "eth2": "unmanaged"}
    again = machine.played("netpath.ipmp.setup")
    assert re.findall(r"changed=(\d+)", again) == ["0"], again
    flow.unharmed()

    ours = machine.at_rest()
    flow = Flow(machine)
    for command in manager.disturb:
        machine.sh(command)
        assert told(machine, manager) == {"eth1": "unmanaged", "eth2": "unmanaged"}, command
    # With the addresses go the manager's own routes, which ours are better than, and the link-local ones.
    ignored = ["fe80", "ff00", '"metric": 100'] if manager.flushes else []

    def as_before() -> List[str]:
        return compare(ours, dump(host), nexthop_ids=False, without=ignored)

    assert eventually(lambda: not as_before(), 15), "\n".join(as_before())
    if manager.flushes:
        assert "each netplan apply will remove all addresses of eth1" in " ".join(done.split())
        assert flow.end().longest_gap_ms < 1500
    else:
        flow.unharmed()

    machine.lab.restart("h1")
    assert eventually(machine.reached), machine.journal()
    assert told(machine, manager) == {"eth1": "unmanaged", "eth2": "unmanaged"}
    assert eventually(lambda: HOME.items() <= machine.hosting().items()), machine.journal()
    assert machine.sh("ip -4 route show default | head -1").startswith("default nhid")
    machine.listen()
    again = machine.played("netpath.ipmp.setup", "--check")
    assert re.findall(r"changed=(\d+)", again) == ["0"], again

    # What was there before the daemon is not known any more, only that the manager will take it up again.
    refused = machine.remove()
    assert f"connection ends at {ADDRESS}, which only the group has" in " ".join(refused.stdout.split())
    assert machine.reached()
    removed = machine.remove("-e", "mpathd_force=true")
    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert eventually(machine.reached)
    machine.sh("rm -f /etc/hostname.* /etc/hostname6.*")
    machine.lab.restart("h1")
    assert eventually(machine.reached), machine.journal()
    assert eventually(lambda: compare(original, dump(host)) == [], 15), "\n".join(compare(original, dump(host)))
