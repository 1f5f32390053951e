# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad values of every option of every module: one sentence that names the option, and nothing is touched.

Wrong types, unknown keys, wrong choices and missing options follow from the argument specs; what only we can know to
be wrong, and options that contradict each other, are listed.
"""

from __future__ import annotations

import copy
import importlib
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Tuple

import pytest
from ansible_collections.netpath.ipmp.plugins.module_utils.ipmp import files, model
from control_bed import serving
from running import Failed, run

ETH1 = {"name": "eth1", "data_addresses": ["192.0.2.11/24"]}
GROUP = {"name": "lan", "interfaces": [ETH1], "routes": [{"to": "203.0.113.0/24", "via": "192.0.2.254"}]}
GOOD: Dict[str, Dict[str, Any]] = {
    "ipmp_config": {"groups": [GROUP], "defaults": {"failback": True}},
    "ipmp_group": GROUP,
    "ipmp_interface": {"name": "eth1", "group": "lan"},
    "ipmp_address": {"interface": "eth1", "address": "192.0.2.11/24"},
    "ipmp_offline": {"interface": "eth1", "state": "offline"},
    "ipmp_dr": {"component": "eth1"},
    "ipmp_info": {"gather": ["groups"]},
    "ipmp_reach": {"addresses": ["192.0.2.11"]},
    "ipmp_daemon": {"state": "present", "artifact": {"code": "0"}},
    "ipmp_preflight": {"groups": [GROUP], "artifact": {"code": "0"}},
    "ipmp_wait": {"component": "eth1", "seen": "gone"},
}
FILES = {
    "/etc/hostname.eth1": "192.0.2.11/24 group lan up\n",
    "/etc/ipmp/groups.conf": "[lan]\ngateways = 192.0.2.254\n",
}
READING = {"plan", "status"}  # what may be asked before something is refused


class Case(NamedTuple):
    """Options that are wrong, and the words that the sentence has to hold."""

    module: str
    options: Mapping[str, Any]
    words: Tuple[str, ...]


class _SpecError(Exception):
    """Carries a module's arguments instead of running it."""


def spec_of(name: str) -> Dict[str, Any]:
    """The arguments that the module gives to AnsibleModule."""
    module = importlib.import_module(f"ansible_collections.netpath.ipmp.plugins.modules.{name}")
    found: Dict[str, Any] = {}

    def caught(**arguments: Any) -> None:
        found.update(arguments)
        raise _SpecError

    real, module.AnsibleModule = module.AnsibleModule, caught
    try:
        module.main()
    except _SpecError:
        pass
    finally:
        module.AnsibleModule = real
    return found["argument_spec"]  # type: ignore[no-any-return]


def wrong(entry: Mapping[str, Any]) -> List[Any]:
    """Values of another type than the option's, or none of its choices."""
    kind = entry["type"]
    found: List[Any] = {"int": ["many", 1.5, []], "bool": ["perhaps", 7], "dict": [["text"]], "list": [{"a": 1}]}.get(
        kind, []
    )
    if kind == "list" and entry["elements"] in ("int", "dict"):
        found = [*found, [["text"]]]
    if "choices" in entry:
        found = [*found, ["nosuch"] if kind == "list" else "nosuch"]
    return found


def with_value(options: Mapping[str, Any], path: Tuple[Any, ...], value: Any) -> Dict[str, Any]:
    """A copy of the options with this value at the end of the path."""
    made = copy.deepcopy(dict(options))
    place: Any = made
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return made


def without(options: Mapping[str, Any], path: Tuple[Any, ...]) -> Dict[str, Any]:
    """A copy of the options that lacks what the path leads to."""
    made = with_value(options, path, None)
    place: Any = made
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return made


def generic(module: str, spec: Mapping[str, Any], path: Tuple[Any, ...] = ()) -> Iterator[Case]:
    """Everything that the spec itself shows to be wrong."""
    good = GOOD[module]
    yield Case(module, with_value(good, (*path, "nosuch"), 1), ("nosuch",))
    for name, entry in spec.items():
        here = (*path, name)
        for value in wrong(entry):
            # Of a dictionary that is none Ansible says so, but not where.
            yield Case(module, with_value(good, here, value), () if "options" in entry else (name,))
        place: Any = good
        for key in path:
            place = place[key]
        if entry.get("required"):
            yield Case(module, without(good, here), (name,))
        if "options" in entry and place.get(name):
            inside = here if entry["type"] == "dict" else (*here, 0)
            yield from generic(module, entry["options"], inside)


NAMES = ("", ".", "..", "a/b", "../x", "eth1:1", "eth 1", "x" * 16)
COPIES = ("eth1.bak", "eth1~")  # no hostname file of such an interface would be read
NO_CIDR = ("nonsense", "192.0.2.11", "192.0.2.11/33", "192.0.2/24", "2001:db8::1/129", "192.0.2.11/255.255.255.0", "")
NO_CIDR += ("192.0.2.11/0", "2001:db8::11%eth1/64")
NO_UNICAST = ("224.0.0.1/24", "127.0.0.1/8", "0.0.0.0/0", "255.255.255.255/24", "192.0.2.0/24", "192.0.2.255/24")
NO_UNICAST += ("ff02::1/64", "::1/128", "::1/64", "::/64", "fe80::1/64")
NO_HOST = ("nonsense", "192.0.2.254/24", "224.0.0.1", "127.0.0.1", "::", "fe80::1%eth1", "")
NO_GROUP = ("", "x" * 32, "-lan", "la n", "[lan]")
SECONDS = (-1, 10**9)


def listed() -> Iterator[Case]:
    """What only we can know to be wrong."""
    for module, at in (("ipmp_config", ("groups", 0)), ("ipmp_group", ())):
        nic = (*at, "interfaces", 0)
        bad: List[Tuple[Tuple[Any, ...], Tuple[Any, ...]]] = [
            ((*at, "name"), NO_GROUP),
            ((*nic, "name"), NAMES),
            ((*nic, "mtu"), (-1, 0, 67, 65536)),
            *(((*nic, f"{kind}_addresses"), tuple([c] for c in (*NO_CIDR, *NO_UNICAST))) for kind in ("data", "test")),
            ((*nic, "data_addresses"), (["link-local"], ["192.0.2.11/24", "192.0.2.11/24"])),
            ((*nic, "extra"), (["group other"], ["up\n"], ["192.0.2.99"], [""])),
            ((*at, "gateways"), tuple([host] for host in NO_HOST)),
            ((*at, "targets"), tuple([host] for host in NO_HOST)),
            ((*at, "routes", 0, "to"), ("nonsense", "203.0.113.1/24", "2001:db8::/64", "")),
            ((*at, "routes", 0, "via"), NO_HOST),
            ((*at, "failure_detection_time"), (-1, 0, 19)),
        ]
        for path, values in bad:
            for value in values:
                word = "routes" if "routes" in path else str(path[-1])
                yield Case(module, with_value(GOOD[module], path, value), (word,))
        both = with_value(GOOD[module], (*nic, "test_addresses"), ["192.0.2.11/24"])
        yield Case(module, both, ("192.0.2.11", "eth1"))
        twice = with_value(GOOD[module], (*at, "interfaces"), [ETH1, {**ETH1, "data_addresses": []}])
        yield Case(module, twice, ("eth1", "once"))
        same = with_value(GOOD[module], (*at, "interfaces"), [ETH1, {**ETH1, "name": "eth2"}])
        yield Case(module, same, ("192.0.2.11", "eth1", "eth2"))
    for name in (*NAMES, *COPIES):
        yield Case("ipmp_interface", {"name": name, "group": "lan"}, ("name",))
        yield Case("ipmp_interface", {"name": name, "state": "absent"}, ("name",))
        yield Case("ipmp_address", {"interface": name, "address": "192.0.2.11/24"}, ("interface",))
        yield Case("ipmp_address", {"interface": name, "address": "192.0.2.11/24", "state": "absent"}, ("interface",))
    for name in NO_GROUP:
        yield Case("ipmp_interface", {"name": "eth1", "group": name}, ("group",))
        yield Case("ipmp_group", {"name": name, "state": "absent"}, ("name",))
    yield Case("ipmp_interface", {"name": "eth2"}, ("group", "eth2"))
    yield Case("ipmp_address", {"interface": "eth2", "address": "192.0.2.12/24"}, ("eth2",))
    for cidr in (*NO_CIDR, *NO_UNICAST):
        for kind in ("data", "test"):
            options = {"interface": "eth1", "address": cidr, "type": kind}
            yield Case("ipmp_address", options, ("address",))
            yield Case("ipmp_interface", {"name": "eth1", f"{kind}_addresses": [cidr]}, (f"{kind}_addresses",))
    for address in ("nonsense", "", "192.0.2"):
        yield Case("ipmp_address", {"interface": "eth1", "address": address, "state": "absent"}, ("address",))
    for module in ("ipmp_config", "ipmp_group", "ipmp_interface", "ipmp_address", "ipmp_offline", "ipmp_dr"):
        for seconds in SECONDS:
            yield Case(module, {**GOOD[module], "wait_timeout": seconds}, ("wait_timeout", str(seconds)))
            if module != "ipmp_offline":
                yield Case(module, {**GOOD[module], "confirm_timeout": seconds}, ("confirm_timeout", str(seconds)))
    for module in ("ipmp_config", "ipmp_group", "ipmp_interface", "ipmp_address"):
        yield Case(module, {**GOOD[module], "apply": False, "confirm_timeout": 60}, ("confirm_timeout", "apply"))
    yield from [
        Case("ipmp_config", {"groups": [GROUP, {"name": "lan", "interfaces": []}]}, ("groups", "'lan'", "twice")),
        Case(
            "ipmp_config",
            {"groups": [GROUP, {"name": "side", "interfaces": [ETH1]}]},
            ("groups", "'lan'", "'side'", "eth1"),
        ),
        Case("ipmp_config", {"purge": True}, ("purge", "groups")),
        Case("ipmp_config", {"groups": [GROUP], "confirm": True}, ("confirm", "confirm_timeout")),
        Case("ipmp_config", {"state": "confirmed"}, ("transaction",)),
        Case("ipmp_config", {"state": "confirmed", "transaction": "t", "groups": [GROUP]}, ("groups", "confirmed")),
        Case("ipmp_config", {"state": "rolled_back", "purge": True}, ("purge", "rolled_back")),
        Case("ipmp_config", {"transaction": "t"}, ("transaction", "confirmed")),
        Case("ipmp_config", {"files": {"/etc/passwd": "x"}}, ("files", "/etc/passwd")),
        Case("ipmp_config", {"files": {"/etc/hostname.../../x": "x"}}, ("files", "/etc/hostname.../../x")),
        Case("ipmp_config", {"files": {"/etc/hostname.eth1": 5}}, ("files", "/etc/hostname.eth1")),
        Case("ipmp_config", {"files": {"/etc/hostname.eth1": "gruop lan\n"}}, ("/etc/hostname.eth1", "'gruop'")),
        Case("ipmp_config", {"files": {"/etc/ipmp/groups.conf": "lan\n"}}, ("/etc/ipmp/groups.conf", "line 1")),
        *(
            Case("ipmp_config", {"defaults": {"failure_detection_time": time}}, ("failure_detection_time",))
            for time in (-1, 0, 19)
        ),
        Case("ipmp_dr", {"state": "detached"}, ("component",)),
        Case("ipmp_dr", {"state": "attached"}, ("component",)),
        Case("ipmp_dr", {"state": "confirmed"}, ("transaction",)),
        Case("ipmp_dr", {"state": "confirmed", "transaction": "t", "component": "eth1"}, ("component", "confirmed")),
        Case("ipmp_dr", {"state": "rolled_back", "component": "eth1"}, ("component", "rolled_back")),
        Case("ipmp_dr", {"component": "eth1", "transaction": "t"}, ("transaction", "detached")),
        *(Case("ipmp_reach", {"addresses": [host]}, ("addresses", host)) for host in ("nonsense", "192.0.2.1/24", "")),
        *(Case("ipmp_reach", {"addresses": ["192.0.2.1"], "ports": [p]}, ("ports", str(p))) for p in (-1, 0, 65536)),
        *(
            Case("ipmp_reach", {"addresses": ["192.0.2.1"], name: number}, (name, str(number)))
            for name in ("wait_timeout", "interval", "watch_timeout")
            for number in (-1, 0)
        ),
        Case("ipmp_reach", {"addresses": ["192.0.2.1"], "state": "watched", "watch": "w"}, ("watch",)),
        Case("ipmp_daemon", {"state": "present"}, ("artifact",)),
        Case("ipmp_daemon", {**GOOD["ipmp_daemon"], "wait_timeout": -1}, ("wait_timeout", "-1")),
        *(Case("ipmp_daemon", {**GOOD["ipmp_daemon"], "members": [name]}, ("members",)) for name in NAMES),
    ]


CASES = [*(case for module in GOOD for case in generic(module, spec_of(module))), *listed()]


def answers(root: str) -> Dict[str, Any]:
    """What the daemon reads, and finds wrong in files."""

    def plan(args: Mapping[str, Any], reply: Any) -> None:
        try:
            files.read_config(root, args["files"])
        except model.ConfigError as error:
            reply.error("invalid", str(error))
        else:
            reply.ok({"moves": [], "operations": [], "warnings": [], "busy": None})

    return {"plan": plan, "status": {"interfaces": [], "groups": []}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path, text in FILES.items():
        (tmp_path / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path[1:]).write_text(text)
    return tmp_path


def stamps(root: Path) -> Dict[Path, Tuple[int, int]]:
    """Inode and time of writing of all below etc."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (root / "etc").rglob("*")}


@pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
@pytest.mark.parametrize("module", GOOD)
def test_bad_values_are_refused_in_one_sentence_that_names_the_option(
    root: Path, monkeypatch: pytest.MonkeyPatch, module: str, check: bool
) -> None:
    monkeypatch.setenv("IPMP_ROOT", str(root))
    wrongly: List[str] = []
    before = stamps(root)
    with serving(str(root), **answers(str(root))) as bed:
        for case in [case for case in CASES if case.module == module]:
            bed.requests.clear()
            try:
                result = run(monkeypatch, module, check=check, **case.options)
                wrongly.append(f"{case.options}: accepted: {result}")
                continue
            except Failed as failure:
                said = str(failure)
            except Exception as error:
                wrongly.append(f"{case.options}: {type(error).__name__}: {error}")
                continue
            if "\n" in said.strip() or [word for word in case.words if word not in said]:
                wrongly.append(f"{case.options}: {case.words} not all in, or more than a line: {said}")
            if {request["op"] for request in bed.requests} - READING:
                wrongly.append(f"{case.options}: asked for {bed.requests}")
    assert not wrongly, "\n".join(wrongly)
    assert stamps(root) == before


def test_every_module_has_bad_values() -> None:
    names = {path.stem for path in Path(__file__).parents[3].joinpath("plugins/modules").glob("ipmp_*.py")}
    names -= {"ipmp_report"}  # runs on the controller only
    assert {case.module for case in CASES} == names
