# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles take exactly the groups that the modules take, and their defaults are those that they document."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

import pytest
import yaml
from ansible_collections.netpath.ipmp.plugins.module_utils import group_spec

ROOT = Path(__file__).resolve().parents[3]
ROLES = ["mpathd", "hostname_files"]


def options(role: str) -> Dict[str, Any]:
    text = (ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text()
    found: Dict[str, Any] = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    return found


def bare(spec: Dict[str, Any]) -> Dict[str, Any]:
    """The spec without its descriptions."""
    kept = {key: value for key, value in spec.items() if key != "description"}
    if "options" in kept:
        kept["options"] = {name: bare(option) for name, option in kept["options"].items()}
    return kept


@pytest.mark.parametrize("role", ROLES)
def test_a_role_takes_the_groups_that_the_modules_take(role: str) -> None:
    groups = bare(options(role)["ipmp_groups"])
    assert groups["required"] is True
    assert groups["options"] == bare({"options": group_spec.GROUP})["options"]


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_own_defaults_are_those_documented(role: str) -> None:
    defaults = yaml.safe_load((ROOT / "roles" / role / "defaults" / "main.yml").read_text())
    documented = {n: o["default"] for n, o in options(role).items() if n.startswith(role) and "default" in o}
    assert defaults == documented


@pytest.mark.parametrize("playbook", ["setup", "dr_check", "dr_detach", "dr_reattach"])
def test_a_playbook_stops_the_roll_out_at_the_first_failure_and_gathers_nothing(playbook: str) -> None:
    plays = yaml.safe_load((ROOT / "playbooks" / f"{playbook}.yml").read_text())
    # Literals: an expression that renders false counts as true.
    assert {play["gather_facts"] for play in plays} == {False}
    assert {play.get("any_errors_fatal", False) for play in plays} == {False}
    assert [play["max_fail_percentage"] for play in plays if "serial" in play] == [0]


def test_the_roles_own_template_is_the_expression_that_the_role_uses_without_reading_it() -> None:
    role = ROOT / "roles" / "hostname_files"
    body = (role / "templates" / "hostname.j2").read_text().strip()
    assert body == "{{ interface | netpath.ipmp.hostname_lines(group, family) }}"
    texts = yaml.safe_load((role / "vars" / "main.yml").read_text())["hostname_files_texts"]
    default = yaml.safe_load((role / "defaults" / "main.yml").read_text())["hostname_files_template"]
    used = body.strip("{} ").replace("(group,", "(group.name,")
    assert f"{used}\n" in texts
    assert f"if hostname_files_template == '{default}' else" in texts
    assert (role / "templates" / default).exists()
