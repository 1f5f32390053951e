# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The quick bed: a host is a handful of namespaces over the machine's own files, ready in about 50 ms.

Each host has its own network, mounts, host name, IPC and processes; what it writes to /etc, /var, /usr/local and /root
goes to memory and is gone with it, /run and /tmp are its own and empty. No init, no udev, no sshd unless started.
The machine's hostname.IF files are hidden, and /dev/console is the file /run/console. Everything else is the
machine's, its Debian python3 included.
"""

from __future__ import annotations

from .host import Host
from .nursery import Nursery, Starting
from .spec import HostSpec

KINDS = ("mount", "net", "uts", "ipc", "pid")

# The overlays keep their memory alive after its mount point is gone.
SCRIPT = """
mount -t tmpfs -o mode=755 tmpfs /mnt
for folder in etc var usr/local root; do
    mkdir -p /mnt/up/$folder /mnt/scratch/$folder
    chmod --reference=/$folder /mnt/up/$folder
    mount -t overlay -o lowerdir=/$folder,upperdir=/mnt/up/$folder,workdir=/mnt/scratch/$folder overlay /$folder
done
umount -l /mnt
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mkdir -p /run/lock /run/sshd
: >/run/console
[ ! -e /dev/console ] || mount --bind /run/console /dev/console
rm -rf /etc/hostname.* /etc/hostname6.* /etc/ipmp /etc/default/mpathd /var/lib/ipmp /usr/local/lib/ipmp
hostname "$NAME"
echo "$NAME" >/etc/hostname
printf '127.0.0.1 localhost\\n::1 localhost\\n' >/etc/hosts
ip link set lo up
"""


def start(spec: HostSpec, nursery: Nursery) -> Starting:
    """Begin to start a host."""
    return nursery.start(KINDS, SCRIPT, {"NAME": spec.name})


def host(spec: HostSpec, pid: int) -> Host:
    """The host whose first process is pid."""
    return Host(spec.name, pid, KINDS, role=spec.role)
