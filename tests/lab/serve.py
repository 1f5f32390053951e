# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The socket that a lab in the background is spoken to by: one JSON object a line each way.

-> {"word": "pull", "host": "h1", "nic": "eth1"}    <- {"text": "h1: cable of eth1 pulled"} or {"error": sentence}
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, Callable, Dict

from .lab import Lab
from .nic import Nic
from .spec import LabError

SOCKET = "control.sock"
# word -> what it does to the card, and how that reads
HOST_WORDS = ("boot", "console")  # only where hosts boot
CABLE_WORDS = {
    "pull": (Nic.pull, "cable pulled"),
    "plug": (Nic.plug, "cable plugged in"),
    "cut": (Nic.cut, "cut without a sign: the carrier stays"),
    "mend": (Nic.mend, "mended"),
    "out": (Nic.take_out, "card taken out"),
    "back": (Nic.put_back, "card put back"),
}


def _path(folder: Path) -> str:
    """The socket's name by an open folder, since the names of sockets are short and checkouts may lie deep."""
    number = os.open(folder, os.O_PATH)
    return f"/proc/self/fd/{number}/{SOCKET}"


def ask(folder: Path, request: Dict[str, str]) -> Dict[str, Any]:
    """The answer of the lab whose folder it is; LabError if none runs or it refuses."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        try:
            caller.connect(_path(folder))
        except OSError:
            raise LabError("no lab is running: make lab-up")
        caller.sendall(json.dumps(request).encode() + b"\n")
        with caller.makefile("r", encoding="utf-8") as answers:
            answer: Dict[str, Any] = json.loads(answers.readline() or '{"error": "the lab ended"}')
            if request["word"] == "down":
                answers.read()  # it closes when all is gone
    if "error" in answer:
        raise LabError(answer["error"])
    return answer


def serve(lab: Lab, folder: Path, hello: str, write_inventory: Callable[[], None]) -> None:
    """Answer until told to end, then end the lab; the one who asked for that is told when it is gone.

    write_inventory: called when a host has another first process than before.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    path = _path(folder)
    Path(path).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(path)
        listening.listen(8)
        try:
            while True:
                caller, _ = listening.accept()
                with caller, caller.makefile("rw", encoding="utf-8") as stream:
                    request = json.loads(stream.readline() or '{"word": ""}')
                    try:
                        answer = _answer(lab, request, hello)
                        if request["word"] == "boot":
                            write_inventory()
                    except (LabError, KeyError) as problem:
                        answer = {"error": str(problem)}
                    stream.write(json.dumps(answer) + "\n")
                    stream.flush()
                    if request["word"] == "down":
                        lab.close()
                        return
        finally:
            Path(path).unlink(missing_ok=True)


def _answer(lab: Lab, request: Dict[str, str], hello: str) -> Dict[str, Any]:
    word = request["word"]
    if word == "hello":
        return {"text": hello}
    if word == "down":
        return {"text": "the lab is gone"}
    host = next((host for host in lab.everyone if host.name == request.get("host")), None)
    if host is None:
        raise LabError(f"no host {request.get('host')}; there are {', '.join(h.name for h in lab.everyone)}")
    if word == "place":
        return {"pid": host.pid, "kinds": host.kinds}
    if word == "boot":
        lab.restart(host.name)
        return {"text": f"{host.name}: shut down and booted"}
    if word == "console":
        return {"text": lab.console(host.name)}
    nic = host.nics.get(request["nic"])
    if nic is None:
        raise LabError(f"{host.name} has no {request['nic']}; it has {', '.join(host.nics)}")
    act, text = CABLE_WORDS[word]
    act(nic)
    return {"text": f"{host.name} {nic.name}: {text}"}
