# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel settings that a member needs: saved on disk before the first write, put back on leaving.

Settings are named by their path under ``/proc/sys/net``, with ``{}`` for the interface, because an interface's
name may hold dots. ``/proc/sys/net`` is that of the network namespace of whoever reads it.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

_NET = Path("/proc/sys/net")

MEMBER: Tuple[Tuple[str, str], ...] = (
    ("ipv4/conf/{}/arp_ignore", "1"),
    ("ipv4/conf/{}/arp_announce", "2"),
    ("ipv4/conf/{}/arp_filter", "0"),
    ("ipv4/conf/{}/rp_filter", "0"),
    ("ipv4/conf/{}/promote_secondaries", "1"),  # an address that is taken over must not take its neighbours along
    ("ipv4/conf/{}/ignore_routes_with_linkdown", "1"),
    ("ipv6/conf/{}/ignore_routes_with_linkdown", "1"),
    ("ipv6/conf/{}/keep_addr_on_down", "1"),
)
HOST: Tuple[Tuple[str, str], ...] = (
    ("ipv4/fib_multipath_hash_policy", "1"),
    ("ipv6/fib_multipath_hash_policy", "1"),
)

_OF_INTERFACES = ("ipv4/conf", "ipv6/conf", "ipv4/neigh", "ipv6/neigh")
_NOT_SET = frozenset({"mtu", "mc_forwarding", "stable_secret"})  # follow from other things, or cannot be read
_HOST_KEY = ""  # no interface has this name
_NOT_INTERFACES = frozenset({"all", "default", ".", ".."})  # names under conf/ that no interface can have


class Change(NamedTuple):
    """One setting that was, or has to be, changed. ``str()`` reads ``ipv4/conf/eth1/arp_ignore: 0 -> 1``."""

    setting: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.before} -> {self.after}"


class Sysctls:
    """Reads and writes the settings; what was there before is kept in ``ROOT/var/lib/ipmp/sysctl.json``.

    Saved values count for the boot in which they were saved. An interface that was made anew under an old name keeps
    the values saved for that name. ``warning`` is a sentence when the saved values could not be read or written.
    A new member whose values cannot be saved is an OSError; one that was here before comes back all the same.
    """

    def __init__(self, root: str = "/") -> None:
        self._file = Path(root) / "var/lib/ipmp/sysctl.json"
        self._boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        self.warning: Optional[str] = None
        self._saved = self._load()
        self._known = dict(self._saved)  # all that was ever saved while this object lives

    def add(self, kept: Mapping[str, Mapping[str, str]]) -> None:
        """Values that were saved elsewhere as well, in this boot; for when the disk would not take them."""
        self._saved = {**{name: dict(values) for name, values in kept.items()}, **self._saved}
        self._known.update(self._saved)

    @property
    def saved(self) -> Mapping[str, Mapping[str, str]]:
        """Interface ("" for the host) -> setting -> its value from before."""
        return self._saved

    def join(self, name: str) -> List[Change]:
        """Sets what a member needs and returns what that changed; nothing for an interface that is not there."""
        return self._apply(name, _of(name))

    def leave(self, name: str) -> List[Change]:
        """Puts the member's own values back and forgets them, also when the interface is not there any more."""
        return self._restore(name)

    def join_host(self) -> List[Change]:
        """Sets what the host needs while it has a group."""
        return self._apply(_HOST_KEY, dict(HOST))

    def leave_host(self) -> List[Change]:
        """Puts the host's own values back and forgets them."""
        return self._restore(_HOST_KEY)

    def members(self) -> List[str]:
        """The interfaces whose values are saved, sorted."""
        return sorted(name for name in self._saved if name != _HOST_KEY)

    def drift(self, names: Iterable[str]) -> List[Change]:
        """What somebody changed: settings of these members, and the host's if there are members, not as wanted."""
        wanted: Dict[str, str] = {}
        for name in names:
            wanted.update(_of(name))
        if wanted:
            wanted.update(HOST)
        return _differences(wanted)

    def disable_ipv6(self, name: str) -> bool:
        """Whether the kernel keeps IPv6 off this interface, by ``disable_ipv6`` or because it has none."""
        return _read(f"ipv6/conf/{name}/disable_ipv6") != "0"

    def _apply(self, key: str, wanted: Mapping[str, str]) -> List[Change]:
        changes = _differences(wanted)
        saved = dict(self._saved.get(key, {}))
        for change in changes:
            saved.setdefault(change.setting, change.before)
        if saved != self._saved.get(key, {}):
            self._save({**self._saved, key: saved})
        for change in changes:
            _write(change.setting, change.after)
        return changes

    def _restore(self, key: str) -> List[Change]:
        changes = _differences(self._saved.get(key, {}))
        for change in changes:
            _write(change.setting, change.after)
        if key in self._saved:
            self._save({name: values for name, values in self._saved.items() if name != key})
        return changes

    def _load(self) -> Dict[str, Dict[str, str]]:
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
            if content["boot_id"] != self._boot_id:
                return {}
            return {
                str(name): {str(setting): str(value) for setting, value in values.items()}
                for name, values in content["saved"].items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.warning = f"{self._file}: the saved kernel settings cannot be read and will not be put back ({error})"
            return {}

    def check(self) -> None:
        """OSError if values could not be saved now."""
        self._replace_file(self._saved)

    def _save(self, saved: Dict[str, Dict[str, str]]) -> None:
        try:
            self._replace_file(saved)
        except OSError as error:
            if any(self._known.get(key) != values for key, values in saved.items()):
                raise
            self.warning = f"{self._file}: the kernel settings from before cannot be saved: {error.strerror}"
        self._saved = saved
        self._known.update(saved)

    def _replace_file(self, saved: Dict[str, Dict[str, str]]) -> None:
        """Safe against a crash at any moment."""
        self._file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".sysctl.", dir=self._file.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump({"boot_id": self._boot_id, "saved": saved}, stream, indent=1, sort_keys=True)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, self._file)
        except BaseException:
            os.unlink(temporary)
            raise
        directory = os.open(self._file.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def forwards_ipv6(name: str) -> bool:
    """Whether the host is an IPv6 router on this interface; its neighbour advertisements must say so."""
    return _read(f"ipv6/conf/{name}/forwarding") == "1"


def refuses_ipv6(name: str) -> bool:
    """Whether IPv6 is switched off on this interface."""
    return _read(f"ipv6/conf/{name}/disable_ipv6") == "1"


def own(name: str) -> Dict[str, str]:
    """The settings of an interface that are not what one that is made now would have."""
    found: Dict[str, str] = {}
    for folder in _OF_INTERFACES if name not in _NOT_INTERFACES else ():
        place = _NET / folder / name
        for setting in sorted(os.listdir(place)) if place.is_dir() else ():
            value = None if setting in _NOT_SET else _read(f"{folder}/{name}/{setting}")
            if value is not None and value != _read(f"{folder}/default/{setting}"):
                found[f"{folder}/{name}/{setting}"] = value
    return found


def restore(name: str, wanted: Mapping[str, str]) -> List[str]:
    """Make what ``own`` said earlier of an interface true again, but for what members need; a sentence a failure."""
    failures: List[str] = []
    members = frozenset(setting.format(name) for setting, _value in MEMBER)
    now = own(name)
    for setting in sorted({*wanted, *now} - members):
        value = wanted.get(setting) or _read(setting.replace(f"/{name}/", "/default/"))
        if value is not None and value != now.get(setting):
            try:
                _write(setting, value)
            except OSError as error:
                failures.append(f"{name}: {error.strerror}")
    return failures


def _of(name: str) -> Dict[str, str]:
    if name in _NOT_INTERFACES:
        return {}
    wanted = {setting.format(name): value for setting, value in MEMBER}
    # Loose filtering (2) drops what still arrives on a member whose last IPv4 address has just moved away. Only where
    # all interfaces are told to filter strictly is it needed: the kernel takes the larger of the two.
    if _read("ipv4/conf/all/rp_filter") not in ("0", None):
        wanted[f"ipv4/conf/{name}/rp_filter"] = "2"
    return wanted


def _differences(wanted: Mapping[str, str]) -> List[Change]:
    """Settings whose value is another; those that the kernel does not have (interface or IPv6 gone) are left out."""
    return [
        Change(setting, before, value)
        for setting, value in wanted.items()
        for before in (_read(setting),)
        if before is not None and before != value
    ]


def _read(setting: str) -> Optional[str]:
    try:
        return (_NET / setting).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None


def _write(setting: str, value: str) -> None:
    try:
        (_NET / setting).write_text(value, encoding="ascii")
    except FileNotFoundError:
        return  # the interface went away meanwhile
    except OSError as error:
        raise OSError(error.errno, f"{_NET / setting} could not be set to {value}: {error.strerror}") from error
