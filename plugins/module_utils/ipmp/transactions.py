# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one open transaction of a host: confirmed in the end, or everything put back, by itself if need be.

Each step is in the journal before it is done, with the deadline by which it must have been
followed by the next; when the time runs out, or a step fails, the state from before is restored and compared.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, Callable, Dict, FrozenSet, List, Mapping, Optional

from . import health, rtnl
from . import loop as loops
from .arguments import Args, Denial, number, text, texts
from .control import Reply
from .daemon import Daemon
from .files import locked, read_config, write_files
from .journal import Journal, JournalError, Records
from .model import ConfigError
from .placement import moves
from .runtime import Nic, Runtime

PREPARED = 60.0  # s for the caller's hardware step, unless extended
ROLLBACK_WAIT = 50.0  # s for a link to come up and prove itself; longer than the proof's own limit
HISTORY = 20


@dataclass
class Transaction:
    """What is open, as the journal keeps it. deadline is of CLOCK_BOOTTIME, so that it counts across suspend."""

    transaction: str
    kind: str  # detach, apply
    component: str
    interfaces: List[str]
    state: str = "begun"
    force: bool = False
    hardware: str = "none"
    confirm_timeout: float = 0.0
    deadline: Optional[float] = None
    reason: str = ""
    time: float = 0.0
    moves: List[Dict[str, Optional[str]]] = field(default_factory=list)
    lost: List[str] = field(default_factory=list)
    hosting: Dict[str, Optional[str]] = field(default_factory=dict)
    failed: Dict[str, bool] = field(default_factory=dict)
    snapshot: Dict[str, Any] = field(default_factory=dict)
    previous: Dict[str, Optional[str]] = field(default_factory=dict)

    def shown(self) -> Dict[str, Any]:
        """TRANSACTION of the control protocol."""
        words = ("transaction", "kind", "component", "interfaces", "state", "moves", "force", "reason", "time")
        left = None if self.deadline is None else max(0.0, self.deadline - loops.boottime())
        return {**{w: getattr(self, w) for w in words}, "deadline": left}


class Transactions:
    """The one open transaction, and what it may do next."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.journal = Journal(daemon.root)
        self.records = Records(daemon.root)
        self.open: Optional[Transaction] = None
        self.history: List[Dict[str, Any]] = []
        self._timer: Optional[loops.Timer] = None
        self._rolling_back: List[Callable[[Dict[str, Any]], None]] = []
        daemon.settled = self._survivor_failed
        daemon.taken_out = self._taken_out

    def operations(self) -> Dict[str, Callable[[Args, Reply], None]]:
        """Their part of the control protocol."""
        return {
            "detach-confirm": self._confirm,
            "detach-rollback": self._rollback,
            "detach-extend": self._extend,
            "transactions": self._list,
            "apply-prepare": self._apply_prepare,
            "apply-confirm": self._confirm,
            "apply-rollback": self._rollback,
        }

    @property
    def runtime(self) -> Runtime:
        """The daemon's."""
        return self.daemon.runtime

    def shown(self) -> Optional[Dict[str, Any]]:
        """The open transaction for status."""
        return self.open.shown() if self.open else None

    def must_be_idle(self) -> None:
        """Everything that changes hosting on request waits for the open transaction (one a host)."""
        if self.open is not None:
            raise Denial(
                "busy",
                f"transaction {self.open.transaction} ({self.open.kind} of {self.open.component}) is open; "
                "confirm it or roll it back first",
                transaction=self.open.transaction,
            )

    def must_know_files(self, name: str) -> None:
        """After a start with wrong files nobody knows what a NIC is for."""
        if self.runtime.suspended:
            raise Denial(
                "state",
                f"nothing is known of {name} while the files are wrong: {self.runtime.files_error}; "
                "mend them, then 'systemctl reload ipmp'",
            )

    def accepts_apply(self, transaction: Any) -> Optional[str]:
        """``apply`` belongs to the open apply transaction, or there must be none."""
        if transaction is None:
            self.must_be_idle()
            return None
        return self.named(transaction, "apply").transaction

    def resume(self) -> None:
        """After a start: an open transaction of this boot goes on, or is undone if it was cut off in a step."""
        try:
            entry = self.journal.open_entry()
        except JournalError as error:
            self.daemon.log("err", f"{error}; what the kernel holds stays as it is")
            return
        if self.daemon.first_in_boot:  # a reboot forgets what was detached: the files decide
            for name in self.records.names():
                self.records.delete(name)
        if entry is None:
            return
        known = {k: entry[k] for k in Transaction.__dataclass_fields__ if k in entry}
        transaction = Transaction(**known)
        if entry.get("boot_id") != self.daemon.state.boot_id:
            self.journal.close(transaction.transaction, "ended by a reboot")
            return
        self.open = transaction
        if transaction.state in ("prepared", "committed"):
            self.arm()
        else:
            transaction.state = "begun"  # a rollback that was cut off as well is made again
            self.undo("the daemon was restarted in the middle of it")

    def _confirm(self, args: Args, reply: Reply) -> None:
        name = text(args, "transaction")
        if self.open is None or self.open.transaction != name:
            past = next((t for t in self.history if t["transaction"] == name), None)
            if past is not None and past["state"] == "confirmed":
                reply.ok({"changed": False, "state": "confirmed", "moves": []})
                return
            reason = f": it was rolled back ({past['reason']})" if past else ""
            raise Denial("state", f"transaction {name} is not open{reason}", "no-transaction")
        self.end(self.named(name, None), "confirmed")
        reply.ok({"changed": True, "state": "confirmed", "moves": []})

    def _extend(self, args: Args, reply: Reply) -> None:
        transaction = self.named(args.get("transaction"), None)
        transaction.deadline = loops.boottime() + number(args, "seconds", PREPARED)
        self.write(transaction, transaction.state)
        self.arm()
        reply.ok({"deadline": transaction.shown()["deadline"]})

    def _rollback(self, args: Args, reply: Reply) -> None:
        wanted = args.get("transaction")
        if self.open is None or (wanted is not None and wanted != self.open.transaction):
            reply.ok({"changed": False, "rolled_back": False, "moves": [], "differences": []})
            return
        self.undo(str(args.get("reason") or "asked for"), lambda answer: self._undone(reply, answer))

    @staticmethod
    def _undone(reply: Reply, answer: Dict[str, Any]) -> None:
        if answer["differences"]:
            reply.error(
                "verify",
                "rolled back, but not everything is as it was: " + "; ".join(answer["differences"]),
                **answer,
            )
        else:
            reply.ok(answer)

    def _taken_out(self) -> FrozenSet[str]:
        try:
            return frozenset(name for record in self.records.all() for name in record["interfaces"])
        except JournalError as error:
            self.daemon.log("err", str(error))
            return frozenset()

    def _nics(self, transaction: Transaction) -> List[Nic]:
        return [self.runtime.nics[n] for n in transaction.interfaces if n in self.runtime.nics]

    # -- undoing

    def undo(
        self, reason: str, tell: Optional[Callable[[Dict[str, Any]], None]] = None, *, in_need: bool = False
    ) -> None:
        """Restore what was before the open transaction; tell gets the answer when it is home and compared.

        in_need: nobody could confirm, or the survivor has failed. Then a NIC that worked before is not asked to
        prove its path through a sibling that may be the very reason.
        """
        transaction = self.open
        if transaction is None:
            return
        if tell is not None:
            self._rolling_back.append(tell)
        if transaction.state == "rolling-back" and self._timer is None:
            return
        self._disarm()
        transaction.reason = reason
        self.write(transaction, "rolling-back", may_fail=True)
        self.daemon.log("err", f"{transaction.kind} of {transaction.component} is rolled back: {reason}")
        before = dict(self.runtime.hosting)
        if transaction.kind == "apply":
            self._put_files_back(transaction)
        nics = self._nics(transaction)
        for nic in nics:
            if nic.detached:
                nic.detached = False
                nic.health = replace(health.Health(), failures=nic.health.failures)
                nic.trusted = in_need and transaction.failed.get(nic.name) is False
                if nic.present and nic.group and not nic.trusted:
                    nic.health = health.suspect(nic.health, loops.now())
            nic.leaving = False
        self.runtime.wishes.update(
            {ip: n for ip, n in transaction.hosting.items() if n in transaction.interfaces and n}
        )
        self.daemon.settle("rollback")
        there = [nic for nic in nics if nic.present]

        def home() -> bool:
            owed = {ip for ip, n in transaction.hosting.items() if n in {nic.name for nic in there}}
            return all(self.runtime.hosting.get(ip) == transaction.hosting[ip] for ip in owed) and all(
                not nic.health.waiting for nic in there
            )

        self.daemon.wait(ROLLBACK_WAIT, home, lambda _held: self._restored(transaction, before))

    def _restored(self, transaction: Transaction, before: Mapping[str, Optional[str]]) -> None:
        nics = self._nics(transaction)
        there = [n for n in transaction.interfaces if n in transaction.snapshot.get("links", {})]  # when it began
        gone = [nic.name for nic in nics if not nic.present and nic.name in there]
        for nic in nics:
            nic.trusted = False
        differences: List[str] = [f"{name} is not there any more" for name in gone]
        if transaction.snapshot and not gone and not any(nic.present and nic.name not in there for nic in nics):
            rtnl.restore_foreign(transaction.snapshot, there)
            differences += rtnl.compare(transaction.snapshot, rtnl.snapshot())
        self.end(transaction, "rolled_back")
        for difference in differences:
            self.daemon.log("err", f"after the rollback: {difference}")
        done = [m.as_dict() for m in moves(before, self.runtime.hosting)]
        answer = {"changed": True, "rolled_back": True, "moves": done, "differences": differences}
        callers, self._rolling_back = self._rolling_back, []
        for tell in callers:
            tell(answer)

    def _put_files_back(self, transaction: Transaction) -> None:
        try:
            with locked(self.daemon.root):
                write_files(self.daemon.root, transaction.previous)
            self.daemon.reconfigure(read_config(self.daemon.root))
        except ConfigError as error:
            self.daemon.log("err", f"the previous files could not be put back: {error}")

    def _survivor_failed(self) -> None:
        """The NIC that took over has failed and the old one is still there: better back than dark."""
        transaction = self.open
        if transaction is None or transaction.kind != "detach" or transaction.state not in ("prepared", "committed"):
            return
        for name in transaction.interfaces:
            nic = self.runtime.nics.get(name)
            group = self.runtime.config.group_of(name)
            if nic is not None and nic.present and group is not None and self.runtime.group_state(group) == "failed":
                if not transaction.force:
                    reason = f"group {group.name} has failed meanwhile"
                    self.daemon.loop.call_later(0, partial(self.undo, reason, in_need=True))
                return

    # -- configuration with a dead-man timer

    def _apply_prepare(self, args: Args, reply: Reply) -> None:
        self.must_be_idle()
        transaction = Transaction(
            uuid.uuid4().hex[:12],
            "apply",
            "the configuration",
            [],
            confirm_timeout=number(args, "confirm_timeout", PREPARED),
            time=time.time(),
            previous=texts(args, "previous"),
            hosting=dict(self.runtime.hosting),
        )
        transaction.deadline = loops.boottime() + transaction.confirm_timeout
        self.begin(transaction)
        self.write(transaction, "prepared")
        self.arm()
        reply.ok({"transaction": transaction.transaction})

    # -- the journal

    def begin(self, transaction: Transaction) -> None:
        """It is open from now on, unless the journal cannot be written."""
        self.open = transaction
        try:
            self.write(transaction, "begun")
        except Denial:
            self.open = None
            raise

    def write(self, transaction: Transaction, state: str, *, may_fail: bool = False) -> None:
        """Into the journal before it is done. Planned work without a journal is refused; undoing goes on."""
        transaction.state = state
        try:
            self.journal.append({**asdict(transaction), "boot_id": self.daemon.state.boot_id})
        except JournalError as error:
            if not may_fail:
                raise Denial("state", f"the journal cannot be written, so nothing is begun: {error}") from error
            self.daemon.log("err", str(error))
        self.daemon.publisher.emit(self.runtime, "transaction", **transaction.shown())

    def end(self, transaction: Transaction, state: str) -> None:
        """It is over: confirmed or rolled back."""
        self._disarm()
        transaction.deadline = None
        if state == "confirmed" and transaction.kind == "detach":
            try:
                self.records.write(transaction.component, self._record(transaction))
            except JournalError as error:
                self.daemon.log("err", f"{error}; the detach stands, its record is missing")
        self.write(transaction, state, may_fail=True)
        self.journal.close(transaction.transaction, state)
        self.history = [transaction.shown(), *self.history][:HISTORY]
        self.open = None
        self.daemon.log("info", f"{transaction.kind} of {transaction.component}: {state}")

    def _record(self, transaction: Transaction) -> Dict[str, Any]:
        nics = self._nics(transaction)
        return {
            "component": transaction.component,
            "interfaces": transaction.interfaces,
            "mac": {nic.name: nic.mac for nic in nics},
            "addresses": {
                n: [a.cidr for a in i.addresses]
                for n in transaction.interfaces
                for i in (self.runtime.interface(n),)
                if i is not None
            },
            "moves": transaction.moves,
            "lost": transaction.lost,
            "time": transaction.time,
        }

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def arm(self) -> None:
        """The dead-man timer: looks at the clock that goes on in suspend."""
        self._disarm()
        transaction = self.open
        if transaction is None or transaction.deadline is None:
            return
        left = transaction.deadline - loops.boottime()
        if left <= 0:
            late = "confirmed" if transaction.state == "committed" or transaction.kind == "apply" else "finished"
            self.undo(f"it was not {late} in time", in_need=True)
        else:
            self._timer = self.daemon.loop.call_later(min(left, 5.0), self.arm)

    def named(self, name: Any, kind: Optional[str]) -> Transaction:
        """The open transaction, if that is its name and kind, and it may still go on: an undoing is not stopped."""
        if self.open is None or self.open.transaction != name or kind not in (None, self.open.kind):
            raise Denial("state", f"transaction {name} is not open", "no-transaction")
        if self.open.state == "rolling-back":
            raise Denial("state", f"transaction {name} is being rolled back: {self.open.reason}", "no-transaction")
        return self.open

    def _list(self, _args: Args, reply: Reply) -> None:
        reply.ok({"open": self.shown(), "records": self.records.all(), "history": self.history})
