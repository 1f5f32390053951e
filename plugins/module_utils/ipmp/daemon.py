# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wiring of in.mpathd: news from the kernel goes in, placement and plan decide, the kernel is brought into line.

Everything happens in one thread and in one direction: ``links`` and ``paths`` change what is believed of the NICs,
``settle`` computes where addresses belong, carries out the difference, and tells everybody who listens.
"""

from __future__ import annotations

import contextlib
import gc
import os
import time
from typing import Callable, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Tuple

from . import health, nl, plan, reports
from . import loop as loops
from .announce import Announcer
from .announcing import Announcing
from .complaints import Complaints
from .events import ProbeStreams, Publisher
from .fastpath import EventSocket, Overrun, Requests
from .files import read_config
from .filtered import PacketFilter
from .foreign import ForeignRoutes
from .health import Note
from .hotpath import HotPath
from .kernel import Kernel
from .links import Links
from .membership import Membership
from .model import Config, ConfigError
from .news import News
from .nlparse import AddrEvent, LinkEvent, RouteEvent
from .placement import Move, moves
from .prober import Prober
from .proofs import Proofs
from .retrying import Retrying
from .runtime import Nic, Runtime
from .standin import StandIn
from .state import StateFile
from .takeover import TakenOver
from .watching import Watching

# The kernel tells a carrier loss up to 1.02 s late when another link has changed in the last second. Those are seen,
# but for links of other network namespaces: hence the rarer polls while nothing has changed.
POLL_RESTLESS, RESTLESS = 0.010, 2.5  # s between polls, for so many s after a change
POLL = 0.050  # s between polls otherwise
RECONCILE = 10.0  # s between full comparisons without any cause
ROUTERS = 0.2  # s after somebody has changed a route (LOOP-3)
WATCH = 0.02  # s after an address has come, or a link-local one gone
PUT_BACK = 0.1  # s after somebody else has taken away what is ours


class Settled(NamedTuple):
    """What one ``settle`` did."""

    changed: bool
    moves: Tuple[Move, ...]
    failures: Tuple[str, ...]


class Wait(NamedTuple):
    """Somebody waits for a condition; told True when it holds, False at the deadline."""

    holds: Callable[[], bool]
    tell: Callable[[bool], None]
    deadline: float


class Daemon:
    """The daemon without its socket; ``operations`` and ``transactions`` add what callers may ask."""

    def __init__(self, root: str, log: Callable[[str, str], None]) -> None:
        self.root = root
        self._log = log
        self.loop = loops.Loop(lambda text: self.log("err", text))
        self.runtime = Runtime()
        self.publisher = Publisher()
        self.requests = Requests()
        self.kernel = Kernel(self.requests)
        self.news = News()
        self.links = Links(root, self.runtime, self.kernel, self.news)
        self._found, self._finding = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.prober = Prober(self._probes_found)
        self.probe_streams = ProbeStreams(self.prober.watch)
        self.watching = Watching(self.runtime, self.kernel, self.prober, self.news, self.probe_streams.tell)
        self.announcer = Announcer()
        self.announcing = Announcing(self.runtime, self.kernel, self.loop, self.announcer)
        self.hot = HotPath(self.kernel, self.announcer)
        self.complaints = Complaints()
        self.filters = PacketFilter(self.runtime, self.prober, self.loop, self.log)
        self.foreign = ForeignRoutes(self.runtime, self.kernel)
        self.membership = Membership(root, self.kernel, self.log, self.save)
        self.proofs = Proofs(self.runtime, self.loop, self._proved)
        self.events = EventSocket()
        self.state = StateFile(root)
        self.after_settle: List[Callable[[], None]] = []  # told after each settle
        self.at_end: List[Callable[[], None]] = []  # told before the daemon ends
        self.taken_out: Callable[[], FrozenSet[str]] = frozenset  # NICs that are detached, as their records say
        self.record: FrozenSet[str] = frozenset()  # addresses of ours, for kernels that cannot keep a mark
        self.taken_over = TakenOver(self.kernel)
        self.stand_in = StandIn(root, self.log)
        self.retrying = Retrying(self.log, lambda pause: self.later("retry", pause, lambda: self.settle("retry")))
        self.first_in_boot = False  # none before us has got through its start since the host was booted
        self._starting = True
        self._next_poll = loops.Timer(0.0, lambda: None)
        self._waits: List[Wait] = []
        self._timers: Dict[str, loops.Timer] = {}

    # -- life

    def start(self) -> None:
        """Read files and kernel, adopt what is there, and bring the rest into line."""
        try:
            config = read_config(self.root)
        except ConfigError as error:
            # With wrong files nothing is known to be superfluous: what the kernel has stays until they are mended.
            self.runtime.files_error, self.runtime.suspended = str(error), True
            self.log("err", f"{error}; nothing is changed until the files are mended and reloaded")
            config = Config()
        self.runtime.adopt(config, time.time())
        saved = self.state.load()
        self.first_in_boot = saved is None or bool(saved.get("first_in_boot"))
        if saved is not None:
            self.runtime.load(saved)
            self.membership.sysctls.add(saved.get("settings", {}))
            self.record = frozenset(saved.get("addresses", ()))
            self.taken_over.load(saved.get("taken_over", ()))
        self.kernel.read_links()
        for link in list(self.kernel.links.values()):
            self.links.take(link, starting=True)
        self.adopt_hosting(self.runtime)
        self.loop.add_fd(self.events.fileno(), lambda _mask: self._kernel_news(), priority=loops.FIRST)
        self.loop.add_fd(self._found, lambda _mask: self._probe_news(), priority=loops.FIRST)
        self.watching.look_around()
        self.settle("start")
        self._lower_all()
        if not self.runtime.suspended:
            self.stand_in.write(self.runtime.config)
        self._complain()
        self._poll()
        self.every(RECONCILE, self._reconcile)
        self.loop.call_later(0.0, self._started)
        gc.collect()
        gc.freeze()

    def _started(self) -> None:
        """The loop runs: what a start has to do, and the first one in a boot above all, has been done."""
        self._starting = False
        self.save()

    def reconfigure(self, config: Config, *, going_back: bool = False) -> Settled:
        """Put a configuration into force. going_back: what was taken over for the present one returns."""
        late = self.runtime.suspended
        returned = self.taken_over.give_back(plan.owned(config), going_back)
        self.record -= frozenset(returned)
        self.runtime.files_error, self.runtime.suspended = None, False
        self.adopt(self.runtime, config)
        if late:  # we started with wrong files: only now has what the daemon before us knew a place to go
            self.runtime.load(self.state.load() or {})
        for nic in self.runtime.nics.values():
            if not nic.present and nic.name in self.kernel.links:
                self.links.take(self.kernel.links[nic.name], starting=True)
        self.news.take()
        before = dict(self.runtime.hosting)
        self.adopt_hosting(self.runtime)
        self.watching.look_around()
        done = self.settle("the configuration has changed", before)
        if late:
            self._lower_all()
        self.announcing.announce_others(returned)
        self.stand_in.write(self.runtime.config)
        self._complain()
        return done

    def adopt(self, runtime: Runtime, config: Config) -> None:
        """Let the runtime, or a copy of it, take a configuration; a new NIC that has a record is detached."""
        known = frozenset(runtime.nics)
        runtime.adopt(config, time.time())
        for name in self.taken_out() & (frozenset(runtime.nics) - known):
            runtime.nics[name].detached = True

    def _reconcile(self) -> None:
        self.watching.look_around()
        self.filters.look()
        self.settle("reconcile")
        self._complain()

    def _complain(self) -> None:
        without_ipv6 = self.membership.without_ipv6(self.runtime)
        self.notes(self.complaints.news(self.runtime, without_ipv6, self.watching.doubles(), loops.now()))

    def not_reloaded(self, problem: str) -> None:
        """Wrong files change nothing (DMN-5, but nothing is forgotten)."""
        self.runtime.files_error = problem
        before = "nothing is changed" if self.runtime.suspended else "the configuration from before stays in force"
        self.log("err", f"{problem}; {before}")

    def release(self) -> bool:
        """Put the host back as it was before us: everything of ours goes, what was taken over returns."""
        return self.reconfigure(Config(), going_back=True).changed

    def close(self) -> None:
        """Stop. Nothing in the kernel is touched: traffic goes on."""
        self.save()
        for told in self.at_end:
            told()
        self.prober.close()
        for fd in (self._found, self._finding):
            os.close(fd)
        for part in (self.filters, self.proofs, self.announcer, self.events, self.requests):
            part.close()
        self.loop.close()

    def log(self, level: str, text: str) -> None:
        """To syslog or the journal, and to everybody who listens to events."""
        self._log(level, text)
        self.publisher.emit(self.runtime, "log", level=level, message=text)

    def notes(self, notes: Iterable[Note]) -> None:
        """Log what the pure rooms have to say."""
        for note in notes:
            self.log(note.level, note.text)

    def dump(self) -> None:
        """SIGUSR1: the probe statistics (DMN-5)."""
        self.notes(reports.statistics(self.prober.snapshot()))

    def save(self) -> None:
        """Keep what a restart must know; with wrong files since the start that is what is saved already."""
        known = {
            **self.runtime.dump(),
            "addresses": sorted(self.record),
            "taken_over": self.taken_over.held,
            "settings": self.membership.sysctls.saved,
        }
        kept = self.state.load() if self.runtime.suspended else known
        if kept is not None:
            first = self.first_in_boot and self._starting
            self.state.save({**kept, "raised": known["raised"], "first_in_boot": first})

    def _lower_all(self) -> None:
        """Whoever was killed while it asked links has left them up."""
        if not self.runtime.suspended:
            self.membership.lower(self.runtime, sorted(self.runtime.raised))

    def adopt_hosting(self, runtime: Runtime) -> None:
        """Valid hosting never changes because a daemon starts: addresses are where the kernel has them."""
        owners = {a.ip: (g, i.name) for g in runtime.config.groups for i, a in g.data_addresses}
        nics = frozenset(nic.name for nic in runtime.grouped() if nic.plumbed)
        for ip, holders in self.kernel.holders(frozenset(owners), nics).items():
            group, owner = owners[ip]
            inside = [name for name in holders if runtime.nics[name].group == group.name]
            good = [name for name in inside if runtime.nics[name].usable] or inside
            if good:
                runtime.hosting[ip] = owner if owner in good else good[0]

    # -- news

    def _kernel_news(self) -> None:
        taken = restless = asked = False
        for event in self.events.read():
            if isinstance(event, LinkEvent):
                asked = self.links.take(event) or asked
                restless = True
            elif isinstance(event, Overrun):
                self.links.resync()
            elif isinstance(event, AddrEvent):
                taken = self._taken(event) or taken
                if self.kernel.take_address(event):
                    self.later("watch", WATCH, self._watch)
            elif isinstance(event, RouteEvent) and event.protocol != nl.PROTO:
                self.later("routers", ROUTERS, self._routers)
            else:
                taken = taken or event.deleted
        self._act(asked)
        if restless and self._next_poll.when - loops.now() > POLL_RESTLESS:  # never later: events may be many
            self._poll_later()
        if taken:
            self.later("put-back", PUT_BACK, lambda: self.settle("something of ours was removed"))

    def _taken(self, event: AddrEvent) -> bool:
        """Has somebody else deleted an address of ours? Our own deletions are not where an address belongs."""
        nic = self.runtime.by_index(event.ifindex)
        return event.deleted and nic is not None and self.runtime.hosting.get(event.ip) == nic.name

    def _poll(self) -> None:
        self.links.poll()
        self._act(asked=True)
        self._poll_later()

    def _poll_later(self) -> None:
        self._next_poll.cancel()
        restless = loops.now() - self.links.changed < RESTLESS
        self._next_poll = self.loop.call_later(POLL_RESTLESS if restless else POLL, self._poll)

    def _probes_found(self) -> None:
        """Called in the prober's thread."""
        with contextlib.suppress(BlockingIOError):  # full: it is being looked at
            os.write(self._finding, b"!")

    def _probe_news(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._found, 4096)
        changed = self.watching.take()
        self._act()
        if changed:
            self._publish()
            self._await_deadline()

    def _routers(self) -> None:
        self.watching.look_around()
        self._watch()

    def _watch(self) -> None:
        self.watching.order()
        self._publish()
        self._await_deadline()

    def _act(self, asked: bool = False) -> None:
        """React to what has become known: the survivors are asked, unless they have been, the failed are moved."""
        news = self.news.take()
        for seconds, why in news.deferred:
            self.later(why, seconds, lambda why=why: self.settle(why))  # type: ignore[misc]
        if not news.causes:
            self.notes(news.notes)
            return
        if news.failed:
            if not asked:
                self.links.poll()  # whatever broke this link may have broken others
            more = self.news.take()
            for nic in (*news.failed, *more.failed):
                self.hot.fire(self.runtime, nic.name)
            news = news._replace(notes=news.notes + more.notes, causes=news.causes + more.causes)
        before = dict(self.runtime.hosting)
        self.notes(news.notes)
        self.settle("; ".join(dict.fromkeys(news.causes)), before)

    def _proved(self, name: str, how: str) -> None:
        """The path of a NIC whose link came back is shown to work."""
        nic = self.runtime.nics.get(name)
        if nic is None:
            return
        nic.health, notes = health.proved(nic.health, name, nic.group)
        if notes:
            self.runtime.repaired(nic, time.time())
            self.notes(notes)
            self.log("info", f"the path of {name} is proved: {how}")
            self.settle(f"{name} is repaired")

    def _tick(self) -> None:
        """Time passed for flap damping and overdue proofs."""
        now = loops.now()
        repaired = False
        for nic in self._ticking():
            was_failed = nic.health.failed
            nic.health, notes = health.tick(nic.health, nic.name, nic.group, now)
            self.notes(notes)
            if was_failed and not nic.health.failed:
                self.runtime.repaired(nic, time.time())
                repaired = True
        if repaired:
            self.settle("the link is trusted")
        else:
            self._await_deadline()

    def _ticking(self) -> List[Nic]:
        """NICs for which time means something: one that is out of use neither settles nor proves anything."""
        return [nic for nic in self.runtime.watched() if nic.plumbed]

    def _await_deadline(self) -> None:
        """The next moment at which time alone changes a NIC's health."""
        self.proofs.refresh()
        deadlines = [nic.health.deadline for nic in self._ticking() if nic.health.deadline is not None]
        if deadlines:
            self.later("tick", max(0.0, min(deadlines) - loops.now()), self._tick)

    # -- the loop: placement -> plan -> kernel

    def settle(self, cause: str, before: Optional[Dict[str, Optional[str]]] = None) -> Settled:
        """Bring the kernel into line with what is wanted now. before: hosting, if a hot path has already acted."""
        if self.runtime.suspended:
            return Settled(False, (), ())
        before = dict(self.runtime.hosting) if before is None else before
        self.runtime.mark_twins()
        writes = self.kernel.writes
        entered = self.membership.enter(self.runtime, again=cause == "retry")
        if entered:
            self.links.poll()  # a new member may have no carrier, which is said before what follows from it
            self.notes(self.news.take().notes)
        after = self.runtime.placed()
        target = plan.wanted(self.runtime.views(after), self.runtime.ungrouped())
        steps = plan.steps(self.kernel.observe(self.record), target)
        self.runtime.hosting = after
        self.taken_over.note(steps)
        done = moves(before, after)
        left_behind = {s.address.nic for s in steps if isinstance(s, plan.DelAddress)}
        if left_behind:
            self.foreign.remember()
        failures = self.kernel.execute(steps)
        self.foreign.restore(left_behind | {m.source for m in done if m.source})
        news: Dict[str, Optional[str]] = {m.address: m.target for m in done if m.target}
        news.update({s.ip: s.nic for s in steps if isinstance(s, plan.Announce)})
        self.announcing.announce(news)
        left = self.membership.leave(self.runtime)
        self._settled(cause, done, steps, failures)
        changed = entered or left or self.kernel.writes > writes or bool(done)
        return Settled(changed, done, (*self.membership.failures, *failures))

    def _settled(self, cause: str, done: Tuple[Move, ...], steps: List[plan.Step], failures: List[str]) -> None:
        """After the kernel is in line: tell, remember, prepare for the next failure."""
        self.notes(reports.moved(self.runtime, cause, done))
        if cause in ("reconcile", "something of ours was removed") and steps:
            self.log("err", f"{cause}: put back: {'; '.join(plan.describe(s) for s in steps[:4])}")
        self.retrying.settled(failures, failing=self.membership.failing, retry=cause == "retry")
        hosts = frozenset(self.runtime.hosting.values())
        for nic in self.runtime.grouped():
            nic.held_back = nic.held_back and nic.name not in hosts
        hosting = self.runtime.hosting
        self.runtime.wishes = {ip: nic for ip, nic in self.runtime.wishes.items() if hosting.get(ip) != nic}
        self.record = frozenset(plan.owned(self.runtime.config))
        self.watching.order()  # before anybody is told: it decides what is probed
        self._publish()
        if done:
            self.publisher.emit(self.runtime, "move", moves=[m.as_dict() for m in done], reason=cause)
        self.hot.forget()
        self.later("prepare", 0.02, self._prepare)
        self._await_deadline()
        self.later("save", 0.0, self.save)
        self._wake()
        for told in self.after_settle:
            told()

    def _publish(self) -> None:
        """Tell what has changed, and log the groups that have turned."""
        for group, was, now in self.publisher.publish(self.runtime):
            self.notes(reports.turned(self.runtime, group, was, now))

    def _prepare(self) -> None:
        self.foreign.remember()
        self.hot.prepare(self.runtime)

    # -- waiting

    def wait(self, seconds: float, holds: Callable[[], bool], tell: Callable[[bool], None]) -> None:
        """Call ``tell`` as soon as the condition holds after some settle, or at the deadline."""
        if holds():
            tell(True)
            return
        wait = Wait(holds, tell, loops.now() + seconds)
        self._waits.append(wait)
        self.loop.call_later(seconds, self._wake)

    def _wake(self) -> None:
        now = loops.now()
        for wait in list(self._waits):
            held = wait.holds()
            if held or now >= wait.deadline:
                self._waits.remove(wait)
                self.loop.call_later(0, lambda wait=wait, held=held: wait.tell(held))  # type: ignore[misc]

    def later(self, name: str, delay: float, callback: Callable[[], object]) -> None:
        """One pending call per name; a later wish does not postpone an earlier one."""
        timer = self._timers.get(name)
        if timer is None or not timer.pending or timer.when > loops.now() + delay:
            if timer is not None:
                timer.cancel()
            self._timers[name] = self.loop.call_later(delay, lambda: (callback(), None)[1])

    def every(self, seconds: float, callback: Callable[[], object]) -> None:
        """Call it again and again."""

        def again() -> None:
            self.loop.call_later(seconds, again)
            callback()

        self.loop.call_later(seconds, again)
