# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All rows of the bench, in the order in which they are measured: the longest comes last."""

from __future__ import annotations

from functools import partial
from typing import Iterator, Tuple

from . import bonds
from .daemon import idle_cpu, rss
from .failover import FAST, carrier_loss, repair, second_loss
from .planned import gap, lost
from .playbook import first_run, preflight, second_run
from .prober_cpu import probe_cpu
from .row import Row
from .silent import silent_loss
from .soak import false_failures
from .startup import imported, start, status, status_of_addresses

LAST, CPU = "carrier loss to the last announcement", "% of a core"
FAILOVER, SILENT, PLANNED = "A cable is pulled", "A path is silent", "A card is taken out and put back"
COST, PROBING, ANSWERS, PLAYS = "Idle", "Probing", "Start and status", "Playbooks"
NO_LINK = {"FRR BFD": "looks at a path, not at a cable, and moves no address"}
NO_DETACH = {"FRR BFD": "moves no address, and has nothing to do with cards"}
ONE_NIC = {"keepalived, FRR BFD": "know no group of NICs; what they do begins when the host's only way is lost"}
CARDS = {1: "", 2: "_two_nics"}  # NICs on the card
HOSTS = {1: (5, 4), 10: (3, 2), 50: (3, 1)}  # first runs, and second runs after each: fifty hosts take minutes


def _probing() -> Iterator[Row]:
    usual = {100: (40, 5600), 1000: (40, 560), 4000: (40, 140)}  # a second: NICs, detection time
    for rate, (nics, detection_time) in usual.items():
        goal = 3.0 if rate == 1000 else None
        measure = partial(probe_cpu, nics, detection_time)
        yield Row(f"probe_cpu_{rate}_per_s", f"probing, {rate} probes/s", CPU, measure, goal, part=PROBING)
    for name, detection_time in (("fdt100", 100), ("default", 10000)):
        title = f"probing, 8 NICs at {detection_time} ms"
        measure = partial(probe_cpu, 8, detection_time, beside=30 if detection_time == 100 else 0)
        yield Row(f"probe_cpu_{name}_8_nics", title, CPU, measure, part=PROBING)


def _idle() -> Iterator[Row]:
    for name, words, probing in (("", "link-only", False), ("_probing", "default probing", True)):
        memory = f"memory of the daemon, {words}"
        yield Row(f"daemon_rss{name}", memory, "MiB", partial(rss, probing), 32.0, part=COST)
        for nics in (2, 8, 40) if not probing else (8,):
            goal = 0.5 if nics == 8 and not probing else None
            title, measure = f"idle daemon of {nics} NICs, {words}", partial(idle_cpu, probing, nics=nics)
            yield Row(f"daemon_idle_cpu_{nics}_members{name}", title, CPU, measure, goal, part=COST)


def _failover() -> Iterator[Row]:
    goals = {1: 0.8, 100: 1.5, 1000: 6.0, 4000: 20.0}
    adverts = {1: (FAST, 1.0), 100: (FAST,), 1000: (FAST,)}
    for count in (1, 10, 100, 1000, 4000):
        title = f"{LAST}, {count} address{'es' if count > 1 else ''}"
        measure = partial(carrier_loss, count, adverts=adverts.get(count, ()))
        yield Row(f"failover_{count}_addresses", title, "ms", measure, goals.get(count), part=FAILOVER, cannot=NO_LINK)
    for count in (1, 10, 100):
        title = f"{LAST}, {count} IPv6 address{'es' if count > 1 else ''}"
        measure = partial(carrier_loss, count, family=6, adverts=(FAST,) if count == 100 else ())
        yield Row(f"failover_v6_{count}_addresses", title, "ms", measure, part=FAILOVER, cannot=NO_LINK)
    for nics in (8, 40):
        title, measure = f"{LAST}, 1 address, {nics} NICs", partial(carrier_loss, 1, nics=nics)
        yield Row(f"failover_1_addresses_{nics}_nics", title, "ms", measure, part=FAILOVER, cannot=ONE_NIC)
    busy = partial(carrier_loss, 10, busy=True)
    title = f"{LAST}, 10 addresses, no core idle"
    yield Row("failover_10_addresses_busy", title, "ms", busy, 5.0, "p99", part=FAILOVER, cannot=NO_LINK)
    tap = partial(carrier_loss, 10, kind="tap")
    yield Row("failover_10_addresses_tap", f"{LAST}, 10 addresses, batched like a card's", "ms", tap, part=FAILOVER)
    title = "second carrier loss within a second, to the announcement"
    yield Row("second_loss_tap", title, "ms", second_loss, 15.0, part=FAILOVER, cannot=ONE_NIC)
    title = "the cable is back, to the announcement at home"
    yield Row("repair", title, "ms", repair, part=FAILOVER, cannot=ONE_NIC)


def _silent() -> Iterator[Row]:
    yield Row("silent_loss_fdt100_vs_bfd", "silent loss at 100 ms", "ms", partial(silent_loss, 100), 110.0, part=SILENT)
    for targets in (1, 5):
        title = f"silent loss at 100 ms, {targets} target{'s' if targets > 1 else ''}"
        measure = partial(silent_loss, 100, targets=targets, compared=False)
        yield Row(f"silent_loss_fdt100_{targets}_targets", title, "ms", measure, part=SILENT)
    for detection_time in (300, 1000):
        title, measure = f"silent loss at {detection_time} ms", partial(silent_loss, detection_time)
        yield Row(f"silent_loss_fdt{detection_time}", title, "ms", measure, part=SILENT)


def _answers() -> Iterator[Row]:
    for count in (1, 1000, 4000):
        title = f"start with {count} address{'es' if count > 1 else ''}, until all are there"
        yield Row(f"daemon_start_{count}_addresses", title, "ms", partial(start, count), part=ANSWERS)
    yield Row("daemon_import", "import of the daemon", "ms", imported, part=ANSWERS)
    for groups in (1, 16, 64):
        title = f"the control socket's status of {groups} group{'s' if groups > 1 else ''}"
        yield Row(f"status_{groups}_groups", title, "ms", partial(status, groups), part=ANSWERS)
    for count in (1000, 4000):
        title, measure = f"the control socket's status of {count} addresses", partial(status_of_addresses, count)
        yield Row(f"status_{count}_addresses", title, "ms", measure, part=ANSWERS)


def _planned() -> Iterator[Row]:
    for nics, more in CARDS.items():
        cannot = NO_DETACH if nics == 1 else {**NO_DETACH, **ONE_NIC}
        for family in (4, 6):
            name, title = f"planned_move_v{family}{more}", f"planned detach and reattach, IPv{family}, {nics} NIC"
            title += "s" if nics > 1 else ""
            measure = partial(lost, family, nics)
            yield Row(f"{name}_lost", title, "datagrams", measure, 0.0, "max", part=PLANNED, cannot=cannot)
            title += ": longest gap"
            yield Row(f"{name}_gap", title, "ms", partial(gap, family, nics), part=PLANNED, cannot=cannot)


def _plays() -> Iterator[Row]:
    for hosts, (first, again) in HOSTS.items():
        end = {1: "_1_host", 10: "_10_hosts", 50: ""}[hosts]
        words = f"{hosts} hosts" if hosts > 1 else "a host"
        measure = partial(first_run, hosts, first, again)
        yield Row(f"setup_first_run_vs_ping{end}", f"first setup of {words}", "s", measure, part=PLAYS)
        measure = partial(second_run, hosts, first, again)
        title = f"second setup of {words}"
        yield Row(f"setup_second_run_vs_ping{end}", title, "s", measure, 2.5, "ratio", part=PLAYS)
    for hosts, goal in ((200, None), (2000, 30.0)):
        title, measure = f"an inventory of {hosts} hosts compared", partial(preflight, hosts, 1 if hosts > 1000 else 3)
        yield Row(f"setup_preflight_{hosts}_hosts", title, "s", measure, goal, part=PLAYS)


SOAK = Row(
    "false_failures_fdt100_8_nics_5_targets", "false failures under load", "failures", false_failures, 0.0, part=SILENT
)
ROWS: Tuple[Row, ...] = (
    *_probing(),
    *_idle(),
    *_failover(),
    *_silent(),
    *_answers(),
    *_planned(),
    *bonds.ROWS,
    *_plays(),
    SOAK,
)
