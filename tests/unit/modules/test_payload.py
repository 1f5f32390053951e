# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What travels with each module: pure files and the client, never the part of the package that touches the kernel."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Dict, Iterator, List, Set

import pytest

ROOT = Path(__file__).resolve().parents[3]
UTILS = ROOT / "plugins" / "module_utils"
PREFIX = "ansible_collections.netpath.ipmp.plugins.module_utils"
MODULES = sorted((ROOT / "plugins" / "modules").glob("ipmp_*.py"))
MAY_TRAVEL = {
    "__init__",
    "model",
    "hostname",
    "hostname_words",
    "hostname_reader",
    "hostname_edit",
    "groupsconf",
    "files",
}
MAY_TRAVEL.add("client")
LIMIT = 140_000  # bytes of our own source: the host compiles all of it at each call, 0.4 ms a kilobyte
LOOK_LIMIT = 190_000  # of the one that stands for two others where nothing differs
BARE_LIMIT = 40_000  # of a module that only asks the daemon
DEPLOY_LIMIT = 60_000  # of the one that also carries units and scripts to be written


def imported(path: Path) -> Iterator[str]:
    """Dotted names below module_utils that a file imports anywhere, also inside functions, as the shipper sees it."""
    inside = path.is_relative_to(UTILS)
    package = [*PREFIX.split("."), *path.relative_to(UTILS).parent.parts] if inside else []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def payload(module: Path) -> Dict[str, int]:
    """Path below module_utils to size in bytes, of everything of ours that travels with the module."""
    found: Dict[str, int] = {}
    waiting: List[Path] = [module]
    seen: Set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        if path.is_relative_to(UTILS):
            found[str(path.relative_to(UTILS))] = path.stat().st_size
        for name in imported(path):
            if name.startswith(PREFIX + "."):
                target = UTILS.joinpath(*name[len(PREFIX) + 1 :].split("."))
                waiting += [p for p in (target.with_suffix(".py"), target / "__init__.py") if p.exists()]
    return found


def test_every_module_is_looked_at() -> None:
    assert len(MODULES) == 12


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_only_pure_files_and_the_client_travel(module: Path) -> None:
    host_package: Set[str] = {Path(name).stem for name in payload(module) if name.startswith("ipmp/")}
    # What takes hardware out; and what asks a link before there is a daemon.
    more = {"ipmp_dr": {"hardware"}, "ipmp_preflight": {"announce", "beacon", "nl"}}
    assert host_package <= MAY_TRAVEL | more.get(module.stem, set())


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_the_payload_is_small(module: Path) -> None:
    sizes = payload(module)
    bare = ("ipmp_dr", "ipmp_offline", "ipmp_info", "ipmp_reach", "ipmp_report", "ipmp_wait")
    limits = dict.fromkeys(bare, BARE_LIMIT)
    limits.update(ipmp_daemon=DEPLOY_LIMIT, ipmp_preflight=LOOK_LIMIT)
    assert sum(sizes.values()) < limits.get(module.stem, LIMIT), sizes


def test_what_only_asks_the_daemon_carries_no_grammar() -> None:
    client = {"answer.py", "ipmp/__init__.py", "ipmp/client.py"}
    assert set(payload(ROOT / "plugins/modules/ipmp_offline.py")) == client
    assert set(payload(ROOT / "plugins/modules/ipmp_dr.py")) == {*client, "ipmp/hardware.py"}


def test_the_action_groups_name_every_module() -> None:
    listed = (ROOT / "meta" / "runtime.yml").read_text().split("all:")[1].replace("-", " ").split()
    assert sorted(listed) == [module.stem for module in MODULES]
