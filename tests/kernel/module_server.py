# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Program: runs the collection's modules inside a lab's host, each in a process of its own, without Ansible around it.

Run as ``module_server.py PID``, PID being the host's first process. What Ansible does for a task costs half a second;
this costs 20 ms, because everything is imported before the host's namespaces are entered. Reads one JSON request a line
and answers each with one line: ``run`` a module, ``look`` at files and addresses, ``told`` for what the kernel's
routing socket has said since the last time.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import io
import json
import os
import socket
import struct
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any, Callable, Dict, List

from ansible.module_utils import basic

MODULES = ("ipmp_address", "ipmp_config", "ipmp_dr", "ipmp_group", "ipmp_info", "ipmp_interface", "ipmp_offline")
KINDS = ("net", "uts", "ipc", "pid", "mnt")
ETC = ("hostname.*", "hostname6.*", ".hostname*", "ipmp", "ipmp/*", "default/mpathd", "hosts")
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1
# RTNLGRP_*: links, addresses, routes, rules, netconf, nexthops. Neighbours come and go by themselves.
GROUPS = (1, 5, 7, 8, 9, 11, 19, 24, 25, 32)
MESSAGES = {
    16: "NEWLINK",
    17: "DELLINK",
    20: "NEWADDR",
    21: "DELADDR",
    24: "NEWROUTE",
    25: "DELROUTE",
    32: "NEWRULE",
    33: "DELRULE",
    80: "NEWNETCONF",
    81: "DELNETCONF",
    104: "NEWNEXTHOP",
    105: "DELNEXTHOP",
}


def enter(pid: int) -> None:
    """Into the namespaces of pid; children are in its process namespace too."""
    files = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in KINDS]
    libc = ctypes.CDLL(None, use_errno=True)
    for kind, fd in zip(KINDS, files):
        if libc.setns(fd, 0):
            sys.exit(f"cannot enter the {kind} namespace of {pid}: {os.strerror(ctypes.get_errno())}")
        os.close(fd)
    os.chdir("/")


def listener() -> socket.socket:
    """Hears whatever changes in this network namespace."""
    heard = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    heard.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    heard.bind((0, 0))
    for group in GROUPS:
        heard.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
    return heard


def told(heard: socket.socket) -> List[str]:
    """The messages since the last time, by name and with their bytes for whoever has to look into one."""
    found = []
    while True:
        try:
            data = heard.recv(1 << 16)
        except BlockingIOError:
            return found
        while len(data) >= 16:
            length, kind = struct.unpack_from("=IH", data)
            found.append(f"{MESSAGES.get(kind, kind)} {data[16:length].hex()}")
            data = data[(length + 3) & ~3 :]


def look() -> Dict[str, Any]:
    """``files``: path to [text, mtime in ns, inode, mode]; ``addresses``: what ``ip -j addr`` says."""
    files = {}
    for path in sorted({path for pattern in ETC for path in Path("/etc").glob(pattern)}):
        at = path.lstat()
        text = path.read_text(encoding="utf-8", errors="surrogateescape") if path.is_file() else None
        files[str(path)] = [text, at.st_mtime_ns, at.st_ino, at.st_mode]
    shown = subprocess.run(["ip", "-j", "addr"], capture_output=True, text=True, check=True).stdout
    return {"files": files, "addresses": json.loads(shown)}


def in_child(do: Callable[[], None]) -> Dict[str, Any]:
    """What a function prints as its last line, in a process of its own."""
    out, into = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.dup2(into, 1)
            do()
        except SystemExit:
            pass
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(0)
    os.close(into)
    with os.fdopen(out, encoding="utf-8") as printed:
        text = printed.read()
    os.waitpid(pid, 0)
    try:
        answer: Dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return {"failed": True, "msg": f"no result: {text!r}", "crashed": True}
    return answer


def run(name: str, arguments: Dict[str, Any]) -> Dict[str, Any]:
    """The result of a module; arguments as Ansible would pass them."""
    module = importlib.import_module(f"ansible_collections.netpath.ipmp.plugins.modules.{name}")

    def main() -> None:
        basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
        basic._ANSIBLE_PROFILE = "legacy"
        module.main()

    return in_child(main)


def serve() -> None:
    """See the module's first sentence."""
    for name in MODULES:
        importlib.import_module(f"ansible_collections.netpath.ipmp.plugins.modules.{name}")
    # Ansible imports the rest with the first module, which may not find it: the host has a /tmp of its own.
    basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = b'{"ANSIBLE_MODULE_ARGS": {}}', "legacy"
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        basic.AnsibleModule({}).exit_json()
    enter(int(sys.argv[1]))
    heard = listener()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        verb = request.pop("do")
        if verb == "run":
            answer: Any = run(**request)
        elif verb == "look":
            answer = look()
        else:
            answer = told(heard)
        print(json.dumps(answer), flush=True)


serve()
