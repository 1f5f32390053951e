# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``/etc/ipmp/groups.conf`` and ``/etc/default/mpathd``: to the model, and edits that keep the rest. Pure.

groups.conf is an INI file with one section for each group; every option may be left out::

    [prod]
    gateways = 192.0.2.254, 2001:db8::fffe
    routes = 198.51.100.0/24 via 192.0.2.253, default via 192.0.2.254
    targets = 192.0.2.250
    failure_detection_time = 10000
    failback = yes

Times are milliseconds. Lines that begin with ``#`` or ``;`` are comments, an indented line continues the one before.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from .hostname_words import decimal, group_name_problem
from .model import (
    DEFAULT_FAILURE_DETECTION_TIME,
    MAX_FAILURE_DETECTION_TIME,
    MIN_FAILURE_DETECTION_TIME,
    ConfigError,
    Defaults,
    Group,
    Route,
    family_of,
)

GROUPS_CONF = "/etc/ipmp/groups.conf"
MPATHD = "/etc/default/mpathd"
SETTINGS = ("gateways", "routes", "targets", "failure_detection_time", "failback")
_HEADER = "# Groups of netpath.ipmp; times in milliseconds. Reload ipmp.service after an edit.\n"
_MOST_DIGITS = 20  # what is longer is more than anything that is asked here
_YES = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


@dataclass
class _Entry:
    """One option: its value and the lines [first, end) it fills; lines count from 0."""

    key: str
    value: str
    first: int
    end: int


@dataclass
class _Section:
    name: str
    first: int
    end: int
    entries: List[_Entry] = field(default_factory=list)


def parse_groups(text: str) -> Tuple[Group, ...]:
    """The groups of groups.conf, without interfaces, in the order of the file; ConfigError with the line."""
    return tuple(_group(section) for section in _sections(text))


def _sections(text: str) -> List[_Section]:
    sections: List[_Section] = []
    lines = text.split("\n")
    for number, line in enumerate(lines):
        body = line.strip()
        if not body or body[0] in "#;":
            continue
        header = re.match(r"\[(.*)\]\Z", body)
        if header:
            name = header.group(1).strip()
            problem = group_name_problem(name) if name else "a section needs a group's name between the brackets"
            if any(s.name == name for s in sections):
                problem = f"group '{name}' has a section further up; put all its options there"
            if problem:
                raise ConfigError(problem, file=GROUPS_CONF, line=number + 1)
            sections.append(_Section(name, number, number + 1))
            continue
        if not sections:
            problem = f"'{body}' stands before the first section; begin the group's section with its name in brackets"
            raise ConfigError(problem, file=GROUPS_CONF, line=number + 1)
        section = sections[-1]
        section.end = number + 1
        if line[0].isspace() and section.entries:
            section.entries[-1].value += " " + body
            section.entries[-1].end = number + 1
            continue
        key, equals, value = body.partition("=")
        key = key.strip().lower()
        if not equals or key not in SETTINGS:
            raise ConfigError(unknown_option(key, SETTINGS), file=GROUPS_CONF, line=number + 1)
        if any(e.key == key for e in section.entries):
            problem = f"'{key}' is given twice for group '{section.name}'; keep one"
            raise ConfigError(problem, file=GROUPS_CONF, line=number + 1)
        section.entries.append(_Entry(key, value.strip(), number, number + 1))
    return sections


def unknown_option(key: str, known: Sequence[str]) -> str:
    """The sentence for an option that does not exist."""
    near = difflib.get_close_matches(key, known, 1, 0.6)
    return f"unknown option '{key}'; " + (f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}")


def _group(section: _Section) -> Group:
    group = Group(section.name)
    for entry in section.entries:
        try:
            group = replace(group, **{entry.key: setting(entry.key, _raw(entry))})
        except ConfigError as error:
            raise ConfigError(error.problem, file=GROUPS_CONF, line=entry.first + 1) from None
    return group


def _raw(entry: _Entry) -> Any:
    if entry.key in ("gateways", "targets"):
        return entry.value.replace(",", " ").split()
    if entry.key == "routes":
        routes = []
        for item in filter(None, (part.strip() for part in entry.value.split(","))):
            words = item.split()
            if len(words) != 3 or words[1] != "via":
                raise ConfigError(f"route '{item}' is not of the form '198.51.100.0/24 via 192.0.2.254'")
            routes.append({"to": words[0], "via": words[2]})
        return routes
    return entry.value


def setting(key: str, value: Any) -> Any:
    """The model's value of one of SETTINGS, from text or from YAML; ConfigError naming the option if it is wrong."""
    if key in ("gateways", "targets"):
        return tuple(unicast(key, item) for item in _list(key, value))
    if key == "routes":
        return tuple(_route(item) for item in _list(key, value))
    if key == "failback":
        return truth(key, value)
    return _detection_time(key, value)


def _list(key: str, value: Any) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{key} is '{value}'; give a list")
    return value


def truth(key: str, value: Any) -> bool:
    """A yes or no from text or YAML; ConfigError naming the option otherwise."""
    if isinstance(value, bool):
        return value
    if str(value).lower() not in _YES:
        raise ConfigError(f"{key} is '{value}'; write yes or no")
    return _YES[str(value).lower()]


def unicast(key: str, value: Any) -> str:
    """The canonical text of an address without length; ConfigError naming the option otherwise."""
    try:
        address = ipaddress.ip_address(str(value))
        if "%" in str(value) or address.is_unspecified or address.is_multicast or address.is_loopback:
            raise ValueError
    except ValueError:
        raise ConfigError(f"{key}: '{value}' is not a unicast IP address such as 192.0.2.254") from None
    return str(address)


def _route(item: Any) -> Route:
    if not isinstance(item, Mapping) or not item.get("to") or not item.get("via") or set(item) - {"to", "via"}:
        raise ConfigError(f"routes: '{item}' needs exactly 'to' and 'via'")
    via = unicast("routes", item["via"])
    to = str(item["to"])
    if to == "default":
        to = "0.0.0.0/0" if family_of(via) == 4 else "::/0"
    if "%" in to:
        raise ConfigError(f"routes: '{to}': write the network without '%' and scope")
    try:
        network = ipaddress.ip_network(to)
    except ValueError:
        try:
            loose = ipaddress.ip_network(to, strict=False)
        except ValueError:
            problem = f"routes: '{to}' is not a network such as 198.51.100.0/24, nor 'default'"
            raise ConfigError(problem) from None
        raise ConfigError(f"routes: '{to}' has bits right of its prefix; write '{loose}'") from None
    if network.version != family_of(via):
        raise ConfigError(f"routes: {to} cannot go via {via}; both must be IPv4 or both IPv6")
    return Route(str(network), via)


def _detection_time(key: str, value: Any) -> int:
    milliseconds = None if isinstance(value, bool) else decimal(str(value))
    if milliseconds is None:
        raise ConfigError(f"{key} is '{value}'; give whole milliseconds, such as 10000")
    if milliseconds < MIN_FAILURE_DETECTION_TIME:
        raise ConfigError(f"{key} is {value} ms; the least is {MIN_FAILURE_DETECTION_TIME} ms")
    return milliseconds


def edit_groups(text: str, wanted: Group) -> str:
    """The text with that group's section saying what wanted says; everything else as it is.

    Without a single setting the section goes. A section that already means it keeps every byte.
    """
    section = next((s for s in _sections(text) if s.name == wanted.name), None)
    values = _values(wanted)
    if section is None:
        if not values:
            return text
        body = "".join(f"{key} = {value}\n" for key, value in values.items())
        before = text if not text or text.endswith("\n") else text + "\n"
        return (before + "\n" if before else _HEADER + "\n") + f"[{wanted.name}]\n{body}"
    if not values:
        return remove_group(text, wanted.name)
    now = _group(section)
    lines = text.split("\n")
    at = section.entries[-1].end if section.entries else section.first + 1
    additions = [f"{k} = {v}" for k, v in values.items() if not any(e.key == k for e in section.entries)]
    lines[at:at] = additions
    for entry in reversed(section.entries):
        if entry.key not in values:
            del lines[entry.first : entry.end]
        elif getattr(now, entry.key) != getattr(wanted, entry.key):
            lines[entry.first : entry.end] = [f"{entry.key} = {values[entry.key]}"]
    return "\n".join(lines)


def remove_group(text: str, name: str) -> str:
    """The text without that group's section; comments above the next section stay."""
    section = next((s for s in _sections(text) if s.name == name), None)
    if section is None:
        return text
    lines = text.split("\n")
    del lines[section.first : section.end]
    if 0 < section.first < len(lines) and not lines[section.first] and not lines[section.first - 1]:
        del lines[section.first]
    return "\n".join(lines)


def _values(group: Group) -> Dict[str, str]:
    texts = {
        "gateways": ", ".join(group.gateways),
        "routes": ", ".join(f"{r.to} via {r.via}" for r in group.routes),
        "targets": ", ".join(group.targets),
        "failure_detection_time": str(group.failure_detection_time or ""),
        "failback": "" if group.failback is None else "yes" if group.failback else "no",
    }
    return {key: value for key, value in texts.items() if value}


def parse_mpathd(text: str) -> Tuple[Defaults, Tuple[str, ...]]:
    """(what applies, complaints) of /etc/default/mpathd; a wrong value has no effect but a complaint (CFG-1..4)."""
    defaults, warnings = Defaults(), []
    said = {key: value for _number, key, value in reversed(_assignments(text))}
    time = said.get("FAILURE_DETECTION_TIME")
    if time is not None:
        milliseconds = _strtol(time)
        if milliseconds is None or milliseconds <= 0:
            warnings.append(
                f"{MPATHD}: Invalid failure detection time {time}, assuming default {DEFAULT_FAILURE_DETECTION_TIME}"
            )
        else:
            if milliseconds < MIN_FAILURE_DETECTION_TIME:
                warnings.append(
                    f"{MPATHD}: Too small failure detection time of {time}, "
                    f"assuming minimum {MIN_FAILURE_DETECTION_TIME}"
                )
            bounded = min(max(milliseconds, MIN_FAILURE_DETECTION_TIME), MAX_FAILURE_DETECTION_TIME)
            defaults = replace(defaults, failure_detection_time=bounded)
    for key in ("FAILBACK", "TRACK_INTERFACES_ONLY_WITH_GROUPS"):
        value = said.get(key)
        if value is not None:
            if value.lower().startswith(("yes", "no")):
                defaults = replace(defaults, **{key.lower(): value.lower().startswith("yes")})
            else:
                warnings.append(f"{MPATHD}: Invalid value for {key} {value}")
    return defaults, tuple(warnings)


def _assignments(text: str) -> List[Tuple[int, str, str]]:
    """(line from 0, upper-case name, value) of each NAME=value line, in the order of the file."""
    found = []
    for number, line in enumerate(text.split("\n")):
        match = re.match(r"(\w+)=(.*?)\s*\Z", line)
        if match:
            found.append((number, match.group(1).upper(), match.group(2).strip("\"'")))
    return found


def _strtol(text: str) -> Optional[int]:
    """C's strtol with base 0: hexadecimal and octal forms, trailing junk ignored (CFG-3); None: no number."""
    match = re.match(r"\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)", text)
    if not match:
        return None
    digits = match.group(2)
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10
    return int(match.group(1) + digits[:_MOST_DIGITS], base)


def edit_mpathd(text: str, wanted: Mapping[str, Any]) -> str:
    """The text with the named Defaults set, line by line; values that already mean it keep their line.

    A name that is not a default, or a wrong value, gives ConfigError.
    """
    checks: Dict[str, Callable[[str, Any], Any]] = {
        "failure_detection_time": _detection_time,
        "failback": truth,
        "track_interfaces_only_with_groups": truth,
    }
    lines = text.split("\n")
    now, _warnings = parse_mpathd(text)
    for name, raw in wanted.items():
        if name not in checks:
            raise ConfigError(f"defaults: {unknown_option(name, list(checks))}")
        if raw is None:
            continue
        try:
            value = checks[name](name, raw)
        except ConfigError as error:
            raise ConfigError(f"defaults: {error.problem}") from None
        at = next((n for n, key, _value in _assignments(text) if key == name.upper()), None)
        wrong = at is not None and parse_mpathd(lines[at])[1]
        if getattr(now, name) == value and not wrong:
            continue
        shown = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
        if at is not None:
            lines[at] = f"{name.upper()}={shown}"
        else:
            end = len(lines) - 1 if not lines[-1] else len(lines)
            lines.insert(end, f"{name.upper()}={shown}")
            if end == len(lines) - 1:
                lines.append("")
    return "\n".join(lines)
