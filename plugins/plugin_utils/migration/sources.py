# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the texts of a host's files, by path, to its ``ipmp_groups`` and what cannot be carried over."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Tuple

from ansible_collections.netpath.ipmp.plugins.module_utils import wanted
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp import groupsconf
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp.hostname_words import PREFIXES, is_backup
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp.model import ConfigError

from . import grouping, ifupdown, netplan, networkmanager, running, solaris
from .found import Found


def migrate(texts: Mapping[str, str], names: Mapping[str, str]) -> Tuple[List[Dict[str, Any]], List[str]]:
    """(groups, notes). texts: path, or command such as ``ip -json address``, to content; names: old to new interface.

    Raises ConfigError for a text that is nothing we know, and for addresses and names that no group can have.
    """
    found = Found()
    kinds: Dict[str, Dict[str, str]] = {}
    for path, text in texts.items():
        kinds.setdefault(_kind(path, text), {})[path] = text
    if "netplan" in kinds:
        netplan.read(found, kinds["netplan"])
    for path in sorted(kinds.get("ifupdown", {})):
        ifupdown.read(found, path, kinds["ifupdown"][path])
    if "networkmanager" in kinds:
        networkmanager.read(found, kinds["networkmanager"])
    running.read(found, kinds.get("running", {}))
    groups = solaris.groups_of(found, kinds.get("solaris", {}))
    _unknown_names(found, groups, names)
    groups = [_renamed(group, names) for group in groups + grouping.groups_of(found)]
    _check(groups)
    return groups, found.notes


def _kind(path: str, text: str) -> str:
    if path.startswith(running.BONDING) or path in (running.ADDRESSES, running.ROUTES):
        return "running"
    if path in solaris.OTHERS or (path.startswith(tuple(PREFIXES.values())) and not is_backup(path)):
        return "solaris"
    if path.startswith(tuple(PREFIXES.values())):
        return "left out"
    if path.startswith("/etc/network/"):
        return "ifupdown"
    if path.endswith((".yaml", ".yml")):
        return "netplan"
    if path.endswith(".nmconnection") or "/system-connections/" in path or networkmanager.is_shown(text):
        return "networkmanager"
    raise ConfigError(
        "this is no file that can be migrated; give hostname.*, default/mpathd, network/interfaces, netplan/*.yaml, "
        "*.nmconnection, the output of 'nmcli connection show NAME', or /proc/net/bonding/*, by their paths",
        file=path,
    )


def _unknown_names(found: Found, groups: List[Dict[str, Any]], names: Mapping[str, str]) -> None:
    """Solaris names NICs after their drivers, which no NIC here has."""
    for group in groups:
        for interface in group["interfaces"]:
            name = interface["name"]
            if name not in names and not name.startswith(("eth", "en", "net")):
                sentence = f"{name} is a name of Solaris; give the one that the NIC has here, such as {name}=eth1"
                found.note(f"/etc/hostname.{name}", sentence)


def _renamed(group: Dict[str, Any], names: Mapping[str, str]) -> Dict[str, Any]:
    interfaces = [{**i, "name": names.get(i["name"], i["name"])} for i in group["interfaces"]]
    return {**group, "interfaces": interfaces}


def _check(groups: List[Dict[str, Any]]) -> None:
    """What the roles would refuse is refused here, with the same sentences."""
    wanted.wanted_files({}, groups)
    for group in groups:
        for key in groupsconf.SETTINGS:
            if key in group:
                groupsconf.setting(key, group[key])
