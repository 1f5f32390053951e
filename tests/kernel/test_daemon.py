# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a caller asks of the daemon at an awkward moment is answered, and true."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, Dict, Iterator

import pytest
from asking import call
from namespaces import eventually

from lab import Host, Lab, describe, inventory

pytestmark = pytest.mark.kernel
GROUP = {
    "name": "lan",
    "interfaces": [
        {"name": "eth1", "data_addresses": ["192.0.2.11/24", "2001:db8::11/64"]},
        {"name": "eth2", "data_addresses": ["192.0.2.12/24"]},
    ],
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(describe(hosts=1, nics=2)) as made:
        path: Path = tmp_path_factory.mktemp("inventory") / "hosts.yml"
        made.write_inventory(path, {"h1": {"ipmp_groups": [GROUP]}})
        done = inventory.ansible(made.controller, "netpath.ipmp.setup", "-i", str(path))
        assert done.returncode == 0, done.stdout + done.stderr
        yield made


def test_what_is_being_rolled_back_cannot_be_confirmed(lab: Lab) -> None:
    host = lab.hosts["h1"]
    name = call(host, "detach-prepare", component="eth1", confirm_timeout=60)["transaction"]
    call(host, "detach-commit", transaction=name)
    lab.nic("h1", "eth1").pull()  # so the rollback has to wait for the link
    answer: Dict[str, Any] = {}
    asking = threading.Thread(target=lambda: answer.update(call(host, "detach-rollback", transaction=name)))
    asking.start()
    try:
        assert eventually(lambda: call(host, "transactions")["open"]["state"] == "rolling-back", 60)
        late = {
            op: call(host, op, transaction=name, **more)
            for op, more in (("detach-extend", {"seconds": 9}), ("detach-commit", {}), ("detach-confirm", {}))
        }
    finally:
        lab.nic("h1", "eth1").plug()
        asking.join()
    assert {op: said.get("kind") for op, said in late.items()} == dict.fromkeys(late, "state")
    assert answer["rolled_back"] is True
    told = call(host, "transactions")
    assert [t["state"] for t in told["history"] if t["transaction"] == name] == ["rolled_back"]
    assert told["records"] == []


def cpu_seconds(host: Host) -> float:
    pid = call(host, "ping")["pid"]
    fields = host.run(["cat", f"/proc/{pid}/stat"]).stdout.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_a_flapping_nic_that_is_taken_out_leaves_no_busy_daemon(lab: Lab) -> None:
    host, nic = lab.hosts["h1"], lab.nic("h1", "eth1")
    for _ in range(3):
        nic.pull()
        assert eventually(lambda: "DOWN" in link(host), 60)
        nic.plug()
        assert eventually(lambda: "DOWN" not in link(host), 60)
    nic.take_out()
    time.sleep(61)  # past the end of the damping, which nobody waits for any more
    before = cpu_seconds(host)
    time.sleep(4)
    assert cpu_seconds(host) - before < 2
    nic.put_back()


def link(host: Host) -> str:
    status = call(host, "status")
    return next(i["link"] for i in status["interfaces"] if i["name"] == "eth1").upper()
