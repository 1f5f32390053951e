# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs in /etc/ipmp/rcm that use a NIC or an address: asked before it goes, told when it has gone or stays.

They speak the language of Solaris' RCM scripts: ``PROGRAM COMMAND [RESOURCE]``, answers as NAME=VALUE lines on standard
output, exit codes 0 (done), 1 (failed), 2 (no such command), 3 (refused). docs/consumers.md says it in full. All
programs work side by side, the commands of one follow each other, and the daemon's loop waits for none of them.
"""

from __future__ import annotations

import os
import stat
from functools import partial
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from . import loop as loops
from .command import Command, Outcome
from .detach import Objection, Refusal

FOLDER = "etc/ipmp/rcm"
LIMIT = 10.0  # s for one command, unless the program asks for another with rcm_cmd_timeout
PHASE = 25.0  # s for everything that is asked, or told, at one time; a caller waits for two of them
DONE, UNSUPPORTED = 0, 2
LEVELS = {"rcm_log_err": "err", "rcm_log_warn": "err", "rcm_log_info": "info", "rcm_log_debug": "debug"}

Taken = List[List[str]]  # [program, resource] pairs, as the journal keeps them
Log = Callable[[str, str], None]


class Asked(NamedTuple):
    """What came of a query: who is concerned, and who objects."""

    taken: Taken
    objections: Tuple[Objection, ...]


class Consumers:
    """log takes a level and a text."""

    def __init__(self, root: str, loop: loops.Loop, log: Log) -> None:
        self.folder, self.loop, self.log = os.path.join(root, FOLDER), loop, log
        self._limits: Dict[str, float] = {}  # by program: s that it wants for a command
        self._left = 0  # programs that are at work
        self._waiting: List[Callable[[], None]] = []

    def programs(self) -> List[str]:
        """Paths, in name order. One that others than root could have written is not run, and that is said."""
        try:
            names = sorted(os.listdir(self.folder))
            unsafe = _unsafe(self.folder, stat.S_ISDIR)
        except OSError:
            return []
        if unsafe:
            if names:
                self.log("err", f"{self.folder} {unsafe}: no consumer is asked")
            return []
        found = []
        for name in names:
            path = os.path.join(self.folder, name)
            if name.startswith(".") or name.endswith("~"):
                continue
            try:
                why = _unsafe(path, stat.S_ISREG)
            except OSError as error:
                why = f"cannot be looked at: {error.strerror}"
            if why or not os.access(path, os.X_OK):
                self.log("err", f"consumer {path} {why or 'is not executable'}: it is not asked")
            else:
                found.append(path)
        return found

    def ask(self, resources: Sequence[str], force: bool, tell: Callable[[Asked], None]) -> None:
        """queryremove. tell is called at once where there is no consumer, else when all have answered."""
        taken: Taken = []
        objections: List[Objection] = []

        def known(program: str, limit: float, registered: List[str]) -> List[_Step]:
            self._limits[program] = limit
            concerned = [resource for resource in resources if resource in registered]
            taken.extend([program, resource] for resource in concerned)
            return [
                _Step("queryremove", resource, limit, partial(answered, program, resource, limit))
                for resource in concerned
            ]

        def answered(program: str, resource: str, limit: float, outcome: Outcome) -> List[_Step]:
            if outcome.code in (DONE, UNSUPPORTED):
                return []
            return [_Step("resourceinfo", resource, limit, partial(objects, program, resource, outcome))]

        def objects(program: str, resource: str, refusal: Outcome, information: Outcome) -> List[_Step]:
            reason = f"{os.path.basename(program)} does not let go of {resource}: {refusal.why}"
            usage = information.first("rcm_resource_usage_info") or refusal.why
            objections.append(Objection(reason, (Refusal(resource, usage),), forcible=False))
            return []

        chains = [_Chain(self, program, force, _introduction(program, known, self.log)) for program in self.programs()]
        self._run(chains, lambda: tell(Asked(sorted(taken), tuple(sorted(objections, key=lambda o: o.reason)))))

    def prepare(self, taken: Taken, force: bool, tell: Callable[[List[str]], None]) -> None:
        """preremove; tell gets a sentence for each that failed, and then everything is to be put back."""
        failures: List[str] = []

        def told(program: str, resource: str, outcome: Outcome) -> List[_Step]:
            if outcome.code not in (DONE, UNSUPPORTED):
                failures.append(f"{os.path.basename(program)} could not let go of {resource}: {outcome.why}")
            return []

        self._tell_all("preremove", taken, force, told, lambda: tell(sorted(failures)))

    def removed(self, taken: Taken, force: bool, tell: Callable[[], None]) -> None:
        """postremove: it has gone for good."""
        self._tell_all("postremove", taken, force, self._logged("postremove"), tell)

    def restored(self, taken: Taken, force: bool, tell: Callable[[], None]) -> None:
        """undoremove: it stays, or is back."""
        self._tell_all("undoremove", taken, force, self._logged("undoremove"), tell)

    def _tell_all(self, word: str, taken: Taken, force: bool, told: _Told, tell: Callable[[], None]) -> None:
        there = self.programs() if taken else []
        chains = []
        for program in dict.fromkeys(program for program, _resource in taken if program in there):
            resources = [resource for whose, resource in taken if whose == program]
            chains.append(_Chain(self, program, force, self._steps(word, program, resources, told)))
        self._run(chains, tell)

    def _steps(self, word: str, program: str, resources: Sequence[str], told: _Told) -> List[_Step]:
        """A daemon that was started since it has asked does not know yet how long the program may take."""

        def each(limit: float) -> List[_Step]:
            return [_Step(word, resource, limit, partial(told, program, resource)) for resource in resources]

        if program in self._limits:
            return each(self._limits[program])
        return [_Step("scriptinfo", "", LIMIT, lambda outcome: each(_seconds(outcome.first("rcm_cmd_timeout"))))]

    def _run(self, chains: Sequence[_Chain], tell: Callable[[], None]) -> None:
        """All side by side; tell when all have ended. A program never runs twice at the same time."""
        if not chains:
            tell()
            return
        if self._left:
            self._waiting.append(lambda: self._run(chains, tell))
            return
        self._left = len(chains)

        def ended() -> None:
            self._left -= 1
            if not self._left:
                tell()
                waiting, self._waiting = self._waiting, []
                for begin in waiting:
                    begin()

        until = loops.now() + PHASE
        for chain in chains:
            chain.run(until, ended)

    def _logged(self, word: str) -> _Told:
        def told(program: str, resource: str, outcome: Outcome) -> List[_Step]:
            if outcome.code not in (DONE, UNSUPPORTED):
                self.log("err", f"{os.path.basename(program)} {word} {resource}: {outcome.why}")
            return []

        return told


class _Step(NamedTuple):
    """One command of a program. then gets the outcome, and returns the steps that follow at once."""

    word: str
    resource: str  # "": none
    limit: float
    then: Callable[[Outcome], List[_Step]]


_Told = Callable[[str, str, Outcome], List[_Step]]


def _introduction(program: str, known: Callable[[str, float, List[str]], List[_Step]], log: Log) -> List[_Step]:
    """scriptinfo and register; a program that cannot say what it uses is not asked any further."""

    def informed(outcome: Outcome) -> List[_Step]:
        version = outcome.first("rcm_script_version")
        if outcome.code != DONE or version != "1":
            why = outcome.why if outcome.code != DONE else f"rcm_script_version is {version or 'missing'}, not 1"
            log("err", f"consumer {program} is not asked: {why}")
            return []
        limit = _seconds(outcome.first("rcm_cmd_timeout"))
        return [_Step("register", "", limit, partial(registered, limit))]

    def registered(limit: float, outcome: Outcome) -> List[_Step]:
        if outcome.code != DONE:
            log("err", f"consumer {program} is not asked, for it cannot say what it uses: {outcome.why}")
            return []
        return known(program, limit, outcome.all("rcm_resource_name"))

    return [_Step("scriptinfo", "", LIMIT, informed)]


def _seconds(text: str) -> float:
    return min(float(text), PHASE) if text.isascii() and text.isdigit() and float(text) else LIMIT


class _Chain:
    """The commands of one program, one after the other."""

    def __init__(self, consumers: Consumers, program: str, force: bool, steps: List[_Step]) -> None:
        self.consumers, self.program, self.force, self.steps = consumers, program, force, steps

    def run(self, until: float, tell: Callable[[], None]) -> None:
        """until: CLOCK_MONOTONIC, when the last command is cut off."""
        if not self.steps:
            tell()
            return
        step = self.steps.pop(0)

        def ended(outcome: Outcome) -> None:
            for name, value in outcome.lines:
                if name in LEVELS:
                    self.consumers.log(LEVELS[name], f"{os.path.basename(self.program)}: {value}")
            self.steps[:0] = step.then(outcome)
            self.run(until, tell)

        words = [self.program, step.word, *([step.resource] if step.resource else [])]
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C",
            "RCM_ENV_FORCE": "TRUE" if self.force else "FALSE",
        }
        limit = max(0.1, min(step.limit, until - loops.now()))
        Command(self.consumers.loop, words, environment, limit, ended)


def _unsafe(path: str, kind: Callable[[int], bool]) -> Optional[str]:
    """Why a program in there, or that one, could do as root what somebody else wants; None where all is well."""
    found = os.lstat(path)
    if not kind(found.st_mode):
        return "is not a directory" if kind is stat.S_ISDIR else "is no regular file"
    if found.st_uid != 0:
        return "does not belong to root"
    return "can be written by others than root" if found.st_mode & 0o022 else None
