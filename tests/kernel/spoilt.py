# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostname files with one mistake each, at a random place among lines that are right."""

from __future__ import annotations

import random
from typing import List, NamedTuple, Tuple


class Mistake(NamedTuple):
    """A line that makes a file wrong, and what the refusal has to name."""

    line: str
    words: List[str]
    family: int = 4


SPOILT = [
    Mistake("192.0.2.13/24 gorup lan up", ["'gorup'", "did you mean 'group'?"]),
    Mistake("192.0.2.13/24 -fialover up", ["'-fialover'", "did you mean '-failover'?"]),
    Mistake("192.0.2.13/33 up", ["'33'", "from 1 to 32"]),
    Mistake("192.0.2.300/24 up", ["'192.0.2.300'", "not an IPv4 address"]),
    Mistake("192.0.2.12/24 up", ["192.0.2.12", "on eth2 and on eth3", "remove one of them"]),
    Mistake("addif 192.0.2.12/24 deprecated -failover up", ["as data and as test address", "remove one of them"]),
    Mistake("192.0.2.0/24 up", ["address of a whole network"]),
    Mistake("192.0.2.255/24 up", ["broadcast address of its network"]),
    Mistake("224.0.0.5/24 up", ["224.0.0.5", "write a unicast address"]),
    Mistake("127.0.0.5/24 up", ["127.0.0.5", "write a unicast address"]),
    Mistake("192.0.2.13 netmask 255.0.255.0 up", ["'255.0.255.0'", "not a netmask"]),
    Mistake("192.0.2.13 netmask", ["'netmask' needs a mask"]),
    Mistake("192.0.2.13/24 broadcast 300.1.1.1 up", ["'300.1.1.1'"]),
    Mistake("192.0.2.13 192.0.2.14 up", ["192.0.2.14", "write 'addif 192.0.2.14'"]),
    Mistake("addif 192.0.2.15/24 up addif 192.0.2.15/24 up", ["192.0.2.15 is given twice", "remove one"]),
    Mistake("removeif 192.0.2.77", ["no address 192.0.2.77 stands before this"]),
    Mistake("addif", ["'addif' needs an address"]),
    Mistake("nosuchhost up", ["'nosuchhost'", "/etc/hosts"]),
    Mistake("group second addif 192.0.2.13/24 up", ["192.0.2.0/24", "'second'", "'lan'"]),
    Mistake("group", ["'group' needs a name"]),
    Mistake(f"group {'x' * 32}", ["at most 31", "choose a shorter name"]),
    Mistake("group l\0an", ["not a legal group name"]),
    Mistake("mtu much", ["'much'", "from 68 to 65535"]),
    Mistake("mtu 20", ["'20'", "from 68 to 65535"]),
    Mistake("index 4", ["'index' cannot be honoured on Linux"]),
    Mistake("dhcp", ["'dhcp' cannot be honoured on Linux", "leave the address to the DHCP client"]),
    Mistake("usesrc eth1", ["'usesrc' cannot be honoured on Linux"]),
    Mistake("2001:db8::13/64 up", ["2001:db8::13", "belong into /etc/hostname6.eth3"]),
    Mistake("192.0.2.13/24 up", ["192.0.2.13", "belong into /etc/hostname.eth3"], 6),
    Mistake("addif 2001:db8::13/129 up", ["'129'", "from 1 to 128"], 6),
    Mistake("addif ff02::13/64 up", ["ff02::13", "write a unicast address"], 6),
    Mistake("addif fe80::13/64 up", ["fe80::13 is link-local"], 6),
    Mistake("addif 2001:db8::1%eth1/64 up", ["without '%' and scope"], 6),
]
RIGHT = {
    4: ["# comment", "", "addif 192.0.2.31/24 up", "addif 192.0.2.32/24 deprecated -failover up", "private"],
    6: ["# comment", "", "addif 2001:db8::31/64 up", "addif 2001:db8::32/64 -failover up", "private"],
}


def spoilt(mistake: Mistake, chance: random.Random) -> Tuple[str, str]:
    """(path, text) of a file of eth3."""
    right = RIGHT[mistake.family]
    lines = chance.sample(right, chance.randint(0, len(right)))
    lines.insert(chance.randint(0, len(lines)), mistake.line)
    path = "/etc/hostname.eth3" if mistake.family == 4 else "/etc/hostname6.eth3"
    return path, "".join(f"{line}\n" for line in ["group lan", *lines])
