# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's systemd bed: hosts that boot, udev that sees cards come and go, and no control group left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from namespaces import eventually

from lab import Lab, describe

pytestmark = pytest.mark.kernel
TESTS = Path(__file__).parents[1]
MAKER = """
import time
from lab import Lab, describe
lab = Lab(describe(hosts=2, nics=1, bed="systemd"))
print(lab.nursery.pid, lab.nursery.prefix, flush=True)
time.sleep(1000)
"""


def groups(prefix: str) -> list:
    # os.walk passes over what vanishes while one looks.
    return [name for _path, names, _files in os.walk("/sys/fs/cgroup") for name in names if name.startswith(prefix)]


def test_hosts_boot_and_udev_knows_a_card_that_comes_back() -> None:
    with Lab(describe(hosts=2, nics=2, bed="systemd")) as lab:
        host, nic = lab.hosts["h1"], lab.nic("h1", "eth1")
        assert host.run("hostname; systemctl is-system-running; systemctl is-active systemd-udevd").stdout.split() == [
            "h1",
            "running",
            "active",
        ]
        assert host.run(["python3", "-c", "import pyroute2"], check=False).returncode != 0
        for number, other in enumerate(lab.hosts.values(), 1):
            other.ip("link set eth1 up", f"addr add 192.0.2.{number}/24 dev eth1")
        assert eventually(lambda: host.run(["ping", "-c1", "-W1", "192.0.2.2"], check=False).returncode == 0)
        nic.take_out()
        assert not host.exists("/sys/class/net/eth1")
        nic.put_back()
        index = host.read_file("/sys/class/net/eth1/ifindex").strip()
        assert eventually(lambda: host.exists(f"/run/udev/data/n{index}"))


def test_a_killed_lab_leaves_no_container_and_no_control_group() -> None:
    maker = subprocess.Popen(
        [sys.executable, "-c", MAKER],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    assert maker.stdout is not None
    with maker.stdout:
        nursery, prefix = maker.stdout.readline().split()
    assert groups(prefix)
    maker.send_signal(signal.SIGKILL)
    maker.wait()
    assert eventually(lambda: not os.path.exists(f"/proc/{nursery}/exe"))
    assert eventually(lambda: not groups(prefix))
    assert not list(Path("/tmp").glob("nspawn-*"))
