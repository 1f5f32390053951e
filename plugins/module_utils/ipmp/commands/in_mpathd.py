# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""in.mpathd: the multipathing daemon (section 3 of the behaviour reference).

Usage: in.mpathd [-d] [--root DIR] [--static | --release]
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import syslog
from typing import Callable, Optional, Sequence, TextIO

from .. import client
from ..bootwatch import BootWatch
from ..control import AlreadyRunning, ControlServer
from ..daemon import Daemon
from ..notices import Notices
from ..operations import Operations
from ..transactions import Transactions

STOP_WAIT = 10.0  # s for a rollback before we stop all the same; the next start finishes it

_LEVELS = {"err": syslog.LOG_ERR, "info": syslog.LOG_INFO, "debug": syslog.LOG_DEBUG}


def main(
    argv: Sequence[str], stdout: TextIO = sys.stdout, stderr: TextIO = sys.stderr, root: Optional[str] = None
) -> int:
    """Run until told to stop. Exit 0 after SIGTERM, SIGINT, SIGQUIT; 1 when it cannot start."""
    parser = argparse.ArgumentParser(
        "in.mpathd", description="IP network multipathing daemon; stays in the foreground."
    )
    parser.add_argument("-d", dest="debug", action="store_true", help="log to the terminal instead of syslog")
    parser.add_argument("--root", default=root or client.default_root(), help="put every path under this directory")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--static", action="store_true", help="put the files' addresses on their NICs once, and end")
    what.add_argument("--release", action="store_true", help="ask the running daemon to put the host back and end")
    options = parser.parse_args(argv)
    if os.geteuid() != 0:
        stderr.write("in.mpathd: only root may change addresses and routes; run it as root\n")
        return 1
    if options.release:
        return _release(options.root, stderr)
    on_stderr = options.debug or "JOURNAL_STREAM" in os.environ
    log = _to_stderr(stderr) if on_stderr else _to_syslog()
    if options.static:
        return _static(options.root, log)
    return _serve(options.root, log, None if on_stderr else stderr)


def _to_stderr(stderr: TextIO) -> Callable[[str, str], None]:
    """With the priority that the journal understands, if that is what listens."""

    def log(level: str, text: str) -> None:
        mark = f"<{_LEVELS[level]}>" if "JOURNAL_STREAM" in os.environ else ""
        stderr.write(f"{mark}{text}\n")
        stderr.flush()

    return log


def _to_syslog() -> Callable[[str, str], None]:
    syslog.openlog("in.mpathd", syslog.LOG_PID, syslog.LOG_DAEMON)
    return lambda level, text: syslog.syslog(_LEVELS[level], text)


def _serve(root: str, log: Callable[[str, str], None], beside: Optional[TextIO]) -> int:
    """beside: where whoever starts it reads why it cannot start, if that is not the log."""
    daemon = Daemon(root, log)
    transactions = Transactions(daemon)
    operations = Operations(daemon, transactions)
    server = ControlServer(client.socket_path(root), operations.handle, daemon.loop, log=lambda text: log("err", text))
    try:
        server.open()
    except (AlreadyRunning, OSError) as error:
        log("err", f"main: {error}")
        if beside is not None:
            beside.write(f"in.mpathd: {error}\n")
        return 1
    _realtime(log)

    def stop() -> None:
        if transactions.open is not None:
            transactions.undo("in.mpathd is stopped", lambda _answer: daemon.loop.stop(), in_need=True)
            daemon.loop.call_later(STOP_WAIT, daemon.loop.stop)
        else:
            daemon.loop.stop()

    def reload() -> None:
        log("err", "SIGHUP: restart and reread config file")
        operations.reload()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        daemon.loop.on_signal(number, stop)
    daemon.loop.on_signal(signal.SIGHUP, reload)
    daemon.loop.on_signal(signal.SIGUSR1, daemon.dump)
    daemon.start()
    BootWatch(daemon, transactions.records)
    Notices(daemon)
    transactions.resume()
    operations.reconfiguration.attaching.resume()
    _notify("READY=1")
    _watchdog(daemon)
    daemon.loop.run()
    _notify("STOPPING=1")
    server.close()
    daemon.close()
    return 0


def _static(root: str, log: Callable[[str, str], None]) -> int:
    daemon = Daemon(root, log)
    daemon.start()
    while daemon.links.naming:
        daemon.loop.run_once()
    log("err", "addresses are placed once; nothing watches the links")
    daemon.close()
    return 1 if daemon.runtime.suspended else 0


def _release(root: str, stderr: TextIO) -> int:
    try:
        client.Client(root).call("release")
    except client.ClientError as error:
        stderr.write(f"in.mpathd: {error}\n")
        return 1
    return 0


def _realtime(log: Callable[[str, str], None]) -> None:
    """The worst wake-up under load goes from 5 ms to 0.1 ms."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError as error:
        log("info", f"no real-time scheduling ({error.strerror}); a busy host will see slower failovers")


def _notify(text: str) -> None:
    """sd_notify(3); nothing without systemd."""
    name = os.environ.get("NOTIFY_SOCKET", "")
    if name:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.sendto(text.encode(), "\0" + name[1:] if name.startswith("@") else name)
            except OSError:
                pass  # systemd is told nothing, which it notices by itself


def _watchdog(daemon: Daemon) -> None:
    """Tell systemd that the loop still turns, at half the interval that it allows."""
    interval = int(os.environ.get("WATCHDOG_USEC", "0")) / 2e6
    if interval > 0:
        daemon.every(interval, lambda: _notify("WATCHDOG=1"))
