# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hardware step of a detach, and its way back: files of sysfs written, nothing decided.

Taken by whoever asked for the detach, between prepare and commit; put back by whoever attaches, or by the daemon when
it rolls back. Both do no harm where it has been done already. COMPONENT is described in docs/architecture.md.
"""

from __future__ import annotations

import os
import time
from typing import Any, Dict, List, Sequence

WAYS = ("none", "pci", "slot", "driver")
GONE_WAIT = 10.0  # s for the interfaces to leave; pciehp takes 5 of them
LOOK_AGAIN = 0.05  # s


class HardwareError(Exception):
    """The hardware cannot be taken out, or put back. ``str()`` is one sentence."""


def take_out(component: Dict[str, Any], *, sysfs: str = "/sys", patience: float = GONE_WAIT) -> None:
    """The step itself; returns when the interfaces of the component are gone. Raises HardwareError.

    patience: s to wait for that. A step that fails may have taken out a part: roll the transaction back.
    """
    way = component["hardware"]
    if way == "pci":
        for function in component["functions"]:
            path = f"bus/pci/devices/{function}"
            if os.path.exists(os.path.join(sysfs, path)):
                _write(sysfs, f"{path}/remove", "1")
    elif way == "slot":
        _write(sysfs, f"bus/pci/slots/{component['slot']}/power", "0")
    elif way == "driver":
        for driver, device in component["drivers"]:
            if os.path.exists(os.path.join(sysfs, driver, device)):
                _write(sysfs, f"{driver}/unbind", device)
    else:
        return
    left = _wait_until_gone(component["interfaces"], sysfs, patience)
    if left:
        raise HardwareError(f"{', '.join(left)} did not leave within {patience:.0f} s of the step {way!r}")


def put_back(component: Dict[str, Any], *, sysfs: str = "/sys") -> None:
    """Undo the step. The interfaces come a moment later, if they come: wait for them. Raises HardwareError."""
    way = component["hardware"]
    if way == "pci":
        _write(sysfs, "bus/pci/rescan", "1")
    elif way == "slot":
        _write(sysfs, f"bus/pci/slots/{component['slot']}/power", "1")
    elif way == "driver":
        for driver, device in component["drivers"]:
            if not os.path.exists(os.path.join(sysfs, driver, device)):
                _write(sysfs, f"{driver}/bind", device)


def _write(sysfs: str, path: str, text: str) -> None:
    path = os.path.join(sysfs, path)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)  # a file that is not there must not be made
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise HardwareError(f"{path}: writing {text!r} failed: {error.strerror}") from error


def _wait_until_gone(interfaces: Sequence[str], sysfs: str, patience: float) -> List[str]:
    """Those that are still there in the end."""
    end = time.monotonic() + patience
    while True:
        left = [name for name in interfaces if os.path.lexists(os.path.join(sysfs, "class/net", name))]
        if not left or time.monotonic() > end:
            return left
        time.sleep(LOOK_AGAIN)
