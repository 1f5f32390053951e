# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab itself, quick bed: hosts that are apart, cables, cards, and nothing left behind."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator, List, Set, Tuple

import pytest
from namespaces import eventually

from lab import Host, Lab, LabError, compare, describe, dump

pytestmark = pytest.mark.kernel
TESTS = Path(__file__).parents[1]


@pytest.fixture(params=["veth", "tap"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with Lab(describe(hosts=2, nics=2, kind=request.param)) as made:
        for number, host in enumerate(made.hosts.values(), 1):
            host.ip("link set eth1 up", f"addr add 192.0.2.{number}/24 dev eth1")
        yield made


def reaches(host: Host, address: str = "192.0.2.250", wait: float = 1) -> bool:
    return host.run(["ping", "-c1", f"-W{wait}", address], check=False).returncode == 0


def carrier(host: Host, nic: str = "eth1") -> bool:
    return host.read_file(f"/sys/class/net/{nic}/carrier").strip() == "1"


def test_a_pulled_cable_takes_carrier_and_frames_until_it_is_plugged(lab: Lab) -> None:
    host, nic = lab.hosts["h1"], lab.nic("h1", "eth1")
    assert eventually(lambda: reaches(host))
    assert carrier(host)
    nic.pull()
    assert eventually(lambda: not carrier(host))
    assert not reaches(host)
    nic.plug()
    assert eventually(lambda: carrier(host))
    assert eventually(lambda: reaches(host))


def test_a_cut_path_keeps_its_carrier_also_when_the_cable_is_replugged(lab: Lab) -> None:
    host, nic = lab.hosts["h1"], lab.nic("h1", "eth1")
    assert eventually(lambda: reaches(host))
    nic.cut()
    assert carrier(host)
    assert not reaches(host)
    nic.pull()
    nic.plug()
    assert eventually(lambda: carrier(host))
    assert not reaches(host)
    nic.mend()
    assert eventually(lambda: reaches(host))


def test_a_slow_switch_port_has_carrier_before_it_forwards(lab: Lab) -> None:
    host, nic = lab.hosts["h1"], lab.nic("h1", "eth1")
    nic.delay_forwarding(1.5)
    nic.pull()
    plugged = time.monotonic()
    nic.plug()
    assert eventually(lambda: carrier(host))
    assert eventually(lambda: reaches(host, wait=0.2))
    assert time.monotonic() - plugged > 1.4


def test_a_card_that_is_taken_out_is_gone_and_comes_back_as_a_new_device(lab: Lab) -> None:
    host, nic = lab.hosts["h1"], lab.nic("h1", "eth1")
    index = host.read_file("/sys/class/net/eth1/ifindex")
    mac = host.read_file("/sys/class/net/eth1/address")
    nic.take_out()
    assert not host.exists("/sys/class/net/eth1")
    with pytest.raises(LabError, match="eth1 is not in"):
        nic.pull()
    nic.put_back()
    assert host.read_file("/sys/class/net/eth1/ifindex") != index
    assert host.read_file("/sys/class/net/eth1/address") == mac
    nic.take_out()
    nic.put_back("02:00:00:00:00:99")
    assert host.read_file("/sys/class/net/eth1/address").strip() == "02:00:00:00:00:99"
    host.ip("link set eth1 up", "addr add 192.0.2.1/24 dev eth1")
    assert eventually(lambda: reaches(host))


def test_hosts_are_apart_from_each_other_and_from_the_machine() -> None:
    links = set(os.listdir("/sys/class/net"))
    with Lab(describe(hosts=2, nics=1)) as lab:
        first, second = lab.hosts.values()
        for folder in ("/etc", "/var", "/run", "/tmp", "/usr/local", "/root"):
            first.write_file(f"{folder}/netpath-lab-test", "here")
            assert not second.exists(f"{folder}/netpath-lab-test")
            assert not os.path.exists(f"{folder}/netpath-lab-test")
        assert first.run("hostname; cat /etc/hostname").stdout.split() == ["h1", "h1"]
        assert first.run("ls /etc/hostname.* /etc/hostname6.*", check=False).returncode != 0
        assert set(os.listdir("/sys/class/net")) == links
        assert json.loads(first.run("ip -j link show eth1").stdout)[0]["ifname"] == "eth1"


def test_signals_reach_the_program_and_a_failing_one_shows_its_output(lab: Lab) -> None:
    host = lab.hosts["h1"]
    sleeper = host.popen(["sleep", "1000"])
    assert eventually(lambda: len(host.processes()) >= 2)
    sleeper.terminate()
    assert sleeper.wait(10) == -signal.SIGTERM
    with pytest.raises(LabError, match="no such thing"):
        host.run("echo no such thing >&2; exit 3")
    with pytest.raises(LabError, match="longer than"):
        host.run("sleep 1000", timeout=0.2)


def test_a_dump_sees_every_kind_of_change_and_nothing_else(lab: Lab) -> None:
    host = lab.hosts["h1"]
    host.ip("link set eth2 up")
    assert eventually(lambda: "tentative" not in host.run("ip -6 addr").stdout)
    before = dump(host)
    assert compare(before, dump(host)) == []
    changes = {
        "addresses": "ip addr add 192.0.2.99/32 dev eth2",
        "routes": "ip route add 198.51.100.0/24 via 192.0.2.250",
        "nexthops": "ip nexthop add id 7 dev eth2",
        "rules": "ip rule add from 192.0.2.99 lookup 7",
        "neighbours": "ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev eth1",
        "sysctls": "sysctl -qw net.ipv4.conf.eth2.arp_ignore=1",
        "links": "ip link set eth2 mtu 1400",
    }
    for section, command in changes.items():
        host.run(command)
        after = dump(host)
        assert any(line.startswith(section) for line in compare(before, after)), section
        before = after


MAKER = """
import sys, time
from lab import Lab, describe
lab = Lab(describe(hosts=2, nics=2, kind=sys.argv[1]))
lab.hosts["h1"].popen("setsid sleep 98765 & sleep 98765")
lab.controller.popen(["sleep", "98765"])
print(lab.nursery.pid, lab.nursery.prefix, flush=True)
time.sleep(1000)
"""


def processes_and_namespaces(nursery: int) -> Tuple[Set[int], Set[str]]:
    """The processes in the lab's process namespace and in those below it, and the namespaces that only they are in."""
    around = os.readlink(f"/proc/{nursery}/ns/pid")
    pids = {pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if around in process_spaces(pid)}
    kinds = ("net", "mnt", "pid", "uts", "ipc")
    theirs = {os.readlink(f"/proc/{pid}/ns/{kind}") for pid in pids for kind in kinds}
    return pids, theirs - {os.readlink(f"/proc/self/ns/{kind}") for kind in kinds}


def process_spaces(pid: int) -> List[str]:
    """The process namespace of a process and the one around that (ioctl NS_GET_PARENT)."""
    try:
        with open(f"/proc/{pid}/ns/pid") as space:
            above = fcntl.ioctl(space, 0xB702)
            try:
                return [os.readlink(f"/proc/self/fd/{n}") for n in (space.fileno(), above)]
            finally:
                os.close(above)
    except OSError:
        return []


def namespaces_in_use() -> Set[str]:
    found = set()
    for space in Path("/proc").glob("[0-9]*/ns/*"):
        try:
            found.add(os.readlink(space))
        except OSError:
            pass
    return found


@pytest.mark.parametrize("kind", ["veth", "tap"])
@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_lab_leaves_nothing(kind: str, sig: int) -> None:
    maker = subprocess.Popen(
        [sys.executable, "-c", MAKER, kind],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    assert maker.stdout is not None
    nursery, prefix = maker.stdout.readline().split()
    pids, spaces = processes_and_namespaces(int(nursery))
    assert len(pids) >= 10
    assert len(spaces) >= 15
    maker.send_signal(sig)
    maker.wait()
    maker.stdout.close()
    assert eventually(lambda: not spaces & namespaces_in_use(), 60), "namespaces are left"
    assert not [pid for pid in pids if set(process_spaces(pid)) & spaces], "processes are left"
    assert not [d for d in Path("/sys/fs/cgroup").glob("*/netpath-lab*") if prefix in d.name]
