# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon on a host, from what is there to what shall be there: compared whole, changed in one go."""

from __future__ import annotations

import grp
import os
import sys
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from . import artifact, layout, network_managers, pyroute2_choice
from .kept_off import KeptOff, give_back
from .places import Place
from .service import Run, Service, ServiceError

GROUP = "ipmp"
# There while new code has been written and the daemon has not been started with it yet: an interrupted run is finished
# by the next one.
STAMP = "restart-needed"


class Host:
    """What the module gives: where the host's root is, how to run a program, how to label a file, how long to wait."""

    def __init__(self, root: str, run: Run, settle: Callable[[str], None], wait: float) -> None:
        self.root, self.run, self.settle = root, run, settle
        self.lib = os.path.join(root, layout.LIB)
        self.service = Service(root, run, wait)


class Deployment:
    """One comparison of a host with ``state: present``; ``differences`` first, then perhaps ``make``.

    code is the digest of the controller's package; pyroute2 that of the controller's pyroute2, or None.
    """

    def __init__(
        self,
        host: Host,
        *,
        code: str,
        pyroute2: Optional[str],
        pyroute2_version: Optional[str],
        pyroute2_asked: str,
        managers: Sequence[str],
        members: Sequence[str],
    ) -> None:
        network_managers.check(members)
        self.host = host
        present = {name: artifact.digest(os.path.join(host.lib, name)) for name in ("ipmp", "pyroute2")}
        self.pyroute2 = pyroute2_choice.choose(
            pyroute2_asked, pyroute2_choice.installed_version(), pyroute2_version, present["pyroute2"] is not None
        )
        wanted: Dict[str, Optional[str]] = {"ipmp": code, "pyroute2": None}
        if self.pyroute2 == "bundled":
            wanted["pyroute2"] = pyroute2 or present["pyroute2"]
        self._present, self._wanted = present, wanted
        self.needs = sorted(n for n, d in wanted.items() if d and d != present[n])
        self._units = layout.units(host.root, host.service.systemd)
        self._kept_off = KeptOff(host.root, host.run, managers, members) if host.service.systemd else None
        self._places: List[Place] = [
            *layout.folders(host.root),
            *layout.programs(host.root, sys.executable),
            *self._units,
        ]
        if wanted["pyroute2"] is None:
            self._places.append(Place(os.path.join(host.lib, "pyroute2")))
        self._group_missing = not _group_exists()
        self._steps = self._service_steps()

    def _service_steps(self) -> List[str]:
        steps = self.host.service.lacking()
        if any(unit.difference() for unit in self._units):
            steps.append("reload-units")
        replaced = bool(self.needs) or any(p.difference() for p in layout.programs(self.host.root, sys.executable))
        unfinished = os.path.exists(os.path.join(self.host.lib, STAMP))
        if "start" not in steps and (replaced or unfinished or "reload-units" in steps):
            steps.append("restart")
        return steps

    @property
    def managers(self) -> Dict[str, Dict[str, str]]:
        """What each network manager at work says of each member that is here."""
        return self._kept_off.states if self._kept_off else {}

    def warnings(self) -> List[str]:
        """What is allowed and better not so, a sentence each."""
        found = self._kept_off.warnings() if self._kept_off else []
        if self.host.service.given_up:
            found.append(
                "systemd has given up starting ipmp.service, so nothing watches the links; "
                "the reasons: journalctl -u ipmp.service"
            )
        return found

    def differences(self) -> List[Dict[str, Any]]:
        """Ansible diff entries, one a thing that differs; empty when nothing has to be done."""
        entries = [entry for entry in (place.difference() for place in self._places) if entry]
        for name in self.needs:
            path = os.path.join(self.host.lib, name)
            entries.append(_entry(path, f"sha256 {self._present[name] or 'none'}\n", f"sha256 {self._wanted[name]}\n"))
        if self._group_missing:
            entries.append(_entry(f"group {GROUP}", "", "system group\n"))
        entries += self._kept_off.differences() if self._kept_off else []
        if self._steps:
            entries.append(_entry("in.mpathd", "", "".join(f"{step}\n" for step in self._steps)))
        return entries

    def make(self, archive: Optional[str]) -> None:
        """Changes what differs. ``archive`` is needed when ``needs`` names something."""
        if self._group_missing:
            rc, _out, err = self.host.run(["groupadd", "--system", GROUP])
            if rc:
                raise ServiceError(f"groupadd cannot make the group {GROUP}: {err.strip()}")
        changed = [place for place in self._places if place.difference()]
        for place in [p for p in changed if p.folder]:
            place.make(self.host.settle)
        if "start" in self._steps or "restart" in self._steps:
            Place(os.path.join(self.host.lib, STAMP), text="").make(self.host.settle)
        if self.needs and archive:
            artifact.unpack(archive, self.host.lib, {name: str(self._wanted[name]) for name in self.needs}, self._try)
            self._compile()
        for place in [p for p in changed if not p.folder]:
            place.make(self.host.settle)
        self.host.service.make([step for step in self._steps if step == "reload-units"])
        if self._kept_off:
            self._kept_off.make(self.host.settle, self.host.service.wait)
        self._start([step for step in self._steps if step != "reload-units"])
        artifact.forget_old(self.host.lib)
        Place(os.path.join(self.host.lib, STAMP)).make(self.host.settle)

    def _start(self, steps: Sequence[str]) -> None:
        try:
            self.host.service.make(steps)
        except ServiceError as error:
            if not artifact.put_old_back(self.host.lib):
                raise
            Place(os.path.join(self.host.lib, STAMP)).make(self.host.settle)
            self.host.service.make(["restart"])
            raise ServiceError(f"{error}; the code from before is back, and runs") from error

    def _try(self, fresh: str) -> None:
        """Can what was sent be imported here? ServiceError if not, before anything is replaced."""
        program = f"import sys; sys.path[:0] = [{fresh!r}, {self.host.lib!r}]; import ipmp.commands.in_mpathd, pyroute2"
        rc, _out, err = self.host.run([sys.executable, "-B", "-c", program])
        if rc:
            last = (err.strip().splitlines() or ["no reason given"])[-1]
            raise ServiceError(f"{sys.executable} cannot import what was sent, so nothing is replaced: {last}")

    def _compile(self) -> None:
        """Compiles what the daemon will import; the unit's sandbox could not write it down."""
        self.host.run([sys.executable, "-m", "compileall", "-q", os.path.join(self.host.lib, "ipmp")])


def removal(host: Host) -> List[Dict[str, Any]]:
    """Diff entries of ``state: absent``."""
    return [entry for entry in (place.difference() for place in _leftovers(host)) if entry]


def remove(host: Host, ends: Mapping[str, str]) -> None:
    """Releases the host's network, ends the daemon and removes what was deployed; ends as for Service.release."""
    host.service.release(ends)
    kept = network_managers.kept(host.root)
    for place in [place for place in _leftovers(host) if place.difference()]:
        place.make(host.settle)
    if host.service.systemd:
        give_back(host.run, kept)


def _leftovers(host: Host) -> List[Place]:
    return [*network_managers.leftovers(host.root), *layout.removed(host.root)]


def _group_exists() -> bool:
    try:
        grp.getgrnam(GROUP)
        return True
    except KeyError:
        return False


def _entry(what: str, before: str, after: str) -> Dict[str, Any]:
    return {"before_header": what, "after_header": what, "before": before, "after": after}


def result(entries: Sequence[Mapping[str, Any]], diff: bool) -> Dict[str, Any]:
    """The part of a module's result that says what differed; the diff itself only when it was asked for."""
    return {"changed": bool(entries), **({"diff": list(entries)} if diff else {})}
