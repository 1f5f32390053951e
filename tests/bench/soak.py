# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Eight NICs with five targets each at a detection time of 100 ms on a machine without an idle core: nobody may fail.

    python -m bench.soak [SECONDS]

in the folder tests, as root, runs it alone; the exit code is 1 if a failure was seen.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from typing import Dict, List

from bed import Bed, eventually

from . import daemon, load
from .row import Figures, Run

NICS, DUAL = 8, 4  # so many members; so many of them probe both families, the others IPv4 only
SECONDS, USUAL, QUICK_SECONDS = 600.0, 30.0, 20.0
TARGETS = [f"192.0.2.{last}" for last in range(201, 206)]
TARGETS6 = [f"fe80::{last}" for last in range(201, 206)]
FAILURE = r"NIC failure detected on .*|All Interfaces in group .* have failed"
PROGRESS = 60.0  # s


def files() -> Dict[str, str]:
    """Of a group of all NICs."""
    found = {}
    for number in range(1, NICS + 1):
        test = f"addif 192.0.2.{110 + number}/24 deprecated -failover up"
        found[f"hostname.eth{number}"] = f"192.0.2.{10 + number}/24 group g up {test}\n"
        if number <= DUAL:
            found[f"hostname6.eth{number}"] = "group g -failover up\n"
    return found


def counts(bed: Bed) -> Dict[str, int]:
    """Probes since the daemon began."""
    instances = [i for nic in bed.status()["interfaces"] for i in nic["probing"]]
    found = {what: sum(i[what] for i in instances) for what in ("sent", "acked", "lost", "unknown")}
    since = bed.log.mark()
    bed.signal(signal.SIGUSR1)
    missed = re.search(r"of (\d+) probes", bed.log.wait("^Missed sending total of .*", since).text)
    assert missed is not None
    return {**found, "missed": int(missed[1])}


def false_failures(run: Run) -> Figures:
    """How many NICs or groups were said to have failed. BENCH_SOAK is for how many seconds, if not as many as usual."""
    seconds = float(os.environ.get("BENCH_SOAK", USUAL))
    return soak(min(seconds, QUICK_SECONDS) if run.quick else seconds, run)


def soak(seconds: float, run: Run) -> Figures:
    """As false_failures, for so long."""
    with Bed(nics=NICS) as bed:
        addresses = [f"addr add {ip}/24 dev c0" for ip in TARGETS]
        bed.client.ip(*addresses, *(f"addr add {ip}/64 dev c0 nodad" for ip in TARGETS6))
        groups = f"[g]\ntargets = {', '.join(TARGETS + TARGETS6)}\n"
        bed.start(files(), groups=groups, defaults="FAILURE_DETECTION_TIME=100\n")

        def answered() -> bool:
            instances = [i for nic in bed.status()["interfaces"] for i in nic["probing"]]
            return len(instances) == NICS + DUAL and all(len(i["targets"]) == 5 and i["acked"] > 20 for i in instances)

        eventually(answered, lambda: f"answers from five targets each: {bed.status()['interfaces']}")
        realtime = os.sched_getscheduler(daemon.pid_of(bed)) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR
        scheduling = "with real-time scheduling" if realtime else "without real-time scheduling"
        since = bed.log.mark()
        with load.burners():
            meter, before, began = load.Meter(), counts(bed), time.monotonic()
            while (left := began + seconds - time.monotonic()) > 0:
                time.sleep(min(left, PROGRESS))
                failures = _failures(bed, since)
                run.say(f"  {time.monotonic() - began:.0f} of {seconds:.0f} s, {len(failures)} false failures")
            after, took, busy = counts(bed), time.monotonic() - began, meter.read()["busy"]
        slower = [text for text in bed.log.texts(since) if "detection time" in text]
        failures = _failures(bed, since)
    done = {what: after[what] - before[what] for what in after}
    note = f"{took:.0f} s of the real daemon ({scheduling}), four NICs probe both families, four IPv4 only; "
    note += f"the machine's cores were {busy:.0f} % busy; "
    note += f"{done['sent']} probes sent, {done['lost']} lost, {done['missed']} missed (not sent, "
    note += "since we came too late for them; they say nothing)"
    if slower:
        note += f"; {len(slower)} times the detection time was adapted: {slower[0]}"
    if failures:
        note += f"; the first failure: {failures[0]}"
    return Figures([float(len(failures))], note, {"seconds": round(took), "busy_percent": busy, **done})


def _failures(bed: Bed, since: int) -> List[str]:
    return [text for text in bed.log.texts(since) if re.fullmatch(FAILURE, text)]


def main() -> int:
    """The soak alone."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    figures = soak(seconds, Run(False, lambda text: print(text, flush=True)))
    print(f"{figures.values[0]:.0f} false failures; {figures.note}")
    return 1 if figures.values[0] else 0


if __name__ == "__main__":
    sys.exit(main())
