# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would happen, on a copy of what is known: check mode is answered by the code that acts.

What nobody can know beforehand is taken for good: a link that is still down has carrier when it is brought up, and a
path that has to be proved is proved.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Dict, Iterable, Optional

from . import health
from .daemon import Daemon
from .model import Config
from .runtime import Nic, Runtime

Hosting = Dict[str, Optional[str]]


def configured(daemon: Daemon, config: Config) -> Runtime:
    """The runtime with this configuration in force; what ``Daemon.reconfigure`` makes of it."""
    trial = copy.deepcopy(daemon.runtime)
    late = trial.suspended
    trial.files_error, trial.suspended = None, False
    daemon.adopt(trial, config)
    if late:
        trial.load(daemon.state.load() or {})
    for nic in trial.nics.values():
        link = daemon.kernel.links.get(nic.name)
        if link is None or (nic.group and link.master):
            nic.present = False
            continue
        nic.present, nic.ifindex, nic.mac = True, link.ifindex, link.mac
        if trial.watches(nic) and not nic.joined and link.up and not link.carrier:
            nic.health, _notes = health.link_down(nic.health, nic.name, nic.group)
    daemon.adopt_hosting(trial)
    trial.mark_twins()
    return trial


def differs(runtime: Runtime, config: Config) -> bool:
    """Is another configuration in force? Warnings make no difference."""
    if runtime.files_error is not None:
        return True
    return replace(runtime.config, warnings=()) != replace(config, warnings=())


def attached(runtime: Runtime, nics: Iterable[Nic]) -> Hosting:
    """Where data addresses are when these NICs are back and have proved their path."""
    trial = copy.deepcopy(runtime)
    for nic in (trial.nics[nic.name] for nic in nics if nic.name in trial.nics):
        if nic.detached or nic.asking or not nic.present:
            nic.present = True
            nic.detached = nic.leaving = nic.asking = False
            nic.health = health.Health()
            trial.repaired(nic, nic.since)
    trial.mark_twins()
    return trial.placed()


def switched(runtime: Runtime, name: str, *, offline: bool) -> Hosting:
    """Where data addresses are when this NIC is offline, or online again."""
    trial = copy.deepcopy(runtime)
    trial.switch(trial.nics[name], offline=offline)
    trial.mark_twins()
    return trial.placed()
