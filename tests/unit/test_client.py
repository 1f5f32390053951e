# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The caller's side of the socket: answers, errors, and daemons that are absent, old, new, mute or no daemon at all."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from control_bed import serving, until

from ipmp import client

# The path of a socket holds 107 bytes.
LONG = "a directory with a name that is long/" * 4


@contextmanager
def listener(root: Path, talk: Callable[[socket.socket], None]) -> Iterator[None]:
    """Somebody who is not our daemon listens at its place, and says what ``talk`` says."""
    path = Path(client.socket_path(str(root)))
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            with server.accept()[0] as sock:
                talk(sock)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        thread.join(30)


def answering(answer: bytes) -> Callable[[socket.socket], None]:
    def talk(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(answer)

    return talk


def test_a_call_returns_the_result_and_the_daemon_gets_the_arguments(tmp_path: Path) -> None:
    result = {"changed": True, "moves": [{"address": "192.0.2.1", "from": "eth1", "to": "eth2"}]}
    with serving(str(tmp_path), offline=result) as bed:
        assert client.Client(str(tmp_path)).call("offline", interface="eth1") == result
    assert bed.requests == [{"op": "offline", "interface": "eth1"}]


def test_a_big_question_and_a_big_answer_arrive_whole(tmp_path: Path) -> None:
    files = {f"/etc/hostname.eth{n}": "x" * 1000 for n in range(2000)}
    with serving(str(tmp_path), plan=lambda args, reply: reply.ok(args)):
        assert client.Client(str(tmp_path)).call("plan", files=files) == {"files": files}


def test_a_root_too_long_for_a_socket_name_is_reached_all_the_same(tmp_path: Path) -> None:
    root = tmp_path / LONG
    assert len(client.socket_path(str(root))) > client.MAX_PATH
    with serving(str(root), ping={"pid": 1}):
        assert client.Client(str(root)).call("ping") == {"pid": 1}


def test_the_root_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IPMP_ROOT", raising=False)
    assert client.Client().path == "/run/ipmp/control.sock"
    monkeypatch.setenv("IPMP_ROOT", str(tmp_path))
    assert client.Client().path == f"{tmp_path}/run/ipmp/control.sock"


def test_an_error_carries_all_that_the_daemon_said(tmp_path: Path) -> None:
    refusals = [{"resource": "SUNW_network/eth1", "information": "eth1 hosts IP addresses: 192.0.2.1"}]

    def refuse(args: Any, reply: Any) -> None:
        reply.error("refused", "eth1 is the last one", "min-redundancy", refusals=refusals)

    with serving(str(tmp_path), detach_query=refuse), pytest.raises(client.DaemonError) as caught:
        client.Client(str(tmp_path)).call("detach-query", component="eth1")
    error = caught.value
    assert (error.kind, error.code, error.message) == ("refused", "min-redundancy", "eth1 is the last one")
    assert error.details == {"refusals": refusals}
    assert str(error) == "eth1 is the last one"


def test_no_daemon_is_one_sentence_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(client.DaemonUnreachable) as caught:
        client.Client(str(tmp_path)).call("ping")
    assert str(caught.value) == (
        f"cannot contact in.mpathd at {tmp_path}/run/ipmp/control.sock: "
        "it is not running; start it with 'systemctl start ipmp'"
    )
    assert not caught.value.denied


def test_a_socket_that_a_dead_daemon_left_is_no_daemon(tmp_path: Path) -> None:
    path = client.socket_path(str(tmp_path))
    os.makedirs(os.path.dirname(path))
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    with pytest.raises(client.DaemonUnreachable, match="it is not running"):
        client.Client(str(tmp_path)).call("ping")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_a_stranger_is_told_who_may() -> None:
    with tempfile.TemporaryDirectory() as root, serving(root, ping={}):
        os.chmod(root, 0o755)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                client.Client(root).call("ping")
            except client.DaemonUnreachable as error:
                os.write(writer, f"{error.denied} {error.reason}".encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        os.close(writer)
        assert os.read(reader, 1000).decode() == (
            "True only root and the members of group ipmp may ask it; "
            "run this as root, or have root add you to group ipmp"
        )
        os.close(reader)


def test_an_old_daemon_and_an_old_caller_are_told_apart(tmp_path: Path) -> None:
    old = b'{"v":0,"id":1,"ok":false,"error":{"kind":"invalid","code":"old-protocol","message":"no","protocol":[0]}}\n'
    with listener(tmp_path / "old", answering(old)), pytest.raises(client.ProtocolMismatch) as caught:
        client.Client(str(tmp_path / "old")).call("ping")
    assert caught.value.older == "daemon"
    assert "run the role netpath.ipmp.mpathd on this host" in str(caught.value)
    new = old.replace(b"[0]", b"[7,8]")
    with listener(tmp_path / "new", answering(new)), pytest.raises(client.ProtocolMismatch) as caught:
        client.Client(str(tmp_path / "new")).call("ping")
    assert caught.value.older == "caller"
    assert "it speaks protocol 7, 8, this knows 1" in str(caught.value)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "it closed the connection before it had answered"),
        (b'{"v":1,"id":1,"ok":tr', "it closed the connection before it had answered"),
        (b"220 mail.example.org ESMTP\n", "who listens there does not speak our protocol"),
        (b"\xff\xfe\x00\n", "who listens there does not speak our protocol"),
        (b"[1]\n", "who listens there does not speak our protocol"),
    ],
)
def test_who_talks_nonsense_is_not_believed(tmp_path: Path, said: bytes, reason: str) -> None:
    with listener(tmp_path, answering(said)), pytest.raises(client.DaemonUnreachable) as caught:
        client.Client(str(tmp_path)).call("ping")
    assert caught.value.reason == reason


def test_who_answers_before_it_has_heard_everything_is_heard(tmp_path: Path) -> None:
    full = b'{"v":1,"id":null,"ok":false,"error":{"kind":"busy","message":"full"}}\n'
    with listener(tmp_path, lambda sock: sock.sendall(full)), pytest.raises(client.DaemonError, match="full"):
        client.Client(str(tmp_path)).call("plan", files={"/etc/hostname.eth0": "x" * (8 << 20)})


def test_an_error_without_its_parts_is_still_an_error(tmp_path: Path) -> None:
    with listener(tmp_path, answering(b'{"ok":false,"error":"ouch"}\n')), pytest.raises(client.DaemonError) as caught:
        client.Client(str(tmp_path)).call("ping")
    assert (caught.value.kind, caught.value.message) == ("internal", "the daemon gave no reason")


def test_a_mute_daemon_is_waited_for_so_long_and_no_longer(tmp_path: Path) -> None:
    asked = threading.Event()
    with serving(str(tmp_path), status=lambda args, reply: asked.set()):
        with pytest.raises(client.DaemonUnreachable, match=r"it did not answer 'status' within 0\.2 s"):
            client.Client(str(tmp_path), timeout=0.2).call("status")
    assert asked.is_set()


def test_events_come_one_by_one_until_the_daemon_goes(tmp_path: Path) -> None:
    streams = []
    seen = []
    with serving(str(tmp_path), events=lambda args, reply: streams.append(reply.stream())) as bed:
        events = client.Client(str(tmp_path)).events(timeout=30)
        subscriber = threading.Thread(target=lambda: seen.append(next(events)))
        subscriber.start()
        until(lambda: streams)
        bed.call(lambda: [streams[0].send({"type": "log", "message": text}) for text in ("one", "two")])
        subscriber.join(30)
        assert seen == [{"type": "log", "message": "one"}]
        assert next(events) == {"type": "log", "message": "two"}
    with pytest.raises(client.DaemonUnreachable, match="closed the connection"):
        next(events)
