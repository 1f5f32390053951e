# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One detach on its way from the question to *prepared*: asked, admitted, consumers released, addresses away.

Consumers may take their time; meanwhile the host is reserved for it, and everything else goes on.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from typing import Any, Dict, List, Sequence, Tuple

from . import detach, rerouting, rtnl, whole
from . import loop as loops
from .arguments import Args, Denial, number
from .consumers import Asked
from .control import Reply
from .daemon import Daemon
from .inquiry import Inquiry, Meant
from .placement import moves
from .runtime import Nic, Runtime
from .transactions import PREPARED, Transaction, Transactions


class Detaching:
    """``begin`` is called once; the reply is given in the end."""

    def __init__(self, daemon: Daemon, transactions: Transactions, inquiry: Inquiry, args: Args, reply: Reply) -> None:
        self.daemon, self.transactions, self.inquiry = daemon, transactions, inquiry
        self.args, self.reply = args, reply
        self.force = bool(args.get("force"))
        self.seconds = number(args, "confirm_timeout", 0.0)
        self.name = ""

    @property
    def runtime(self) -> Runtime:
        """The daemon's."""
        return self.daemon.runtime

    def begin(self) -> None:
        """Denial, or the reply is given later."""
        self.transactions.must_be_idle()
        meant, verdict = self._judged()
        transaction = uuid.uuid4().hex[:12]
        self.transactions.reserve(transaction, meant.about.name)
        resources = resources_of(meant, verdict)
        self.transactions.consumers.ask(resources, self.force, lambda asked: self._asked(transaction, asked))

    def _judged(self) -> Tuple[Meant, detach.Verdict]:
        meant = self.inquiry.meant(self.args)
        self.name = meant.about.name
        if meant.detached:
            raise Denial("state", f"{self.name} is already detached", "already-detached")
        return meant, self.inquiry.verdict(meant, self.args)

    def _asked(self, ident: str, asked: Asked) -> None:
        self.transactions.reserved = None
        if not self.reply.open:  # the caller has gone, and nothing has begun
            return
        try:
            self._admit(ident, asked)
        except Denial as denial:
            self.reply.deny(denial)

    def _admit(self, ident: str, asked: Asked) -> None:
        """The whole query again, for things may have changed while consumers were asked."""
        meant, verdict = self._judged()
        verdict = replace(verdict, objections=(*verdict.objections, *asked.objections))
        if not verdict.allowed(self.force):
            reasons = "; ".join((*verdict.hard, *verdict.reasons))
            raise Denial("refused", reasons, "min-redundancy", refusals=[r.as_dict() for r in verdict.refusals])
        nics, notes = [nic for nic in meant.nics if not nic.detached], self.inquiry.notes(meant)
        transaction = Transaction(
            ident,
            "detach",
            self.name,
            [nic.name for nic in nics],
            force=self.force,
            hardware=meant.about.hardware,
            card=meant.card,
            confirm_timeout=self.seconds,
            time=time.time(),
            lost=list(verdict.lost),
            newest=self.daemon.kernel.newest,
            hosting=dict(self.runtime.hosting),
            failed={nic.name: nic.health.failed for nic in nics},
            offline=[nic.name for nic in nics if nic.offline],
            dark=self._dark(nics),
            held_back=[nic.name for nic in self.runtime.grouped() if nic.held_back],
            snapshot=self._snapshot([nic.name for nic in nics]),
            consumers=asked.taken,
        )
        self.transactions.begin(transaction)
        self.daemon.log("info", f"detach of {self.name} begins, transaction {ident}")
        self.transactions.consumers.prepare(
            asked.taken, self.force, lambda failures: self._released(transaction, nics, notes, failures)
        )

    def _released(self, transaction: Transaction, nics: List[Nic], notes: List[str], failures: List[str]) -> None:
        if transaction is not self.transactions.open or transaction.state != "begun":
            message = f"transaction {transaction.transaction} was rolled back meanwhile: {transaction.reason}"
            self.reply.error("state", message, "no-transaction")
            return
        if not failures and not self.reply.open:  # nobody could commit it
            failures = ["whoever asked for it has gone"]
        if not failures:
            try:
                failures = self._still_allowed(transaction) or self._take_out(transaction, nics)
            except Exception as error:  # whatever it is, the host must not stay in between
                failures = [str(error) or type(error).__name__]
        if failures:
            self.transactions.undo("; ".join(failures), lambda answer: self._failed(failures, answer))
            return
        self.reply.ok(
            {
                "transaction": transaction.transaction,
                "component": transaction.card,
                "moves": transaction.moves,
                "lost": transaction.lost,
                "messages": messages_of(notes, transaction.lost),
                "deadline": PREPARED,
            }
        )

    def _still_allowed(self, transaction: Transaction) -> List[str]:
        """What speaks against it now, if consumers took their time."""
        if not transaction.consumers:
            return []
        verdict = self._judged()[1]
        return [] if verdict.allowed(self.force) else [*verdict.hard, *verdict.reasons]

    def _take_out(self, transaction: Transaction, nics: List[Nic]) -> List[str]:
        """Addresses away, then everything of ours off the NICs, then the links down. Returns what failed."""
        self.transactions.write(transaction, "moving")
        for nic in nics:
            nic.leaving = True
        failures = list(self.daemon.settle(f"{transaction.component} is detached").failures)
        if failures:
            return failures
        transaction.routes = self._rerouted(transaction, nics)
        self.transactions.write(transaction, "unplumbing")
        late = rerouting.move(transaction.routes)
        for nic in nics:
            if nic.name not in self.runtime.nics:
                self.runtime.nics[nic.name] = nic
            nic.leaving, nic.detached, nic.offline, nic.joined = False, True, False, False
        self.daemon.save()  # else a restart would take its link, which is put down, for one that has failed
        failures = list(self.daemon.settle(f"{transaction.component} is detached").failures)
        for nic in nics:
            failures += self.daemon.membership.unplumb(self.runtime, nic)
        if late:  # an IPv6 gateway is refused as long as the prefix it is in leads through the old NIC
            late = rerouting.move(transaction.routes)
            failures += [] if transaction.force else late
        done = moves(transaction.hosting, self.runtime.hosting)
        transaction.moves = [m.as_dict() for m in done if m.source in transaction.interfaces]
        if not failures:
            transaction.handed_over = True
            self.daemon.save()  # from here on a restart goes on with it, and has to know that the NICs are out
            self.transactions.write(transaction, "prepared", loops.boottime() + PREPARED)
            self.transactions.arm()
            self.daemon.log(
                "info", f"detach of {transaction.component}: prepared, transaction {transaction.transaction}"
            )
        return failures

    def _rerouted(self, transaction: Transaction, nics: List[Nic]) -> List[Dict[str, Any]]:
        """Static routes go where the data addresses have gone, else to a survivor that works."""
        survivors = self.inquiry.survivors(transaction.interfaces)
        targets: Dict[str, str] = {}
        for nic in nics:
            gone = [
                t for ip, n in transaction.hosting.items() for t in (self.runtime.hosting.get(ip),) if n == nic.name
            ]
            choice = [t for t in gone if t and t not in transaction.interfaces] + survivors.get(nic.group or "", [])
            if choice:
                targets[nic.name] = choice[0]
        return rerouting.planned(transaction.snapshot, targets, self.runtime.hosting)

    def _dark(self, nics: List[Nic]) -> List[str]:
        """Groups of theirs in which nobody else works."""
        left = self.inquiry.survivors([nic.name for nic in nics])
        return sorted({nic.group for nic in nics if nic.group and not left[nic.group]})

    def _snapshot(self, leaving: List[str]) -> Dict[str, Any]:
        try:
            return whole.snapshot(self.daemon, leaving)
        except rtnl.LibraryMissing as error:
            raise Denial("state", f"{error}; without it nothing could be put back, so nothing is begun") from error

    def _failed(self, failures: List[str], answer: Dict[str, Any]) -> None:
        differences, stuck = answer["differences"], answer.get("hardware")
        what = "everything was put back"
        if stuck:
            what = f"it could not be put back, so it stays detached ({stuck})"
        elif differences:
            what = f"it was put back, but not everything is as it was ({'; '.join(differences)})"
        self.reply.error(
            "hardware" if stuck else "verify" if differences else "internal",
            f"a step failed and {what}: {'; '.join(failures)}",
            differences=differences,
            rolled_back=answer["rolled_back"],
        )


def messages_of(notes: Sequence[str], lost: Sequence[str]) -> List[str]:
    """What there is to say of a detach that is done, or of one that is allowed."""
    return [*notes, *(f"{ip} is lost: no interface can take it" for ip in lost)]


def resources_of(meant: Meant, verdict: detach.Verdict) -> List[str]:
    """What consumers are asked about: NICs, addresses that would be lost, PCI functions that would go."""
    found = [f"SUNW_network/{nic.name}" for nic in meant.nics if not nic.detached]
    found += [f"SUNW_ip/{ip}" for ip in verdict.lost]
    if meant.about.hardware in ("pci", "slot"):
        found += [f"pci/{function}" for function in meant.about.functions]
    return found
