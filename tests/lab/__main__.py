# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab to play in: ``python -m lab up`` leaves one running, the other words work on it, ``down`` ends it.

up [--bed systemd] [--nic tap] [--ssh HOST=ADDRESS] [DESCRIPTION.yml]
pull|plug|cut|mend|out|back HOST NIC    sh HOST [COMMAND...]    down
of the systemd bed: boot|console HOST

With --ssh there is an ssh.yml beside the inventory, which reaches the hosts over SSH from the lab's controller.
It keeps its socket, log and inventory in $LAB_FOLDER, else in build/lab; two folders are two labs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List

from .example import GATEWAY, description, variables
from .host import Host
from .inventory import CHECKOUT, PLUGINS, environment
from .lab import Lab
from .serve import CABLE_WORDS, HOST_WORDS, ask, serve
from .spec import LabError

FOLDER = Path(os.environ.get("LAB_FOLDER") or CHECKOUT / "build" / "lab")
START_LIMIT = 180.0  # s; the systemd bed may have to make its root file system first


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m lab", description="A lab to play in.")
    words = parser.add_subparsers(dest="word", required=True)
    for name in ("up", "serve"):
        made = words.add_parser(name)
        made.add_argument("--bed", choices=("quick", "systemd"), default="quick")
        made.add_argument("--nic", choices=("veth", "tap"), default="veth")
        made.add_argument("--ssh", action="append", default=[], metavar="HOST=ADDRESS")
        made.add_argument("description", nargs="?", help="a YAML file; without it, the three hosts of the demo")
    words.add_parser("down")
    for name in CABLE_WORDS:
        cable = words.add_parser(name)
        cable.add_argument("host")
        cable.add_argument("nic")
    for name in HOST_WORDS:
        words.add_parser(name).add_argument("host")
    shell = words.add_parser("sh")
    shell.add_argument("host")
    shell.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    try:
        if arguments.word == "up":
            return up(arguments)
        if arguments.word == "serve":
            return run(arguments)
        if arguments.word == "sh":
            return enter(arguments.host, arguments.command)
        request = {"word": arguments.word}
        if arguments.word in CABLE_WORDS:
            request.update(host=arguments.host, nic=arguments.nic)
        elif arguments.word in HOST_WORDS:
            request.update(host=arguments.host)
        print(ask(FOLDER, request)["text"])
    except LabError as problem:
        print(f"lab: {problem}", file=sys.stderr)
        return 1
    return 0


def up(arguments: argparse.Namespace) -> int:
    """Start a lab in the background and say what to do with it; one that runs already ends first."""
    try:
        ask(FOLDER, {"word": "down"})
    except LabError:
        pass
    FOLDER.mkdir(parents=True, exist_ok=True)
    log = FOLDER / "lab.log"
    command = [sys.executable, "-m", "lab", "serve", "--bed", arguments.bed, "--nic", arguments.nic]
    command += [word for pair in arguments.ssh for word in ("--ssh", pair)]
    if arguments.description is not None:
        command.append(str(Path(arguments.description).resolve()))
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            command,
            cwd=CHECKOUT / "tests",
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_LIMIT
    while process.poll() is None and time.monotonic() < deadline:
        try:
            print(ask(FOLDER, {"word": "hello"})["text"])
            return 0
        except LabError:
            time.sleep(0.05)
    raise LabError(f"it did not start; {log} says:\n{log.read_text(encoding='utf-8')[-2000:]}")


def run(arguments: argparse.Namespace) -> int:
    """The lab itself, in the foreground until it is told to end."""
    plain = arguments.description is None
    with Lab(description(arguments.bed, arguments.nic) if plain else arguments.description) as lab:
        inventory = FOLDER / "inventory.yml"

        def write() -> None:
            lab.write_inventory(inventory, variables() if plain else None)
            if arguments.ssh:
                lab.write_inventory(FOLDER / "ssh.yml", ssh=dict(pair.split("=", 1) for pair in arguments.ssh))

        write()
        serve(lab, FOLDER, hint(lab, inventory), write)
        inventory.unlink()
    return 0


def enter(host: str, command: List[str]) -> int:
    """A shell, or one command, in a host, the client, the router or the controller."""
    answer = ask(FOLDER, {"word": "place", "host": host})
    place = Host(host, answer["pid"], answer["kinds"], None if host != "controller" else of_controller())
    terminal = {"TERM": os.environ.get("TERM", "dumb"), "PS1": f"{host}# "}
    line = place.command(command or ["sh", "-i"])
    return subprocess.run(line, env={**place.environment, **terminal}, check=False).returncode


def of_controller() -> Dict[str, str]:
    """The environment in which a person finds ansible's programs, the collection and the hosts of this lab."""
    path = os.pathsep.join([str(CHECKOUT / "build" / "venv" / "bin"), os.environ.get("PATH", os.defpath)])
    return {"ANSIBLE_INVENTORY": str(FOLDER / "inventory.yml"), **environment({"PATH": path})}


def hint(lab: Lab, inventory: Path) -> str:
    """What to try next."""
    view = CHECKOUT / "build" / "collections"
    ansible = Path(sys.executable).with_name("ansible-playbook")
    names = ", ".join(host.name for host in lab.everyone)
    first = next(iter(lab.hosts.values()))
    return f"""The lab is up: {names}. In this shell:

  export ANSIBLE_COLLECTIONS_PATH={view} ANSIBLE_CONNECTION_PLUGINS={PLUGINS}
  {ansible} -i {inventory} netpath.ipmp.setup

The hosts have no address before that. Then, in {CHECKOUT / "tests"}:

  python3 -m lab sh {first.name} ipmpstat -i       what a host says of its cards
  python3 -m lab sh client ping {GATEWAY}    the client's view; try a data address
  python3 -m lab sh controller ansible-playbook netpath.ipmp.dr_check -e ipmp_component=eth1
  python3 -m lab pull {first.name} eth1            a cable is pulled; plug, cut, mend, out, back likewise

make lab-down removes it."""


if __name__ == "__main__":
    sys.exit(main())
