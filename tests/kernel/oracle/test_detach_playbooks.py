# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped playbooks take a card with two NICs out of a host and put it back; a trial that fails does so too."""

from __future__ import annotations

import re
import subprocess
import threading
from pathlib import Path
from typing import Callable, Dict, Iterator, List

import pytest
from bed import Bed, eventually
from cards import Cards, at_rest

from lab import compare, dump, inventory

pytestmark = pytest.mark.kernel
COLLECTIONS = Path(__file__).resolve().parents[3] / "build" / "collections"
CARD = "00f0:00:05"  # of a PCI domain that no machine has, lest anything happen to its own cards
FUNCTIONS = {f"{CARD}.0": ["eth1"], f"{CARD}.1": ["eth2"]}
TRIO: Dict[str, str] = {f"hostname.eth{n}": f"192.0.2.1{n}/24 group g up\n" for n in (1, 2, 3)}
HOME = {f"192.0.2.1{n}": f"eth{n}" for n in (1, 2, 3)}

Play = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=3) as made:
        yield made


@pytest.fixture
def play(bed: Bed, tmp_path: Path) -> Play:
    bed.start(TRIO)
    bed.lab.write_inventory(tmp_path / "hosts.yml")
    extra = {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_HOME": str(tmp_path / "ansible")}
    options = ("-i", str(tmp_path / "hosts.yml"), "-e", "ipmp_hosts=h1", "-e", f"ipmp_component={CARD}")

    def play(playbook: str, *more: str) -> subprocess.CompletedProcess[str]:
        return inventory.ansible(bed.lab.controller, *options, f"netpath.ipmp.{playbook}", *more, extra=extra)

    return play


def present(bed: Bed) -> List[bool]:
    return [bed.nic(name).present for name in ("eth1", "eth2")]


def test_a_card_goes_and_comes_back(bed: Bed, play: Play) -> None:
    with Cards(bed, FUNCTIONS) as cards:
        before = at_rest(bed)
        checked = play("dr_check")
        assert checked.returncode == 0, checked.stdout
        assert "192.0.2.12 would move from eth2 to eth3" in checked.stdout
        assert compare(before, dump(bed.host)) == []
        detached = play("dr_detach")
        assert detached.returncode == 0, detached.stdout
        assert (set(bed.hosting().values()), present(bed)) == ({"eth3"}, [False, False])
        assert [path for path, _text in cards.written] == [f"devices/pci0000:00/{f}/remove" for f in FUNCTIONS]
        again = play("dr_detach")
        assert (again.returncode, "changed=0" in again.stdout) == (0, True), again.stdout
        attached = play("dr_reattach")
        assert attached.returncode == 0, attached.stdout
        assert (bed.hosting(), present(bed)) == (HOME, [True, True])


def test_a_card_is_replaced_when_the_hook_says_so(bed: Bed, play: Play) -> None:
    """Nobody sees a card come to a bus without hot-plug; the reattach scans the bus."""
    with Cards(bed, FUNCTIONS) as cards:
        done = play("dr_replace", "-e", "ipmp_replace_hook=true")
        assert done.returncode == 0, done.stdout
        assert [path for path, _text in cards.written][-1] == "bus/pci/rescan"
        assert (bed.hosting(), present(bed)) == (HOME, [True, True])


def test_a_trial_that_fails_puts_the_card_back(bed: Bed, play: Play) -> None:
    with Cards(bed, FUNCTIONS):
        done = play("dr_detach", "-e", '{"ipmp_verify_ports": [9]}')
        assert done.returncode == 2
        assert re.search(r"accepts no connection to port 9.*it was put back", done.stdout + done.stderr)
        assert (bed.hosting(), present(bed)) == (HOME, [True, True])
        assert bed.call("transactions")["open"] is None


def test_what_is_not_as_it_was_after_a_trial_that_failed_is_told(bed: Bed, play: Play) -> None:
    def meddle() -> None:
        eventually(lambda: bed.hosting().get("192.0.2.11") not in (None, "eth1"), "it has moved", 120)
        bed.host.ip("addr add 198.51.100.9/32 dev eth3")

    meddler = threading.Thread(target=meddle)
    meddler.start()
    try:
        done = play("dr_detach", "-e", "ipmp_component=eth1", "-e", '{"ipmp_verify_ports": [9]}')
    finally:
        meddler.join(150)
        bed.run("ip", "addr", "del", "198.51.100.9/32", "dev", "eth3")
    assert done.returncode == 2
    told = "it was put back, but not everything is as it was: addresses: 198.51.100.9/32 on eth3 is new"
    assert re.search(r"^h1 +eth1 +rolled back +.*" + re.escape(told), done.stdout, re.MULTILINE), done.stdout
    assert bed.hosting() == HOME


def test_a_card_that_no_timer_could_bring_back_needs_another_way(bed: Bed, play: Play) -> None:
    with Cards(bed, FUNCTIONS, slots={"7": CARD}) as cards:
        for playbook in ("dr_check", "dr_detach"):
            refused = play(playbook)
            assert refused.returncode == 2
            assert "use hardware=pci, driver or none" in refused.stdout + refused.stderr
        assert (bed.hosting(), present(bed), cards.written) == (HOME, [True, True], [])
        assert play("dr_detach", "-e", "ipmp_hardware=driver").returncode == 0
        assert [path for path, _text in cards.written] == ["bus/pci/drivers/e1000/unbind"] * 2
        assert play("dr_reattach").returncode == 0
        assert (bed.hosting(), present(bed)) == (HOME, [True, True])


def test_a_card_that_cannot_be_put_back_does_not_pass_for_untouched(bed: Bed, play: Play) -> None:
    with Cards(bed, FUNCTIONS) as cards:
        cards.stuck.add(f"{CARD}.1")
        (bed.root / "sys/bus/pci/rescan").unlink()
        done = play("dr_detach")
        assert done.returncode == 2
        (line,) = [line for line in done.stdout.splitlines() if re.match(rf"h1  +{CARD}  +failed", line)]
        assert "so it stays detached" in line and line.endswith("; status says how it is now")
        assert (bed.interface("eth1")["state"], set(bed.hosting().values())) == ("detached", {"eth3"})


def test_an_attach_that_is_not_as_after_a_boot_is_one_all_the_same(bed: Bed, play: Play) -> None:
    """A macvlan cannot have a larger MTU than the NIC below it, which has become smaller meanwhile."""
    a, b = "192.0.2.11", "192.0.2.12"
    bed.start({"hostname.eth1": f"{a}/24 group g up\n", "hostname.mv0": f"{b}/24 group g mtu 2000 up\n"})
    bed.host.ip("link set eth3 up mtu 2000", "link add link eth3 name mv0 type macvlan mode bridge")
    try:
        eventually(bed.on(eth1=a, mv0=b), bed.hosting)
        assert bed.run("cfgadm", "-c", "unconfigure", "mv0").returncode == 0
        bed.host.ip("link set eth3 mtu 1500")
        done = play("dr_reattach", "-e", "ipmp_component=mv0")
        assert done.returncode == 2
        assert re.search(r"h1  +mv0  +failed .*mv0: its MTU is 1500, not 2000; it is attached\n", done.stdout), (
            done.stdout
        )
        assert bed.on(eth1=a, mv0=b)()
    finally:
        bed.run("ip", "link", "del", "mv0")
        bed.host.ip("link set eth3 mtu 1500 down")
