# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""if_mpadm: take an interface out of its group's service for a while, and bring it back (MPA-1 to MPA-5).

The first line of a failure is Solaris 10's text; where that names neither the thing nor the way out, a second one does.
"""

from __future__ import annotations

import getopt
import sys
import time
from typing import Optional, Sequence, TextIO

from ..client import Client, ClientError, DaemonError, DaemonUnreachable, default_root

USAGE = "Usage : if_mpadm [-d | -r] <interface_name>"
OPERATIONS = {"-d": "offline", "-r": "undo-offline"}
TRIES = 3  # while the daemon is busy, RETRY_AFTER seconds apart (MPA-2)
RETRY_AFTER = 1.0

TEXTS = {
    "already-offline": "Interface already offlined",
    "not-offline": "Interface not offlined",
    "min-redundancy": (
        "Offline failed as there is no other functional interface available in the multipathing group"
        " for failing over the network access."
    ),
}


def main(
    argv: Sequence[str], stdout: Optional[TextIO] = None, stderr: Optional[TextIO] = None, root: Optional[str] = None
) -> int:
    """argv without the program's name. 0 when it is done, else 1 and the reason on stderr; stdout stays empty."""
    stderr = stderr or sys.stderr
    try:
        options, operands = getopt.gnu_getopt(list(argv), "dr", ["root="])
    except getopt.GetoptError:
        options, operands = [], []
    given = dict(options)
    asked = [option for option in OPERATIONS if option in given]
    if len(asked) != 1 or len(operands) != 1:
        stderr.write(USAGE + "\n")
        return 1
    client = Client(given.get("--root") or root or default_root())
    try:
        _ask(client, OPERATIONS[asked[0]], operands[0], stderr)
    except DaemonUnreachable as error:
        text = "if_mpadm: Permission denied: " if error.denied else "Cannot establish communication with in.mpathd.\n"
        stderr.write(f"{text}{error}\n")
        return 1
    except DaemonError as error:
        stderr.write(_text(error) + "\n")
        return 1
    except ClientError as error:
        stderr.write(f"if_mpadm: {error}\n")
        return 1
    return 0


def _ask(client: Client, op: str, interface: str, stderr: TextIO) -> None:
    for left in reversed(range(TRIES)):
        try:
            client.call(op, interface=interface)
        except DaemonError as error:
            if error.kind != "busy" or not left:
                raise
            stderr.write("Retrying ...\n")
            time.sleep(RETRY_AFTER)
        else:
            if left < TRIES - 1:
                stderr.write("Retry Successful.\n")
            return


def _text(error: DaemonError) -> str:
    if error.code in TEXTS:
        return TEXTS[error.code]
    if error.kind == "busy":
        return f"Device busy. Retry the operation later.\n{error}"
    if error.kind == "denied":
        return f"if_mpadm: Permission denied: {error}"
    if error.code in ("not-grouped", "unknown-interface"):
        return f"if_mpadm: Invalid argument\n{error}"
    return f"if_mpadm: {error}"
