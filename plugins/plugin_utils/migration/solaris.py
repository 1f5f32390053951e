# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Solaris' own files: hostname.*, hostname6.*, default/mpathd, defaultrouter, and what ``netmask +`` looks up."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Dict, List, Mapping

from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp import files, groupsconf, hostname
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp.hostname_reader import Resolve
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp.hostname_words import (
    KNOWN,
    VALUE_WORDS,
    default_broadcast,
    file_name,
    logical_lines,
)
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp.model import (
    Address,
    Config,
    ConfigError,
    Defaults,
    Group,
    Interface,
)

from .found import Found

ROUTERS = ("/etc/defaultrouter", "/etc/defaultrouter6")
MASKS = ("/etc/inet/netmasks", "/etc/netmasks")
HOSTS = (files.HOSTS, "/etc/inet/hosts", "/etc/inet/ipnodes")
STATIC_ROUTES = "/etc/inet/static_routes"
OTHERS = (groupsconf.MPATHD, groupsconf.GROUPS_CONF, *ROUTERS, *MASKS, *HOSTS, STATIC_ROUTES)


def groups_of(found: Found, texts: Mapping[str, str]) -> List[Dict[str, Any]]:
    """A GROUP for each that the files name; what is wrong or has no counterpart becomes a note."""
    given = {path: texts[path] for path in (groupsconf.MPATHD, groupsconf.GROUPS_CONF) if path in texts}
    given[files.HOSTS] = "\n".join(texts[path] for path in HOSTS if path in texts)
    masks = _masks("\n".join(texts[path] for path in MASKS if path in texts))
    resolve = files.hosts_resolver(given[files.HOSTS])
    over: Dict[str, str] = {}  # Solaris 11's ipmp interfaces, which have no NIC
    for path, text in texts.items():
        where = file_name(path) if path.startswith(("/etc/hostname.", "/etc/hostname6.")) else None
        if where and [token.word for line in logical_lines(text)[:1] for token in line[:1]] == ["ipmp"]:
            over[path] = re.sub(r"\bipmp\b", " " * 4, text, count=1)
        elif where:
            given[path] = _with_masks(text, masks, resolve) if where.family == 4 else text
    problems: List[ConfigError] = []
    config = files.config(given, problems)
    for problem in problems:
        found.notes.append(f"NOT carried over, correct it first: {problem}")
    for warning in config.warnings:
        if not any(f"group '{_group_name(text)}'" in warning for text in over.values()):
            found.notes.append(warning)
    for interface in config.ungrouped:
        found.note(f"/etc/hostname.{interface.name}", f"{interface.name} is in no group and is left out")
    groups = [_group(found, group) for group in config.groups]
    for path, text in over.items():
        _spread(found, groups, path, _with_masks(text, masks, resolve) if "hostname6" not in path else text, resolve)
    _routers(found, groups, texts)
    _defaults(found, groups, config, groupsconf.MPATHD in texts)
    if texts.get(STATIC_ROUTES, "").strip():
        found.note(STATIC_ROUTES, "its routes are not carried over; write those of a group as its routes")
    return groups


def _group_name(text: str) -> str:
    words = [token.word for line in logical_lines(text) for token in line]
    return words[words.index("group") + 1] if "group" in words[:-1] else ""


def _group(found: Found, group: Group) -> Dict[str, Any]:
    entry: Dict[str, Any] = {"name": group.name}
    entry["interfaces"] = [_interface(found, interface) for interface in group.interfaces]
    for key in ("gateways", "targets"):
        if getattr(group, key):
            entry[key] = list(getattr(group, key))
    if group.routes:
        entry["routes"] = [{"to": route.to, "via": route.via} for route in group.routes]
    for key in ("failure_detection_time", "failback"):
        if getattr(group, key) is not None:
            entry[key] = getattr(group, key)
    return entry


def _interface(found: Found, interface: Interface) -> Dict[str, Any]:
    source = f"/etc/hostname.{interface.name}"
    entry: Dict[str, Any] = {"name": interface.name}
    if interface.standby:
        entry["standby"] = True
    if interface.mtu:
        entry["mtu"] = interface.mtu
    data = [a.cidr for a in interface.data_addresses if _sayable(found, source, a)]
    tests = [a.cidr for a in interface.test_addresses if _sayable(found, source, a)]
    if interface.link_local_test:
        tests.append("link-local")
    if data:
        entry["data_addresses"] = data
    if tests:
        entry["test_addresses"] = tests
    return entry


def _sayable(found: Found, source: str, address: Address) -> bool:
    """Whether the address can stand in ipmp_groups; notes for what cannot be said of it there."""
    if not address.up:
        found.note(source, f"{address.ip} is down and is left out")
        return False
    if address.deprecated and not address.test:
        found.note(
            source, f"{address.ip} is 'deprecated', which ipmp_groups cannot say; use a template if that matters"
        )
    usual = default_broadcast(address.ip, address.prefixlen) if address.family == 4 else None
    if address.broadcast != usual:
        found.note(source, f"the broadcast address {address.broadcast} of {address.ip} becomes {usual}")
    return True


def _spread(found: Found, groups: List[Dict[str, Any]], path: str, text: str, resolve: Resolve) -> None:
    """The addresses of an ipmp interface, given to the members of its group one after the other."""
    try:
        meaning = hostname.parse_file(path, text, resolve=resolve)
    except ConfigError as problem:
        found.notes.append(f"NOT carried over, correct it first: {problem}")
        return
    where = file_name(path)
    name = meaning.group or (where.interface if where else path)
    group = next((group for group in groups if group["name"] == name), None)
    addresses = [a.cidr for a in meaning.addresses if _sayable(found, path, a)]
    if group is None:
        found.note(path, f"no NIC's file names group '{name}'; {', '.join(addresses) or 'it'} is left out")
        return
    members = [i for i in group["interfaces"] if not i.get("standby")] or group["interfaces"]
    for place, address in enumerate(addresses):
        members[place % len(members)].setdefault("data_addresses", []).append(address)
    if addresses:
        found.note(path, f"{', '.join(addresses)} had no NIC of their own; each got one of the members of {name}")


def _routers(found: Found, groups: List[Dict[str, Any]], texts: Mapping[str, str]) -> None:
    """Default routers go to the group in whose network they are."""
    for path in ROUTERS:
        for word in re.sub(r"#.*", "", texts.get(path, "")).split():
            try:
                router = ipaddress.ip_address(word)
            except ValueError:
                found.note(path, f"'{word}' is a name; write the router's address into gateways")
                continue
            near = [group for group in groups if any(router in network for network in _networks(group))]
            if near:
                listed = near[0].setdefault("gateways", [])
                listed += [] if word in listed else [word]
            else:
                found.note(path, f"router {word} is in no group's network and is left out")


def _networks(group: Mapping[str, Any]) -> List[Any]:
    cidrs = [c for i in group["interfaces"] for c in i.get("data_addresses", []) + i.get("test_addresses", [])]
    return [ipaddress.ip_interface(cidr).network for cidr in cidrs if cidr != "link-local"]


def _defaults(found: Found, groups: List[Dict[str, Any]], config: Config, given: bool) -> None:
    """The host's defaults, said of each group, so that the groups say all."""
    if not given:
        return
    usual = Defaults()
    for group in groups:
        if config.defaults.failure_detection_time != usual.failure_detection_time:
            group.setdefault("failure_detection_time", config.defaults.failure_detection_time)
        if config.defaults.failback != usual.failback:
            group.setdefault("failback", config.defaults.failback)
    if not config.defaults.track_interfaces_only_with_groups:
        sentence = "TRACK_INTERFACES_ONLY_WITH_GROUPS=no belongs into ipmp_defaults, not into a group"
        found.note(groupsconf.MPATHD, sentence)


def _masks(text: str) -> Dict[Any, str]:
    """network -> mask, of a netmasks file."""
    masks = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        try:
            masks[ipaddress.ip_network(f"{words[0]}/{words[1]}", strict=False)] = words[1]
        except (IndexError, ValueError):
            continue
    return masks


def _with_masks(text: str, masks: Mapping[Any, str], resolve: Resolve) -> str:
    """The text with the mask that a netmasks file has behind each address; one that is given there still counts."""
    if not masks:
        return text
    lines = []
    for tokens in logical_lines(text):
        said: List[str] = []
        mask = ""
        for token in tokens:
            before = said[-1] if said else ""
            if before == "netmask" and token.word == "+" and mask:
                said[-1:] = []
                continue
            said.append(token.word)
            found = (
                "" if before in VALUE_WORDS and before not in ("set", "addif") else _mask(token.word, masks, resolve)
            )
            if found:
                mask = found
                said += ["netmask", mask]
        lines.append(" ".join(said) + "\n")
    return "".join(lines)


def _mask(word: str, masks: Mapping[Any, str], resolve: Resolve) -> str:
    """The mask of the narrowest network that the address is in; "" for other words."""
    if word in KNOWN:
        return ""
    try:
        ip = ipaddress.ip_address(resolve(word, 4) or word)
    except ValueError:
        return ""
    return max(((n.prefixlen, mask) for n, mask in masks.items() if ip in n), default=(0, ""))[1]
