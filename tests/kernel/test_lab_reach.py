# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible reaches the lab's hosts both ways, and the lab that is left running does what it is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab import Lab, describe, inventory

pytestmark = pytest.mark.kernel
TESTS = Path(__file__).parents[1]
PLAYBOOK = """
- hosts: ipmp
  gather_facts: false
  tasks:
    - ansible.builtin.copy: {content: "{{ inventory_hostname }}", dest: /etc/reached}
    - ansible.builtin.meta: reset_connection
    - ansible.builtin.wait_for_connection: {timeout: 20}
    - ansible.builtin.fetch: {src: /etc/reached, dest: "{{ playbook_dir }}/got/"}
    - ansible.builtin.shell: echo "$SSH_CONNECTION"
      register: over
    - ansible.builtin.assert: {that: (over.stdout | length > 0) == (ansible_connection == 'ssh')}
"""


@pytest.mark.parametrize("bed", ["quick", "systemd"])
@pytest.mark.parametrize("ssh", [False, True])
def test_ansible_runs_copies_and_fetches_on_every_host(tmp_path: Path, bed: str, ssh: bool) -> None:
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    addresses = {f"h{n}": f"198.51.100.{10 + n}" for n in (1, 2)}
    with Lab(describe(hosts=2, nics=1, bed=bed, mgmt=True)) as lab:
        hosts = tmp_path / "hosts.yml"
        lab.write_inventory(hosts, ssh=addresses if ssh else None)
        place = lab.controller if ssh else None
        done = inventory.ansible(place, "-i", str(hosts), str(tmp_path / "play.yml"))
        assert done.returncode == 0, done.stdout + done.stderr
    for host in addresses:
        assert (tmp_path / "got" / host / "etc" / "reached").read_text() == host


def test_a_host_that_is_gone_is_unreachable_and_not_failed(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    with Lab(describe(hosts=1, nics=1)) as lab:
        lab.write_inventory(tmp_path / "hosts.yml")
    done = inventory.ansible(None, "-i", str(tmp_path / "hosts.yml"), str(tmp_path / "play.yml"))
    assert "UNREACHABLE" in done.stdout
    assert "is gone" in done.stdout


def test_a_lab_in_the_background_obeys_until_it_is_taken_down(tmp_path: Path) -> None:
    def say(*words: str) -> subprocess.CompletedProcess:
        # As a stranger's shell: without the project's own programs, and without what make sets for them.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        environment.update(PATH="/usr/sbin:/usr/bin:/sbin:/bin", LAB_FOLDER=str(tmp_path))
        command = [sys.executable, "-m", "lab", *words]
        return subprocess.run(command, cwd=TESTS, env=environment, capture_output=True, text=True, timeout=60)

    assert "no lab is running" in say("pull", "h1", "eth1").stderr
    assert "netpath.ipmp.setup" in say("up").stdout
    try:
        assert "ipmp_groups" in (tmp_path / "inventory.yml").read_text()
        assert say("sh", "h1", "hostname").stdout == "h1\n"
        assert say("out", "h1", "eth1").returncode == 0
        assert "eth1" not in say("sh", "h1", "ip", "-br", "link").stdout
        assert "is not in" in say("pull", "h1", "eth1").stderr
        assert say("back", "h1", "eth1").returncode == 0
        assert "eth1" in say("sh", "h1", "ip", "-br", "link").stdout
        assert "h1 has no eth9" in say("pull", "h1", "eth9").stderr
        assert say("sh", "client", "ping", "-c1", "192.0.2.254").returncode == 0
        done = say("sh", "controller", "ansible", "h1", "-m", "ansible.builtin.raw", "-a", "hostname")
        assert "rc=0" in done.stdout, done.stdout + done.stderr
        assert "ipmp_dr" in say("sh", "controller", "ansible-doc", "-l", "netpath.ipmp").stdout
    finally:
        assert "gone" in say("down").stdout
    assert "no lab is running" in say("sh", "h1", "true").stderr
    assert not (tmp_path / "inventory.yml").exists()
