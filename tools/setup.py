#!/usr/bin/env python3
# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets up what a make target needs: Debian packages, build/venv, and the view of the checkout that ansible looks for.

Arguments: any of ``packages``, ``packages-vm`` (for the virtual machine), ``venv``, ``view``. What is there already is
left alone, without the network; what was interrupted is finished or made anew. Needs the standard library only, so that
the machine's bare python3 can run it.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, Optional

CHECKOUT = Path(__file__).resolve().parent.parent
BUILD = CHECKOUT / "build"
VENV = BUILD / "venv"
LOG = BUILD / "log" / "setup.log"
OLDEST_PYTHON = (3, 11)  # of the controller; managed hosts may have 3.9

# Debian package -> a program of it, which is what other distributions are asked for.
PACKAGES = {
    "ethtool": "ethtool",
    "git": "git",
    "iproute2": "ip",
    "iputils-ping": "ping",
    "mmdebstrap": "mmdebstrap",
    "nftables": "nft",
    "openssh-client": "ssh",
    "openssh-server": "sshd",
    "procps": "sysctl",
    "shellcheck": "shellcheck",
    "strace": "strace",
    "systemd-container": "systemd-nspawn",
    "tcpdump": "tcpdump",
    "util-linux": "nsenter",
}
VM_PACKAGES = {
    "busybox-static": "busybox",
    "cpio": "cpio",
    "e2fsprogs": "mke2fs",
    "qemu-system-x86": "qemu-system-x86_64",
    "qemu-utils": "qemu-img",
}
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
START = time.monotonic()


def say(text: str) -> None:
    """One progress line with the seconds since the start."""
    print(f"[{time.monotonic() - START:4.0f} s] {text}", flush=True)


def run(what: str, command: List[str], env: Optional[Dict[str, str]] = None) -> None:
    """Run a command with its output in the log; a line at the start and every 15 s, the log's end if it fails."""
    say(what)
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with LOG.open("ab") as log:
        begin = log.tell()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **(env or {})}
        )
        while True:
            try:
                status = process.wait(timeout=15)
                break
            except subprocess.TimeoutExpired:
                say(f"  still {what}")
    if status:
        with LOG.open("rb") as log:
            log.seek(begin)
            sys.stderr.write(log.read().decode(errors="replace")[-3000:])
        sys.exit(f"{what}: {command[0]} failed with status {status}; all of its output is in {LOG}")


def install_packages(packages: Dict[str, str] = PACKAGES) -> None:
    """Install the Debian packages that are missing."""
    if not shutil.which("dpkg-query"):
        absent = [program for program in packages.values() if not shutil.which(program, path=SYSTEM_PATH)]
        if absent:
            sys.exit(f"this is no Debian; install what provides {', '.join(absent)}, then run make again")
        return
    names = list(packages)
    if importlib.util.find_spec("ensurepip") is None:
        names.append("python3-venv")
    query = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", *names],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    installed = {line.split()[1] for line in query.stdout.splitlines() if line.startswith("installed ")}
    missing = sorted(set(names) - installed)
    if not missing:
        return
    if os.geteuid() != 0:
        sys.exit(f"needs root to install Debian packages: {' '.join(missing)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run("fetching Debian's list of packages", ["apt-get", "update"], quiet)
    # The lab starts sshd inside its own hosts only: an openssh-server installed for it must not open this machine.
    policy = Path("/usr/sbin/policy-rc.d")
    ours = "openssh-server" in missing and not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        run(
            f"installing Debian packages: {' '.join(missing)}",
            ["apt-get", "install", "-y", "--no-install-recommends", *missing],
            quiet,
        )
        if ours and shutil.which("systemctl"):
            subprocess.run(["systemctl", "--quiet", "disable", "ssh.service"], stderr=subprocess.DEVNULL, check=False)
    finally:
        if ours:
            policy.unlink()


def install_vm_packages() -> None:
    """What the virtual machine needs: 620 MiB, for its targets only."""
    if os.uname().machine != "x86_64":
        sys.exit("the virtual machine's tests need an x86-64 machine: they run Debian's amd64 kernel")
    install_packages(VM_PACKAGES)


def make_venv() -> None:
    """Build build/venv from the pinned requirements, unless it was built from these and by this Python, here."""
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(f"{sys.executable} is older than Python 3.11, which ansible-core needs; put a newer python3 on PATH")
    base = hashlib.sha256(f"{sys.version} {sys.base_prefix} {VENV}".encode()).hexdigest()
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in sorted((CHECKOUT / "requirements").glob("*.txt"))))
    stamp, key = VENV / ".stamp", f"{base} {wanted.hexdigest()}\n"
    found = stamp.read_text() if stamp.exists() else ""
    if found == key:
        return
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit(f"{sys.executable} lacks ensurepip; on Debian: apt-get install python3-venv")
    if not found.startswith(base):
        run("making build/venv", [sys.executable, "-m", "venv", "--clear", str(VENV)])
    stamp.unlink(missing_ok=True)
    run(
        "installing ansible-core, pyroute2 and the test tools into build/venv",
        [str(VENV / "bin" / "python"), "-m", "pip", "install", "-r", str(CHECKOUT / "requirements" / "test.txt")],
        {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    stamp.write_text(key)


def make_view() -> None:
    """Let build/collections/ansible_collections/netpath/ipmp point at this checkout."""
    view = BUILD / "collections" / "ansible_collections" / "netpath" / "ipmp"
    target = os.path.relpath(CHECKOUT, view.parent)
    if view.is_symlink() and os.readlink(view) == target:
        return
    view.parent.mkdir(parents=True, exist_ok=True)
    if view.is_symlink():
        view.unlink()
    view.symlink_to(target)


STEPS = {"packages": install_packages, "packages-vm": install_vm_packages, "venv": make_venv, "view": make_view}


def main(names: List[str]) -> None:
    """Do the steps of these names, one make run at a time."""
    unknown = [name for name in names if name not in STEPS]
    if unknown or not names:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(STEPS)} ...")
    BUILD.mkdir(exist_ok=True)
    with (BUILD / ".setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two make runs at once: the second finds all done
        for name in names:
            STEPS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
