# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""STATUS of the control protocol: the runtime as plain data for ipmpstat, modules and people. Pure."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from . import placement
from .complaints import doubts
from .model import Address, Group
from .probing import Instance, Snapshot
from .runtime import Nic, Runtime

VERSION = "1.0.0"
PROTOCOL = 1


def status(
    runtime: Runtime, snapshot: Snapshot, pid: int, boot_id: str, transaction: Optional[Dict[str, Any]]
) -> Dict[str, Any]:
    """One consistent snapshot (IST-2); the shape is that of docs/architecture.md."""
    defaults = runtime.config.defaults
    return {
        "version": VERSION,
        "protocol": [PROTOCOL],
        "pid": pid,
        "generation": runtime.generation,
        "boot_id": boot_id,
        "defaults": {
            "failure_detection_time": defaults.failure_detection_time,
            "failback": defaults.failback,
            "track_interfaces_only_with_groups": defaults.track_interfaces_only_with_groups,
        },
        "groups": [_group(runtime, snapshot, g) for g in runtime.config.groups],
        "interfaces": [_interface(runtime, snapshot, runtime.nics[name]) for name in sorted(runtime.nics)],
        "addresses": _addresses(runtime),
        "transaction": transaction,
        "files_error": runtime.files_error,
        "warnings": warnings(runtime),
    }


def warnings(runtime: Runtime) -> List[str]:
    """Sentences about the configuration that are no reason to refuse it."""
    found = list(runtime.config.warnings)
    if runtime.files_error:
        found.insert(0, f"the files are wrong and not in force: {runtime.files_error}")
    found += doubts(runtime.config)
    for nic in runtime.grouped():
        if not nic.present and not nic.detached:
            found.append(nic.reason_of_absence)
    found += [text for _name, text in (*sorted(runtime.replaced.items()), *sorted(runtime.filtered.items()))]
    return found


def flags(runtime: Runtime, nic: Nic) -> List[str]:
    """Solaris' interface flags, those that are set (section 1)."""
    group = runtime.config.group_of(nic.name)
    spare = group is not None and nic.name in placement.inactive(runtime.members(group), runtime.hosted(group))
    interface = runtime.interface(nic.name)
    tests = interface is not None and (interface.link_local_test or any(a.up for a in interface.test_addresses))
    hosts = nic.name in runtime.hosting.values()
    present = {
        "STANDBY": nic.standby,
        "INACTIVE": spare,
        "FAILED": nic.present and nic.health.failed,
        "OFFLINE": nic.offline or nic.twin,
        "HWADDRDUP": nic.twin,
        "DOWN": not (nic.plumbed and (hosts or tests)),
    }
    return [flag for flag, is_set in present.items() if is_set]


def _group(runtime: Runtime, snapshot: Snapshot, group: Group) -> Dict[str, Any]:
    members = runtime.members(group)
    hosting = runtime.hosted(group)
    state = runtime.group_state(group)
    unusable = [n for n in sorted(members) if not members[n].usable]
    return {
        "name": group.name,
        "state": state,
        "failure_detection_time": dict(snapshot.detection_times).get(group.name),  # None: no member probes
        "failback": runtime.config.failback(group),
        "gateways": list(group.gateways),
        "routes": [{"to": r.to, "via": r.via} for r in group.routes],
        "targets": list(group.targets),
        "active": list(placement.active(members, hosting)),
        "inactive": sorted(placement.inactive(members, hosting)),
        "unusable": unusable,
        "signature": runtime.signatures[group.name],
        "reason": "; ".join(f"{n}: {runtime.nics[n].reason}" for n in unusable),
    }


def _interface(runtime: Runtime, snapshot: Snapshot, nic: Nic) -> Dict[str, Any]:
    interface = runtime.interface(nic.name)
    tests = [a.ip for a in interface.test_addresses] if interface else []
    group = runtime.config.group_of(nic.name)
    return {
        "name": nic.name,
        "group": nic.group,
        "present": nic.present,
        "ifindex": nic.ifindex if nic.present else None,
        "mac": nic.mac or None,
        "mtu": nic.mtu,
        "standby": nic.standby,
        "active": group is not None and nic.name in runtime.active(group),
        "state": nic.state,
        "link": ("up" if nic.health.link else "down") if nic.present else "unknown",
        "probe": nic.probe,
        "probing": [_probing(i) for watch in snapshot.watches if watch.nic == nic.name for i in watch.instances],
        "flags": flags(runtime, nic),
        "test_addresses": tests + (["link-local"] if interface and interface.link_local_test else []),
        "reason": nic.reason,
        "since": nic.since,
        "failures": nic.health.failures,
    }


def _probing(instance: Instance) -> Dict[str, Any]:
    return {**instance._asdict(), "targets": list(instance.targets)}


def _addresses(runtime: Runtime) -> List[Dict[str, Any]]:
    rows = []
    for group in runtime.config.groups:
        out = list(runtime.active(group))
        for interface in group.interfaces:
            nic = runtime.nics[interface.name]
            for address in interface.addresses:
                where = (nic.name if nic.plumbed else None) if address.test else runtime.hosting.get(address.ip)
                rows.append(_address(address, group.name, nic.name, where, out))
    for interface in runtime.config.ungrouped:
        for address in interface.addresses:
            nic = runtime.nics[interface.name]
            where = interface.name if nic.plumbed else None
            rows.append(_address(address, None, interface.name, where, [where] if where else []))
    return rows


def _address(
    address: Address, group: Optional[str], owner: str, where: Optional[str], out: List[str]
) -> Dict[str, Any]:
    up = address.up and where is not None
    return {
        "address": address.ip,
        "prefixlen": address.prefixlen,
        "family": address.family,
        "type": "test" if address.test else "data",
        "group": group,
        "owner": owner,
        "interface": where,
        "state": "up" if up else "down",
        "deprecated": address.deprecated,
        "outbound": ([owner] if address.test else out) if up else [],
    }
