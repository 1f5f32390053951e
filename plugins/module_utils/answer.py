# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the daemon's answers to what an Ansible module returns: moves as diff, errors as ``failed`` with a reason."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, NoReturn, Optional, Sequence

from .ipmp import client

MOST_SECONDS = 1_000_000_000
REASONS = ("refused", "busy", "timeout", "verify", "hardware")


def fail(module: Any, error: Exception, *, first: Optional[Exception] = None, then: str = "", **more: Any) -> NoReturn:
    """Ends the module as failed with the error's sentence and what came with it: reason, refusals, differences.

    A transaction in the way is returned as ``busy_with``. first: what had failed before; then: what becomes of it.
    """
    result: Dict[str, Any] = {"changed": False, "moves": []}
    if isinstance(error, client.DaemonError):
        if error.kind in REASONS:
            result["reason"] = error.kind
        result.update({k: v for k, v in error.details.items() if k in ("refusals", "differences", "rolled_back")})
        if error.details.get("moves"):  # it was not done in time, or not wholly; what has moved has moved
            result.update(changed=True, moves=error.details["moves"])
        if error.details.get("transaction"):
            result["busy_with"] = error.details["transaction"]
        # What is refused for each single address as well stands in the line of its interface already.
        refusals = [r for r in error.details.get("refusals") or [] if not r["resource"].startswith("SUNW_ip/")]
        told = "; ".join(r["information"] for r in refusals if r["information"] not in str(error))
        error = Exception(f"{error}: {told}" if told else str(error))
    if isinstance(error, client.DaemonUnreachable):
        error = Exception(f"{error}{held_by_systemd(module)}")
    sentence = (f"{first}; and " if first else "") + str(error) + (f"; {then}" if then else "")
    module.fail_json(**{"msg": sentence, **result, **more})


def held_by_systemd(module: Any) -> str:
    """What systemd says of a daemon that does not answer, as the rest of a sentence; empty if nothing."""
    if not os.path.isdir("/run/systemd/system"):
        return ""
    _rc, out, _err = module.run_command(["systemctl", "show", "-p", "ActiveState", "ipmp.service"])
    if "ActiveState=failed" not in out:
        return ""
    return "; systemd has given up starting it, see: journalctl -u ipmp.service"


def must_be_idle(asked: Mapping[str, Any], changed: bool) -> None:
    """Before anything is done, and in check mode: DaemonError if the change would have to wait for another one."""
    busy = asked.get("busy")
    if changed and busy:
        raise client.DaemonError("busy", None, busy["message"], {"transaction": busy["transaction"]})


def need_root(module: Any) -> None:
    """Ends the module with one sentence when it is not run by root."""
    if os.geteuid() != 0:
        module.fail_json(msg=f"{module._name} needs root on the host: run the task with become: true")


def check_seconds(module: Any) -> None:
    """Ends the module with one sentence when a time that it was given is none."""
    for name in ("wait_timeout", "confirm_timeout"):
        seconds = module.params.get(name) or 0
        if not 0 <= seconds < MOST_SECONDS:
            module.fail_json(msg=f"{name} is {seconds}; give a number of seconds from 0 to {MOST_SECONDS - 1}")


def moves_diff(moves: Sequence[Dict[str, Optional[str]]]) -> List[Dict[str, str]]:
    """Where the addresses were and are, as an Ansible diff; empty when nothing moved."""
    if not moves:
        return []

    def lines(key: str) -> str:
        return "".join(f"{m['address']} on {m[key] or 'no interface'}\n" for m in moves)

    header = "addresses"
    return [{"before_header": header, "after_header": header, "before": lines("from"), "after": lines("to")}]


def moved(module: Any, changed: bool, moves: Sequence[Dict[str, Any]], **more: Any) -> Dict[str, Any]:
    """A module's result: changed, moves, and the diff when it was asked for."""
    result: Dict[str, Any] = {"changed": changed, "moves": list(moves), **more}
    if module._diff:
        result["diff"] = moves_diff(moves)
    return result


def caller() -> Optional[str]:
    """The address that the SSH session of this task comes from, or None where it came another way."""
    return (connection() or [None])[0]


def connection() -> Optional[List[str]]:
    """SSH_CONNECTION's words: their address and port, our address and port.

    From our own environment, or from that of the process that became root for us.
    """
    words = os.environ.get("SSH_CONNECTION", "").split()
    pid = os.getppid()
    while len(words) != 4 and pid > 1:
        try:
            with open(f"/proc/{pid}/environ", "rb") as environ:
                for variable in environ.read().split(b"\0"):
                    if variable.startswith(b"SSH_CONNECTION="):
                        words = variable.decode().partition("=")[2].split()
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
                pid = int(stat.read().rpartition(")")[2].split()[1])
        except OSError:
            return None
    return words if len(words) == 4 else None
