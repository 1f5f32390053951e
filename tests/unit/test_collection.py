# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tarball that a user installs: what is in it, and that it works from an empty folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Dict, List

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDERS = {"changelogs", "docs", "meta", "playbooks", "plugins", "roles"}
FILES = {
    "CHANGELOG.rst",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "FILES.json",
    "LICENSE",
    "MANIFEST.json",
    "README.md",
}
MODULES = {f"ipmp_{word}" for word in ["config", "daemon", "group", "interface", "address", "offline", "dr", "info"]}
BIN = Path(sys.executable).parent


def ansible(home: Path, command: str, *arguments: str, code: int = 0) -> str:
    """What one of ansible's programs prints, away from the checkout and from the user's configuration."""
    env: Dict[str, str] = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    env.update(ANSIBLE_HOME=str(home / "ansible"), ANSIBLE_COLLECTIONS_PATH=str(home / "collections"))
    run = subprocess.run(
        [str(BIN / command), *arguments], cwd=home, env=env, capture_output=True, text=True, check=False
    )
    assert run.returncode == code, f"{command} {' '.join(arguments)}:\n{run.stdout}{run.stderr}"
    return run.stdout


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("build")
    ansible(home, "ansible-galaxy", "collection", "build", str(CHECKOUT), "--output-path", str(home))
    (path,) = home.glob("netpath-ipmp-*.tar.gz")
    return path


@pytest.fixture(scope="module")
def installed(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the collection is installed as a user would, with nothing else in it."""
    home = tmp_path_factory.mktemp("install")
    where = str(home / "collections")
    ansible(home, "ansible-galaxy", "collection", "install", "--offline", "--no-deps", "-p", where, str(tarball))
    return home


def names(tarball: Path) -> List[str]:
    with tarfile.open(tarball) as tar:
        return sorted(member.name for member in tar.getmembers() if not member.isdir())


def test_tarball_holds_the_product_and_nothing_else(tarball: Path) -> None:
    strangers = [n for n in names(tarball) if n.split("/")[0] not in FOLDERS and n not in FILES]
    assert strangers == []
    assert set(names(tarball)) >= FILES


def test_tarball_holds_no_caches_and_no_links(tarball: Path) -> None:
    left_over = ("__pycache__", ".pyc", "_cache/", "/build/", "/tests/", ".swp", ".tar.gz", "plugin-cache")
    assert [n for n in names(tarball) if any(part in f"/{n}" for part in left_over)] == []
    with tarfile.open(tarball) as tar:
        assert [m.name for m in tar.getmembers() if m.issym() or m.islnk()] == []


def test_tarball_holds_every_file_that_git_has_there(tarball: Path) -> None:
    tracked = subprocess.run(
        [
            "git",
            "-c",
            "safe.directory=*",
            "-C",
            str(CHECKOUT),
            "ls-files",
            "--",
            "plugins",
            "roles",
            "playbooks",
            "meta",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    present = {path for path in tracked if (CHECKOUT / path).exists()}
    assert present
    assert present - set(names(tarball)) == set()


def test_installed_module_documents_itself(installed: Path) -> None:
    text = ansible(installed, "ansible-doc", "--type", "module", "--json", "netpath.ipmp.ipmp_info")
    (found,) = json.loads(text).values()
    assert found["doc"]["module"] == "ipmp_info"
    assert Path(found["doc"]["filename"]).is_relative_to(installed)


def test_installed_collection_lists_every_module_role_and_playbook(installed: Path) -> None:
    modules = json.loads(ansible(installed, "ansible-doc", "--list", "--type", "module", "--json", "netpath.ipmp"))
    assert {name.rsplit(".", 1)[1] for name in modules} >= MODULES
    roles = json.loads(ansible(installed, "ansible-doc", "--list", "--type", "role", "--json", "netpath.ipmp"))
    assert {name.rsplit(".", 1)[1] for name in roles} == {"mpathd", "hostname_files"}
    for playbook in ("setup", "dr_check", "dr_detach", "dr_reattach", "migrate"):
        ansible(installed, "ansible-playbook", "--syntax-check", "-i", "localhost,", f"netpath.ipmp.{playbook}")


def inventory(home: Path, text: str) -> str:
    (home / "inventory.yml").write_text(text)
    return str(home / "inventory.yml")


@pytest.mark.parametrize("written", ["old/db1", "./old (1)/db1/", "{home}//old/db1"])
def test_folders_given_to_migrate_are_those_of_the_person_who_names_them(installed: Path, written: str) -> None:
    etc = installed / written.format(home=".") / "etc"
    etc.mkdir(parents=True, exist_ok=True)
    (etc / "hostname.eth1").write_text("192.0.2.11/24 group prod up\n")
    (installed / "host_vars").mkdir(exist_ok=True)
    extra = {"ipmp_migrate_from": written.format(home=installed), "ipmp_migrate_to": "host_vars"}
    hosts = inventory(installed, "ipmp: {hosts: {db1: }}")
    ansible(installed, "ansible-playbook", "-i", hosts, "netpath.ipmp.migrate", "-e", json.dumps(extra))
    (group,) = yaml.safe_load((installed / "host_vars" / "db1.yml").read_text())["ipmp_groups"]
    assert group["interfaces"] == [{"name": "eth1", "data_addresses": ["192.0.2.11/24"]}]
    (installed / "host_vars" / "db1.yml").unlink()


def test_a_folder_without_files_is_no_host_without_groups(installed: Path) -> None:
    hosts = inventory(installed, "ipmp: {hosts: {db1: }}")
    extra = ["-e", "ipmp_migrate_from=nowhere"]
    text = ansible(installed, "ansible-playbook", "-i", hosts, "netpath.ipmp.migrate", *extra, code=2)
    assert f"No file that can be migrated is below {installed / 'nowhere'}/etc" in text


def see(home: Path, that: str, hosts: Dict[str, Dict[str, object]], *arguments: str) -> None:
    """Assert on each host what a dr_* playbook takes from its variables."""
    task = {"name": "See", "ansible.builtin.assert": {"that": that}}
    known = str(home / "collections/ansible_collections/netpath/ipmp/playbooks/vars/dr.yml")
    play = {"name": "See", "hosts": "all", "gather_facts": False, "vars_files": [known], "tasks": [task]}
    (home / "play.yml").write_text(yaml.safe_dump([play]))
    named = inventory(home, yaml.safe_dump({"all": {"hosts": hosts}}))
    ansible(home, "ansible-playbook", "-i", named, str(home / "play.yml"), *arguments)


@pytest.mark.parametrize("nobody", ["", []])
def test_without_a_name_the_controller_verifies_and_not_everybody(installed: Path, nobody: object) -> None:
    extra = json.dumps({"ipmp_verify_from": nobody})
    see(installed, "dr_verifiers == ['localhost']", {"h0": {}, "h1": {}}, "-e", extra)


def test_every_name_of_the_ssh_connection_has_its_port_verified(installed: Path) -> None:
    ports = {"ssh": [22], "ansible.builtin.ssh": [22], "smart": [22], "ansible.builtin.paramiko_ssh": [22], "local": []}
    hosts: Dict[str, Dict[str, object]] = {
        f"h{number}": {"ansible_connection": name, "expected": expected}
        for number, (name, expected) in enumerate(ports.items())
    }
    see(installed, "dr_ports == expected", hosts)


NOBODY = "ipmp: {hosts: {db1: {ansible_host: 127.0.0.1, ansible_port: 1, ansible_connection: ssh}}}"


@pytest.mark.parametrize("playbook", ["dr_check", "remove"])
def test_a_host_that_cannot_be_reached_is_called_unreachable(installed: Path, playbook: str) -> None:
    hosts = inventory(installed, NOBODY)
    extra = ["-e", "ipmp_component=eth1"]
    text = ansible(installed, "ansible-playbook", "-i", hosts, f"netpath.ipmp.{playbook}", *extra, code=2)
    assert re.search(r"^db1 +(eth1 +)?unreachable ", text, re.MULTILINE), text


def test_a_time_for_the_replacement_that_is_none_is_refused_before_the_detach(installed: Path) -> None:
    hosts = inventory(installed, NOBODY)
    extra = ["-e", "ipmp_component=eth1", "-e", "ipmp_replace_timeout=1h"]
    text = ansible(installed, "ansible-playbook", "-i", hosts, "netpath.ipmp.dr_replace", *extra, code=2)
    assert "ipmp_replace_timeout a number of seconds above 0" in text


def test_action_group_names_every_module() -> None:
    runtime = yaml.safe_load((CHECKOUT / "meta" / "runtime.yml").read_text())
    modules = {path.stem for path in (CHECKOUT / "plugins" / "modules").glob("ipmp_*.py")}
    assert modules >= MODULES
    assert sorted(runtime["action_groups"]["all"]) == sorted(modules)


def test_every_source_file_begins_with_the_licence() -> None:
    sources = [
        path
        for folder in ("plugins", "roles", "tests", "tools")
        for suffix in ("*.py", "*.sh")
        for path in (CHECKOUT / folder).rglob(suffix)
        if path.stat().st_size and "output" not in path.parts
    ]
    assert sources
    without = [
        str(p.relative_to(CHECKOUT))
        for p in sources
        if "SPDX-License-Identifier: GPL-3.0-or-later" not in p.read_text()[:400]
    ]
    assert without == []
