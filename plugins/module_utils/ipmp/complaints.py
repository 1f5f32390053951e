# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is odd about a group although it is allowed (section 11): said once when it begins, and when it ends. Pure."""

from __future__ import annotations

from typing import AbstractSet, Dict, List, Mapping, NamedTuple, Optional, Tuple

from .groupsconf import MPATHD
from .health import Note
from .model import Config, Group, family_of
from .runtime import Nic, Runtime

TESTADDR_CONF_TIME = 20.0  # s, TST-7


class Complaint(NamedTuple):
    """One oddity: what to log when it begins and when it has ended."""

    begins: Note
    ends: Optional[Note]


Key = Tuple[str, str]  # what it is about, and the NIC or the text


def complaints(
    runtime: Runtime, without_ipv6: AbstractSet[str], doubles: Mapping[str, str], ages: Mapping[str, float]
) -> Dict[Key, Complaint]:
    """All that holds now.

    without_ipv6: NICs on which the kernel refuses IPv6; doubles: NIC -> its link-local address, which another member
    has too; ages: s for which a NIC has been watched.
    """
    said = [*runtime.config.warnings, *doubts(runtime.config)]
    found: Dict[Key, Complaint] = {
        ("files", text): Complaint(Note("err", text.replace(f"{MPATHD}: ", "", 1)), None) for text in said
    }
    for group in runtime.config.groups:
        for nic in (runtime.nics[i.name] for i in group.interfaces):
            if not nic.attached or nic.offline or nic.asking:
                continue
            if nic.twin:
                found["mac", nic.name] = _twin(nic)
                continue
            if nic.name in without_ipv6 and _uses_ipv6(group):
                found["families", nic.name] = _family(nic)
            if nic.name in doubles:
                found["test", nic.name] = _double(nic, doubles[nic.name])
            elif not nic.instances and ages.get(nic.name, 0.0) >= TESTADDR_CONF_TIME:
                found["test", nic.name] = _testless(nic)
    return found


class Complaints:
    """Remembers what has been said."""

    def __init__(self) -> None:
        self._since: Dict[str, float] = {}  # when a NIC was first seen
        self._said: Dict[Key, Complaint] = {}

    def news(
        self, runtime: Runtime, without_ipv6: AbstractSet[str], doubles: Mapping[str, str], now: float
    ) -> List[Note]:
        """What to log since the last call; see ``complaints``."""
        for nic in runtime.grouped():
            self._since.setdefault(nic.name, now)
        ages = {name: now - since for name, since in self._since.items()}
        before, holds = self._said, complaints(runtime, without_ipv6, doubles, ages)
        gone = {key: c for key, c in before.items() if key not in holds}
        unasked = {key: c for key, c in gone.items() if _out_of_use(runtime, key)}
        self._said = {**unasked, **holds}
        ended = [c.ends for key, c in gone.items() if key not in unasked and c.ends and _known(runtime, key)]
        return ended + [c.begins for key, c in holds.items() if key not in before]


def _out_of_use(runtime: Runtime, key: Key) -> bool:
    """Is it about a NIC that shows nothing now? A twin shows only that it is one."""
    what, name = key
    nic = runtime.nics.get(name)
    if what == "files" or nic is None:
        return False
    return not nic.attached or nic.offline or nic.asking or (nic.twin and what != "mac")


def _known(runtime: Runtime, key: Key) -> bool:
    """Is it about a NIC that is in a group still? Of others nothing has become better."""
    nic = runtime.nics.get(key[1])
    return nic is not None and nic.group is not None


def doubts(config: Config) -> List[str]:
    """Sentences about what the files say that is no mistake, but may not be what is meant."""
    found = [
        f"group {g.name}: a failure detection time of {config.failure_detection_time(g)} ms is experimental; "
        "below 100 ms it needs real-time scheduling and an idle link, or a busy moment looks like a failure"
        for g in config.groups
        if config.failure_detection_time(g) < 100 and any(i.test_addresses or i.link_local_test for i in g.interfaces)
    ]
    for family in (4, 6):
        having = [g.name for g in config.groups if any(family_of(gateway) == family for gateway in g.gateways)]
        if len(having) > 1:
            found.append(
                f"groups {', '.join(having)} all have IPv{family} gateways, but there is one default route, "
                f"and it is that of {having[-1]}; give the others 'routes' instead"
            )
    return found


def _uses_ipv6(group: Group) -> bool:
    return any(i.link_local_test or any(a.family == 6 for a in i.addresses) for i in group.interfaces)


def _family(nic: Nic) -> Complaint:
    """CHK-1. On Linux every NIC has both families, unless the administrator has switched one off."""
    return Complaint(
        Note(
            "err",
            f"NIC {nic.name} of group {nic.group} is not plumbed for IPv6 and may affect failover capability: "
            f"set net.ipv6.conf.{nic.name}.disable_ipv6 to 0",
        ),
        Note("err", f"NIC {nic.name} is now consistent with group {nic.group} and failover capability is restored"),
    )


def _twin(nic: Nic) -> Complaint:
    """CHK-2."""
    what = f"IP interface {nic.name}"
    return Complaint(
        Note("err", f"{what} has a hardware address which is not unique in group {nic.group}; offlining"),
        Note("err", f"{what} now has a unique hardware address in group {nic.group}; onlining"),
    )


def _double(nic: Nic, address: str) -> Complaint:
    """TST-5."""
    return Complaint(
        Note(
            "err",
            f"Test address {address} is not unique in group; disabling probe-based failure detection on {nic.name}",
        ),
        _configured("err", nic),
    )


def _testless(nic: Nic) -> Complaint:
    """TST-7."""
    return Complaint(
        Note(
            "info",
            f"No test address configured on interface {nic.name}; disabling probe-based failure detection on it",
        ),
        _configured("info", nic),
    )


def _configured(level: str, nic: Nic) -> Note:
    return Note(
        level, f"Test address now configured on interface {nic.name}; enabling probe-based failure detection on it"
    )
