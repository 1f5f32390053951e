# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ipmpstat: groups, interfaces, data addresses and targets in columns (IST-1 to IST-6).

All of one output comes from one snapshot of the daemon. Linux has no nominated broadcast or multicast
interface (every member receives), so the flags m, b and M are never set.
"""

from __future__ import annotations

import getopt
import os
import sys
import time
from typing import Any, Callable, Dict, Iterator, Optional, Sequence, TextIO

from ..client import Client, ClientError, DaemonError, DaemonUnreachable, default_root
from .table import FieldError, Printer, Row, Table

USAGE = "Usage: ipmpstat [-n] [-o FIELD[,...] [-P]] -a|-g|-i|-p|-t"

TABLES = {
    "-a": Table(("ADDRESS", 26), ("STATE", 7), ("GROUP", 12), ("INBOUND", 12), ("OUTBOUND", 23)),
    "-g": Table(("GROUP", 12), ("GROUPNAME", 12), ("STATE", 10), ("FDT", 10), ("INTERFACES", 30)),
    "-i": Table(
        ("INTERFACE", 12), ("ACTIVE", 8), ("GROUP", 12), ("FLAGS", 10), ("LINK", 10), ("PROBE", 10), ("STATE", 10)
    ),
    "-p": Table(
        ("TIME", 10),
        ("INTERFACE", 12),
        ("PROBE", 7),
        ("NETRTT", 10),
        ("RTT", 10),
        ("RTTAVG", 10),
        ("TARGET", 20),
        ("RTTDEV", 10),
    ),
    "-t": Table(("INTERFACE", 12), ("MODE", 10), ("TESTADDR", 20), ("TARGETS", 38)),
}

# i s m b M d h (IST-4). Those without a flag here exist on Solaris only.
FLAGS = (("i", "INACTIVE"), ("s", "STANDBY"), ("m", ""), ("b", ""), ("M", ""), ("d", "DOWN"), ("h", "HWADDRDUP"))

Status = Dict[str, Any]


class _Names:
    """Addresses as people call them: the first name in /etc/hosts, without its domain, unless -n."""

    def __init__(self, root: str, numeric: bool) -> None:
        self._names: Dict[str, str] = {}
        if not numeric:
            try:
                with open(os.path.join(root, "etc/hosts"), encoding="utf-8", errors="replace") as file:
                    for line in file:
                        words = line.partition("#")[0].split()
                        if len(words) > 1:
                            self._names.setdefault(words[0], words[1].partition(".")[0])
            except OSError:
                pass  # then addresses have no names

    def of(self, address: str) -> str:
        return self._names.get(address, address)

    def all_of(self, addresses: Sequence[str]) -> str:
        return " ".join(map(self.of, addresses))


def main(
    argv: Sequence[str], stdout: Optional[TextIO] = None, stderr: Optional[TextIO] = None, root: Optional[str] = None
) -> int:
    """argv without the program's name. 0, or 1 with one line on stderr.

    Wrong files are said there too; it is 0 all the same while the configuration from before is in force.
    """
    stdout, stderr = stdout or sys.stdout, stderr or sys.stderr

    def say(text: str) -> int:
        stderr.write(f"ipmpstat: {text}\n")
        return 1

    try:
        options, operands = getopt.getopt(list(argv), "agiptno:P", ["root="])
    except getopt.GetoptError as error:
        return say(f"{error.msg}\n{USAGE}")
    given = dict(options)
    modes = {option for option in given if option in TABLES}
    if len(modes) > 1:
        return say("only one output format may be specified")
    if not modes or operands:
        stderr.write(USAGE + "\n")
        return 1
    (mode,) = modes
    root = given.get("--root") or root or default_root()
    try:
        fields = TABLES[mode].choose(given.get("-o"), "-P" in given, say)
        status = Client(root).call("status")
    except FieldError as error:
        return say(str(error))
    except DaemonUnreachable as error:
        if error.denied:
            return say(f"insufficient privileges: {error}")
        return say(f"cannot contact in.mpathd(1M) -- is IPMP in use? ({error.reason})")
    except ClientError as error:
        return say(str(error))
    wrong = status.get("files_error")
    if wrong:
        say(f"the files are wrong and not in force: {wrong}; mend them, then 'systemctl reload ipmp'")
    printer, names = Printer(fields, "-P" in given, stdout), _Names(root, "-n" in given)
    if mode == "-p":
        if not any(interface["probing"] for interface in status["interfaces"]):
            return say("probe-based failure detection is disabled")
        return _stream(Client(root), printer, names, say)
    for row in ROWS[mode](status, names):
        printer.row(row)
    return 1 if wrong and not status["interfaces"] else 0


def _stream(client: Client, printer: Printer, names: _Names, say: Callable[[str], int]) -> int:
    """Rows until interrupted, or until nobody reads them."""
    start = time.time_ns()
    try:
        for seen in client.probes():
            printer.row(_probe(seen, names, start))
    except (KeyboardInterrupt, BrokenPipeError):
        return 0
    except DaemonError as error:
        return say("insufficient privileges for -p; run it as root" if error.kind == "denied" else str(error))
    except ClientError as error:
        return say(str(error))
    return 0


def _addresses(status: Status, names: _Names) -> Iterator[Row]:
    """Data addresses of groups. One that is down, or hosted nowhere, has neither INBOUND nor OUTBOUND (IST-4)."""
    for address in status["addresses"]:
        if address["type"] != "data" or address["group"] is None:
            continue
        served = address["state"] == "up" and address["interface"] is not None
        yield {
            "ADDRESS": names.of(address["address"]),
            "STATE": address["state"],
            "GROUP": address["group"],
            "INBOUND": address["interface"] if served else "",
            "OUTBOUND": " ".join(address["outbound"]) if served else "",
        }


def _groups(status: Status, _names: _Names) -> Iterator[Row]:
    for group in status["groups"]:
        milliseconds = group["failure_detection_time"]
        parts = [" ".join(group["active"])]
        for members, around in ((group["inactive"], "({})"), (group["unusable"], "[{}]")):
            if members:
                parts.append(around.format(" ".join(members)))
        yield {
            "GROUP": group["name"],
            "GROUPNAME": group["name"],
            "STATE": group["state"],
            "FDT": "" if milliseconds is None else f"{milliseconds / 1000:.2f}s",
            "INTERFACES": " ".join(part for part in parts if part),
        }


def _interfaces(status: Status, _names: _Names) -> Iterator[Row]:
    for interface in _watched(status):
        yield {
            "INTERFACE": interface["name"],
            "ACTIVE": "yes" if interface["active"] else "no",
            "GROUP": interface["group"] or "",
            "FLAGS": "".join(letter if flag in interface["flags"] else "-" for letter, flag in FLAGS),
            "LINK": interface["link"],
            "PROBE": interface["probe"],
            "STATE": interface["state"],
        }


def _targets(status: Status, names: _Names) -> Iterator[Row]:
    """A row for each family that probes, targets in firing order; one row without for an interface that does not."""
    for interface in _watched(status):
        for probing in interface["probing"]:
            yield {
                "INTERFACE": interface["name"],
                "MODE": probing["mode"],
                "TESTADDR": names.of(probing["test_address"]),
                "TARGETS": names.all_of(probing["targets"]),
            }
        if not interface["probing"]:
            yield {"INTERFACE": interface["name"], "MODE": "disabled"}


def _probe(seen: Dict[str, Any], names: _Names, start: int) -> Row:
    """One probe, acked or lost; start: when we began, unix ns (IST-4)."""
    acked = seen["received"] is not None
    return {
        "TIME": f"{(seen['started'] - start) / 1e9:.2f}s",
        "INTERFACE": seen["nic"],
        "PROBE": str(seen["sequence"]),
        "NETRTT": _milliseconds((seen["received"] - seen["sent"]) / 1e6) if acked else "",
        "RTT": _milliseconds((seen["processed"] - seen["started"]) / 1e6) if acked else "",
        "RTTAVG": _milliseconds(seen["average"]),
        "TARGET": names.of(seen["target"]),
        "RTTDEV": _milliseconds(seen["deviation"]),
    }


def _milliseconds(value: Optional[float]) -> str:
    return "" if value is None else f"{value:.2f}ms"


def _watched(status: Status) -> Iterator[Dict[str, Any]]:
    """Interfaces that the daemon watches: those in groups, and all where TRACK_INTERFACES_ONLY_WITH_GROUPS=no."""
    only_groups = status["defaults"]["track_interfaces_only_with_groups"]
    for interface in status["interfaces"]:
        if interface["group"] is not None or not only_groups:
            yield interface


ROWS: Dict[str, Callable[[Status, _Names], Iterator[Row]]] = {
    "-a": _addresses,
    "-g": _groups,
    "-i": _interfaces,
    "-t": _targets,
}
