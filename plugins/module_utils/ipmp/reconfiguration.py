# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dynamic reconfiguration as callers ask for it: what there is, may it go, detach, attach (sections 14 and 15)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Dict, List, Optional

from . import detach, whole
from . import loop as loops
from .arguments import Args, Denial
from .attaching import Attaching
from .consumers import Asked
from .control import Reply
from .daemon import Daemon
from .detaching import Detaching, messages_of, resources_of
from .inquiry import Inquiry, Meant, shown
from .model import ConfigError
from .occupied import Occupied, Taken
from .runtime import occupied
from .transactions import Transactions

Told = Callable[[Optional[str]], None]  # None: done; a sentence: why not


class Reconfiguration:
    """Its part of the control protocol; what is open and how it is undone is the business of ``transactions``.

    reread: puts what the files say now into force, and tells.
    """

    def __init__(self, daemon: Daemon, transactions: Transactions, reread: Callable[[Told], None]) -> None:
        self.daemon, self.transactions, self._reread = daemon, transactions, reread
        self.inquiry = Inquiry(daemon, transactions)
        self.attaching = Attaching(daemon, transactions, self.inquiry)

    def operations(self) -> Dict[str, Callable[[Args, Reply], None]]:
        """Its part of the control protocol."""
        return {
            "components": self._components,
            "detach-query": self._query,
            "detach-prepare": self._prepare,
            "detach-commit": self._commit,
            "attach": self._attach,
            "verify": self._verify,
            "attach-query": self._attach_query,
        }

    def _components(self, _args: Args, reply: Reply) -> None:
        reply.ok({"components": [shown(meant) for meant in self.inquiry.all()]})

    def _query(self, args: Args, reply: Reply) -> None:
        """Consumers are programs that run as root, so only root has them asked."""
        meant, force = self.inquiry.meant(args), bool(args.get("force"))
        verdict = detach.Verdict((), (), ())
        notes: List[str] = []
        if not meant.detached:
            verdict, notes = self.inquiry.verdict(meant, args), self.inquiry.notes(meant)
        consumers, busy = self.transactions.consumers, self.transactions.in_the_way()
        if meant.detached or reply.uid != 0 or args.get("consumers") is False:
            self._answer(reply, meant, verdict, force, notes, busy)
            return

        def asked(answer: Asked) -> None:
            combined = replace(verdict, objections=(*verdict.objections, *answer.objections))
            self._answer(reply, meant, combined, force, notes, busy)

        consumers.ask(resources_of(meant, verdict), force, asked)

    def _answer(
        self,
        reply: Reply,
        meant: Meant,
        verdict: detach.Verdict,
        force: bool,
        notes: List[str],
        busy: Optional[Dict[str, Any]],
    ) -> None:
        allowed = verdict.allowed(force)
        reply.ok(
            {
                "component": meant.card,
                "allowed": allowed,
                "refusals": [r.as_dict() for r in verdict.refusals],
                "moves": [m.as_dict() for m in verdict.moves],
                "lost": list(verdict.lost),
                "warnings": [*verdict.hard, *verdict.reasons, *(notes if allowed else ())],
                "messages": messages_of(notes, verdict.lost),
                "state": meant.state,
                "busy": busy,
                "wait_timeout": self.attaching.patience(meant.nics),
            }
        )

    def _prepare(self, args: Args, reply: Reply) -> None:
        Detaching(self.daemon, self.transactions, self.inquiry, args, reply).begin()

    def _commit(self, args: Args, reply: Reply) -> None:
        transaction = self.transactions.named(args.get("transaction"), "detach")
        if transaction.state == "prepared":
            if transaction.confirm_timeout > 0:
                self.transactions.write(transaction, "committed", loops.boottime() + transaction.confirm_timeout)
                self.transactions.arm()
                within = f"to be confirmed within {transaction.confirm_timeout:.0f} s"
                self.daemon.log("info", f"detach of {transaction.component}: committed, {within}")
            else:
                self.transactions.end(transaction, "confirmed", may_fail=False)
        reply.ok({k: transaction.shown()[k] for k in ("transaction", "state", "deadline")})

    def _verify(self, args: Args, reply: Reply) -> None:
        meant = self.inquiry.meant({**args, "hardware": "none"})
        reply.ok({"differences": whole.unlike_a_boot(self.daemon, [nic.name for nic in meant.nics])})

    def _attach(self, args: Args, reply: Reply) -> None:
        """What the files say now decides (ATT-4). Then the link is asked, for another host may have taken the addresses
        while the component was out (T104).
        """
        self.transactions.must_be_idle()
        name = self.inquiry.meant({**args, "hardware": "none"}).about.name
        before = dict(self.daemon.runtime.hosting)

        def ask(problem: Optional[str]) -> None:
            if problem is not None:
                raise self._not_understood(problem, name)
            self.transactions.must_be_idle()  # a detach may have begun meanwhile
            out = [nic for nic in self.inquiry.meant({**args, "hardware": "none"}).nics if nic.detached or nic.asking]
            Occupied(self.daemon, out, lambda taken: self._unless_denied(reply, lambda: asked(taken)))

        def asked(taken: Taken) -> None:
            if taken:
                raise self._occupied(name, taken)
            self.attaching.attach(args, reply, before)

        self._reread(lambda problem: self._unless_denied(reply, lambda: ask(problem)))

    def _attach_query(self, args: Args, reply: Reply) -> None:
        """What ``attach`` would do; where only the component itself could ask the link, nobody asks."""
        self.transactions.must_be_idle()
        meant = self.inquiry.meant({**args, "hardware": "none"})
        try:
            answer = self.attaching.query(args)
        except ConfigError as error:
            raise self._not_understood(str(error), meant.about.name) from error

        def told(taken: Taken) -> None:
            if taken:
                denial = self._occupied(meant.about.name, taken)
                reply.error(denial.kind, denial.message, denial.code, **denial.details)
            else:
                reply.ok(answer)

        Occupied(self.daemon, [nic for nic in meant.nics if nic.detached], told, raising=False)

    @staticmethod
    def _not_understood(problem: str, name: str) -> Denial:
        return Denial("invalid", f"{problem}; {name} is left as it is until that is mended")

    @staticmethod
    def _unless_denied(reply: Reply, do: Callable[[], None]) -> None:
        if not reply.open:  # the caller has gone, and nothing has begun
            return
        try:
            do()
        except Denial as denial:
            reply.deny(denial)

    @staticmethod
    def _occupied(name: str, taken: Taken) -> Denial:
        reasons = occupied(taken)
        way_out = f"take it off that host, or out of the hostname files here, then attach {name} again"
        rows = [
            {"resource": f"SUNW_ip/{ip}", "information": f"{ip} in use by {mac}"} for ip, mac in sorted(taken.items())
        ]
        message = f"{reasons}; {name} stays detached and no address has moved; {way_out}"
        return Denial("refused", message, "address-in-use", refusals=rows)
