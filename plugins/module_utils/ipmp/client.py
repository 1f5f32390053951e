# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The caller's side of the daemon's control socket; travels with every Ansible module.

The language is described in docs/architecture.md: one JSON object a line, one connection a call.
"""

from __future__ import annotations

import errno
import json
import os
import socket
from typing import Any, Dict, Iterator, List, Optional

PROTOCOL = 1
MAX_PATH = 107  # sun_path holds 108 bytes and the last is NUL
GRACE = 10.0  # s that an answer may be late after the wait_timeout that the daemon was given


class ClientError(Exception):
    """The operation did not succeed. ``str()`` is one sentence."""


class DaemonError(ClientError):
    """The daemon answered with an error.

    kind: a word of the protocol's list; code: its word for programs, or None; details: everything else
    that came with it, such as ``refusals``, ``transaction`` or ``differences``.
    """

    def __init__(self, kind: str, code: Optional[str], message: str, details: Dict[str, Any]) -> None:
        self.kind, self.code, self.message, self.details = kind, code, message, details
        super().__init__(message)


class DaemonUnreachable(ClientError):
    """Nobody answers at ``path``; ``reason`` says why. ``denied``: somebody may be there, but not for this user."""

    def __init__(self, path: str, reason: str, *, denied: bool = False) -> None:
        self.path, self.reason, self.denied = path, reason, denied
        super().__init__(f"cannot contact in.mpathd at {path}: {reason}")


class ProtocolMismatch(ClientError):
    """Daemon and caller have no protocol version in common; ``older`` is 'daemon' or 'caller'."""

    def __init__(self, path: str, theirs: List[int]) -> None:
        self.path, self.theirs = path, theirs
        self.older = "caller" if min(theirs, default=0) > PROTOCOL else "daemon"
        spoken = ", ".join(str(v) for v in theirs) or "none that we know"
        if self.older == "daemon":
            text = f"the in.mpathd at {path} is too old (it speaks protocol {spoken}, this needs {PROTOCOL}): "
            text += "run the role netpath.ipmp.mpathd on this host"
        else:
            text = f"this caller is too old for the in.mpathd at {path} (it speaks protocol {spoken}, "
            text += f"this knows {PROTOCOL}): update the collection netpath.ipmp on the controller"
        super().__init__(text)


def default_root() -> str:
    """``$IPMP_ROOT``, else ``/``."""
    return os.environ.get("IPMP_ROOT") or "/"


def socket_path(root: str) -> str:
    """Where the daemon of that root listens."""
    return os.path.join(root, "run/ipmp/control.sock")


def connect(path: str, timeout: float) -> socket.socket:
    """A connected socket; raises OSError. Paths may be longer than a socket's name can be."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    directory = None
    try:
        sock.settimeout(timeout)
        if len(os.fsencode(path)) > MAX_PATH:
            directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
            path = f"/proc/self/fd/{directory}/{os.path.basename(path)}"
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    finally:
        if directory is not None:
            os.close(directory)
    return sock


class Client:
    """Calls to the daemon of ``root`` (default_root() if None), or to the one that listens at ``path``.

    timeout: s to wait for an answer; an operation that is given a longer ``wait_timeout`` is waited for that long.
    """

    def __init__(self, root: Optional[str] = None, *, path: Optional[str] = None, timeout: float = 60.0) -> None:
        self.path = path or socket_path(root or default_root())
        self.timeout = timeout

    def call(self, op: str, **args: Any) -> Dict[str, Any]:
        """The ``result`` of one operation. Raises DaemonError, DaemonUnreachable or ProtocolMismatch."""
        timeout = self.timeout
        if args.get("wait_timeout"):
            timeout = max(timeout, args["wait_timeout"] + GRACE)
        with self._send(op, args, timeout) as sock, sock.makefile("rb") as lines:
            return self._result(self._receive(lines, f"did not answer {op!r} within {timeout:g} s"))

    def patience(self) -> float:
        """s that a detach may take, its way back included; as long as that, give its ``wait_timeout``."""
        return float(self.call("transactions").get("wait_timeout", 120.0))  # an older daemon has no say

    def events(self, timeout: Optional[float] = None) -> Iterator[Dict[str, Any]]:
        """What happens on the host from now on, one EVENT at a time.

        Begins when the first one is asked for, and ends with DaemonUnreachable when the daemon
        goes away or nothing happened for ``timeout`` seconds.
        """
        return self._stream("events", timeout)

    def probes(self) -> Iterator[Dict[str, Any]]:
        """Each probe from now on, as soon as it is answered or lost. Root only."""
        return self._stream("probes", None)

    def _stream(self, op: str, timeout: Optional[float]) -> Iterator[Dict[str, Any]]:
        with self._send(op, {}, self.timeout) as sock, sock.makefile("rb") as lines:
            self._result(self._receive(lines, f"did not answer {op!r} within {self.timeout:g} s"))
            sock.settimeout(timeout)
            while True:
                yield self._receive(lines, f"sent no event for {timeout} s").get("event", {})

    def _send(self, op: str, args: Dict[str, Any], timeout: float) -> socket.socket:
        line = json.dumps({"v": PROTOCOL, "id": 1, "op": op, **args}).encode() + b"\n"
        try:
            sock = connect(self.path, timeout)
        except socket.timeout:
            raise DaemonUnreachable(self.path, f"it accepts no connection within {timeout:g} s") from None
        except OSError as error:
            raise self._unreachable(error) from None
        try:
            sock.sendall(line)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has refused us already; its answer, if there is one, can still be read
        except OSError as error:
            sock.close()
            raise DaemonUnreachable(self.path, error.strerror or "it takes no request") from None
        return sock

    def _unreachable(self, error: OSError) -> DaemonUnreachable:
        if error.errno in (errno.EACCES, errno.EPERM):
            reason = "only root and the members of group ipmp may ask it; "
            reason += "run this as root, or have root add you to group ipmp"
            return DaemonUnreachable(self.path, reason, denied=True)
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED):
            return DaemonUnreachable(self.path, "it is not running; start it with 'systemctl start ipmp'")
        return DaemonUnreachable(self.path, error.strerror or str(error))

    def _receive(self, lines: Any, late: str) -> Dict[str, Any]:
        try:
            line = lines.readline()
        except socket.timeout:
            raise DaemonUnreachable(self.path, f"it {late}") from None
        except OSError as error:
            raise DaemonUnreachable(self.path, error.strerror or str(error)) from None
        if not line.endswith(b"\n"):
            raise DaemonUnreachable(self.path, "it closed the connection before it had answered")
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise DaemonUnreachable(self.path, "who listens there does not speak our protocol")
        return answer

    def _result(self, answer: Dict[str, Any]) -> Dict[str, Any]:
        if answer.get("ok"):
            result = answer.get("result")
            return result if isinstance(result, dict) else {}
        error = answer.get("error")
        details = dict(error) if isinstance(error, dict) else {}
        kind, code = details.pop("kind", "internal"), details.pop("code", None)
        message = details.pop("message", "the daemon gave no reason")
        if code == "old-protocol":
            raise ProtocolMismatch(self.path, details.get("protocol") or [])
        raise DaemonError(kind, code, message, details)
