# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root file system of the systemd bed's hosts: a small Debian, made once and kept for all checkouts."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Sequence

from .spec import LabError

CACHE = Path("/var/cache/netpath-ipmp-lab")
SUITE = "bookworm"
# No python3-pyroute2: the role has to bring its own, unless a lab asks for the package.
PACKAGES = (
    "systemd-sysv",
    "dbus",
    "udev",
    "iproute2",
    "iputils-ping",
    "python3",
    "openssh-server",
    "procps",
    "kmod",
    "nftables",
    "ethtool",
)
WITHOUT = ("doc", "man", "locale", "info")
# systemd leaves udev out where /sys is not writable, as in a container; here it is the host's own and udev is wanted.
UDEV_UNITS = ("systemd-udevd.service", "systemd-udevd-control.socket", "systemd-udevd-kernel.socket")
MASKED = (
    "ssh.service",  # the lab starts its own where it wants one
    "ssh.socket",
    "systemd-firstboot.service",
    "systemd-random-seed.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
)
MACHINE_ID = "6e657470617468206970d06c61620000"  # one that is set: an empty one makes every start a first boot
# Asking for events of everything would ask for the machine's devices; cards are those of the host's own namespace,
# and of all that is below /sys only they may be written to.
TRIGGER = "systemd-udev-trigger.service"
TRIGGER_DROP_IN = """\
[Unit]
ConditionPathIsReadWrite=
[Service]
ExecStart=
ExecStart=mount --bind /sys/devices/virtual/net /sys/devices/virtual/net
ExecStart=mount -o remount,rw /sys/devices/virtual/net
ExecStart=-udevadm trigger --type=devices --action=add --subsystem-match=net
"""
# Of the packages that a lab may ask for: present, but not started unless a test says so.
DISABLED = ("NetworkManager", "NetworkManager-wait-online", "NetworkManager-dispatcher", "networking", "firewalld")
VERSION = 4  # of prepare()


def path(more: Sequence[str] = ()) -> Path:
    """The folder of the root file system with PACKAGES and more; made first if it is not there (about 30 s)."""
    packages = sorted({*PACKAGES, *more})
    key = hashlib.sha256(" ".join([SUITE, str(VERSION), *packages, *MASKED]).encode()).hexdigest()[:16]
    found = CACHE / key
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            print(
                "lab: making the root file system of the systemd hosts, once (about 30 s)", file=sys.stderr, flush=True
            )
            fresh = CACHE / f"{key}.new"
            shutil.rmtree(fresh, ignore_errors=True)
            bootstrap(fresh, packages)
            prepare(fresh)
            fresh.rename(found)
    return found


def bootstrap(folder: Path, packages: Sequence[str]) -> None:
    """Install Debian into the folder; LabError."""
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={','.join(packages)}"]
    command += [
        '--aptopt=Acquire::Languages "none"',
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in WITHOUT),
    ]
    try:
        done = subprocess.run([*command, SUITE, str(folder)], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise LabError("mmdebstrap is not installed: apt-get install mmdebstrap systemd-container")
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise LabError(f"mmdebstrap failed: {done.stderr.strip()[-2000:]}")


def prepare(folder: Path) -> None:
    """What a host of the lab needs beyond the packages."""
    (folder / "etc/hostname").unlink(missing_ok=True)  # would win over the name that nspawn gives
    (folder / "etc/machine-id").write_text(MACHINE_ID + "\n", encoding="ascii")
    units = folder / "etc/systemd/system"
    drop_ins = {**dict.fromkeys(UDEV_UNITS, "[Unit]\nConditionPathIsReadWrite=\n"), TRIGGER: TRIGGER_DROP_IN}
    for unit, text in drop_ins.items():
        drop_in = units / f"{unit}.d" / "lab.conf"
        drop_in.parent.mkdir(parents=True, exist_ok=True)
        drop_in.write_text(text, encoding="ascii")
    for link in units.glob("*.wants/*.service"):
        if link.stem in DISABLED:
            link.unlink()
    for unit in MASKED:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
