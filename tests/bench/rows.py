# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All rows of the bench, in the order in which they are measured: the longest comes last."""

from __future__ import annotations

from functools import partial
from typing import Iterator, Tuple

from . import bonds
from .daemon import idle_cpu, rss
from .failover import carrier_loss, repair, second_loss
from .planned import gap, lost
from .playbook import first_run, preflight, second_run
from .prober_cpu import probe_cpu
from .row import Row
from .silent import silent_loss
from .soak import false_failures
from .startup import imported, start, status

LAST, CPU = "carrier loss to the last announcement", "% of a core"
PLANNED = {"": 1, "_two_nics": 2}  # NICs on the card


def _planned() -> Iterator[Row]:
    for more, nics in PLANNED.items():
        for family in (4, 6):
            name, title = f"planned_move_v{family}{more}", f"planned detach and reattach, IPv{family}, {nics} NIC"
            title += "s" if nics > 1 else ""
            yield Row(f"{name}_lost", title, "datagrams", partial(lost, family, nics), 0.0, "max")
            yield Row(f"{name}_gap", f"{title}: longest gap", "ms", partial(gap, family, nics))


ROWS: Tuple[Row, ...] = (
    Row("probe_cpu_1000_per_s", "probing, 1000 probes/s", CPU, partial(probe_cpu, 40, 560, 3.0), 3.0),
    Row("probe_cpu_fdt100_8_nics", "probing, 8 NICs at 100 ms", CPU, partial(probe_cpu, 8, 100, 3.0)),
    Row("probe_cpu_default_8_nics", "probing, 8 NICs at default settings", CPU, partial(probe_cpu, 8, 10000, 4.0)),
    Row("daemon_rss", "memory of the daemon, link-only", "MiB", partial(rss, False), 32.0),
    Row("daemon_rss_probing", "memory of the daemon, default probing", "MiB", partial(rss, True), 32.0),
    Row("daemon_idle_cpu_8_members", "idle daemon, link-only", CPU, partial(idle_cpu, False), 0.5),
    Row("daemon_idle_cpu_8_members_probing", "idle daemon, default probing", CPU, partial(idle_cpu, True)),
    Row("failover_1_addresses", f"{LAST}, 1 address", "ms", partial(carrier_loss, 1, 20, adverts=(0.03, 1)), 0.8),
    Row("failover_10_addresses", f"{LAST}, 10 addresses", "ms", partial(carrier_loss, 10, 20)),
    Row(
        "failover_10_addresses_busy",
        f"{LAST}, 10 addresses, no core idle",
        "ms",
        partial(carrier_loss, 10, 20, busy=True),
        5.0,
        "p99",
    ),
    Row("failover_100_addresses", f"{LAST}, 100 addresses", "ms", partial(carrier_loss, 100, 20), 1.5),
    Row("failover_1000_addresses", f"{LAST}, 1000 addresses", "ms", partial(carrier_loss, 1000, 20), 6.0),
    Row(
        "failover_10_addresses_tap",
        f"{LAST}, 10 addresses, batched like a card's",
        "ms",
        partial(carrier_loss, 10, 20, kind="tap"),
    ),
    Row("failover_4000_addresses", f"{LAST}, 4000 addresses", "ms", partial(carrier_loss, 4000, 20), 20.0),
    Row(
        "second_loss_tap",
        "second carrier loss within a second, to the announcement",
        "ms",
        partial(second_loss, 20),
        15.0,
    ),
    Row("repair", "the cable is back, to the announcement at home", "ms", partial(repair, 20)),
    Row("silent_loss_fdt100_vs_bfd", "silent loss at 100 ms", "ms", partial(silent_loss, 100, 20), 110.0),
    Row("silent_loss_fdt300", "silent loss at 300 ms", "ms", partial(silent_loss, 300, 20)),
    Row("silent_loss_fdt1000", "silent loss at 1000 ms", "ms", partial(silent_loss, 1000, 20)),
    Row(
        "daemon_start_1000_addresses", "start with 1000 addresses, until all are there", "ms", partial(start, 1000, 20)
    ),
    Row("daemon_import", "import of the daemon", "ms", partial(imported, 20)),
    Row("status_64_groups", "the control socket's status of 64 groups", "ms", partial(status, 64, 50)),
    *_planned(),
    *bonds.ROWS,
    Row("setup_first_run_vs_ping_1_host", "first setup of a host", "s", partial(first_run, 1, 5)),
    Row("setup_second_run_vs_ping_1_host", "second setup of a host", "s", partial(second_run, 1, 5)),
    Row("setup_first_run_vs_ping", "first setup of 50 hosts", "s", partial(first_run, 50, 2)),
    Row("setup_second_run_vs_ping", "second setup of 50 hosts", "s", partial(second_run, 50, 3)),
    Row("setup_preflight_2000_hosts", "an inventory of 2000 hosts compared", "s", partial(preflight, 2000, 3), 30.0),
    Row("false_failures_fdt100_8_nics_5_targets", "false failures under load", "failures", false_failures, 0.0),
)
