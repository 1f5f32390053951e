# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon's side of the control socket: who asks, may they, and bounded buffers for what they say.

One request of a connection is served at a time; the next line is looked at when the answer has been given, so a caller
that asks faster than it reads is held back by the kernel. Nothing that a peer sends raises out of here.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import os
import select
import socket
import time
import traceback
from typing import Any, Callable, Dict, List, Optional

from . import loop as _loop
from . import wire
from .arguments import Denial

PROTOCOL = 1
PROTOCOLS = (1,)  # ours and, when there is one, the one before
READ_OPS = frozenset(
    (
        *("ping", "status", "plan", "offline-query", "components", "detach-query", "attach-query", "release-query"),
        *("transactions", "events"),
    )
)

MAX_LINE = 4 << 20  # bytes of one request
MAX_CONNECTIONS = 64
RESERVED = 8  # of them only root may have, so that readers cannot lock it out
MAX_QUEUED = 1 << 20  # bytes; beyond, an event stream is dropped and another connection's next request waits
MAX_PATH = 107  # sun_path holds 108 bytes and the last is NUL
CHUNK = 256 << 10


class AlreadyRunning(Exception):
    """Somebody serves this socket; ``pid`` is 0 when it cannot be seen from here."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        super().__init__(
            f"another in.mpathd (pid {pid or 'unknown'}) is already active; "
            "have it reread its files with 'systemctl reload ipmp', or stop it first"
        )


class Stream:
    """The event stream of one connection."""

    def __init__(self, connection: _Connection, version: int) -> None:
        self._connection, self._version = connection, version

    @property
    def open(self) -> bool:
        """Does anybody still listen?"""
        return not self._connection.closed

    def send(self, event: Dict[str, Any]) -> bool:
        """Queue one EVENT. False when the listener has gone, or is dropped now because it reads too slowly."""
        if self.open:
            self._connection.write({"v": self._version, "event": event})
            if self._connection.queued > MAX_QUEUED:
                self._connection.close()
        return self.open


class Reply:
    """The one answer to one request: give it at once, or keep this object and give it later.

    An answer to a caller who has gone is dropped in silence. uid and pid are the caller's.
    """

    def __init__(self, connection: _Connection, version: int, ident: Any) -> None:
        self._connection, self._version, self._ident = connection, version, ident
        self._given = False
        self.uid, self.pid = connection.uid, connection.pid
        self.denied: Callable[[str], None] = lambda _message: None  # is told of it as well

    @property
    def open(self) -> bool:
        """Is the caller still there, and without an answer?"""
        return not (self._given or self._connection.closed)

    def ok(self, result: Dict[str, Any]) -> None:
        """It is done, and this is what came of it."""
        self._give({"ok": True, "result": result})
        self._connection.answered()

    def error(self, kind: str, message: str, code: Optional[str] = None, **details: Any) -> None:
        """It is not done; ``details`` stand beside the message (refusals, transaction, differences ...)."""
        self._fail(kind, message, code, details)
        self._connection.answered()

    def deny(self, denial: Denial) -> None:
        """It is not even begun."""
        self.denied(denial.message)
        self.error(denial.kind, denial.message, denial.code, **denial.details)

    def stream(self) -> Stream:
        """Answer with ``{}``; events follow. The connection serves no other request any more."""
        self._give({"ok": True, "result": {}})
        return Stream(self._connection, self._version)

    def last_error(self, message: str) -> None:
        """Answer ``invalid`` and end the connection."""
        self._fail("invalid", message, None, {})
        self._connection.finish()

    def _fail(self, kind: str, message: str, code: Optional[str], details: Dict[str, Any]) -> None:
        error = {"kind": kind, "message": message, **details}
        if code is not None:
            error["code"] = code
        self._give({"ok": False, "error": error})

    def _give(self, answer: Dict[str, Any]) -> None:
        if self._given:
            raise RuntimeError("this request has its answer already")
        # Made before it is marked as given, so that an answer JSON cannot say leaves room for an error.
        line = wire.line({"v": self._version, "id": self._ident, **answer})
        self._given = True
        self._connection.write_line(line)


Handler = Callable[[str, Dict[str, Any], Reply], None]


class ControlServer:
    """Serves ``path`` in ``loop``: ``handler(op, args, reply)`` for each request that its caller may make.

    uid 0 may do everything, members of ``group_name`` the READ_OPS; others cannot connect, and are denied if
    they can. ``log`` takes one line of text. close() takes the socket away.
    """

    def __init__(
        self,
        path: str,
        handler: Handler,
        loop: _loop.Loop,
        *,
        group_name: str = "ipmp",
        log: Callable[[str], None],
    ) -> None:
        self.path, self.handler, self.loop, self.log = path, handler, loop, log
        self.connections: List[_Connection] = []
        self.gid = _gid(group_name)
        self._lock = -1
        self._listener: Optional[socket.socket] = None

    def open(self) -> None:
        """Take the socket and begin to serve. Raises AlreadyRunning, or OSError (naming the path)."""
        directory = os.path.dirname(self.path)
        os.makedirs(directory, exist_ok=True)
        os.chmod(directory, 0o755)  # whatever the umask: the group has to reach the socket
        # The lock makes the question "is another one alive?" free of races; the socket's own answer counts as well,
        # for somebody may have removed the lock's file.
        lock = os.open(os.path.join(directory, "in.mpathd.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _take(lock)
            os.ftruncate(lock, 0)
            os.pwrite(lock, b"%d\n" % os.getpid(), 0)
            self._remove_stale(directory)
            self._listener = self._listen(directory)
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock
        self.loop.add_fd(self._listener.fileno(), self._accept)

    def close(self) -> None:
        """Drop every connection and give the name back; harmless when it was not open."""
        for connection in list(self.connections):
            connection.close()
        if self._listener is not None:
            self.loop.remove_fd(self._listener.fileno())
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            self._listener.close()
            self._listener = None
            os.close(self._lock)

    def may(self, connection: _Connection, op: str) -> bool:
        """The rights of a connection."""
        return connection.uid == 0 or (op in READ_OPS and self.gid is not None and self.gid in connection.gids)

    def _remove_stale(self, directory: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, _Name(self.path, directory) as name:
            try:
                probe.setblocking(False)
                probe.connect(name)
            except FileNotFoundError:
                return
            except ConnectionRefusedError:
                os.unlink(self.path)
                return
            except BlockingIOError:
                pass  # its queue is full, so it lives
            raise AlreadyRunning(wire.peer(probe)[0])

    def _listen(self, directory: str) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        umask = os.umask(0o177)
        try:
            with _Name(self.path, directory) as name:
                listener.bind(name)
            if self.gid is not None:
                try:
                    os.chown(self.path, -1, self.gid)
                    os.chmod(self.path, 0o660)
                except PermissionError as error:
                    self.log(f"{self.path}: only root can use it, for its group cannot be set: {error.strerror}")
            listener.listen(MAX_CONNECTIONS)
        except BaseException:
            listener.close()
            raise
        finally:
            os.umask(umask)
        return listener

    def _accept(self, _mask: int) -> None:
        if self._listener is None:
            return
        try:
            sock = self._listener.accept()[0]
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            # Level-triggered: without a pause this would be a busy loop until a descriptor is free.
            self.loop.modify_fd(self._listener.fileno(), 0)
            self.loop.call_later(1, self._accept_again)
            return
        sock.setblocking(False)
        connection = _Connection(self, sock)
        limit = MAX_CONNECTIONS if connection.uid == 0 else MAX_CONNECTIONS - RESERVED
        if len(self.connections) > limit:
            reply = Reply(connection, PROTOCOL, None)
            reply.error("busy", f"{limit} callers are connected already; try again when some have gone")
            connection.close()

    def _accept_again(self) -> None:
        if self._listener is not None:
            self.loop.modify_fd(self._listener.fileno(), _loop.READ)


def _take(lock: int) -> None:
    """The lock, also from one that is just dying: a daemon that was killed holds it until it is gone."""
    for patience in (0.1,) * 10 + (0.0,):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(patience)
    text = os.pread(lock, 20, 0).strip()
    raise AlreadyRunning(int(text) if text.isdigit() else 0)


class _Connection:
    """Buffers of one caller, and what epoll shall wait for."""

    def __init__(self, server: ControlServer, sock: socket.socket) -> None:
        self._server, self._sock = server, sock
        self.pid, self.uid, gid = wire.peer(sock)
        self.gids = (gid, *wire.peer_groups(sock))
        self._in, self._out = bytearray(), bytearray()
        self._end = -1  # where the first line of _in ends
        self._busy = False  # a request waits for its answer
        self._eof = False  # the caller has said all it wants to say
        self._finishing = False  # close when everything is written
        self.closed = False
        self._events = _loop.READ
        server.connections.append(self)
        server.loop.add_fd(sock.fileno(), self._ready, events=self._events)

    @property
    def queued(self) -> int:
        """Bytes that the caller has not taken yet."""
        return len(self._out)

    def write(self, message: Dict[str, Any]) -> None:
        """Send a message, or queue what the kernel does not take."""
        self.write_line(wire.line(message))

    def write_line(self, line: bytes) -> None:
        """The same for a message that is a line already."""
        if not self.closed:
            self._out += line
            self._flush()

    def answered(self) -> None:
        """The request has its answer; look at the next one in the next round."""
        self._busy = False
        self._server.loop.call_later(0, self._serve)

    def finish(self) -> None:
        """Close as soon as everything is written, and listen no more."""
        self._finishing = True
        self._flush()

    def close(self) -> None:
        """Now. Answers that come later are dropped."""
        if not self.closed:
            self.closed = True
            self._server.connections.remove(self)
            self._server.loop.remove_fd(self._sock.fileno())
            self._sock.close()
            self._in.clear()
            self._out.clear()

    def _ready(self, mask: int) -> None:
        if mask & select.EPOLLERR or (mask & select.EPOLLHUP and not mask & _loop.READ):
            self.close()
            return
        if mask & _loop.WRITE:
            self._flush()
        if mask & _loop.READ and not self.closed:
            self._read()

    def _read(self) -> None:
        try:
            data = self._sock.recv(CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        self._eof = not data
        if self._end < 0:
            end = data.find(b"\n")
            self._end = end + len(self._in) if end >= 0 else -1
        self._in += data
        self._serve()

    def _serve(self) -> None:
        """Hand over one request, if a whole one is here and it is its turn."""
        if self.closed:
            return
        if not (self._busy or self._finishing or self.queued > MAX_QUEUED):
            if max(self._end, len(self._in) if self._end < 0 else 0) > MAX_LINE:
                Reply(self, PROTOCOL, None).last_error(f"a request is one line of at most {MAX_LINE} bytes")
            elif self._end >= 0:
                self._busy = True
                self._request(self._take_line())
            elif self._eof and not self.queued:
                self.close()
        self._wait()

    def _take_line(self) -> bytes:
        line = bytes(self._in[: self._end])
        del self._in[: self._end + 1]
        self._end = self._in.find(b"\n")
        return line

    def _request(self, line: bytes) -> None:
        server = self._server
        try:
            request = wire.parse(line)
        except ValueError as error:
            Reply(self, PROTOCOL, None).last_error(str(error))
            return
        version, ident, op = (request.pop(word, None) for word in ("v", "id", "op"))
        if (
            not isinstance(version, int)
            or isinstance(version, bool)
            or not isinstance(op, str)
            or not isinstance(ident, (str, int, type(None)))
        ):
            Reply(self, PROTOCOL, None).last_error("a request has 'v' (a number), 'op' (a word), and 'id'")
            return
        if version not in PROTOCOLS:
            message = f"protocol {version} is not spoken here"
            Reply(self, PROTOCOL, ident).error("invalid", message, "old-protocol", protocol=list(PROTOCOLS))
            return
        reply = Reply(self, version, ident)
        if not server.may(self, op):
            server.log(f"Unprivileged request from uid {self.uid} for privileged command {op!r:.40}")  # PROTO-1
            others = " and the members of group ipmp" if op in READ_OPS and server.gid is not None else ""
            reply.error("denied", f"only root{others} may ask for {op!r:.40}; run this as root")
            return
        try:
            server.handler(op, request, reply)
        except Exception as error:
            if reply.open:
                reply.error("internal", f"in.mpathd failed at {op!r:.40}: {type(error).__name__}: {error}")
            server.log(traceback.format_exc())

    def _flush(self) -> None:
        if self.closed:
            return
        try:
            while self._out:
                with memoryview(self._out) as whole, whole[:CHUNK] as part:
                    sent = self._sock.send(part)
                del self._out[:sent]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.close()
            return
        if self._finishing and not self._out:
            self.close()
        elif not self._busy and not self._out:
            self._server.loop.call_later(0, self._serve)  # what had to wait for the caller to read
        self._wait()

    def _wait(self) -> None:
        if self.closed:
            return
        idle = not (self._busy or self._eof or self._finishing)
        reading = idle and self._end < 0 and self.queued <= MAX_QUEUED
        events = (_loop.READ if reading else 0) | (_loop.WRITE if self._out else 0)
        if events != self._events:
            self._events = events
            self._server.loop.modify_fd(self._sock.fileno(), events)


class _Name:
    """``path`` as a socket's name: through /proc/self/fd where it is too long to be one."""

    def __init__(self, path: str, directory: str) -> None:
        self._path, self._directory, self._fd = path, directory, -1

    def __enter__(self) -> str:
        if len(os.fsencode(self._path)) <= MAX_PATH:
            return self._path
        self._fd = os.open(self._directory, os.O_PATH | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._fd}/{os.path.basename(self._path)}"

    def __exit__(self, *exc: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)


def _gid(group_name: str) -> Optional[int]:
    try:
        return grp.getgrnam(group_name).gr_gid
    except KeyError:
        return None
