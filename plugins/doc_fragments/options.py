# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the modules share: how long to wait, whether to apply, what to deploy, and the keys of a group."""

from __future__ import annotations

import textwrap

_GROUP_KEYS = r"""
interfaces:
  description:
    - The members of the group.
    - All of them have to be connected to the same IP link.
  type: list
  elements: dict
  default: []
  suboptions:
    name:
      description: Name of the interface. It may be missing at present; it is then configured when it appears.
      type: str
      required: true
    standby:
      description: Whether it carries traffic only while another member has failed.
      type: bool
      default: false
    mtu:
      description: MTU in bytes, with IPv6 at least 1280. Left alone when not given.
      type: int
    data_addresses:
      description: Addresses in CIDR notation that move to another member while this one has failed.
      type: list
      elements: str
      default: []
    test_addresses:
      description: >-
        Addresses in CIDR notation, or V(link-local), that never leave this interface. Probes leave from them; without
        any, only the link is watched.
      type: list
      elements: str
      default: []
    extra:
      description: Further words for the hostname file that have no effect on Linux, such as C(private).
      type: list
      elements: str
      default: []
gateways:
  description: Default gateways that the group reaches through all its active members.
  type: list
  elements: str
  default: []
routes:
  description: Routes that the group carries over all its active members.
  type: list
  elements: dict
  default: []
  suboptions:
    to:
      description: Destination in CIDR notation, or V(default).
      type: str
      required: true
    via:
      description: Address of the next hop.
      type: str
      required: true
targets:
  description: Hosts to probe, before the routers of the group; at most five in all. See docs/detection.md.
  type: list
  elements: str
  default: []
failure_detection_time:
  description: Time in milliseconds within which probes have to notice a failure. The host's default when not given.
  type: int
failback:
  description: Whether addresses return to their interface after its repair. The host's default when not given.
  type: bool
"""


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  wait_timeout:
    description: How many seconds to wait until the host has done what was asked.
    type: int
    default: 30
"""

    APPLY = r"""
options:
  apply:
    description: Whether the daemon shall do at once what the files say. With V(false) only files are written.
    type: bool
    default: true
  confirm_timeout:
    description:
      - Seconds after which the host puts files and addresses back by itself, unless the change was confirmed by a task
        of M(netpath.ipmp.ipmp_config) with C(state=confirmed).
      - V(0) means that nothing has to be confirmed.
    type: int
    default: 0
"""

    DEFAULTS = r"""
options:
  defaults:
    description: What applies to groups that say nothing else; a key left out is left alone.
    type: dict
    suboptions:
      failure_detection_time:
        description: Time in milliseconds within which probes have to notice a failure.
        type: int
      failback:
        description: Whether addresses return to their interface after its repair.
        type: bool
      track_interfaces_only_with_groups:
        description: Whether interfaces outside all groups are left alone.
        type: bool
"""

    DEPLOY = r"""
options:
  pyroute2:
    description:
      - Which copy of the Python library pyroute2, 0.7.2 or newer, the daemon uses.
      - V(system) is the one that the host's Python imports, V(bundled) the one installed beside ansible on the
        controller, which is sent along, and V(auto) the host's own if it is good enough, else the controller's.
    type: str
    choices: [auto, bundled, system]
    default: auto
  network_managers:
    description:
      - Network managers that have to leave the members alone, now and, once hostname files name them, after each boot.
      - One that is at work is restarted when it does not do so yet, which leaves every address and link as it is, and
        asked afterwards. M(netpath.ipmp.ipmp_daemon) fails when it still manages one of them.
    type: list
    elements: str
    choices: [NetworkManager, systemd-networkd, ifupdown]
    default: [NetworkManager, systemd-networkd, ifupdown]
  artifact:
    description: What the controller has to offer. Filled in by the module's action plugin, and refused in playbooks.
    type: dict
    suboptions:
      code:
        description: Digest of the daemon's code.
        type: str
        required: true
      pyroute2:
        description: Digest of the controller's pyroute2.
        type: str
      pyroute2_version:
        description: Version of the controller's pyroute2.
        type: str
      archive:
        description: Where M(netpath.ipmp.ipmp_daemon) finds on the host what had to be sent.
        type: path
"""

    # Annotated, because ansible-test takes every plain assignment here for a literal text.
    GROUP: str = "options:\n" + textwrap.indent(_GROUP_KEYS.strip(), "  ") + "\n"

    GROUPS: str = (
        """
options:
  groups:
    description:
      - All groups of the host. A group is what is listed here; an option left out means its default.
      - Groups that are not named stay as they are unless O(purge=true).
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the group, at most 31 characters.
        type: str
        required: true
"""
        + textwrap.indent(_GROUP_KEYS.strip(), "      ")
        + "\n"
    )
