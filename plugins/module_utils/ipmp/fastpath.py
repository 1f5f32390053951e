# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's network state in microseconds: events, carrier polls, dumps and batches over route netlink sockets.

The sockets belong to the network namespace they were opened in. Messages for ``batch`` are built by ``nl``.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from dataclasses import dataclass
from typing import Collection, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple, Type, TypeVar, Union

from . import nl, nlparse
from .nlparse import AddrEvent, LinkEvent, NexthopEvent, RouteEvent

_RECEIVE_BUFFER = 32 << 20  # bytes; the default one holds 256 acknowledgements
_DATAGRAM = 1 << 16  # the kernel sends at most 32 KiB at once
_CHUNK = 200  # messages a sendmsg
_DATAGRAMS_A_READ = 256
_DUMP_TRIES = 5  # the kernel marks a dump during which something changed

_SO_RCVBUFFORCE = 33
_SOL_NETLINK = 270
_ADD_MEMBERSHIP, _CAP_ACK, _EXT_ACK, _STRICT_CHECK = 1, 10, 11, 12
_GROUP_LINK, _GROUP_ADDRESS4, _GROUP_ADDRESS6, _GROUP_ROUTE4, _GROUP_ROUTE6, _GROUP_NEXTHOP = 1, 5, 9, 7, 11, 32

_HEARD = frozenset((nl.PROTO, *nl.HAND_MADE))  # routes that we hear of

_E = TypeVar("_E", LinkEvent, AddrEvent, RouteEvent, NexthopEvent)


class Overrun(NamedTuple):
    """Events were lost; whoever reads this must dump everything again."""


@dataclass(frozen=True)
class Failure:
    """One message of a batch that the kernel did not carry out. ``str()`` says why in a few words."""

    index: int  # in the list given to ``batch``
    errno: int  # ENOBUFS: the kernel's answer was lost, look for yourself; ETIMEDOUT: added, but does not work yet
    message: str  # the kernel's own words, may be ""

    def __str__(self) -> str:
        return self.message or os.strerror(self.errno)


def _netlink(groups: Sequence[int] = ()) -> socket.socket:
    connection = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    try:
        connection.setblocking(False)
        try:
            connection.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        except PermissionError:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        connection.bind((0, 0))
        for group in groups:
            connection.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
    except OSError:
        connection.close()
        raise
    return connection


class EventSocket:
    """What happens to links and addresses, to routes and nexthops of ours, and to routes made by hand; for a loop."""

    def __init__(self) -> None:
        self._socket = _netlink(
            (_GROUP_LINK, _GROUP_ADDRESS4, _GROUP_ADDRESS6, _GROUP_ROUTE4, _GROUP_ROUTE6, _GROUP_NEXTHOP)
        )

    def fileno(self) -> int:
        """The descriptor, readable when there are events."""
        return self._socket.fileno()

    def close(self) -> None:
        """Ends it."""
        self._socket.close()

    def read(self) -> List[Union[nlparse.Event, Overrun]]:
        """What has happened since, in order; our own changes are among it. Never waits.

        A read is bounded: under a flood the descriptor stays readable and the next call goes on. Of routes that end
        because their nexthop or its link ended the kernel says nothing, or not always: dump after such an event.
        """
        events: List[Union[nlparse.Event, Overrun]] = []
        for _turn in range(_DATAGRAMS_A_READ):
            try:
                data, (sender, _groups) = self._socket.recvfrom(_DATAGRAM)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                events.append(Overrun())
                continue
            if sender == 0:
                events.extend(_events(data))
        return events


def _events(data: bytes) -> Iterable[nlparse.Event]:
    for message in nlparse.messages(data):
        if message.type in (nl.RTM_NEWROUTE, nl.RTM_DELROUTE) and data[message.start + 5] not in _HEARD:
            continue  # a routing daemon may hold a million of them
        event = nlparse.parse(data, message)
        if isinstance(event, NexthopEvent) and event.id & nl.NH_MASK != nl.NH_BASE:
            continue
        if event is not None:
            yield event


class AddressWaiter:
    """Tells when IPv6 addresses have begun to work: the acknowledgement of their adding comes earlier than that.

    To be opened before they are added.
    """

    def __init__(self) -> None:
        self._socket = _netlink((_GROUP_ADDRESS6,))

    def close(self) -> None:
        """Ends it."""
        self._socket.close()

    def _read(self) -> Set[Tuple[int, str]]:
        ready: Set[Tuple[int, str]] = set()
        while True:
            try:
                data, (sender, _groups) = self._socket.recvfrom(_DATAGRAM)
            except BlockingIOError:
                return ready
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                continue  # whoever misses one waits to the end of the time limit
            for message in nlparse.messages(data) if sender == 0 else ():
                event = nlparse.parse(data, message)
                if isinstance(event, AddrEvent) and not event.deleted and not event.flags & nl.IFA_F_TENTATIVE:
                    ready.add((event.ifindex, event.ip))

    def wait(self, expected: Collection[Tuple[int, str]], timeout: float) -> Set[Tuple[int, str]]:
        """Waits at most ``timeout`` s until every (ifindex, ip) works; returns those that do not."""
        missing = set(expected)
        deadline = time.monotonic() + timeout
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while True:
            missing -= self._read()
            left = deadline - time.monotonic()
            if not missing or left <= 0:
                return missing
            poll.poll(left * 1000)


class Requests:
    """Questions to the kernel and orders; one socket, not to be shared between threads.

    The kernel works while we send, so that answers are there before a call returns and nothing here waits for them.
    """

    def __init__(self) -> None:
        self._socket = _netlink()
        for option in (_CAP_ACK, _EXT_ACK, _STRICT_CHECK):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        self._seq = 0

    def close(self) -> None:
        """Ends it."""
        self._socket.close()

    def _send(self, chunk: Sequence[bytes], *, acknowledge: bool = False) -> int:
        """Sends the messages as one and returns the sequence number of the first; the last may ask for an answer."""
        if self._seq + len(chunk) > 0xFFFFFFFF:
            self._seq = 0
        first = self._seq + 1
        buffer = bytearray(b"".join(chunk))
        offset = 0
        for message in chunk:
            self._seq += 1
            nl.U32.pack_into(buffer, offset + 8, self._seq)
            offset += len(message)
        if acknowledge:
            buffer[offset - len(chunk[-1]) + 6] |= nl.NLM_F_ACK
        self._socket.send(buffer)
        return first

    def _datagrams(self) -> Iterable[bytes]:
        """What is there; OSError (ENOBUFS) if some was lost."""
        while True:
            try:
                data, (sender, _groups) = self._socket.recvfrom(_DATAGRAM)
            except BlockingIOError:
                return
            if sender == 0:
                yield data

    def _receive(self) -> Iterable[Tuple[bytes, nlparse.Message]]:
        """The answers that are there; OSError (ENOBUFS) if some were lost."""
        for data in self._datagrams():
            for message in nlparse.messages(data):
                yield data, message

    def batch(self, messages: Sequence[bytes]) -> List[Failure]:
        """Carries out the messages in order, all of them even when some fail; returns those that failed."""
        failures: List[Failure] = []
        for start in range(0, len(messages), _CHUNK):
            failures += self._chunk(messages[start : start + _CHUNK], start)
        return failures

    def _chunk(self, chunk: Sequence[bytes], start: int) -> List[Failure]:
        failures: List[Failure] = []
        first = self._send(chunk, acknowledge=True)
        last = self._seq
        try:
            for data, message in self._receive():
                if message.type != nl.NLMSG_ERROR or not first <= message.seq <= last:
                    continue
                number, text = nlparse.failure(data, message)
                if number:
                    failures.append(Failure(start + message.seq - first, number, text))
                if message.seq == last:
                    return failures
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
        return [*failures, Failure(start + len(chunk) - 1, errno.ENOBUFS, "the kernel's answers were lost")]

    def add_addresses_and_wait(
        self, messages: Sequence[bytes], expected: Collection[Tuple[int, str]], timeout: float
    ) -> List[Failure]:
        """``batch``, then waits at most ``timeout`` s until the expected (ifindex, IPv6 address) work.

        An address that the kernel took but that does not work in time is a failure too (ETIMEDOUT).
        """
        waiter = AddressWaiter()
        try:
            failures = self.batch(messages)
            failed = {failure.index for failure in failures}
            missing = set(expected)
            added: Dict[Tuple[int, str], int] = {}
            for index, message in enumerate(messages):
                for parsed in nlparse.messages(message):
                    event = nlparse.parse(message, parsed)
                    if isinstance(event, AddrEvent) and not event.deleted:
                        added[event.ifindex, event.ip] = index
            missing -= {address for address, index in added.items() if index in failed}
            late = waiter.wait(missing, timeout)
        finally:
            waiter.close()
        return failures + [
            Failure(added.get(address, len(messages) - 1), errno.ETIMEDOUT, f"{address[1]} does not work yet")
            for address in sorted(late)
        ]

    def link(self, ifindex: int) -> Optional[LinkEvent]:
        """The interface as it is now, or None where there is none; settles a pending carrier change."""
        first = self._send([nl.link_get(ifindex)])
        for data, message in self._receive():
            if message.seq != first:
                continue
            if message.type == nl.NLMSG_ERROR:
                number, text = nlparse.failure(data, message)
                if number == errno.ENODEV:
                    return None
                raise OSError(number, f"interface {ifindex} could not be read: {text or os.strerror(number)}")
            event = nlparse.parse(data, message)
            if isinstance(event, LinkEvent):
                return event
        raise OSError(errno.ENOBUFS, f"interface {ifindex} could not be read: the kernel's answer was lost")

    def carriers(self, indexes: Sequence[int]) -> Dict[int, Optional[bool]]:
        """For each ifindex: up and with carrier, or None when there is no such interface. Some microseconds each.

        Asking settles carrier changes that the kernel would otherwise tell up to a second later.
        """
        found: Dict[int, Optional[bool]] = dict.fromkeys(indexes)
        if not indexes:
            return found
        first = self._send([nl.link_get(ifindex) for ifindex in indexes])
        for data in self._datagrams():  # one answer each
            answer = nlparse.carrier(data)
            if answer is not None and first <= answer[0] <= self._seq:
                found[answer[1]] = answer[2]
        return found

    def set_link(self, ifindex: int, *, up: Optional[bool] = None, mtu: Optional[int] = None) -> None:
        """Sets the administrative state and the MTU; OSError when the kernel refuses."""
        for failure in self.batch([nl.link_set(ifindex, up=up, mtu=mtu)]):
            raise OSError(failure.errno, f"interface {ifindex} could not be set: {failure}")

    def dump_links(self) -> List[LinkEvent]:
        """All interfaces of this namespace."""
        return self._dump(nl.link_dump(), LinkEvent)

    def dump_addresses(self) -> List[AddrEvent]:
        """All addresses of both families."""
        return self._dump(nl.addr_dump(), AddrEvent)

    def dump_routes(self, protocol: int = nl.PROTO, ifindex: int = 0) -> List[RouteEvent]:
        """The routes of that protocol (0: of any) in all tables and both families, or only those of an interface."""
        return [
            route
            for family in (4, 6)
            for route in self._dump(nl.route_dump(family, protocol, ifindex), RouteEvent)
            if protocol in (0, route.protocol)
        ]

    def route_to(self, ip: str) -> Optional[RouteEvent]:
        """The way that a packet to ip would take; None where there is none."""
        first = self._send([nl.route_get(ip)])
        for data, message in self._receive():
            event = nlparse.parse(data, message) if message.seq == first else None
            if isinstance(event, RouteEvent):
                return event
        return None

    def dump_nexthops(self) -> List[NexthopEvent]:
        """All nexthop objects and groups, other people's too."""
        return self._dump(nl.nexthop_dump(), NexthopEvent)

    def _dump(self, request: bytes, kind: Type[_E]) -> List[_E]:
        for _attempt in range(_DUMP_TRIES):
            entries, consistent = self._dump_once(request, kind)
            if consistent:
                break
        return entries

    def _dump_once(self, request: bytes, kind: Type[_E]) -> Tuple[List[_E], bool]:
        first = self._send([request])
        entries: List[_E] = []
        consistent = True
        for data, message in self._receive():
            if message.seq != first:
                continue
            consistent = consistent and not message.flags & nl.NLM_F_DUMP_INTR
            if message.type == nl.NLMSG_DONE:
                return entries, consistent
            if message.type == nl.NLMSG_ERROR:
                number, text = nlparse.failure(data, message)
                raise OSError(number, f"the kernel's state could not be read: {text or os.strerror(number)}")
            event = nlparse.parse(data, message)
            if isinstance(event, kind):
                entries.append(event)
        raise OSError(errno.ENOBUFS, "the kernel's state could not be read: its answers were lost")
