# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How ansible reaches a lab's hosts: by entering their namespaces, or over real SSH from the lab's controller.

The SSH way is the only honest one for tests that lose the connection. Keys are made in a folder of the caller's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional

from .host import Host, Place
from .spec import LabError

if TYPE_CHECKING:
    from .lab import Lab

CHECKOUT = Path(__file__).resolve().parents[2]
PLUGINS = Path(__file__).with_name("connection_plugins")
PYTHON = "/usr/bin/python3"
SSHD_CONFIG = """
HostKey /run/lab-ssh/host_key
AuthorizedKeysFile /run/lab-ssh/authorized_keys
PidFile /run/lab-ssh/sshd.pid
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
UseDNS no
PasswordAuthentication no
MaxStartups 100
Subsystem sftp internal-sftp
"""


def write(
    lab: Lab, path: Path, variables: Optional[Mapping[str, Mapping[str, Any]]] = None, group: str = "ipmp"
) -> None:
    """Write a YAML inventory of the lab's hosts, all in one group, reached by entering their namespaces.

    variables: host name to further variables, such as ``{"h1": {"ipmp_groups": [...]}}``.
    """
    entry = {"ansible_connection": "lab_nsenter"}
    hosts = {n: {**entry, "ansible_nsenter_pid": h.pid, **(variables or {}).get(n, {})} for n, h in lab.hosts.items()}
    _dump(path, hosts, group)


def write_ssh(
    lab: Lab,
    path: Path,
    addresses: Mapping[str, str],
    variables: Optional[Mapping[str, Mapping[str, Any]]] = None,
    group: str = "ipmp",
) -> None:
    """Start an sshd in every host and write an inventory that reaches it at addresses[host], from the lab's controller.

    The keys lie beside the inventory. Run ansible with ``lab.controller.popen`` or ``.run``.
    """
    folder = path.parent / "ssh"
    folder.mkdir(parents=True, exist_ok=True)
    sockets = lab.nursery.scratch  # the folder of the caller may lie too deep for a socket's name
    sockets.mkdir(mode=0o700, exist_ok=True)
    key = folder / "id_ed25519"
    if not key.exists():
        keygen(key)
    options = (
        f"-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR -o ControlPath={sockets}/%C"
    )
    hosts = {}
    for name, host in lab.hosts.items():
        start_sshd(host, key)
        hosts[name] = {
            "ansible_connection": "ssh",
            "ansible_host": addresses[name],
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(key),
            "ansible_ssh_common_args": options,
            **(variables or {}).get(name, {}),
        }
    _dump(path, hosts, group)


def start_sshd(host: Host, key: Path) -> None:
    """An sshd of its own in the host, on every address, that lets the owner of key in as root."""
    host.write_file("/run/lab-ssh/host_key", key.read_text(encoding="ascii"), 0o600)
    host.write_file("/run/lab-ssh/authorized_keys", key.with_suffix(".pub").read_text(encoding="ascii"), 0o600)
    host.write_file("/run/lab-ssh/sshd_config", SSHD_CONFIG)
    host.run("mkdir -p /run/sshd && exec /usr/sbin/sshd -f /run/lab-ssh/sshd_config")


def environment(extra: Optional[Mapping[str, str]] = None) -> Dict[str, str]:
    """The environment for ansible's programs: this process's, what make sets, the lab's plugin, and extra."""
    like_make = {
        "ANSIBLE_HOME": str(CHECKOUT / "build" / "ansible"),
        "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / "build" / "collections"),
        "ANSIBLE_CONFIG": str(CHECKOUT / "tools" / "ansible.cfg"),
    }
    plugins = [str(PLUGINS), *filter(None, [os.environ.get("ANSIBLE_CONNECTION_PLUGINS")])]
    lab = {
        "ANSIBLE_CONNECTION_PLUGINS": ":".join(plugins),
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_HOST_KEY_CHECKING": "false",
    }
    return {**like_make, **os.environ, **lab, **(extra or {})}


def ansible(
    place: Optional[Place], *arguments: str, extra: Optional[Mapping[str, str]] = None, timeout: float = 600.0
) -> subprocess.CompletedProcess[str]:
    """Run ``ansible-playbook`` (of the Python that runs this) with arguments, in place (the controller) or out here."""
    program = Path(sys.executable).with_name("ansible-playbook")
    if not program.exists():
        raise LabError(f"{program} does not exist: run this with the Python of the project's environment (make venv)")
    line = [str(program), *arguments]
    if place is not None:
        line = place.command(line)
    return subprocess.run(line, env=environment(extra), text=True, capture_output=True, timeout=timeout, check=False)


def keygen(key: Path) -> None:
    """Make a pair of keys at that path."""
    done = subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(key)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LabError(f"ssh-keygen failed (Debian package openssh-client): {done.stderr.strip()}")


def _dump(path: Path, hosts: Dict[str, Any], group: str) -> None:
    import yaml

    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(
        {group: {"hosts": hosts, "vars": {"ansible_python_interpreter": PYTHON}}},
        sort_keys=False,
        default_flow_style=False,
    )
    path.write_text(text, encoding="utf-8")
