# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a component is made of, and how its hardware can be taken out: sysfs asked, nothing decided.

A component is one NIC and has its name. COMPONENT is described in docs/architecture.md.
"""

from __future__ import annotations

import os
from typing import Any, Collection, Dict, Optional

WAYS = ("none", "pci", "slot", "driver")
IRREVERSIBLE = ("slot",)  # a card without power answers to nobody until somebody gives it power again


class HardwareError(Exception):
    """The hardware cannot be taken out, or put back. ``str()`` is one sentence."""


def component(name: str, links: Collection[str], *, hardware: str = "auto", sysfs: str = "/sys") -> Dict[str, Any]:
    """COMPONENT of the NIC ``name``; ``links`` are the names of the links that the host has now.

    hardware: one of WAYS, or 'auto' for what this NIC offers: slot power, else PCI remove, else driver unbind, else
    none. A NIC that is gone offers none.
    """
    way = _offered(name, sysfs) if hardware == "auto" else hardware
    return {
        "name": name,
        "interfaces": [name],
        "hardware": way,
        "present": name in links,
        "reversible": way not in IRREVERSIBLE,
    }


def bus_path(interface: str, sysfs: str = "/sys") -> Optional[str]:
    """The device of a NIC, below ``sysfs`` (``devices/pci0000:00/0000:00:03.0/virtio0``); None if it is virtual."""
    device = os.path.join(sysfs, "class/net", interface, "device")
    if not os.path.exists(device):
        return None
    return os.path.relpath(os.path.realpath(device), os.path.realpath(sysfs))


def take_out(component: Dict[str, Any]) -> None:
    """The hardware step of a detach, between prepare and commit. Raises HardwareError."""
    if component["hardware"] != "none":
        raise HardwareError(
            f"taking {component['name']} out by {component['hardware']!r} is not supported yet: use hardware: none"
        )


def _offered(interface: str, sysfs: str) -> str:
    path = bus_path(interface, sysfs)
    if path is None:
        return "none"
    function = _pci_function(path, sysfs)
    if function is not None:
        return "slot" if _has_slot_power(function, sysfs) else "pci"
    return "driver" if os.path.exists(os.path.join(sysfs, path, "driver")) else "none"


def _pci_function(path: str, sysfs: str) -> Optional[str]:
    """The nearest PCI device at or above it: a virtio NIC's own device is not on the PCI bus, its parent is."""
    while path:
        if os.path.basename(os.path.realpath(os.path.join(sysfs, path, "subsystem"))) == "pci":
            return os.path.basename(path)
        path = os.path.dirname(path)
    return None


def _has_slot_power(function: str, sysfs: str) -> bool:
    """Is it in a hot-plug slot? A slot's address is that of a function without its last part (``0000:00:03``)."""
    slots = os.path.join(sysfs, "bus/pci/slots")
    for slot in os.listdir(slots) if os.path.isdir(slots) else ():
        try:
            with open(os.path.join(slots, slot, "address"), encoding="ascii") as file:
                address = file.read().strip()
        except OSError:
            continue  # it went away while we looked
        if address == function.rpartition(".")[0] and os.path.exists(os.path.join(slots, slot, "power")):
            return True
    return False
