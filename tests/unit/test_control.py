# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon's side of the socket, asked over real sockets: rights, bounds, nonsense, and a second daemon."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
import tempfile
import threading
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import pytest
from control_bed import Bed, serving, until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipmp import client, control, loop

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")


def wire(bed: Bed) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(30)
    sock.connect(bed.server.path)
    return sock


def say(sock: socket.socket, data: bytes) -> None:
    """All that the server takes; it may close the door meanwhile."""
    try:
        sock.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def hear(sock: socket.socket) -> List[Dict[str, Any]]:
    """Everything until the server closes."""
    data = b""
    while True:
        try:
            part = sock.recv(1 << 16)
        except ConnectionResetError:
            part = b""
        if not part:
            return [json.loads(line) for line in data.splitlines()]
        data += part


def ask(bed: Bed, data: bytes) -> List[Dict[str, Any]]:
    """Say it, say that this was all, and hear everything."""
    with wire(bed) as sock:
        say(sock, data)
        sock.shutdown(socket.SHUT_WR)
        return hear(sock)


def request(op: str, ident: Any = 1, **args: Any) -> bytes:
    return json.dumps({"v": 1, "id": ident, "op": op, **args}).encode() + b"\n"


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    with serving(str(tmp_path), ping={"pid": 1}) as made:
        yield made


def test_the_answer_carries_version_and_id_of_its_question(bed: Bed) -> None:
    for ident in (7, "seven", None):
        assert ask(bed, request("ping", ident)) == [{"v": 1, "id": ident, "ok": True, "result": {"pid": 1}}]


def test_questions_of_one_caller_are_answered_in_turn(bed: Bed) -> None:
    answers = ask(bed, b"".join(request("ping", n) for n in range(3000)))
    assert [a["id"] for a in answers] == list(range(3000))


def test_the_next_question_waits_for_a_late_answer(bed: Bed) -> None:
    late: List[control.Reply] = []
    bed.answers["attach"] = lambda args, reply: late.append(reply)
    with wire(bed) as sock:
        say(sock, request("attach", "slow") + request("ping", "quick"))
        until(lambda: late)
        assert [r["op"] for r in bed.requests] == ["attach"]
        bed.call(lambda: late[0].ok({"changed": True}))
        sock.shutdown(socket.SHUT_WR)
        assert [a["id"] for a in hear(sock)] == ["slow", "quick"]


def test_others_are_served_while_one_waits(bed: Bed) -> None:
    late: List[control.Reply] = []
    bed.answers["attach"] = lambda args, reply: late.append(reply)
    with wire(bed) as sock:
        say(sock, request("attach"))
        until(lambda: late)
        assert ask(bed, request("ping"))[0]["ok"]


def test_a_caller_who_goes_away_is_forgotten_and_its_late_answer_dropped(bed: Bed) -> None:
    late: List[control.Reply] = []
    bed.answers["attach"] = lambda args, reply: late.append(reply)
    with wire(bed) as sock:
        say(sock, request("attach"))
        until(lambda: late)
    until(lambda: not late[0].open)
    bed.call(lambda: late[0].ok({"changed": True}))
    assert not bed.server.connections
    assert bed.log == []


def test_a_second_answer_is_a_mistake_of_ours_and_not_sent(bed: Bed) -> None:
    def twice(args: Any, reply: control.Reply) -> None:
        reply.ok({"first": True})
        reply.ok({"second": True})

    bed.answers["status"] = twice
    assert [a["result"] for a in ask(bed, request("status"))] == [{"first": True}]
    assert "this request has its answer already" in bed.log[0]


def test_a_handler_that_fails_is_an_internal_error_and_logged(bed: Bed) -> None:
    def fail(args: Any, reply: control.Reply) -> None:
        raise KeyError("eth9")

    bed.answers["status"] = fail
    bed.answers["plan"] = {"a set": {1}}  # cannot be said in JSON
    status, plan, ping = ask(bed, request("status") + request("plan") + request("ping"))
    assert status["error"] == {"kind": "internal", "message": "in.mpathd failed at 'status': KeyError: 'eth9'"}
    assert plan["error"]["kind"] == "internal"
    assert ping["ok"]
    assert "Traceback" in bed.log[0]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"\n", "a request is one JSON object on one line"),
        (b"[]\n", "a request is one JSON object on one line"),
        (b'{"v":1,"op":"ping"\n', "a request is one JSON object on one line"),
        (b'{"v":1,"op":"p\xe9ng"}\n', "a request is one JSON object on one line"),
        (b'{"v":NaN,"op":"ping"}\n', "a request is one JSON object on one line"),
        (b'{"v":1,"op":"ping","n":' + b"9" * 21 + b"}\n", "a request is one JSON object on one line"),
        (b"[" * 1_000_000 + b"\n", "a request is one JSON object on one line"),
        (b'{"a":' * 500_000 + b"\n", "a request is one JSON object on one line"),
        (b'{"op":"ping"}\n', "a request has 'v' (a number), 'op' (a word), and 'id'"),
        (b'{"v":true,"op":"ping"}\n', "a request has 'v' (a number), 'op' (a word), and 'id'"),
        (b'{"v":1,"op":["ping"]}\n', "a request has 'v' (a number), 'op' (a word), and 'id'"),
        (b'{"v":1,"id":{},"op":"ping"}\n', "a request has 'v' (a number), 'op' (a word), and 'id'"),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_ended(bed: Bed, line: bytes, why: str) -> None:
    with wire(bed) as sock:
        say(sock, line)
        (answer,) = hear(sock)  # ends, although we have not said that this was all
    assert answer == {"v": 1, "id": None, "ok": False, "error": {"kind": "invalid", "message": why}}
    assert bed.requests == []


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_over_the_limit_is_refused_and_not_kept(bed: Bed, end: bytes) -> None:
    with wire(bed) as sock:
        say(sock, b" " * (control.MAX_LINE + 1) + end + request("ping"))
        (answer,) = hear(sock)
    assert answer["error"]["message"] == "a request is one line of at most 4194304 bytes"
    assert ask(bed, request("ping", " " * (control.MAX_LINE - 1000)))[0]["ok"], "just under the limit is a request"


def test_another_protocol_is_refused_with_what_is_spoken(bed: Bed) -> None:
    answer, ping = ask(bed, b'{"v":2,"id":5,"op":"ping"}\n' + request("ping"))
    assert answer == {
        "v": 1,
        "id": 5,
        "ok": False,
        "error": {
            "kind": "invalid",
            "code": "old-protocol",
            "message": "protocol 2 is not spoken here",
            "protocol": [1],
        },
    }
    assert ping["ok"], "the caller may go on in a protocol that both know"


def test_the_number_of_callers_is_bounded(bed: Bed) -> None:
    callers = [wire(bed) for _ in range(control.MAX_CONNECTIONS)]
    until(lambda: len(bed.server.connections) == len(callers))
    with wire(bed) as one_more:
        (answer,) = hear(one_more)
    assert answer["error"]["kind"] == "busy"
    for sock in callers:
        sock.close()
    until(lambda: not bed.server.connections)
    assert ask(bed, request("ping"))[0]["ok"]


def test_a_stream_carries_events_and_ends_with_its_listener(bed: Bed) -> None:
    streams: List[control.Stream] = []
    bed.answers["events"] = lambda args, reply: streams.append(reply.stream())
    with wire(bed) as sock:
        say(sock, request("events"))
        until(lambda: streams)
        bed.call(lambda: [streams[0].send({"type": "log", "n": n}) for n in range(3)])
        with sock.makefile("rb") as lines:
            assert json.loads(lines.readline()) == {"v": 1, "id": 1, "ok": True, "result": {}}
            assert [json.loads(lines.readline())["event"]["n"] for _ in range(3)] == [0, 1, 2]
    until(lambda: not streams[0].open)
    assert not streams[0].send({"type": "log"})


def test_a_listener_who_does_not_read_is_dropped_and_costs_no_more_than_the_bound(bed: Bed) -> None:
    streams: List[control.Stream] = []
    bed.answers["events"] = lambda args, reply: streams.append(reply.stream())
    sent = 0

    def flood() -> None:
        nonlocal sent
        while streams[0].send({"type": "log", "message": "x" * 10_000}):
            sent += 10_000
            assert sent < 100 << 20

    with wire(bed) as sock:
        say(sock, request("events"))
        until(lambda: streams)
        bed.call(flood)
        assert sent > control.MAX_QUEUED
        assert not bed.server.connections
        assert len(hear_whole_lines(sock)) < 3 * control.MAX_QUEUED // 10_000


def hear_whole_lines(sock: socket.socket) -> List[bytes]:
    data = b""
    while True:
        part = sock.recv(1 << 16)
        if not part:
            return data.split(b"\n")
        data += part


def test_a_caller_who_asks_and_does_not_read_is_held_back(bed: Bed) -> None:
    bed.answers["status"] = {"text": "x" * 200_000}
    with wire(bed) as sock:
        asker = threading.Thread(target=say, args=(sock, b"".join(request("status", n) for n in range(100))))
        asker.start()
        asker.join(30)
        until(lambda: any(c.queued > control.MAX_QUEUED for c in bed.server.connections))
        served = len(bed.requests)
        assert ask(bed, request("ping"))[0]["ok"]
        assert len(bed.requests) == served + 1 < 100
        sock.shutdown(socket.SHUT_WR)
        assert [a["id"] for a in hear(sock)] == list(range(100))


# --- rights -----------------------------------------------------------------------------------------------------------


def as_somebody(uid: int, gid: int, groups: List[int], bed: Bed, lines: bytes) -> List[Optional[str]]:
    """The kinds of error (None: it was done) that another user gets."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setgid(gid)
            os.setuid(uid)
            kinds = [a.get("error", {}).get("kind") for a in ask(bed, lines)]
            os.write(writer, json.dumps(kinds).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer: List[Optional[str]] = json.loads(pipe.read())
    os.waitpid(child, 0)
    return answer


@ROOT_ONLY
@pytest.mark.oracle("T69")
def test_the_group_reads_others_do_not_and_only_root_writes() -> None:
    lines = b"".join(request(op) for op in ("ping", "status", "offline", "no-such-op"))
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        with serving(root, ping={}, status={}, offline={}) as bed:
            os.chmod(bed.server.path, 0o666)  # so that strangers get as far as the server's own judgement
            bed.server.gid = 4711
            assert as_somebody(1234, 1234, [5, 4711], bed, lines) == [None, None, "denied", "denied"]
            assert as_somebody(1234, 4711, [], bed, lines) == [None, None, "denied", "denied"]
            assert as_somebody(1234, 1234, [5], bed, lines) == ["denied"] * 4
            assert [r["op"] for r in bed.requests] == ["ping", "status"] * 2, "nothing denied reached the handler"
            assert "Unprivileged request from uid 1234 for privileged command 'offline'" in bed.log
            bed.server.gid = None
            assert as_somebody(1234, 4711, [4711], bed, lines) == ["denied"] * 4
            assert [a.get("error", {}).get("kind") for a in ask(bed, lines)] == [None, None, None, "invalid"]


@ROOT_ONLY
def test_readers_cannot_lock_root_out() -> None:
    with tempfile.TemporaryDirectory() as root:
        os.chmod(root, 0o755)
        with serving(root, ping={}) as bed:
            os.chmod(bed.server.path, 0o666)
            bed.server.gid = 1234
            ready, go = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    os.setgid(1234)
                    os.setuid(1234)
                    greedy = [wire(bed) for _ in range(control.MAX_CONNECTIONS)]
                    os.write(go, b"x")
                    greedy[0].recv(1)
                finally:
                    os._exit(0)
            os.read(ready, 1)
            assert ask(bed, request("ping"))[0]["ok"]
            assert len(bed.server.connections) <= control.MAX_CONNECTIONS - control.RESERVED + 1
            os.kill(child, 9)
            os.waitpid(child, 0)
            os.close(ready)
            os.close(go)


def test_without_the_group_the_socket_is_roots_alone(tmp_path: Path) -> None:
    umask = os.umask(0o077)
    try:
        log: List[str] = []
        server = control.ControlServer(
            client.socket_path(str(tmp_path)), print, loop.Loop(log.append), group_name="no-such-group", log=log.append
        )
        server.open()
    finally:
        os.umask(umask)
    assert stat.S_IMODE(os.stat(server.path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(server.path)).st_mode) == 0o755
    server.close()
    assert not os.path.exists(server.path)


@ROOT_ONLY
def test_with_the_group_the_socket_is_the_groups(tmp_path: Path) -> None:
    server = control.ControlServer(
        client.socket_path(str(tmp_path)), print, loop.Loop(print), group_name="daemon", log=print
    )
    server.open()
    found = os.stat(server.path)
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o660, server.gid)
    assert found.st_gid != 0
    server.close()


# --- a second daemon --------------------------------------------------------------------------------------------------


def second(root: str) -> control.ControlServer:
    return control.ControlServer(client.socket_path(root), print, loop.Loop(print), log=print)


def test_a_second_daemon_is_told_of_the_first_and_does_it_no_harm(bed: Bed) -> None:
    with pytest.raises(control.AlreadyRunning) as caught:
        second(bed.root).open()
    assert str(caught.value) == (
        f"another in.mpathd (pid {os.getpid()}) is already active; "
        "have it reread its files with 'systemctl reload ipmp', or stop it first"
    )
    os.unlink(os.path.join(bed.root, "run/ipmp/in.mpathd.lock"))
    with pytest.raises(control.AlreadyRunning) as caught:
        second(bed.root).open()
    assert caught.value.pid == os.getpid(), "known from the socket, now that the lock's file is another"
    assert ask(bed, request("ping"))[0]["ok"]


def test_what_a_killed_daemon_left_is_taken_over(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        try:
            second(str(tmp_path)).open()
        finally:
            os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert os.path.exists(client.socket_path(str(tmp_path)))
    with serving(str(tmp_path), ping={}):
        assert client.Client(str(tmp_path)).call("ping") == {}
    with serving(str(tmp_path), ping={}):
        assert client.Client(str(tmp_path)).call("ping") == {}


def test_a_daemon_that_is_not_listening_yet_counts(tmp_path: Path) -> None:
    server = second(str(tmp_path))
    os.makedirs(os.path.dirname(server.path))
    with open(os.path.join(os.path.dirname(server.path), "in.mpathd.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711\n")
        lock.flush()
        with pytest.raises(control.AlreadyRunning, match=r"another in.mpathd \(pid 4711\) is already active"):
            server.open()
    assert not os.path.exists(server.path)


def test_of_many_that_start_at_once_one_wins(tmp_path: Path) -> None:
    path = client.socket_path(str(tmp_path))
    os.makedirs(os.path.dirname(path))
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    go, start = os.pipe()
    end, done = os.pipe()
    children = []
    for _ in range(12):
        child = os.fork()
        if child == 0:
            code = 2
            try:
                os.close(start)
                os.close(done)
                os.read(go, 1)
                second(str(tmp_path)).open()
                os.read(end, 1)  # until the test has seen all the others
                code = 0
            except control.AlreadyRunning:
                code = 1
            finally:
                os._exit(code)
        children.append(child)
    os.close(start)
    codes = []
    while len(codes) < len(children) - 1:
        codes.append(os.waitstatus_to_exitcode(os.wait()[1]))
    os.close(done)
    codes.append(os.waitstatus_to_exitcode(os.wait()[1]))
    os.close(go)
    os.close(end)
    assert sorted(codes) == [0] + [1] * 11


# --- noise ------------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
REQUEST = st.fixed_dictionaries(
    {}, optional={"v": JSON | st.just(1), "id": JSON, "op": JSON | st.just("ping"), "x": JSON}
)
PIECE = st.one_of(
    st.binary(max_size=200),
    st.just(b"\n"),
    JSON.map(lambda value: json.dumps(value).encode() + b"\n"),
    REQUEST.map(lambda value: json.dumps(value).encode() + b"\n"),
    st.integers(1, 100_000).map(lambda n: b'{"a":' * n),
    st.integers(1, 100_000).map(lambda n: b"[" * n + b"\n"),
)


@pytest.fixture(scope="module")
def noisy() -> Iterator[Bed]:
    with tempfile.TemporaryDirectory() as root, serving(root, ping={}) as made:
        yield made


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(pieces=st.lists(PIECE, max_size=8), hang_up=st.booleans())
def test_noise_neither_stops_nor_disturbs_it(noisy: Bed, pieces: List[bytes], hang_up: bool) -> None:
    with wire(noisy) as sock:
        for piece in pieces:
            say(sock, piece)
        if not hang_up:
            try:
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has closed already
            for answer in hear(sock):
                assert answer["v"] == 1 and answer["ok"] in (True, False)
                assert answer["ok"] or answer["error"]["kind"] == "invalid"
    assert ask(noisy, request("ping")) == [{"v": 1, "id": 1, "ok": True, "result": {}}]
    assert noisy.log == []
