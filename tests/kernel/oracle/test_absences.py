# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs that leave without being asked, come back by themselves, or come back as another card."""

from __future__ import annotations

import signal
from typing import Any, Dict, Iterator, List, Optional

import pytest
from bed import Bed, eventually
from cards import Cards

pytestmark = pytest.mark.kernel
A1, B1, C1 = "192.0.2.11", "192.0.2.12", "192.0.2.13"
FILES = {"hostname.eth1": f"{A1}/24 group g up\n", "hostname.eth2": f"{B1}/24 group g up\n"}
GONE = "eth1 was taken away without a detach; it is configured again when it returns"
BACK = r"^eth1 is there again, \d+ s after it was taken away"
ABSENT = "interface eth1 of group g was taken away without a detach; it is configured again when it returns"
CARD = "00f0:00:05"  # of a PCI domain that no machine has
OTHER = "02:00:5e:00:99:01"


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=3) as made:
        yield made


@pytest.fixture(autouse=True)
def own_cards(bed: Bed) -> Iterator[None]:
    """In the end each place has its card again."""
    macs = {name: nic.mac for name, nic in bed.host.nics.items()}
    yield
    for name, nic in bed.host.nics.items():
        if nic.mac != macs[name]:
            if nic.present:
                nic.take_out()
            nic.put_back(macs[name])


def records(bed: Bed) -> List[Dict[str, Any]]:
    return list(bed.call("transactions")["records"])


def listed(bed: Bed, name: str, *options: str) -> List[str]:
    """The words of its row."""
    lines = bed.run("cfgadm", *options, "-l").stdout.splitlines()
    return next(words for words in map(str.split, lines) if words[:1] == [name])


def on_disk(bed: Bed, folder: str) -> List[str]:
    place = bed.root / "var/lib/ipmp" / folder
    return sorted(path.name for path in place.iterdir()) if place.is_dir() else []


def test_taken_away_there_is_a_record_until_it_returns(bed: Bed) -> None:
    bed.start(FILES)
    assert (records(bed), on_disk(bed, "absent")) == ([], [])
    bed.nic("eth1").take_out()
    bed.log.wait(GONE)
    (record,) = records(bed)
    assert {key: record[key] for key in ("kind", "component", "interfaces", "mac", "addresses", "moves", "lost")} == {
        "kind": "removed",
        "component": "eth1",
        "interfaces": ["eth1"],
        "mac": {"eth1": bed.nic("eth1").mac},
        "addresses": {"eth1": [f"{A1}/24"]},
        "moves": [{"address": A1, "from": "eth1", "to": "eth2"}],
        "lost": [],
    }
    assert bed.hosting() == {A1: "eth2", B1: "eth2"}
    assert (bed.interface("eth1")["state"], bed.interface("eth1")["reason"]) == ("absent", ABSENT)
    assert ABSENT in bed.status()["warnings"]
    assert listed(bed, "eth1") == ["eth1", "ethernet", "empty", "unconfigured", "failed"]
    assert listed(bed, "eth1", "-v") == ["eth1", "empty", "unconfigured", "failed", *ABSENT.split()]
    eventually(lambda: on_disk(bed, "absent") == ["eth1.json"], "it is on the disk")
    bed.nic("eth1").put_back()
    eventually(bed.on(eth1=A1, eth2=B1), bed.hosting)
    assert records(bed) == []
    assert bed.status()["warnings"] == []
    assert listed(bed, "eth1")[2:] == ["connected", "configured", "ok"]
    eventually(lambda: on_disk(bed, "absent") == [], "it is on the disk no more")
    bed.log.wait(BACK)
    assert [line.level for line in bed.log.lines if line.text == GONE] == ["err"]
    assert [line.level for line in bed.log.lines if line.text.startswith("eth1 is there again")] == ["err"]


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_the_record_outlives_the_daemon(bed: Bed, when: str) -> None:
    bed.start(FILES)
    eventually(lambda: on_disk(bed, "cards") == ["eth1.json", "eth2.json"], "the cards are known")
    if when == "before":
        bed.nic("eth1").take_out()
        eventually(lambda: on_disk(bed, "absent") == ["eth1.json"], "it is on the disk")
    bed.stop(signal.SIGKILL)
    if when == "meanwhile":
        bed.nic("eth1").take_out()
    bed.run_daemon()
    assert [(r["kind"], r["component"]) for r in records(bed)] == [("removed", "eth1")]
    assert bed.interface("eth1")["reason"] == ABSENT
    bed.stop(signal.SIGKILL)
    bed.nic("eth1").put_back()
    bed.run_daemon()
    assert records(bed) == []
    bed.log.wait(BACK)
    assert len(bed.log.only([GONE])) == 1
    eventually(bed.on(eth1=A1, eth2=B1), bed.hosting)


@pytest.mark.parametrize("why", ["detached", "file"])
def test_a_record_ends_with_a_detach_and_with_its_file(bed: Bed, why: str) -> None:
    bed.start(FILES)
    bed.nic("eth1").take_out()
    bed.log.wait(GONE)
    if why == "detached":
        result = bed.run("cfgadm", "-c", "unconfigure", "eth1")
        assert (result.returncode, result.stderr) == (0, "")
        assert [(r["kind"], r["component"]) for r in records(bed)] == [("detached", "eth1")]
    else:
        bed.write({"hostname.eth1": None})
        bed.call("apply")
        assert records(bed) == []
        eventually(lambda: on_disk(bed, "cards") == ["eth2.json"], "it is forgotten")
    assert not any("eth1 is there again" in text for text in bed.log.texts())


def test_a_card_whose_nic_was_lost_is_found_by_its_record(bed: Bed) -> None:
    bed.start(FILES)
    with Cards(bed, {f"{CARD}.0": ["eth1"]}) as cards:
        bed.stop()
        bed.run_daemon()
        cards._leave([f"{CARD}.0"])
        bed.log.wait(GONE)
        (record,) = records(bed)
        assert record["card"]["functions"] == [f"{CARD}.0"]
        component = bed.call("detach-query", component="eth1", consumers=False)
        assert (component["state"], component["component"]["present"]) == ("removed", False)
        result = bed.run("cfgadm", "-c", "configure", "eth1")
        assert (result.returncode, result.stderr) == (0, "")
        assert cards.written == [("bus/pci/rescan", "1")]
        assert bed.hosting() == {A1: "eth1", B1: "eth2"}
        assert records(bed) == []


def replaced(name: str, now: str, before: str, was: Optional[str] = None) -> str:
    known = f", which was {was}," if was else ""
    return f"{name} is another card than before: {now}{known} instead of {before}"


@pytest.mark.oracle("T101")
@pytest.mark.parametrize("asked", [True, False], ids=["asked", "surprise"])
def test_another_card_of_that_name_is_accepted_and_reported(bed: Bed, asked: bool) -> None:
    bed.start(FILES)
    nic = bed.nic("eth1")
    told = replaced("eth1", OTHER, nic.mac)
    if asked:
        assert bed.run("cfgadm", "-c", "unconfigure", "eth1").returncode == 0
    nic.take_out()
    eventually(bed.on(eth2=f"{A1} {B1}"), bed.hosting)
    nic.put_back(OTHER)
    bed.log.wait(f"{told}; it is used as the files say of eth1")
    assert bed.status()["warnings"] == [told]
    if not asked:
        eventually(bed.on(eth1=A1, eth2=B1), bed.hosting)
        bed.stop(signal.SIGKILL)
        bed.run_daemon()
        assert bed.status()["warnings"] == [told]
    result = bed.run("cfgadm", "-c", "configure", "eth1")  # which is where somebody has seen it
    assert (result.returncode, result.stdout, result.stderr) == (0, told + "\n", "")
    assert bed.hosting() == {A1: "eth1", B1: "eth2"}
    assert bed.status()["warnings"] == []
    assert sum("is another card" in text for text in bed.log.texts()) == 1


@pytest.mark.oracle("T101")
def test_two_nics_that_have_swapped_their_names_are_reported(bed: Bed) -> None:
    bed.start({**FILES, "hostname.eth3": f"{C1}/24 group g up\n"})
    one, two = bed.nic("eth1"), bed.nic("eth2")
    macs = one.mac, two.mac
    one.take_out()
    two.take_out()
    eventually(bed.on(eth3=f"{A1} {B1} {C1}"), bed.hosting)
    one.put_back(macs[1])
    two.put_back(macs[0])
    eventually(bed.on(eth1=A1, eth2=B1, eth3=C1), bed.hosting)
    assert bed.status()["warnings"][0] == replaced("eth1", macs[1], macs[0], "eth2")
    assert bed.status()["warnings"][1].startswith("eth2 is another card than before: " + macs[0])


def test_a_nic_that_only_gets_another_hardware_address_is_the_same_card(bed: Bed) -> None:
    bed.start(FILES)
    name = bed.nic("eth1").name
    before = bed.nic("eth1").mac
    bed.host.ip(f"link set dev {name} address {OTHER}")
    try:
        eventually(lambda: bed.interface("eth1")["mac"] == OTHER, "it is seen")
        bed.stop()
        bed.run_daemon()
        assert bed.status()["warnings"] == []
        assert not any("another card" in text for text in bed.log.texts())
    finally:
        bed.host.ip(f"link set dev {name} address {before}")
