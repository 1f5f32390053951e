#!/usr/bin/python
# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is like before its groups are set up, and what would be changed on it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ipmp_preflight
short_description: Look at a host before its groups are set up
version_added: 1.0.0
description:
  - Finds out in one call what M(netpath.ipmp.ipmp_daemon) and then M(netpath.ipmp.ipmp_config) with the same options
    would change, and what can be known beforehand of the host's kernel, its interfaces, and the way back to the
    controller.
  - Where there is no daemon yet, members whose link is up are asked whether they hear each other and whether another
    host has their addresses; otherwise the daemon is asked for its plan. Nothing is changed.
  - The playbook C(netpath.ipmp.setup) runs it on all hosts first, compares what they say, and leaves alone those of
    which nothing differs.
author:
  - The netpath.ipmp contributors (@netpath)
extends_documentation_fragment:
  - netpath.ipmp.attributes
  - netpath.ipmp.options.groups
  - netpath.ipmp.options.defaults
  - netpath.ipmp.options.deploy
attributes:
  check_mode:
    description: Changes nothing, so it does the same in check mode.
    support: full
  diff_mode:
    description: There is no difference to be shown.
    support: none
options:
  files:
    description: As for M(netpath.ipmp.ipmp_config).
    type: dict
    default: {}
  purge:
    description: As for M(netpath.ipmp.ipmp_config).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Look at the host
  netpath.ipmp.ipmp_preflight:
    groups: "{{ ipmp_groups }}"
  register: look

- name: Say what would be done
  ansible.builtin.debug:
    msg: "{{ look.differs | join(' and ') or 'nothing' }}"
"""

RETURN = r"""
differs:
  description: What a set-up would change, V(daemon) (its code, unit, or that it runs), V(groups), both or nothing.
  returned: success
  type: list
  elements: str
  sample: [groups]
host:
  description: What was found. Keys for which nobody could be asked are null.
  returned: success
  type: dict
  contains:
    python:
      description: Version of the Python that runs the modules.
      type: str
    kernel:
      description: The kernel's release.
      type: str
    root:
      description: Whether the module ran as root. If not, or if Python is too old, nothing else was looked at.
      type: bool
    nexthops:
      description: Whether the kernel has nexthop objects.
      type: bool
    daemon:
      description: Version and protocol of the daemon that answers; null when none does.
      type: dict
    too_new:
      description: Why the collection on the controller is too old for the daemon on the host, or null.
      type: str
    members:
      description: Each member by name, whether it is there, what it is, whether it has a hostname file already.
      type: dict
    way:
      description: >-
        The addresses that the SSH connection goes between, the interface that has the host's, and the way back; null
        without SSH.
      type: dict
    link:
      description: >-
        By group, which addresses somebody else has (C(used)), which members hear each other (C(sides)), and which hear
        anything (C(alive)).
      type: dict
    refused:
      description: By V(daemon) and V(groups), the sentence with which it would be refused.
      type: dict
"""

import os
import sys
from typing import Any, Dict, List, Optional, Tuple

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.netpath.ipmp.plugins.module_utils import (
    answer,
    declare,
    group_spec,
    lookout,
    wanted,
)
from ansible_collections.netpath.ipmp.plugins.module_utils.deploy import asked, deployment
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp import client, files, model


class Look:
    """One look at the host, ``found`` growing with each step."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module, self.params = module, module.params
        self.root = client.default_root()
        self.refused: Dict[str, str] = {}
        self.found: Dict[str, Any] = {**lookout.versions(), "root": os.geteuid() == 0}

    def result(self) -> Dict[str, Any]:
        if not self.found["root"] or sys.version_info < (3, 9):
            return {"changed": False, "differs": ["daemon", "groups"], "host": self.found}
        self.found.update(nexthops=lookout.has_nexthops(), daemon=None, too_new=None, refused=self.refused)
        self._network()
        differs = [name for name, step in (("daemon", self._daemon), ("groups", self._groups)) if step()]
        self.found["link"] = self._link() if self.found["daemon"] is None else {}
        return {"changed": False, "differs": differs, "host": self.found}

    def _network(self) -> None:
        ip, run = self.module.get_bin_path("ip"), self.module.run_command
        known = lookout.links(run, ip)
        try:
            configured = files.hostname_files(files.read_texts(self.root))
        except model.ConfigError as error:
            self.refused["groups"], configured = str(error), {}
        self.found["members"] = None if known is None else lookout.members(known, self._names(), configured)
        self.found["way"] = lookout.way(run, ip, known or [], answer.connection())
        self._present = {a["local"] for k in known or [] for a in k.get("addr_info", ()) if "local" in a}

    def _names(self) -> List[str]:
        return sorted({entry["name"] for group in self.params["groups"] or [] for entry in group["interfaces"]})

    def _daemon(self) -> bool:
        """Whether role mpathd has anything to do."""
        offer = self.params["artifact"]
        host = deployment.Host(self.root, self.module.run_command, lambda path: None, 5)
        try:
            with_it = deployment.Deployment(
                host,
                code=offer["code"],
                pyroute2=offer["pyroute2"],
                pyroute2_version=offer["pyroute2_version"],
                pyroute2_asked=self.params["pyroute2"],
                managers=self.params["network_managers"],
                members=self._names(),
            )
            differences = with_it.differences()
        except (ValueError, OSError) as error:
            self.refused["daemon"] = str(error)
            return True
        return bool(differences)

    def _groups(self) -> bool:
        """Whether role hostname_files has anything to do."""
        try:
            pong = client.Client(self.root, timeout=5).call("ping")
            self.found["daemon"] = {"version": pong.get("version"), "protocol": pong.get("protocol")}
            declaration = declare.Declaration(self.module, self._texts)
            return bool(declaration.result()["changed"])
        except (client.DaemonUnreachable, client.ProtocolMismatch) as error:
            if getattr(error, "older", "daemon") == "caller":
                self.found["too_new"] = str(error)
            self._as_without_daemon()
        except (client.ClientError, model.ConfigError) as error:
            self.refused["groups"] = str(error)
        return True

    def _texts(self, before: Any) -> Any:
        params, way = self.params, self.found["way"] or {}
        return wanted.wanted_files(
            before,
            params["groups"] or [],
            texts=params["files"],
            defaults=params["defaults"] or {},
            purge=params["purge"],
            keep=[way.get("interface")],
        )

    def _as_without_daemon(self) -> None:
        try:
            before = files.read_texts(self.root)
            files.config({**before, **self._texts(before)})
        except model.ConfigError as error:
            self.refused["groups"] = str(error)

    def _link(self) -> Optional[Dict[str, Any]]:
        from ansible_collections.netpath.ipmp.plugins.module_utils import question  # most calls need not compile it

        groups, others = {}, {}
        for group in self.params["groups"] or []:
            entries = [(entry, self._askable(entry["name"])) for entry in group["interfaces"]]
            to_ask = [question.Member(*self._member(entry, link)) for entry, link in entries if link]
            if len(to_ask) > 1 or any(member.new for member in to_ask):
                groups[group["name"]], others[group["name"]] = to_ask, [*group["gateways"], *group["targets"]]
        try:
            return question.ask(groups, others) if groups else {}
        except (OSError, ValueError):  # a NIC that has gone this very moment
            return None

    def _askable(self, name: str) -> Optional[Dict[str, Any]]:
        link = (self.found["members"] or {}).get(name, {})
        return link if link.get("carrier") and link.get("up") and link["ethernet"] and not link["master"] else None

    def _member(self, entry: Dict[str, Any], link: Dict[str, Any]) -> Tuple[str, int, str, List[str]]:
        listed = [a for a in [*entry["data_addresses"], *entry["test_addresses"]] if a != wanted.LINK_LOCAL]
        new = [ip for ip in (address.partition("/")[0] for address in listed) if ip not in self._present]
        with open(f"/sys/class/net/{link['name']}/ifindex", encoding="ascii") as file:
            return link["name"], int(file.read()), link["mac"], new


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "groups": {"type": "list", "elements": "dict", "options": group_spec.GROUP},
            "files": {"type": "dict", "default": {}},
            "purge": {"type": "bool", "default": False},
            "defaults": {"type": "dict", "options": group_spec.DEFAULTS},
            **asked.OPTIONS,
        },
        supports_check_mode=True,
    )
    # A declaration is only to say what it would do.
    module.check_mode = True
    module.params.update(apply=True, confirm_timeout=0, wait_timeout=5)
    module.exit_json(**Look(module).result())


if __name__ == "__main__":
    main()
