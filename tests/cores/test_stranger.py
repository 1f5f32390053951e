# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stranger follows the README on the oldest and on the newest ansible-core: tarball, inventory, group, detach.

The environment (tools/cores.py) holds ansible-core and pyroute2 and nothing else, the collection is what the tarball
installs under a home of its own, the host is reached by SSH, and inventory and commands are read from the README.
"""

from __future__ import annotations

import re
import subprocess
import textwrap
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
import yaml

from lab import Lab
from lab.inventory import keygen, start_sshd

pytestmark = pytest.mark.kernel
CHECKOUT = Path(__file__).resolve().parents[2]
README = (CHECKOUT / "README.md").read_text()
CORES = ["2.16", "2.21"]
SHOWN = ("setup", "dr_check", "dr_detach", "dr_reattach")


def example() -> str:
    """The inventory of the README."""
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    return textwrap.dedent(block)


def shown_commands() -> List[List[str]]:
    """What the README says to type, in its order, playbooks of SHOWN only."""
    lines = re.findall(r"^ *\$ (ansible-playbook -i inventory\.yml netpath\.ipmp\..*)$", README, re.MULTILINE)
    return [line.split() for line in lines if line.split()[3].rsplit(".", 1)[1] in SHOWN]


def network() -> Dict[str, Any]:
    """Where the README's inventory is true: its host, a way to it, a client and the gateway on its group's network."""
    host = yaml.safe_load(example())["ipmp"]["hosts"]["db1"]
    cards: Dict[str, Any] = {"eth0": {"link": "mgmt", "addresses": [f"{host['ansible_host']}/24"]}}
    (group,) = host["ipmp_groups"]
    cards.update({interface["name"]: {"link": "lan"} for interface in group["interfaces"]})
    return {
        "links": ["lan", "mgmt"],
        "hosts": {"db1": {"nics": cards}},
        "client": {"nics": {"c0": {"link": "lan", "addresses": ["198.51.100.250/24"]}}},
        "router": {"nics": {"r0": {"link": "lan", "addresses": [f"{group['gateways'][0]}/24"]}}},
        "controller": {
            "nics": {
                "m0": {"link": "mgmt", "addresses": ["192.0.2.200/24"]},
                "m1": {"link": "lan", "addresses": ["198.51.100.200/24"]},
            }
        },
    }


class Stranger:
    """A user on the controller with an empty home and one line of ansible-core."""

    def __init__(self, core: str, home: Path, lab: Lab) -> None:
        self.core, self.home, self.lab = CHECKOUT / "build" / "cores" / core, home, lab
        assert (self.core / "bin" / "ansible-playbook").exists(), f"make cores prepares {self.core}"
        keygen(home / "key")
        start_sshd(lab.hosts["db1"], home / "key")
        (home / "inventory.yml").write_text(example())

    def types(self, *words: str) -> subprocess.CompletedProcess[str]:
        known = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
        environment = {
            "PATH": f"{self.core}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",  # the lab's hosts also see the machine's own programs
            "ANSIBLE_PRIVATE_KEY_FILE": str(self.home / "key"),
            "ANSIBLE_SSH_COMMON_ARGS": f"{known} -o ControlPath={self.lab.nursery.scratch}/%C",
        }
        self.lab.nursery.scratch.mkdir(mode=0o700, exist_ok=True)
        place = self.lab.controller.command(list(words))
        return subprocess.run(place, cwd=self.home, env=environment, capture_output=True, text=True, check=False)

    def succeeds(self, *words: str) -> str:
        done = self.types(*words)
        assert done.returncode == 0, f"{' '.join(words)}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def fails(self, playbook: str, *more: str) -> str:
        line = ["ansible-playbook", "-i", "inventory.yml", f"netpath.ipmp.{playbook}", "-e", "ipmp_component=eth1"]
        done = self.types(*line, *more)
        assert done.returncode == 2, f"{' '.join(line)}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def state(self) -> str:
        """The group's, as ipmpstat says it on the host."""
        line = "ipmpstat -g -P -o state"
        return self.lab.hosts["db1"].run(line).stdout.strip()

    def owner(self, address: str) -> str:
        """The interface of the host that the kernel has the address on, or nothing."""
        said = self.lab.hosts["db1"].run(["ip", "-o", "address", "show", "to", address]).stdout
        return " ".join(line.split()[1] for line in said.splitlines())


@pytest.fixture(params=CORES)
def stranger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stranger]:
    with Lab(network()) as lab:
        yield Stranger(request.param, tmp_path, lab)


def test_from_the_tarball_to_a_group_and_a_card_taken_out(stranger: Stranger) -> None:
    version = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text())["version"]
    stranger.succeeds("ansible-galaxy", "collection", "build", str(CHECKOUT), "--output-path", str(stranger.home))
    tarball = f"netpath-ipmp-{version}.tar.gz"
    assert f"ansible-galaxy collection install {tarball}" in README
    stranger.succeeds("ansible-galaxy", "collection", "install", tarball)
    where = stranger.succeeds("ansible-galaxy", "collection", "list", "netpath.ipmp")
    assert f"{stranger.home}/.ansible/collections" in where
    assert str(CHECKOUT) not in where

    typed = shown_commands()
    assert [line[3].rsplit(".", 1)[1] for line in typed] == ["setup", *SHOWN]
    check, setup, query, detach, reattach = typed
    assert "+198.51.100.11/24" in stranger.succeeds(*check)
    assert stranger.owner("198.51.100.11") == ""
    stranger.succeeds(*setup)
    assert (stranger.owner("198.51.100.11"), stranger.state()) == ("eth1", "ok")
    stranger.lab.client.run(["ping", "-c2", "-W2", "198.51.100.12"])
    assert "changed=0" in stranger.succeeds(*setup)

    assert "198.51.100.11 would move from eth1" in stranger.succeeds(*query)
    stranger.succeeds(*detach)
    assert stranger.owner("198.51.100.11") == "eth3"
    stranger.succeeds(*reattach)
    assert (stranger.owner("198.51.100.11"), stranger.state()) == ("eth1", "ok")

    rescued = stranger.fails("dr_detach", "-e", '{"ipmp_verify_ports": [9]}')
    assert re.search(r"accepts no connection to port 9.*it was put back", rescued), rescued
    assert (stranger.owner("198.51.100.11"), stranger.state()) == ("eth1", "ok")

    for name in ("eth2", "eth3"):
        stranger.lab.nic("db1", name).pull()
    deadline = time.monotonic() + 30
    while stranger.state() != "degraded" and time.monotonic() < deadline:
        time.sleep(0.2)
    refused = stranger.fails("dr_detach")
    assert "nothing was changed" in refused
    assert stranger.owner("198.51.100.11") == "eth1"
    stranger.lab.client.run(["ping", "-c2", "-W2", "198.51.100.12"])
