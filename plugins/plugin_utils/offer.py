# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller has for a host: the daemon's code, and the pyroute2 installed beside ansible."""

from __future__ import annotations

import importlib.util
import os
from typing import Dict, Mapping, Optional

from ..module_utils import ipmp
from ..module_utils.deploy import artifact, pyroute2_choice


def folders(pyroute2: str) -> Dict[str, str]:
    """Where the code lies that a host may get, by name; ``pyroute2`` is the option of ipmp_daemon."""
    found = {"ipmp": os.path.dirname(os.path.abspath(ipmp.__file__))}
    bundle = None if pyroute2 == "system" else _pyroute2_folder()
    return {**found, "pyroute2": bundle} if bundle else found


def described(offered: Mapping[str, str]) -> Dict[str, Optional[str]]:
    """The option ``artifact``: digests, and pyroute2's version."""
    found: Dict[str, Optional[str]] = {"code": artifact.digest(offered["ipmp"])}
    if "pyroute2" in offered:
        found["pyroute2"] = artifact.digest(offered["pyroute2"])
        found["pyroute2_version"] = pyroute2_choice.installed_version()
    return found


def _pyroute2_folder() -> Optional[str]:
    spec = importlib.util.find_spec("pyroute2")
    return os.path.dirname(spec.origin) if spec and spec.origin else None
