# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drop-ins that keep other network managers off the members of our groups; each only where its manager is installed."""

from __future__ import annotations

import os
import re
from typing import Dict, List, Sequence

from .places import Place

MANAGERS = ("NetworkManager", "systemd-networkd", "ifupdown")
HEADER = "# Written by netpath.ipmp: these interfaces belong to in.mpathd.\n"
BEGIN, END = "# BEGIN netpath.ipmp\n", "# END netpath.ipmp\n"

_NAME = re.compile(r"""[^\s/:;,"'\[\]*?]{1,15}\Z""")
_INSTALLED = {
    "NetworkManager": ("usr/sbin/NetworkManager",),
    "systemd-networkd": ("usr/lib/systemd/systemd-networkd", "lib/systemd/systemd-networkd"),
    "ifupdown": ("sbin/ifup", "usr/sbin/ifup"),
}
_FILES = {
    "NetworkManager": "etc/NetworkManager/conf.d/50-ipmp.conf",
    "systemd-networkd": "etc/systemd/network/05-ipmp.network",
    "ifupdown": "etc/default/networking",
}
# Asked only where systemd runs and the manager's unit is active.
RELOADS: Dict[str, List[str]] = {
    "NetworkManager": ["systemctl", "reload", "NetworkManager.service"],
    "systemd-networkd": ["networkctl", "reload"],
}


def places(root: str, managers: Sequence[str], members: Sequence[str]) -> Dict[str, Place]:
    """What each installed manager's file shall be; a manager that is not named, or no member at all: no drop-in.

    ValueError where a name is none that an interface can have: it would be more than a name in those files.
    """
    for name in members:
        if not _NAME.match(name) or name in (".", ".."):
            raise ValueError(f"members: no interface can have the name '{name}'; use 1 to 15 characters")
    result = {}
    for manager in MANAGERS:
        path = os.path.join(root, _FILES[manager])
        installed = any(os.path.exists(os.path.join(root, program)) for program in _INSTALLED[manager])
        names = sorted(members) if installed and manager in managers else []
        if manager == "ifupdown":
            if installed or os.path.exists(path):
                result[manager] = _exclude(path, names)
        else:
            result[manager] = Place(path, text=_text(manager, names) if names else None)
    return result


def _text(manager: str, names: Sequence[str]) -> str:
    if manager == "NetworkManager":
        return HEADER + "[keyfile]\nunmanaged-devices+=" + ";".join(f"interface-name:{n}" for n in names) + "\n"
    return HEADER + f"[Match]\nName={' '.join(names)}\n\n[Link]\nUnmanaged=yes\n"


def _exclude(path: str, names: Sequence[str]) -> Place:
    """ifupdown has no drop-in for this; a marked block at the end of its defaults file extends the user's list."""
    text = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as present:
            text = present.read()
    own = re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), "", text, flags=re.DOTALL)
    if names:
        excluded = re.findall(r'^\s*EXCLUDE_INTERFACES=["\']?([^"\'\n]*)', own, flags=re.MULTILINE)
        theirs = excluded[-1].split() if excluded else []
        everything = theirs + [n for n in names if n not in theirs]
        own = own if not own or own.endswith("\n") else own + "\n"
        own += f'{BEGIN}EXCLUDE_INTERFACES="{" ".join(everything)}"\n{END}'
    return Place(path, text=own or None)
