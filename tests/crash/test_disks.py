# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A journal torn at every byte, /var full or read-only, and a reboot in the middle."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path
from typing import Iterator, List, Union

import pytest
from bed import Bed, eventually
from cards import at_rest

from ipmp.client import DaemonError
from ipmp.journal import Journal
from lab import compare, dump

from .killing import AFTERWARDS, Point, failing, killed_at, number_of
from .stories import DATA, FILES, GROUPS, NIC, Judge, attach, detach, prepare

pytestmark = [pytest.mark.kernel, pytest.mark.crash]
PLACE = "/var/lib/ipmp"
BOOT_ID = "/proc/sys/kernel/random/boot_id"


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Bed(nics=3) as bed:
        yield Judge(bed)


@pytest.fixture
def bed(judge: Judge) -> Iterator[Bed]:
    yield judge.bed
    judge.bed.host.run(f"umount -q {PLACE}", check=False)
    judge.renew()


def journal(bed: Bed) -> Path:
    return bed.root / "var/lib/ipmp/journal"


def starts_clean(judge: Judge) -> None:
    """It starts without a traceback, and ends as before or detached."""
    mark = judge.bed.log.mark()
    judge.bed.run_daemon()
    judge.after(odd=False)
    assert [line for line in judge.bed.log.texts(mark) if "Traceback" in line] == []


# -- torn


def test_each_entry_torn_while_it_is_written(judge: Judge, bed: Bed) -> None:
    torn: List[str] = []
    for number in range(1, 40):
        killed = killed_at(bed, Point("fsync", number), _there_and_back).killed
        if not killed:
            break
        data = journal(bed).read_bytes() if journal(bed).exists() else b""
        if "/journal>" in killed and data:
            entries = len(data.splitlines())
            start = data[:-1].rfind(b"\n") + 1
            cut = start + (0, 1, (len(data) - start) // 2, len(data) - start - 1)[number % 4]
            journal(bed).write_bytes(data[:cut])
            torn.append(f"{entries}")
        starts_clean(judge)
        judge.home()
    assert len(torn) >= 6, torn


def _there_and_back(bed: Bed) -> None:
    bed.call("detach-rollback", transaction=prepare(bed))
    detach(bed)


def test_a_journal_cut_at_every_byte_is_one_of_those_that_were(judge: Judge, bed: Bed, tmp_path: Path) -> None:
    data = _prepared_and_killed(bed)
    ends = [n + 1 for n, byte in enumerate(data) if byte == 0x0A]
    read = Journal(str(tmp_path))
    copy = Path(read.path)
    copy.parent.mkdir(parents=True)
    states = {}
    copy.write_bytes(data)
    for cut in range(len(data), -1, -1):
        with copy.open("r+b") as file:
            file.truncate(cut)
        entry = read.open_entry()
        whole = sum(end <= cut for end in ends)
        assert states.setdefault(whole, entry and entry["state"]) == (entry and entry["state"])
    assert states == {
        0: None,
        1: None,
        2: "begun",
        3: "moving",
        4: "unplumbing",
        5: "prepared",
    }  # 1: that of before is closed


@pytest.mark.parametrize("whole", range(5))
def test_what_was_written_is_lost_again(judge: Judge, bed: Bed, whole: int) -> None:
    """A disk that does not keep its word: the file is shorter than what had been done."""
    data = _prepared_and_killed(bed)
    kept = b"".join(data.splitlines(keepends=True)[:whole])
    journal(bed).write_bytes(kept + b"0")
    bed.run_daemon()
    judge.once()
    eventually(lambda: bed.call("transactions")["open"] is None, "nothing is open", 60.0)
    if whole > 1:  # the first line closes the transaction before
        judge.must_be("as before")
    else:  # nothing is known of the transaction, but the state file knows that the NIC is out
        assert bed.interface(NIC)["state"] == "detached"
        attach(bed)
        assert bed.on(eth1=" ".join(DATA[:3]))()
    assert [line for line in bed.log.texts() if "Traceback" in line] == []


def _prepared_and_killed(bed: Bed) -> bytes:
    prepare(bed)
    bed.stop(signal.SIGKILL)
    return journal(bed).read_bytes()


# -- full, read-only


@contextlib.contextmanager
def full(bed: Bed) -> Iterator[None]:
    """Not a byte more."""
    bed.host.run(f"dd if=/dev/zero of={PLACE}/filler bs=4k 2>/dev/null", check=False)
    yield
    bed.host.run(f"rm {PLACE}/filler")


@contextlib.contextmanager
def read_only(bed: Bed) -> Iterator[None]:
    """Not a write."""
    bed.host.run(f"mount -o remount,ro {PLACE}")
    yield
    bed.host.run(f"mount -o remount,rw {PLACE}")


def own_disk(bed: Bed) -> None:
    """/var/lib/ipmp on 256 KiB of its own, with what is there."""
    copies = ("mkdir -p {0}", "cp -a {0} /run/kept", "mount -t tmpfs -o size=256k disk {0}", "cp -a /run/kept/. {0}")
    bed.host.run("; ".join((*copies, "rm -r /run/kept")).format(PLACE))


TROUBLE = {"full": full, "read-only": read_only}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_planned_work_is_refused_and_failures_move_addresses(judge: Judge, bed: Bed, trouble: str) -> None:
    own_disk(bed)
    before = at_rest(bed)
    with TROUBLE[trouble](bed):
        with pytest.raises(DaemonError, match="the journal cannot be written, so nothing is begun"):
            prepare(bed)
        assert compare(before, dump(bed.host), nexthop_ids=False) == []
        answer = bed.call("transactions")
        assert (answer["open"], answer["records"]) == (None, [])
        bed.nic("eth1").pull()
        eventually(lambda: not {ip for ip in DATA if bed.hosting().get(ip) == NIC}, bed.hosting)
        judge.once()
        bed.nic("eth1").plug()
        eventually(bed.on(eth1=" ".join(DATA[:3])), bed.hosting)
        bed.stop(signal.SIGKILL)
        bed.run_daemon()
        judge.once()
    detach(bed)
    judge.must_be("detached")


@pytest.mark.parametrize("trouble", TROUBLE)
def test_what_is_detached_stays_so_while_that_cannot_be_changed(judge: Judge, bed: Bed, trouble: str) -> None:
    own_disk(bed)
    detach(bed)
    with TROUBLE[trouble](bed):
        with pytest.raises(DaemonError, match="nothing is begun: /var/lib/ipmp/detached/eth1.json cannot be written"):
            attach(bed)
        judge.must_be("detached")
    attach(bed)
    judge._administrators()
    judge.must_be("as before")


@pytest.mark.parametrize("trouble", TROUBLE)
def test_what_is_open_is_undone_all_the_same(judge: Judge, bed: Bed, trouble: str) -> None:
    own_disk(bed)
    prepare(bed)
    with TROUBLE[trouble](bed):
        answer = bed.call("detach-rollback")
        assert (answer["rolled_back"], answer["differences"]) == (True, [])
        judge.must_be("as before")
        bed.stop(signal.SIGKILL)
        bed.run_daemon()  # the journal says that it is open: what it can do is what has been done
        judge.once()
    assert [line for line in bed.log.texts() if "Traceback" in line] == []


@pytest.mark.parametrize("call", ["pwrite64", "fsync"])
@pytest.mark.parametrize("name", ["detach", "rollback", "attach"])
def test_whichever_write_is_the_first_that_finds_no_room(judge: Judge, bed: Bed, name: str, call: str) -> None:
    """Then it is refused or done, and told truly; the next operation finds room again, and so does a restart."""
    story, refused = judge.stories[name], 0
    for number in range(1, 40):
        story.begin(bed)
        with failing(number_of(bed), call, number, "ENOSPC") as trace:
            try:
                story.ask(bed)
                told = story.ends
            except DaemonError:
                told, refused = "", refused + 1
            time.sleep(AFTERWARDS)
        if number % 2:
            bed.stop(signal.SIGKILL)
            bed.run_daemon()
        judge._kept = name != "attach"
        judge.after(odd=False)
        assert told in ("", judge.state())
        judge.home()
        if not trace.injected:
            break
    else:
        pytest.fail("there is no end of it")
    assert number > 1 and (refused > 0 or name == "rollback")
    assert [line for line in bed.log.texts() if "Traceback" in line] == []


# -- a reboot


@pytest.fixture
def earlier_boot(judge: Judge) -> Iterator[Bed]:
    """A daemon that lives in another boot than the next one will."""
    bed = judge.bed
    bed.start(FILES, groups=GROUPS)
    bed.host.run(f"echo 11111111-2222-4333-8444-555555555555 >/run/boot_id; mount --bind /run/boot_id {BOOT_ID}")
    bed.stop(release=True)
    bed.run_daemon()
    eventually(bed.on(eth1=" ".join(DATA[:3])), bed.hosting)
    yield bed
    bed.host.run(f"umount -q {BOOT_ID}; umount -q {PLACE}", check=False)
    judge.renew()


def reboot(bed: Bed) -> None:
    """Only what is on the disk is there afterwards."""
    disk = {path: path.read_bytes() for path in (bed.root / "var/lib/ipmp").rglob("*") if path.is_file()}
    bed.host.run(f"umount {BOOT_ID}")
    bed.reset()
    for path, data in disk.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    bed.write(FILES, groups=GROUPS)
    bed.run_daemon()


@pytest.mark.parametrize(
    ("name", "where"),
    [
        *(("detach", where) for where in ("prepared", "confirmed", 2, 4, 5, 6)),
        *(("rollback", where) for where in (1,)),
        *(("attach", where) for where in (2, 3)),
    ],
)
def test_after_a_reboot_the_files_decide(judge: Judge, earlier_boot: Bed, name: str, where: Union[str, int]) -> None:
    """A number: killed at that fsync; the first one of a detach is of a folder."""
    bed, story = earlier_boot, judge.stories[name]
    before = at_rest(bed)
    if isinstance(where, int):
        story.begin(bed)
        assert killed_at(bed, Point("fsync", where), story.ask).killed
    else:
        (prepare if where == "prepared" else detach)(bed)
        bed.stop(signal.SIGKILL)
    opened = Journal(str(bed.root)).open_entry()
    assert (opened is not None) == (where != "confirmed" and name != "attach")
    reboot(bed)
    eventually(
        lambda: compare(before, dump(bed.host), nexthop_ids=False) == [], lambda: compare(before, dump(bed.host))
    )
    answer = bed.call("transactions")
    assert (answer["open"], answer["records"]) == (None, [])
    assert bed.interface(NIC)["state"] == "ok"
    if opened is not None:
        assert Journal(str(bed.root)).read() == [{"transaction": opened["transaction"], "closed": "ended by a reboot"}]


def test_a_reboot_onto_a_read_only_disk(judge: Judge, earlier_boot: Bed) -> None:
    bed = earlier_boot
    detach(bed)
    bed.stop(signal.SIGKILL)
    disk = bed.root / "var/lib/ipmp"
    kept = {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()}
    bed.host.run(f"umount {BOOT_ID}")
    bed.reset()
    for path, data in kept.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    own_disk(bed)
    bed.write(FILES, groups=GROUPS)
    with read_only(bed):
        bed.run_daemon()
        eventually(bed.on(eth1=" ".join(DATA[:3]), eth2=DATA[3]), bed.hosting)
        judge.once()
    assert any("what was detached before the reboot is not forgotten" in line for line in bed.log.texts())
