# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the groups of a whole inventory, before any host is asked. Pure: values in, problems out.

All hosts are compared with each other; reported is what concerns the chosen ones, those of the play.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Collection, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils import group_spec, wanted
from ..module_utils.ipmp import files, groupsconf
from ..module_utils.ipmp.model import ConfigError, Interface, IPNetwork
from . import options

_SPEC = ArgumentSpecValidator(
    {
        "ipmp_groups": {"type": "list", "elements": "dict", "required": True, "options": group_spec.GROUP},
        "ipmp_defaults": {"type": "dict", "default": {}, "options": group_spec.DEFAULTS},
    }
)


class Data(NamedTuple):
    """What the inventory says of one host. groups and defaults: as written there, None when not at all."""

    groups: Any = None
    defaults: Any = None
    address: str = ""  # where the controller reaches it (ansible_host)
    unreadable: str = ""  # why its variables could not be read


class Problem(NamedTuple):
    """One line of the table that people get; group and thing are "" where none is meant."""

    host: str
    group: str
    thing: str
    what_to_do: str  # one sentence: what is wrong, and the way out


class _Use(NamedTuple):
    host: str
    group: str
    interface: str
    ip: str


def compare(fleet: Mapping[str, Data], chosen: Collection[str]) -> List[Problem]:
    """Every problem of the chosen hosts, each once, by host; nothing else about the others."""
    problems: List[Problem] = []
    uses: List[_Use] = []
    for host in sorted({*fleet, *chosen}):
        data = fleet.get(host, Data())
        groups, found = _checked(host, data)
        uses += list(_uses(host, groups))
        if host in chosen:
            problems += found
    problems += _twice(uses, chosen)
    problems += _taken_by_the_controllers_way(uses, fleet, chosen)
    return sorted(set(problems))


Members = List[Tuple[str, List[Interface]]]  # (group, its members that are rightly described)


def _checked(host: str, data: Data) -> Tuple[Members, List[Problem]]:
    """(the groups as far as they can be read, what is wrong within this host alone)."""
    if data.unreadable:
        return [], [Problem(host, "", "ipmp_groups", f"cannot be read: {data.unreadable}")]
    if data.groups is None:
        return [], [Problem(host, "", "ipmp_groups", "is missing: say which groups this host has, or leave it out")]
    if not isinstance(data.defaults, (Mapping, str, type(None))):
        return [], [Problem(host, "", "ipmp_defaults", f"is {data.defaults!r}: give a dictionary")]
    given = {"ipmp_groups": data.groups, **({} if data.defaults is None else {"ipmp_defaults": data.defaults})}
    values, sentences = options.checked(_SPEC, given)
    if sentences:
        return [], [Problem(host, "", "ipmp_groups", sentence) for sentence in sentences]
    groups = values["ipmp_groups"]
    members, problems = _members(host, groups)
    problems += [*_double_names(host, groups), *_shared_prefixes(host, members), *_own_gateways(host, groups, members)]
    return members, problems or _whole(host, groups, values["ipmp_defaults"])


def converted(groups: Any) -> List[Dict[str, Any]]:
    """Groups that compare() has found to be right, with values of the types that the modules get."""
    found: List[Dict[str, Any]] = options.checked(_SPEC, {"ipmp_groups": groups})[0]["ipmp_groups"]
    return found


def _members(host: str, groups: Sequence[Mapping[str, Any]]) -> Tuple[Members, List[Problem]]:
    members: Members = []
    problems: List[Problem] = []
    for group in groups:
        right: List[Interface] = []
        for entry in group["interfaces"]:
            try:
                right.append(wanted.member(group["name"], entry)[0])
            except ConfigError as error:
                problems.append(Problem(host, group["name"], entry["name"], str(error)))
        for key in groupsconf.SETTINGS:
            if group.get(key) is not None:
                try:
                    groupsconf.setting(key, group[key])
                except ConfigError as error:
                    problems.append(Problem(host, group["name"], key, str(error)))
        members.append((group["name"], right))
    return members, problems


def _double_names(host: str, groups: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    names = [group["name"] for group in groups]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem(host, name, "name", f"there are {names.count(name)} groups of this name: make them one")
    places: Dict[str, List[str]] = {}
    for group in groups:
        for entry in group["interfaces"]:
            places.setdefault(entry["name"], []).append(group["name"])
    for interface, where in sorted(places.items()):
        if len(where) > 1:
            named = " and ".join(dict.fromkeys(where)) if len(set(where)) > 1 else f"{where[0]} twice"
            yield Problem(host, where[0], interface, f"is in {named}: an interface is in one group, once")


def _shared_prefixes(host: str, members: Members) -> Iterator[Problem]:
    """One link has one group: the kernel could not tell which of two groups a neighbour is reached through."""
    networks: Dict[IPNetwork, str] = {}
    for group, interfaces in members:
        for network in sorted({a.network for i in interfaces for a in i.addresses}, key=str):
            for other, owner in networks.items():
                if owner != group and network.version == other.version and network.overlaps(other):  # type: ignore[arg-type]
                    what = f"is in group {owner} as well" if network == other else f"overlaps {other} of group {owner}"
                    yield Problem(host, group, str(network), f"{what}: make them one group, or correct an address")
            networks.setdefault(network, group)


def _own_gateways(host: str, groups: Sequence[Mapping[str, Any]], members: Members) -> Iterator[Problem]:
    own = {address.ip for _group, interfaces in members for i in interfaces for address in i.addresses}
    for group in groups:
        for gateway in [*group["gateways"], *(route["via"] for route in group["routes"]), *group["targets"]]:
            if _plain(gateway) in own:
                sentence = "is an address of this host itself: name the router or target that was meant"
                yield Problem(host, group["name"], gateway, sentence)


def _whole(host: str, groups: Sequence[Mapping[str, Any]], defaults: Mapping[str, Any]) -> List[Problem]:
    """What only shows when all is put together: the files are made as on a host that has none."""
    try:
        files.config({k: v for k, v in wanted.wanted_files({}, groups, defaults=defaults).items() if v is not None})
    except ConfigError as error:
        return [Problem(host, "", "ipmp_groups", str(error))]
    return []


def _uses(host: str, members: Members) -> Iterator[_Use]:
    for group, interfaces in members:
        for interface in interfaces:
            for address in interface.addresses:
                yield _Use(host, group, interface.name, address.ip)


def _twice(uses: Sequence[_Use], chosen: Collection[str]) -> Iterator[Problem]:
    by_address: Dict[str, List[_Use]] = {}
    for use in uses:
        by_address.setdefault(use.ip, []).append(use)
    for ip, holders in by_address.items():
        if len(holders) < 2:
            continue
        for use in holders:
            # Link-local addresses are one link's business; the daemon asks that link.
            others = [o for o in holders if o is not use and (o.host == use.host or not _link_local(ip))]
            if others and use.host in chosen:
                named = ", ".join(_where(o, use.host) for o in others[:3]) + (", ..." if len(others) > 3 else "")
                yield Problem(use.host, use.group, ip, f"of {use.interface} is also on {named}: change one of them")


def _where(use: _Use, host: str) -> str:
    return use.interface if use.host == host else f"{use.interface} of {use.host}"


def _taken_by_the_controllers_way(
    uses: Sequence[_Use], fleet: Mapping[str, Data], chosen: Collection[str]
) -> Iterator[Problem]:
    reached: Dict[str, List[str]] = {}
    for host, data in fleet.items():
        ip = _plain(data.address)
        if ip is not None:
            reached.setdefault(ip, []).append(host)
    for use in uses:
        # Two names of one machine may well share an address.
        others = reached.get(use.ip, [])
        if others and use.host not in others and use.host in chosen:
            sentence = f"of {use.interface} is where {others[0]} is reached (ansible_host): change one of them"
            yield Problem(use.host, use.group, use.ip, sentence)


def _plain(text: str) -> Optional[str]:
    """An address in its canonical text; None for what is none, such as a name."""
    try:
        return str(ipaddress.ip_address(str(text)))
    except ValueError:
        return None


def _link_local(ip: str) -> bool:
    return ipaddress.ip_address(ip).is_link_local
