# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host of the lab with its daemon, started in half a second and anew for each test, and what can be done to it.

    with Bed(nics=2) as bed:
        bed.start({"hostname.eth1": "192.0.2.11/24 group g up\n", "hostname.eth2": "group g up\n"})
        bed.nic("eth1").pull()
        bed.log.wait("NIC failure detected on eth1 of group g")

The client is 192.0.2.250, the router 192.0.2.254 (and 2001:db8::250, ::254), all on one switch; no Ansible takes part.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Type, TypeVar

from deploy.layout import LAUNCHER, LIB, PROGRAMS

from ipmp.client import Client, connect, socket_path
from lab import Host, Lab, Nic, describe
from lab.nursery import children

PACKAGE = Path(__file__).resolve().parents[3] / "plugins" / "module_utils" / "ipmp"
LEVELS = {"3": "err", "6": "info", "7": "debug"}
WIPED = "/etc/hostname.* /etc/hostname6.* /etc/ipmp /etc/default/mpathd /var/lib/ipmp /run/ipmp"

T = TypeVar("T")


def eventually(look: Callable[[], T], what: object, limit: float = 30.0) -> T:
    """The first true value that look returns; what (a value, or a function asked at the end) tells what was missed."""
    end = time.monotonic() + limit
    while not (seen := look()):
        if time.monotonic() > end:
            raise AssertionError(f"{what() if callable(what) else what}: not within {limit:g} s")
        time.sleep(0.01)
    return seen


class Line(NamedTuple):
    """One line of the daemon's log; ``at`` is time.monotonic() when it was read."""

    at: float
    level: str
    text: str


class Log:
    """What the daemon has said since the test began, in its order; over restarts of the daemon too."""

    def __init__(self) -> None:
        self.lines: List[Line] = []
        self._readers: List[threading.Thread] = []

    def follow(self, stream: Any) -> None:
        """Read a daemon's standard error to its end."""
        reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        reader.start()
        self._readers.append(reader)

    def _read(self, stream: Any) -> None:
        with stream:
            for line in stream:
                found = re.match(r"(?:<(\d)>)?(.*)", line.rstrip("\n"))
                assert found is not None
                self.lines.append(Line(time.monotonic(), LEVELS.get(found[1] or "", ""), found[2]))

    def mark(self) -> int:
        """A place to look from later."""
        return len(self.lines)

    def texts(self, since: int = 0) -> List[str]:
        """The lines without their levels, and without those that say how late a busy machine has sent a probe."""
        return [line.text for line in self.lines[since:] if not line.text.startswith("missed sending ")]

    def find(self, text: str, since: int = 0) -> Optional[Line]:
        """The first line that is just that, or that the regular expression (begin it with ^) matches."""
        wanted = text if text.startswith("^") else re.escape(text)
        return next((line for line in self.lines[since:] if re.fullmatch(wanted, line.text)), None)

    def wait(self, text: str, since: int = 0, limit: float = 30.0) -> Line:
        """As find, until it is there."""
        found = eventually(lambda: self.find(text, since), lambda: f"{text!r} in the log {self.texts(since)}", limit)
        assert found is not None
        return found

    def only(self, texts: Sequence[str], since: int = 0) -> List[str]:
        """Those of the texts that were logged, in the log's order, repetitions included."""
        return [text for text in self.texts(since) if text in texts]

    def finish(self) -> None:
        """The daemon has ended: read what it said last."""
        for reader in self._readers:
            reader.join(10)
        self._readers.clear()


class Events:
    """The daemon's events (EVT-1..4) in their order, as dictionaries; ends with the daemon or with ``close``."""

    def __init__(self, path: str) -> None:
        self._socket = connect(path, 10.0)
        self._socket.sendall(b'{"v": 1, "id": 1, "op": "events"}\n')
        self._lines = self._socket.makefile("rb")
        assert json.loads(self._lines.readline())["ok"]
        self._socket.settimeout(None)
        self.seen: List[Dict[str, Any]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._lines:
            self.seen.append(json.loads(line)["event"])

    def of(self, *types: str, since: int = 0) -> List[Dict[str, Any]]:
        """Those of these types."""
        return [event for event in self.seen[since:] if event["type"] in types]

    def close(self) -> None:
        """Listen no longer."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Bed:
    """See the module's docstring. ``host`` is h1; ``log`` begins anew with each ``start``."""

    def __init__(self, nics: int = 2, kind: str = "veth") -> None:
        self.lab = Lab(describe(hosts=1, nics=nics, kind=kind))
        self.host, self.client, self.router = self.lab.hosts["h1"], self.lab.client, self.lab.router
        self.switch = self.lab.links["lan"]
        self.root = Path(f"/proc/{self.host.pid}/root")
        self.log = Log()
        self._daemon: Optional[subprocess.Popen[str]] = None
        try:
            self._install()
        except BaseException:
            self.close()
            raise

    def _install(self) -> None:
        """Put the package of this checkout where the role would, beside the pyroute2 of these tests."""
        library = self.root / LIB
        shutil.copytree(PACKAGE, library / "ipmp", ignore=shutil.ignore_patterns("__pycache__"))
        found = importlib.util.find_spec("pyroute2")
        assert found is not None and found.origin is not None
        shutil.copytree(Path(found.origin).parent, library / "pyroute2")  # the checkout may be in a /tmp that is hidden
        for name, module in PROGRAMS.items():
            program = self.root / "usr/local/sbin" / name
            program.unlink(missing_ok=True)
            program.write_text(LAUNCHER.format(python="/usr/bin/python3", lib=f"/{LIB}", module=module))
            program.chmod(0o755)
        # Nobody's link-local address is a duplicate here; waiting for that would take two seconds a test.
        self.host.run("for f in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 >$f; done")

    # -- the daemon

    def start(self, files: Mapping[str, str], *, groups: str = "", defaults: str = "") -> None:
        """Begin anew: everything mended, these files in /etc ("hostname.eth1": text), the daemon started and settled.

        groups is the text of groups.conf, defaults that of /etc/default/mpathd.
        """
        self.reset()
        self.write(files, groups=groups, defaults=defaults)
        self.run_daemon()

    def reset(self) -> None:
        """No daemon, no files, all cables plugged and whole, nothing remembered by anyone."""
        for nic in self.host.nics.values():  # while its link is up: a port without carrier takes no state
            if nic.present and nic.silent and not nic.pulled:
                nic.mend()
        self.stop(release=True)
        self.log = Log()
        self.host.run(f"rm -rf {WIPED}")
        self.switch.run(["nft", "flush", "ruleset"])
        for host in (self.host, self.client, self.router):
            for nic in host.nics.values():
                if not nic.present:
                    nic.put_back()
                if nic.pulled:
                    nic.plug()
                if nic.silent:
                    nic.host.run(f"ip link set {nic.name} up")
                    nic.mend()
        for nic in self.host.nics.values():
            self.host.run(f"ip addr flush dev {nic.name}; ip link set {nic.name} down")
        self.host.run("ip nexthop flush >/dev/null; ip route flush proto 199; ip route flush table local proto 199")
        for peer in (self.client, self.router):
            peer.run("ip neigh flush all; ip -6 neigh flush all")

    def write(self, files: Mapping[str, Optional[str]], *, groups: str = "", defaults: str = "") -> None:
        """Files under /etc; None removes one. Nobody is told."""
        also = {"ipmp/groups.conf": groups, "default/mpathd": defaults}
        for name, text in {**files, **{path: text for path, text in also.items() if text}}.items():
            path = self.root / "etc" / name
            if text is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)

    def run_daemon(self, before: Optional[Callable[[int], object]] = None) -> None:
        """Start it; returns when it answers, and so has placed the addresses.

        before: called with the number of its process, as the machine has it, before it does anything.
        """
        assert self._daemon is None
        environment = {**self.host.environment, "JOURNAL_STREAM": "0:0"}  # so that lines begin with their level
        self._daemon = self.host.popen(
            ["sh", "-c", "read -r go; exec /usr/local/sbin/in.mpathd"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.log.follow(self._daemon.stderr)
        if before is not None:
            before(eventually(lambda: children(self._daemon.pid), "its process")[0])  # type: ignore[union-attr]
        assert self._daemon.stdin is not None
        self._daemon.stdin.close()
        eventually(self._answers, lambda: f"the daemon answers; it said {self.log.texts()}")

    def _answers(self) -> bool:
        assert self._daemon is not None
        assert self._daemon.poll() is None, f"the daemon has ended and said {self.log.texts()}"
        try:
            return bool(self.call("ping"))
        except Exception:
            return False

    def stop(self, sig: int = signal.SIGTERM, *, release: bool = False) -> None:
        """End the daemon, with release after it has put the host back; nothing if none runs."""
        daemon, self._daemon = self._daemon, None
        if daemon is None:
            return
        if release and daemon.poll() is None:
            try:
                self.call("release")
            except Exception:
                daemon.send_signal(signal.SIGKILL)  # a transaction is open, or it hangs
        else:
            daemon.send_signal(sig)
        try:
            daemon.wait(15)
        except subprocess.TimeoutExpired:
            daemon.send_signal(signal.SIGKILL)
            daemon.wait(15)
        self.log.finish()

    def signal(self, sig: int) -> None:
        """Such as SIGHUP or SIGUSR1."""
        assert self._daemon is not None
        self._daemon.send_signal(sig)

    def call(self, op: str, **arguments: Any) -> Dict[str, Any]:
        """What the daemon answers; raises the client's errors."""
        return Client(str(self.root)).call(op, **arguments)

    def events(self) -> Events:
        """All that the daemon tells from now on."""
        return Events(socket_path(str(self.root)))

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command on the host to its end; its code is not checked."""
        return self.host.run(list(command), check=False)

    # -- how things are

    def status(self) -> Dict[str, Any]:
        """STATUS of the control protocol."""
        return self.call("status")

    def interface(self, name: str) -> Dict[str, Any]:
        """One interface of the status."""
        return next(i for i in self.status()["interfaces"] if i["name"] == name)

    def address(self, ip: str) -> Dict[str, Any]:
        """One address of the status."""
        return next(a for a in self.status()["addresses"] if a["address"] == ip)

    def flags(self, name: str) -> List[str]:
        """The flags of an interface that are set."""
        return list(self.interface(name)["flags"])

    def hosting(self) -> Dict[str, str]:
        """As the kernel has it: address -> NIC, link-local ones left out."""
        return {a["local"]: nic for nic, a in self._held() if not a["local"].startswith("fe80")}

    def held(self, nic: str) -> Dict[str, Dict[str, Any]]:
        """The addresses of one NIC, as ip(8) shows them."""
        return {a["local"]: a for name, a in self._held() if name == nic}

    def _held(self) -> Iterator[Any]:
        links = json.loads(self.host.run(["ip", "-j", "addr"]).stdout)
        return ((k["ifname"], a) for k in links if k["ifname"] != "lo" for a in k["addr_info"])

    def on(self, **wanted: str) -> Callable[[], bool]:
        """For eventually: ``on(eth2="192.0.2.11 192.0.2.12")``, these addresses are on these NICs."""
        home = {ip: nic for nic, ips in wanted.items() for ip in ips.split()}
        return lambda: home.items() <= self.hosting().items()

    # -- trouble

    def nic(self, name: str, host: Optional[Host] = None) -> Nic:
        """A card of the host (or of the client or router): pull, plug, cut, mend, take_out, put_back."""
        return (host or self.host).nics[name]

    def drop(self, what: str) -> None:
        """The switch drops what an nft expression of the bridge family says, until ``pass_all``.

        ``bed.drop(f"iifname {bed.nic('eth1').port} ip6 nexthdr icmpv6")``, ``bed.drop("ip daddr 192.0.2.254")``.
        """
        table = "add table bridge bed\nadd chain bridge bed f { type filter hook forward priority 0; }\n"
        self.switch.run(["nft", "-f", "-"], input=f"{table}add rule bridge bed f {what} drop\n")

    def pass_all(self) -> None:
        """End all that ``drop`` began."""
        self.switch.run(["nft", "flush", "ruleset"])

    # -- life

    def close(self) -> None:
        """End the daemon and the lab."""
        try:
            self.stop(signal.SIGKILL)
        finally:
            self.lab.close()

    def __enter__(self) -> Bed:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], problem: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()
