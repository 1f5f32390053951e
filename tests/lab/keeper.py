# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Program: keeps a lab's process namespace alive exactly as long as the lab, and clears up after it.

Run as ``keeper.py PARENT_PID PREFIX``. Starts a PID and mount namespace whose first process reaps orphans, prints its
process id, and waits until standard input closes or PARENT_PID ends, by whatever signal. Then everything in
that namespace is killed (the kernel does so with its first process), and every control group named PREFIX* and the
folder /tmp/PREFIX are removed.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

FIRST_PROCESS = """
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
echo ready
exec env --ignore-signal=CHLD sleep infinity
"""  # nspawn leaves folders in /run and /tmp


def remove_control_groups(prefix: str) -> None:
    """Remove this lab's directories under /sys/fs/cgroup, deepest first; they empty as processes go."""
    roots = [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*")]
    for _ in range(200):
        left = False
        for root in roots:
            for top in root.glob(prefix + "*"):
                for folder, _names, _files in os.walk(top, topdown=False):
                    try:
                        os.rmdir(folder)
                    except OSError:
                        left = True
        if not left:
            return
        time.sleep(0.02)


def main() -> None:
    """See the module's first sentence."""
    parent, prefix = int(sys.argv[1]), sys.argv[2]
    try:
        lifeline = os.pidfd_open(parent)
    except ProcessLookupError:
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    command = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        "--pid",
        "--mount",
        "--propagation",
        "private",
        "--fork",
        "--kill-child",
        "sh",
        "-euc",
        FIRST_PROCESS,
    ]
    unshare = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert unshare.stdout is not None
    if unshare.stdout.readline().strip() != b"ready":
        sys.exit(f"keeper: {' '.join(command)} failed: root and the right to make namespaces are needed")
    children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children").read_text(encoding="ascii").split()
    print(children[0], flush=True)
    waiting = select.poll()
    waiting.register(lifeline, select.POLLIN)
    waiting.register(0, select.POLLHUP | select.POLLIN)
    waiting.poll()
    os.kill(int(children[0]), signal.SIGKILL)
    unshare.wait()
    remove_control_groups(prefix)
    shutil.rmtree(f"/tmp/{prefix}", ignore_errors=True)


main()
