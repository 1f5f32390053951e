# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What callers may ask of the daemon: the operations of the control protocol, each checked before it is done."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, FrozenSet, List, Optional

from . import forecast, parting, plan
from .admission import Admission, Raised
from .arguments import Args, Denial, address, number, step, text, texts
from .arrivals import Arrivals
from .control import Reply
from .daemon import Daemon
from .files import read_config
from .inquiry import must_know_files
from .model import Config, ConfigError
from .placement import Hosting, moves
from .reconfiguration import Reconfiguration
from .runtime import Nic, Runtime
from .status import PROTOCOL, VERSION, status, warnings
from .transactions import Transactions

LINK_WAIT = 5.0  # s that a link just brought up may take before ``apply`` answers without it


class Operations:
    """``handle`` is the control socket's handler."""

    def __init__(self, daemon: Daemon, transactions: Transactions) -> None:
        self.daemon, self.transactions = daemon, transactions
        self.reconfiguration = Reconfiguration(daemon, transactions, self.reread)
        self.arrivals = Arrivals(daemon)
        self._table: Dict[str, Callable[[Args, Reply], None]] = {
            "ping": self._ping,
            "status": self._status,
            "plan": self._plan,
            "apply": self._apply,
            "offline": self._offline,
            "undo-offline": self._undo_offline,
            "offline-query": self._offline_query,
            "events": lambda _args, reply: daemon.publisher.listen(reply.stream()),
            "probes": lambda _args, reply: daemon.probe_streams.listen(reply.stream()),
            "release": self._release,
            "release-query": self._release_query,
            **transactions.operations(),
            **self.reconfiguration.operations(),
        }

    def handle(self, op: str, args: Args, reply: Reply) -> None:
        """One request; every refusal becomes an answer."""
        name = step(op, args)
        if name:  # whoever is not there any more to be answered, the log has a line
            reply.denied = lambda message: self.daemon.log("err", f"{name} refused: {message}")
        operation = self._table.get(op)
        if operation is None:
            reply.error("invalid", f"{op!r:.40} is no operation of protocol {PROTOCOL}")
            return
        self._or_refused(lambda: operation(args, reply), reply)

    @staticmethod
    def _or_refused(do: Callable[[], None], reply: Reply) -> None:
        try:
            do()
        except Denial as denial:
            reply.deny(denial)
        except ConfigError as error:
            reply.deny(Denial("invalid", str(error)))

    @property
    def runtime(self) -> Runtime:
        """The daemon's."""
        return self.daemon.runtime

    # -- looking

    def _ping(self, _args: Args, reply: Reply) -> None:
        reply.ok({"version": VERSION, "protocol": [PROTOCOL], "pid": os.getpid()})

    def _status(self, _args: Args, reply: Reply) -> None:
        boot_id = self.daemon.state.boot_id
        reply.ok(status(self.runtime, self.daemon.prober.snapshot(), os.getpid(), boot_id, self.transactions.shown()))

    def _plan(self, args: Args, reply: Reply) -> None:
        config = read_config(self.daemon.root, texts(args, "files"))
        self._room_for_old_settings(config)
        self._admissible(config)
        self._admit(config, lambda: reply.ok(self._planned(config)), reply)

    def _planned(self, config: Config) -> Dict[str, Any]:
        trial = forecast.configured(self.daemon, config)
        after = trial.placed()
        steps = plan.steps(
            self.daemon.kernel.observe(self.daemon.record), plan.wanted(trial.views(after), trial.ungrouped())
        )
        found = ["put what the files say into force"] if forecast.differs(self.runtime, config) else []
        found += [plan.describe(s) for s in steps if not isinstance(s, plan.AwaitAddresses)]
        return {
            "moves": self._moved(self.runtime.located(self.runtime.hosting), trial.located(after)),
            "operations": found,
            "warnings": warnings(trial),
            "busy": self.transactions.in_the_way(),
        }

    @staticmethod
    def _moved(before: Hosting, after: Hosting) -> List[Dict[str, Optional[str]]]:
        return [m.as_dict() for m in moves(before, after)]

    # -- changing

    def reload(self) -> None:
        """SIGHUP: what the files say now, if neither they nor the link speak against it."""
        self._read(lambda _problem: None, again=True)

    def reread(self, tell: Callable[[Optional[str]], None]) -> None:
        """The same where they have changed; then tell(None), or tell(sentence) when what was in force still is."""
        self._read(tell, again=False)

    def _read(self, tell: Callable[[Optional[str]], None], *, again: bool) -> None:
        def admitted(problem: Optional[str]) -> None:
            if problem is not None:
                self.daemon.not_reloaded(problem)
            else:
                self.daemon.reconfigure(config)
            raised.over()
            tell(problem)

        try:
            config = read_config(self.daemon.root)
            if not again and config == self.runtime.config and self.runtime.files_error is None:
                tell(None)
                return
            self._admissible(config)
        except (ConfigError, Denial) as error:
            self.daemon.not_reloaded(str(error))
            tell(str(error))
        else:
            raised = Raised(self.daemon, config)
            raised.when_there(lambda: Admission(self.daemon, config, self._held(config), admitted))

    def _apply(self, args: Args, reply: Reply) -> None:
        transaction = self.transactions.accepts_apply(args.get("transaction"))
        config = read_config(self.daemon.root)
        self._room_for_old_settings(config)
        seconds = number(args, "wait_timeout", 30.0)

        def admitted() -> None:
            self.transactions.accepts_apply(args.get("transaction"))  # a detach may have begun meanwhile
            self._in_force(config, transaction, seconds, reply)

        self._admissible(config)
        raised = Raised(self.daemon, config)
        raised.when_there(lambda: self._or_refused(lambda: self._admit(config, admitted, reply, raised.over), reply))

    def _admit(
        self, config: Config, admitted: Callable[[], None], reply: Reply, over: Callable[[], None] = lambda: None
    ) -> None:
        """Go on if the link does not contradict the configuration; else that is the answer. over: called then."""

        def tell(problem: Optional[str]) -> None:
            if problem is None:
                self._or_refused(admitted, reply)
            over()
            if problem is not None:
                reply.deny(Denial("invalid", problem))

        Admission(self.daemon, config, self._held(config), tell)

    def _held(self, config: Config) -> FrozenSet[str]:
        """Its addresses that this host has already, so that nobody need be asked."""
        return frozenset(self.daemon.kernel.holders(plan.owned(config), frozenset(self.daemon.kernel.links)))

    def _in_force(self, config: Config, transaction: Optional[str], seconds: float, reply: Reply) -> None:
        before, differed = self.runtime.located(self.runtime.hosting), forecast.differs(self.runtime, config)
        done = self.daemon.reconfigure(config)
        patience = min(seconds, LINK_WAIT)

        def late() -> List[str]:
            """Who is not fit yet, and may be as soon as its link is up and its path is proved."""
            members = [nic for nic in self.runtime.grouped() if nic.plumbed]
            return [nic.name for nic in members if not nic.health.link or nic.health.waiting]

        def tell(_held: bool) -> None:
            self.daemon.log("info", "the configuration is in force" + ("" if done.changed else ", as it was before"))
            unfit = [f"{n} is not fit after {patience:g} s: {self.runtime.nics[n].reason}" for n in late()]
            reply.ok(
                {
                    "changed": done.changed or differed,
                    "moves": self._moved(before, self.runtime.located(self.runtime.hosting)),
                    "warnings": [*warnings(self.runtime), *unfit],
                    "transaction": transaction,
                }
            )

        if done.failures:
            reply.error("internal", "; ".join(done.failures))
            return
        self.daemon.wait(patience, lambda: not late(), tell)

    def _room_for_old_settings(self, config: Config) -> None:
        if all(self.runtime.config.group_of(i.name) for g in config.groups for i in g.interfaces):
            return
        try:
            self.daemon.membership.sysctls.check()
        except OSError as error:
            raise Denial(
                "invalid",
                "the kernel settings that new members have now could not be saved, and so not be put back one day: "
                f"{error.filename or '/var/lib/ipmp'}: {error.strerror}; make it writable first",
            ) from error

    def _admissible(self, config: Config) -> None:
        """What no look at the link is needed for: members must be free, present or not."""
        for group in config.groups:
            for interface in group.interfaces:
                link = self.daemon.kernel.links.get(interface.name)
                if link is not None and link.master:
                    master = self.daemon.kernel.name_of(link.master) or f"interface {link.master}"
                    raise Denial(
                        "invalid",
                        f"interface {interface.name} of group {group.name} belongs to {master}; "
                        f"take it out of {master} first, or leave it out of the group",
                    )

    def _offline(self, args: Args, reply: Reply) -> None:
        nic = self._may_switch(args, offline=True)
        self.runtime.switch(nic, offline=True)
        done = self.daemon.settle(f"{nic.name} is taken offline")
        self.daemon.log("info", f"{nic.name} is offline")
        reply.ok({"changed": True, "moves": [m.as_dict() for m in done.moves]})

    def _undo_offline(self, args: Args, reply: Reply) -> None:
        nic, seconds = self._may_switch(args, offline=False), number(args, "wait_timeout", 0.0)
        before = dict(self.runtime.hosting)
        self.runtime.switch(nic, offline=False)
        self.daemon.settle(f"{nic.name} is brought online")
        self.daemon.log("info", f"{nic.name} is online")

        def tell(_held: bool) -> None:
            reply.ok({"changed": True, "moves": self._moved(before, self.runtime.hosting)})

        self.daemon.wait(seconds, lambda: not nic.health.waiting, tell)

    def _offline_query(self, args: Args, reply: Reply) -> None:
        """What ``offline`` or, with ``online``, ``undo-offline`` would do."""
        offline = not args.get("online")
        nic = self._may_switch(args, offline=offline)
        after = forecast.switched(self.runtime, nic.name, offline=offline)
        reply.ok({"changed": True, "moves": self._moved(self.runtime.hosting, after)})

    def _may_switch(self, args: Args, *, offline: bool) -> Nic:
        """The member that is meant; Denial where it is so already, or cannot be."""
        nic = self._member(args)
        self.transactions.must_be_idle()
        if not offline:
            if nic.twin:
                raise Denial(
                    "state",
                    f"cannot undo-offline {nic.name}: interface has duplicate hardware address {nic.mac}; "
                    "give it one of its own first",
                    "hwaddr-dup",
                )
            if not nic.offline:
                raise Denial("state", f"{nic.name} is not offline", "not-offline")
            return nic
        if nic.offline:
            raise Denial("state", f"{nic.name} is already offline", "already-offline")
        group = self.runtime.config.group_of(nic.name)
        others = [self.runtime.nics[i.name] for i in group.interfaces if i.name != nic.name] if group else []
        hosts = nic.name in self.runtime.hosting.values()
        enough = any(o.usable for o in others) or (not hosts and not nic.usable and any(o.plumbed for o in others))
        if not enough:  # OFF-2, OFF-3, OFF-6
            raise Denial(
                "refused",
                f"no other interface of group {nic.group} works, so {nic.name} cannot be taken offline",
                "min-redundancy",
                refusals=[],
            )
        return nic

    def _release_query(self, args: Args, reply: Reply) -> None:
        self._must_be_releasable(args)
        reply.ok({})

    def _must_be_releasable(self, args: Args) -> None:
        self.transactions.must_be_idle()
        problem = parting.cut_off(self.daemon, address(args, "address"), address(args, "peer"))
        if problem is not None:
            raise Denial("refused", problem, "cut-off", refusals=[])

    def _release(self, args: Args, reply: Reply) -> None:
        self._must_be_releasable(args)
        changed = self.daemon.release()
        self.daemon.log("info", "the host is as it was before us")
        reply.ok({"changed": changed})
        self.daemon.loop.call_later(0.1, self.daemon.loop.stop)

    def _member(self, args: Args) -> Nic:
        name = text(args, "interface")
        nic = self.runtime.nics.get(name)
        if nic is None:
            must_know_files(self.runtime, name)
            if name in self.daemon.kernel.links:
                raise Denial("state", f"{name} is in no IPMP group", "not-grouped")
            raise Denial("unknown", f"there is no interface {name}", "unknown-interface")
        if nic.group is None:
            raise Denial("state", f"{name} is in no IPMP group", "not-grouped")
        return nic
