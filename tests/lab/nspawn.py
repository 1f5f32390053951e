# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The systemd bed: a host is a container booted by systemd-nspawn from a small Debian, ready in 0.3 s.

systemd, udev and journald run in it as on a machine; everything it writes goes to memory, outlives a restart of the
host and is gone with the lab.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, Callable, Optional, Tuple

from .host import Host
from .nursery import CLEAN_ENVIRONMENT, START_LIMIT, Nursery, Starting, children
from .spec import HostSpec, LabError

KINDS = ("mount", "net", "uts", "ipc", "pid", "cgroup")
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")  # 128 at first, for all containers of the machine together
INOTIFY_WANTED = 8192
STOP_LIMIT = 100.0  # s; systemd gives its units 90

# With --keep-unit nspawn makes its groups below the caller's, so each host first enters one of its own.
# /tmp is the nursery's.
SCRIPT = """
for top in /sys/fs/cgroup/unified /sys/fs/cgroup/systemd /sys/fs/cgroup; do
    if [ -e $top/cgroup.procs ]; then mkdir -p $top/$GROUP && echo $$ >$top/$GROUP/cgroup.procs; fi
done
disk=/tmp/disks/$NAME
if [ ! -e $disk ]; then
    mkdir -p $disk/written $disk/scratch $disk/root
    mount -t overlay -o "lowerdir=$ROOT,upperdir=$disk/written,workdir=$disk/scratch" overlay $disk/root
fi
exec systemd-nspawn -q -D $disk/root -M "$NAME" --register=no --keep-unit --private-network \\
    --link-journal=no --resolv-conf=off --timezone=off --console=read-only --boot
"""


class Booting(Starting):
    """A container on its way; ``ready()`` waits until systemd says it is up."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        super().__init__(process, forks=2)
        self.name, self._log = name, log
        self._deadline = time.monotonic() + START_LIMIT

    def streams(self) -> Tuple[Optional[IO[bytes]], ...]:
        """What nspawn printed."""
        return (self._log,)

    def console(self) -> str:
        """What the host has written to /dev/console."""
        number = self._log.fileno()
        return os.pread(number, os.fstat(number).st_size, 0).decode(errors="replace")

    def leader(self) -> int:
        """Process id of the container's systemd, which has just begun; LabError with what nspawn said."""
        return self._wait(self._leader)

    def ready(self, *, failed_units: bool = False) -> int:
        """The same when the host is up; LabError with what systemd said, also if units failed and must not."""
        leader = self.leader()
        inside = Host(self.name, leader, KINDS)
        self._wait(
            lambda: (
                inside.run(["systemctl", "is-system-running"], check=False).stdout.strip() in ("running", "degraded")
            )
        )
        failed = inside.run(["systemctl", "--failed", "--plain", "--no-legend"]).stdout
        if failed.strip() and not failed_units:
            raise LabError(f"host {self.name} came up with failed units:\n{failed}")
        return leader

    def stop(self) -> None:
        """Shut the host down in order."""
        for nspawn in children(self.process.pid):
            os.kill(nspawn, signal.SIGTERM)
        try:
            self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            raise LabError(f"host {self.name} did not shut down within {STOP_LIMIT:.0f} s") from None

    def _leader(self) -> int:
        for nspawn in children(self.process.pid):
            for pid in children(nspawn):
                try:
                    if Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip() == "systemd":
                        return pid
                except (FileNotFoundError, ProcessLookupError):
                    pass
        return 0

    def _wait(self, found: Callable[[], int]) -> int:
        while not (value := found()):
            if time.monotonic() > self._deadline or self.process.poll() is not None:
                self._log.seek(0)
                said = self._log.read().decode(errors="replace")[-2000:]
                raise LabError(f"host {self.name} did not come up within {START_LIMIT:.0f} s\n{said}")
            time.sleep(0.02)
        return value


def start(spec: HostSpec, nursery: Nursery, root: Path) -> Booting:
    """Begin to boot a host."""
    if int(INOTIFY.read_text(encoding="ascii")) < INOTIFY_WANTED:
        INOTIFY.write_text(str(INOTIFY_WANTED), encoding="ascii")
    log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the lab
    process = subprocess.Popen(
        [*nursery.enter("pid", "mount"), "sh", "-euc", SCRIPT],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env={**CLEAN_ENVIRONMENT, "ROOT": str(root), "NAME": spec.name, "GROUP": f"{nursery.prefix}-{spec.name}"},
        start_new_session=True,
    )
    begun = Booting(spec.name, process, log)
    nursery.started.append(begun)
    return begun


def host(spec: HostSpec, pid: int) -> Host:
    """The host whose systemd is process pid."""
    return Host(spec.name, pid, KINDS, role=spec.role)
