# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An administrator's static routes through a NIC that leaves: made again through the one that takes over, given back.

They keep their protocol, so that they are somebody else's still and nobody tidies them up.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Sequence

from . import rtnl

Rerouted = Dict[str, Any]  # {"route": one of rtnl.static_routes, "copy": as it is made on the other, "to": NIC}


def planned(snapshot: rtnl.Snapshot, targets: Mapping[str, str], staying: Iterable[str]) -> List[Rerouted]:
    """What is to be moved: the static routes of each NIC in targets, to the NIC that it maps to.

    A preferred source stays only if it is an address that does not leave (``staying``).
    """
    found: List[Rerouted] = []
    kept = frozenset(staying)
    for name, target in targets.items():
        for route in rtnl.static_routes(snapshot, name):
            attributes = {k: v for k, v in route["attributes"].items() if k != "prefsrc" or v in kept}
            found.append({"route": route, "copy": {**route, "attributes": attributes}, "to": target})
    return found


def move(rerouted: Sequence[Rerouted]) -> List[str]:
    """Carry it out; returns a sentence for each that the kernel refuses. A gateway in no prefix is on the link."""
    failures: List[str] = []
    for one in rerouted:
        try:
            try:
                rtnl.add_route(one["copy"], one["to"])
            except OSError:
                if not one["copy"]["attributes"].get("gateway"):
                    raise
                rtnl.add_route({**one["copy"], "onlink": True}, one["to"])
        except OSError as error:
            failures.append(f"the route to {one['route']['dst']} could not be moved to {one['to']}: {error}")
    return failures


def give_back(rerouted: Sequence[Rerouted]) -> List[str]:
    """Make them through their own NIC again; where that is refused they stay where they are, and a sentence says so."""
    failures: List[str] = []
    for one in rerouted:
        try:
            rtnl.add_route(one["route"])  # replaces the copy: the kernel keeps one for a destination and metric
        except OSError as error:
            failures.append(f"the route to {one['route']['dst']} stays on {one['to']}: {error}")
    return failures
