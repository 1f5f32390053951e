# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads one hostname file word by word, as ifconfig would execute it. Pure; hostname.py tells the rules."""

from __future__ import annotations

import difflib
import ipaddress
import re
from dataclasses import dataclass, field
from typing import Callable, List, Mapping, Optional, Set, Tuple

from .hostname_words import (
    FLAGS,
    INTERFACE_WORDS,
    KNOWN,
    REFUSED,
    VALUE_WORDS,
    FileName,
    Token,
    address_problem,
    decimal,
    default_broadcast,
    group_name_problem,
    path_of,
)
from .model import MAX_MTU, MIN_MTU, MIN_MTU6, Address, ConfigError

Resolve = Callable[[str, int], Optional[str]]  # (host name, 4 or 6) -> address, or None


@dataclass(frozen=True)
class FileMeaning:
    """What one file says. A None means that the file does not speak of it; group "" takes the NIC out of its group."""

    path: str
    family: int
    group: Optional[str] = None
    standby: Optional[bool] = None
    mtu: Optional[int] = None
    addresses: Tuple[Address, ...] = ()
    link_local_test: bool = False
    places: Mapping[str, Tuple[int, int]] = field(default_factory=dict)  # address -> (line, column)
    warnings: Tuple[str, ...] = ()


@dataclass
class _Unit:
    """One address while it is read (a logical interface, M-2)."""

    ip: Optional[str] = None
    token: Optional[Token] = None
    prefixlen: Optional[int] = None  # None until a length or a mask is given
    broadcast: Optional[str] = None
    broadcast_said: bool = False
    test: bool = False
    deprecated: bool = False
    up: Optional[bool] = None


class Reader:
    """Reads one file; the state is what ifconfig's would be after each word."""

    def __init__(self, path: str, where: FileName, resolve: Optional[Resolve]) -> None:
        self.path, self.where, self.family = path, where, where.family
        self.resolve: Resolve = resolve or (lambda _name, _family: None)
        self.own = _Unit()  # unit 0, or unit n of a file named IF:n
        self.units = [self.own]
        self.current = self.own
        self.finished: Set[str] = set()  # addresses
        self.group: Optional[str] = None
        self.standby: Optional[bool] = None
        self.mtu: Optional[int] = None
        self.warnings: List[str] = []

    def read(self, lines: List[List[Token]]) -> FileMeaning:
        """What those logical lines say; ConfigError at the first word that is wrong."""
        for tokens in lines:
            self.current = self.own
            if tokens[0].word in ("inet", "inet6"):
                self._family_word(tokens[0])
                tokens = tokens[1:]
            self._words(tokens)
        if self.family == 4 and len(lines) == 1:
            if self.current.ip and self.current.up is False:
                self.warnings.append(
                    f"{self.path}: {self.current.ip} is up in spite of 'down', because a file of one line gets "
                    "'up' appended; put a line 'plumb' before it to keep it down"
                )
            last = lines[0][-1]
            self._words([last._replace(word=w) for w in ("netmask", "+", "broadcast", "+", "up")])
        elif self.family == 6:
            self.own.up = True
        addresses = [self._finish(u) for u in self.units if u.ip]
        return FileMeaning(
            path=self.path,
            family=self.family,
            group=self.group,
            standby=self.standby,
            mtu=self.mtu,
            addresses=tuple(addresses),
            link_local_test=self.family == 6 and self.where.unit == 0 and self.own.test and not self.own.ip,
            places={u.ip: (u.token.line, u.token.column) for u in self.units if u.ip and u.token},
            warnings=tuple(self.warnings),
        )

    def _error(self, token: Token, problem: str) -> ConfigError:
        return ConfigError(problem, file=self.path, line=token.line, column=token.column)

    def _family_word(self, token: Token) -> None:
        if token.word != ("inet" if self.family == 4 else "inet6"):
            other = path_of(self.where.interface, 10 - self.family)
            raise self._error(token, f"'{token.word}' belongs into {other}, not into this file")

    def _words(self, tokens: List[Token]) -> None:
        rest = iter(tokens)
        for token in rest:
            word = token.word
            if word in VALUE_WORDS:
                value = next(rest, None)
                if value is None:
                    raise self._error(token, f"'{word}' needs {VALUE_WORDS[word]} after it")
                getattr(self, f"_{word}")(value)
            elif word in FLAGS:
                flag = FLAGS[word]
                if flag:
                    setattr(self.current, *flag)
            elif word in INTERFACE_WORDS:
                self.standby = word == "standby"
            elif word.lstrip("-") in REFUSED:
                way_out = REFUSED[word.lstrip("-")]
                raise self._error(token, f"'{word}' cannot be honoured on Linux: {way_out}")
            else:
                self._bare(token)

    def _bare(self, token: Token) -> None:
        if token.word.startswith("#"):
            raise self._error(token, "a comment needs a line of its own, beginning with '#'")
        if not self._is_address(token):
            near = difflib.get_close_matches(token.word, KNOWN, 1, 0.7)
            if near:
                raise self._error(token, f"unknown word '{token.word}'; did you mean '{near[0]}'?")
            if self.current.ip is None and self._could_be_host(token.word):
                host = token.word.split("/")[0]
                kind = "IPv4" if self.family == 4 else "IPv6"
                problem = f"host name '{host}' has no {kind} address in /etc/hosts; add it there or write the address"
                raise self._error(token, problem)
            raise self._error(token, f"unknown word '{token.word}'; remove it")
        if self.current.ip is not None and self.current.token and self.current.token.line == token.line:
            way_out = f"write 'addif {token.word}' for a further address"
            if re.match(r"255\.[\d.]+\Z", token.word):
                way_out = f"write 'netmask {token.word}' if it is the mask of {self.current.ip}"
            problem = f"a second address, {token.word}, would be the far end of a point-to-point link"
            raise self._error(token, f"{problem}, which IPMP cannot use; {way_out}")
        self._set(token)

    def _is_address(self, token: Token) -> bool:
        host = token.word.split("/")[0]
        return bool(re.match(r"[\d.]+\Z", host)) or ":" in host or self.resolve(host, self.family) is not None

    @staticmethod
    def _could_be_host(word: str) -> bool:
        return bool(re.match(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(/\d+)?\Z", word))

    def _address(self, token: Token) -> Tuple[str, Optional[int]]:
        """(address, prefix length or None) that a token stands for; the address may be the unspecified one."""
        host, slash, length = token.word.partition("/")
        bits = 32 if self.family == 4 else 128
        kind = "IPv4" if self.family == 4 else "IPv6"
        try:
            ip = ipaddress.ip_address(host)
        except ValueError:
            found = self.resolve(host, self.family)
            if found is None:
                if re.match(r"[\d.]+\Z", host) or ":" in host:
                    raise self._error(token, f"'{host}' is not an {kind} address") from None
                problem = f"host name '{host}' has no {kind} address in /etc/hosts; add it there or write the address"
                raise self._error(token, problem) from None
            ip = ipaddress.ip_address(found)
        if ip.version != self.family:
            other = path_of(self.where.interface, 10 - self.family)
            raise self._error(token, f"{host} is not an {kind} address; IPv{ip.version} addresses belong into {other}")
        prefixlen = decimal(length) if slash else None
        if slash and (prefixlen is None or not 0 < prefixlen <= bits):
            raise self._error(token, f"prefix length '{length}' of {host} is not a number from 1 to {bits}")
        if "%" in str(ip):
            raise self._error(token, f"{ip}: write the address without '%' and scope")
        return str(ip), prefixlen

    def _set(self, token: Token) -> None:
        ip, prefixlen = self._address(token)
        unit = self.current
        if unit.ip is not None and unit.token:
            problem = f"{self.where.interface} already has {unit.ip} from line {unit.token.line}"
            raise self._error(token, f"{problem}; write 'addif {token.word}' for a further address")
        if not ipaddress.ip_address(ip).is_unspecified:
            unit.ip, unit.token = ip, token
            unit.prefixlen = unit.prefixlen if prefixlen is None else prefixlen

    def _addif(self, token: Token) -> None:
        self.current = _Unit()
        self.units.append(self.current)
        self._set(token)
        if self.current.ip is None:
            raise self._error(token, f"'addif {token.word}' adds nothing; write the address to be added")

    def _removeif(self, token: Token) -> None:
        ip, _prefixlen = self._address(token)
        unit = next((u for u in self.units if u.ip == ip), None)
        if unit is None:
            raise self._error(token, f"no address {ip} stands before this; remove 'removeif {token.word}'")
        if unit is self.own:
            self.own = _Unit()
            self.units[0] = self.own
        else:
            self.units.remove(unit)
        self.current = self.own

    def _netmask(self, token: Token) -> None:
        if self.family == 6:
            raise self._error(token, "'netmask' is for IPv4; write the IPv6 address with its length, such as /64")
        if token.word == "+":  # no netmasks database here: what was given, else the class
            return
        text = token.word[2:] if token.word[:2] in ("0x", "0X") else token.word
        try:
            mask = ipaddress.IPv4Address(int(text, 16) if re.match(r"[0-9a-fA-F]{8}\Z", text) else text)
            length = bin(int(mask)).count("1")
            if int(mask) != (0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF or length == 0:
                raise ValueError
        except ValueError:
            raise self._error(token, f"'{token.word}' is not a netmask such as 255.255.255.0 or '+'") from None
        self.current.prefixlen = length

    def _broadcast(self, token: Token) -> None:
        if self.family == 6:
            raise self._error(token, "'broadcast' is for IPv4; remove it, IPv6 has no broadcast")
        unit = self.current
        if token.word == "+":
            unit.broadcast_said = unit.ip is not None
            if unit.ip is not None:
                unit.broadcast = default_broadcast(unit.ip, self._prefixlen(unit))
            return
        ip, prefixlen = self._address(token)
        if prefixlen is not None:
            raise self._error(token, f"the broadcast address is written without a length: {ip}")
        unit.broadcast_said = True
        unit.broadcast = None if ip == "0.0.0.0" else ip

    def _group(self, token: Token) -> None:
        name = "" if token.word == '""' else token.word
        problem = group_name_problem(name) if name else None
        if problem:
            raise self._error(token, problem)
        self.group = name

    def _mtu(self, token: Token) -> None:
        least = MIN_MTU if self.family == 4 else MIN_MTU6
        mtu = decimal(token.word)
        if mtu is None or not least <= mtu <= MAX_MTU:
            raise self._error(token, f"mtu '{token.word}' is not a number from {least} to {MAX_MTU}")
        self.mtu = mtu

    @staticmethod
    def _prefixlen(unit: _Unit) -> int:
        """The length as it stands at this word: given, else by class (HN-5)."""
        if unit.prefixlen is not None or unit.ip is None:
            return unit.prefixlen or 0
        first = int(unit.ip.split(".")[0])
        return 8 if first < 128 else 16 if first < 192 else 24

    def _finish(self, unit: _Unit) -> Address:
        if unit.ip is None or unit.token is None:
            raise ValueError("only a unit with an address becomes one")
        if self.family == 6 and unit.prefixlen is None:
            problem = f"IPv6 address {unit.ip} needs a prefix length; write it as {unit.ip}/64"
            raise self._error(unit.token, problem)
        prefixlen = self._prefixlen(unit)
        problem_ = address_problem(unit.ip, prefixlen)
        if problem_:
            raise self._error(unit.token, problem_)
        if unit.ip in self.finished:
            raise self._error(unit.token, f"address {unit.ip} is given twice for {self.where.interface}; remove one")
        self.finished.add(unit.ip)
        if unit.prefixlen is None and prefixlen < 24:
            self.warnings.append(
                f"{self.path}, line {unit.token.line}: {unit.ip} gets the length /{prefixlen} of its class, as neither "
                f"length nor mask is given; write it as {unit.ip}/{prefixlen}, or with the right length"
            )
        if unit.up is None:
            self.warnings.append(
                f"{self.path}, line {unit.token.line}: {unit.ip} stays down, because no 'up' stands after it"
            )
        broadcast = unit.broadcast
        if not unit.broadcast_said and self.family == 4:
            broadcast = default_broadcast(unit.ip, prefixlen)
        return Address(unit.ip, prefixlen, unit.test, unit.deprecated, bool(unit.up), broadcast)
