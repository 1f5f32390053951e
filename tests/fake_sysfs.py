# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree in the shape of sysfs, for cards that this machine lacks: links as the kernel makes them, files to write."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, Optional, Sequence

from ipmp.nlparse import LinkEvent


def link(name: str, index: int = 1, *, altnames: Sequence[str] = (), flags: int = 1) -> LinkEvent:
    """What the kernel says of a NIC."""
    mac = f"02:00:00:00:00:{index:02x}"
    return LinkEvent(index, name, flags, True, 1500, mac, 0, 0, "", "", tuple(altnames))


class Tree:
    """``links`` grows with each NIC; ``read`` is what somebody has written to one of the files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.links: Dict[str, LinkEvent] = {}
        for folder in ("class/net", "bus/pci/devices", "bus/pci/drivers", "bus/pci/slots"):
            (root / folder).mkdir(parents=True)
        (root / "bus/pci/rescan").touch()

    def function(
        self, address: str, *, below: str = "devices/pci0000:00", kind: str = "0x020000", driver: str = ""
    ) -> str:
        """A PCI function; returns its path below the root."""
        path = f"{below}/{address}"
        (self.root / path).mkdir(parents=True)
        (self.root / path / "class").write_text(f"{kind}\n")
        (self.root / path / "remove").touch()
        self._link(f"bus/pci/devices/{address}", path)
        if driver:
            self.bind(path, "pci", driver)
        return path

    def bind(self, path: str, bus: str, driver: str) -> None:
        """The device at path is driven by it."""
        folder = f"bus/{bus}/drivers/{driver}"
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        for name in ("bind", "unbind"):
            (self.root / folder / name).touch()
        self._link(f"{path}/driver", folder)
        self._link(f"{folder}/{os.path.basename(path)}", path)

    def nic(self, name: str, device: Optional[str] = None, *, altnames: Sequence[str] = ()) -> None:
        """A NIC whose device is at that path; a virtual one has none."""
        self.links[name] = link(name, len(self.links) + 1, altnames=altnames)
        (self.root / "class/net" / name).mkdir()
        if device is not None:
            (self.root / device).mkdir(parents=True, exist_ok=True)
            self._link(f"class/net/{name}/device", device)

    def virtual(self, of: str, number: int, address: str, *, driver: str = "") -> str:
        """A virtual function of the function at that path."""
        path = self.function(address, driver=driver)
        self._link(f"{of}/virtfn{number}", path)
        self._link(f"{path}/physfn", of)
        return path

    def slot(self, name: str, address: str, *, power: bool = True) -> None:
        """A hot-plug slot."""
        path = self.root / "bus/pci/slots" / name
        path.mkdir()
        (path / "address").write_text(address + "\n")
        if power:
            (path / "power").touch()

    def read(self, path: str) -> str:
        """The text of a file below the root."""
        return (self.root / path).read_text()

    def _link(self, path: str, target: str) -> None:
        (self.root / path).symlink_to(os.path.relpath(self.root / target, (self.root / path).parent))
