# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the test oracle about NICs that are put back: which files count, where addresses are, what the kernel holds.

Reload is what people do after they have edited a file; an attach reads the files as well.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
from typing import Any, Dict, Iterator, List, Set

import pytest
from bed import Bed, eventually
from cards import Cards, at_rest

from lab import compare

pytestmark = pytest.mark.kernel
A1, B1, C1, A9 = "192.0.2.11", "192.0.2.12", "192.0.2.13", "192.0.2.19"
A6 = "2001:db8::11"
TA, TB, TC = "192.0.2.111", "192.0.2.112", "192.0.2.113"
TEST = "addif {}/24 deprecated -failover up\n"
PAIR: Dict[str, str] = {"hostname.eth1": f"{A1}/24 group g up\n", "hostname.eth2": f"{B1}/24 group g up\n"}
PLAIN = {**PAIR, "hostname.eth1": f"{A1}/24 broadcast 192.0.2.127 group g mtu 1400 up\n"}
PLAIN["hostname6.eth1"], PLAIN["hostname6.eth2"] = f"group g up addif {A6}/64 up\n", "group g up\n"
PROBED = {
    **PLAIN,
    "hostname.eth1": PLAIN["hostname.eth1"] + TEST.format(TA),
    "hostname.eth2": PAIR["hostname.eth2"] + TEST.format(TB),
}
GROUPS = "[g]\ngateways = 192.0.2.254, 2001:db8::254\nroutes = 198.51.100.0/24 via 192.0.2.254\n"
QUICK = "FAILURE_DETECTION_TIME=1000\n"
KINDS = pytest.mark.parametrize("files", [PLAIN, PROBED], ids=["plain", "probed"])
RELOADED = pytest.mark.parametrize("reloaded", [True, False], ids=["reloaded", "as edited"])
CARD = "0000:00:05"
OTHER = "02:00:5e:00:99:01"


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    with Bed(nics=3) as made:
        yield made


def start(bed: Bed, files: Dict[str, str], defaults: str = QUICK) -> None:
    """It serves, and where it probes that is proved."""
    bed.start(files, groups=GROUPS, defaults=defaults)
    probed = {name.partition(".")[2] for name, text in files.items() if "-failover" in text}

    def proven() -> Set[str]:
        return {i["name"] for i in bed.status()["interfaces"] if any(p["acked"] for p in i["probing"])}

    eventually(lambda: proven() == probed, proven)


def state(bed: Bed) -> Dict[str, Any]:
    """All that the kernel holds and all that status tells, but for numbers and times."""
    kernel, status = at_rest(bed), bed.status()
    kept = ("group", "active", "state", "link", "probe", "flags", "test_addresses", "mac", "mtu")
    told: Dict[str, Any] = {i["name"]: {k: i[k] for k in kept} for i in status["interfaces"]}
    told["addresses"] = {a["address"]: a for a in status["addresses"]}
    told["groups"] = {g["name"]: [g["state"], g["active"], g["inactive"], g["unusable"]] for g in status["groups"]}
    return {**kernel, "status": told}


def as_before(bed: Bed, before: Dict[str, Any]) -> None:
    """Soon everything is as it was, also as the daemon sees it; nexthops have other numbers."""

    def differences() -> List[str]:
        return compare(before, state(bed), nexthop_ids=False)

    eventually(lambda: not differences(), differences)
    assert bed.call("verify", component="eth1")["differences"] == []


def unconfigured(bed: Bed, *options: str) -> None:
    result = bed.run("cfgadm", *options, "-c", "unconfigure", "eth1")
    assert (result.returncode, result.stderr) == (0, ""), result


def configured(bed: Bed, name: str = "eth1") -> str:
    """What it says."""
    result = bed.run("cfgadm", "-c", "configure", name)
    assert (result.returncode, result.stderr) == (0, ""), result
    return result.stdout


def answers(bed: Bed, ip: str) -> bool:
    return bed.client.run(["ping", "-c", "1", "-W", "2", ip], check=False).returncode == 0


def is_up(bed: Bed, nic: str) -> bool:
    return "UP" in json.loads(bed.host.run(["ip", "-j", "link", "show", nic]).stdout)[0]["flags"]


@pytest.mark.oracle("T93")
@KINDS
@pytest.mark.parametrize("way", ["none", "pci"])
def test_put_back_with_its_file_everything_is_as_before(bed: Bed, way: str, files: Dict[str, str]) -> None:
    start(bed, files)
    with Cards(bed, {f"{CARD}.0": ["eth1"]}):
        before = state(bed)
        unconfigured(bed, "-o", f"hardware={way}")
        assert bed.nic("eth1").present is (way == "none")
        assert bed.on(eth2=f"{A1} {A6} {B1}")()
        assert compare(before, state(bed), nexthop_ids=False) != []
        mark = bed.log.mark()
        assert configured(bed) == ""
        assert bed.on(eth1=f"{A1} {A6}", eth2=B1)()
        assert bed.log.find("Successfully failed back to NIC eth1", mark)
        as_before(bed, before)
        assert bed.call("transactions")["records"] == []


@pytest.mark.oracle("T94", deviates="what no file names is no address of the host, so the sibling gives it up as well")
@RELOADED
def test_put_back_without_a_file_it_is_left_alone(bed: Bed, reloaded: bool) -> None:
    start(bed, PAIR)
    unconfigured(bed)
    bed.write({"hostname.eth1": None})
    assert bed.on(eth2=f"{A1} {B1}")()
    if reloaded:
        bed.call("apply")
        assert bed.hosting() == {B1: "eth2"}
    before = at_rest(bed)
    assert configured(bed) == "no hostname file names eth1; it is left alone\n"
    assert bed.hosting() == {B1: "eth2"}
    assert compare(before, at_rest(bed)) == [] or not reloaded
    assert not is_up(bed, "eth1")
    assert bed.call("transactions")["records"] == []
    bed.write({"hostname.eth1": PAIR["hostname.eth1"]})
    bed.call("apply")
    eventually(bed.on(eth1=A1, eth2=B1), bed.hosting)


@pytest.mark.oracle("T95", deviates="the address that the file named before is given up when the file is read")
@KINDS
@RELOADED
def test_put_back_with_another_address_in_its_file_it_has_that_one(
    bed: Bed, reloaded: bool, files: Dict[str, str]
) -> None:
    start(bed, files)
    unconfigured(bed)
    bed.write({"hostname.eth1": files["hostname.eth1"].replace(f"{A1}/", f"{A9}/")})
    if reloaded:
        bed.call("apply")
        assert bed.on(eth2=f"{A9} {A6} {B1}")()
        assert A1 not in bed.hosting()
    configured(bed)
    assert bed.on(eth1=f"{A9} {A6}", eth2=B1)()
    assert A1 not in bed.hosting()
    assert answers(bed, A9)


def test_wrong_files_keep_a_component_as_it_is_until_they_are_mended(bed: Bed) -> None:
    start(bed, PAIR)
    unconfigured(bed)
    before = at_rest(bed)
    for wrong, told in (
        ("group g nosuchword up\n", "/etc/hostname.eth2, line 1"),
        (f"{A9}/24 group g up\n", f"{A9} is "),
    ):
        bed.write({"hostname.eth2": wrong})
        with stranger(bed, A9):
            result = bed.run("cfgadm", "-c", "configure", "eth1")
        assert result.returncode == 3, result
        assert told in result.stderr and "eth1 is left as it is until that is mended" in result.stderr
        assert bed.interface("eth1")["state"] == "detached"
        assert compare(before, at_rest(bed)) == []
    bed.write({"hostname.eth2": PAIR["hostname.eth2"]})
    configured(bed)
    assert bed.on(eth1=A1, eth2=B1)()


def test_an_attach_waits_as_long_as_its_group_needs_for_ten_answers(bed: Bed) -> None:
    start(bed, PAIR)
    assert bed.call("detach-query", component="eth1", consumers=False)["wait_timeout"] == 60
    assert bed.call("transactions")["wait_timeout"] == 120
    start(bed, PAIR, "FAILURE_DETECTION_TIME=60000\n")
    assert bed.call("detach-query", component="eth1", consumers=False)["wait_timeout"] == pytest.approx(137)
    assert bed.call("transactions")["wait_timeout"] == pytest.approx(137 + 70)  # and for hardware and consumers


@pytest.mark.oracle("T97")
@KINDS
@pytest.mark.parametrize("first", ["card", "file"])
def test_a_new_nic_joins_its_group_and_is_in_use(bed: Bed, first: str, files: Dict[str, str]) -> None:
    bed.reset()
    bed.nic("eth3").take_out()
    try:
        bed.write(files, groups=GROUPS, defaults=QUICK)
        bed.run_daemon()
        own = f"{C1}/24 group g up\n" + (TEST.format(TC) if files is PROBED else "")
        if first == "card":
            bed.nic("eth3").put_back()
            assert not is_up(bed, "eth3")
        bed.write({"hostname.eth3": own})
        bed.call("apply")
        if first == "file":
            assert bed.hosting()[C1] != "eth3"
            assert bed.interface("eth3")["state"] == "absent"
            bed.nic("eth3").put_back()
        eventually(bed.on(eth3=C1), bed.hosting)
        assert answers(bed, C1)
        eventually(lambda: "eth3" in bed.status()["groups"][0]["active"], "it carries traffic")
        expected = "ok" if files is PROBED else "disabled"
        eventually(lambda: bed.interface("eth3")["probe"] == expected, "it is probed")
        assert bed.call("verify", component="eth3")["differences"] == []
    finally:
        if not bed.nic("eth3").present:
            bed.nic("eth3").put_back()


@pytest.mark.oracle("T100")
@KINDS
def test_without_failback_the_address_stays_away(bed: Bed, files: Dict[str, str]) -> None:
    start(bed, files, QUICK + "FAILBACK=no\n")
    unconfigured(bed)
    mark = bed.log.mark()
    configured(bed)
    state(bed)
    assert bed.on(eth2=f"{A1} {A6} {B1}")()
    assert "INACTIVE" in bed.flags("eth1")
    assert bed.interface("eth1")["state"] == "ok"
    assert bed.log.find("Successfully failed back to NIC eth1", mark) is None
    bed.nic("eth2").pull()
    eventually(bed.on(eth1=f"{A1} {A6} {B1}"), bed.hosting)


@contextlib.contextmanager
def another_card(bed: Bed) -> Iterator[None]:
    """In the end the old one is in its place again."""
    nic = bed.nic("eth1")
    old = nic.mac
    try:
        yield
    finally:
        if nic.present:
            nic.take_out()
        nic.put_back(old)


def learned(bed: Bed) -> Set[str]:
    """The MACs at which the client talks to A1 and A6."""
    assert answers(bed, A1) and answers(bed, A6)
    known = json.loads(bed.client.run(["ip", "-j", "neigh"]).stdout)
    return {entry["lladdr"] for entry in known if entry["dst"] in (A1, A6)}


@pytest.mark.oracle("T101")
@KINDS
@pytest.mark.parametrize("asked", [True, False], ids=["asked", "surprise"])
def test_another_card_of_that_name_takes_its_place(bed: Bed, asked: bool, files: Dict[str, str]) -> None:
    start(bed, files)
    before, nic = state(bed), bed.nic("eth1")
    old = nic.mac
    eventually(lambda: learned(bed) == {old}, "the client knows the old card")
    with another_card(bed):
        if asked:
            unconfigured(bed)
        nic.take_out()
        eventually(bed.on(eth2=f"{A1} {A6} {B1}"), bed.hosting)
        nic.put_back(OTHER)
        if asked:
            assert "eth1" not in bed.hosting().values()
            configured(bed)
        eventually(bed.on(eth1=f"{A1} {A6}", eth2=B1), bed.hosting)
        eventually(lambda: learned(bed) == {OTHER}, "the client knows the new card")
        as_before(bed, json.loads(json.dumps(before).replace(old, OTHER).replace(link_local(old), link_local(OTHER))))


def link_local(mac: str) -> str:
    """The address that the kernel makes of it."""
    b = bytes.fromhex(mac.replace(":", ""))
    number = bytes([b[0] ^ 2, b[1], b[2], 0xFF, 0xFE, b[3], b[4], b[5]])
    return str(ipaddress.IPv6Address(bytes.fromhex("fe80000000000000") + number))


@pytest.mark.oracle("T102")
def test_put_back_with_an_empty_file_it_is_plumbed_only(bed: Bed) -> None:
    start(bed, {**PAIR, "hostname.eth3": ""})
    before = state(bed)
    assert is_up(bed, "eth3")
    assert bed.run("cfgadm", "-c", "unconfigure", "eth3").returncode == 0
    assert not is_up(bed, "eth3")
    configured(bed, "eth3")
    as_before(bed, before)
    assert bed.hosting() == {A1: "eth1", B1: "eth2"}
    assert bed.interface("eth3")["group"] is None


def test_gone_without_notice_and_back_everything_is_as_before(bed: Bed) -> None:
    start(bed, PLAIN)
    before = state(bed)
    bed.nic("eth1").take_out()
    eventually(bed.on(eth2=f"{A1} {A6} {B1}"), bed.hosting)
    assert bed.interface("eth1")["state"] == "absent"
    bed.nic("eth1").put_back()
    eventually(bed.on(eth1=f"{A1} {A6}", eth2=B1), bed.hosting)
    as_before(bed, before)


@KINDS
def test_missing_at_boot_and_attached_later_all_is_as_at_a_boot_with_it(bed: Bed, files: Dict[str, str]) -> None:
    start(bed, files)
    before = state(bed)
    bed.reset()
    bed.write(files, groups=GROUPS, defaults=QUICK)
    bed.nic("eth1").take_out()
    bed.run_daemon()
    assert bed.on(eth2=f"{A1} {A6} {B1}")()
    bed.nic("eth1").put_back()
    configured(bed)
    assert bed.on(eth1=f"{A1} {A6}", eth2=B1)()
    as_before(bed, before)


@contextlib.contextmanager
def stranger(bed: Bed, *ips: str) -> Iterator[str]:
    """The client has these addresses too; its MAC."""
    options = {ip: f"{ip}/64 nodad" if ":" in ip else f"{ip}/24" for ip in ips}
    (nic,) = bed.client.nics.values()
    bed.client.ip(*(f"addr add {text} dev {nic.name}" for text in options.values()))
    try:
        yield nic.mac
    finally:
        bed.client.ip(*(f"addr del {text.split()[0]} dev {nic.name}" for text in options.values()))


def refused(bed: Bed, name: str, mac: str, *ips: str) -> None:
    """It says who has which address and what to do, and changes nothing."""
    before, hosting = at_rest(bed), bed.hosting()
    result = bed.run("cfgadm", "-c", "configure", name)
    taken = "; ".join(f"address {ip} is in use by {mac} on the same link" for ip in ips)
    lines = result.stderr.splitlines()
    way_out = f"take it off that host, or out of the hostname files here, then attach {name} again"
    told = f"{taken}; {name} stays detached and no address has moved; {way_out}"
    assert (result.returncode, lines[0]) == (1, f"cfgadm: Component system is busy, try again: {told}")
    assert [line.split() for line in lines[3:]] == [[f"SUNW_ip/{ip}", ip, "in", "use", "by", mac] for ip in ips]
    assert [x.level for x in bed.log.lines if x.text.startswith(f"attach of {name} refused: {taken};")] == ["err"]
    assert bed.interface(name)["state"] == "detached"
    assert bed.hosting() == hosting
    assert compare(before, at_rest(bed)) == []


@pytest.mark.oracle("T104")
@KINDS
def test_an_address_that_another_host_has_taken_does_not_come_home(bed: Bed, files: Dict[str, str]) -> None:
    start(bed, files)
    before = state(bed)
    unconfigured(bed)
    for ips in ([A1, A6], [TA]):
        with stranger(bed, *ips) as mac:
            if ips != [TA] or files is PROBED:
                refused(bed, "eth1", mac, *ips)
    assert [record["component"] for record in bed.call("transactions")["records"]] == ["eth1"]
    configured(bed)
    assert bed.on(eth1=f"{A1} {A6}", eth2=B1)()
    as_before(bed, before)


@pytest.mark.oracle("T104")
def test_an_address_that_was_nowhere_and_that_another_host_has_taken_stays_nowhere(bed: Bed) -> None:
    start(bed, {"hostname.eth1": f"{A1}/24 group g up\n", "hostname.eth3": f"{C1}/24 up\n"})
    for name, ip in (("eth1", A1), ("eth3", C1)):
        assert bed.run("cfgadm", "-f", "-c", "unconfigure", name).returncode == 0
        assert ip not in bed.hosting()
        with stranger(bed, ip) as mac:
            refused(bed, name, mac, ip)
            assert not is_up(bed, name)
        configured(bed, name)
        assert bed.hosting()[ip] == name
