# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pyroute2 the daemon is to use: the host's own, or the controller's in the artifact."""

from __future__ import annotations

import importlib.util
from importlib import metadata
from typing import Optional

from .artifact import OLDEST_PYROUTE2, good_pyroute2

_OLDEST = ".".join(str(n) for n in OLDEST_PYROUTE2)


def installed_version() -> Optional[str]:
    """The version of pyroute2 that this interpreter would import, or None; nothing is imported."""
    if importlib.util.find_spec("pyroute2") is None:
        return None
    for package in ("pyroute2", "pyroute2-core", "pyroute2.core", "pyroute2-minimal"):
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return None


def choose(asked: str, host: Optional[str], controller: Optional[str], already_bundled: bool) -> str:
    """``system`` or ``bundled``; ValueError with one sentence when what was asked is not to be had."""
    if asked in ("auto", "system") and good_pyroute2(host):
        return "system"
    if asked == "system":
        raise ValueError(
            f"this host's python3 has {'pyroute2 ' + host if host else 'no pyroute2'}, and {_OLDEST} or newer "
            "is needed: install the package python3-pyroute2, or set pyroute2 to auto"
        )
    if good_pyroute2(controller) or (already_bundled and asked == "auto"):
        return "bundled"
    raise ValueError(
        f"there is no pyroute2 {_OLDEST} or newer, neither on this host nor beside ansible on the controller: "
        "install the package python3-pyroute2 on the host, or 'pip install pyroute2' in the controller's environment"
    )
