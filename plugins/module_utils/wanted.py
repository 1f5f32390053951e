# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a task asks for to the texts of a host's files; everything nobody asked about stays. Pure.

``before`` is always what files.read_texts() returns; results hold only the paths that are spoken of, None standing
for a file that shall not be there.
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any, Collection, Dict, List, Mapping, Optional, Sequence

from .ipmp import files, groupsconf, hostname, hostname_edit
from .ipmp.hostname_words import (
    address_problem,
    decimal,
    default_broadcast,
    file_name,
    group_name_problem,
    legal_interface,
    path_of,
)
from .ipmp.model import MAX_MTU, MIN_MTU, MIN_MTU6, Address, ConfigError, Group, Interface

Texts = Mapping[str, Optional[str]]
Changes = Dict[str, Optional[str]]
LINK_LOCAL = "link-local"


def wanted_files(
    before: Texts,
    groups: Sequence[Mapping[str, Any]],
    *,
    texts: Optional[Texts] = None,
    defaults: Optional[Mapping[str, Any]] = None,
    purge: bool = False,
    keep: Collection[str] = (),
) -> Changes:
    """What makes the host have these groups, each entry a GROUP of ipmp_config.

    texts are whole files; an interface of which one is given has no others. purge removes the groups that are not
    listed, where all files of a member are ours; interfaces in keep stay even then.
    """
    config = files.config(before, problems=[])
    texts = _whole(texts or {})
    wanted: Changes = {}
    members: Dict[str, str] = {}
    for name in {group["name"] for group in groups if [g["name"] for g in groups].count(group["name"]) > 1}:
        raise ConfigError(f"groups: '{name}' is listed twice; list it once, with all its interfaces")
    for group in groups:
        for entry in group["interfaces"]:
            if entry["name"] in members:
                where = f"in group '{members[entry['name']]}' and in group '{group['name']}'"
                raise ConfigError(f"groups: {entry['name']} is {where}; name it in one of them, once")
            members[entry["name"]] = group["name"]
            interface, extra = member(group["name"], entry)
            given = {path for path in map(path_of, (interface.name,) * 2, (4, 6)) if path in texts}
            wanted.update(without_interface(before, interface.name) if given else _edited(before, interface, extra))
        now = config.group(group["name"])
        for left in [i for i in now.interfaces if i.name not in members] if now else []:
            wanted.update(without_interface(before, left.name))
    if purge:
        listed = {group["name"] for group in groups}
        for old in [group for group in config.groups if group.name not in listed]:
            for interface in old.interfaces:
                if (
                    interface.name not in keep
                    and interface.name not in members
                    and _is_all_ours(before, interface.name)
                ):
                    wanted.update(without_interface(before, interface.name))
    wanted[groupsconf.GROUPS_CONF] = _settings({**before, **wanted}, groups, purge)
    if defaults:
        wanted[groupsconf.MPATHD] = groupsconf.edit_mpathd(before.get(groupsconf.MPATHD) or "", defaults)
    return {**wanted, **texts}


def without_group(before: Texts, name: str) -> Changes:
    """The group gone, with all files of its members."""
    group = files.config(before, problems=[]).group(_group_name(name))
    wanted: Changes = {}
    for interface in group.interfaces if group else ():
        wanted.update(without_interface(before, interface.name))
    conf = before.get(groupsconf.GROUPS_CONF)
    if conf is not None:
        wanted[groupsconf.GROUPS_CONF] = groupsconf.remove_group(conf, name)
    return wanted


def with_interface(
    before: Texts,
    name: str,
    *,
    group: Optional[str] = None,
    standby: Optional[bool] = None,
    data_addresses: Optional[Sequence[str]] = None,
    test_addresses: Optional[Sequence[str]] = None,
) -> Changes:
    """The interface a member as named; None leaves what its files say."""
    now = _present(before, name)
    if now.group is None and group is None:
        raise ConfigError(f"group: {name} is in no group yet; say which one it shall join")
    wanted = replace(now, group=_group_name(group) if group is not None else now.group)
    if standby is not None:
        wanted = replace(wanted, standby=standby)
    if data_addresses is not None:
        wanted = _with(wanted, [*wanted.test_addresses, *(_address(name, a, test=False) for a in data_addresses)])
    if test_addresses is not None:
        tests = [_address(name, a, test=True) for a in test_addresses if a != LINK_LOCAL]
        wanted = replace(_with(wanted, [*wanted.data_addresses, *tests]), link_local_test=LINK_LOCAL in test_addresses)
    return _edited(before, _with_families(wanted))


def without_interface(before: Texts, name: str) -> Changes:
    """No file of that interface."""
    _legal(name)
    return dict.fromkeys(files.hostname_files(before).get(name, ()), None)


def with_address(before: Texts, name: str, cidr: str, *, test: bool) -> Changes:
    """The interface has this address, as data or as test address."""
    now = _configured(before, name)
    address = _address(name, cidr, test=test)
    others = [a for a in now.addresses if a.ip != address.ip]
    same = [a for a in now.addresses if a.ip == address.ip and (a.prefixlen, a.test) == (address.prefixlen, test)]
    wanted = now if same and same[0].up else _with(now, [*others, address])
    return _edited(before, _with_families(wanted))


def without_address(before: Texts, name: str, address: str) -> Changes:
    """The interface does not have this address; its length does not matter."""
    _legal(name)
    ip = groupsconf.unicast("address", address.partition("/")[0])
    if not files.hostname_files(before).get(name):
        return {}
    now = _configured(before, name)
    return _edited(before, _with(now, [a for a in now.addresses if a.ip != ip]))


def member(group: str, entry: Mapping[str, Any]) -> tuple[Interface, List[str]]:
    """(the interface, its further words) of one entry of a GROUP's ``interfaces``; keys may be missing."""
    name = entry["name"]
    _legal(name, "interfaces: ")
    mtu = entry.get("mtu")
    if mtu is not None and not MIN_MTU <= mtu <= MAX_MTU:
        raise ConfigError(f"mtu of {name}: {mtu} is no number of bytes from {MIN_MTU} to {MAX_MTU}")
    tests = entry.get("test_addresses") or []
    addresses = [
        *(_address(name, a, test=False) for a in entry.get("data_addresses") or []),
        *(_address(name, a, test=True) for a in tests if a != LINK_LOCAL),
    ]
    interface = Interface(
        name,
        _group_name(group),
        bool(entry.get("standby")),
        mtu,
        inet=True,
        link_local_test=LINK_LOCAL in tests,
    )
    extra = list(entry.get("extra") or [])
    for word in extra:
        if not hostname.is_idle(word):
            raise ConfigError(
                f"extra of {name}: {word!r} is no word without effect, such as 'private'; use the other options"
            )
    return _with_families(_with(interface, addresses)), extra


def _with(interface: Interface, addresses: Sequence[Address]) -> Interface:
    ips = [a.ip for a in addresses]
    for ip in ips:
        if ips.count(ip) > 1:
            raise ConfigError(
                f"data_addresses and test_addresses of {interface.name} name {ip} twice; it is one or the other, once"
            )
    return replace(interface, addresses=tuple(sorted(addresses, key=lambda a: a.family)))


def _with_families(interface: Interface) -> Interface:
    inet6 = interface.inet6 or interface.link_local_test or any(a.family == 6 for a in interface.addresses)
    if inet6 and interface.mtu and interface.mtu < MIN_MTU6:
        raise ConfigError(f"mtu of {interface.name}: {interface.mtu} is too little for IPv6, which needs {MIN_MTU6}")
    return replace(interface, inet=True, inet6=inet6)


def _address(name: str, cidr: str, *, test: bool) -> Address:
    key = "test_addresses" if test else "data_addresses"
    ip, slash, length = str(cidr).partition("/")
    try:
        if not slash or not decimal(length) or "%" in ip:
            raise ValueError
        parsed = ipaddress.ip_interface(f"{ip}/{length}")
    except ValueError:
        raise ConfigError(
            f"{key} of {name}: '{cidr}' is not an address with its length, such as 192.0.2.1/24"
        ) from None
    problem = address_problem(str(parsed.ip), int(length))
    if problem:
        raise ConfigError(f"{key} of {name}: {problem}")
    broadcast = default_broadcast(str(parsed.ip), int(length)) if parsed.version == 4 else None
    return Address(str(parsed.ip), int(length), test, deprecated=test and parsed.version == 4, broadcast=broadcast)


def _group_name(name: str) -> str:
    problem = group_name_problem(name)
    if problem:
        raise ConfigError(problem)
    return name


def _legal(name: str, key: str = "") -> None:
    if not legal_interface(name):
        signs = "1 to 15 characters, no blank, '/' or ':' among them"
        raise ConfigError(f"{key}no interface can have the name '{name}'; use {signs}")
    if file_name(path_of(name, 4)) is None:
        problem = f"{path_of(name, 4)} would be taken for a copy and not be read"
        raise ConfigError(f"{key}{problem}; give the interface another name than '{name}'")


def _present(before: Texts, name: str) -> Interface:
    """The interface as its files say; without files one that says nothing."""
    _legal(name)
    resolve = files.hosts_resolver(before.get(files.HOSTS) or "")
    paths = files.hostname_files(before).get(name, [])
    return hostname.combine(name, [hostname.parse_file(p, before.get(p) or "", resolve=resolve) for p in paths])


def _configured(before: Texts, name: str) -> Interface:
    if not files.hostname_files(before).get(name):
        raise ConfigError(f"{name} has no hostname file; add it to a group first, with ipmp_interface or ipmp_config")
    return _present(before, name)


def _is_all_ours(before: Texts, name: str) -> bool:
    return all(hostname.has_header(before.get(path) or "") for path in files.hostname_files(before).get(name, ()))


def _edited(before: Texts, wanted: Interface, extra: Sequence[str] = ()) -> Changes:
    """Texts that say this of the interface; those of single units (``hostname.eth1:2``) are merged when they differ."""
    paths = files.hostname_files(before).get(wanted.name, [])
    units = [path for path in paths if path not in (path_of(wanted.name, 4), path_of(wanted.name, 6))]
    if units and hostname_edit.same_meaning(_present(before, wanted.name), wanted):
        return {path: before[path] for path in paths}
    texts = {
        f: before[path_of(wanted.name, f)] or "" for f in (4, 6) if before.get(path_of(wanted.name, f)) is not None
    }
    resolve = files.hosts_resolver(before.get(files.HOSTS) or "")
    edited = hostname_edit.edit(texts, wanted, extra, resolve=resolve)
    changes: Changes = {
        path_of(wanted.name, family): edited.get(family) for family in (4, 6) if family in {*texts, *edited}
    }
    return {**changes, **dict.fromkeys(units, None)}


def _settings(texts: Texts, groups: Sequence[Mapping[str, Any]], purge: bool) -> Optional[str]:
    """groups.conf with the sections of these groups."""
    text = texts.get(groupsconf.GROUPS_CONF)
    for group in groups:
        values = {key: groupsconf.setting(key, group[key]) for key in groupsconf.SETTINGS if group.get(key) is not None}
        text = groupsconf.edit_groups(text or "", Group(_group_name(group["name"]), **values))
    if purge and text:
        for name in {g.name for g in groupsconf.parse_groups(text)} - {
            g.name for g in files.config(texts, problems=[]).groups
        }:
            if name not in {group["name"] for group in groups}:
                text = groupsconf.remove_group(text, name)
    return text or texts.get(groupsconf.GROUPS_CONF)


def _whole(texts: Texts) -> Changes:
    for path, text in texts.items():
        if file_name(path) is None and path not in (groupsconf.GROUPS_CONF, groupsconf.MPATHD):
            raise ConfigError(f"files: {path} is not a hostname file, {groupsconf.GROUPS_CONF} or {groupsconf.MPATHD}")
        if not isinstance(text, str):
            raise ConfigError(f"files: the content of {path} is not a text")
    return dict(texts)
