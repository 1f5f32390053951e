# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of the collection supports."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Says what would change, and refuses what would be refused, without changing anything.
    support: full
  diff_mode:
    description: Shows the difference between before and after.
    support: full
  idempotent:
    description: Run again with the same options, it changes nothing.
    support: full
  platform:
    description: The hosts that it works on.
    platforms: linux
    support: full
  action_group:
    description: Takes its defaults from C(module_defaults) for C(group/netpath.ipmp.all).
    membership:
      - netpath.ipmp.all
    support: full
requirements:
  - Linux 5.14 or newer on the managed host.
  - Python 3.9 or newer on the managed host.
notes:
  - Needs root on the managed host.
"""
