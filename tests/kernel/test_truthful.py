# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module says in check mode is what it then does, and what it says it did is what files and kernel show.

A seed is a walk: from a host without groups through random wanted states, each from the state that the one before has
left, with people's edits between. ``TRUTHFUL_SEEDS`` (4) walks of ``TRUTHFUL_STEPS`` (8) tasks; ``TRUTHFUL_FIRST``
is the first seed, so that one walk can be made again.
"""

from __future__ import annotations

import os
from typing import Any, Dict, Iterator, List, Mapping, Tuple

import pytest
from asking import call, start
from modules import Modules, Seen
from namespaces import eventually
from wishes import Task, Wishes

from lab import Host, Lab, compare, dump, inventory

pytestmark = pytest.mark.kernel
SEEDS = int(os.environ.get("TRUTHFUL_SEEDS", "4"))
STEPS = int(os.environ.get("TRUTHFUL_STEPS", "8"))
FIRST = int(os.environ.get("TRUTHFUL_FIRST", "0"))
LAB = {
    "links": ["lan"],
    "hosts": {"h1": {"nics": {f"eth{n}": {"link": "lan"} for n in (1, 2, 3)}}},
    "client": {"nics": {"c0": {"link": "lan", "addresses": ["192.0.2.250/24", "198.51.100.250/24"]}}},
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with the daemon and no group."""
    with Lab(LAB) as lab:
        path = tmp_path_factory.mktemp("inventory") / "hosts.yml"
        lab.write_inventory(path, {"h1": {"ipmp_groups": []}})
        done = inventory.ansible(lab.controller, "netpath.ipmp.setup", "-i", str(path))
        assert done.returncode == 0, done.stdout + done.stderr
        # The kernel's own check of link-local addresses would be taken for something that somebody has done.
        lab.hosts["h1"].run("for f in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 >$f; done")
        yield lab.hosts["h1"]


@pytest.fixture
def modules(host: Host) -> Iterator[Modules]:
    """The host with no file of ours, and the modules on it."""
    host.run("rm -f /etc/hostname.* /etc/hostname6.* /etc/ipmp/groups.conf /etc/default/mpathd")
    assert "kind" not in call(host, "apply")
    with Modules(host) as made:
        yield made


def quiet(modules: Modules) -> None:
    """Nothing is on its way any more."""
    assert eventually(modules.quiet, 20)


def moves_between(before: Seen, after: Seen) -> List[Dict[str, Any]]:
    """MOVEs, from the kernel's addresses."""
    return [
        {"address": ip, "from": "".join(was) or None, "to": "".join(now) or None}
        for ip in sorted({*before.hosting, *after.hosting})
        for was, now in [(before.hosting.get(ip, []), after.hosting.get(ip, []))]
        if was != now
    ]


def in_order(moves: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    return sorted(moves, key=lambda move: str(move["address"]))


def diff_of(before: Mapping[str, str], after: Mapping[str, str], moves: List[Dict[str, Any]]) -> List[Tuple[str, ...]]:
    """What a diff has to show: the files, and where the addresses were and are."""
    found = [
        (path, before.get(path, ""), after.get(path, ""))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]
    lines = [
        "".join(f"{move['address']} on {move[way] or 'no interface'}\n" for move in moves) for way in ("from", "to")
    ]
    return [*found, *([("addresses", lines[0], lines[1])] if moves else [])]


def shown(result: Mapping[str, Any]) -> List[Tuple[str, ...]]:
    return [(entry["after_header"], entry["before"], entry["after"]) for entry in result["diff"]]


TOLD = ("changed", "moves", "files", "diff", "failed", "msg", "reason", "refusals")


def said(result: Mapping[str, Any]) -> Dict[str, Any]:
    """What check and run have to agree on."""
    return {key: result[key] for key in TOLD if key in result}


def judge(modules: Modules, task: Task) -> None:
    """One task: check, run, check, run."""
    quiet(modules)
    before = modules.see()
    modules.told()
    checked = modules.run(task.module, check=True, **task.options)
    assert (modules.see(), modules.told()) == (before, []), "check mode touched something"

    done = modules.run(task.module, **task.options)
    after = modules.see()
    assert said(done) == said(checked)
    if done.get("failed"):
        assert (after, modules.told()) == (before, []), "a refusal touched something"
        assert "\n" not in done["msg"].strip()
        return
    assert sorted(done["files"]) == [p for p, _was, _now in diff_of(before.texts, after.texts, [])]
    assert in_order(done["moves"]) == moves_between(before, after)
    assert shown(done) == diff_of(before.texts, after.texts, done["moves"])
    assert done["changed"] or after == before

    quiet(modules)
    after = modules.see()
    modules.told()
    for check in (True, False):
        again = modules.run(task.module, check=check, **task.options)
        assert said(again) == {"changed": False, "moves": [], "files": [], "diff": []}
        assert (modules.see(), modules.told()) == (after, []), "what was so already was written again"


def as_after_a_boot(host: Host, modules: Modules) -> None:
    """Whatever way led here, the kernel holds what it would if the host had just started with these files."""
    if call(host, "apply", wait_timeout=2).get("kind") is not None:
        return  # the last edit was a wrong one
    status = call(host, "status")
    if any(address["interface"] != address["owner"] for address in status["addresses"] if not address["deprecated"]):
        return  # FAILBACK=no: who hosts what depends on the way
    quiet(modules)
    before = dump(host)
    assert call(host, "release")["changed"] in (True, False)
    assert eventually(lambda: call(host, "ping").get("kind") == "unreachable")
    host.run("rm -f /var/lib/ipmp/*.json /run/ipmp/*.json")
    start(host)
    quiet(modules)
    assert compare(before, dump(host), nexthop_ids=False) == []


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_check_mode_says_what_a_run_then_does(host: Host, modules: Modules, seed: int) -> None:
    wishes = Wishes(seed)
    history: List[Any] = []
    try:
        for _ in range(STEPS):
            edit = wishes.edit(modules.see().texts)
            for path, text in (edit or {}).items():
                host.write_file(path, text) if text is not None else host.run(["rm", path])
            if edit and wishes.chosen(50):
                call(host, "apply", wait_timeout=2)
            task = wishes.task()
            history.append((edit, task))
            judge(modules, task)
        as_after_a_boot(host, modules)
    except AssertionError as problem:
        story = "\n".join(map(str, history))
        raise AssertionError(f"seed {seed}, after\n{story}\n{problem}") from problem


def test_what_was_only_written_is_put_into_force_by_the_next_run(host: Host, modules: Modules) -> None:
    """Settings that no address and no route shows: without them in force, nothing would differ in the kernel."""
    group: Dict[str, Any] = {"name": "lan", "interfaces": [{"name": "eth1", "data_addresses": ["192.0.2.11/24"]}]}
    judge(modules, Task("ipmp_group", group))
    wanted = {**group, "targets": ["192.0.2.250"], "failback": False}
    judge(modules, Task("ipmp_group", {**wanted, "apply": False}))
    assert call(host, "status")["groups"][0]["targets"] == []
    judge(modules, Task("ipmp_group", wanted))
    (now,) = call(host, "status")["groups"]
    assert (now["targets"], now["failback"]) == (["192.0.2.250"], False)


def test_an_mtu_comes_and_goes_with_its_file(host: Host, modules: Modules) -> None:
    """Also on a NIC that is a member already, and with the file's last word of it the MTU from before."""
    before = host.read_file("/sys/class/net/eth1/mtu").strip()
    for mtu in (1400, 1300, None):
        nic = {"name": "eth1", "data_addresses": ["192.0.2.11/24"], **({"mtu": mtu} if mtu else {})}
        judge(modules, Task("ipmp_group", {"name": "lan", "interfaces": [nic]}))
        assert host.read_file("/sys/class/net/eth1/mtu").strip() == str(mtu or before)


TWO_FILES = {
    "name": "lan",
    "targets": ["192.0.2.250"],
    "interfaces": [{"name": "eth1", "data_addresses": ["192.0.2.12/24", "2001:db8::12/64"]}],
}
TROUBLES = {
    "read-only /etc": (
        "mount -o remount,ro /etc",
        "mount -o remount,rw /etc",
        "cannot be written: Read-only file system",
    ),
    "no room for the second file": (
        "mkdir -p /etc/ipmp; mount -t tmpfs -o size=4k,nr_inodes=4 full /etc/ipmp; head -c 4096 /dev/zero >/etc/ipmp/x",
        "umount /etc/ipmp",
        "cannot be written: No space left on device",
    ),
    "the kernel refuses an address": (
        "echo 1 >/proc/sys/net/ipv6/conf/eth1/disable_ipv6",
        "echo 0 >/proc/sys/net/ipv6/conf/eth1/disable_ipv6",
        "cannot add 2001:db8::12 on eth1",
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_fails_half_way_leaves_files_and_host_as_they_were(host: Host, modules: Modules, trouble: str) -> None:
    begin, end, sentence = TROUBLES[trouble]
    judge(
        modules,
        Task("ipmp_group", {"name": "lan", "interfaces": [{"name": "eth1", "data_addresses": ["192.0.2.11/24"]}]}),
    )
    before = modules.see()
    host.run(begin)
    try:
        done = modules.run("ipmp_group", **TWO_FILES)
    finally:
        host.run(end)
    assert done.get("failed"), done
    assert sentence in done["msg"]
    assert "\n" not in done["msg"].strip()
    after = modules.see()
    assert (after.texts, after.hosting) == (before.texts, before.hosting)
    judge(modules, Task("ipmp_group", TWO_FILES))  # nothing is left that would be in the way


def test_a_link_that_does_not_come_up_in_time_is_told_and_the_files_stay(host: Host, modules: Modules) -> None:
    nics = [{"name": f"eth{n}", "data_addresses": [f"192.0.2.1{n}/24"]} for n in (1, 2)]
    host.nics["eth1"].pull()
    try:
        done = modules.run("ipmp_group", name="lan", interfaces=nics, wait_timeout=1)
        assert not done.get("failed"), done
        assert [w for w in map(str, done["warnings"]) if "eth1 is not fit after 1 s: the link is down" in w] != []
        assert modules.see().hosting == {"192.0.2.11": ["eth2"], "192.0.2.12": ["eth2"]}
        assert in_order(done["moves"]) == [{"address": f"192.0.2.1{n}", "from": None, "to": "eth2"} for n in (1, 2)]
        again = modules.run("ipmp_group", name="lan", interfaces=nics, wait_timeout=1)
        assert again["changed"] is False
    finally:
        host.nics["eth1"].plug()
