# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel of a lab's host holds, read by ``ip``, ``sysctl`` and ``nft`` and not by the product's own code.

``compare(dump(host), dump(host))`` is the judge of rollback and of restart. Devices are named, not numbered, because a
card that was taken out comes back with another index; times that run down are reduced to whether they run.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable, List, Optional, Tuple

from .host import Place

Dump = Dict[str, Dict[str, Any]]  # section -> key -> value; all plain JSON
FOREVER = 4294967295
SYSCTLS = r"^net\.ipv[46]\.(conf\.|neigh\.|fib_multipath|route\.)|^net\.ipv4\.(ip_forward|icmp_)"
PASSING = ("ifindex", "link_index", "operstate", "link_netnsid", "expires", "cache", "used", "probes", "stats")
NOT_SETTINGS = ("base_reachable_time", "stable_secret")  # two spellings of one setting; unreadable unless set


def dump(place: Place) -> Dump:
    """Sections links, addresses, routes, nexthops, rules, neighbours (permanent ones and proxies), sysctls, nft."""
    commands = {
        "links": "ip -j -d link",
        "addresses": "ip -j addr",
        "routes4": "ip -j -4 route show table all",
        "routes6": "ip -j -6 route show table all",
        "nexthops": "ip -j nexthop",
        "rules4": "ip -j -4 rule",
        "rules6": "ip -j -6 rule",
        "neighbours": "ip -j neigh show nud permanent",
        "proxies": "ip -j neigh show proxy",
        "sysctls": f"sysctl -a --pattern '{SYSCTLS}' 2>/dev/null || true",
        "nft": "if command -v nft >/dev/null; then nft -s list ruleset; fi",
    }
    mark = "=== section "
    script = "set -e\n" + "\n".join(f"echo '{mark}{name}'\n{command}" for name, command in commands.items())
    parts = [part.partition("\n") for part in ("\n" + place.run(script).stdout).split("\n" + mark)[1:]]
    raw = {name.strip(): body for name, _, body in parts}
    tables = {name: json.loads(raw[name] or "[]") for name in raw if name not in ("sysctls", "nft")}
    return {
        "links": {e["ifname"]: _link(e) for e in tables["links"]},
        "addresses": dict(_address(e["ifname"], a) for e in tables["addresses"] for a in e["addr_info"]),
        "routes": _keyed(("inet", e) for e in tables["routes4"]) | _keyed(("inet6", e) for e in tables["routes6"]),
        "nexthops": {str(e["id"]): {k: v for k, v in e.items() if k != "id"} for e in tables["nexthops"]},
        "rules": _keyed(("inet", e) for e in tables["rules4"]) | _keyed(("inet6", e) for e in tables["rules6"]),
        "neighbours": _keyed(("permanent", e) for e in tables["neighbours"])
        | _keyed(("proxy", e) for e in tables["proxies"]),
        "sysctls": dict(_sysctls(raw["sysctls"])),
        "nft": {line: True for line in raw["nft"].splitlines() if line.strip()},
    }


def compare(before: Dump, after: Dump, *, nexthop_ids: bool = True, without: Iterable[str] = ()) -> List[str]:
    """The differences, one sentence each; empty when there are none.

    nexthop_ids false: a route counts by what its nexthops are, not by their numbers. without: texts; differences whose
    key contains one of them are left out, such as a device that is meant to be gone.
    """
    left_out = tuple(without)
    if not nexthop_ids:
        before, after = _without_ids(before), _without_ids(after)
    found = []
    for section in sorted({*before, *after}):
        old, new = before.get(section, {}), after.get(section, {})
        for key in sorted({*old, *new}):
            if old.get(key) == new.get(key) or any(text in key for text in left_out):
                continue
            if key not in new:
                found.append(f"{section}: gone: {key} {_short(old[key])}")
            elif key not in old:
                found.append(f"{section}: new: {key} {_short(new[key])}")
            else:
                found.append(f"{section}: {key}: was {_short(old[key])}, is {_short(new[key])}")
    return found


def _link(entry: Dict[str, Any]) -> Dict[str, Any]:
    kept = ("mtu", "address", "master", "txqlen", "qdisc", "inet6_addr_gen_mode", "promiscuity", "allmulti", "ifalias")
    found = {key: entry[key] for key in kept if key in entry}
    found["up"] = "UP" in entry["flags"]
    found["altnames"] = entry.get("altnames", [])
    return found


def _address(device: str, entry: Dict[str, Any]) -> Tuple[str, Dict[str, Any]]:
    found = {
        k: v for k, v in entry.items() if k not in ("local", "prefixlen", "valid_life_time", "preferred_life_time")
    }
    for life in ("valid_life_time", "preferred_life_time"):
        left = entry.get(life, FOREVER)
        found[life] = "forever" if left == FOREVER else "runs" if left else "over"
    return f"{device} {entry.get('local', entry.get('address'))}/{entry['prefixlen']}", found


def _keyed(entries: Iterable[Tuple[str, Dict[str, Any]]]) -> Dict[str, Any]:
    """One key an entry, with a count, since tables may hold the same thing twice."""
    found: Dict[str, Any] = {}
    for kind, entry in entries:
        entry = {key: value for key, value in entry.items() if key not in PASSING}
        if "nexthops" in entry:
            entry["nexthops"] = sorted(entry["nexthops"], key=json.dumps)
        key = f"{kind} {json.dumps(entry, sort_keys=True)}"
        found[key] = found.get(key, 0) + 1
    return found


def _sysctls(text: str) -> Iterable[Tuple[str, str]]:
    for line in text.splitlines():
        name, _, value = line.partition(" = ")
        if not name.endswith(NOT_SETTINGS):
            yield name, value


def _without_ids(whole: Dump) -> Dump:
    nexthops = whole.get("nexthops", {})

    def meaning(number: Optional[int]) -> Any:
        entry = nexthops.get(str(number), {})
        members = sorted(json.dumps([meaning(m["id"]), m.get("weight", 1)]) for m in entry.get("group", []))
        return {**{k: v for k, v in entry.items() if k != "group"}, "group": members}

    def translated(key: str) -> str:
        kind, _, body = key.partition(" ")
        entry = json.loads(body)
        if "nhid" in entry:
            entry["nhid"] = meaning(entry["nhid"])
        return f"{kind} {json.dumps(entry, sort_keys=True)}"

    routes = {translated(key): count for key, count in whole["routes"].items()}
    return {
        **whole,
        "routes": routes,
        "nexthops": {json.dumps(meaning(int(n)), sort_keys=True): True for n in nexthops},
    }


def _short(value: Any) -> str:
    return "" if value is True or value == 1 else json.dumps(value, sort_keys=True)
