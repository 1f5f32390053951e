# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back from an open transaction: hardware, files, addresses; then the kernel is compared with the snapshot."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from . import forecast, health, rtnl, sysctl, whole
from . import loop as loops
from .aside import aside
from .consumers import PHASE
from .daemon import Daemon
from .files import locked, read_config, write_files
from .hardware import put_back
from .model import ConfigError
from .placement import Move, moves
from .proofs import patience
from .runtime import Nic, Runtime

if TYPE_CHECKING:
    from .transactions import Transaction, Transactions

HARDWARE_WAIT = 20.0  # s for the interfaces of a card that was put back; udev renames them meanwhile

Hosting = Mapping[str, Optional[str]]


class Undoing:
    """``undo`` and what calls for it. The transaction is ended by it, one way or the other."""

    def __init__(self, transactions: Transactions, daemon: Daemon) -> None:
        self.transactions, self.daemon = transactions, daemon
        self._callers: List[Callable[[Dict[str, Any]], None]] = []

    @property
    def runtime(self) -> Runtime:
        """The daemon's."""
        return self.daemon.runtime

    def undo(
        self, reason: str, tell: Optional[Callable[[Dict[str, Any]], None]] = None, *, in_need: bool = False
    ) -> None:
        """Restore what was before the open transaction; tell gets the answer when it is home and compared.

        in_need: nobody could confirm, or the survivor has failed. Then a NIC that worked before is not asked to
        prove its path through a sibling that may be the very reason.
        """
        transaction = self.transactions.open
        if transaction is None:
            return
        if tell is not None:
            self._callers.append(tell)
        if transaction.state == "rolling-back":
            return
        self.transactions.disarm()
        transaction.reason = reason
        self.transactions.write(transaction, "rolling-back", may_fail=True)
        self.daemon.log("err", f"{transaction.kind} of {transaction.component} is rolled back: {reason}")
        before = self._where(transaction)
        if transaction.handed_over and transaction.hardware != "none":
            self._hardware_back(transaction, before, in_need)
        else:
            self._bring_home(transaction, before, in_need)

    def _where(self, transaction: Transaction) -> Hosting:
        """The addresses that it is about: a configuration moves more than data addresses."""
        hosting = dict(self.runtime.hosting)
        return self.runtime.located(hosting) if transaction.kind == "apply" else hosting

    def longest(self) -> float:
        """s that a detach may take whose last step fails, its way back included."""
        proof = patience(self.runtime, self.runtime.nics.values(), dict(self.daemon.prober.snapshot().detection_times))
        return 2 * PHASE + HARDWARE_WAIT + proof

    def forecast(self, transaction: Transaction) -> Tuple[Move, ...]:
        """What would move, if all goes well; ConfigError if the previous files are wrong."""
        before = self._where(transaction)
        if transaction.kind == "apply":
            trial = forecast.configured(self.daemon, read_config(self.daemon.root, transaction.previous))
            return moves(before, trial.located(trial.placed()))
        home = {ip: n for ip, n in transaction.hosting.items() if n in transaction.interfaces}
        return moves(before, {**before, **home})

    # -- hardware

    def _hardware_back(self, transaction: Transaction, before: Hosting, in_need: bool) -> None:
        """Whether or not the caller has taken it out. Where it does not come back, it stays detached."""
        missing = partial(self._missing, transaction)

        def waited(held: bool) -> None:
            if held:
                self._bring_home(transaction, before, in_need)
            else:
                left = ", ".join(missing())
                self._stays_detached(transaction, f"{left} did not come back within {HARDWARE_WAIT:.0f} s")

        def written(problem: Optional[Exception]) -> None:
            if problem is None or not missing():
                self.daemon.wait(HARDWARE_WAIT, lambda: not missing(), waited)
            else:
                self._stays_detached(transaction, str(problem))

        aside(self.daemon.loop, partial(put_back, transaction.card), written)

    def _missing(self, transaction: Transaction) -> List[str]:
        """Interfaces of the component that were there before and are not now, or that udev has not named yet."""
        before, nics = transaction.snapshot.get("links", {}), self.runtime.nics
        there = {n for n in self.daemon.kernel.links if n not in nics or nics[n].present}
        return [n for n in transaction.card["interfaces"] if n in before and n not in there]

    def _stays_detached(self, transaction: Transaction, problem: str) -> None:
        """Better detached, with every address on a survivor, than half way back."""
        self.daemon.log("err", f"{transaction.component} could not be put back, so it stays detached: {problem}")
        transaction.reason += f"; but it could not be put back: {problem}"
        self.transactions.end(transaction, "confirmed")
        self._answer({"changed": True, "rolled_back": False, "moves": [], "differences": [], "hardware": problem})

    # -- addresses

    def _bring_home(self, transaction: Transaction, before: Hosting, in_need: bool) -> None:
        problems = self._put_files_back(transaction) if transaction.kind == "apply" else []
        nics = self.nics(transaction)
        for name, settings in transaction.snapshot.get("settings", {}).items():  # a card that was out has lost them
            for failure in sysctl.restore(name, settings):
                self.daemon.log("err", failure)
        for nic in nics:
            if nic.detached:
                nic.detached, nic.offline = False, nic.name in transaction.offline
                nic.health = replace(health.Health(), failures=nic.health.failures)
                nic.trusted = in_need and transaction.failed.get(nic.name) is False
                if nic.present and nic.group and not nic.trusted and not nic.offline:
                    nic.health = health.suspect(nic.health, loops.now())
            nic.leaving = False
        self.runtime.wishes.update(
            {ip: n for ip, n in transaction.hosting.items() if n in transaction.interfaces and n}
        )
        self._settle()
        there = [nic for nic in nics if nic.present]

        def home() -> bool:
            owed = {ip for ip, n in transaction.hosting.items() if n in {nic.name for nic in there}}
            return all(self.runtime.hosting.get(ip) == transaction.hosting[ip] for ip in owed) and all(
                not nic.health.waiting for nic in there
            )

        seconds = patience(self.runtime, nics, dict(self.daemon.prober.snapshot().detection_times))
        self.daemon.wait(seconds, home, lambda _held: self._restored(transaction, before, problems))

    def _settle(self) -> None:
        """Whatever it comes to, the way back has an end, or the host would be reserved for good; it is tried again."""
        try:
            self.daemon.settle("rollback")
        except Exception as error:
            self.daemon.log("err", f"the kernel could not be brought into line: {error or type(error).__name__}")

    def _restored(self, transaction: Transaction, before: Hosting, problems: Sequence[str]) -> None:
        """problems: what was not put back on the way."""
        nics = self.nics(transaction)
        there = [n for n in transaction.interfaces if n in transaction.snapshot.get("links", {})]  # when it began
        gone = [nic.name for nic in nics if not nic.present and nic.name in there]
        for nic in nics:
            nic.trusted = False
        self._spare_again(transaction)
        differences: List[str] = [*problems, *(f"{name} is not there any more" for name in gone)]
        if transaction.snapshot and not gone and not any(nic.present and nic.name not in there for nic in nics):
            try:
                rtnl.restore_foreign(transaction.snapshot, there)  # static routes that were moved among them
                differences += whole.changes(self.daemon, transaction.snapshot, transaction.interfaces)
            except Exception as error:  # as in _settle
                differences.append(f"what was not ours could not be looked after: {error or type(error).__name__}")
        over = partial(self._over, transaction, before, differences)
        self.transactions.consumers.restored(transaction.consumers, transaction.force, over)

    def _spare_again(self, transaction: Transaction) -> None:
        """Who has served meanwhile, and was a spare before, is one again."""
        hosts = frozenset(self.runtime.hosting.values())
        spares = [nic for name in transaction.held_back for nic in (self.runtime.nics.get(name),) if nic is not None]
        idle = [nic for nic in spares if nic.name not in hosts and not nic.held_back]
        for nic in idle:
            nic.held_back = True
        if idle:
            self._settle()

    def _over(self, transaction: Transaction, before: Hosting, differences: List[str]) -> None:
        self.transactions.end(transaction, "rolled_back")
        for difference in differences:
            self.daemon.log("err", f"after the rollback: {difference}")
        done = [m.as_dict() for m in moves(before, self._where(transaction))]
        self._answer({"changed": True, "rolled_back": True, "moves": done, "differences": differences})

    def _answer(self, answer: Dict[str, Any]) -> None:
        callers, self._callers = self._callers, []
        for tell in callers:
            tell(answer)

    def nics(self, transaction: Transaction) -> List[Nic]:
        """Those of its interfaces that we know of."""
        return [self.runtime.nics[n] for n in transaction.interfaces if n in self.runtime.nics]

    def _put_files_back(self, transaction: Transaction) -> List[str]:
        """What they said is in force again even if they cannot be written; returns sentences about what went wrong."""
        problems: List[str] = []
        try:
            with locked(self.daemon.root):
                write_files(self.daemon.root, transaction.previous)
        except (ConfigError, OSError) as error:
            problems.append(f"the previous files could not be put back, only what they said is in force: {error}")
        try:
            self.daemon.reconfigure(read_config(self.daemon.root, transaction.previous), going_back=True)
        except (ConfigError, OSError) as error:
            problems.append(f"what the previous files said could not be put into force: {error}")
        return problems

    # -- in need

    def survivor_failed(self) -> None:
        """If the NIC that took over has failed and the old one can come back: better back than dark."""
        transaction = self.transactions.open
        if transaction is None or transaction.kind != "detach" or transaction.state not in ("prepared", "committed"):
            return
        for name in transaction.interfaces:
            nic = self.runtime.nics.get(name)
            group = self.runtime.config.group_of(name)
            if nic is None or group is None or self.runtime.group_state(group) != "failed":
                continue
            can_return = nic.present or (transaction.hardware != "none" and transaction.card["reversible"])
            if can_return and group.name not in transaction.dark:
                reason = f"group {group.name} has failed meanwhile"
                self.daemon.loop.call_later(0, partial(self.undo, reason, in_need=True))
                return
