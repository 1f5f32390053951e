# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filters to_ipmp_groups and to_ipmp_notes have in common: each gives one half of a migration."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Tuple

from ansible.errors import AnsibleFilterError
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp.model import ConfigError


def migrated(
    asked_by: str, texts: Mapping[str, str], names: Optional[Mapping[str, str]]
) -> Tuple[List[Dict[str, Any]], List[str]]:
    """(groups, notes), as sources.migrate; AnsibleFilterError that names the filter asked_by."""
    # Ansible loads all filters of a collection when it needs one, in the process of each host.
    from . import sources

    if not isinstance(texts, Mapping):
        raise AnsibleFilterError(f"{asked_by}: give a dictionary of texts by path")
    if not isinstance(names or {}, Mapping) or not all(isinstance(name, str) for name in (names or {}).values()):
        raise AnsibleFilterError(
            f"{asked_by}: give new names as a dictionary, such as {{'hme0': 'eth1'}}, not {names!r}"
        )
    try:
        return sources.migrate({str(path): str(text) for path, text in texts.items()}, names or {})
    except ConfigError as error:
        raise AnsibleFilterError(f"{asked_by}: {error}")
