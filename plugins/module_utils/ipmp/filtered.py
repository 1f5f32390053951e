# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers to probes that reach a NIC and not the prober: a packet filter of this host is in between, which is said.

Where nobody answers, the NIC is listened to for a while beneath the packet filter; what is heard there is the proof.
"""

from __future__ import annotations

import socket
from functools import partial
from typing import Callable, Dict, Tuple

from . import icmp
from .announce import frames, packet_socket
from .loop import Loop
from .prober import Prober
from .runtime import Runtime

LISTEN = 8.0  # s; a probe that nobody has ever answered is sent once in a failure detection time at least
SETTLE = 0.5  # s for an answer to come up through the filter
_ETHERTYPE = {4: 0x0800, 6: 0x86DD}

_Key = Tuple[str, int]  # NIC, family


class PacketFilter:
    """``look`` from time to time. The runtime's ``filtered`` has a sentence for each NIC where it is so."""

    def __init__(self, runtime: Runtime, prober: Prober, loop: Loop, log: Callable[[str, str], None]) -> None:
        self._runtime, self._prober, self._loop, self._log = runtime, prober, loop, log
        self._counts: Dict[_Key, Tuple[int, int]] = {}  # (sent, acked) when we looked last
        self._ears: Dict[_Key, socket.socket] = {}

    def look(self) -> None:
        """Listen where probes went out since the last look and no answer came; forget what is better."""
        before, self._counts = self._counts, self._read()
        for key, (sent, acked) in self._counts.items():
            sent_before, acked_before = before.get(key, (sent, acked))
            if acked > acked_before:
                self._better(key)
            elif sent > sent_before and key not in self._ears and key[0] not in self._runtime.filtered:
                self._listen(key)
        for name in [name for name in self._runtime.filtered if not any(key[0] == name for key in self._counts)]:
            del self._runtime.filtered[name]

    def _read(self) -> Dict[_Key, Tuple[int, int]]:
        watches = self._prober.snapshot().watches
        return {(watch.nic, i.family): (i.sent, i.acked) for watch in watches for i in watch.instances}

    def _better(self, key: _Key) -> None:
        if self._runtime.filtered.pop(key[0], None):
            self._log("err", f"answers to probes reach in.mpathd on {key[0]} again")

    def _listen(self, key: _Key) -> None:
        nic = self._runtime.nics.get(key[0])
        if nic is None or not nic.present:
            return
        try:
            ear = packet_socket(nic.ifindex, _ETHERTYPE[key[1]], icmp.frames_only_ours(key[1], self._prober.identifier))
        except OSError:  # the NIC is gone by now
            return
        self._ears[key] = ear
        self._loop.add_fd(ear.fileno(), lambda _mask: self._heard(key))
        self._loop.call_later(LISTEN, partial(self._close, key, ear))

    def _heard(self, key: _Key) -> None:
        ear = self._ears[key]
        if any(icmp.in_frame(key[1], frame, self._prober.identifier) for frame in frames(ear)):
            acked = self._counts.get(key, (0, 0))[1]
            self._close(key, ear)
            self._loop.call_later(SETTLE, partial(self._judge, key, acked))

    def _judge(self, key: _Key, acked: int) -> None:
        if self._read().get(key, (0, acked + 1))[1] > acked:
            return  # it has come up to the prober
        what = "icmp echo-reply" if key[1] == 4 else "icmpv6 echo-reply"
        self._runtime.filtered[key[0]] = text = (
            f"answers to probes arrive at {key[0]}, but a packet filter of this host drops them: "
            f"let {what} in on {key[0]} (nft list ruleset shows the filters)"
        )
        self._log("err", text)

    def _close(self, key: _Key, ear: socket.socket) -> None:
        if self._ears.get(key) is ear:
            del self._ears[key]
            self._loop.remove_fd(ear.fileno())
            ear.close()

    def close(self) -> None:
        """Listen nowhere any more."""
        for key, ear in list(self._ears.items()):
            self._close(key, ear)
