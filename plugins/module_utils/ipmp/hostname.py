# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The grammar of ``/etc/hostname.IF`` and ``/etc/hostname6.IF``: from text to the model and back. Pure.

Words work strictly from left to right (HN-5). Each logical line begins at the interface's own address (unit 0, or
unit n in ``hostname.IF:n``) and ``addif`` goes on to a new one. Three rules of Solaris' boot apply: an IPv4 file of one
logical line gets ``netmask + broadcast + up`` appended (HN-2), the own unit of an IPv6 file is up at the end (HN-3),
and a group, once named, holds for both families (M-3).

Where we differ on purpose: blank and ``#`` lines never count as lines (Solaris takes a blank line after the only one as
a second line); ``netmask +`` stands for the mask that was given, else for that of the address's class, as Linux has no
netmasks database; what would silently drop an address is refused.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence

from .hostname_reader import FileMeaning, Reader, Resolve
from .hostname_words import FLAGS, default_broadcast, file_name, logical_lines, path_of
from .model import MAX_INTERFACE_NAME, MIN_MTU6, Address, ConfigError, Interface

HEADER = "# Managed by netpath.ipmp. The words are those of Solaris' hostname files; reload ipmp.service after an edit."


def parse(name: str, texts: Mapping[int, str], *, resolve: Optional[Resolve] = None) -> Interface:
    """The interface that the texts of its files, {4: text, 6: text}, describe; ConfigError if a text is wrong."""
    files = [parse_file(path_of(name, f), texts[f], resolve=resolve) for f in sorted(texts)]
    return combine(name, files)


def parse_file(path: str, text: str, *, resolve: Optional[Resolve] = None) -> FileMeaning:
    """What the text says as the content of that path; ConfigError with file, line and column if it is wrong."""
    where = file_name(path)
    if where is None:
        raise ConfigError(f"no interface can have this name; use 1 to {MAX_INTERFACE_NAME} characters", file=path)
    return Reader(path, where, resolve).read(logical_lines(text))


def combine(name: str, files: Iterable[FileMeaning]) -> Interface:
    """One interface from all its files; ConfigError if they contradict each other."""
    files = list(files)
    addresses: Dict[str, FileMeaning] = {}
    for file in files:
        for address in file.addresses:
            if address.ip in addresses:
                line, column = file.places[address.ip]
                other = addresses[address.ip].path
                problem = f"address {address.ip} of {name} stands in {other} too; remove one of them"
                raise ConfigError(problem, file=file.path, line=line, column=column)
            addresses[address.ip] = file
    mtu = _agreed(name, "mtu", files)
    inet6 = any(f.family == 6 for f in files)
    if inet6 and mtu is not None and mtu < MIN_MTU6:
        path = next(f.path for f in files if f.family == 6)
        problem = f"mtu {mtu} of {name} is too little for IPv6, which needs {MIN_MTU6}; raise it, or remove this file"
        raise ConfigError(problem, file=path)
    return Interface(
        name=name,
        group=_agreed(name, "group", files) or None,
        standby=bool(_agreed(name, "standby", files)),
        mtu=mtu,
        addresses=tuple(a for family in (4, 6) for f in files if f.family == family for a in f.addresses),
        inet=any(f.family == 4 for f in files),
        inet6=inet6,
        link_local_test=any(f.link_local_test for f in files),
    )


def _agreed(name: str, attribute: str, files: Sequence[FileMeaning]) -> Any:
    said = [(getattr(f, attribute), f.path) for f in files if getattr(f, attribute) is not None]
    for value, path in said[1:]:
        if value != said[0][0]:
            problem = f"{attribute} of {name} is {_shown(value)} here but {_shown(said[0][0])} in {said[0][1]}"
            raise ConfigError(f"{problem}; write the same in both", file=path)
    return said[0][0] if said else None


def _shown(value: object) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else f"'{value}'"


def has_header(text: str) -> bool:
    """Whether the collection made the file: only such files are ever removed unasked."""
    return text.startswith("# Managed by netpath.ipmp")


def is_idle(word: str) -> bool:
    """Whether a word is allowed but has no effect on Linux, such as 'private'."""
    return word in FLAGS and FLAGS[word] is None


def render(interface: Interface, extra: Sequence[str] = ()) -> Dict[int, str]:
    """{4: text, 6: text}, for each family that the interface has, which parse() reads as the same interface.

    Of extra only words without effect are written; the others are in the interface. No line depends on what Solaris
    appends to a file of one line (HN-2).
    """
    shared = [*(["group", interface.group] if interface.group else []), *(["standby"] if interface.standby else [])]
    once = [*(["mtu", str(interface.mtu)] if interface.mtu else []), *(w for w in extra if is_idle(w))]
    texts: Dict[int, str] = {}
    for family in (4, 6):
        if interface.inet if family == 4 else interface.inet6:
            addresses = [a for a in interface.addresses if a.family == family]
            words = [*shared, *(once if not texts else [])]
            if family == 4:
                body = _lines4(words, addresses)
            else:
                body = _lines6([*(["-failover"] if interface.link_local_test else []), *words], addresses)
            texts[family] = "".join(f"{line}\n" for line in [HEADER, *body])
    return texts


def _lines4(shared: List[str], addresses: List[Address]) -> List[str]:
    if not addresses:
        return [" ".join([*shared, "up"])] if shared else []
    first, *others = addresses
    body = [address_words(first, shared), *(f"addif {address_words(a)}" for a in others)]
    if not others and (not first.up or first.broadcast != default_broadcast(first.ip, first.prefixlen)):
        body.insert(0, "plumb")
    return body


def _lines6(own: List[str], addresses: List[Address]) -> List[str]:
    return [*([" ".join([*own, "up"])] if own else []), *(f"addif {address_words(a)}" for a in addresses)]


def address_words(address: Address, shared: Sequence[str] = ()) -> str:
    """``192.0.2.1/24 broadcast + deprecated -failover up``: the words of an address; shared ones before 'up'."""
    words = [address.cidr]
    if address.family == 4:
        usual = default_broadcast(address.ip, address.prefixlen)
        if address.broadcast != usual:
            words += ["broadcast", address.broadcast or "0.0.0.0"]
        elif usual:
            words += ["broadcast", "+"]
    words += ["deprecated"] if address.deprecated else []
    words += ["-failover"] if address.test else []
    return " ".join([*words, *shared, "up" if address.up else "down"])
