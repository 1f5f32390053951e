# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's kernel, initrd and disk: made once from the lab's small Debian and kept for all checkouts."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import lzma
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence

from lab import LabError, rootfs

META = "linux-image-cloud-amd64"  # depends on the newest; ext4 is built in, all of virtio is modules
# For the initrd, in this order: what /dev/vda needs.
DISK_MODULES = (
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "virtio_blk",
)
MGMT_MAC = "52:54:00:ff:00:01"
MGMT = "198.18.0.2"  # the guest's address on a NIC that is in no group
# The other end of it, for ip(8) in a network namespace with nothing in it yet.
MANAGEMENT = """
sysctl -qw net.ipv6.conf.default.disable_ipv6=1
ip link set lo up
ip tuntap add t-mgmt mode tap
ip addr add 198.18.0.1/24 dev t-mgmt
ip link set t-mgmt up
"""
INIT = """\
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs none /dev
for module in $(/bin/busybox cat /modules/order); do /bin/busybox insmod /modules/$module.ko; done
n=0; until [ -b /dev/vda ] || [ $n -ge 200 ]; do n=$((n+1)); /bin/busybox usleep 50000; done
/bin/busybox mount -t ext4 /dev/vda /root
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/init
"""
FILES = {
    "etc/hostname": "guest\n",
    "etc/ssh/sshd_config.d/lab.conf": "UseDNS no\nUsePAM no\nStrictModes no\n",
    "etc/systemd/network/00-mgmt.link": f"[Match]\nMACAddress={MGMT_MAC}\n[Link]\nName=mgmt0\n",
    "etc/systemd/system/mgmt.service": f"""\
[Unit]
After=sys-subsystem-net-devices-mgmt0.device
BindsTo=sys-subsystem-net-devices-mgmt0.device
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'ip addr replace {MGMT}/24 dev mgmt0 && ip link set mgmt0 up'
[Install]
WantedBy=multi-user.target
""",
}
UNITS = ("ssh.service", "mgmt.service")
# Half of the time of a boot that a processor is only emulated for.
MASKED = (
    "systemd-logind.service",
    "systemd-sysusers.service",
    "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
    "systemd-pstore.service",
    "modprobe@configfs.service",
    "modprobe@dm_mod.service",
    "modprobe@drm.service",
    "modprobe@efi_pstore.service",
    "modprobe@fuse.service",
    "modprobe@loop.service",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "proc-sys-fs-binfmt_misc.automount",
    "getty@tty1.service",
    "e2scrub_reap.service",
    "nftables.service",
)
VERSION = 2  # of what this file does with all that


@dataclass(frozen=True)
class Image:
    """Files of one folder; ``key`` is the private key that lets root in over SSH."""

    folder: Path

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.gz"

    @property
    def disk(self) -> Path:
        return self.folder / "disk.ext4"

    @property
    def key(self) -> Path:
        return self.folder / "key"


def image(more: Sequence[str] = ()) -> Image:
    """Made first if it is not there (10 s, and 30 s for the root file system); LabError. more: Debian packages."""
    base = rootfs.path(more)
    recipe = [
        base.name,
        META,
        str(VERSION),
        INIT,
        *DISK_MODULES,
        *MASKED,
        *UNITS,
        *(f"{k} {v}" for k, v in FILES.items()),
    ]
    key = "vm-" + hashlib.sha256("\n".join(recipe).encode()).hexdigest()[:16]
    found = rootfs.CACHE / key
    with (rootfs.CACHE / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            say("making the disk of the virtual machine, once (about 10 s)")
            fresh = rootfs.CACHE / f"{key}.new"
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            try:
                _make(fresh, base)
            except BaseException:
                shutil.rmtree(fresh, ignore_errors=True)
                raise
            fresh.rename(found)
    return Image(found)


def say(text: str) -> None:
    """One line of progress, past pytest's capture."""
    print(f"vm: {text}", file=sys.__stderr__, flush=True)


def run(*command: str, cwd: Optional[Path] = None) -> str:
    """The output of a program; LabError with what it said when it fails."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise LabError(f"{command[0]} is not installed: 'python3 tools/setup.py packages-vm' installs what is needed")
    if done.returncode:
        raise LabError(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()[-1000:]}")
    return done.stdout


def _make(folder: Path, base: Path) -> None:
    made = Image(folder)
    with tempfile.TemporaryDirectory(prefix="netpath-vm-", dir=rootfs.CACHE) as scratch:
        kernel, root = Path(scratch) / "kernel", Path(scratch) / "root"
        run("dpkg-deb", "-x", str(_download(Path(scratch))), str(kernel))
        run("cp", "-a", "--reflink=auto", str(base), str(root))
        shutil.copy(next(kernel.glob("boot/vmlinuz-*")), made.kernel)
        version = made_version(kernel)
        shutil.copytree(kernel / "lib/modules", root / "lib/modules", symlinks=True)
        run("chroot", str(root), "depmod", version)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(made.key))
        _furnish(root, made.key.with_suffix(".pub").read_text(encoding="ascii"))
        _initrd(root / "lib/modules" / version, made.initrd, Path(scratch) / "initrd")
        run("mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d", str(root), str(made.disk), "1500M")


def made_version(kernel: Path) -> str:
    """Of the only kernel below that folder, such as 6.1.0-56-cloud-amd64."""
    return next((kernel / "lib/modules").iterdir()).name


def _download(folder: Path) -> Path:
    """The kernel's package, unpacked nowhere and installed nowhere."""
    if not _newest():
        run("apt-get", "update")
    try:
        run("apt-get", "download", _newest(), cwd=folder)
    except LabError:  # the list of packages is older than the archive
        run("apt-get", "update")
        run("apt-get", "download", _newest(), cwd=folder)
    return next(folder.glob("*.deb"))


def _newest() -> str:
    found = re.search(r"Depends: (linux-image-\d\S*)", run("apt-cache", "depends", META))
    return found[1] if found else ""


def _furnish(root: Path, key: str) -> None:
    units = root / "etc/systemd/system"
    for path in units.glob("*.d/lab.conf"):  # for hosts that are containers
        path.unlink()
    for name in ("ssh.service", "ssh.socket"):
        (units / name).unlink()
    for name in MASKED:
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to("/dev/null")
    for path, text in {**FILES, "root/.ssh/authorized_keys": key}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="ascii")
    for name in UNITS:
        wanted = units / "multi-user.target.wants" / name
        if not wanted.is_symlink():
            wanted.symlink_to(f"/etc/systemd/system/{name}")
    (units / "default.target").unlink(missing_ok=True)
    (units / "default.target").symlink_to("/usr/lib/systemd/system/multi-user.target")


def _initrd(modules: Path, target: Path, scratch: Path) -> None:
    (scratch / "modules").mkdir(parents=True)
    for name in ("bin", "dev", "root"):
        (scratch / name).mkdir()
    busybox = shutil.which("busybox", path="/bin:/usr/bin")
    if busybox is None:
        raise LabError("busybox is not installed: apt-get install busybox-static")
    shutil.copy(busybox, scratch / "bin/busybox")
    there: List[str] = []
    for name in DISK_MODULES:
        for path in modules.rglob(f"{name}.ko*"):
            raw = path.read_bytes()
            (scratch / f"modules/{name}.ko").write_bytes(lzma.decompress(raw) if path.suffix == ".xz" else raw)
            there.append(name)
    (scratch / "modules/order").write_text("\n".join(there), encoding="ascii")
    (scratch / "init").write_text(INIT, encoding="ascii")
    (scratch / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(scratch)) for path in sorted(scratch.rglob("*")))
    packed = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"], cwd=scratch, input=names.encode(), stdout=subprocess.PIPE, check=True
    )
    target.write_bytes(gzip.compress(packed.stdout, 1))
