# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attach: a component is put back into service, and the answer waits until its addresses are home (section 15.5)."""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, List, Optional, Tuple

from . import forecast, health, rerouting, whole
from . import loop as loops
from .arguments import Args, Denial, number
from .control import Reply
from .daemon import Daemon
from .files import read_config
from .inquiry import Inquiry
from .journal import JournalError
from .placement import Hosting, moves
from .proofs import patience
from .runtime import Nic, Runtime
from .transactions import Transactions

VERIFY_WAIT = 2.0  # s for what is not as it should be to become so
AGAIN = 2.0  # s between looks, after a start, whether an attach that was cut off can be made
WAIT = 60.0  # s for everything to be in place, at least, unless the caller says otherwise


class Attaching:
    """``attach`` of the control protocol. What is about to come back is marked in its record, so a restart goes on."""

    def __init__(self, daemon: Daemon, transactions: Transactions, inquiry: Inquiry) -> None:
        self.daemon, self.transactions, self.inquiry = daemon, transactions, inquiry

    @property
    def runtime(self) -> Runtime:
        """The daemon's."""
        return self.daemon.runtime

    def resume(self) -> None:
        """After a start: an attach that was cut off is made again, with nobody there to be answered."""
        try:
            cut_off = [record["component"] for record in self.transactions.records.all() if record.get("returning")]
        except JournalError:  # said by who reads them first
            return
        for component in cut_off:
            self._again(component)

    def _again(self, component: str) -> None:
        try:
            self.attach({"component": component}, None)
        except Denial as denial:
            if denial.kind == "busy":  # it does not become out of date: its record has it until it is made
                self.daemon.loop.call_later(AGAIN, partial(self._if_returning, component))
            else:
                self.daemon.log("err", f"an attach of {component} that was cut off does not go on: {denial.message}")

    def _if_returning(self, component: str) -> None:
        """Nobody has attached or detached it meanwhile."""
        try:
            record = self.transactions.records.read(component)
        except JournalError:
            record = None
        if record is not None and record.get("returning"):
            self._again(component)

    def patience(self, nics: List[Nic]) -> float:
        """s that an attach of these may take."""
        return max(WAIT, patience(self.runtime, nics, dict(self.daemon.prober.snapshot().detection_times)))

    def attach(self, args: Args, reply: Optional[Reply], before: Optional[Hosting] = None) -> None:
        """Denial while the host is busy, a NIC offline, or the record not to be marked. reply: None if nobody asks.

        before: hosting before the files were read for it.
        """
        self.transactions.must_be_idle()
        meant = self.inquiry.meant({**args, "hardware": "none"})
        nics, name = meant.nics, meant.about.name
        known, changed, messages = self._admitted(nics, self.runtime)
        seconds = number(args, "wait_timeout", self.patience(nics))
        try:
            self.transactions.returning([nic.name for nic in nics])
        except JournalError as error:
            raise Denial("state", f"nothing is begun: {error}") from error
        before = dict(self.runtime.hosting) if before is None else before
        for nic in nics:
            nic.detached = nic.leaving = nic.asking = False
            nic.taken = {}
            if nic in known and nic.group and nic.present and not nic.joined:
                nic.health = health.suspect(nic.health, loops.now())
        for nic in nics:
            if nic not in known:
                self.runtime.nics.pop(nic.name, None)
        self.transactions.remember()  # before the kernel is touched
        self.daemon.settle(f"{name} is attached")

        def tell(held: bool) -> None:
            # Else the record says how it can be put back, next time; or it is the record of a detach meanwhile.
            if (held or all(nic.present for nic in nics)) and not any(nic.detached for nic in nics):
                messages.extend(self._forget([nic.name for nic in nics]))
            done = [m.as_dict() for m in moves(before, self.runtime.hosting)]
            if held:
                messages.extend(text for nic in nics for text in (self.runtime.replaced.pop(nic.name, None),) if text)
                self.daemon.log("info", f"{name} is attached")
                answer = {"changed": changed or bool(done), "moves": done, "messages": messages}
                self._verify(name, [nic.name for nic in known], answer, reply, loops.now() + VERIFY_WAIT)
                return
            why = "; ".join(f"{nic.name}: {nic.reason or nic.state}" for nic in known if not self._is_home(nic))
            late = f"after {seconds:.0f} s not everything is in place: {why}"
            late = "; ".join([late, *self.transactions.hints([nic.name for nic in nics])])
            if reply is not None:
                reply.error("timeout", late, moves=done)
            self.daemon.log("err", f"attach of {name}: {late}")

        self.daemon.wait(seconds, lambda: all(self._is_home(nic) for nic in known), tell)

    def _verify(self, name: str, nics: List[str], answer: Dict[str, Any], reply: Optional[Reply], until: float) -> None:
        """All is as after a boot with these NICs, or the answer says what is not (T93, T114)."""
        differences = whole.unlike_a_boot(self.daemon, nics)
        if differences and loops.now() < until:  # something is being put right at this moment
            again = partial(self._verify, name, nics, answer, reply, until)
            self.daemon.loop.call_later(VERIFY_WAIT / 10, again)
            return
        for difference in differences:
            self.daemon.log("err", f"after the attach of {name}: {difference}")
        if reply is None:
            return
        if differences:
            message = f"{name} is attached, but not everything is as after a boot: {'; '.join(differences)}"
            reply.error("verify", message, differences=differences, moves=answer["moves"])
        else:
            reply.ok({**answer, "differences": []})

    def query(self, args: Args) -> Dict[str, Any]:
        """What ``attach`` would answer, if all goes well; ConfigError where the files are wrong."""
        meant = self.inquiry.meant({**args, "hardware": "none"})
        trial = forecast.configured(self.daemon, read_config(self.daemon.root))
        known, changed, messages = self._admitted(meant.nics, trial)
        done = [m.as_dict() for m in moves(self.runtime.hosting, forecast.attached(trial, known))]
        messages += [text for nic in meant.nics for text in (self.runtime.replaced.get(nic.name),) if text]
        return {"changed": changed or bool(done), "moves": done, "messages": messages}

    @staticmethod
    def _admitted(nics: List[Nic], runtime: Runtime) -> Tuple[List[Nic], bool, List[str]]:
        """(those that a file names, is there anything to do, what there is to say); Denial while one is offline."""
        known = [nic for nic in nics if runtime.interface(nic.name) is not None]
        for nic in known:
            if nic.offline:
                raise Denial(
                    "state",
                    f"{nic.name} is offline, so its addresses would not come home; "
                    f"bring it online first with 'if_mpadm -r {nic.name}'",
                )
        messages = [f"no hostname file names {nic.name}; it is left alone" for nic in nics if nic not in known]
        changed = any(nic.detached or nic.asking or not nic.present or nic.health.failed for nic in known)
        return known, changed, messages

    def _forget(self, interfaces: List[str]) -> List[str]:
        """Routes back first, then the records: cut off between them, both are done again."""
        messages: List[str] = []
        try:
            for record in self.transactions.within(interfaces):
                messages += rerouting.give_back(record.get("routes", ()))
            self.transactions.forget(interfaces)
        except JournalError as error:
            self.daemon.log("err", str(error))
            messages.append(str(error))
        return messages

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
