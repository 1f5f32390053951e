# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dynamic reconfiguration as callers ask for it: query, prepare and commit a detach; attach (sections 14 and 15)."""

from __future__ import annotations

import time
import uuid
from typing import Any, Callable, Dict, List

from . import detach, health, rerouting, rtnl
from . import loop as loops
from .arguments import Args, Denial, number, peer
from .control import Reply
from .daemon import Daemon
from .inquiry import Inquiry, shown
from .placement import moves
from .runtime import Nic, Runtime
from .transactions import PREPARED, Transaction, Transactions


class Reconfiguration:
    """The steps; what is open and how it is undone is the business of ``transactions``."""

    def __init__(self, daemon: Daemon, transactions: Transactions) -> None:
        self.daemon, self.transactions = daemon, transactions
        self.inquiry = Inquiry(daemon, transactions)

    def operations(self) -> Dict[str, Callable[[Args, Reply], None]]:
        """Its part of the control protocol."""
        return {
            "components": self._components,
            "detach-query": self._query,
            "detach-prepare": self._prepare,
            "detach-commit": self._commit,
            "attach": self._attach,
        }

    @property
    def runtime(self) -> Runtime:
        """The daemon's."""
        return self.daemon.runtime

    # -- asking

    def _components(self, _args: Args, reply: Reply) -> None:
        reply.ok({"components": [shown(meant) for meant in self.inquiry.all()]})

    def _query(self, args: Args, reply: Reply) -> None:
        meant = self.inquiry.meant(args)
        force, detached = bool(args.get("force")), meant.detached
        if detached:
            verdict, notes = detach.Verdict((), (), ()), []
        else:
            verdict, notes = self.inquiry.verdict(meant, peer(args)), self.inquiry.notes(meant)
        allowed = verdict.allowed(force)
        reply.ok(
            {
                "component": meant.card,
                "allowed": allowed,
                "refusals": [r.as_dict() for r in verdict.refusals],
                "moves": [m.as_dict() for m in verdict.moves],
                "lost": list(verdict.lost),
                "warnings": [*verdict.hard, *verdict.reasons, *(notes if allowed else ())],
                "state": "detached" if detached else "attached",
            }
        )

    # -- two phases

    def _prepare(self, args: Args, reply: Reply) -> None:
        self.transactions.must_be_idle()
        meant = self.inquiry.meant(args)
        name = meant.about.name
        if meant.detached:
            raise Denial("state", f"{name} is already detached", "already-detached")
        force = bool(args.get("force"))
        seconds = number(args, "confirm_timeout", 0.0)
        verdict = self.inquiry.verdict(meant, peer(args))
        if not verdict.allowed(force):
            reasons = "; ".join((*verdict.hard, *verdict.reasons))
            self.daemon.log("err", f"detach of {name} refused: {reasons}")
            raise Denial("refused", reasons, "min-redundancy", refusals=[r.as_dict() for r in verdict.refusals])
        if seconds and not force and not meant.about.reversible:
            raise Denial(
                "refused",
                f"{name} would be taken out by {meant.about.hardware!r}, which the host cannot undo by itself, so no "
                "timer can bring it back: use hardware=pci, driver or none, or confirm_timeout=0, or force",
                refusals=[],
            )
        nics, notes = [nic for nic in meant.nics if not nic.detached], self.inquiry.notes(meant)
        transaction = Transaction(
            uuid.uuid4().hex[:12],
            "detach",
            name,
            [nic.name for nic in nics],
            force=force,
            hardware=meant.about.hardware,
            card=meant.card,
            confirm_timeout=seconds,
            time=time.time(),
            lost=list(verdict.lost),
            hosting=dict(self.runtime.hosting),
            failed={nic.name: nic.health.failed for nic in nics},
            snapshot=_snapshot(),
        )
        self.transactions.begin(transaction)
        self.daemon.log("info", f"detach of {transaction.component} begins, transaction {transaction.transaction}")
        try:
            failures = self._take_out(transaction, nics)
        except Exception as error:  # whatever it is, the host must not stay in between
            failures = [str(error) or type(error).__name__]
        if failures:
            self.transactions.undo("; ".join(failures), lambda answer: self._failed(reply, failures, answer))
            return
        messages = [*notes, *(f"{ip} is lost: no interface can take it" for ip in transaction.lost)]
        reply.ok(
            {
                "transaction": transaction.transaction,
                "component": transaction.card,
                "moves": transaction.moves,
                "lost": transaction.lost,
                "messages": messages,
                "deadline": PREPARED,
            }
        )

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
            nic.leaving, nic.detached, nic.offline = False, True, False
        failures = list(self.daemon.settle(f"{transaction.component} is detached").failures)
        for nic in nics:
            nic.mtu_before = nic.mtu_before or nic.mtu
            failures += self.daemon.membership.unplumb(nic)
        if late:  # an IPv6 gateway is refused as long as the prefix it is in leads through the old NIC
            late = rerouting.move(transaction.routes)
            failures += [] if transaction.force else late
        done = moves(transaction.hosting, self.runtime.hosting)
        transaction.moves = [m.as_dict() for m in done if m.source in transaction.interfaces]
        if not failures:
            transaction.deadline, transaction.handed_over = loops.boottime() + PREPARED, True
            self.transactions.write(transaction, "prepared")
            self.transactions.arm()
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

    def _failed(self, reply: Reply, failures: List[str], answer: Dict[str, Any]) -> None:
        reply.error(
            "verify" if answer["differences"] else "internal",
            f"a step failed and everything was put back: {'; '.join(failures)}",
            differences=answer["differences"],
        )

    def _commit(self, args: Args, reply: Reply) -> None:
        transaction = self.transactions.named(args.get("transaction"), "detach")
        if transaction.state == "prepared":
            if transaction.confirm_timeout > 0:
                transaction.deadline = loops.boottime() + transaction.confirm_timeout
                self.transactions.write(transaction, "committed")
                self.transactions.arm()
            else:
                self.transactions.end(transaction, "confirmed")
        reply.ok({k: transaction.shown()[k] for k in ("transaction", "state", "deadline")})

    # -- attach

    def _attach(self, args: Args, reply: Reply) -> None:
        self.transactions.must_be_idle()
        seconds = number(args, "wait_timeout", 60.0)
        meant = self.inquiry.meant({**args, "hardware": "none"})
        nics, name = meant.nics, meant.about.name
        known = [nic for nic in nics if self.runtime.interface(nic.name) is not None]
        for nic in known:
            if nic.offline:
                raise Denial(
                    "state",
                    f"{nic.name} is offline, so its addresses would not come home; "
                    f"bring it online first with 'if_mpadm -r {nic.name}'",
                )
        messages = [f"no hostname file names {nic.name}; it is left alone" for nic in nics if nic not in known]
        before = dict(self.runtime.hosting)
        changed = any(nic.detached or not nic.present or nic.health.failed for nic in known)
        for nic in nics:
            nic.detached = nic.leaving = False
            if nic in known and nic.group and nic.present and not nic.joined:
                nic.health = health.suspect(nic.health, loops.now())
        routes = self.transactions.forget([nic.name for nic in nics])
        for nic in nics:
            if nic not in known:
                self.runtime.nics.pop(nic.name, None)
        self.daemon.settle(f"{name} is attached")

        def tell(held: bool) -> None:
            messages.extend(rerouting.give_back(routes))
            done = [m.as_dict() for m in moves(before, self.runtime.hosting)]
            if held:
                self.daemon.log("info", f"{name} is attached")
                reply.ok({"changed": changed or bool(done), "moves": done, "messages": messages})
                return
            why = "; ".join(f"{nic.name}: {nic.reason or nic.state}" for nic in known if not self._is_home(nic))
            reply.error("timeout", f"after {seconds:.0f} s not everything is in place: {why}", moves=done)

        self.daemon.wait(seconds, lambda: all(self._is_home(nic) for nic in known), tell)

    def _is_home(self, nic: Nic) -> bool:
        """Fit, and with its own addresses unless they are not to come back."""
        interface = self.runtime.interface(nic.name)
        group = self.runtime.config.group_of(nic.name)
        if interface is None or group is None:
            return nic.present
        if not nic.usable:
            return False
        if not self.runtime.config.failback(group) or nic.standby:
            return True
        return all(self.runtime.hosting.get(a.ip) == nic.name for a in interface.data_addresses)


def _snapshot() -> Dict[str, Any]:
    try:
        return rtnl.snapshot()
    except rtnl.LibraryMissing as error:
        raise Denial("state", f"{error}; without it nothing could be put back, so nothing is begun") from error
