# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the NIC of that name the card that it was? By hardware address and place, for names can change. Pure."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Optional


class Identity(NamedTuple):
    """What tells one card from another."""

    mac: str  # the permanent one where the card has one
    permanent: bool  # else anybody may have set it, and at the next boot it may be another
    place: str  # PCI function, or the device on another bus; "" where there is none

    @classmethod
    def read(cls, saved: Mapping[str, Any]) -> Identity:
        """From what ``_asdict`` made of it."""
        return cls(str(saved.get("mac", "")), bool(saved.get("permanent")), str(saved.get("place", "")))


def another(
    name: str, before: Identity, now: Identity, elsewhere: Mapping[str, Identity], *, rebooted: bool
) -> Optional[str]:
    """A sentence where the name means another card, or one in another place, than before; else None.

    elsewhere: the cards that other names meant last, to tell where the one from before may be. rebooted: since then, so
    that an address which is not permanent says nothing.
    """
    places = bool(before.place and now.place and before.place != now.place)
    macs = bool(before.mac and now.mac and before.mac != now.mac)
    if macs and rebooted and not (before.permanent and now.permanent):
        macs = False
    if macs:
        was = next((other for other, card in elsewhere.items() if other != name and card.mac == now.mac), None)
        known = f", which was {was}," if was else ""
        at, from_ = (f" at {now.place}", f" at {before.place}") if places else ("", "")
        return f"{name} is another card than before: {now.mac}{at}{known} instead of {before.mac}{from_}"
    if places:
        return f"{name} is in another place than before: at {now.place} instead of {before.place}"
    return None
