# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How other network managers are kept off the members of our groups.

The files under /etc decide at each boot: a systemd generator writes the managers' drop-ins to /run for the interfaces
whose hostname files name a group. So a host whose files were never written, or put back, boots as it did before us.
Until a boot the members that the role has named count as well.
"""

from __future__ import annotations

import os
import re
from typing import List, Optional, Sequence, Set

from .places import Place

MANAGERS = ("NetworkManager", "systemd-networkd", "ifupdown")
GENERATOR = "etc/systemd/system-generators/ipmp-members"
NAMED = "run/ipmp/members"
KEPT = "run/ipmp/kept-off"
_NAME = re.compile(r"""[^\s/:;,"'\[\]*?]{1,15}\Z""")
DROP_INS = ("run/NetworkManager/conf.d/50-ipmp.conf", "run/systemd/network/00-ipmp.network", "run/ipmp/ifupdown")

_SCRIPT = """\
#!/bin/sh
# Written by netpath.ipmp (role mpathd). Interfaces that a hostname file puts in a group belong to in.mpathd; systemd
# runs this at boot and at daemon-reload, before any other network manager starts.
managers="@MANAGERS@"
root=${IPMP_ROOT:-}

names=$(cat "$root/run/ipmp/members" 2>/dev/null)
for file in "$root"/etc/hostname.* "$root"/etc/hostname6.*; do
    grep -Eqs '^[^#]*(^|[[:space:]])group[[:space:]]' "$file" || continue
    name=${file##*/hostname.}
    name=${name##*/hostname6.}
    name=${name%:*}
    case $name in *[!A-Za-z0-9_.@+-]*) continue ;; esac
    names="$names $name"
done
set -f
set -- "${1:-$root/run/systemd/generator}" $(printf '%s\\n' $names | sort -u)
units=$1
shift
names=$*

chosen() { case " $managers " in *" $1 "*) [ -n "$names" ] ;; *) false ;; esac }
put() { mkdir -p "${1%/*}" && cat >"$1.new" && mv "$1.new" "$1"; }

echo "$names" | put "$root/run/ipmp/kept-off"

file=$root/run/NetworkManager/conf.d/50-ipmp.conf
if chosen NetworkManager; then
    { printf '[keyfile]\\nunmanaged-devices+='; printf 'interface-name:%s;' "$@"; echo; } | put "$file"
else
    rm -f "$file"
fi

file=$root/run/systemd/network/00-ipmp.network
if chosen systemd-networkd; then
    printf '[Match]\\nName=%s\\n\\n[Link]\\nUnmanaged=yes\\n' "$names" | put "$file"
else
    rm -f "$file"
fi

file=$root/run/ipmp/ifupdown
if chosen ifupdown; then
    theirs=$(. "$root/etc/default/networking" >/dev/null 2>&1; echo "$EXCLUDE_INTERFACES")
    echo "EXCLUDE_INTERFACES=\\"$theirs $names\\"" | put "$file"
    printf '[Service]\\nEnvironmentFile=%s\\n' "$file" | put "$units/networking.service.d/50-ipmp.conf"
    for name in "$@"; do
        unit=ifup@$(systemd-escape "$name").service
        printf '[Unit]\\nConditionPathExists=!%s\\n' "$file" | put "$units/$unit.d/50-ipmp.conf"
    done
else
    rm -f "$file"
fi
"""


def generator(root: str, managers: Sequence[str]) -> Place:
    """What keeps these managers off at each boot; it shall not be there when there is none to be kept off."""
    text = _SCRIPT.replace("@MANAGERS@", " ".join(m for m in MANAGERS if m in managers)) if managers else None
    return Place(os.path.join(root, GENERATOR), text=text, mode=0o755)


def check(members: Sequence[str]) -> None:
    """ValueError where no interface can have such a name: it would be more than a name in the managers' files."""
    for name in members:
        if not _NAME.match(name) or name in (".", ".."):
            raise ValueError(f"members: no interface can have the name '{name}'; use 1 to 15 characters")


def named(root: str, members: Sequence[str]) -> Optional[Place]:
    """What has to be written for these members to be kept off from now on; None if they are, and no others.

    Those of hostname files that the role does not speak of are the files' business.
    """
    asked, kept = _words(root, NAMED), _words(root, KEPT)
    if set(members) <= kept and asked <= set(members):
        return None
    return Place(os.path.join(root, NAMED), text="".join(f"{name}\n" for name in sorted(members)) or None)


def leftovers(root: str) -> List[Place]:
    """What goes with us; beside what lies in /run/ipmp and what systemd removes itself."""
    return [Place(os.path.join(root, path)) for path in (GENERATOR, *DROP_INS)]


def kept(root: str) -> List[str]:
    """The interfaces from which the managers are kept off now, sorted."""
    return sorted(_words(root, KEPT))


def _words(root: str, path: str) -> Set[str]:
    try:
        with open(os.path.join(root, path), encoding="utf-8") as present:
            return set(present.read().split())
    except FileNotFoundError:
        return set()
