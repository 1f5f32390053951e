# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be known of a host before anything is changed on it: kernel, NICs, the way between it and the controller."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import socket
import struct
from typing import Any, Callable, Collection, Dict, List, Mapping, Optional, Sequence, Tuple

Run = Callable[[Sequence[str]], Tuple[int, str, str]]
_RTM_GETNEXTHOP, _NLM_F_REQUEST, _NLM_F_DUMP, _NLMSG_ERROR = 106, 0x1, 0x300, 2


def versions() -> Dict[str, str]:
    """Python's and the kernel's."""
    return {"python": platform.python_version(), "kernel": os.uname().release}


def has_nexthops() -> bool:
    """Whether the kernel has nexthop objects; asked of it, since distributions bring features to older versions."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.settimeout(5)
        kernel.send(struct.pack("=IHHIIBBBBI", 24, _RTM_GETNEXTHOP, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0, 0, 0, 0, 0, 0))
        kind: int = struct.unpack_from("=H", kernel.recv(65536), 4)[0]
        return kind != _NLMSG_ERROR


def links(run: Run, ip: Optional[str]) -> Optional[List[Dict[str, Any]]]:
    """Every link with its addresses, as the program ip tells it; None where that is not to be had."""
    return _json(run, ip, "address", "show")


def members(known: Sequence[Mapping[str, Any]], names: Collection[str], configured: Collection[str]) -> Dict[str, Any]:
    """What is to be known of each of these names; altnames count.

    ``{NAME: {"present": False, "configured"} or {"present": True, "configured", "name", "ethernet", "mac", "master",
    "up", "carrier", "addresses": [CIDR that are neither link-local nor the host's alone]}}``; configured: it has a
    hostname file already.
    """
    return {name: _member(_named(known, name), name in configured) for name in names}


def _named(known: Sequence[Mapping[str, Any]], name: str) -> Optional[Mapping[str, Any]]:
    return next((k for k in known if name == k.get("ifname") or name in k.get("altnames", ())), None)


def _member(link: Optional[Mapping[str, Any]], configured: bool) -> Dict[str, Any]:
    if link is None:
        return {"present": False, "configured": configured}
    return {
        "present": True,
        "configured": configured,
        "name": link["ifname"],
        "ethernet": link.get("link_type") == "ether",
        "mac": link.get("address"),
        "master": link.get("master"),
        "up": "UP" in link.get("flags", ()),
        "carrier": "LOWER_UP" in link.get("flags", ()),
        "addresses": [
            f"{a['local']}/{a['prefixlen']}"
            for a in link.get("addr_info", ())
            if "local" in a and a.get("scope") == "global"
        ],
    }


def way(
    run: Run, ip: Optional[str], known: Sequence[Mapping[str, Any]], connection: Optional[Sequence[str]]
) -> Optional[Dict[str, Any]]:
    """The way between controller and host, from SSH_CONNECTION's words; None where there is no SSH session.

    ``{"peer": IP, "address": IP, "interface": who has that address or null, "back": {"interface", "via": IP or null} or
    null where the kernel does not say}``.
    """
    if connection is None:
        return None
    peer, address = (word.partition("%")[0] for word in (connection[0], connection[2]))
    holder = next((k["ifname"] for k in known if any(a.get("local") == address for a in k.get("addr_info", ()))), None)
    routes = _json(run, ip, "route", "get", peer, "from", address) or []
    back = None
    if routes and "dev" in routes[0]:
        back = {
            "interface": routes[0]["dev"],
            "via": routes[0].get("gateway") or (routes[0].get("via") or {}).get("host"),
        }
    return {"peer": peer, "address": address, "interface": holder, "back": back}


def _json(run: Run, ip: Optional[str], *words: str) -> Optional[List[Dict[str, Any]]]:
    if ip is None:
        return None
    rc, out, _err = run([ip, "-j", *words])
    with contextlib.suppress(ValueError):
        found = json.loads(out) if rc == 0 else None
        return found if isinstance(found, list) else None
    return None
