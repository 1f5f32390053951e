# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random groups, members and configurations, for hypothesis and for the simulator."""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from ipmp.model import Address, Config, Defaults, Group, Interface, Route
from ipmp.placement import Member

NICS = ("eth0", "eth1", "eth2", "eth3", "eth4")
STRANGER = "wlan0"  # a NIC that no file names
STATES = (Member(True, True), Member(True, True), Member(False, True), Member(False, False))


def interface(name: str, *cidrs: str, group: Optional[str] = "g", standby: bool = False, test: str = "") -> Interface:
    """``interface("eth0", "192.0.2.1/24", test="192.0.2.11/24")``."""
    addresses = [_address(c, False) for c in cidrs] + [_address(c, True) for c in test.split()]
    return Interface(name, group, standby, None, tuple(addresses), True, True)


def group_of(*interfaces: Interface, name: str = "g", **more: object) -> Group:
    """A group of these members."""
    return Group(name, tuple(sorted(interfaces, key=lambda i: i.name)), **more)  # type: ignore[arg-type]


def _address(cidr: str, test: bool, up: bool = True) -> Address:
    ip, _, length = cidr.partition("/")
    return Address(ip, int(length), test=test, deprecated=test, up=up)


@st.composite
def interfaces(draw: DrawFn, name: str, group: Optional[str], net: int, host: int) -> Interface:
    """One NIC; its addresses have host numbers from ``host`` on in the networks of group number ``net``."""
    found: List[Address] = []
    for place in range(draw(st.integers(0, 3))):
        up = draw(st.integers(0, 5)) > 0
        found.append(_address(f"192.0.{net}.{host + place}/24", False, up))
    for place in range(draw(st.integers(0, 2))):
        found.append(_address(f"2001:db8:{net}::{host + place:x}/64", False))
    tests = draw(st.sampled_from(("", "", f"192.0.{net}.{host + 8}/24", f"10.0.{net}.{host}/24")))
    if tests and group is not None:
        found.append(_address(tests, True))
    standby = group is not None and draw(st.integers(0, 3)) == 0
    return Interface(name, group, standby, None, tuple(sorted(found, key=lambda a: a.family)), True, True)


@st.composite
def groups(draw: DrawFn, name: str = "g", net: int = 1, nics: Sequence[str] = NICS) -> Group:
    """One group of one or more of these NICs.

    The numbers of addresses depend on the order of members and not on their names, so two drawn groups share
    addresses but not their owners.
    """
    names = draw(st.lists(st.sampled_from(list(nics)), min_size=1, max_size=4, unique=True))
    members = [draw(interfaces(n, name, net, 10 * place + 10)) for place, n in enumerate(names)]
    ways: Tuple[str, ...] = draw(
        st.sampled_from(((), (f"192.0.{net}.254",), (f"192.0.{net}.253", f"2001:db8:{net}::fe")))
    )
    routes = draw(st.sampled_from(((), (Route(f"203.0.113.{net}/32", f"192.0.{net}.252"),))))
    return Group(name, tuple(sorted(members, key=lambda i: i.name)), ways, routes)


@st.composite
def members(draw: DrawFn, group: Group) -> Mapping[str, Member]:
    """A state for each member."""
    found: Dict[str, Member] = {}
    for one in group.interfaces:
        state = draw(st.sampled_from(STATES))
        held_back = not one.standby and state.usable and draw(st.integers(0, 3)) == 0
        found[one.name] = Member(state.usable, state.plumbed, one.standby, held_back)
    return found


@st.composite
def hostings(draw: DrawFn, group: Group) -> Mapping[str, Optional[str]]:
    """Any address anywhere: on a member, nowhere, or on a NIC that has left the group."""
    places = [*(i.name for i in group.interfaces), None, "left0"]
    return {a.ip: draw(st.sampled_from(places)) for _owner, a in group.data_addresses}


@st.composite
def configs(draw: DrawFn) -> Config:
    """One or two groups, and perhaps an interface without a group."""
    cut = draw(st.integers(1, len(NICS)))
    found = [draw(groups("g1", 1, NICS[:cut]))]
    if cut < len(NICS) and draw(st.booleans()):
        found.append(draw(groups("g2", 2, NICS[cut:])))
    used = {i.name for g in found for i in g.interfaces}
    free = [n for n in NICS if n not in used]
    single = [draw(interfaces(free[0], None, 3, 10))] if free and draw(st.booleans()) else []
    return Config(tuple(found), tuple(single), Defaults(failback=draw(st.integers(0, 3)) > 0))
