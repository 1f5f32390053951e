# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab: hosts on switches, with a client, a router and a controller, in namespaces that end with it.

    with Lab(describe(hosts=1, nics=2)) as lab:
        lab.hosts["h1"].nics["eth1"].pull()

Nothing is ever added to the machine's own network namespace: bridges live in one namespace a link, cards are made
from there into the hosts. Whichever way the maker of a lab ends, all of it goes.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Type, Union

from . import inventory, nspawn, quick, rootfs
from .host import Host, Place
from .nic import BRIDGE, Nic, TapNic, VethNic
from .nursery import Nursery, Starting
from .spec import ROLES, Description, HostSpec, LabError, LabSpec, read
from .tap import Wires

SWITCH = f"""
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
ip link add {BRIDGE} type bridge forward_delay 0 stp_state 0 mcast_snooping 0
ip link set {BRIDGE} up
"""
CONTROLLER_KINDS = ("net", "pid")  # the machine's files, so that ansible and the checkout are there


class Lab:
    """Ready when the constructor returns: ``hosts`` and ``links`` by name, ``client``, ``router``, ``controller``."""

    def __init__(self, description: Union[Description, str, Path]) -> None:
        self.spec: LabSpec = read(description)
        self.nursery = Nursery()
        self._wires = Wires(self.nursery.enter("pid"))
        self._nics: List[Nic] = []
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self) -> None:
        starters, makers = self._bed()
        links = {name: self.nursery.start(("net",), SWITCH) for name in self.spec.links}
        starting: List[Tuple[HostSpec, Starting]] = []
        for spec in self.spec.hosts:
            if spec.role == "controller":
                starting.append((spec, self.nursery.start(("net",), "ip link set lo up")))
            elif spec.role == "host":
                starting.append((spec, starters(spec)))
            else:
                starting.append((spec, quick.start(spec, self.nursery)))
        self.links = {name: Place(name, begun.ready(), ("net",)) for name, begun in links.items()}
        everyone: Dict[str, Host] = {}
        self._booted = {spec.name: begun for spec, begun in starting if isinstance(begun, nspawn.Booting)}
        for spec, begun in starting:
            if spec.role == "controller":
                everyone[spec.name] = Host(spec.name, begun.ready(), CONTROLLER_KINDS, dict(os.environ), spec.role)
            elif spec.role == "host":
                everyone[spec.name] = makers(spec, begun.ready())
            else:
                everyone[spec.name] = quick.host(spec, begun.ready())
        self.client, self.router, self.controller = (everyone[role] for role in ROLES)
        self.hosts: Dict[str, Host] = {name: host for name, host in everyone.items() if host.role == "host"}
        number = 0
        for spec in self.spec.hosts:
            host = everyone[spec.name]
            for card in spec.nics:
                number += 1
                switch = self.links[card.link]
                nic: Nic = (
                    TapNic(card, host, switch, number, self._wires)
                    if card.kind == "tap"
                    else VethNic(card, host, switch, number)
                )
                host.nics[card.name] = nic
                self._nics.append(nic)
                nic.put_back()
            self._configure(spec, host)

    def _bed(self) -> Tuple[Callable[[HostSpec], Starting], Callable[[HostSpec, int], Host]]:
        if self.spec.bed == "quick":
            return (lambda spec: quick.start(spec, self.nursery)), quick.host
        root = rootfs.path(self.spec.rootfs_packages)
        return (lambda spec: nspawn.start(spec, self.nursery, root)), nspawn.host

    @staticmethod
    def _configure(spec: HostSpec, host: Host) -> None:
        lines = []
        for card in spec.nics:
            if card.addresses:
                lines.append(f"link set dev {card.name} up")
            for address in card.addresses:
                lines.append(f"addr add {address} dev {card.name}" + (" nodad" if ":" in address else ""))
        lines += [f"route add {to} via {via}" for to, via in spec.routes]
        host.ip(*lines)
        if spec.forward:
            host.run(["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])

    @property
    def everyone(self) -> List[Host]:
        """The hosts, then client, router and controller."""
        return [*self.hosts.values(), self.client, self.router, self.controller]

    def nic(self, host: str, name: str) -> Nic:
        """A card by the names of host and NIC."""
        return self.hosts[host].nics[name]

    def restart(self, name: str, *, failed_units: bool = False) -> None:
        """Shut a host of the systemd bed down and boot it, with its disk and its cards; what ran in it has ended.

        failed_units: they are the test's own business.
        """
        host = self.hosts[name]
        cards = [nic for nic in host.nics.values() if nic.present]
        self._booted[name].stop()
        for nic in cards:
            nic.vanish()
        begun = nspawn.start(
            next(spec for spec in self.spec.hosts if spec.name == name),
            self.nursery,
            rootfs.path(self.spec.rootfs_packages),
        )
        self._booted[name] = begun
        host.pid = begun.leader()
        for nic in cards:  # long before anything looks for cards
            nic.put_back()
        begun.ready(failed_units=failed_units)

    def console(self, name: str) -> str:
        """What a host of the systemd bed has written to its console since it was booted."""
        if name not in self._booted:
            raise LabError(f"{name} has no console; only hosts of the systemd bed boot")
        return self._booted[name].console()

    def write_inventory(
        self,
        path: Path,
        variables: Optional[Mapping[str, Mapping[str, Any]]] = None,
        ssh: Optional[Mapping[str, str]] = None,
    ) -> None:
        """Write an ansible inventory of the hosts, with variables by host name.

        They are reached by entering their namespaces; or, with ssh (host name to address), over SSH to an sshd that is
        started in each, from the controller's namespace.
        """
        if ssh is None:
            inventory.write(self, path, variables)
        else:
            inventory.write_ssh(self, path, ssh, variables)

    def close(self) -> None:
        """End the lab; returns when nothing of it is left. A second call does nothing."""
        self.nursery.close()
        self._wires.close()
        for nic in self._nics:
            nic.close()

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], problem: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()
