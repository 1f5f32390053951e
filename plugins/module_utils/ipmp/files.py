# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration files of a host: read all of them into one Config, and write them, under a lock, all or none.

A *path* is always the path without root ("/etc/hostname.eth1"); *texts* map paths to contents.
"""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import ipaddress
import os
from dataclasses import replace
from typing import Dict, Iterator, List, Mapping, Optional, Tuple

from . import groupsconf, hostname
from .hostname_reader import FileMeaning, Resolve
from .hostname_words import PREFIXES, file_name, is_backup, logical_lines, path_of
from .model import Address, Config, ConfigError, Group, Interface, IPNetwork

HOSTS = "/etc/hosts"
LOCK = "/run/ipmp/config.lock"
_SINGLE = (groupsconf.GROUPS_CONF, groupsconf.MPATHD, HOSTS)
_MODE = 0o644


def read_config(
    root: str = "/",
    overlay: Optional[Mapping[str, Optional[str]]] = None,
    problems: Optional[List[ConfigError]] = None,
) -> Config:
    """What the files under root say; overlay replaces texts by path, None standing for a file that is not there.

    Raises the first ConfigError. With a list given as problems, wrong files are appended there and left out instead,
    so that a daemon can start with what is right; errors between files still leave out the later file.
    """
    return config({**read_texts(root), **(overlay or {})}, problems)


def read_texts(root: str = "/") -> Dict[str, Optional[str]]:
    """Every text that config() looks at, as it is on disk."""
    names = sorted(os.listdir(_under(root, "/etc"))) if os.path.isdir(_under(root, "/etc")) else []
    paths = [f"/etc/{n}" for n in names if f"/etc/{n}".startswith(tuple(PREFIXES.values()))]
    return {path: text for path in (*paths, *_SINGLE) for text in (read_text(root, path),) if text is not None}


def read_text(root: str, path: str) -> Optional[str]:
    """The text of one file, None if there is no such regular file; ConfigError if it cannot be read."""
    try:
        with open(_under(root, path), encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except (FileNotFoundError, IsADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=path) from None


def _under(root: str, path: str) -> str:
    return os.path.join(root, path.lstrip("/"))


def hosts_resolver(text: str) -> Resolve:
    """The resolver that knows the names of an /etc/hosts; the first address of each family counts."""
    known: Dict[Tuple[str, int], str] = {}
    for line in text.split("\n"):
        ip, *names = line.partition("#")[0].split() or [""]
        try:
            family = ipaddress.ip_address(ip).version
        except ValueError:
            continue
        for name in names:
            known.setdefault((name.lower(), family), ip)
    return lambda name, family: known.get((name.lower(), family))


def config(texts: Mapping[str, Optional[str]], problems: Optional[List[ConfigError]] = None) -> Config:
    """read_config() of texts in memory."""
    errors: List[ConfigError] = [] if problems is None else problems
    warnings: List[str] = []
    interfaces = _interfaces(texts, errors, warnings)
    defaults, complaints = groupsconf.parse_mpathd(texts.get(groupsconf.MPATHD) or "")
    settings: Dict[str, Group] = {}
    try:
        settings = {g.name: g for g in groupsconf.parse_groups(texts.get(groupsconf.GROUPS_CONF) or "")}
    except ConfigError as error:
        errors.append(error)
    interfaces = _without_conflicts(interfaces, errors)
    if errors and problems is None:
        raise errors[0]
    groups = tuple(
        replace(settings.get(name, Group(name)), interfaces=tuple(i for i in interfaces if i.group == name))
        for name in sorted({i.group for i in interfaces if i.group})
    )
    ungrouped = tuple(i for i in interfaces if not i.group)
    warnings += [
        f"{path_of(i.name, 4 if i.inet else 6)}: 'standby' has no effect on {i.name}, which is in no group"
        for i in ungrouped
        if i.standby
    ]
    warnings += [
        f"{groupsconf.GROUPS_CONF}: group '{name}' has no member; write 'group {name}' into a NIC's hostname file"
        for name in settings
        if not any(g.name == name for g in groups)
    ]
    warnings += [w for g in groups for w in _gateway_warnings(g)]
    return Config(groups, ungrouped, defaults, (*warnings, *complaints))


def _interfaces(texts: Mapping[str, Optional[str]], errors: List[ConfigError], warnings: List[str]) -> List[Interface]:
    """Every interface whose files are right, by name. What is ours and wrong goes to errors, the rest to warnings."""
    resolve = hosts_resolver(texts.get(HOSTS) or "")
    interfaces = []
    for name, paths in sorted(hostname_files(texts, warnings).items()):
        meanings: List[FileMeaning] = []
        try:
            for path in paths:
                meanings.append(hostname.parse_file(path, texts[path] or "", resolve=resolve))
            interfaces.append(hostname.combine(name, meanings))
            warnings += [w for m in meanings for w in m.warnings]
        except ConfigError as error:
            if any(is_ours(texts[path] or "") for path in paths):
                errors.append(error)
            else:
                warnings.append(f"{error}; the files of {name} name no group and are left alone")
    return interfaces


def hostname_files(texts: Mapping[str, Optional[str]], warnings: Optional[List[str]] = None) -> Dict[str, List[str]]:
    """The paths of each interface's files that exist, IPv4 first, each family by unit."""
    found: Dict[str, List[Tuple[int, int, str]]] = {}
    for path, text in texts.items():
        where = file_name(path) if text is not None else None
        if where:
            found.setdefault(where.interface, []).append((where.family, where.unit, path))
        elif text is not None and path.startswith(tuple(PREFIXES.values())) and not is_backup(path):
            if warnings is not None:
                warnings.append(f"{path}: not read, because no interface can have that name")
    return {name: [path for _family, _unit, path in sorted(files)] for name, files in found.items()}


def is_ours(text: str) -> bool:
    """Whether a text that is not understood was meant for us: it has our header, or a word like 'group' (ATT-3)."""
    words = [token.word for line in logical_lines(text) for token in line]
    return hostname.has_header(text) or bool(difflib.get_close_matches("group", words, 1, 0.7))


def _without_conflicts(interfaces: List[Interface], errors: List[ConfigError]) -> List[Interface]:
    """The interfaces that do not contradict an earlier one; an error for each that does."""
    owners: Dict[str, Interface] = {}
    networks: Dict[IPNetwork, Interface] = {}
    good = []
    for interface in sorted(interfaces, key=lambda i: (i.group is None, i.name)):
        problem = _conflict(interface, owners, networks)
        if problem:
            errors.append(ConfigError(problem, file=path_of(interface.name, 4 if interface.inet else 6)))
            continue
        good.append(interface)
        for address in interface.addresses:
            owners[address.ip] = interface
            if interface.group:
                networks.setdefault(address.network, interface)
    return sorted(good, key=lambda i: i.name)


def _conflict(
    interface: Interface, owners: Mapping[str, Interface], networks: Mapping[IPNetwork, Interface]
) -> Optional[str]:
    for address in interface.addresses:
        owner = owners.get(address.ip)
        if owner:
            kinds = [_kind(a) for i in (owner, interface) for a in i.addresses if a.ip == address.ip]
            as_what = f"as {kinds[0]} and as {kinds[1]} address " if kinds[0] != kinds[1] else ""
            return f"address {address.ip} is {as_what}on {owner.name} and on {interface.name}; remove one of them"
        other = networks.get(address.network)
        if interface.group and other and other.group != interface.group:
            return (
                f"{address.network} is in group '{interface.group}' ({interface.name}) and in group '{other.group}' "
                f"({other.name}); one network belongs to one group, so join the groups or correct an address"
            )
    return None


def _kind(address: Address) -> str:
    return "test" if address.test else "data"


def _gateway_warnings(group: Group) -> Iterator[str]:
    networks = {a.network for i in group.interfaces for a in i.addresses if a.family == 4 or (a.up and not a.test)}
    for gateway in dict.fromkeys([*group.gateways, *(r.via for r in group.routes)]):
        ip = ipaddress.ip_address(gateway)
        if not ip.is_link_local and not any(ip in network for network in networks):
            yield (
                f"{groupsconf.GROUPS_CONF}: gateway {gateway} of group '{group.name}' is in no network of its "
                "addresses, so nothing can be sent to it; correct it or add an address in its network"
            )


@contextlib.contextmanager
def locked(root: str = "/") -> Iterator[None]:
    """Hold the lock for edits of the files. Waits for it; never ask the daemon for anything while holding it."""
    path = _under(root, LOCK)
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path, "a", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_files(root: str, texts: Mapping[str, Optional[str]]) -> Dict[str, Optional[str]]:
    """Make the files say that (None: remove), and return the previous texts of those that changed.

    Each file is replaced whole and is on disk afterwards, mode 0644. When one cannot be written, those before it are
    put back and ConfigError says which. Call it within locked(), in which the current texts were read.
    """
    before = {path: read_text(root, path) for path in sorted(texts)}
    previous: Dict[str, Optional[str]] = {}
    try:
        for path, old in before.items():
            if old != texts[path]:
                _replace(root, path, texts[path])
                previous[path] = old
    except OSError as error:
        for done, old in previous.items():
            _replace(root, done, old)
        raise ConfigError(f"cannot be written: {error.strerror}; nothing was changed", file=path) from error
    return previous


def _replace(root: str, path: str, text: Optional[str]) -> None:
    target = _under(root, path)
    if text is not None and os.path.islink(target):
        target = os.path.realpath(target)
    folder = os.path.dirname(target)
    if text is None:
        os.unlink(target)
    else:
        os.makedirs(folder, mode=0o755, exist_ok=True)
        # The leading dot keeps a half-written file from being taken for a hostname file; what a killed writer left
        # behind is overwritten by the next one.
        temporary = os.path.join(folder, f".{os.path.basename(target)}.ipmp-new")
        try:
            with open(temporary, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), _MODE)
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
