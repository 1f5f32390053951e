# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every step that is refused, fails, is undone or finished gives its caller one line, and the log one."""

from __future__ import annotations

import time
from typing import Any, Dict, Iterator, List, Tuple

import pytest
from crash.stories import Bed

from ipmp.client import DaemonError

pytestmark = pytest.mark.kernel
FILES = {"hostname.eth1": "192.0.2.11/24 group g up\n", "hostname.eth2": "192.0.2.12/24 group g up\n"}
STUCK = """#!/bin/sh
case $1 in
scriptinfo) echo rcm_script_version=1 ;;
register) echo rcm_resource_name=SUNW_network/eth1 ;;
preremove) echo rcm_failure_reason=stuck; exit 1 ;;
esac
"""


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=2) as made:
        yield made


def quiet(bed: Bed) -> None:
    """Until nothing follows in the log, which is read beside us."""
    seen = -1
    while bed.log.mark() != seen:
        seen = bed.log.mark()
        time.sleep(0.2)


def asked(bed: Bed, op: str, **arguments: Any) -> Tuple[Dict[str, Any], List[str]]:
    """The answer, or the error as {"refused": sentence}, and the lines of the log that are about steps."""
    quiet(bed)
    mark = bed.log.mark()
    answer: Dict[str, Any]
    try:
        answer = bed.call(op, **arguments)
    except DaemonError as error:
        answer = {"refused": str(error)}
    assert "\n" not in answer.get("refused", "")
    words = ("detach of", "attach of", "apply", "confirmation of", "the configuration", "is attached", "offline")
    quiet(bed)
    about = [text for text in bed.log.texts(mark) if text.startswith(words) or text.endswith(words)]
    return answer, about


def test_one_line_a_step(bed: Bed) -> None:
    bed.start(FILES)
    answer, lines = asked(bed, "detach-prepare", component="eth7")
    assert lines == [f"detach of eth7 refused: {answer['refused']}"]
    answer, lines = asked(bed, "attach", component="eth7")
    assert lines == [f"attach of eth7 refused: {answer['refused']}"]
    answer, lines = asked(bed, "detach-confirm", transaction="nobody")
    assert lines == [f"confirmation of nobody refused: {answer['refused']}"]

    answer, lines = asked(bed, "detach-prepare", component="eth1", confirm_timeout=60)
    name = {"transaction": answer["transaction"]}
    begun = [f"detach of eth1 begins, transaction {answer['transaction']}"]
    assert lines == [*begun, f"detach of eth1: prepared, transaction {answer['transaction']}"]
    answer, lines = asked(bed, "detach-prepare", component="eth2")
    assert lines == [f"detach of eth2 refused: {answer['refused']}"]
    assert asked(bed, "detach-commit", **name)[1] == ["detach of eth1: committed, to be confirmed within 60 s"]
    assert asked(bed, "detach-extend", **name, seconds=90)[1] == ["detach of eth1: 90 s left from now on"]
    assert asked(bed, "detach-rollback", **name, reason="a test")[1] == [
        "detach of eth1 is rolled back: a test",
        "detach of eth1: rolled_back",
    ]

    name = {"transaction": bed.call("detach-prepare", component="eth1", confirm_timeout=60)["transaction"]}
    bed.call("detach-commit", **name)
    assert asked(bed, "detach-confirm", **name)[1] == ["detach of eth1: confirmed"]
    answer, lines = asked(bed, "detach-prepare", component="eth2")  # the last one that works
    assert lines == [f"detach of eth2 refused: {answer['refused']}"]
    assert asked(bed, "attach", component="eth1")[1] == ["eth1 is attached"]


def test_a_step_that_fails_is_told_and_so_is_that_it_was_undone(bed: Bed) -> None:
    bed.start(FILES)
    bed.host.write_file("/etc/ipmp/rcm/acme,backup", STUCK, 0o755)
    answer, lines = asked(bed, "detach-prepare", component="eth1")
    why = "acme,backup could not let go of SUNW_network/eth1: stuck"
    assert answer["refused"] == f"a step failed and everything was put back: {why}"
    assert lines[1:] == [f"detach of eth1 is rolled back: {why}", "detach of eth1: rolled_back"]


def test_a_configuration(bed: Bed) -> None:
    bed.start(FILES)
    assert asked(bed, "apply")[1] == ["the configuration is in force, as it was before"]
    previous = {f"/etc/{path}": text for path, text in FILES.items()}
    answer, lines = asked(bed, "apply-prepare", previous=previous, confirm_timeout=60)
    assert lines == [f"apply of the configuration: prepared, transaction {answer['transaction']}"]
    name = {"transaction": answer["transaction"]}
    bed.write({"hostname.eth1": "192.0.2.11/24 group g up\naddif 192.0.2.15/24 up\n"})
    assert asked(bed, "apply", **name)[1] == ["the configuration is in force"]
    assert asked(bed, "apply-rollback", **name)[1] == [
        "apply of the configuration is rolled back: asked for",
        "apply of the configuration: rolled_back",
    ]
    bed.write({"hostname.eth1": "192.0.2.11/99 group g up\n"})
    answer, lines = asked(bed, "apply")
    assert lines == [f"apply refused: {answer['refused']}"]
