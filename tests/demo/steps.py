# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of the demo, one function each: what is done to the lab, and what must be true afterwards.

Steps that are judged by the client's traffic are judged later, when all that was on its way has arrived.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

from lab import Host, Lab, LabError
from lab.example import owner
from lab.inventory import ansible

COLLECTION = "netpath.ipmp"
SETTLE = 2.0  # s of undisturbed traffic at the end of a step
MOVE_LIMIT = 20.0  # s for addresses to leave a dead card
HOME_LIMIT = 90.0  # s for them to be home again: the path is proved first
PLAYBOOK_LIMIT = 300.0


@dataclass
class Step:
    """One step: when it was, what the playbook said, and whether what it asked for is so (problem: why not)."""

    name: str
    title: str
    begin: float = 0.0
    end: float = 0.0
    changed: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Event:
    """What was done to a host's card, for the picture. kind: pull, plug, out, back, offline, online, refused."""

    when: float
    host: str
    nic: str
    kind: str
    text: str


class Stage:
    """The lab with an inventory, and what happened on it so far."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.events: List[Event] = []
        self.inventory = folder / "inventory.yml"

    def play(self, step: Step, playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the collection's playbooks in the controller's namespace; its output goes to a log."""
        command = [f"{COLLECTION}.{playbook}", "-i", str(self.inventory), *arguments]
        extra = {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
        done = ansible(self.lab.controller, *command, extra=extra, timeout=PLAYBOOK_LIMIT)
        log = self.folder / "log" / f"{step.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"$ ansible-playbook {' '.join(command)}\n{done.stdout}{done.stderr}", encoding="utf-8")
        step.changed += sum(int(n) for n in re.findall(r"^\S+\s*:\s*ok=\d+\s+changed=(\d+)", done.stdout, re.MULTILINE))
        return done

    def must_play(self, step: Step, playbook: str, *arguments: str) -> None:
        """The same, and a failure is the step's problem."""
        done = self.play(step, playbook, *arguments)
        if done.returncode:
            raise LabError(f"{COLLECTION}.{playbook} failed: {reason(done)}")

    def event(self, host: str, nic: str, kind: str, text: str, act: Callable[[], None]) -> None:
        """Do it and note when."""
        self.events.append(Event(time.time(), host, nic, kind, text))
        act()


def reason(done: subprocess.CompletedProcess[str]) -> str:
    """The message of the first task that failed, or the last that the program said."""
    for line in done.stdout.splitlines():
        if line.startswith("fatal: ") and "=> " in line:
            try:
                return str(json.loads(line.partition("=> ")[2])["msg"])
            except (ValueError, KeyError):
                pass
    return (done.stdout + done.stderr).strip()[-1500:]


def hosting(host: Host) -> Dict[str, str]:
    """Address -> card, as the kernel has it; link-local ones left out."""
    found = {}
    for link in json.loads(host.run(["ip", "-j", "addr"]).stdout):
        for address in link.get("addr_info", []):
            if address.get("scope") == "global" and link["ifname"] != "lo":
                found[address["local"]] = link["ifname"]
    return found


def wait(what: str, true: Callable[[], bool], limit: float) -> None:
    """Wait until it is true; LabError with the sentence what after limit s."""
    end = time.monotonic() + limit
    while not true():
        if time.monotonic() > end:
            raise LabError(f"{what} within {limit:.0f} s")
        time.sleep(0.05)


def addresses_of(host: str, card: str, addresses: Dict[str, List[str]]) -> List[str]:
    """The data addresses whose home is the card."""
    return [address for address in addresses[host] if owner(host, address) == card]


class Steps:
    """The steps in their order."""

    def __init__(self, stage: Stage, addresses: Dict[str, List[str]]) -> None:
        self.stage, self.lab, self.addresses = stage, stage.lab, addresses

    def all(self) -> List[Tuple[Step, Callable[[Step], None]]]:
        """Each with its title and its function."""
        return [
            (Step("set_up", "playbook setup makes a group of each host's cards"), self.set_up),
            (Step("second_run", "playbook setup again: nothing to change"), self.second_run),
            (Step("cable_pull", "the cable of eth1 of h1 is pulled"), self.cable_pull),
            (Step("repair", "the cable is plugged in again"), self.repair),
            (Step("check", "playbook dr_check: may eth1 of h2 go?"), self.check),
            (Step("detach", "playbook dr_detach, then the card is taken out"), self.detach),
            (Step("reattach", "a card is put in, then playbook dr_reattach"), self.reattach),
            (Step("refused_detach", "playbook dr_detach on h3's last working card"), self.refused_detach),
        ]

    def at_home(self, host: str) -> bool:
        """Whether every data address of the host is on the card whose file names it."""
        found = hosting(self.lab.hosts[host])
        return all(found.get(address) == owner(host, address) for address in self.addresses[host])

    def set_up(self, step: Step) -> None:
        """From bare hosts to groups."""
        self.stage.must_play(step, "setup")
        for host in self.lab.hosts:
            wait(f"the addresses of {host} were not on their cards", lambda host=host: self.at_home(host), MOVE_LIMIT)
        time.sleep(SETTLE)

    def second_run(self, step: Step) -> None:
        """The same again changes nothing."""
        self.stage.must_play(step, "setup")
        if step.changed:
            raise LabError(f"the second run changed {step.changed} things")

    def cable_pull(self, _step: Step) -> None:
        """Addresses leave the dead card."""
        host, nic = self.lab.hosts["h1"], self.lab.nic("h1", "eth1")
        theirs = addresses_of("h1", "eth1", self.addresses)
        self.stage.event("h1", "eth1", "pull", "cable of eth1 pulled", nic.pull)

        def moved() -> bool:
            found = hosting(host)
            return all(found.get(address, "eth1") != "eth1" for address in theirs)

        wait("the addresses of eth1 did not move", moved, MOVE_LIMIT)
        time.sleep(SETTLE)

    def repair(self, _step: Step) -> None:
        """And come back."""
        self.stage.event("h1", "eth1", "plug", "cable plugged in", self.lab.nic("h1", "eth1").plug)
        wait("the addresses of h1 did not return", lambda: self.at_home("h1"), HOME_LIMIT)
        time.sleep(SETTLE)

    def check(self, step: Step) -> None:
        """A question, without any effect."""
        before = hosting(self.lab.hosts["h2"])
        self.stage.must_play(step, "dr_check", "-l", "h2", "-e", "ipmp_component=eth1")
        if step.changed or hosting(self.lab.hosts["h2"]) != before:
            raise LabError("the check changed something")

    def detach(self, step: Step) -> None:
        """Addresses leave the card first, then the card leaves the host."""
        self.stage.must_play(step, "dr_detach", "-l", "h2", "-e", "ipmp_component=eth1")
        if "eth1" in hosting(self.lab.hosts["h2"]).values():
            raise LabError("eth1 still hosts addresses after the detach")
        nic = self.lab.nic("h2", "eth1")
        self.stage.event("h2", "eth1", "out", "eth1 taken out", nic.take_out)
        time.sleep(SETTLE)

    def reattach(self, step: Step) -> None:
        """A card comes back and its addresses come home."""
        self.stage.event("h2", "eth1", "back", "eth1 put back", self.lab.nic("h2", "eth1").put_back)
        self.stage.must_play(step, "dr_reattach", "-l", "h2", "-e", "ipmp_component=eth1")
        wait("the addresses of h2 did not return", lambda: self.at_home("h2"), HOME_LIMIT)
        time.sleep(SETTLE)

    def refused_detach(self, step: Step) -> None:
        """With two of three cards out of service, the third may not go."""
        host = self.lab.hosts["h3"]
        for card, words in (("eth2", "eth2"), ("eth3", "eth3 offline")):
            self.stage.event("h3", card, "offline", words, lambda c=card: mpadm(host, "-d", c))
        before = hosting(host)
        done = self.stage.play(step, "dr_detach", "-l", "h3", "-e", "ipmp_component=eth1")
        after = hosting(host)
        words = "detach of eth1 refused" if done.returncode else "detach of eth1 NOT refused"
        self.stage.event("h3", "eth1", "refused", words, lambda: None)
        for card, words in (("eth3", "eth3"), ("eth2", "eth2 online")):
            self.stage.event("h3", card, "online", words, lambda c=card: mpadm(host, "-r", c))
        wait("the addresses of h3 did not return", lambda: self.at_home("h3"), HOME_LIMIT)
        time.sleep(SETTLE)
        if done.returncode == 0 or before != after:
            raise LabError("the detach of the last working card was not refused")
        if '"reason": "refused"' not in done.stdout:
            raise LabError(f"the detach failed, but was not refused: {reason(done)}")


def mpadm(host: Host, option: str, card: str) -> Optional[str]:
    """if_mpadm on the host."""
    return host.run(["/usr/local/sbin/if_mpadm", option, card], timeout=HOME_LIMIT).stdout
