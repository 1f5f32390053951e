# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a lab host's daemon over its socket, as a module would, with what the role has put on the host."""

from __future__ import annotations

import json
from typing import Any, Dict, Sequence

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


def call(host: Host, op: str, *, by: Sequence[str] = (), **args: Any) -> Dict[str, Any]:
    """The result, or the error's kind, message and details; by is put before the command, such as setpriv."""
    command = [*by, "/usr/bin/python3", "-c", _PROGRAM, op, json.dumps(args)]
    answer: Dict[str, Any] = json.loads(host.run(command).stdout)
    return answer
