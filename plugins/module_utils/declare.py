# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How modules change the files of a host: plan, write, apply, and put back what could not be applied."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from . import answer
from .ipmp import client, files
from .ipmp.model import ConfigError

Texts = Dict[str, Optional[str]]  # path without root: text, or None for a file that is not there
# From the texts on disk to those wanted; only paths that it speaks of. May raise model.ConfigError.
Compute = Callable[[Mapping[str, Optional[str]]], Mapping[str, Optional[str]]]

OPTIONS = {
    "apply": {"type": "bool", "default": True},
    "confirm_timeout": {"type": "int", "default": 0},
    "wait_timeout": {"type": "int", "default": 30},
}


ATTEMPTS = 5


class _OvertakenError(Exception):
    """Somebody else has changed the files between plan and write."""


class Declaration:
    """What one task wants the files to say. ``result()`` makes it so, or in check mode says what would happen."""

    def __init__(self, module: Any, compute: Compute) -> None:
        self.module, self.compute = module, compute
        self.params = module.params
        if self.params["confirm_timeout"] and not self.params["apply"]:
            raise ConfigError(
                "confirm_timeout: with apply=false nothing is put into force that could be put back; leave it out"
            )
        self.root = client.default_root()
        self.daemon = client.Client(self.root)

    def result(self) -> Dict[str, Any]:
        """The module's result. Raises model.ConfigError or client.ClientError; then files and host are as before."""
        for _attempt in range(ATTEMPTS):
            try:
                return self._attempt()
            except _OvertakenError:
                continue
        raise client.ClientError("the files are changed all the time by somebody else; end that and run the task again")

    def _attempt(self) -> Dict[str, Any]:
        before, changes = self._changes()
        if not self.params["apply"]:
            files.config({**before, **changes})
            if changes and not self.module.check_mode:
                self._write(changes)
            return self._told(before, changes, changed=bool(changes))
        try:
            plan = self.daemon.call("plan", files=changes)
        except client.DaemonUnreachable as error:
            return self._without_daemon(before, changes, error)
        changed = bool(changes or plan["operations"])
        answer.must_be_idle(plan, changed)
        if self.module.check_mode or not changed:
            return self._told(before, changes, changed, plan["moves"], plan["warnings"])
        return self._apply(before, changes)

    def _changes(self) -> Tuple[Texts, Texts]:
        """(texts on disk, those of the wanted texts that differ)."""
        before = files.read_texts(self.root)
        wanted = self.compute(before)
        return before, {path: text for path, text in wanted.items() if text != before.get(path)}

    def _without_daemon(self, before: Texts, changes: Texts, error: client.DaemonUnreachable) -> Dict[str, Any]:
        if not self.module.check_mode:
            raise client.ClientError(
                f"{error}; nothing was changed. Run the role netpath.ipmp.mpathd first, or set apply to false"
            )
        config = files.config({**before, **changes})
        warning = f"{error}; only the files could be compared"
        return self._told(before, changes, changed=True, warnings=[*config.warnings, warning])

    def _apply(self, before: Texts, changes: Texts) -> Dict[str, Any]:
        transaction = None
        if self.params["confirm_timeout"]:
            previous = {path: before.get(path) for path in changes}
            prepared = self.daemon.call(
                "apply-prepare", previous=previous, confirm_timeout=self.params["confirm_timeout"]
            )
            transaction = prepared["transaction"]
        try:
            self._write(changes)
            done = self.daemon.call("apply", wait_timeout=self.params["wait_timeout"], transaction=transaction)
        except Exception:
            self._put_back(before, changes, transaction)
            raise
        changed = bool(changes) or done["changed"]
        told = self._told(before, changes, changed, done["moves"], done["warnings"])
        return {**told, "transaction": done["transaction"]}

    def _write(self, changes: Texts) -> None:
        """Writes, unless something else would be wanted by now: the daemon is never asked under the lock."""
        with files.locked(self.root):
            if self._changes()[1] != changes:
                raise _OvertakenError
            files.write_files(self.root, changes)

    def _put_back(self, before: Texts, changes: Texts, transaction: Optional[str]) -> None:
        """The old texts again, where nobody else has written since; and the host as they say."""
        with files.locked(self.root):
            ours = {p: before.get(p) for p, text in changes.items() if files.read_text(self.root, p) == text}
            files.write_files(self.root, ours)
        try:
            if transaction:
                self.daemon.call("apply-rollback", transaction=transaction)
            else:
                self.daemon.call("apply", wait_timeout=self.params["wait_timeout"], transaction=None)
        except client.ClientError as error:
            self.module.warn(f"the old files are back, but the daemon could not follow them: {error}")

    def _told(
        self,
        before: Texts,
        changes: Texts,
        changed: bool,
        moves: Sequence[Dict[str, Any]] = (),
        warnings: Sequence[str] = (),
    ) -> Dict[str, Any]:
        for warning in warnings:
            self.module.warn(warning)
        result = {"changed": changed, "files": sorted(changes), "moves": list(moves), "transaction": None}
        if self.module._diff:
            result["diff"] = file_diffs(before, changes) + answer.moves_diff(moves)
        return result


def file_diffs(before: Texts, changes: Texts) -> List[Dict[str, str]]:
    """Ansible diff entries, one a file."""
    return [
        {"before_header": path, "after_header": path, "before": before.get(path) or "", "after": text or ""}
        for path, text in sorted(changes.items())
    ]
