# Copyright (c) 2026 the netpath.ipmp contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""build/demo/report.html: what happened, as a picture and as a table, in one file that needs nothing else."""

from __future__ import annotations

import platform
from html import escape
from pathlib import Path
from typing import Any, Dict, List, Optional

from .picture import CARD_COLOURS, LOST, Picture, magnified, timeline, worst
from .steps import Event, Step

STYLE = """
body { margin: 0; background: #eef1f5; color: #1f2933; font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 28px 24px 48px; }
h1 { font-size: 30px; margin: 0; } h2 { font-size: 20px; margin: 0 0 4px; }
.top { display: flex; gap: 20px; align-items: center; flex-wrap: wrap; margin-bottom: 6px; }
.verdict { color: #fff; border-radius: 20px; padding: 4px 16px; font-weight: 700; }
.good { background: #2f9e5b; } .bad { background: #d7263d; }
.lead { margin: 0 0 20px; color: #47525e; max-width: 62em; }
.tiles { display: flex; gap: 14px; flex-wrap: wrap; margin-bottom: 18px; }
.tile { background: #fff; border-radius: 10px; padding: 12px 18px; flex: 1 1 180px; box-shadow: 0 1px 2px #0001; }
.tile b { display: block; font-size: 27px; line-height: 1.25; } .tile span { color: #6b7785; font-size: 14px; }
section { background: #fff; border-radius: 10px; padding: 18px 20px; margin-bottom: 18px; box-shadow: 0 1px 2px #0001; }
section p { margin: 0 0 10px; color: #6b7785; font-size: 14.5px; }
svg { width: 100%; height: auto; display: block; font-family: inherit; }
.legend { display: flex; gap: 20px; flex-wrap: wrap; font-size: 14.5px; margin: 6px 0 10px; }
.legend i { display: inline-block; width: 22px; height: 11px; border-radius: 2px; margin-right: 6px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 10px; border-bottom: 1px solid #e6eaef; text-align: right; }
th { color: #6b7785; font-weight: 600; font-size: 14px; }
th:nth-child(-n+3), td:nth-child(-n+3) { text-align: left; }
td:first-child { white-space: nowrap; }
td.why { color: #6b7785; font-size: 14.5px; } .no { color: #d7263d; font-weight: 700; }
.yes { color: #2f9e5b; font-weight: 700; }
pre { white-space: pre-wrap; background: #fdf1f2; border-radius: 8px; padding: 10px 14px; font-size: 13px; }
footer { color: #6b7785; font-size: 13.5px; }
"""


LANES = (
    "Upper lane: client to host, lower lane: host to client. The colour is the card that hosts the address, "
    "as seen in the client's frames."
)


def write_report(path: Path, result: Dict[str, Any], picture: Picture) -> None:
    """Write the page."""
    path.write_text(page(result, picture), encoding="utf-8")


def page(result: Dict[str, Any], picture: Picture) -> str:
    """The page as text."""
    verdict = ("good", "all as it should be") if result["ok"] else ("bad", "not as it should be")
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>netpath.ipmp: the demo</title>',
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body><main>',
        f'<div class="top"><h1>netpath.ipmp: the demo</h1><span class="verdict {verdict[0]}">{verdict[1]}</span></div>',
        _lead(result),
        _tiles(result),
        f"<section><h2>Every datagram, by address</h2><p>{LANES}</p>",
        _legend(),
        timeline(picture),
        "</section>",
        *_magnifiers(picture),
        _table(result),
        _footer(result),
        "</main></body></html>",
    ]
    return "\n".join(parts)


def _lead(result: Dict[str, Any]) -> str:
    return (
        '<p class="lead">Three hosts on one switch, each with three network cards in one group. A client exchanges '
        f"{result['rate']} numbered datagrams a second, each way, with each of the {result['addresses']} data "
        "addresses and keeps a TCP connection to every one of them, while playbooks and mishaps befall the hosts.</p>"
    )


def _tiles(result: Dict[str, Any]) -> str:
    steps = {step["name"]: step for step in result["steps"]}
    planned = [steps[name] for name in ("check", "detach", "reattach", "refused_detach") if name in steps]
    tiles = [(f"{sum(step['sent'] for step in result['steps']):,}", "datagrams sent, both ways")]
    if "second_run" in steps:
        tiles.append((str(steps["second_run"]["changed"]), "things changed by a second run"))
    if "cable_pull" in steps:
        tiles.append((f"{steps['cable_pull']['longest_gap_ms']:g} ms", "longest gap when a cable is pulled"))
    if planned:
        tiles.append((str(sum(step["lost"] for step in planned)), "lost by check, detach, reattach, refusal"))
    tiles.append((str(sum(step["tcp_resets"] for step in result["steps"])), "TCP connections broken"))
    return (
        '<div class="tiles">'
        + "".join(f'<div class="tile"><b>{b}</b><span>{s}</span></div>' for b, s in tiles)
        + "</div>"
    )


def _legend() -> str:
    entries = [(colour, card) for card, colour in CARD_COLOURS.items()]
    entries += [(LOST, "lost"), ("#e9edf2", "address not there yet")]
    return (
        '<div class="legend">'
        + "".join(f'<span><i style="background:{c}"></i>{t}</span>' for c, t in entries)
        + "</div>"
    )


def _magnifiers(picture: Picture) -> List[str]:
    wanted = [
        ("cable_pull", "pull", "The moment the cable is pulled", "Each tick is one datagram, at the time it was sent."),
        (
            "detach",
            None,
            "The moment of the planned detach",
            "The address moves before its card goes: make before break.",
        ),
        ("reattach", None, "The moment the address comes home", "And back, the same way."),
    ]
    parts = []
    for name, kind, title, words in wanted:
        step = next((s for s in picture.steps if s.name == name and not s.problem), None)
        moment = step and _moment(picture, step, kind)
        if not step or not moment:
            continue
        when, host, mark = moment
        tracks = worst(picture, host, step)
        before, after = (0.03, 0.09) if kind else (0.06, 0.06)
        drawing = magnified(picture, tracks, when, before, after, mark)
        parts.append(f"<section><h2>{escape(title)}</h2><p>{escape(words)}</p>{drawing}</section>")
    return parts


def _moment(picture: Picture, step: Step, kind: Optional[str]) -> Any:
    """(when, host, text) of the event of that kind, or without a kind of its first move that the client saw."""
    if kind:
        found: List[Event] = [e for e in picture.events if e.kind == kind and step.begin <= e.when < step.end]
        return (found[0].when, found[0].host, found[0].text) if found else None
    for track in picture.record.tracks:
        for when, mac in picture.record.seen.inbound.get(track.address, [])[1:]:
            if step.begin <= when < step.end:
                card = picture.cards.get(mac, mac)
                return when, track.host, f"the client's first frame to {card}"
    return None


def _table(result: Dict[str, Any]) -> str:
    rows = []
    for number, step in enumerate(result["steps"], 1):
        mark = '<span class="yes">ok</span>' if step["ok"] else '<span class="no">no</span>'
        cells = [f"{number} <b>{step['name']}</b>", f'<span class="why">{escape(step["title"])}</span>', mark]
        cells += [f"{step['seconds']:.1f}", f"{step['sent']:,}", f"{step['lost']:,}", f"{step['longest_gap_ms']:g}"]
        cells += [str(step["tcp_resets"]), str(step["changed"])]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        if step["problem"]:
            rows.append(f'<tr><td colspan="9"><pre>{escape(step["problem"])}</pre></td></tr>')
    heads = ["step", "what happens", "", "seconds", "sent", "lost", "longest gap, ms", "TCP resets", "changed"]
    head = "".join(f"<th>{h}</th>" for h in heads)
    return f"<section><h2>In numbers</h2><table><tr>{head}</tr>{''.join(rows)}</table></section>"


def _footer(result: Dict[str, Any]) -> str:
    capture = result["capture"]
    agrees = "; ".join(capture["disagreements"]) or "the two agree on every one"
    if capture["dropped"]:
        agrees = f"but it missed {capture['dropped']} packets and is no witness"
    late = max(agent["late"] for agent in result["agents"].values()) * 1000
    return (
        "<footer>Lost is what never arrived at the far end, by number, once a first one had arrived. "
        "The longest gap leaves out what a sender itself paused. "
        f"A packet capture on the client saw {capture['packets']:,} datagrams arrive beside the client's own sockets: "
        f"{escape(agrees)}. The worst delay of a sender by this machine was {late:.1f} ms. "
        f"Kernel {escape(platform.release())}.</footer>"
    )
