# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection plugin of the test lab: runs commands in a process's namespaces. Not part of what users install."""

from __future__ import annotations

import subprocess

from ansible.errors import AnsibleConnectionFailure, AnsibleFileNotFound
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display

DOCUMENTATION = r"""
name: lab_nsenter
short_description: Enter the namespaces of a process on this machine
description:
  - Runs commands and copies files in the mount, network, UTS, PID and IPC namespaces of one process, as the hosts
    of this collection's test lab are. Root is needed on the controller.
author: the netpath.ipmp contributors
version_added: 1.0.0
options:
  remote_pid:
    description: The process whose namespaces are entered, as the controller numbers it.
    type: int
    required: true
    vars:
      - name: ansible_nsenter_pid
  remote_addr:
    description: Only for messages.
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: ansible_host
extends_documentation_fragment:
  - connection_pipelining
"""

display = Display()
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Connection(ConnectionBase):
    """No state is kept between commands, so a reset has nothing to do."""

    transport = "lab_nsenter"
    has_pipelining = True
    has_tty = False

    def _connect(self):
        self._connected = True
        return self

    def _run(self, command, data=None):
        pid = self.get_option("remote_pid")
        line = ["nsenter", "-t", str(pid), "--mount", "--net", "--uts", "--ipc", "--pid", "--"]
        line += ["env", "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8", "USER=root", "TERM=dumb", *command]
        stdin = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
        done = subprocess.run(line, capture_output=True, check=False, **stdin)
        if done.returncode and done.stderr.startswith(b"nsenter: "):
            where = self.get_option("remote_addr")
            raise AnsibleConnectionFailure(f"{where}: process {pid} is gone: {done.stderr.decode().strip()}")
        return done

    def exec_command(self, cmd, in_data=None, sudoable=True):
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        display.vvv(f"EXEC {cmd}", host=self.get_option("remote_addr"))
        done = self._run(["/bin/sh", "-c", cmd], in_data)
        return done.returncode, done.stdout, done.stderr

    def put_file(self, in_path, out_path):
        super().put_file(in_path, out_path)
        try:
            with open(in_path, "rb") as source:
                data = source.read()
        except FileNotFoundError:
            raise AnsibleFileNotFound(f"{in_path} does not exist")
        done = self._run(["/bin/sh", "-c", 'cat >"$1"', "sh", out_path], data)
        if done.returncode:
            raise AnsibleConnectionFailure(f"{out_path} could not be written: {done.stderr.decode().strip()}")

    def fetch_file(self, in_path, out_path):
        super().fetch_file(in_path, out_path)
        done = self._run(["cat", "--", in_path])
        if done.returncode:
            raise AnsibleConnectionFailure(f"{in_path} could not be read: {done.stderr.decode().strip()}")
        with open(out_path, "wb") as target:
            target.write(done.stdout)

    def reset(self):
        self.close()

    def close(self):
        self._connected = False
