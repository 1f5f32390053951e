# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""if_mpadm: what it asks for, and what it says when it does not get it."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any, Callable, List, Tuple

import pytest
from control_bed import serving

from ipmp import client
from ipmp.commands import if_mpadm
from ipmp.control import Reply

DONE = {"changed": True, "moves": []}


def run(root: Path, *argv: str) -> Tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    return if_mpadm.main(argv, out, err, str(root)), out.getvalue(), err.getvalue()


def refusing(kind: str, message: str, code: str | None = None) -> Callable[[Any, Reply], None]:
    return lambda args, reply: reply.error(kind, message, code)


def test_offline_and_back_are_quiet(tmp_path: Path) -> None:
    with serving(str(tmp_path), offline=DONE, undo_offline=DONE) as bed:
        assert run(tmp_path, "-d", "eth1") == (0, "", "")
        assert run(tmp_path, "-r", "eth1") == (0, "", "")
    assert bed.requests == [{"op": "offline", "interface": "eth1"}, {"op": "undo-offline", "interface": "eth1"}]


@pytest.mark.parametrize(
    "argv", [(), ("-d",), ("eth1",), ("-d", "-r", "eth1"), ("-d", "eth1", "eth2"), ("-f", "eth1"), ("-d", "-x", "eth1")]
)
def test_wrong_use_is_told_and_nothing_is_asked(tmp_path: Path, argv: Tuple[str, ...]) -> None:
    with serving(str(tmp_path)) as bed:
        assert run(tmp_path, *argv) == (1, "", "Usage : if_mpadm [-d | -r] <interface_name>\n")
    assert bed.requests == []


@pytest.mark.parametrize(
    ("option", "kind", "code", "text"),
    [
        pytest.param(
            "-d",
            "refused",
            "min-redundancy",
            "Offline failed as there is no other functional interface available in the multipathing group"
            " for failing over the network access.\n",
            marks=pytest.mark.oracle("T62"),
        ),
        pytest.param("-d", "state", "already-offline", "Interface already offlined\n", marks=pytest.mark.oracle("T63")),
        pytest.param("-r", "state", "not-offline", "Interface not offlined\n", marks=pytest.mark.oracle("T63")),
        pytest.param(
            "-d", "state", "not-grouped", "if_mpadm: Invalid argument\nbecause\n", marks=pytest.mark.oracle("T65")
        ),
        ("-d", "unknown", "unknown-interface", "if_mpadm: Invalid argument\nbecause\n"),
        ("-d", "denied", None, "if_mpadm: Permission denied: because\n"),
        ("-r", "timeout", None, "if_mpadm: because\n"),
    ],
)
def test_a_refusal_is_told_in_solaris_words(tmp_path: Path, option: str, kind: str, code: str, text: str) -> None:
    op = if_mpadm.OPERATIONS[option].replace("-", "_")
    with serving(str(tmp_path), **{op: refusing(kind, "because", code)}):
        assert run(tmp_path, option, "eth1") == (1, "", text)


@pytest.mark.oracle("T70")
def test_without_a_daemon_it_says_so_and_what_to_do(tmp_path: Path) -> None:
    assert run(tmp_path, "-d", "eth1") == (
        1,
        "",
        (
            "Cannot establish communication with in.mpathd.\n"
            f"cannot contact in.mpathd at {client.socket_path(str(tmp_path))}: "
            "it is not running; start it with 'systemctl start ipmp'\n"
        ),
    )


def test_a_busy_daemon_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(if_mpadm, "RETRY_AFTER", 0.01)
    tries: List[int] = []

    def busy_twice(args: Any, reply: Reply) -> None:
        tries.append(1)
        if len(tries) < 3:
            reply.error("busy", "transaction t1 is open")
        else:
            reply.ok(DONE)

    with serving(str(tmp_path), offline=busy_twice, undo_offline=refusing("busy", "transaction t1 is open")):
        assert run(tmp_path, "-d", "eth1") == (0, "", "Retrying ...\nRetrying ...\nRetry Successful.\n")
        assert run(tmp_path, "-r", "eth1") == (
            1,
            "",
            "Retrying ...\nRetrying ...\nDevice busy. Retry the operation later.\ntransaction t1 is open\n",
        )
