# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words between the daemon, the detector and the prober: what to probe, what is sent, what comes of it. Pure.

The daemon gives ``Orders``; the detector turns them and time into ``Send``s and, with the ``Reply``s that the prober
hears, into ``Finding``s. Times are seconds of the monotonic clock unless they say otherwise.
"""

from __future__ import annotations

from typing import FrozenSet, NamedTuple, Optional, Tuple, Union

from .health import Note

UNICAST, MULTICAST, RTT_ONLY = 0x1234, 0x5678, 0x9ABC  # kinds of probes (PKT-1)
ALL_HOSTS = {4: "224.0.0.1", 6: "ff02::1"}  # TGT-10


class ProbeSource(NamedTuple):
    """The address that probes of one family leave from; an IPv6 one is link-local (TST-1)."""

    ip: str
    prefixlen: int


class Router(NamedTuple):
    """A next hop of some route (TGT-2); ``nic`` where the route names it, else None."""

    ip: str
    nic: Optional[str] = None


class Watched(NamedTuple):
    """One NIC of a group."""

    name: str
    ifindex: int  # 0: not there
    link: bool
    online: bool  # attached and not offline; else it is not probed (TST-3)
    failed: bool  # what the daemon believes
    tests: Tuple[ProbeSource, ...] = ()  # at most one a family, already chosen (TST-2); none: link-based only


class WatchedGroup(NamedTuple):
    """One group, or with the name "" the anonymous one (M-4)."""

    name: str
    failure_detection_time: int  # ms, as configured
    nics: Tuple[Watched, ...]
    targets: Tuple[str, ...] = ()  # of groups.conf: routers that come first
    routers: Tuple[Router, ...] = ()


class Orders(NamedTuple):
    """All that shall be watched now; replaces what was ordered before."""

    groups: Tuple[WatchedGroup, ...] = ()
    own: FrozenSet[str] = frozenset()  # addresses of this host: never targets
    taken: int = 0  # how many verdicts the daemon has taken; ``Watched.failed`` is old news while others are on the way


class Send(NamedTuple):
    """One echo request that is to go out now."""

    nic: str
    ifindex: int
    source: str  # the test address
    target: str
    kind: int
    sequence: int  # 16 bits; an instance (NIC and family) has its own counter for UNICAST
    nonce: int  # 64 random bits that the reply has to bring back


class Reply(NamedTuple):
    """One echo reply, as heard on the socket of one NIC and family."""

    ifindex: int
    family: int
    source: str  # IPv6 without its scope
    kind: int
    sequence: int
    nonce: int
    received: float  # when the kernel had it
    processed: float  # when we read it


class Verdict(NamedTuple):
    """A decision that the daemon must act on; they are counted (``Orders.taken``)."""

    kind: (
        str  # "nic-failed", "nic-repaired": of ``name``; "group-failed": every NIC of the group ``name`` that is online
    )
    name: str
    ifindex: int = 0  # of the NIC that was probed: another may have its name by now


class Changed(NamedTuple):
    """The probe state of a NIC, its targets, or the detection time of its group are not what they were."""

    nic: str


class Seen(NamedTuple):
    """One probe has been answered or is lost: a row of ``ipmpstat -p`` (EVT-2, IST-4). Times in unix ns, RTTs in ms."""

    nic: str
    family: int
    state: str  # "acked" or "lost"
    sequence: int
    target: str
    started: int  # our time for it had come
    sent: int  # the kernel took it
    received: Optional[int]  # the kernel had the answer
    processed: Optional[int]  # we had read it
    average: Optional[float]
    deviation: Optional[float]


Finding = Union[Verdict, Changed, Note, Seen]


class Instance(NamedTuple):
    """What status shows of one NIC and family that is probe enabled (IST-4)."""

    family: int
    mode: str  # "routes" or "multicast"
    test_address: str
    targets: Tuple[str, ...]  # in firing order, the next one first
    sent: int = 0
    acked: int = 0
    lost: int = 0
    unknown: int = 0  # replies that nobody was waiting for
    average: Optional[float] = None  # ms, of the target probed last
    deviation: Optional[float] = None


class Watch(NamedTuple):
    """What status shows of one NIC."""

    nic: str
    probe: str  # "ok", "failed", "unknown" (no targets) or "disabled"
    instances: Tuple[Instance, ...]


class Snapshot(NamedTuple):
    """One consistent picture of all probing."""

    watches: Tuple[Watch, ...] = ()
    detection_times: Tuple[Tuple[str, int], ...] = ()  # (group, ms) where some member probes; perhaps slower than asked
    missed: int = 0  # probes that were not sent because we came too late
    missed_times: int = 0  # on how many occasions
