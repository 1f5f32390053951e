# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU with PCI Express slots: what is in them, cards plugged and pulled from outside, states saved and restored."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from lab import LabError, Place

from .image import MGMT_MAC, Image, run
from .qmp import Qmp

QEMU = "qemu-system-x86_64"
MEMORY = 320  # MiB
APPEND = (
    "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=0 panic=-1 mitigations=off nokaslr audit=0 apparmor=0 "
    "no_timer_check tsc=reliable modprobe.blacklist=kvm_amd,kvm_intel"
)
# acpi: the firmware removes a card at once. native: as on real servers, the port gives five seconds of notice.
HOTPLUG = {"acpi": (), "native": ("-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off")}

# Before everything else on the machine: a kernel that shares the processor by sessions needs to be told twice.
FIRST = """
renice -n -10 -p $$ >/dev/null
[ ! -e /proc/self/autogroup ] || echo -10 >/proc/self/autogroup
exec "$@"
"""


@dataclass(frozen=True)
class Card:
    """A virtio NIC. Functions of one slot leave together. ``name`` is QEMU's; the guest names it by its place."""

    name: str
    slot: int
    function: int = 0
    mac: str = ""
    together: bool = False  # there are more functions in its slot

    def device(self, mac: str = "") -> Dict[str, Any]:
        """Arguments of QMP's device_add."""
        about: Dict[str, Any] = {
            "driver": "virtio-net-pci",
            "id": self.name,
            "bus": f"port{self.slot}",
            "netdev": f"net-{self.name}",
        }
        about |= {"mac": mac or self.mac, "addr": f"0.{self.function}", "romfile": ""}
        return about


def _cards() -> Tuple[Card, ...]:
    places = (("a", 1, 0), ("b", 2, 0), ("c0", 3, 0), ("c1", 3, 1))
    return tuple(Card(n, s, f, f"52:54:00:00:{s:02x}:{f:02x}", s == 3) for n, s, f in places)


CARDS = {card.name: card for card in _cards()}
SLOTS = (1, 2, 3, 4)
FIXED = 0x10  # PCI devices from here on are NICs in no slot


def fixed_mac(number: int) -> str:
    """The hardware address of that one of ``Spec.more``."""
    return f"52:54:00:01:00:{number:02x}"


@dataclass
class State:
    """A machine's disk, and, unless it is to be booted, its memory. Both belong to one image and command line."""

    disk: Path
    memory: Optional[Path] = None


@dataclass
class Spec:
    """What a machine is made of."""

    image: Image
    hotplug: str = "acpi"
    without: Sequence[str] = ()  # cards that are not plugged in when it starts
    more: Sequence[str] = ()  # names of further NICs, which are in no slot and stay
    taps: Dict[str, str] = field(default_factory=lambda: {name: f"t-{name}" for name in ("mgmt", *CARDS)})

    def line(self) -> List[str]:
        """The command line without files that differ from run to run."""
        kind = accelerator()
        line = [QEMU, "-accel", "kvm" if kind == "kvm" else "tcg,tb-size=512", "-M", "q35", "-m", str(MEMORY)]
        line += ["-cpu", "host" if kind == "kvm" else "max,la57=off", "-smp", "2", *HOTPLUG[self.hotplug]]
        line += ["-nodefaults", "-no-user-config", "-display", "none"]
        line += ["-kernel", str(self.image.kernel), "-initrd", str(self.image.initrd), "-append", APPEND]
        line += ["-device", "virtio-blk-pci,drive=root,addr=0x3"]
        for name, tap in self.taps.items():
            line += ["-netdev", f"tap,id=net-{name},ifname={tap},script=no,downscript=no"]
        line += ["-device", f"virtio-net-pci,netdev=net-mgmt,mac={MGMT_MAC},addr=0x4,romfile="]
        for slot in SLOTS:
            line += ["-device", f"pcie-root-port,id=port{slot},chassis={slot},slot={slot},addr={slot + 7:#x}"]
        for card in CARDS.values():
            if card.name not in self.without:
                words = [f"{key}={value}" for key, value in card.device().items() if key != "driver"]
                words += ["multifunction=on"] if card.together and card.function == 0 else []
                line += ["-device", ",".join(["virtio-net-pci", *words])]
        for number, name in enumerate(self.more):
            place = f"addr={FIXED + number // 8:#x}.{number % 8},multifunction=on"
            about = f"id={name},netdev=net-{name},mac={fixed_mac(number)},speed=10000,duplex=full"
            line += ["-device", f"virtio-net-pci,{about},{place},romfile="]
        return line

    def key(self) -> str:
        """Names the states that a machine made of this can be restored from."""
        about = [run(QEMU, "--version"), *self.line()]
        if accelerator() == "kvm":
            about += sorted(set(re.findall(r"(?m)^(?:model name|flags).*", Path("/proc/cpuinfo").read_text())))
        return hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]


def accelerator() -> str:
    """``kvm``, or ``tcg``: a /dev/kvm of a CPU that shows neither vmx nor svm runs no ordinary kernel."""
    able = re.search(r"\b(vmx|svm)\b", Path("/proc/cpuinfo").read_text())
    return "kvm" if able and os.access("/dev/kvm", os.W_OK) else "tcg"


class Machine:
    """Runs in place, its sockets in the folder scratch. What it writes is lost, unless ``disk`` says where it goes."""

    def __init__(self, spec: Spec, place: Place, scratch: Path, state: State, disk: Optional[Path] = None) -> None:
        self.spec, self.restored = spec, state.memory is not None
        self._scratch = scratch
        scratch.mkdir(parents=True, mode=0o700)
        if disk is not None:
            shutil.copy(state.disk, disk) if state.disk.suffix == ".qcow2" else _overlay(state.disk, disk)
        drive = f"if=none,id=root,file={disk or state.disk},format={'raw' if _raw(disk or state.disk) else 'qcow2'}"
        line = [*spec.line(), "-drive", drive + ("" if disk else ",snapshot=on")]
        line += ["-qmp", f"unix:{scratch / 'qmp'},server=on,wait=off", "-serial", f"file:{self.console_file}"]
        if state.memory is not None:
            line += ["-incoming", f"exec:cat {shlex.quote(str(state.memory))}"]
        self._log = (scratch / "qemu.log").open("w+")
        # Guest time is real time: one that gets too little of the processor does nothing but its own timers.
        self.process = place.popen(
            ["sh", "-c", FIRST, "sh", *line], stdout=self._log, stderr=self._log, start_new_session=True
        )
        try:
            self.qmp = Qmp(scratch / "qmp", lambda: self.process.poll() is None)
            if self.restored:
                self._resume()
        except LabError as problem:
            self._log.seek(0)
            said = self._log.read()[-2000:]
            self.process.kill_tree()
            raise LabError(f"{problem}: {said}")

    @property
    def console_file(self) -> Path:
        return self._scratch / "console"

    @property
    def console(self) -> str:
        """What the guest has written to its serial console, a boot's messages among it."""
        return self.console_file.read_text(encoding="utf-8", errors="replace")

    def save(self, memory: Path) -> None:
        """Stop it and write its memory; the machine must have been given a disk, and has to be closed after that."""
        self.qmp.call("stop")
        self.qmp.call("migrate", uri=f"exec:cat > {shlex.quote(str(memory))}")
        self._until(lambda: self.qmp.call("query-migrate").get("status") == "completed", "its state is saved")

    def unplug(self, card: str, *, wait: bool = True) -> None:
        """Ask for the card as a hypervisor does, and wait until the guest has let it go. Its slot goes with it."""
        self.qmp.call("device_del", id=card)
        if wait:
            self.qmp.wait("DEVICE_DELETED", device=card)

    def plug(self, card: str, mac: str = "") -> None:
        """Put a card in, perhaps another one. Function 0 of a slot comes last: it makes the others visible."""
        about = CARDS[card].device(mac)
        if CARDS[card].together and CARDS[card].function == 0:
            about["multifunction"] = True
        self.qmp.call("device_add", **about)

    def carrier(self, card: str, up: bool) -> None:
        """Pull or plug its cable."""
        self.qmp.call("set_link", name=card, up=up)

    def close(self) -> None:
        """End it as a power failure would."""
        with contextlib.suppress(LabError, OSError):
            self.qmp.call("quit")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill_tree()
        self.process.wait()
        self.qmp.close()
        self._log.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _resume(self) -> None:
        self._until(lambda: self.qmp.call("query-status")["status"] != "inmigrate", "its state is restored")
        self.qmp.call("cont")  # it was saved when it stood still

    def _until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 120
        while not done():
            if time.monotonic() > deadline:
                raise LabError(f"QEMU takes more than two minutes until {what}")
            time.sleep(0.02)


def _raw(disk: Path) -> bool:
    return disk.suffix != ".qcow2"


def _overlay(base: Path, disk: Path) -> None:
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw" if _raw(base) else "qcow2", "-b", str(base), str(disk))
