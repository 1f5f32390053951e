# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments of the control protocol, checked; and the refusal that becomes an answer."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

Args = Mapping[str, Any]

STEPS = {
    "apply": "apply",
    "apply-prepare": "apply",
    "apply-confirm": "confirmation",
    "apply-rollback": "rollback",
    "attach": "attach",
    "detach-prepare": "detach",
    "detach-commit": "commit",
    "detach-confirm": "confirmation",
    "detach-extend": "extension",
    "detach-rollback": "rollback",
    "offline": "offline",
    "undo-offline": "undo-offline",
    "release": "release",
}


class Denial(Exception):
    """An operation that is not done: becomes an error of the control protocol."""

    def __init__(self, kind: str, message: str, code: Optional[str] = None, **details: Any) -> None:
        super().__init__(message)
        self.kind, self.message, self.code, self.details = kind, message, code, details


def step(op: str, args: Args) -> str:
    """What an operation that changes something is called in the log; "" for one that only looks."""
    what = STEPS.get(op)
    name = args.get("component") or args.get("interface") or args.get("transaction")
    return "" if what is None else f"{what} of {name!s:.40}" if name else what


def text(args: Args, name: str) -> str:
    """A required text argument."""
    value = args.get(name)
    if not isinstance(value, str) or not value:
        raise Denial("invalid", f"'{name}' is missing or no text")
    return value


def address(args: Args, name: str) -> Optional[str]:
    """One end of the caller's own connection, or None."""
    value = args.get(name)
    if value is not None and not isinstance(value, str):
        raise Denial("invalid", f"'{name}' has to be an address or null")
    return value


def number(args: Args, name: str, default: float) -> float:
    """An optional number, not negative."""
    value = args.get(name, default)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        raise Denial("invalid", f"'{name}' has to be a number of seconds, not {value!r:.40}")
    return float(value)


def texts(args: Args, name: str) -> Dict[str, Optional[str]]:
    """An optional mapping of paths to texts or null."""
    value = args.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(v is None or isinstance(v, str) for v in value.values()):
        raise Denial("invalid", f"'{name}' has to map paths to texts")
    bad: List[str] = [path for path in value if not path.startswith("/etc/") or ".." in path]
    if bad:
        raise Denial("invalid", f"'{name}': {bad[0]!r:.60} is no file of ours")
    return dict(value)
