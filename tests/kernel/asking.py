# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab host's daemon: asked over its socket with what the role has put there, as a module would; ended and started."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
from typing import Any, Dict, Iterator, List, Sequence

from namespaces import eventually

from lab import Host

_PROGRAM = """
import json, sys
sys.path.insert(0, "/usr/local/lib/ipmp")
from ipmp.client import Client, ClientError, DaemonError
try:
    print(json.dumps(Client().call(sys.argv[1], **json.loads(sys.argv[2]))))
except DaemonError as error:
    print(json.dumps({"kind": error.kind, "message": error.message, **error.details}))
except ClientError as error:
    print(json.dumps({"kind": "unreachable", "message": str(error)}))
"""

_LISTENER = """
import sys
sys.path.insert(0, "/usr/local/lib/ipmp")
from ipmp.client import connect, socket_path
sock = connect(socket_path("/"), 60)
sock.settimeout(None)
sock.sendall(b'{"v": 1, "id": 1, "op": "events"}\\n')
for line in sock.makefile():
    print(line, end="", flush=True)
"""


def call(host: Host, op: str, *, by: Sequence[str] = (), **args: Any) -> Dict[str, Any]:
    """The result, or the error's kind, message and details; by is put before the command, such as setpriv."""
    command = [*by, "/usr/bin/python3", "-c", _PROGRAM, op, json.dumps(args)]
    answer: Dict[str, Any] = json.loads(host.run(command).stdout)
    return answer


@contextlib.contextmanager
def hearing(host: Host) -> Iterator[List[Dict[str, Any]]]:
    """Events as the daemon tells them, while the list grows."""
    process = host.popen(["/usr/bin/python3", "-c", _LISTENER], stdout=subprocess.PIPE, text=True)
    told = process.stdout
    assert told is not None
    assert json.loads(told.readline())["ok"]
    heard: List[Dict[str, Any]] = []
    reader = threading.Thread(target=lambda: heard.extend(json.loads(line)["event"] for line in told))
    reader.start()
    try:
        yield heard
    finally:
        process.kill()
        process.wait()
        reader.join()


def end(host: Host, sig: int = signal.SIGTERM) -> None:
    """Ends the daemon; returns when the process is gone."""
    pid = call(host, "ping")["pid"]
    host.kill(pid, sig)
    assert eventually(lambda: host.run(["kill", "-0", str(pid)], check=False).returncode, 30)


def start(host: Host) -> None:
    """Starts the daemon, which logs into /var/log/mpathd.log; returns when it answers."""
    host.run("setsid /usr/local/sbin/in.mpathd -d </dev/null >>/var/log/mpathd.log 2>&1 &")
    answers = eventually(lambda: call(host, "ping").get("kind") != "unreachable", 30)
    assert answers, host.run("cat /var/log/mpathd.log; ps ax").stdout


def in_order(host: Host) -> bool:
    """Every address at home, nothing open, and the kernel's check of link-local addresses over."""
    status = call(host, "status")
    home = all(a["interface"] == a["owner"] for a in status["addresses"])
    return home and status["transaction"] is None and "tentative" not in host.run("ip -6 addr").stdout
