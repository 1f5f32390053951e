# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other network managers that are at work: asked whether they leave our members alone, and made to."""

from __future__ import annotations

import glob
import os
import time
from typing import Any, Callable, Dict, List, Sequence, Tuple

from . import network_managers
from .network_managers import DROP_INS, MANAGERS

Run = Callable[[Sequence[str]], Tuple[int, str, str]]
UNMANAGED = "unmanaged"

# A reload would not do: both managers take addresses away and NetworkManager the link down when they let go of an
# interface. When they end they leave everything, and what they must not manage they do not touch when they start.
_RESTARTED = {"NetworkManager": "NetworkManager.service", "systemd-networkd": "systemd-networkd.service"}
_OURS = dict(zip(MANAGERS, (f"/{path}" for path in DROP_INS)))
_UNITS = {**_RESTARTED, "ifupdown": "networking.service"}


class KeptOff:
    """What keeps the managers off the members, and what they say of them; ``differences`` first, then perhaps ``make``.

    states: manager at work -> member that is here -> ``unmanaged`` or the state that the manager has it in.
    """

    def __init__(self, root: str, run: Run, managers: Sequence[str], members: Sequence[str]) -> None:
        self._root, self._run, self._members = root, run, members
        self._place = network_managers.generator(root, managers)
        self._named = network_managers.named(root, members if managers else ())
        self._active = _active(run, managers)
        self.states = self._ask()

    def _ask(self) -> Dict[str, Dict[str, str]]:
        return {manager: _states(self._root, self._run, manager, self._members) for manager in self._active}

    def _held(self) -> Dict[str, List[str]]:
        """The members that each manager still manages."""
        found = {m: sorted(n for n, state in of.items() if state != UNMANAGED) for m, of in self.states.items()}
        return {manager: names for manager, names in found.items() if names}

    def differences(self) -> List[Dict[str, Any]]:
        """Ansible diff entries."""
        entries = [place.difference() for place in (self._place, self._named) if place is not None]
        for manager, names in self._held().items():
            before = "".join(f"{name} {self.states[manager][name]}\n" for name in names)
            after = "".join(f"{name} {UNMANAGED}\n" for name in names)
            entries.append({"before_header": manager, "after_header": manager, "before": before, "after": after})
        return [entry for entry in entries if entry]

    def make(self, settle: Callable[[str], None], wait: float) -> None:
        """Keeps them off; OSError in one sentence when a manager does not let go within wait seconds."""
        if not self.differences():
            return
        for place in (self._place, self._named):
            if place is not None and place.difference():
                place.make(settle)
        self._run(["systemctl", "daemon-reload"])
        held = self._held()
        restart(self._run, self._active)
        if "NetworkManager" in held:  # it gives back how IPv6 addresses are made only when it ends once more
            restart(self._run, ["NetworkManager"])
        deadline = time.monotonic() + wait
        self.states = self._ask()
        while self._held() and time.monotonic() < deadline:
            time.sleep(0.2)
            self.states = self._ask()
        for manager, names in self._held().items():
            raise OSError(
                f"{manager} still manages {', '.join(names)}, although {_OURS[manager]} forbids it: "
                f"one of its own files overrides that; correct it and run the task again"
            )

    def warnings(self) -> List[str]:
        """What a manager will do to members all the same."""
        found = set()
        for path in glob.glob(os.path.join(self._root, "run/NetworkManager/system-connections/netplan-*")):
            with open(path, encoding="utf-8", errors="replace") as profile:
                found.update(line.strip().partition("interface-name=")[2] for line in profile)
        return [
            f"netplan has a NetworkManager profile for {name}: each netplan apply will remove all addresses of {name}, "
            "and in.mpathd will put its own back a moment later; take it out of /etc/netplan"
            for name in sorted(found & set(self._members))
        ]


def give_back(run: Run, names: Sequence[str]) -> None:
    """The managers at work may manage these interfaces again, and do."""
    run(["systemctl", "daemon-reload"])
    if not names:
        return
    restart(run, MANAGERS)
    if "ifupdown" in _active(run, MANAGERS):
        _rc, out, _err = run(["ifquery", "--list", "-a"])
        left = [name for name in names if name in out.split()]
        if left:
            run(["ifup", *left])  # does nothing for those that it has had up since before us


def restart(run: Run, managers: Sequence[str]) -> None:
    """Lets those that are at work read what we have written; whatever they manage stays as it is meanwhile."""
    for manager in _active(run, [m for m in managers if m in _RESTARTED]):
        run(["systemctl", "restart", _RESTARTED[manager]])


def _active(run: Run, managers: Sequence[str]) -> List[str]:
    """Which of these managers are at work now."""
    asked = [manager for manager in MANAGERS if manager in managers]
    if not asked:
        return []
    _rc, out, _err = run(["systemctl", "is-active", *(_UNITS[manager] for manager in asked)])
    return [manager for manager, state in zip(asked, out.split()) if state == "active"]


def _states(root: str, run: Run, manager: str, members: Sequence[str]) -> Dict[str, str]:
    """What a manager at work says of those members that are here: ``unmanaged``, or the state it has them in."""
    if manager == "NetworkManager":
        _rc, out, _err = run(["nmcli", "-t", "-f", "DEVICE,STATE", "device"])
        rows = [line.split(":", 1) for line in out.splitlines() if ":" in line]
    elif manager == "systemd-networkd":
        _rc, out, _err = run(["networkctl", "list", "--no-legend", "--no-pager"])
        rows = [[words[1], words[-1]] for words in (line.split() for line in out.splitlines()) if len(words) > 2]
    else:
        return _of_ifupdown(root, run, members)
    return {name: state for name, state in rows if name in members}


def _of_ifupdown(root: str, run: Run, members: Sequence[str]) -> Dict[str, str]:
    """It manages what networking.service would bring up with the environment that it gets."""
    excluded = ""
    _rc, out, _err = run(["systemctl", "show", "-p", "EnvironmentFiles", _UNITS["ifupdown"]])
    path = os.path.join(root, DROP_INS[2])
    if path in out and os.path.exists(path):
        with open(path, encoding="utf-8") as present:
            excluded = present.read().strip().replace('"', "")
    _rc, out, _err = run(["env", excluded or "EXCLUDE_INTERFACES=", "ifquery", "--read-environment", "--list", "-a"])
    return {name: "auto" if name in out.split() else "unmanaged" for name in members}
