# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbook setup beside a play that only pings, on the same hosts in turn; and its comparison of a large inventory."""

from __future__ import annotations

import contextlib
import json
import resource
import statistics
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from lab import Lab, describe, inventory

from .row import BenchError, Figures, Run

FORKS = "10"
PING = """\
- name: Ping
  hosts: ipmp
  gather_facts: false
  tasks:
    - name: Ping
      ansible.builtin.ping:
"""
ABOUT = (
    f"wall time of ansible-playbook with {FORKS} forks, hosts and controller on one machine; beside it a play of one "
    "task, ansible.builtin.ping; cpu_s: processor time of controller and hosts together"
)


Cost = Tuple[float, float]  # wall time, processor time; s


class Stage:
    """A lab of some hosts with an inventory, and a playbook that pings them."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.inventory, self.pings = lab, folder / "inventory.yml", folder / "ping.yml"
        groups = {name: {"ipmp_groups": _groups(number)} for number, name in enumerate(lab.hosts, 1)}
        lab.write_inventory(self.inventory, groups)
        self.pings.write_text(PING, encoding="ascii")

    def setup(self) -> Cost:
        """(wall time, processor time) in s."""
        return self._play("netpath.ipmp.setup")

    def ping(self) -> Cost:
        """(wall time, processor time) in s."""
        return self._play(str(self.pings))

    def _play(self, playbook: str) -> Cost:
        return _timed(self.inventory, playbook, 0)


def _timed(hosts: Path, playbook: str, code: int) -> Cost:
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = inventory.ansible(None, "-i", str(hosts), "--forks", FORKS, playbook)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != code:
        raise BenchError(f"{playbook} ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began, cpu


@contextlib.contextmanager
def stage(hosts: int) -> Iterator[Stage]:
    """Fresh hosts, which nothing has been done to."""
    with tempfile.TemporaryDirectory() as folder, Lab(describe(hosts=hosts, nics=2)) as lab:
        yield Stage(lab, Path(folder))


class Pair(NamedTuple):
    """Setup and the ping before it, one of each a round: (wall time, processor time) in s."""

    ours: List[Cost]
    pings: List[Cost]

    def round(self, on: Stage) -> None:
        """Measure one."""
        self.pings.append(on.ping())
        self.ours.append(on.setup())


@cache
def _measured(hosts: int, usual: int, again: int, run: Run) -> Tuple[Pair, Pair]:
    """First runs, each on fresh hosts, and the second runs that follow each of them. Two rows are made of it."""
    first, second = Pair([], []), Pair([], [])
    for _ in range(run.rounds(usual)):
        with stage(hosts) as fresh:
            first.round(fresh)
            for _ in range(run.rounds(again)):
                second.round(fresh)
    return first, second


def first_run(hosts: int, usual: int, again: int, run: Run) -> Figures:
    """s of a first setup, on fresh hosts each round, each time after a ping."""
    about = f"{hosts} hosts without anything of ours: daemon sent and started, group made; {ABOUT}"
    return _figures(_measured(hosts, usual, again, run)[0], about, hosts)


def second_run(hosts: int, usual: int, again: int, run: Run) -> Figures:
    """s of a setup that changes nothing, so many times after each first one, each time after a ping."""
    about = f"{hosts} hosts that are as they should be; {ABOUT}"
    return _figures(_measured(hosts, usual, again, run)[1], about, hosts)


def _figures(measured: Pair, note: str, hosts: int) -> Figures:
    ours, pings = measured
    details = {
        "cpu_s": round(statistics.median(cpu for _wall, cpu in ours), 2),
        "ping_cpu_s": round(statistics.median(cpu for _wall, cpu in pings), 2),
    }
    why = (
        f"Setup takes {details['cpu_s'] / hosts:.2f} s of processor time for each host, the ping "
        f"{details['ping_cpu_s'] / hosts:.2f} s."
    )
    return Figures([wall for wall, _cpu in ours], note, details, {"ping": [wall for wall, _cpu in pings]}, why)


def preflight(hosts: int, usual: int, run: Run) -> Figures:
    """s until setup has found the one mistake in a large inventory and stopped, without having asked any host."""
    entries: Dict[str, Any] = {f"h{number}": {"ipmp_groups": _groups(number)} for number in range(1, hosts + 1)}
    entries["h1"] = entries["h2"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inventory.json"
        path.write_text(json.dumps({"ipmp": {"hosts": entries}}), encoding="ascii")
        found = [_timed(path, "netpath.ipmp.setup", 2) for _ in range(run.rounds(usual))]
    cpu = round(statistics.median(cpu for _wall, cpu in found), 2)
    note = "wall time of ansible-playbook: the inventory is read, its hosts are compared, and the mistake is told"
    return Figures([wall for wall, _cpu in found], note, {"cpu_s": cpu})


def _groups(number: int) -> List[Dict[str, Any]]:
    high, low = number // 250, number % 250 + 1
    addresses = [f"10.0.{high}.{low}/16", f"10.0.{high + 100}.{low}/16"]
    interfaces = [{"name": f"eth{n}", "data_addresses": [address]} for n, address in enumerate(addresses, 1)]
    return [{"name": "lan", "interfaces": interfaces}]
