# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cfgadm's listing: components as attachment points with receptacle, occupant and condition (CFA-2, CFA-3).

The interfaces of a PCI device or slot are its dynamic attachment points: ``0000:00:05::eth1`` is ``eth1``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Sequence

from .table import columns

HEADINGS = ("Ap_Id", "Type", "Receptacle", "Occupant", "Condition")
WIDTHS = (31, 13, 13, 13, 10)
VERBOSE = (
    (("Ap_Id", "Receptacle", "Occupant", "Condition", "Information"), (31, 13, 13, 11, 12)),
    (("When", "Type", "Busy", "Phys_Id"), (13, 13, 9, 8)),
)
PHYSICAL = {"ethernet": "/sys/class/net/", "pci": "/sys/bus/pci/devices/", "slot": "/sys/bus/pci/slots/"}


@dataclass(frozen=True)
class Point:
    """One attachment point. since: unix time of its last change; 0 when nobody knows."""

    ap_id: str
    kind: str  # ethernet, pci, slot
    receptacle: str  # empty, disconnected (detached, and its device gone), connected
    occupant: str  # configured, unconfigured
    condition: str  # ok, failed, unknown
    busy: bool
    information: str
    since: float
    physical: str
    dynamic: bool = False  # listed with -a only


def component(ap_id: str) -> str:
    """The component that an attachment point is: of a dynamic one the interface."""
    return ap_id.rpartition("::")[2]


def points(status: Dict[str, Any], components: Sequence[Dict[str, Any]]) -> List[Point]:
    """Each COMPONENT, NICs before devices before slots; behind one of those, dynamic, its interfaces."""
    known = {interface["name"]: interface for interface in status["interfaces"]}
    busy = (status["transaction"] or {}).get("interfaces", ())
    found: List[Point] = []
    single: Dict[str, Point] = {}
    order = list(PHYSICAL)
    for one in sorted(components, key=lambda c: (order.index(c["kind"]), c["name"])):
        point = _point(one, known, busy)
        found.append(point)
        if one["kind"] == "ethernet":
            single[one["name"]] = point
        else:
            inside = [single[name] for name in one["interfaces"] if name in single]
            found += [replace(p, ap_id=f"{one['name']}::{p.ap_id}", dynamic=True) for p in inside]
    return found


def _point(one: Dict[str, Any], known: Dict[str, Dict[str, Any]], busy: Sequence[str]) -> Point:
    names = one["interfaces"]
    if one["kind"] == "ethernet":
        names = [one["name"]]
    inside = [known[name] for name in names if name in known]
    detached, removed = one["state"] == "detached", one["state"] == "removed"
    states = {interface["state"] for interface in inside}
    if one["kind"] == "ethernet":
        lone = inside[0] if inside else {"reason": "detached" if detached else "", "group": None}
        information = lone["reason"] or (f"group {lone['group']}" if lone["group"] else "")
    else:
        information = " ".join(names)
    return Point(
        one["name"],
        one["kind"],
        "connected" if one["present"] else "disconnected" if detached else "empty",
        "configured" if one["present"] and not detached else "unconfigured",
        "failed" if removed or "failed" in states else "ok" if states and states <= {"ok", "offline"} else "unknown",
        any(name in busy for name in names),
        information,
        max((interface["since"] or 0 for interface in inside), default=0),
        PHYSICAL[one["kind"]] + one["name"] + (".*" if one["kind"] == "pci" and "." not in one["name"] else ""),
    )


def lines(listed: Sequence[Point], verbose: bool) -> List[str]:
    """The listing with its headings, a line or, verbose, two lines a point."""
    if not verbose:
        rows = [HEADINGS, *((p.ap_id, p.kind, p.receptacle, p.occupant, p.condition) for p in listed)]
        return [columns(row, WIDTHS) for row in rows]
    first, second = VERBOSE
    text = [columns(*first), columns(*second)]
    for p in listed:
        when = time.strftime("%b %e %H:%M", time.localtime(p.since)) if p.since else "unavailable"
        text.append(columns((p.ap_id, p.receptacle, p.occupant, p.condition, p.information), first[1]).rstrip())
        text.append(columns((when, p.kind, "y" if p.busy else "n", p.physical), second[1]))
    return text
