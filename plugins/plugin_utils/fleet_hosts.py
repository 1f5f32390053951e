# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What speaks against a set-up in what hosts say of themselves, and what became of each. Pure.

A *look* is what ipmp_preflight returned for a host, or how it failed.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from .fleet import Problem

OLDEST_PYTHON, OLDEST_KERNEL, OLDEST_CORE = (3, 9), "5.14", (2, 16)
Returned = Mapping[str, Any]  # by a module; empty where it has not run
Groups = Sequence[Mapping[str, Any]]  # of the inventory, known to be right and converted as for a module


def controller(core: str) -> List[Problem]:
    """What is wrong with the controller's own ansible-core, whose version this is."""
    numbers = tuple(int(n) for n in re.findall(r"\d+", core)[:2])
    if numbers >= OLDEST_CORE:
        return []
    oldest = ".".join(map(str, OLDEST_CORE))
    return [Problem("(controller)", "", "ansible-core", f"{core} is too old: install {oldest} or newer")]


def reached(look: Mapping[str, Any]) -> bool:
    """Whether the host answered at all; one that did not has no look, or one that says so."""
    return bool(look) and not look.get("unreachable")


def judge(host: str, groups: Groups, look: Mapping[str, Any]) -> List[Problem]:
    """Why this host must not be set up as it is. Nobody can be asked about a host that was not reached."""
    if not reached(look):
        return []
    if look.get("failed") or "host" not in look:
        return [Problem(host, "", "look", f"failed: {look.get('msg') or 'without a word'}")]
    found = look["host"]
    problems = list(_versions(host, found))
    if problems:
        return problems
    problems += list(_members(host, groups, found))
    problems += list(_links(host, found))
    problems += list(_way(host, groups, found))
    for what, sentence in sorted((found.get("refused") or {}).items()):
        problems.append(Problem(host, "", what, sentence))
    return sorted(set(problems))


def _versions(host: str, found: Mapping[str, Any]) -> Iterator[Problem]:
    if tuple(int(n) for n in re.findall(r"\d+", found["python"])[:2]) < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        yield Problem(
            host, "", f"Python {found['python']}", f"is too old: set ansible_python_interpreter to {oldest} or newer"
        )
    if not found["root"]:
        yield Problem(host, "", "root", "is needed: set ansible_become to true, or ansible_user to root")
    if found.get("nexthops") is False:
        sentence = f"has no nexthop objects: Linux {OLDEST_KERNEL} or newer is needed"
        yield Problem(host, "", f"kernel {found['kernel']}", sentence)
    if found.get("too_new"):
        yield Problem(host, "", "protocol", found["too_new"])


def _members(host: str, groups: Groups, found: Mapping[str, Any]) -> Iterator[Problem]:
    """Only new members are judged: those that have a file already may have been taken out, or have failed."""
    cards: Dict[str, str] = {}
    for group, entry in _entries(groups):
        link = (found.get("members") or {}).get(entry["name"])
        if link is None:
            continue
        name = entry["name"]
        if link["present"]:
            twin = cards.setdefault(link["name"], name)
            if twin != name:
                yield Problem(host, group, name, f"is the same interface as {twin}: name each card once")
        if link["configured"]:
            continue
        if not link["present"]:
            yield Problem(host, group, name, "is not on this host: correct the name, or put the card in first")
        elif not link["ethernet"]:
            yield Problem(host, group, name, "is no Ethernet interface, so no address can move to it: leave it out")
        elif link["master"]:
            master = link["master"]
            yield Problem(host, group, name, f"belongs to {master}: take it out of {master}, or leave it out")


def _links(host: str, found: Mapping[str, Any]) -> Iterator[Problem]:
    for group, link in sorted((found.get("link") or {}).items()):
        for ip, mac in sorted(link["used"].items()):
            sentence = f"is in use by {mac} on the same link: choose another, or take it off that host"
            yield Problem(host, group, ip, sentence)
        # Two sides that both hear others but not each other are two links; a silent one may only be quiet.
        heard = [side for side in link["sides"] if set(side) & set(link["alive"])]
        if len(heard) > 1:
            sides = " and ".join(", ".join(side) for side in heard)
            sentence = f"{sides} do not hear each other, although they hear others: connect them to one link"
            yield Problem(host, group, "link", sentence)


def _way(host: str, groups: Groups, found: Mapping[str, Any]) -> Iterator[Problem]:
    """The controller's own connection has to be there after the set-up, and after a boot."""
    way = found.get("way")
    if not way:
        return
    names = {
        real: (group["name"], group)
        for group in groups
        for entry in group.get("interfaces") or []
        for real in (entry["name"], ((found.get("members") or {}).get(entry["name"]) or {}).get("name"))
        if real
    }
    if way["interface"] in names:
        name, group = names[way["interface"]]
        if way["address"] not in {str(interface.ip) for interface in _addresses(group)}:
            sentence = (
                f"of {way['interface']} is where the controller's connection ends, and no address of the group: add "
                "it to the data_addresses, or connect over an interface outside all groups"
            )
            yield Problem(host, name, way["address"], sentence)
    back = way["back"] or {}
    if back.get("interface") in names:
        name, group = names[back["interface"]]
        if not _leads(group, way["peer"]):
            by = f" by {back['via']}" if back["via"] else ""
            sentence = (
                f"is the controller and answered through {back['interface']}{by}, where the group has no way to it: "
                "add its gateway or route"
            )
            yield Problem(host, name, way["peer"], sentence)


def _leads(group: Mapping[str, Any], peer: str) -> bool:
    """Whether the group will have a way to the peer."""
    to = ipaddress.ip_address(peer)
    if to.is_link_local or any(to in interface.network for interface in _addresses(group)):
        return True
    gateways = [ipaddress.ip_address(str(g)) for g in group.get("gateways") or []]
    if any(gateway.version == to.version for gateway in gateways):
        return True
    return any(_covers(route, to) for route in group.get("routes") or [])


def _covers(route: Mapping[str, Any], to: Any) -> bool:
    if route["to"] == "default":
        return bool(ipaddress.ip_address(str(route["via"])).version == to.version)
    return to in ipaddress.ip_network(str(route["to"]), strict=False)


def _addresses(group: Mapping[str, Any]) -> Iterator[Any]:
    for entry in group.get("interfaces") or []:
        for address in [*(entry.get("data_addresses") or []), *(entry.get("test_addresses") or [])]:
            if address != "link-local":
                yield ipaddress.ip_interface(str(address))


def _entries(groups: Groups) -> Iterator[Tuple[str, Mapping[str, Any]]]:
    for group in groups:
        for entry in group.get("interfaces") or []:
            yield group["name"], entry


def outcome(
    look: Mapping[str, Any], daemon: Mapping[str, Any], config: Mapping[str, Any], check: bool
) -> Dict[str, Any]:
    """``{"result", "moved", "why"}`` of one host, from what the look, role mpathd and role hostname_files returned."""
    if not reached(look):
        return {"result": "unreachable", "why": "left out; run setup again when it answers"}
    if "differs" not in look:
        return {"result": "not looked at", "why": look.get("msg")}
    if not look["differs"]:
        return {"result": "unchanged"}
    for done in (daemon, config):
        if done.get("unreachable"):
            return {"result": "lost", "why": done.get("msg")}
        if done.get("failed"):
            return {"result": "failed", "why": done.get("msg")}
    if not config:
        return {"result": "not done", "why": None}
    changed = bool(daemon.get("changed") or config.get("changed"))
    done_it = "would change" if check else "changed"
    return {"result": done_it if changed else "unchanged", "moved": _moves(config.get("moves") or [])}


def _moves(moves: Sequence[Mapping[str, Any]]) -> List[str]:
    return [f"{move['address']} to {move['to'] or 'no interface'}" for move in moves]
