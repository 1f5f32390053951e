# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ipmpstat's output, to the letter, from a served status."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from io import StringIO
from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

import pytest
from control_bed import Bed, serving
from status_fixture import status

from ipmp.commands import ipmpstat

OURS = str(Path(__file__).resolve().parents[2] / "plugins/module_utils")


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    with serving(str(tmp_path), status=status()) as made:
        yield made


def run(root: str | Path, *argv: str) -> Tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    return ipmpstat.main(argv, out, err, str(root)), out.getvalue(), err.getvalue()


def shown(bed: Bed, *argv: str) -> str:
    code, out, err = run(bed.root, *argv)
    assert (code, err) == (0, "")
    return out


@pytest.mark.oracle("T119")
def test_groups_show_active_then_spare_then_unusable_interfaces(bed: Bed) -> None:
    assert shown(bed, "-g") == (
        "GROUP       GROUPNAME   STATE     FDT       INTERFACES\n"
        "web         web         degraded  --        eth1 (eth2) [eth0 eth3]\n"
    )


def test_a_group_that_probes_shows_its_detection_time(bed: Bed) -> None:
    (group,) = bed.answers["status"]["groups"]
    group.update(failure_detection_time=10000, active=[], inactive=[], state="failed")
    assert shown(bed, "-g") == (
        "GROUP       GROUPNAME   STATE     FDT       INTERFACES\n"
        "web         web         failed    10.00s    [eth0 eth3]\n"
    )


def test_interfaces_of_groups_are_shown_with_their_flags(bed: Bed) -> None:
    assert shown(bed, "-i") == (
        "INTERFACE   ACTIVE  GROUP       FLAGS     LINK      PROBE     STATE\n"
        "eth0        no      web         -----d-   down      disabled  failed\n"
        "eth1        yes     web         -------   up        disabled  ok\n"
        "eth2        no      web         is---d-   up        disabled  ok\n"
        "eth3        no      web         -----d-   unknown   disabled  detached\n"
    )


def test_interfaces_without_a_group_are_shown_where_they_are_watched(bed: Bed) -> None:
    bed.answers["status"]["defaults"]["track_interfaces_only_with_groups"] = False
    assert shown(bed, "-i").endswith("eth9        yes     --          -------   up        disabled  ok\n")


def test_addresses_show_where_they_come_in_and_go_out(bed: Bed) -> None:
    assert shown(bed, "-an") == (
        "ADDRESS                   STATE  GROUP       INBOUND     OUTBOUND\n"
        "192.0.2.1                 up     web         eth1        eth1\n"
        "192.0.2.2                 down   web         --          --\n"
        "2001:db8:1111:2222:3333:4444:5555:6666 up web eth1       eth1\n"
    )


def test_addresses_have_names_from_hosts_without_the_domain_unless_n(bed: Bed) -> None:
    os.makedirs(os.path.join(bed.root, "etc"))
    Path(bed.root, "etc/hosts").write_text("# 192.0.2.1 no\n192.0.2.1 www.example.org www # the server\n192.0.2.1 x\n")
    assert shown(bed, "-a").splitlines()[1].split()[0] == "www"
    assert shown(bed, "-a", "-n").splitlines()[1].split()[0] == "192.0.2.1"


def test_targets_without_probes_are_disabled(bed: Bed) -> None:
    assert shown(bed, "-t").splitlines()[:2] == [
        "INTERFACE   MODE      TESTADDR            TARGETS",
        "eth0        disabled  --                  --",
    ]


def test_targets_of_an_interface_that_probes_are_shown_for_each_family(bed: Bed) -> None:
    bed.answers["status"]["interfaces"][1]["probing"] = [
        {"mode": "routes", "test_address": "192.0.2.21", "targets": ["192.0.2.253", "192.0.2.254"]},
        {"mode": "multicast", "test_address": "fe80::1", "targets": []},
    ]
    assert shown(bed, "-t").splitlines()[2:4] == [
        "eth1        routes    192.0.2.21          192.0.2.253 192.0.2.254",
        "eth1        multicast fe80::1             --",
    ]


SECOND = 10**9
PROBE = {
    "type": "probe",
    "nic": "eth1",
    "family": 4,
    "state": "acked",
    "sequence": 7,
    "target": "192.0.2.254",
    "average": 0.31,
    "deviation": None,
}


def test_probes_are_shown_as_they_come_until_the_daemon_ends(bed: Bed) -> None:
    start = time.time_ns()
    times = {"started": start + 2 * SECOND, "sent": start + 2 * SECOND + 10_000}
    rows = [
        {**PROBE, **times, "received": times["sent"] + 250_000, "processed": times["started"] + 400_000},
        {**PROBE, **times, "state": "lost", "sequence": 8, "received": None, "processed": None, "deviation": 0.07},
    ]

    def answer(_args: Dict[str, Any], reply: Any) -> None:
        stream = reply.stream()
        for row in rows:
            stream.send(row)
        bed.loop.call_later(0.5, lambda: [c.close() for c in list(bed.server.connections)])

    bed.answers["status"]["interfaces"][1]["probing"] = [{"mode": "routes"}]
    bed.answers["probes"] = answer
    code, out, err = run(bed.root, "-p", "-o", "all")
    since_begin = re.compile(r"^(2\.00|1\.\d\d)s ", re.MULTILINE)  # the command may have begun late
    assert since_begin.sub("TIME  ", out).splitlines() == [
        "TIME      INTERFACE   PROBE  NETRTT    RTT       RTTAVG    TARGET              RTTDEV",
        "TIME      eth1        7      0.25ms    0.40ms    0.31ms    192.0.2.254         --",
        "TIME      eth1        8      --        --        0.31ms    192.0.2.254         0.07ms",
    ]
    assert code == 1
    assert "closed the connection" in err


def test_probes_are_for_root(bed: Bed) -> None:
    bed.answers["status"]["interfaces"][1]["probing"] = [{"mode": "routes"}]
    bed.answers["probes"] = lambda args, reply: reply.error("denied", "only root may ask for 'probes'")
    assert run(bed.root, "-p") == (1, "", "ipmpstat: insufficient privileges for -p; run it as root\n")


def test_fields_are_chosen_by_name_in_any_case_and_order(bed: Bed) -> None:
    assert shown(bed, "-i", "-o", "state,Interface").splitlines()[:2] == ["STATE     INTERFACE", "failed    eth0"]
    assert shown(bed, "-i", "-o", "all") == shown(bed, "-i")


@pytest.mark.oracle("T120")
def test_parsable_output_has_colons_between_fields_and_escapes_those_within(bed: Bed) -> None:
    assert shown(bed, "-a", "-P", "-o", "address,inbound,outbound").splitlines() == [
        "192.0.2.1:eth1:eth1",
        "192.0.2.2::",
        r"2001\:db8\:1111\:2222\:3333\:4444\:5555\:6666:eth1:eth1",
    ]
    assert shown(bed, "-a", "-P", "-o", "address").splitlines()[2] == "2001:db8:1111:2222:3333:4444:5555:6666"


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (("-a", "-g"), "ipmpstat: only one output format may be specified\n"),
        ((), ipmpstat.USAGE + "\n"),
        (("-g", "web"), ipmpstat.USAGE + "\n"),
        (("-z",), f"ipmpstat: option -z not recognized\n{ipmpstat.USAGE}\n"),
        (("-g", "-P"), "ipmpstat: output fields must be specified in parsable mode\n"),
        (("-g", "-P", "-o", "all"), "ipmpstat: output field `all' invalid in parsable mode\n"),
        (("-g", "-P", "-o", "state,color"), "ipmpstat: unknown output field: `color'\n"),
        (
            ("-g", "-o", "color"),
            "ipmpstat: ignoring unknown output field: `color'\nipmpstat: no valid output fields\n",
        ),
        (("-p",), "ipmpstat: probe-based failure detection is disabled\n"),
    ],
)
def test_wrong_use_is_told_in_solaris_words(bed: Bed, argv: Tuple[str, ...], text: str) -> None:
    assert run(bed.root, *argv) == (1, "", text)


def test_an_unknown_field_beside_a_known_one_is_a_warning(bed: Bed) -> None:
    assert run(bed.root, "-g", "-o", "color,state") == (
        0,
        "STATE\ndegraded\n",
        "ipmpstat: ignoring unknown output field: `color'\n",
    )


def test_without_a_daemon_it_says_so(tmp_path: Path) -> None:
    text = "ipmpstat: cannot contact in.mpathd(1M) -- is IPMP in use? "
    text += "(it is not running; start it with 'systemctl start ipmp')\n"
    assert run(tmp_path, "-g") == (1, "", text)


def test_wrong_files_are_told_beside_what_is_in_force(bed: Bed) -> None:
    right = run(bed.root, "-g")
    bed.answers["status"]["files_error"] = "/etc/hostname.eth1: line 1, column 14: unknown word 'gorup'"
    code, out, err = run(bed.root, "-g")
    assert (code, out) == right[:2]
    assert err == (
        "ipmpstat: the files are wrong and not in force: /etc/hostname.eth1: line 1, column 14: unknown word 'gorup'; "
        "mend them, then 'systemctl reload ipmp'\n"
    )


def test_wrong_files_and_nothing_in_force_is_a_failure(bed: Bed) -> None:
    empty = {"groups": [], "interfaces": [], "addresses": []}
    bed.answers["status"].update(empty)
    assert run(bed.root, "-g") == (0, "", "")
    bed.answers["status"]["files_error"] = "/etc/hostname.eth1: line 1, column 14: unknown word 'gorup'"
    for mode in ("-g", "-p"):
        code, out, err = run(bed.root, mode)
        assert (code, out) == (1, "")
        assert "unknown word 'gorup'; mend them" in err


def test_the_root_may_be_an_option(bed: Bed) -> None:
    assert run("/nonexistent", "-g", "--root", bed.root)[0] == 0


def test_on_a_terminal_the_heading_comes_again_on_each_screen(bed: Bed) -> None:
    bed.answers["status"]["groups"] = [dict(bed.answers["status"]["groups"][0]) for _ in range(7)]
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 4, 80, 0, 0))
    code = "import sys; from ipmp.commands.ipmpstat import main; sys.exit(main(sys.argv[1:]))"
    environment: Dict[str, Any] = {**os.environ, "PYTHONPATH": OURS, "IPMP_ROOT": bed.root}
    subprocess.run([sys.executable, "-c", code, "-g", "-o", "state"], stdout=theirs, env=environment, check=True)
    os.close(theirs)
    text = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            break
        text += part
    os.close(ours)
    assert text.decode().split() == ["STATE", *["degraded"] * 3, "STATE", *["degraded"] * 3, "STATE", "degraded"]
