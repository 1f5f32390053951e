# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's modules on a host of the lab, called as Ansible calls them but without a playbook around each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, List, NamedTuple, Optional, Type

from documented import problems

from lab import Host
from lab.inventory import CHECKOUT

Result = Dict[str, Any]
SILENCE = 0.15  # s; what somebody has taken away is put back after 0.1 s


class Seen(NamedTuple):
    """A host at one moment."""

    texts: Dict[str, str]  # configuration file to its text
    stamps: Dict[str, Any]  # the same to time of writing, inode and mode
    hosting: Dict[str, List[str]]  # address to the NICs that have it, link-local ones left out


class Modules:
    """Runs modules on one host, and sees what they did; every result is held against the module's documentation."""

    def __init__(self, host: Host) -> None:
        program = str(Path(__file__).with_name("module_server.py"))
        path = str(CHECKOUT / "build" / "collections")
        self._server = subprocess.Popen(
            [sys.executable, "-W", "ignore", program, str(host.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert self._answer() == "ready"

    def run(self, module: str, /, *, check: bool = False, **options: Any) -> Result:
        """The module's result, whether or not it failed; with its diff."""
        arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": True, "_ansible_remote_tmp": "/tmp"}
        result: Result = self._ask(do="run", name=module, arguments=arguments)
        assert "crashed" not in result, result["msg"]
        assert problems(module, options, result, diff=True) == []
        result.pop("invocation", None)
        return result

    def see(self) -> Seen:
        """Files and addresses as they are now."""
        found = self._ask(do="look")
        hosting: Dict[str, List[str]] = {}
        for link in found["addresses"]:
            for address in link["addr_info"]:
                if link["ifname"] != "lo" and address.get("local") and not address["local"].startswith("fe80:"):
                    hosting.setdefault(address["local"], []).append(link["ifname"])
        texts = {path: entry[0] for path, entry in found["files"].items() if entry[0] is not None}
        return Seen(texts, {path: entry[1:] for path, entry in found["files"].items()}, hosting)

    def told(self) -> List[str]:
        """What the kernel has announced since the last call: every write to links, addresses, routes, nexthops."""
        heard: List[str] = self._ask(do="told")
        return heard

    def quiet(self) -> bool:
        """Whether the kernel has had nothing to say for a moment; to be asked until it is so."""
        self.told()
        time.sleep(SILENCE)
        return not self.told()

    def _ask(self, **request: Any) -> Any:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, "the program that runs modules has ended"
        return json.loads(line)

    def close(self) -> None:
        """Ends the program in the host."""
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()

    def __enter__(self) -> Modules:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], problem: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()
