# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random tasks for the modules that declare, and random things that people do to a host in between."""

from __future__ import annotations

import random
from typing import Any, Callable, Dict, List, NamedTuple, Optional

NICS = ("eth1", "eth2", "eth3")
ABSENT = "eth9"  # no host has it
GROUPS = {"lan": ("192.0.2", "2001:db8"), "side": ("198.51.100", "2001:db8:51")}


class Task(NamedTuple):
    """A module and its options."""

    module: str
    options: Dict[str, Any]


class Wishes:
    """What one walk through the states of a host does next, from a seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def chosen(self, percent: int) -> bool:
        """True in so many cases of a hundred."""
        return self.chance.random() * 100 < percent

    def some(self, things: Any, most: int, least: int = 0) -> List[Any]:
        """A few of these things, in their order."""
        taken = self.chance.sample(list(things), self.chance.randint(least, min(most, len(things))))
        return [thing for thing in things if thing in taken]

    # -- tasks

    def task(self) -> Task:
        """Any task of a module that declares."""
        kinds: List[Callable[[], Task]] = [
            self.config,
            self.config,
            self.config,
            self.group,
            self.group,
            self.interface,
            self.interface,
            self.address,
            self.address,
            self.address,
        ]
        task = self.chance.choice(kinds)()
        return Task(task.module, {**task.options, "wait_timeout": 2, **({"apply": False} if self.chosen(12) else {})})

    def config(self) -> Task:
        """ipmp_config with all groups, and perhaps more."""
        nics = self.some((*NICS, *([ABSENT] if self.chosen(15) else [])), 4)
        cut = len(nics) if self.chosen(70) else self.chance.randint(0, len(nics))
        options: Dict[str, Any] = {"groups": [], "purge": self.chosen(40)}
        for name, members in (("lan", nics[:cut]), ("side", nics[cut:])):
            if members:
                options["groups"].append({"name": name, **self.body(name, members)})
        if self.chosen(20):
            options["defaults"] = {"failback": self.chosen(50), "failure_detection_time": 5000}
        if self.chosen(15):
            nic = self.chance.choice(NICS)
            options["files"] = {f"/etc/hostname.{nic}": f"# by hand\n{self.cidr('lan', 4)} group lan up\n"}
        return Task("ipmp_config", options)

    def group(self) -> Task:
        """One group as it shall be, or none."""
        name = self.chance.choice(sorted(GROUPS))
        if self.chosen(25):
            return Task("ipmp_group", {"name": name, "state": "absent"})
        return Task("ipmp_group", {"name": name, **self.body(name, self.some(NICS, 3, 1))})

    def interface(self) -> Task:
        """One member, changed in a few ways."""
        options: Dict[str, Any] = {"name": self.chance.choice(NICS)}
        if self.chosen(25):
            return Task("ipmp_interface", {**options, "state": "absent"})
        group = self.chance.choice(["lan", "lan", "lan", "side"])
        if self.chosen(70):
            options["group"] = group
        if self.chosen(40):
            options["standby"] = self.chosen(50)
        if self.chosen(50):
            options["data_addresses"] = self.cidrs(group, 2)
        if self.chosen(30):
            options["test_addresses"] = self.tests(group)
        return Task("ipmp_interface", options)

    def address(self) -> Task:
        """One address, there or not; mostly one that is on the host as something else."""
        group = self.chance.choice(["lan", "lan", "side"])
        return Task(
            "ipmp_address",
            {
                "address": self.cidr(group, self.chance.choice([4, 4, 6])),
                "interface": self.chance.choice(NICS),
                "type": self.chance.choice(["data", "data", "test"]),
                "state": self.chance.choice(["present", "present", "absent"]),
            },
        )

    def body(self, name: str, members: List[str]) -> Dict[str, Any]:
        """What a group consists of, besides its name."""
        four, six = GROUPS[name]
        body: Dict[str, Any] = {"interfaces": [self.member(name, nic) for nic in members]}
        if self.chosen(40):
            body["gateways"] = self.some([f"{four}.254", f"{six}::254"], 2, 1)
        if self.chosen(20):
            body["routes"] = [{"to": "203.0.113.0/24", "via": f"{four}.253"}]
        if self.chosen(20):
            body["targets"] = [f"{four}.250"]
        if self.chosen(20):
            body["failure_detection_time"] = self.chance.choice([1000, 5000])
        if self.chosen(20):
            body["failback"] = self.chosen(50)
        return body

    def member(self, group: str, name: str) -> Dict[str, Any]:
        """One entry of ``interfaces``."""
        found: Dict[str, Any] = {"name": name, "data_addresses": self.cidrs(group, 2)}
        if self.chosen(25):
            found["standby"] = True
        if self.chosen(25):
            found["test_addresses"] = self.tests(group)
        if self.chosen(15):
            found["mtu"] = self.chance.choice([1400, 1500])
        if self.chosen(10):
            found["extra"] = ["private"]
        return found

    def tests(self, group: str) -> List[str]:
        """Test addresses."""
        return self.some([self.cidr(group, 4), "link-local"], 2)

    def cidrs(self, group: str, most: int) -> List[str]:
        """Addresses, none of them twice."""
        return sorted({self.cidr(group, self.chance.choice([4, 4, 6])) for _ in range(self.chance.randint(0, most))})

    def cidr(self, group: str, family: int) -> str:
        """One of few, so that tasks speak of the same ones."""
        four, six = GROUPS[group]
        last = self.chance.randint(11, 16)
        return f"{four}.{last}/24" if family == 4 else f"{six}::{last}/64"

    # -- what people do

    def edit(self, texts: Dict[str, str]) -> Optional[Dict[str, Optional[str]]]:
        """A change of a file that people make by hand, None for one that they remove; nothing in most cases."""
        paths = [path for path in texts if path.startswith("/etc/hostname")]
        nic = self.chance.choice(NICS)
        edits: List[Dict[str, Optional[str]]] = [
            {f"/etc/hostname.{nic}": f"{self.cidr('side', 4)} up\n"},
            {f"/etc/hostname6.{nic}": f"addif {self.cidr('side', 6)} up\n"},
            {f"/etc/hostname.{nic}:1": f"{self.cidr('lan', 4)} group lan up\n"},
            {"/etc/ipmp/groups.conf": f"# ours\n[lan]\ntargets = 192.0.2.{self.chance.randint(240, 249)}\n"},
            {f"/etc/hostname.{nic}": f"group lan\n# a comment\n{self.cidr('lan', 4)} down private\n"},
        ]
        for path in self.some(paths, 1):
            edits += [{path: texts[path] + "# seen\n"}, {path: None}, {path: texts[path].replace("group lan", "")}]
        return self.chance.choice(edits) if self.chosen(35) else None
