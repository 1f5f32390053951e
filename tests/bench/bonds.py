# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bonding and team beside us, in the kernel of one guest, in turn: carrier loss, silent loss, a planned move."""

from __future__ import annotations

import statistics
import time
from functools import cache, partial
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from lab import LabError

from .echo import RATE, Outage, outage
from .guest import Ward, Way
from .row import BenchError, Figures, Row, Run

OURS, OFFLINE = "ours", "ours, offline"
MIIMON = (1, 10, 100)
ALB, TEAM = "bonding balance-alb miimon 100", "team ethtool"
CHANGE, DOWN = "bonding active_slave", "bonding link set down"
TIMES = {100: 33, 300: 100, 1000: 333}  # our detection time and the ARP monitor's interval, which takes two to three
APART = 1.1  # s: within a second of another change the kernel holds back news of a link that is in no bond
AFTER = 0.5  # s that the stream goes on after a loss of carrier
LATE = 0.6  # s longer than a silent loss should take
LONGER = {ALB: 3.0, **dict.fromkeys((OFFLINE, CHANGE, DOWN), 0.7)}
PART = "Beside bonding and team, in one guest"
GUEST = "in a guest of QEMU with Debian's kernel; counted are echo requests from outside that never get an answer, "
GUEST += f"{RATE} a second"
SLOW = "the processor is emulated, where Python takes some ten times as long and the kernel does not wait for it, so "
SLOW += "ours suffers from that and the peers, who are in the kernel, little"

TRACED = "Traced there, the kernel takes 1.4 ms until it tells us, our Python some 3 ms and the kernel's network code "
TRACED += "2 ms until the addresses have moved; bonding looks at the carrier at each second tick of 4 ms."


class Measured(NamedTuple):
    """By way: the outages, one a round, and before how many rounds its daemon was started anew."""

    outages: Dict[str, List[Outage]]
    renewed: Dict[str, int]


def miimon(interval: int) -> str:
    """The peer's name."""
    return f"bonding miimon {interval}"


def monitor(interval: int) -> str:
    """The peer's name."""
    return f"bonding arp_interval {interval}"


def probing(detection_time: int) -> str:
    """Our name, where we are several."""
    return f"{OURS}, {detection_time} ms"


def _bond(name: str, options: str, mode: str = "active-backup") -> Way:
    lines = [f"link add bond0 type bond mode {mode} {options}"]
    lines += [f"link set eth{k} down master bond0" for k in (1, 2)]
    return Way(name, commands=(*lines, "addr add {host}/24 dev bond0", "link set bond0 up"))


def _team() -> Way:
    ports: Dict[str, Any] = {"eth1": {}, "eth2": {}}
    about = {"device": "team0", "runner": {"name": "activebackup"}, "link_watch": {"name": "ethtool"}, "ports": ports}
    return Way(TEAM, team=about)


def _ours(name: str, nics: int, detection_time: int = 0) -> Way:
    """One active NIC and standbys, which is what a bond in active-backup mode is; nothing returns by itself."""
    files = {"default/mpathd": "FAILBACK=no\n"}
    for number in range(1, nics + 1):
        words = ["{host}/24"] if number == 1 else []
        words += ["group g", *(["standby"] if number > 1 else []), "up"]
        words += [f"addif {{net}}.{100 + number}/24 deprecated -failover up"] if detection_time else []
        files[f"hostname.eth{number}"] = " ".join(words) + "\n"
    if detection_time:
        files["ipmp/groups.conf"] = "[g]\ntargets = {client}\n"
        files["default/mpathd"] += f"FAILURE_DETECTION_TIME={detection_time}\n"
    return Way(name, nics, files=files)


def _once(measure: Callable[[Run], Measured]) -> Callable[[Run], Measured]:
    """Several rows are made of one measurement; what failed once is not tried for each of them."""

    @cache
    def tried(run: Run) -> Tuple[Optional[Measured], str]:
        try:
            return measure(run), ""
        except (BenchError, LabError, AssertionError, OSError) as problem:
            return None, f"{type(problem).__name__}: {problem}"

    def found(run: Run) -> Measured:
        measured, problem = tried(run)
        if measured is None:
            raise BenchError(problem)
        return measured

    return found


@_once
def _links(run: Run) -> Measured:
    """Losses of carrier, and planned moves."""
    # With two NICs ours would be left failed for flapping after the third round within a minute.
    ways = [_ours(OURS, 5), *(_bond(miimon(interval), f"miimon {interval}") for interval in MIIMON)]
    ways += [_bond(ALB, "miimon 100", "balance-alb"), _team()]
    ways += [_ours(OFFLINE, 2), *(_bond(name, "miimon 100") for name in (CHANGE, DOWN))]
    found: Dict[str, List[Outage]] = {way.name: [] for way in ways}
    with Ward(ways) as ward:
        for number in range(run.rounds()):
            ward.greet()  # the client's neighbours take no news in the first second
            time.sleep(APART)
            for name in ward.ways:
                if name == ALB and number % 2:  # its outages are long
                    continue
                act, undo = _moves(ward, name, ward.serving(name))
                found[name].append(outage(ward.host, ward.address(name), LONGER.get(name, AFTER), act))
                undo()
    return Measured(found, {})


def _moves(ward: Ward, name: str, nic: str) -> Tuple[Callable[[], object], Callable[[], object]]:
    """What is done to a NIC, and how it is undone."""
    space, eth = ward.space(name), ward.eth(nic)
    other = next(ward.eth(n) for n in ward.nics(name) if n != nic)
    ip = f"ip -n {space} link set"
    if name == OFFLINE:
        return (
            partial(ward.call, space, "offline", interface=eth),
            partial(ward.call, space, "undo-offline", interface=eth, wait_timeout=10),
        )
    if name == CHANGE:
        return partial(ward.guest.run, f"{ip} bond0 type bond active_slave {other}"), lambda: None
    if name == DOWN:
        return partial(ward.guest.run, f"{ip} {eth} down"), partial(ward.guest.run, f"{ip} {eth} up")
    return partial(ward.pull, nic), partial(ward.plug, nic)


@_once
def _silent(run: Run) -> Measured:
    """Paths that die while the carrier stays."""
    after = {probing(t): LATE + t / 1000 for t in TIMES} | {monitor(i): LATE + 3 * i / 1000 for i in TIMES.values()}
    watch = "arp_ip_target {client} arp_validate all"
    ways = [_ours(probing(detection_time), 2, detection_time) for detection_time in TIMES]
    ways += [_bond(monitor(interval), f"arp_interval {interval} {watch}") for interval in TIMES.values()]
    found: Dict[str, List[Outage]] = {way.name: [] for way in ways}
    renewed = {probing(detection_time): 0 for detection_time in TIMES}
    with Ward(ways) as ward:
        for _ in range(run.rounds()):
            for name in ward.ways:
                if name in renewed:
                    renewed[name] += ward.renew(name)
                nic = ward.serving(name)
                if name in renewed:
                    (other,) = {*ward.nics(name)} - {nic}
                    ward.wait(name, other, lambda its: its["state"] == "ok")
                found[name].append(outage(ward.host, ward.address(name), after[name], partial(ward.cut, nic)))
                ward.mend(nic)
    return Measured(found, renewed)


def _figures(found: Measured, ours: str, peers: Sequence[str], note: str, unit: float = 1000 / RATE) -> Figures:
    outages = found.outages
    values = {name: [each.lost * unit for each in outages[name]] for name in (ours, *peers)}
    late = {name: sum(not each.ended for each in outages[name]) for name in (ours, *peers)}
    more = [f"{name} did not recover in time in {count} rounds" for name, count in late.items() if count]
    renewed = found.renewed.get(ours)
    if renewed:
        more.append(f"before {renewed} rounds {ours} had lengthened its detection time and was started anew")
    waits = {"ours": outages[ours], "peers": [each for name in peers for each in outages[name]]}
    details = {f"longest_wait_median_{who}": statistics.median(each.ms for each in its) for who, its in waits.items()}
    theirs = {name: values[name] for name in peers}
    return Figures(values[ours], "; ".join((note, *more)), details, theirs)


def carrier_loss(peer: str, run: Run) -> Figures:
    """ms of requests without an answer after a NIC of the guest has lost its carrier."""
    note = f"{GUEST}; one NIC active, the others standby, none returns by itself; QEMU takes the link away"
    return _figures(_links(run), OURS, [peer], f"{note}; {SLOW}")._replace(why=TRACED)


def planned_move(run: Run) -> Figures:
    """Requests without an answer while a NIC is taken out of use."""
    note = f"{GUEST}; if_mpadm's request beside a change of the active slave and the old one set down"
    return _figures(_links(run), OFFLINE, [CHANGE, DOWN], note, 1.0)


def silent_loss(detection_time: int, run: Run) -> Figures:
    """ms of requests without an answer after the switch has stopped to forward for a NIC of the guest."""
    interval = TIMES[detection_time]
    note = f"{GUEST}; detection time {detection_time} ms, one target; the ARP monitor asks the same one every "
    note += f"{interval} ms, validates all, and fails a NIC after two to three intervals; {SLOW}; late answers there "
    note += "make ours lengthen its detection time for a minute or more, which the ARP monitor does not do"
    return _figures(_silent(run), probing(detection_time), [monitor(interval)], note)


def _rows() -> Iterator[Row]:
    goals = {"bond_miimon1": 1.0, "bond_miimon100": 0.3}
    for what, peer in (*((f"bond_miimon{i}", miimon(i)) for i in MIIMON), ("bond_alb", ALB), ("team", TEAM)):
        title, goal = f"carrier loss in a guest, beside {peer}", goals.get(what)
        yield Row(f"carrier_loss_vs_{what}", title, "ms", partial(carrier_loss, peer), goal, "ratio", part=PART)
    yield Row("planned_move_vs_bond", "planned move in a guest", "requests", planned_move, part=PART)
    for detection_time in TIMES:
        end = "" if detection_time == 100 else f"_fdt{detection_time}"
        title = f"silent loss in a guest, at {detection_time} ms beside an ARP monitor of as long"
        yield Row(f"silent_loss_vs_bond_arp{end}", title, "ms", partial(silent_loss, detection_time), part=PART)


ROWS: Tuple[Row, ...] = tuple(_rows())
