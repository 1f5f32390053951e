# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cfgadm's listing: components as attachment points with receptacle, occupant and condition (CFA-2, CFA-3)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Dict, List, Sequence

from .table import columns

HEADINGS = ("Ap_Id", "Type", "Receptacle", "Occupant", "Condition")
WIDTHS = (31, 13, 13, 13, 10)
VERBOSE = (
    (("Ap_Id", "Receptacle", "Occupant", "Condition", "Information"), (31, 13, 13, 11, 12)),
    (("When", "Type", "Busy", "Phys_Id"), (13, 13, 9, 8)),
)


@dataclass(frozen=True)
class Point:
    """One attachment point. since: unix time of its last change; 0 when nobody knows."""

    ap_id: str
    receptacle: str  # empty, disconnected (detached, and its device gone), connected
    occupant: str  # configured, unconfigured
    condition: str  # ok, failed, unknown
    busy: bool
    information: str
    since: float


def points(status: Dict[str, Any], records: Sequence[Dict[str, Any]]) -> List[Point]:
    """Every NIC of STATUS, and detached components that are known from their RECORD only; sorted."""
    busy = (status["transaction"] or {}).get("interfaces", ())
    found = {}
    for interface in status["interfaces"]:
        detached = interface["state"] == "detached"
        configured = interface["present"] and not detached
        found[interface["name"]] = Point(
            interface["name"],
            "connected" if interface["present"] else "disconnected" if detached else "empty",
            "configured" if configured else "unconfigured",
            {"ok": "ok", "offline": "ok", "failed": "failed"}.get(interface["state"], "unknown"),
            interface["name"] in busy,
            interface["reason"] or (f"group {interface['group']}" if interface["group"] else ""),
            interface["since"] or 0,
        )
    for record in records:
        name = record["component"]
        if name not in found:
            point = Point(name, "disconnected", "unconfigured", "unknown", name in busy, "detached", record["time"])
            found[name] = point
    return [found[name] for name in sorted(found)]


def lines(listed: Sequence[Point], verbose: bool) -> List[str]:
    """The listing with its headings, a line or, verbose, two lines a point."""
    if not verbose:
        rows = [HEADINGS, *((p.ap_id, "ethernet", p.receptacle, p.occupant, p.condition) for p in listed)]
        return [columns(row, WIDTHS) for row in rows]
    first, second = VERBOSE
    text = [columns(*first), columns(*second)]
    for p in listed:
        when = time.strftime("%b %e %H:%M", time.localtime(p.since)) if p.since else "unavailable"
        text.append(columns((p.ap_id, p.receptacle, p.occupant, p.condition, p.information), first[1]).rstrip())
        text.append(columns((when, "ethernet", "y" if p.busy else "n", f"/sys/class/net/{p.ap_id}"), second[1]))
    return text
