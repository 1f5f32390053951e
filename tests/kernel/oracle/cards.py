# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs of a bed on PCI cards that can be taken out: a tree over the host's /sys, and a thread that acts as its kernel.

    with Cards(bed, {"00f0:00:05.0": ["eth1"], "00f0:00:05.1": ["eth2"]}, slots={"7": "00f0:00:05"}):
        bed.run("cfgadm", "-o", "hardware=pci", "-c", "unconfigure", "00f0:00:05")

What is written to a file of the tree happens to the lab's cards: remove, rescan, a slot's power, unbind and bind.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple, Type

from bed import Bed, eventually
from fake_sysfs import Tree

from lab import compare, dump

CARDS_DRIVER = "e1000"
_WORD = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]|[01]")


def at_rest(bed: Bed) -> Any:
    """A dump of the host once nothing changes by itself: link-local addresses come a moment after their link."""

    def same() -> Any:
        before = dump(bed.host)
        time.sleep(0.1)
        return before if not compare(before, dump(bed.host)) else None

    return eventually(same, "the kernel is at rest")


class Cards:
    """functions: PCI address -> its NICs. ``stuck`` functions do not leave, ``lost`` ones do not come back."""

    def __init__(
        self, bed: Bed, functions: Mapping[str, Sequence[str]], slots: Optional[Mapping[str, str]] = None
    ) -> None:
        self.bed, self.functions = bed, {f: list(nics) for f, nics in functions.items()}
        self.stuck: Set[str] = set()
        self.lost: Set[str] = set()
        self.written: List[Tuple[str, str]] = []  # (file, text)
        self._root = bed.root / "run/sys"
        self._slots = dict(slots or {})
        self._files: Dict[int, Tuple[str, Callable[[str], None]]] = {}

    def __enter__(self) -> Cards:
        self._root.mkdir()
        self._tree = tree = Tree(self._root)
        self._paths = {f: tree.function(f, driver=CARDS_DRIVER) for f in self.functions}
        listed = [name for nics in self.functions.values() for name in nics]
        for function, nics in self.functions.items():
            for name in nics:
                tree.nic(name, self._paths[function])
            self._listen(f"{self._paths[function]}/remove", lambda _text, f=function: self._leave([f]))  # type: ignore[misc]
        for name in set(self.bed.host.nics) - set(listed):
            tree.nic(name)
        self._listen("bus/pci/rescan", lambda _text: self._return(list(self.functions)))
        for slot, address in self._slots.items():
            tree.slot(slot, address)
            inside = [f for f in self.functions if f.startswith(address)]
            turn = lambda text, inside=inside: (self._return if text == "1" else self._leave)(inside)  # noqa: E731
            self._listen(f"bus/pci/slots/{slot}/power", turn)
        self._listen(f"bus/pci/drivers/{CARDS_DRIVER}/unbind", lambda text: self._leave([text], bound=True))
        self._listen(f"bus/pci/drivers/{CARDS_DRIVER}/bind", lambda text: self._return([text]))
        self._wake, self._end = os.pipe()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self.bed.host.run("mount --bind /run/sys /sys")
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], problem: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.bed.host.run("umount /sys")
        os.close(self._end)
        self._thread.join()
        for fd in (self._wake, *self._files):
            os.close(fd)
        shutil.rmtree(self._root)
        for nics in self.functions.values():
            for name in nics:
                if not self.bed.nic(name).present:
                    self.bed.nic(name).put_back()

    def stranger(self, function: str, kind: str) -> None:
        """Something in use that is no NIC; kind is its PCI class."""
        self._tree.function(function, kind=kind, driver=CARDS_DRIVER)

    def _listen(self, path: str, act: Callable[[str], None]) -> None:
        file = self._root / path
        file.unlink()
        os.mkfifo(file)
        self._files[os.open(file, os.O_RDWR | os.O_NONBLOCK)] = (path, act)

    def _run(self) -> None:
        while True:
            for fd in select.select([self._wake, *self._files], [], [])[0]:
                if fd == self._wake:
                    return
                path, act = self._files[fd]
                for text in _WORD.findall(os.read(fd, 1000).decode()):  # a pipe joins what was written one by one
                    self.written.append((path, text))
                    act(text)

    def _leave(self, functions: Sequence[str], *, bound: bool = False) -> None:
        for function in functions:
            if function in self.stuck:
                continue
            for name in self.functions[function]:
                self.bed.nic(name).take_out()
                shutil.rmtree(self._root / "class/net" / name)
            if bound:
                (self._root / "bus/pci/drivers" / CARDS_DRIVER / function).unlink()
            else:
                (self._root / "bus/pci/devices" / function).unlink()

    def _return(self, functions: Sequence[str]) -> None:
        for function in functions:
            if function in self.lost:
                continue
            for folder, up in (("bus/pci/devices", "../../.."), (f"bus/pci/drivers/{CARDS_DRIVER}", "../../../..")):
                place = self._root / folder / function
                if not place.is_symlink():
                    place.symlink_to(Path(up) / self._paths[function])
            for name in self.functions[function]:
                if not self.bed.nic(name).present:
                    nic = self._root / "class/net" / name
                    nic.mkdir()
                    (nic / "device").symlink_to(Path("../../..") / self._paths[function])
                    self.bed.nic(name).put_back()
