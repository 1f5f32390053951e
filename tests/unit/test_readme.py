# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the README and CONTRIBUTING tell a stranger to type or to open is there."""

from __future__ import annotations

import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any, Dict

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "CODE_OF_CONDUCT.md",
    "docs/architecture.md",
    "docs/chapter.md",
    "docs/consumers.md",
    "docs/migration.md",
    "docs/operations.md",
]
README = (CHECKOUT / "README.md").read_text()


def example() -> Dict[str, Any]:
    """The variables of the host in README's inventory."""
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (host,) = yaml.safe_load(textwrap.dedent(block))["ipmp"]["hosts"].values()
    return dict(host)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    path = CHECKOUT / page
    targets = [t for t in re.findall(r"\]\(([^)#]+)", path.read_text()) if not t.startswith("https://")]
    assert [t for t in targets if not (path.parent / t).exists()] == []


def test_playbooks_modules_and_roles_exist() -> None:
    before, _, unbuilt = README.partition("## Not built yet")
    after = unbuilt.partition("\n## ")[2]
    for name in re.findall(r"netpath\.ipmp\.(\w+)", before + after):
        places = [f"playbooks/{name}.yml", f"plugins/modules/{name}.py", f"roles/{name}"]
        assert any((CHECKOUT / place).exists() for place in places), name


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_make_targets_exist_and_are_built(page: str) -> None:
    promised = (CHECKOUT / page).read_text().partition("## Not built yet")[0]
    targets = set(re.findall(r"\bmake ([a-z][a-z-]+)", promised))
    assert targets
    for target in targets:
        dry = subprocess.run(["make", "--dry-run", target], cwd=CHECKOUT, capture_output=True, text=True, check=False)
        assert dry.returncode == 0, f"make {target}: {dry.stderr}"


def test_every_variable_of_the_playbooks_is_explained() -> None:
    pages = "".join(page.read_text() for page in (CHECKOUT / "README.md", *(CHECKOUT / "docs").glob("*.md")))
    texts = "".join(path.read_text() for path in (CHECKOUT / "playbooks").rglob("*.yml"))
    modules = {path.stem for path in (CHECKOUT / "plugins" / "modules").glob("ipmp_*.py")}
    asked = set(re.findall(r"\bipmp_[a-z_]+", texts)) - modules
    assert {"ipmp_component", "ipmp_verify_ports"} <= asked
    assert asked - set(re.findall(r"\bipmp_[a-z_]+", pages)) == set()


def test_example_is_what_the_roles_accept() -> None:
    variables = {name: value for name, value in example().items() if name.startswith("ipmp_")}
    for role in ("mpathd", "hostname_files"):
        specs = yaml.safe_load((CHECKOUT / "roles" / role / "meta" / "argument_specs.yml").read_text())
        result = ArgumentSpecValidator(specs["argument_specs"]["main"]["options"]).validate(variables)
        assert result.error_messages == [], role


def test_version_is_that_of_the_collection() -> None:
    version = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text())["version"]
    assert f"netpath-ipmp-{version}.tar.gz" in README
