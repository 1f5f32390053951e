# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds a module's result against its own RETURN: no key that is not documented, right types, there when it says so."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping

import yaml

MODULES = Path(__file__).resolve().parents[1] / "plugins" / "modules"
# What Ansible itself adds to any result.
COMMON = {"changed", "failed", "msg", "diff", "warnings", "deprecations", "invocation", "exception"}
TYPES: Dict[str, Any] = {"str": str, "list": list, "dict": dict, "bool": bool, "int": int, "float": (int, float)}

Result = Mapping[str, Any]
# Each ``returned`` that the modules use: must the key be there, may it be there?
MUST: Dict[str, Callable[[Mapping[str, Any], Result], bool]] = {
    "always": lambda options, result: True,
    "success": lambda options, result: not result.get("failed"),
    "when something did not answer": lambda options, result: bool(result.get("silent")),
    "when O(state=present)": lambda options, result: (
        not result.get("failed") and options.get("state", "present") == "present"
    ),
    "with O(state=detached)": lambda options, result: (
        not result.get("failed") and options.get("state", "detached") == "detached"
    ),
    "with O(state=watched)": lambda options, result: not result.get("failed") and options.get("state") == "watched",
    "with O(watch), on failure too": lambda options, result: (
        "watch" in options and options.get("state") != "watched" and bool(set(result) - COMMON)
    ),
    "always, if it is detached": lambda options, result: False,
    "on failure": lambda options, result: False,
    "when refused": lambda options, result: False,
    "when a transaction was undone": lambda options, result: False,
    "when one of these applies": lambda options, result: False,
    "when another transaction is open": lambda options, result: False,
    "when the host is not as it was": lambda options, result: False,
    "when gathered": lambda options, result: False,
}
ONLY_FAILED = ("when refused", "when one of these applies", "when another transaction is open", "on failure")


@cache
def returns(module: str) -> Dict[str, Any]:
    """RETURN of the module."""
    tree = ast.parse((MODULES / f"{module}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "RETURN":
            found: Dict[str, Any] = yaml.safe_load(ast.literal_eval(node.value))
            return found
    raise AssertionError(f"{module} documents no result")


def problems(module: str, options: Mapping[str, Any], result: Result, *, diff: bool) -> List[str]:
    """Sentences about what the documentation does not say, or says otherwise.

    A result of Ansible's own check of the arguments is none of the module's: it has nothing but ``msg``.
    """
    documented = returns(module)
    found = [f"{key} is not documented" for key in result if key not in COMMON and key not in documented]
    if result.get("failed") and result.get("moves") == [] and "moves" not in documented:
        found.remove("moves is not documented")  # any failure says what has moved: here nothing can
    if result.get("failed") and not set(result) - COMMON:
        return found
    for key, entry in documented.items():
        returned = entry["returned"]
        if returned not in MUST:
            found.append(f"{key}: nobody knows when '{returned}' is")
        elif key in result and returned in ONLY_FAILED and not result.get("failed"):
            found.append(f"{key} is there, but is documented as '{returned}'")
        elif key not in result and MUST[returned](options, result):
            found.append(f"{key} is missing, but is documented as '{returned}'")
        if key in result:
            found += _typed(key, entry, result[key])
    if not result.get("failed") and not isinstance(result.get("changed"), bool):
        found.append("changed is missing")
    if diff and "moves" in documented and not result.get("failed") and not isinstance(result.get("diff"), list):
        found.append("diff is missing")
    return found


def _typed(where: str, entry: Mapping[str, Any], value: Any) -> List[str]:
    if value is None:
        said = " ".join(entry["description"]) if isinstance(entry["description"], list) else entry["description"]
        return [] if "null" in said.lower() else [f"{where} is null, which is not documented"]
    kind = TYPES[entry["type"]]
    if not isinstance(value, kind) or (isinstance(value, bool) and entry["type"] != "bool"):
        return [f"{where} is {value!r}, but is documented as {entry['type']}"]
    if entry["type"] == "list":
        element = {**entry, "type": entry["elements"], "description": ""}
        return [p for n, item in enumerate(value) for p in _typed(f"{where}[{n}]", element, item)]
    if "contains" not in entry:
        return []
    inside = entry["contains"]
    found = [f"{where}.{key} is not documented" for key in value if key not in inside]
    found += [f"{where}.{key} is missing" for key in inside if key not in value]
    return found + [p for key in inside if key in value for p in _typed(f"{where}.{key}", inside[key], value[key])]
