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
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Callable, Dict, FrozenSet, List, Optional, Tuple

from . import loop as loops
from .absences import Absences
from .arguments import Args, Denial, number, text, texts
from .components import misnamed, seen
from .consumers import Consumers, Taken
from .control import Reply
from .daemon import Daemon
from .journal import Journal, JournalError, Records
from .runtime import Runtime
from .undoing import Undoing

PREPARED = 60.0  # s for the caller's hardware step, unless extended
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
    newest: int = 0  # the highest number of an interface when it began
    hosting: Dict[str, Optional[str]] = field(default_factory=dict)
    failed: Dict[str, bool] = field(default_factory=dict)
    offline: List[str] = field(default_factory=list)  # NICs of it that if_mpadm had taken offline
    dark: List[str] = field(default_factory=list)  # groups in which nobody else worked when it began
    held_back: List[str] = field(default_factory=list)  # NICs of the host that were spares under FAILBACK=no
    snapshot: Dict[str, Any] = field(default_factory=dict)
    previous: Dict[str, Optional[str]] = field(default_factory=dict)
    card: Dict[str, Any] = field(default_factory=dict)  # COMPONENT, as it was before
    routes: List[Dict[str, Any]] = field(default_factory=list)  # moved to other NICs; see rerouting
    consumers: Taken = field(default_factory=list)  # those that agreed and are told how it goes on
    handed_over: bool = False  # the caller may take the hardware out, or has

    def shown(self) -> Dict[str, Any]:
        """TRANSACTION of the control protocol."""
        words = ("transaction", "kind", "component", "interfaces", "state", "moves", "force", "reason", "time")
        left = None if self.deadline is None else max(0.0, self.deadline - loops.boottime())
        altnames = self.card.get("altnames", [])
        return {**{w: getattr(self, w) for w in words}, "altnames": altnames, "deadline": left}


class Transactions:
    """The one open transaction, and what it may do next."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.journal = Journal(daemon.root)
        self.records = Records(daemon.root)
        self.consumers = Consumers(daemon.root, daemon.loop, daemon.log)
        self.open: Optional[Transaction] = None
        self.reserved: Optional[Tuple[str, str]] = None  # (transaction, component) that consumers are asked about
        self.history: List[Dict[str, Any]] = []
        self._timer: Optional[loops.Timer] = None
        self.undoing = Undoing(self, daemon)
        self.undo = self.undoing.undo
        daemon.after_settle.append(self.undoing.survivor_failed)
        daemon.taken_out = self._taken_out
        self.absences = Absences(daemon, self._taken_out)

    def operations(self) -> Dict[str, Callable[[Args, Reply], None]]:
        """Their part of the control protocol."""
        return {
            "detach-confirm": partial(self._confirm, kind="detach"),
            "detach-rollback": partial(self._rollback, kind="detach"),
            "detach-extend": self._extend,
            "transactions": self._list,
            "apply-prepare": self._apply_prepare,
            "apply-confirm": partial(self._confirm, kind="apply"),
            "apply-rollback": partial(self._rollback, kind="apply"),
            "end-query": self._end_query,
        }

    @property
    def runtime(self) -> Runtime:
        """The daemon's."""
        return self.daemon.runtime

    def shown(self) -> Optional[Dict[str, Any]]:
        """The open transaction for status."""
        return self.open.shown() if self.open else None

    def in_the_way(self) -> Optional[Dict[str, Any]]:
        """``message`` and ``transaction`` of what everybody else has to wait for, or None."""
        try:
            self.must_be_idle()
        except Denial as denial:
            return {"message": denial.message, **denial.details}
        return None

    def must_be_idle(self) -> None:
        """Everything that changes hosting on request waits for the open transaction (one a host)."""
        if self.open is not None:
            raise Denial(
                "busy",
                f"transaction {self.open.transaction} ({self.open.kind} of {self.open.component}) is open; "
                "confirm it or roll it back first",
                transaction=self.open.transaction,
            )
        if self.reserved is not None:
            transaction, component = self.reserved
            message = f"consumers are being asked about {component}; try again in a minute"
            raise Denial("busy", message, transaction=transaction)

    def reserve(self, transaction: str, component: str) -> None:
        """Nobody else may begin while consumers are asked about it."""
        self.reserved = (transaction, component)

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
            self._forget_all()
        for past in self.journal.untold():
            if past.get("boot_id") == self.daemon.state.boot_id:
                self._tell_removed(past["transaction"], past["consumers"], past["force"])
        if entry is None:
            return
        known = {k: entry[k] for k in Transaction.__dataclass_fields__ if k in entry}
        transaction = Transaction(**known)
        if entry.get("boot_id") != self.daemon.state.boot_id:
            self.journal.close(transaction.transaction, "ended by a reboot")
            return
        self.open = transaction
        # One that is not detached has been put back, and that could not be written.
        out = all(nic.detached for nic in self.undoing.nics(transaction))
        if transaction.state in ("prepared", "committed") and out:
            self.arm()
        else:
            transaction.state = "begun"  # a rollback that was cut off as well is made again
            self.undo("the daemon was restarted in the middle of it")

    def _forget_all(self) -> None:
        try:
            for name in self.records.names():
                self.records.delete(name)
        except JournalError as error:
            self.daemon.log("err", f"{error}; what was detached before the reboot is not forgotten")

    def _confirm(self, args: Args, reply: Reply, kind: str) -> None:
        transaction = self._to_confirm(text(args, "transaction"), kind)
        if transaction is not None:
            self.end(transaction, "confirmed", may_fail=False)
        reply.ok({"changed": transaction is not None, "state": "confirmed", "moves": []})

    def _to_confirm(self, name: str, kind: str) -> Optional[Transaction]:
        """The open transaction, None where it is confirmed already, or Denial."""
        if self.open is None or self.open.transaction != name:
            past = self._past(name)
            if past is not None and past["state"] == "confirmed":
                return None
            reason = f": it was rolled back ({past['reason']})" if past else ""
            raise Denial("state", f"transaction {name} is not open{reason}", "no-transaction")
        transaction = self.named(name, kind)
        if kind == "detach" and transaction.state != "committed":
            raise Denial(
                "state",
                f"the detach of {transaction.component} is still under way ({transaction.state}), so there is nothing "
                "to confirm yet: whoever takes it out commits it first",
            )
        return transaction

    def _end_query(self, args: Args, reply: Reply) -> None:
        """What confirming or rolling back would do: ``kind`` of the transaction, ``end``, ``transaction`` or null."""
        kind, wanted = text(args, "kind"), args.get("transaction")
        if text(args, "end") == "confirmed":
            changed = self._to_confirm(text(args, "transaction"), kind) is not None
            reply.ok({"changed": changed, "rolled_back": False, "moves": [], "messages": [], "files": {}})
            return
        transaction = self._to_roll_back(wanted, kind)
        if transaction is None:
            reply.ok({**self._ended_before(wanted, kind), "files": {}})
        else:
            moves, files = [m.as_dict() for m in self.undoing.forecast(transaction)], transaction.previous
            reply.ok({"changed": True, "rolled_back": True, "moves": moves, "messages": [], "files": files})

    def _to_roll_back(self, wanted: Any, kind: str) -> Optional[Transaction]:
        """The open transaction of that kind and, unless null, of that name."""
        opened = self.open
        return opened if opened and opened.kind == kind and wanted in (None, opened.transaction) else None

    def _ended_before(self, wanted: Any, kind: str) -> Dict[str, Any]:
        """The answer of a rollback that has nothing to undo."""
        past = self._past(wanted)
        if past is None or past["kind"] != kind:
            return {"changed": False, "rolled_back": False, "moves": [], "messages": []}
        undone = past["state"] == "rolled_back"
        return {"changed": False, "rolled_back": undone, "moves": [], "messages": [_ended(past)]}

    def _past(self, name: Any) -> Optional[Dict[str, Any]]:
        return next((t for t in self.history if t["transaction"] == name), None)

    def _extend(self, args: Args, reply: Reply) -> None:
        transaction = self.named(args.get("transaction"), None)
        self.write(transaction, transaction.state, loops.boottime() + number(args, "seconds", PREPARED))
        self.arm()
        left = transaction.shown()["deadline"]
        self.daemon.log("info", f"{transaction.kind} of {transaction.component}: {left:.0f} s left from now on")
        reply.ok({"deadline": left})

    def _rollback(self, args: Args, reply: Reply, kind: str) -> None:
        wanted = args.get("transaction")
        if self._to_roll_back(wanted, kind) is None:
            reply.ok({**self._ended_before(wanted, kind), "differences": []})
            return
        self.undo(str(args.get("reason") or "asked for"), lambda answer: self._undone(reply, answer))

    @staticmethod
    def _undone(reply: Reply, answer: Dict[str, Any]) -> None:
        if answer.get("hardware"):
            reply.error("hardware", f"it could not be put back, so it stays detached: {answer['hardware']}", **answer)
        elif answer["differences"]:
            reply.error(
                "verify",
                "rolled back, but not everything is as it was: " + "; ".join(answer["differences"]),
                **answer,
            )
        else:
            reply.ok(answer)

    def _taken_out(self) -> FrozenSet[str]:
        opened = self.open
        out = opened.interfaces if opened is not None and opened.state in ("prepared", "committed") else ()
        try:
            return frozenset((*out, *(name for record in self.records.all() for name in record["interfaces"])))
        except JournalError as error:
            self.daemon.log("err", str(error))
            return frozenset(out)

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
        self.begin(transaction, "prepared", loops.boottime() + transaction.confirm_timeout)
        self.arm()
        self.daemon.log("info", f"apply of the configuration: prepared, transaction {transaction.transaction}")
        reply.ok({"transaction": transaction.transaction})

    # -- the journal

    def begin(self, transaction: Transaction, state: str = "begun", deadline: Optional[float] = None) -> None:
        """It is open from now on, unless the journal cannot be written."""
        self.write(transaction, state, deadline)
        self.open = transaction

    def write(
        self, transaction: Transaction, state: str, deadline: Optional[float] = None, *, may_fail: bool = False
    ) -> None:
        """Into the journal before it is done. Planned work without a journal is refused, and nothing has changed then;
        undoing goes on.
        """
        before = transaction.state, transaction.deadline
        transaction.state, transaction.deadline = state, deadline
        try:
            self.journal.append({**asdict(transaction), "boot_id": self.daemon.state.boot_id})
        except JournalError as error:
            if not may_fail:
                transaction.state, transaction.deadline = before
                what = "nothing is begun" if self.open is None else "it goes no further"
                raise Denial("state", f"the journal cannot be written, so {what}: {error}") from error
            self.daemon.log("err", str(error))
        self.daemon.publisher.emit(self.runtime, "transaction", **transaction.shown())

    def end(self, transaction: Transaction, state: str, *, may_fail: bool = True) -> None:
        """It is over: confirmed or rolled back. Unless it may fail, Denial where that cannot be written, and it stays
        open: nobody is told that something stands which a restart would roll back.
        """
        self.remember()
        if transaction.kind == "detach":
            try:
                self._record(transaction, state)
            except JournalError as error:
                if not may_fail:
                    raise Denial("state", f"it goes no further: {error}") from error
                self.daemon.log("err", str(error))
        self.write(transaction, state, may_fail=may_fail)
        self.disarm()
        self.history = [transaction.shown(), *self.history][:HISTORY]
        self.open = None
        self.daemon.log("info", f"{transaction.kind} of {transaction.component}: {state}")
        if state == "confirmed" and transaction.kind == "detach":
            try:
                self.forget(transaction.card["interfaces"], but=transaction.component)
            except JournalError as error:
                self.daemon.log("err", str(error))
        if state == "confirmed" and transaction.consumers:
            self._tell_removed(transaction.transaction, transaction.consumers, transaction.force)
        else:
            self.journal.close(transaction.transaction, state)

    def _tell_removed(self, transaction: str, consumers: Taken, force: bool) -> None:
        """The journal keeps it until they know: should we be killed meanwhile, they are told after the restart."""

        def told() -> None:
            if self.open is None:  # else the entries of that one stay, and these go along with them
                self.journal.close(transaction, "confirmed")

        self.consumers.removed(consumers, force, told)

    def remember(self) -> None:
        """What the next daemon believes must not be older than what the journal and the records say."""
        try:
            self.daemon.save()
        except OSError as error:
            self.daemon.log("err", f"the state of this moment cannot be saved: {error}")

    def forget(self, interfaces: List[str], but: str = "") -> None:
        """Delete the records of components that have left with these interfaces, or come back with them."""
        for record in self.within(interfaces, but):
            self.records.delete(record["component"])

    def returning(self, interfaces: List[str]) -> None:
        """An attach is about to begin: say so on the disk. Raises JournalError."""
        for record in self.within(interfaces):
            self.records.write(record["component"], {**record, "returning": True})

    def within(self, interfaces: List[str], but: str = "") -> List[Dict[str, Any]]:
        """Records of components that consist of nothing but these interfaces."""
        inside = [record for record in self.records.all() if set(record["interfaces"]) <= set(interfaces)]
        return [record for record in inside if record["component"] != but]

    def _record(self, transaction: Transaction, state: str) -> None:
        """What is out, and what had left with it before. If it is back, there may be one all the same, when the daemon
        was killed as this was about to be confirmed.
        """
        if state != "confirmed":
            self.records.delete(transaction.component)
            return
        nics, interfaces = self.undoing.nics(transaction), transaction.card["interfaces"]
        before = [route for r in self.within(interfaces, transaction.component) for route in r.get("routes", ())]
        record = {
            "kind": "detached",
            "component": transaction.component,
            "interfaces": interfaces,
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
            "newest": transaction.newest,
            "card": transaction.card,
            "routes": [*transaction.routes, *before],
        }
        self.records.write(transaction.component, record)

    def disarm(self) -> None:
        """No timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def arm(self) -> None:
        """The dead-man timer: looks at the clock that goes on in suspend."""
        self.disarm()
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

    def hints(self, interfaces: List[str]) -> List[str]:
        """What may have come in the stead of these, as far as they are out."""
        try:
            records = self.within(interfaces)
        except JournalError:  # said by who reads them first
            records = []
        records += [record for name, record in self.absences.records.items() if name in interfaces]
        return [hint for hint in map(self._hint, records) if hint]

    def _hint(self, record: Dict[str, Any]) -> str:
        return misnamed(record, self.daemon.kernel.links, self.runtime.nics)

    def _list(self, _args: Args, reply: Reply) -> None:
        links = self.daemon.kernel.links
        records = [
            {
                **record,
                "hint": self._hint(record),
                "seen": seen(record.get("card", record), links),
                "now": {n: links[n].permanent_mac or links[n].mac for n in record["interfaces"] if n in links},
            }
            for record in (*self.records.all(), *self.absences.records.values())
        ]
        waits = self.undoing.longest()
        reply.ok({"open": self.shown(), "records": records, "history": self.history, "wait_timeout": waits})


def _ended(past: Dict[str, Any]) -> str:
    """How a transaction has ended that is not open any more."""
    if past["state"] == "rolled_back":
        return f"it was rolled back before: {past['reason']}"
    stays = "detached" if past["kind"] == "detach" else "in force"
    why = f" ({past['reason']})" if past["reason"] else ""
    return f"it is confirmed, so {past['component']} stays {stays}{why}"
