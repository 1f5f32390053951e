# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cfgadm: list components, take one out of the host and put it back (CFA-1 to CFA-10).

An attachment point is a component and has its name. One thing is asked about: a forced unconfigure that would lose
addresses, typed on a terminal. -y and -n answer beforehand; without a terminal nothing is asked, for -f has said it.
"""

from __future__ import annotations

import getopt
import os
import sys
from typing import Any, Callable, Dict, List, Optional, Sequence, TextIO

from ..client import Client, ClientError, DaemonError, DaemonUnreachable, default_root
from ..hardware import WAYS, HardwareError, put_back, take_out
from . import listing

USAGE = """\
Usage:
        cfgadm [-f] [-y|-n] [-v] [-o hardware=WAY] -c configure|unconfigure ap_id...
        cfgadm [-v] [-a] [-l [ap_id...]]
        cfgadm -h"""

OK, FAILED, NOT_SUPPORTED, WRONG_USE = 0, 1, 2, 3  # CFA-8

# What libcfgadm calls it (CFA-8), for each kind of error of the control protocol.
INVALID = "Configuration operation invalid"
LIBRARY = {
    "refused": "Component system is busy, try again",
    "busy": "Component system is busy, try again",
    "denied": "Insufficient privileges",
    "unknown": "Attachment point not found",
    "state": INVALID,
    "invalid": INVALID,
    "hardware": "Hardware specific failure",
}


class _Failure(Exception):
    """library: its text; detail: the plug-in's."""

    def __init__(self, library: str, detail: str, code: int = FAILED) -> None:
        self.library, self.detail, self.code = library, detail, code
        super().__init__(f"cfgadm: {library}: {detail}")


class _Command:
    """Options that hold for every ap_id of one call."""

    def __init__(self, client: Client, options: Dict[str, str], stdout: TextIO, stderr: TextIO) -> None:
        self.client, self.stdout, self.stderr = client, stdout, stderr
        self.force, self.verbose = "-f" in options, "-v" in options
        self.yes, self.no = "-y" in options, "-n" in options
        self.hardware = "none"
        self.seconds = 0.0  # that a detach and its way back may take

    def say(self, text: str) -> None:
        self.stdout.write(text + "\n")

    def configure(self, ap_id: str) -> None:
        """Put it back and attach. Configured already: nothing to do, as on Solaris, where it is repeatable (CFA-5)."""
        found = self.client.call("detach-query", component=ap_id, consumers=False)
        component = found["component"]
        if not component["present"]:
            try:
                put_back(component)
            except HardwareError as error:
                raise _Failure(LIBRARY["hardware"], f"{ap_id}: {error}") from None
        self._tell(self.client.call("attach", component=ap_id, wait_timeout=found["wait_timeout"]))

    def unconfigure(self, ap_id: str) -> None:
        """Prepare, take the hardware out, commit; a step that fails puts everything back."""
        if self.force and not self.yes and (self.no or sys.stdin.isatty()):
            self._ask(ap_id)
        self.seconds = self.client.patience()
        prepared = self.client.call(
            "detach-prepare",
            component=ap_id,
            force=self.force,
            peer=_peer(),
            confirm_timeout=0,
            hardware=self.hardware,
            wait_timeout=self.seconds,
        )
        transaction = prepared["transaction"]
        try:
            take_out(prepared["component"])
            self.client.call("detach-commit", transaction=transaction)
        except (HardwareError, ClientError, KeyboardInterrupt) as error:
            raise self._rolled_back(ap_id, transaction, error) from None
        self._tell(prepared)

    def _ask(self, ap_id: str) -> None:
        asked = {"component": ap_id, "force": True, "peer": _peer(), "hardware": self.hardware, "consumers": False}
        lost = self.client.call("detach-query", **asked)["lost"]
        if not lost:
            return
        answer = "no"
        if not self.no:
            self.stdout.write(f"Detaching {ap_id} loses {', '.join(lost)}. Continue (yes/no)? ")
            self.stdout.flush()
            answer = sys.stdin.readline().strip().lower()
        if answer not in ("y", "yes"):
            raise _Failure("Configuration operation cancelled", f"{ap_id} would lose {', '.join(lost)}")

    def _rolled_back(self, ap_id: str, transaction: str, error: BaseException) -> _Failure:
        reason = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        library = "Library error"
        if isinstance(error, HardwareError):
            library = LIBRARY["hardware"]
        elif isinstance(error, DaemonError):
            library = LIBRARY.get(error.kind, library)
        try:
            asked = {"transaction": transaction, "reason": reason, "wait_timeout": self.seconds}
            answer = self.client.call("detach-rollback", **asked)
        except ClientError as second:
            back = isinstance(second, DaemonError) and second.kind == "verify"  # what it says is enough
            return _Failure(
                library, f"{reason}; {second}" if back else f"{reason}; and it could not be put back: {second}"
            )
        differences = answer.get("differences") or []
        if differences:
            return _Failure(library, f"{reason}; {ap_id} was put back, except for: {'; '.join(map(str, differences))}")
        if not answer.get("rolled_back"):  # there was nothing to undo any more
            told = "; ".join(answer.get("messages") or ["'cfgadm -al' shows how it is now"])
            return _Failure(library, f"{reason}; {told}")
        return _Failure(library, f"{reason}; {ap_id} is as it was before")

    def _tell(self, answer: Dict[str, Any]) -> None:
        for message in answer.get("messages") or ():
            self.say(message)
        if self.verbose:
            for move in answer["moves"]:
                self.say(f"{move['address']} moved from {move['from'] or 'nowhere'} to {move['to'] or 'nowhere'}")


def main(
    argv: Sequence[str], stdout: Optional[TextIO] = None, stderr: Optional[TextIO] = None, root: Optional[str] = None
) -> int:
    """argv without the program's name. 0 done, 1 failed, 2 not supported, 3 wrong use."""
    stdout, stderr = stdout or sys.stdout, stderr or sys.stderr
    try:
        options, ap_ids = getopt.gnu_getopt(list(argv), "hlafynvc:o:x:s:t", ["root="])
    except getopt.GetoptError as error:
        stderr.write(f"cfgadm: {error.msg}\n{USAGE}\n")
        return WRONG_USE
    given = dict(options)
    if "-h" in given:
        stdout.write(USAGE + "\n")
        return OK
    client = Client(given.get("--root") or root or default_root())
    command = _Command(client, given, stdout, stderr)
    try:
        _check(command, given, ap_ids)
        if "-c" not in given:
            return _list(client, ap_ids, "-v" in given, "-a" in given, stdout)
    except (_Failure, ClientError) as error:
        return _report(error, "", stderr)
    do: Callable[[str], None] = {"configure": command.configure, "unconfigure": command.unconfigure}[given["-c"]]
    codes = []
    for ap_id in map(listing.component, ap_ids):
        try:
            do(ap_id)
        except (_Failure, ClientError) as error:
            codes.append(_report(error, ap_id, stderr))
        except KeyboardInterrupt:
            told = f"{ap_id}: interrupted; 'cfgadm -al' shows how it is now"
            return _report(_Failure("Configuration operation cancelled", told), ap_id, stderr)
    return next(iter(codes), OK)


def _check(command: _Command, given: Dict[str, str], ap_ids: Sequence[str]) -> None:
    function = given.get("-c")
    for option in ("-x", "-s", "-t"):
        if option in given:
            raise _Failure("Configuration operation not supported", f"there is no {option} for NICs", NOT_SUPPORTED)
    if function in ("insert", "remove", "connect", "disconnect"):
        detail = f"{function}; a NIC is configured and unconfigured"
        raise _Failure("Configuration operation not supported", detail, NOT_SUPPORTED)
    if function is not None and function not in ("configure", "unconfigure"):
        raise _Failure(INVALID, f"there is no function {function}", WRONG_USE)
    if "-y" in given and "-n" in given:
        raise _Failure(INVALID, "-y and -n exclude each other", WRONG_USE)
    if function is not None and ("-l" in given or "-a" in given):
        raise _Failure(INVALID, "-c and a listing exclude each other", WRONG_USE)
    if function is not None and not ap_ids:
        raise _Failure(INVALID, f"-c {function} needs an ap_id", WRONG_USE)
    if "-o" in given:
        name, _equals, command.hardware = given["-o"].partition("=")
        if name != "hardware" or command.hardware not in ("auto", *WAYS):
            raise _Failure(INVALID, f"-o takes hardware=auto, {', '.join(WAYS)}", WRONG_USE)


def _list(client: Client, ap_ids: Sequence[str], verbose: bool, every: bool, stdout: TextIO) -> int:
    points = listing.points(client.call("status"), client.call("components")["components"])
    for ap_id in ap_ids:
        if all(point.ap_id != ap_id for point in points):
            raise _Failure(LIBRARY["unknown"], ap_id)
    chosen = [p for p in points if (p.ap_id in ap_ids if ap_ids else every or not p.dynamic)]
    lines = listing.lines(chosen, verbose)
    stdout.write("\n".join(lines) + "\n")
    return OK


def _report(error: Exception, ap_id: str, stderr: TextIO) -> int:
    if isinstance(error, _Failure):
        code, text, invalid = error.code, str(error), error.code == WRONG_USE
    elif isinstance(error, DaemonError):
        library = LIBRARY.get(error.kind, "Library error")
        invalid = library == INVALID
        code = WRONG_USE if invalid else FAILED
        detail = f"invalid transition: {error}" if error.kind == "state" else str(error)
        text = f"cfgadm: {library}: {detail}"
        if error.details.get("refusals"):
            text += "\n" + "\n".join(refusal_table(error.details["refusals"]))
    else:
        denied = isinstance(error, DaemonUnreachable) and error.denied
        code, invalid = FAILED, False
        text = f"cfgadm: {LIBRARY['denied'] if denied else 'Library error'}: {error}"
    stderr.write(text + ("\n" + USAGE if invalid else "") + "\n")
    return code


def refusal_table(refusals: Sequence[Dict[str, str]]) -> List[str]:
    """Who objects and why (CFA-9): two columns two blanks apart, headings in the middle, dashes below."""
    rows = [(r["resource"], r["information"]) for r in refusals]
    headings = ("Resource", "Information")
    widths = [max(len(heading), *(len(row[n]) for row in rows)) for n, heading in enumerate(headings)]
    lines = ["  ".join(heading.center(width) for heading, width in zip(headings, widths)).rstrip()]
    lines.append("  ".join("-" * width for width in widths))
    return lines + [f"{resource.ljust(widths[0])}  {information}" for resource, information in rows]


def _peer() -> Optional[str]:
    """Where the SSH connection comes from that this runs in: the query looks after it."""
    words = os.environ.get("SSH_CONNECTION", "").split()
    return words[0] if words else None
