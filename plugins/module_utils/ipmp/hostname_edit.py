# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small edits of hostname files: what is asked for changes; other words, comments and their order stay. Pure.

Every edit is read back before it is returned. Where small changes do not reach what is wanted, the file is rendered
anew below its comments.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, replace
from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Sequence

from .hostname import address_words, has_header, is_idle, parse, parse_file, render
from .hostname_reader import Resolve
from .hostname_words import FLAGS, INTERFACE_WORDS, VALUE_WORDS, Token, logical_lines, path_of
from .model import Address, ConfigError, Interface

_OF_AN_ADDRESS = ("set", "addif", "netmask", "broadcast", *(word for word, effect in FLAGS.items() if effect))


def same_meaning(one: Interface, other: Interface) -> bool:
    """Whether they are equal but for the order of their addresses."""
    return replace(one, addresses=()) == replace(other, addresses=()) and set(one.addresses) == set(other.addresses)


def edit(
    texts: Mapping[int, str],
    wanted: Interface,
    extra: Sequence[str] = (),
    *,
    resolve: Optional[Resolve] = None,
) -> Dict[int, str]:
    """The texts {4: text, 6: text} of wanted's files, changed so that they mean wanted; a missing family has no file.

    Texts that are right already come back byte for byte. Words of extra that have no effect on Linux are added where
    they are missing. ConfigError if a text that is there is wrong.
    """

    def meaning(of: Mapping[int, str]) -> Interface:
        return parse(wanted.name, of, resolve=resolve)

    now = meaning(texts)
    present = {word for text in texts.values() for word in text.split()}
    idle = [word for word in extra if is_idle(word) and word not in present]
    if same_meaning(now, wanted) and not idle:
        return dict(texts)
    rendered = render(wanted, idle)
    candidates = []
    for family, fresh in rendered.items():
        if family not in texts:
            candidates.append([fresh])
            continue
        file = parse_file(path_of(wanted.name, family), texts[family], resolve=resolve)
        small = _SmallEdit(texts[family], family, file.addresses)
        small.change(now, wanted, idle if family == min(rendered) else [])
        candidates.append([*small.results(), _below_comments(texts[family], fresh)])
    for choice in itertools.product(*candidates):
        result = dict(zip(rendered, choice))
        try:
            if same_meaning(meaning(result), wanted):
                return result
        except ConfigError:  # a small edit may contradict the other family's file; rendered ones do not
            continue
    raise ConfigError(f"the files of {wanted.name} cannot be made to say what is wanted; remove them and try again")


def _below_comments(text: str, fresh: str) -> str:
    header, body = fresh.split("\n", 1)
    comments = [line for line in text.split("\n") if line.lstrip().startswith("#") and not has_header(line)]
    return "\n".join([*([header] if has_header(text) else []), *comments, body])


@dataclass
class _Item:
    """One word of the grammar with its value, and the address it belongs to."""

    word: str  # a bare address counts as 'set'
    tokens: List[Token]
    unit: int  # 0: the interface's own address, then one for each addif


def _items(lines: Sequence[Sequence[Token]]) -> Iterator[_Item]:
    last_unit = 0
    for line in lines:
        unit = 0
        rest = iter(line)
        for token in rest:
            if token is line[0] and token.word in ("inet", "inet6"):
                continue
            if token.word == "addif":
                last_unit += 1
                unit = last_unit
            known = token.word in FLAGS or token.word in INTERFACE_WORDS
            if token.word in VALUE_WORDS:
                yield _Item(token.word, [token, *itertools.islice(rest, 1)], unit)
            else:
                yield _Item(token.word if known else "set", [token], unit)


class _SmallEdit:
    """One text, changed word by word; blanks and comments keep their places."""

    def __init__(self, text: str, family: int, addresses: Sequence[Address]) -> None:
        self.text, self.family = text, family
        self.lines = logical_lines(text)
        self.items = list(_items(self.lines))
        units = sorted({i.unit for i in self.items if i.word in ("set", "addif")})
        self.possible = bool(self.lines) and len(units) == len(addresses)
        self.possible = self.possible and not any(i.word == "removeif" for i in self.items)
        self.addresses = dict(zip(units, addresses))
        self.new: Dict[Token, str] = {}  # what a word becomes; "" drops it
        self.added: List[str] = []  # lines at the end

    def change(self, now: Interface, wanted: Interface, idle: Sequence[str]) -> None:
        """Note what has to change from now to wanted, the words of idle included."""
        if not self.possible:
            return
        self._change_addresses([a for a in wanted.addresses if a.family == self.family])
        if now.link_local_test != wanted.link_local_test and self.family == 6 and 0 not in self.addresses:
            self._drop(i for i in self.items if i.unit == 0 and i.word in ("failover", "-failover"))
            if wanted.link_local_test:
                self._insert("-failover")
        if now.group != wanted.group:
            self._drop(i for i in self.items if i.word == "group")
            if wanted.group:
                self._insert(f"group {wanted.group}", "group")
        if now.standby != wanted.standby:
            self._drop(i for i in self.items if i.word in INTERFACE_WORDS)
            if wanted.standby:
                self._insert("standby")
        if now.mtu != wanted.mtu:
            self._drop(i for i in self.items if i.word == "mtu")
            if wanted.mtu and (self.family == 4 or not wanted.inet):
                self._insert(f"mtu {wanted.mtu}", "mtu")
        if idle:
            self.added.append(" ".join(idle))

    def _change_addresses(self, wanted: List[Address]) -> None:
        missing = [a for a in wanted if a not in self.addresses.values()]
        surplus = [unit for unit, address in self.addresses.items() if address not in wanted]
        for unit in surplus:
            same_ip = (a for a in missing if a.ip == self.addresses[unit].ip)
            successor = next(same_ip, missing[0] if missing else None)
            mine = [i for i in self.items if i.unit == unit]
            words = [i for i in mine if i.word in _OF_AN_ADDRESS or (unit and i.word in FLAGS)]
            self._drop(words)
            if successor:
                missing.remove(successor)
                first = next(i for i in words if i.word in ("set", "addif"))
                self.new[first.tokens[0]] = ("addif " if unit else "") + address_words(successor)
        self.added += [f"addif {address_words(a)}" for a in missing]

    def _drop(self, items: Iterable[_Item]) -> None:
        self.new.update({token: "" for item in items for token in item.tokens})

    def _insert(self, words: str, instead_of: str = "") -> None:
        """At the place of the first such item of the own address, else behind the address, else at the beginning."""
        own = [i for i in self.items if i.tokens[0] in self.lines[0] and i.unit == 0]
        for item in own:
            if item.word == instead_of:
                self.new[item.tokens[0]] = words
                return
        place = next((i.tokens[-1] for i in own if i.word == "set" and self.new.get(i.tokens[0]) != ""), None)
        if place:
            self.new[place] = f"{self.new.get(place, place.word)} {words}"
            return
        line = self.lines[0]
        if line[0].word in ("inet", "inet6"):
            self.new[line[0]] = f"{self.new.get(line[0], line[0].word)} {words}"
        else:
            self.new[line[0]] = f"{words} {self.new.get(line[0], line[0].word)}".rstrip()

    def results(self) -> List[str]:
        """The new text, and the new text with what HN-2 appended to its only line written out."""
        if not self.possible:
            return []
        results = [self._written()]
        if self.family == 4 and len(self.lines) == 1:
            last = self.lines[0][-1]
            self.new[last] = f"{self.new.get(last, last.word)} netmask + broadcast + up".lstrip()
            results.append(self._written())
        return results

    def _written(self) -> str:
        physical: List[Optional[str]] = list(self.text.split("\n"))
        for line in self.lines:
            rows = sorted({t.line for t in line})
            kept = [row for row in rows if any(self.new.get(t) != "" for t in line if t.line == row)]
            for row in rows:
                physical[row - 1] = self._row(row, [t for t in line if t.line == row]) if row in kept else None
            if kept and kept[-1] != rows[-1]:
                physical[kept[-1] - 1] = re.sub(r"\s*\\\s*\Z", "", physical[kept[-1] - 1] or "")
        text = "\n".join(row for row in physical if row is not None)
        if self.added:
            text += ("" if not text or text.endswith("\n") else "\n") + "".join(f"{line}\n" for line in self.added)
        return text

    def _row(self, row: int, tokens: List[Token]) -> str:
        old = self.text.split("\n")[row - 1]
        indent = old[: tokens[0].column - 1]
        out, at = "", len(indent)
        for token in tokens:
            word = self.new.get(token, token.word)
            if word:
                out += (old[at : token.column - 1] if out else "") + word
            at = token.column - 1 + len(token.word)
        return indent + out + old[at:]
