# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployment over the years: upgrades, a broken daemon, crash loops, and a host that is put back as it was."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Dict, Iterator, List

import pytest
from machine import ADDRESS, GROUP, HOME, Flow, Machine, booted, eventually

from lab import compare, dump

pytestmark = pytest.mark.kernel
CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGE = "plugins/module_utils/ipmp"
LIB = "/usr/local/lib/ipmp"


def by_hand(machine: Machine) -> None:
    """The host gets its address from nobody in particular."""
    machine.host.ip(
        "link set eth2 up",
        "link set eth2 down",
        "link set eth1 up",
        f"addr add {ADDRESS}/24 dev eth1 brd +",
        "route add default via 192.0.2.254 dev eth1",
    )


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Machine]:
    for machine in booted(tmp_path, packages=()):
        by_hand(machine)
        machine.listen()
        yield machine


@pytest.fixture
def machine(bare: Machine) -> Machine:
    bare.played("netpath.ipmp.setup")
    return bare


def changed_copy(folder: Path, changes: Dict[str, tuple[str, str]]) -> Path:
    """A collections folder with this checkout's collection, in which files of the host package read differently."""
    target = folder / "ansible_collections/netpath/ipmp"
    target.mkdir(parents=True)
    for part in ("plugins", "roles", "playbooks", "meta"):
        shutil.copytree(CHECKOUT / part, target / part)
    shutil.copy(CHECKOUT / "galaxy.yml", target)
    for name, (old, new) in changes.items():
        path = target / PACKAGE / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
    return folder


def shown(machine: Machine, *names: str) -> List[str]:
    """Properties of ipmp.service."""
    return machine.sh(f"systemctl show --value -p {','.join(names)} ipmp.service").split()


def manifest(machine: Machine) -> List[str]:
    """Every file that a deployment could leave behind, with its kind, mode and size."""
    places = "/etc /usr/local /var/lib /run/ipmp /run/systemd/network /run/NetworkManager"
    listed = machine.sh(f"find {places} -printf '%p %y %m %l\\n' 2>/dev/null | sort || true").splitlines()
    return [line for line in listed if not re.match(r"/var/lib/systemd/|/etc/(group|gshadow)-? ", line)]


def test_the_host_is_put_back_as_it_was(bare: Machine) -> None:
    before, files = bare.at_rest(), manifest(bare)
    bare.played("netpath.ipmp.setup")
    assert compare(before, dump(bare.host)) != []
    flow = Flow(bare)
    removed = bare.remove()
    assert removed.returncode == 0, removed.stdout + removed.stderr
    flow.unharmed()
    assert eventually(lambda: compare(before, dump(bare.host)) == []), compare(before, dump(bare.host))
    left = sorted(set(manifest(bare)) - set(files))
    folders = ["/etc/systemd/system-generators", "/run/NetworkManager", "/run/NetworkManager/conf.d"]
    assert [line.split()[0] for line in left if line.split()[0] not in [*folders, "/run/systemd/network"]] == [
        "/etc/default/mpathd",
        "/etc/hostname.eth1",
        "/etc/hostname.eth2",
        "/etc/ipmp",
        "/etc/ipmp/groups.conf",
        "/etc/ipmp/rcm",
    ]
    assert set(files) <= set(manifest(bare))
    assert not bare.sh("systemctl list-units --all --plain --no-legend 'ipmp*'")


def test_upgrade_and_downgrade_move_nothing(machine: Machine, tmp_path: Path) -> None:
    """The newer one speaks protocol 2: callers of the older are served, and its own are told what to do otherwise."""
    newer = changed_copy(
        tmp_path / "newer",
        {
            "status.py": ("\nPROTOCOL = 1", "\nPROTOCOL = 2"),
            "client.py": ("\nPROTOCOL = 1", "\nPROTOCOL = 2"),
            "control.py": ("\nPROTOCOL = 1\nPROTOCOLS = (1,)", "\nPROTOCOL = 2\nPROTOCOLS = (2, 1)"),
        },
    )
    pid, before, flow = shown(machine, "MainPID"), machine.at_rest(), Flow(machine)
    machine.played("netpath.ipmp.setup", collections=newer)
    assert machine.sh(f"grep -c 'PROTOCOL = 2' {LIB}/ipmp/status.py") == "1"
    assert shown(machine, "MainPID") != pid
    asked = machine.folder / "asked.yml"
    asked.write_text(
        "- hosts: ipmp\n  gather_facts: false\n  tasks:\n"
        "    - netpath.ipmp.ipmp_info: {gather: [groups]}\n      register: found\n"
        "    - ansible.builtin.assert: {that: \"found.groups[0].state == 'ok'\"}\n"
    )
    machine.played(str(asked))
    machine.played(str(asked), collections=newer)
    machine.played("netpath.ipmp.setup")
    assert machine.sh(f"grep -c 'PROTOCOL = 1' {LIB}/ipmp/status.py") == "1"
    flow.unharmed()
    assert compare(before, dump(machine.host)) == []
    assert machine.hosting() == HOME
    refused = machine.play(str(asked), collections=newer)
    assert refused.returncode != 0
    assert "run the role netpath.ipmp.mpathd on this host" in " ".join((refused.stdout + refused.stderr).split())


def test_a_broken_upgrade_is_refused_or_taken_back(machine: Machine, tmp_path: Path) -> None:
    pid, flow = shown(machine, "MainPID"), Flow(machine)
    torn = changed_copy(tmp_path / "torn", {"daemon.py": ("class Daemon:", "class Daemon")})
    refused = machine.play("netpath.ipmp.setup", collections=torn)
    assert refused.returncode != 0
    assert "so nothing is replaced: SyntaxError" in " ".join((refused.stdout + refused.stderr).split())
    assert shown(machine, "MainPID") == pid
    dying = changed_copy(
        tmp_path / "dying",
        {"daemon.py": ('        """Read files and kernel', '        raise OSError("worn out")\n        """')},
    )
    refused = machine.play("netpath.ipmp.setup", collections=dying)
    assert refused.returncode != 0
    assert "the code from before is back, and runs" in " ".join((refused.stdout + refused.stderr).split())
    assert re.findall(r"changed=(\d+)", machine.played("netpath.ipmp.setup")) == ["0"]
    flow.unharmed()


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(f"echo 'class' >>{LIB}/ipmp/daemon.py", id="syntax error"),
        pytest.param("sed -i '1s/python3/python4/' " + LIB + "/bin/in.mpathd", id="interpreter gone"),
    ],
)
def test_a_host_whose_daemon_is_broken_is_reached_after_a_reboot(machine: Machine, broken: str) -> None:
    machine.sh(f"head -1 {LIB}/bin/in.mpathd; {broken}")
    machine.lab.restart("h1", failed_units=True)
    assert eventually(machine.reached, 240), machine.journal()
    assert eventually(lambda: shown(machine, "ActiveState") == ["failed"], 240), machine.journal()
    assert machine.hosting() == HOME
    assert machine.lab.client.run(["ping", "-c1", "-W1", "-I", "192.0.2.250", ADDRESS], check=False).returncode == 0
    assert machine.sh("ip route get 203.0.113.9").startswith(f"203.0.113.9 via 192.0.2.254 dev eth1 src {ADDRESS}")
    assert "ipmp-static" in machine.journal()
    machine.listen()
    asked = machine.folder / "asked.yml"
    asked.write_text("- hosts: ipmp\n  gather_facts: false\n  tasks: [netpath.ipmp.ipmp_info: {gather: [groups]}]\n")
    told = machine.play(str(asked))
    assert "systemd has given up" in " ".join((told.stdout + told.stderr).split())
    told = machine.play("netpath.ipmp.setup", "--check")
    assert "systemd has given up" in " ".join((told.stdout + told.stderr).split())
    machine.played("netpath.ipmp.setup")
    assert shown(machine, "ActiveState") == ["active"]
    assert machine.hosting() == HOME
    assert [a["interface"] for a in machine.status()["addresses"]] == ["eth1"]


def test_a_daemon_that_crashes_is_started_again_and_in_the_end_held(machine: Machine) -> None:
    before, flow = machine.at_rest(), Flow(machine)
    machine.sh("systemctl kill -s SEGV ipmp.service")
    assert eventually(lambda: shown(machine, "NRestarts", "ActiveState") == ["1", "active"], 60)
    machine.sh(
        f"sed -i 's/    daemon.start()/    os.abort()/' {LIB}/ipmp/commands/in_mpathd.py;"
        "systemctl restart ipmp.service || true"
    )
    assert eventually(lambda: shown(machine, "ActiveState") == ["failed"], 240), machine.journal()
    assert "Start request repeated too quickly" in machine.journal()
    assert eventually(lambda: machine.sh("systemctl is-active ipmp-static || true") != "activating", 60)
    assert compare(before, dump(machine.host)) == []
    flow.unharmed()


def test_the_unit_is_what_the_documentation_says(machine: Machine) -> None:
    assert shown(machine, "Type", "WatchdogUSec") == ["notify", "30s"]
    assert "network-online.target" in shown(machine, "Before")
    score = machine.sh("systemd-analyze security --no-pager ipmp.service | tail -1")
    found = re.search(r"(\d+\.\d)", score)
    assert found is not None
    stated = re.search(r"exposure level (\d\.\d)", (CHECKOUT / "docs/living-with-others.md").read_text())
    assert stated is not None
    assert float(found[1]) <= float(stated[1]) + 0.2, score


def test_a_verdict_of_the_probes_outlives_an_upgrade(bare: Machine, tmp_path: Path) -> None:
    group = {
        **GROUP,
        "failure_detection_time": 1000,
        "targets": ["192.0.2.254", "192.0.2.250"],
        "interfaces": [
            {**GROUP["interfaces"][0], "test_addresses": ["192.0.2.21/24"]},
            {**GROUP["interfaces"][1], "test_addresses": ["192.0.2.22/24"]},
        ],
    }
    bare.listen([group])
    bare.played("netpath.ipmp.setup")

    def state(name: str) -> Dict[str, str]:
        return next(
            {w: i[w] for w in ("state", "probe", "link")} for i in bare.status()["interfaces"] if i["name"] == name
        )

    assert eventually(lambda: state("eth1")["probe"] == state("eth2")["probe"] == "ok", 60), bare.status()
    nic = bare.lab.nic("h1", "eth1")
    nic.cut()
    failed = {"state": "failed", "probe": "failed", "link": "up"}
    assert eventually(lambda: state("eth1") == failed, 60), bare.status()
    newer = changed_copy(tmp_path / "newer", {"status.py": ("PROTOCOL = 1", "PROTOCOL = 1  # newer")})
    flow = Flow(bare)
    bare.played("netpath.ipmp.setup", collections=newer)
    assert (state("eth1"), bare.hosting()[ADDRESS]) == (failed, "eth2")
    flow.unharmed()
    nic.mend()
    assert eventually(lambda: bare.hosting()[ADDRESS] == "eth1", 90), bare.status()
    nic.cut()
    assert eventually(lambda: state("eth1") == failed, 60), "nothing is detected after the upgrade"
