# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time line of the demo as inline SVG: a row an address, coloured by the card that hosts it, losses in red."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Dict, Iterable, List, Mapping, Sequence, Tuple

from .steps import Event, Step
from .traffic import TO_CLIENT, TO_HOST, Record, Track

CARD_COLOURS = {"eth1": "#3b76c4", "eth2": "#2a9d8f", "eth3": "#e8a33d"}
OTHER_CARD, LOST, INK, FAINT, LINE = "#8d99ae", "#d7263d", "#1f2933", "#6b7785", "#dfe4ea"
WIDTH, LEFT, RIGHT = 1180, 178, 14
ROW, LANE, HOST_GAP, HEAD = 30, 9, 56, 46
NARROWEST = 2.5  # px that a loss is wide at least, so that one datagram can be seen
LEVELS, LETTER, NEAR = 3, 6.4, 40  # of the events' words: rows, px a letter, px to be told together
LABELLED = 5.0  # ms: gaps from here on get a label


@dataclass(frozen=True)
class Picture:
    """All that the drawings need. cards: MAC -> name of the card; period: s between two datagrams."""

    record: Record
    steps: Sequence[Step]
    events: Sequence[Event]
    cards: Mapping[str, str]

    @property
    def begin(self) -> float:
        """Unix time of the left edge."""
        return self.steps[0].begin

    @property
    def end(self) -> float:
        """Unix time of the right edge."""
        return self.steps[-1].end

    def x(self, when: float) -> float:
        """Where a time is drawn."""
        share = (min(max(when, self.begin), self.end) - self.begin) / max(self.end - self.begin, 0.001)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 2)


def text(x: float, y: float, words: str, **style: str) -> str:
    """One line of text; style as SVG attributes, _ for -."""
    attributes = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in style.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, fill: str, title: str = "", extra: str = "") -> str:
    """A rectangle, with a tooltip."""
    body = f"<title>{escape(title)}</title>" if title else ""
    return f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" fill="{fill}"{extra}>{body}</rect>'


def timeline(picture: Picture) -> str:
    """The whole run."""
    hosts: Dict[str, List[str]] = {}
    for track in picture.record.tracks:
        hosts.setdefault(track.host, [])
        if track.address not in hosts[track.host]:
            hosts[track.host].append(track.address)
    height = HEAD + sum(HOST_GAP + ROW * len(listed) for listed in hosts.values()) + 34
    parts = list(_bands(picture, height))
    y = float(HEAD)
    for host, listed in hosts.items():
        parts.append(text(14, y + 39, host, font_size="17", font_weight="700", fill=INK))
        parts += _events(picture, host, y + 37, ROW * len(listed))
        y += HOST_GAP
        for address in listed:
            parts.append(text(LEFT - 14, y + 13, address, text_anchor="end", fill=INK, font_size="13"))
            for track in picture.record.tracks:
                if track.address == address and track.host == host:
                    parts += _lane(picture, track, y + (0 if track.direction == TO_HOST else LANE + 2))
            y += ROW
    return _svg(height, parts, "Time line of the datagrams to and from every address")


def _svg(height: float, parts: Iterable[str], label: str, width: float = WIDTH) -> str:
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(label)}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def _bands(picture: Picture, height: float) -> Iterable[str]:
    """The steps as vertical bands with their names, and the seconds at the bottom."""
    bottom = height - 26
    for number, step in enumerate(picture.steps):
        left, right = picture.x(step.begin), picture.x(step.end)
        yield box(left, 40, right - left, bottom - 40, "#f2f5f9" if number % 2 == 0 else "#ffffff")
        yield f'<line x1="{left}" x2="{left}" y1="40" y2="{bottom}" stroke="{LINE}"/>'
        tall = 30 if number % 2 == 0 else 14
        yield text(left + 3, tall, f"{number + 1} {step.name}", font_size="12.5", font_weight="600", fill=INK)
        if number % 2:
            yield f'<line x1="{left}" x2="{left}" y1="4" y2="40" stroke="{LINE}"/>'
    second = next(s for s in (1, 2, 5, 10, 20, 30, 60, 120, 300) if (picture.end - picture.begin) / s <= 16)
    now = 0
    while picture.begin + now <= picture.end:
        x = picture.x(picture.begin + now)
        yield f'<line x1="{x}" x2="{x}" y1="{bottom}" y2="{bottom + 5}" stroke="{FAINT}"/>'
        yield text(x, bottom + 19, f"{now} s", text_anchor="middle", font_size="12", fill=FAINT)
        now += second


def _events(picture: Picture, host: str, y: float, depth: float) -> Iterable[str]:
    """What was done to the host's cards: a line through its rows each, the words where they touch no others."""
    taken = [0.0] * LEVELS  # right end of the last words on each level, the lowest first
    groups: List[List[Event]] = []
    for event in (e for e in picture.events if e.host == host):
        if groups and picture.x(event.when) - picture.x(groups[-1][-1].when) < NEAR:
            groups[-1].append(event)
        else:
            groups.append([event])
    for group in groups:
        words = ", ".join(event.text for event in group)
        x, wide = picture.x(group[0].when) + 8, LETTER * len(words)
        if x + wide > WIDTH - RIGHT:
            x = picture.x(group[0].when) - 8 - wide
        level = next((n for n in range(LEVELS) if taken[n] < x), LEVELS - 1)
        taken[level] = x + wide
        top = y - 14 * level
        for event in group:
            at = picture.x(event.when)
            dashes = f'stroke="{INK}" stroke-dasharray="2 3"'
            yield f'<line x1="{at}" x2="{at}" y1="{top + 4}" y2="{y + 16 + depth}" {dashes}/>'
            yield f'<path d="M{at - 4.5} {top} h9 l-4.5 7 z" fill="{INK}"/>'
        yield text(x, top + 6, words, font_size="12", fill=INK)


def hosting(picture: Picture, address: str) -> List[Tuple[float, float, str]]:
    """(since, until, card) by the frames that the client sent to the address."""
    since = picture.record.seen.inbound.get(address, [])
    ends = [when for when, _ in since[1:]] + [picture.end]
    return [(when, end, picture.cards.get(mac, mac)) for (when, mac), end in zip(since, ends)]


def _lane(picture: Picture, track: Track, y: float) -> Iterable[str]:
    """One direction: its colour says the card that the client sends to, red what did not arrive."""
    yield box(LEFT, y, WIDTH - LEFT - RIGHT, LANE, "#e9edf2")
    if track.first >= len(track.sent):
        return
    alive = track.sent[track.first]
    segments = hosting(picture, track.address) or [(alive, picture.end, "")]
    segments[0] = (min(alive, segments[0][0]), *segments[0][1:])
    for since, until, card in segments:
        left, right = picture.x(max(since, alive)), picture.x(until)
        if right > left:
            way = "to" if track.direction == TO_HOST else "from"
            shade = "" if track.direction == TO_HOST else ' opacity="0.55"'
            title = f"{way} {track.address}, hosted by {card}"
            yield box(left, y, right - left, LANE, CARD_COLOURS.get(card, OTHER_CARD), title, shade)
    for hole in track.holes():
        if hole.begin > picture.end:
            continue
        left = picture.x(hole.begin)
        width = max(picture.x(hole.end) - left, NARROWEST)
        gap = (hole.end - hole.begin) * 1000
        way = "to the host" if track.direction == TO_HOST else "to the client"
        yield box(left, y - 1.5, width, LANE + 3, LOST, f"{hole.lost} lost {way}, {gap:.0f} ms")
        if gap >= LABELLED and track.direction == TO_HOST:
            yield text(
                left + width + 4,
                y + 12,
                f"{hole.lost} lost, {gap:.0f} ms",
                font_size="11.5",
                fill=LOST,
                font_weight="600",
            )


def magnified(picture: Picture, tracks: Sequence[Track], centre: float, before: float, after: float, mark: str) -> str:
    """Single datagrams of some tracks around a moment, one tick each: sent when, and in red if it never arrived."""
    width, left, row = 1180, 178, 30
    height = 34 + row * len(tracks) + 30

    def x(when: float) -> float:
        return left + (when - centre + before) / (before + after) * (width - left - RIGHT)

    parts = [box(left, 26, width - left - RIGHT, row * len(tracks) + 6, "#f7f9fb")]
    y = 32.0
    for track in tracks:
        way = "to" if track.direction == TO_HOST else "from"
        parts.append(text(left - 14, y + 15, f"{way} {track.address}", text_anchor="end", font_size="13", fill=INK))
        good, bad = [], []
        for number in track.within(centre - before, centre + after):
            path = f"M{x(track.sent[number]):.1f} {y:.0f}v20"
            (good if track.arrived[number] else bad).append(path)
        parts.append(f'<path d="{"".join(good)}" stroke="#59a96a" stroke-width="1.3" fill="none"/>')
        parts.append(f'<path d="{"".join(bad)}" stroke="{LOST}" stroke-width="2" fill="none"/>')
        y += row
    x0 = x(centre)
    parts.append(f'<line x1="{x0:.1f}" x2="{x0:.1f}" y1="20" y2="{y:.0f}" stroke="{INK}" stroke-dasharray="3 3"/>')
    parts.append(f'<path d="M{x0 - 5:.1f} 14 h10 l-5 8 z" fill="{INK}"/>')
    parts.append(text(x0 + 9, 20, mark, font_size="12.5", fill=INK, font_weight="600"))
    step = next(s for s in (5, 10, 20, 50, 100, 200) if (before + after) * 1000 / s <= 16)
    offset = -int(before * 1000 // step) * step
    while offset < after * 1000:
        parts.append(
            text(x(centre + offset / 1000), y + 18, f"{offset} ms", text_anchor="middle", font_size="12", fill=FAINT)
        )
        offset += step
    return _svg(height, parts, mark, width)


def worst(picture: Picture, host: str, step: Step) -> List[Track]:
    """The two tracks, one each way, of the host's address that lost most in the step (or its first)."""
    mine = [track for track in picture.record.tracks if track.host == host]

    def lost(address: str) -> int:
        return sum(t.lost(step.begin, step.end) for t in mine if t.address == address)

    most = max((t.address for t in mine), key=lost)
    return sorted((t for t in mine if t.address == most), key=lambda t: t.direction == TO_CLIENT)
