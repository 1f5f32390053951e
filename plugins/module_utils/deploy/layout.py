# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the daemon's place on a host looks like: folders, launchers, links, the systemd unit."""

from __future__ import annotations

import os
from typing import List

from .places import Place

LIB = "usr/local/lib/ipmp"
UNIT = "etc/systemd/system/ipmp.service"
STATIC_UNIT = "etc/systemd/system/ipmp-static.service"
STATIC = "ipmp-static"
PROGRAMS = {"in.mpathd": "in_mpathd", "ipmpstat": "ipmpstat", "if_mpadm": "if_mpadm", "cfgadm": "cfgadm"}

LAUNCHER = """\
#!{python}
import sys
sys.path.insert(0, "{lib}")
from ipmp.commands.{module} import main
sys.exit(main(sys.argv[1:]))
"""

# /etc is writable because a rollback puts the files back; /proc/sys/net because members need settings of their own,
# which is why ProtectKernelTunables is absent and the rest of /proc/sys is closed by path.
# DeviceAllow, since ProtectClock closes all devices that are not named, and the console is told which NICs are missing.
# The kernel's log is read, since nothing else says that a slot is about to lose power; ProtectKernelLogs, which would
# forbid it, also forbids syslog(2): that is named instead.
# SupplementaryGroups lets the daemon give its socket to the group without CAP_CHOWN.
UNIT_TEXT = """\
# Written by netpath.ipmp (role mpathd); change it with: systemctl edit ipmp.service
[Unit]
Description=IP network multipathing daemon (in.mpathd)
Wants=network-pre.target
After=network-pre.target systemd-udevd.service systemd-udev-trigger.service systemd-sysctl.service
Before=network.target network-online.target
# A daemon that cannot start is held after ten attempts; then the addresses are put in place without it.
StartLimitIntervalSec=15min
StartLimitBurst=10
OnFailure=ipmp-static.service

[Service]
Type=notify
NotifyAccess=main
ExecStart=/usr/local/sbin/in.mpathd
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=1
TimeoutStartSec=60
TimeoutStopSec=60
WatchdogSec=30
SupplementaryGroups=ipmp
RuntimeDirectory=ipmp
RuntimeDirectoryPreserve=yes
StateDirectory=ipmp
StateDirectoryMode=0700
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_SYS_NICE CAP_SYSLOG
AmbientCapabilities=
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths=/etc /var/lib/ipmp /run/ipmp
ReadOnlyPaths=-/proc/sys/kernel -/proc/sys/fs -/proc/sys/vm -/proc/sys/dev -/proc/sysrq-trigger
ProtectHome=yes
PrivateTmp=yes
ProtectClock=yes
DeviceAllow=/dev/console w
DeviceAllow=/dev/kmsg r
ProtectControlGroups=yes
ProtectHostname=yes
InaccessiblePaths=-/proc/kmsg
SystemCallFilter=~syslog
SystemCallErrorNumber=EPERM
ProtectKernelModules=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_PACKET AF_INET AF_INET6
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""

STATIC_UNIT_TEXT = """\
# Written by netpath.ipmp (role mpathd)
[Unit]
Description=Addresses of multipathing groups without in.mpathd, once, because it does not start

[Service]
Type=oneshot
ExecStart=/usr/local/lib/ipmp/bin/ipmp-static
"""

# Needs neither Python nor our code: either may be what is broken. An address that is somewhere stays there.
STATIC_TEXT = """\
#!/bin/sh
# Written by netpath.ipmp (role mpathd). The hostname files' addresses on their interfaces; nothing watches them.
root=${IPMP_ROOT:-}
"$root/usr/local/sbin/in.mpathd" --static && exit 0
echo "<3>in.mpathd --static fails as well: addresses are put where the last daemon wrote down that they belong"
held=$(ip -o address show)
while read -r what rest; do
    case $what in
    link) ip link set $rest ;;
    address)
        case $held in *" ${rest%%/*}/"*) continue ;; esac
        ip address add $rest proto 199 2>/dev/null || ip address add $rest
        ;;
    route) ip route add $rest 2>/dev/null ;;
    esac
done <"$root/var/lib/ipmp/static"
"""


def folders(root: str) -> List[Place]:
    """Directories that stay when the daemon goes (configuration), and those that go with it."""
    return [
        Place(os.path.join(root, "etc/ipmp"), folder=True, mode=0o755),
        Place(os.path.join(root, "etc/ipmp/rcm"), folder=True, mode=0o755),
        Place(os.path.join(root, "var/lib/ipmp"), folder=True, mode=0o700),
        Place(os.path.join(root, LIB), folder=True, mode=0o755),
        Place(os.path.join(root, LIB, "bin"), folder=True, mode=0o755),
        Place(os.path.join(root, "usr/local/sbin"), folder=True, mode=0o755),
    ]


def programs(root: str, python: str) -> List[Place]:
    """The launchers and the links to them."""
    result = []
    for name, module in PROGRAMS.items():
        launcher = os.path.join(root, LIB, "bin", name)
        text = LAUNCHER.format(python=python, lib=os.path.join(root, LIB), module=module)
        result.append(Place(launcher, text=text, mode=0o755))
        result.append(Place(os.path.join(root, "usr/local/sbin", name), link=launcher))
    result.append(Place(os.path.join(root, LIB, "bin", STATIC), text=STATIC_TEXT, mode=0o755))
    return result


def units(root: str, systemd: bool) -> List[Place]:
    """The daemon's unit and its stand-in's, where systemd runs; without systemd there shall be none."""
    texts = {UNIT: UNIT_TEXT, STATIC_UNIT: STATIC_UNIT_TEXT}
    return [Place(os.path.join(root, path), text=text if systemd else None) for path, text in texts.items()]


def removed(root: str) -> List[Place]:
    """Everything that goes with ``state: absent``. Hostname files and /etc/ipmp are the administrator's and stay."""
    names = [os.path.join("usr/local/sbin", name) for name in PROGRAMS]
    return [Place(os.path.join(root, path)) for path in [*names, LIB, UNIT, STATIC_UNIT, "var/lib/ipmp", "run/ipmp"]]
