# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Netplan's YAML: bonds and NICs of all files together."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

import yaml
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp.model import ConfigError

from .found import Found, Link


def read(found: Found, texts: Mapping[str, str]) -> None:
    """Add what these files say, later ones by name over earlier ones."""
    merged: Dict[str, Any] = {}
    where = ", ".join(sorted(texts))
    for path in sorted(texts):
        try:
            said = yaml.safe_load(texts[path]) or {}
            _merge(merged, said["network"] if said else {})
        except (yaml.YAMLError, KeyError, TypeError, AttributeError):
            raise ConfigError("this is not netplan's YAML, with 'network:' at its top", file=path) from None
    try:
        _found(found, where, merged)
    except (AttributeError, KeyError, TypeError):  # a list where there should be a mapping, or the other way round
        raise ConfigError("this is not netplan's YAML: see if 'netplan get' takes it", file=where) from None


def _found(found: Found, where: str, merged: Mapping[str, Any]) -> None:
    names = {name: _real(found, where, name, said) for name, said in _part(merged, "ethernets").items()}
    for name, said in _part(merged, "ethernets").items():
        _addresses(found, found.link(names[name], where), said)
    for name, said in _part(merged, "bonds").items():
        bond = found.link(name, where)
        bond.members += [names.get(member, member) for member in _list(said, "interfaces")]
        options = {key.replace("-", "_"): value for key, value in (said.get("parameters") or {}).items()}
        options["arp_ip_target"] = options.get("arp_ip_targets")
        if options.get("primary"):
            options["primary"] = names.get(options["primary"], options["primary"])
        found.bond_options(bond, options)
        _addresses(found, bond, said)
    for name, said in _part(merged, "vlans").items():
        below = said.get("link")
        found.note(where, f"{name} is a VLAN on {below}; make one on each member, and name those as interfaces")
    for name, said in _part(merged, "bridges").items():
        below = ", ".join(_list(said, "interfaces")) or "nothing"
        found.note(where, f"{name} is a bridge of {below}; a member can be in no bridge")


def _part(merged: Mapping[str, Any], kind: str) -> Dict[str, Dict[str, Any]]:
    return {str(name): said or {} for name, said in (merged.get(kind) or {}).items()}


def _list(said: Mapping[str, Any], key: str) -> List[Any]:
    listed = said.get(key) or []
    if not isinstance(listed, list):
        raise TypeError(key)
    return listed


def _merge(into: Dict[str, Any], more: Mapping[str, Any]) -> None:
    """As netplan does: mappings are merged, lists go on, anything else is replaced."""
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        elif isinstance(value, list) and isinstance(into.get(key), list):
            into[key] = into[key] + [item for item in value if item not in into[key]]
        else:
            into[key] = value


def _real(found: Found, where: str, name: str, said: Mapping[str, Any]) -> str:
    """The name that the NIC has on the host."""
    match = said.get("match") or {}
    if said.get("set-name"):
        return str(said["set-name"])
    if match and not (match.get("name") and not set("*?[") & set(match["name"])):
        found.note(where, f"'{name}' is matched by {', '.join(sorted(match))}; write the NIC's own name instead")
        return name
    return str(match.get("name") or name)


def _addresses(found: Found, link: Link, said: Mapping[str, Any]) -> None:
    for item in _list(said, "addresses"):
        link.add_address(next(iter(item)) if isinstance(item, dict) else item)
    for key in ("gateway4", "gateway6"):
        if said.get(key):
            link.add_route("default", said[key])
    for route in _list(said, "routes"):
        if route.get("table") or route.get("type", "unicast") != "unicast" or not route.get("via"):
            found.note(link.source, f"the route to {route.get('to')} of {link.name} is not carried over")
        else:
            link.add_route(route.get("to"), route["via"])
    link.dhcp = link.dhcp or bool(said.get("dhcp4") or said.get("dhcp6"))
    link.set_mtu(said.get("mtu"))
    others: List[str] = [key for key in ("nameservers", "routing-policy", "macaddress", "wakeonlan") if said.get(key)]
    for key in others:
        found.note(link.source, f"'{key}' of {link.name} is not carried over")
