# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole network state of a host as plain data, compared and put back, where time does not matter (pyroute2).

A snapshot has a part for ``links``, ``addresses``, ``routes``, ``nexthops``, ``rules`` and ``neighbours``; each maps
a readable name to attributes. Interfaces stand in it by name, because a NIC that was taken out comes back under another
ifindex. Not in it is what changes by itself (carrier, lifetimes counting down, learnt neighbours) and what the kernel
derives from the rest (the local table). Works with pyroute2 0.7.2 and later; what that does not know is read by
``fastpath``.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Collection, Dict, Iterator, List, Mapping, Optional, Tuple

from . import fastpath, nl
from .nlparse import LinkEvent
from .spares import usual

if TYPE_CHECKING:
    from pyroute2 import IPRoute

Part = Dict[str, Dict[str, Any]]
Snapshot = Dict[str, Part]

_BY_KERNEL = 2  # RTPROT_KERNEL
_BY_HAND = 0  # IFAPROT_UNSPEC: an address that neither the kernel nor a router's advertisement made
_PERMANENT = 0x80  # NUD_PERMANENT
_FLAGS = {0x1: "up", 0x80: "noarp", 0x100: "promisc", 0x200: "allmulti"}
_KINDS = {1: "", 2: "local ", 3: "broadcast ", 4: "anycast ", 5: "multicast ", 6: "blackhole ", 7: "unreachable "}
_ROUTE_NOISE = frozenset({"RTA_CACHEINFO", "RTA_TABLE", "RTA_DST", "RTA_OIF", "RTA_IIF", "RTA_MULTIPATH", "UNKNOWN"})
_RULE_NOISE = frozenset({"UNKNOWN", "FRA_PAD"})


class LibraryMissing(Exception):
    """pyroute2 is not installed."""

    def __init__(self) -> None:
        super().__init__("pyroute2 is missing on this host; install python3-pyroute2, or run role netpath.ipmp.mpathd")


@contextlib.contextmanager
def _library() -> Iterator[IPRoute]:
    """One connection; the library's errors become OSError."""
    try:
        from pyroute2 import IPRoute
        from pyroute2.netlink.exceptions import NetlinkError
    except ImportError:
        raise LibraryMissing from None
    connection = IPRoute()
    try:
        yield connection
    except NetlinkError as error:
        raise OSError(error.code, str(error.args[-1])) from error
    finally:
        connection.close()


def snapshot() -> Snapshot:
    """Everything there is in this network namespace, fit for JSON."""
    requests = fastpath.Requests()
    try:
        events = requests.dump_links()
        names = {link.ifindex: link.name for link in events}
        with _library() as library:
            return {
                "links": _links(library, events, names),
                "addresses": _addresses(requests, names),
                "routes": _routes(library, requests, names),
                "nexthops": _nexthops(requests, names),
                "rules": _rules(library),
                "neighbours": _neighbours(library, names),
            }
    finally:
        requests.close()


def compare(before: Snapshot, after: Snapshot, ignore: Collection[str] = ()) -> List[str]:
    """The differences as sentences, sorted; none when nothing differs.

    A sentence that begins with one of ``ignore`` is left out: ``links: eth1`` leaves out all that differs of that link.
    """
    found: List[str] = []
    for part in sorted({*before, *after}):
        was, now = before.get(part, {}), after.get(part, {})
        for name in sorted({*was, *now}):
            if name not in now:
                found.append(f"{part}: {name} is gone")
            elif name not in was:
                found.append(f"{part}: {name} is new")
            else:
                found += _changes(f"{part}: {name}", was[name], now[name])
    return [sentence for sentence in found if not sentence.startswith(tuple(ignore))]


def restore_foreign(before: Snapshot, names: Collection[str]) -> List[str]:
    """Puts back what these interfaces had that was not ours, as far as it went with their link.

    Link settings, an administrator's addresses and static routes, permanent neighbours. Returns sentences about what
    the kernel refused.
    """
    failures: List[str] = []
    for name in names:
        steps: List[Tuple[str, Callable[[], None]]] = [
            ("its link settings", partial(restore_link, before, name)),
            ("its addresses", partial(restore_addresses, before, name)),
            *((f"the route to {route['dst']}", partial(add_route, route)) for route in static_routes(before, name)),
            ("its neighbours", partial(restore_neighbours, before, name)),
        ]
        for what, step in steps:
            try:
                step()
            except OSError as error:
                failures.append(f"{name}: {what} could not be put back: {error}")
    return failures


def restore_addresses(before: Snapshot, name: str) -> None:
    """Adds the addresses of an interface that somebody had given it by hand and that are missing now."""
    requests = fastpath.Requests()
    try:
        index = next((link.ifindex for link in requests.dump_links() if link.name == name), 0)
        there = {(a.ip, a.prefixlen) for a in requests.dump_addresses() if a.ifindex == index}
        messages = [
            nl.addr_add(
                index,
                entry["ip"],
                entry["prefixlen"],
                noprefixroute=bool(entry["flags"] & nl.IFA_F_NOPREFIXROUTE),
                scope=entry["scope"],
                broadcast=entry["broadcast"],
                preferred_lft=0 if entry["flags"] & nl.IFA_F_DEPRECATED else None,
                proto=entry["proto"],
                label=entry["label"],
            )
            for entry in before["addresses"].values()
            if entry["dev"] == name
            and entry["proto"] == _BY_HAND
            and entry["valid"] == "forever"
            and (entry["ip"], entry["prefixlen"]) not in there
        ]
        for failure in requests.batch(messages):
            raise OSError(failure.errno, str(failure))
    finally:
        requests.close()


def restore_link(before: Snapshot, name: str) -> None:
    """Sets MAC, MTU, queue length, alternative names and administrative state of an interface as they were."""
    wanted = before["links"][name]
    with _library() as library:
        index = _index(library, name)
        events = fastpath.Requests()
        try:
            now = events.link(index)
        finally:
            events.close()
        if now is None:
            raise OSError(f"interface {name} is not there")
        settings = {"mtu": wanted["mtu"], "txqlen": wanted["txqlen"], "state": "up" if wanted["up"] else "down"}
        if wanted["mac"] != now.mac:
            settings["address"] = wanted["mac"]
        library.link("set", index=index, **settings)
        for altname in sorted(set(wanted["altnames"]) - set(now.altnames)):
            library.link("property_add", index=index, altname=altname)
        for altname in sorted(set(now.altnames) - set(wanted["altnames"])):
            library.link("property_del", index=index, altname=altname)


def restore_neighbours(before: Snapshot, name: str) -> None:
    """Sets the permanent neighbour entries of an interface as they were; others of it stay."""
    with _library() as library:
        for entry in before["neighbours"].values():
            if entry["dev"] == name:
                library.neigh(
                    "replace", dst=entry["dst"], lladdr=entry["lladdr"], ifindex=_index(library, name), state=_PERMANENT
                )


def static_routes(before: Snapshot, name: str) -> List[Dict[str, Any]]:
    """The routes through an interface that an administrator made, which the kernel drops when the interface goes.

    Not those over several interfaces or through a nexthop object: what is left of them is not ours to guess.
    """
    return [
        route
        for route in before["routes"].values()
        if route["dev"] == name and not route["nhid"] and route["proto"] in nl.BY_HAND and route["kind"] == nl.UNICAST
    ]


def add_route(route: Mapping[str, Any], name: Optional[str] = None, protocol: Optional[int] = None) -> None:
    """Makes one of ``static_routes`` again, as it was or through another interface and with another protocol."""
    with _library() as library:
        library.route("replace", **_route_arguments(library, route, name, protocol))


def del_route(route: Mapping[str, Any], name: Optional[str] = None, protocol: Optional[int] = None) -> None:
    """Deletes what ``add_route`` with the same arguments made."""
    with _library() as library:
        library.route("del", **_route_arguments(library, route, name, protocol))


def _route_arguments(
    library: IPRoute, route: Mapping[str, Any], name: Optional[str], protocol: Optional[int]
) -> Dict[str, Any]:
    metrics = route["attributes"].get("metrics", {})
    given = {
        "family": nl.AF_OF[route["family"]],
        "dst": route["dst"],
        "oif": _index(library, name or route["dev"]),
        "table": route["table"],
        "proto": protocol or route["proto"],
        "scope": route["scope"],
        "gateway": route["attributes"].get("gateway"),
        "priority": route["attributes"].get("priority"),
        "prefsrc": route["attributes"].get("prefsrc"),
        "flags": nl.RTNH_F_ONLINK if route["onlink"] else None,
        "metrics": {key[5:].lower(): value for key, value in metrics.items()} or None,
    }
    return {key: value for key, value in given.items() if value is not None}


def _index(library: IPRoute, name: str) -> int:
    found = library.link_lookup(ifname=name)
    if not found:
        raise OSError(f"interface {name} is not there")
    return int(found[0])


def _changes(prefix: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> List[str]:
    return [
        f"{prefix}: {key} was {was.get(key)!r}, is {now.get(key)!r}"
        for key in sorted({*was, *now})
        if was.get(key) != now.get(key)
    ]


def _put(part: Part, name: str, value: Dict[str, Any]) -> None:
    """Several entries may read alike; they are numbered then."""
    unique, number = name, 1
    while unique in part:
        number += 1
        unique = f"{name} ({number})"
    part[unique] = value


def _links(library: IPRoute, events: List[LinkEvent], names: Mapping[int, str]) -> Part:
    more = {message["index"]: message for message in library.get_links()}
    return {
        link.name: {
            "up": link.up,
            "flags": sorted(word for bit, word in _FLAGS.items() if link.flags & bit),
            "mtu": link.mtu,
            "mac": link.mac,
            "permanent_mac": link.permanent_mac,
            "master": names.get(link.master, ""),
            "kind": link.kind,
            "altnames": sorted(link.altnames),
            "qdisc": more[link.ifindex].get_attr("IFLA_QDISC"),
            "txqlen": more[link.ifindex].get_attr("IFLA_TXQLEN"),
        }
        for link in events
        if link.ifindex in more
    }


def _addresses(requests: fastpath.Requests, names: Mapping[int, str]) -> Part:
    part: Part = {}
    for address in requests.dump_addresses():
        name = f"{address.ip}/{address.prefixlen} on {names.get(address.ifindex, '?')}"
        part[name] = {
            "ip": address.ip,
            "prefixlen": address.prefixlen,
            "dev": names.get(address.ifindex, "?"),
            "flags": address.flags & ~nl.IFA_F_TENTATIVE,
            "scope": address.scope,
            "proto": address.proto,
            "broadcast": address.broadcast,
            "label": address.label,
            "preferred": _lifetime(address.preferred_lft),
            "valid": _lifetime(address.valid_lft),
        }
    return part


def _lifetime(seconds: int) -> str:
    return {nl.FOREVER: "forever", 0: "none"}.get(seconds, "limited")


def _routes(library: IPRoute, requests: fastpath.Requests, names: Mapping[int, str]) -> Part:
    part: Part = {}
    nhids = {(route.dst, route.table, route.metric, route.kind): route.nhid for route in requests.dump_routes(0)}
    for family, af in nl.AF_OF.items():
        for message in library.get_routes(family=af):
            found = _attributes(message)
            if message["family"] != af or message["flags"] & 0x200:  # RTM_F_CLONED: a cache entry
                continue
            if message["table"] == nl.TABLE_LOCAL and message["proto"] == _BY_KERNEL:
                continue
            destination = f"{found.get('RTA_DST') or ('0.0.0.0' if family == 4 else '::')}/{message['dst_len']}"
            table, metric = found.get("RTA_TABLE", message["table"]), found.get("RTA_PRIORITY", 0)
            route = {
                "family": family,
                "dst": destination,
                "kind": message["type"],
                "table": table,
                "nhid": nhids.get((destination, table, metric, message["type"]), 0),
                "dev": names.get(found.get("RTA_OIF", 0), ""),
                "proto": message["proto"],
                "scope": message["scope"],
                "onlink": bool(message["flags"] & nl.RTNH_F_ONLINK),
                "hops": [_hop(hop, names) for hop in found.get("RTA_MULTIPATH", ())],
                "attributes": {key[4:].lower(): _plain(found[key]) for key in sorted(found) if key not in _ROUTE_NOISE},
            }
            kind = _KINDS.get(route["kind"], f"type {route['kind']} ")
            via = f" dev {route['dev']}" if route["dev"] else ""
            _put(part, f"{kind}{destination}{via} table {table} metric {metric}", route)
    return part


def _hop(hop: Any, names: Mapping[int, str]) -> Dict[str, Any]:
    found = _attributes(hop)
    return {
        "dev": names.get(hop["oif"], ""),
        "weight": hop["hops"] + 1,
        "via": _plain(found.get("RTA_GATEWAY", found.get("RTA_VIA"))),
    }


def _nexthops(requests: fastpath.Requests, names: Mapping[int, str]) -> Part:
    """By id; of the two that a nexthop of ours may have it is always the same."""
    return {
        str(_id(hop.id)): {
            "family": hop.family,
            "dev": names.get(hop.ifindex, ""),
            "gateway": hop.gateway,
            "group": [_id(member) for member in hop.group],
            "protocol": hop.protocol,
            "onlink": bool(hop.flags & nl.RTNH_F_ONLINK),
        }
        for hop in requests.dump_nexthops()
    }


def _id(ident: int) -> int:
    return usual(ident) if ident & nl.NH_MASK == nl.NH_BASE else ident


def _rules(library: IPRoute) -> Part:
    part: Part = {}
    for family, af in nl.AF_OF.items():
        for message in library.get_rules(family=af):
            found = _attributes(message)
            lengths: Tuple[str, ...] = ("src_len", "dst_len", "tos", "action", "flags")
            value = {key: message[key] for key in lengths}
            value.update({key[4:].lower(): _plain(found[key]) for key in sorted(found) if key not in _RULE_NOISE})
            _put(part, f"IPv{family} {found.get('FRA_PRIORITY', 0)}", value)
    return part


def _neighbours(library: IPRoute, names: Mapping[int, str]) -> Part:
    part: Part = {}
    for message in library.get_neighbours():
        if message["state"] & _PERMANENT:
            found, name = _attributes(message), names.get(message["ifindex"], "?")
            value = {"dst": found.get("NDA_DST"), "dev": name, "lladdr": found.get("NDA_LLADDR")}
            _put(part, f"{value['dst']} on {name}", value)
    return part


def _attributes(message: Any) -> Dict[str, Any]:
    return dict(message["attrs"])


def _plain(value: Any) -> Any:
    """Nested attributes as dictionaries, the rest as it is or as text."""
    if isinstance(value, dict):
        nested = {key: _plain(item) for key, item in value.items() if key not in ("attrs", "header")}
        return {**nested, **{key: _plain(item) for key, item in value.get("attrs", ())}}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
