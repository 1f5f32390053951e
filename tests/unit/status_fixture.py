# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A STATUS as the daemon gives it: group web (one active, one spare, one failed), a detached NIC, one in no group."""

from __future__ import annotations

from typing import Any, Dict, List, Optional


def interface(name: str, group: Optional[str], state: str, **changes: Any) -> Dict[str, Any]:
    """An interface; what is not said is that of a working, active one."""
    values = {
        "name": name,
        "group": group,
        "present": True,
        "ifindex": 7,
        "mac": "02:00:00:00:00:01",
        "mtu": 1500,
        "standby": False,
        "active": state == "ok",
        "state": state,
        "link": "up",
        "probe": "disabled",
        "probing": [],
        "flags": [],
        "test_addresses": [],
        "reason": "",
        "since": 0,
        "failures": 0,
    }
    return {**values, **changes}


def address(ip: str, owner: str, where: Optional[str], outbound: List[str], **changes: Any) -> Dict[str, Any]:
    """A data address of group web."""
    values = {
        "address": ip,
        "prefixlen": 24,
        "family": 6 if ":" in ip else 4,
        "type": "data",
        "group": "web",
        "owner": owner,
        "interface": where,
        "state": "up" if where else "down",
        "deprecated": False,
        "outbound": outbound,
    }
    return {**values, **changes}


def status() -> Dict[str, Any]:
    """A fresh one, for a test to change."""
    return {
        "version": "1.0.0",
        "protocol": [1],
        "pid": 1,
        "generation": 1,
        "boot_id": "x",
        "defaults": {
            "failure_detection_time": 10000,
            "failback": True,
            "track_interfaces_only_with_groups": True,
        },
        "groups": [
            {
                "name": "web",
                "state": "degraded",
                "failure_detection_time": None,
                "failback": True,
                "gateways": ["192.0.2.254"],
                "routes": [],
                "targets": ["192.0.2.254", "2001:db8::fe"],
                "active": ["eth1"],
                "inactive": ["eth2"],
                "unusable": ["eth0", "eth3"],
                "signature": 1,
                "reason": "eth0: link down",
            }
        ],
        "interfaces": [
            interface("eth0", "web", "failed", active=False, link="down", flags=["FAILED", "DOWN"], reason="link down"),
            interface("eth1", "web", "ok", test_addresses=["192.0.2.21", "link-local"]),
            interface("eth2", "web", "ok", active=False, flags=["STANDBY", "INACTIVE", "DOWN"], standby=True),
            interface("eth3", "web", "detached", active=False, flags=["DOWN"], present=False, link="unknown"),
            interface("eth9", None, "ok"),
        ],
        "addresses": [
            address("192.0.2.1", "eth0", "eth1", ["eth1"]),
            address("192.0.2.2", "eth1", None, []),
            address("2001:db8:1111:2222:3333:4444:5555:6666", "eth1", "eth1", ["eth1"]),
            address("192.0.2.21", "eth1", "eth1", ["eth1"], type="test"),
            address("198.51.100.9", "eth9", "eth9", ["eth9"], group=None),
        ],
        "transaction": None,
        "files_error": None,
        "warnings": [],
    }
