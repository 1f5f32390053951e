# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode of what takes NICs out of use, and of the ends of transactions: it says what a run then does.

A seed is a walk through offline, online, detach, attach, changes that wait to be confirmed, and their ends, in any
order and so mostly at the wrong moment: a refusal has to be foretold as well. ``TRUTHFUL_SEEDS`` walks (half of them
here), ``TRUTHFUL_STEPS`` and ``TRUTHFUL_FIRST`` as in test_truthful.
"""

from __future__ import annotations

import random
from typing import Any, Dict, Iterator, List, Mapping, Optional

import pytest
from asking import call
from modules import Modules, Result
from namespaces import eventually
from test_truthful import FIRST, LAB, SEEDS, STEPS, diff_of, in_order, moves_between, shown
from wishes import Task

from lab import Host, Lab, inventory

pytestmark = pytest.mark.kernel
TOLD = ("changed", "moves", "files", "diff", "failed", "msg", "reason", "refusals", "lost", "messages", "rolled_back")


def group(failback: bool = True, last: int = 11) -> Dict[str, Any]:
    """Two members and a standby."""
    return {
        "name": "lan",
        "failback": failback,
        "interfaces": [
            {"name": "eth1", "data_addresses": [f"192.0.2.{last}/24", "2001:db8::11/64"]},
            {"name": "eth2", "data_addresses": ["192.0.2.12/24"]},
            {"name": "eth3", "standby": True},
        ],
    }


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with the daemon and the group."""
    with Lab(LAB) as lab:
        path = tmp_path_factory.mktemp("inventory") / "hosts.yml"
        lab.write_inventory(path, {"h1": {"ipmp_groups": [group()]}})
        done = inventory.ansible(lab.controller, "netpath.ipmp.setup", "-i", str(path))
        assert done.returncode == 0, done.stdout + done.stderr
        host = lab.hosts["h1"]
        host.run("for f in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 >$f; done")
        # Link-local addresses whose detection had begun by then are announced when it ends, by nobody's doing.
        assert eventually(lambda: "tentative" not in host.run("ip -6 addr").stdout, 20)
        yield host


@pytest.fixture
def modules(host: Host) -> Iterator[Modules]:
    """The host in order: nothing open, nothing out of use."""
    with Modules(host) as made:
        made.run("ipmp_dr", state="rolled_back")
        made.run("ipmp_config", state="rolled_back")
        for nic in ("eth1", "eth2", "eth3"):
            made.run("ipmp_offline", interface=nic, state="online")
            made.run("ipmp_dr", component=nic, state="attached")
        made.run("ipmp_config", groups=[group()])
        yield made


class Walk:
    """What is done next, from a seed; ``transaction`` is the last one that a task returned."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.transaction: Optional[str] = None

    def task(self) -> Task:
        nic = self.chance.choice(["eth1", "eth2", "eth3"])
        kind = self.chance.choice(["offline", "offline", "dr", "dr", "dr", "config", "end", "end", "end"])
        if kind == "offline":
            return Task("ipmp_offline", {"interface": nic, "state": self.chance.choice(["offline", "online"])})
        if kind == "config":
            wanted = group(self.chance.random() < 0.6, self.chance.choice([11, 13]))
            return Task("ipmp_config", {"groups": [wanted], "confirm_timeout": self.chance.choice([0, 120])})
        if kind == "end":
            state = self.chance.choice(["confirmed", "rolled_back"])
            return Task(
                self.chance.choice(["ipmp_dr", "ipmp_config"]),
                {"state": state, "transaction": self.transaction or "nosuch"},
            )
        options = {"component": nic, "state": self.chance.choice(["detached", "detached", "attached"])}
        if options["state"] == "detached":
            options.update(force=self.chance.random() < 0.3, confirm_timeout=self.chance.choice([0, 120]))
        return Task("ipmp_dr", options)


def said(result: Mapping[str, Any]) -> Dict[str, Any]:
    return {key: result[key] for key in TOLD if key in result}


def foretold(modules: Modules, task: Task) -> Result:
    """The result of a run, after check mode has said the same and touched nothing."""
    assert eventually(modules.quiet, 20)
    before = modules.see()
    modules.told()
    checked = modules.run(task.module, check=True, **task.options)
    assert (modules.see(), modules.told()) == (before, []), "check mode touched something"
    done = modules.run(task.module, **task.options)
    after = modules.see()
    assert said(done) == said(checked)
    if done.get("failed") or not done["changed"]:
        assert (after, modules.told()) == (before, []), "it touched something and did not say so"
    else:
        assert in_order(done["moves"]) == moves_between(before, after)
        assert shown(done) == diff_of(before.texts, after.texts, done["moves"])
    return done


@pytest.mark.parametrize("seed", range(FIRST, FIRST + (SEEDS + 1) // 2))
def test_check_mode_foretells_what_is_taken_out_of_use(host: Host, modules: Modules, seed: int) -> None:
    walk, history = Walk(seed), []
    try:
        for _ in range(STEPS):
            task = walk.task()
            history.append(task)
            done = foretold(modules, task)
            walk.transaction = done.get("transaction") or walk.transaction
            again = foretold(modules, task)
            assert done.get("failed") or again.get("failed") or not again["changed"]
    except AssertionError as problem:
        story = "\n".join(map(str, history))
        told: List[Any] = [call(host, "status"), call(host, "transactions")]
        raise AssertionError(f"seed {seed}, after\n{story}\n{problem}\n{told}") from problem


ROUND: List[Task] = [
    Task("ipmp_offline", {"interface": "eth1", "state": "offline"}),
    Task("ipmp_offline", {"interface": "eth1", "state": "online"}),
    Task("ipmp_dr", {"component": "eth1"}),
    Task("ipmp_dr", {"component": "eth1", "state": "attached"}),
    Task("ipmp_dr", {"component": "eth1", "confirm_timeout": 120}),
    Task("ipmp_dr", {"state": "rolled_back"}),
    Task("ipmp_config", {"groups": [group(last=13)], "confirm_timeout": 120}),
    Task("ipmp_config", {"state": "rolled_back"}),
]


def test_check_mode_foretells_each_step_there_and_back(modules: Modules) -> None:
    """Where every step succeeds, none is without moves to be foretold."""
    for task in ROUND:
        done = foretold(modules, task)
        assert (done.get("msg"), done["changed"]) == (None, True), task
        assert {move["address"] for move in done["moves"]} >= {"192.0.2.11"}, task
