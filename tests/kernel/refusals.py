# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a refusal looks like from outside: one sentence with thing and way out, and a host that nothing touched."""

from __future__ import annotations

import contextlib
import json
from typing import Dict, Iterator, Sequence

from asking import call

from lab import Host, compare, dump


def hosting(host: Host) -> Dict[str, str]:
    """Data address -> NIC, as the kernel has it."""
    found = host.run("ip -j -4 addr").stdout
    return {
        a["local"]: link["ifname"]
        for link in json.loads(found)
        for a in link["addr_info"]
        if a["local"].startswith("192.0.2.")
    }


@contextlib.contextmanager
def unchanged(host: Host) -> Iterator[None]:
    """Neither the kernel nor a file under /etc is touched meanwhile, not even written with the same text."""
    etc = "cd /etc && find . -printf '%p %y %m %U:%G %s %T@ %l\n' | sort"
    kernel, files = dump(host), host.run(etc).stdout.splitlines()
    yield
    assert compare(kernel, dump(host)) == []
    assert set(host.run(etc).stdout.splitlines()) ^ set(files) == set()


def sentence(text: str, words: Sequence[str]) -> None:
    """One line that says all of it: the thing and the way out."""
    assert [w for w in words if w not in text] == [], text
    assert "\n" not in text.rstrip("\n")


def refused(host: Host, words: Sequence[str]) -> None:
    """The files as they are now: neither plan nor apply accepts them, and both say the same."""
    with unchanged(host):
        planned, applied = call(host, "plan"), call(host, "apply")
    assert (planned, applied["kind"]) == (applied, "invalid")
    sentence(applied["message"], words)
