"""Draw docs/pictures/two-hosts.svg: one packet from pod A to pod B, before and after natfix.

    python tools/draw_hosts.py           # writes the picture
    python tools/draw_hosts.py -         # prints it

It brings its own background, light or dark as the reader's system is, so that it can be read on any page.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

PICTURE = Path(__file__).resolve().parent.parent / "docs/pictures/two-hosts.svg"

WIDTH, HEIGHT, PANEL = 984, 548, 266

LIGHT = {
    "page": "#ffffff",
    "host": "#f6f8fa",
    "edge": "#8c959f",
    "text": "#1f2328",
    "quiet": "#59636e",
    "box": "#ffffff",
    "pod": "#ddf4ff",
    "pod-edge": "#0969da",
    "bad": "#cf222e",
    "bad-fill": "#ffebe9",
    "good": "#1a7f37",
    "good-fill": "#dafbe1",
}
DARK = {
    "page": "#0d1117",
    "host": "#161b22",
    "edge": "#6e7681",
    "text": "#e6edf3",
    "quiet": "#9ea7b3",
    "box": "#0d1117",
    "pod": "#12233d",
    "pod-edge": "#58a6ff",
    "bad": "#ff7b72",
    "bad-fill": "#3c1618",
    "good": "#3fb950",
    "good-fill": "#12301d",
}

POD_ADDRESS, NODE_ADDRESS = "172.7.21.2", "10.4.7.21"


@dataclass(frozen=True)
class Panel:
    """One of the two scenes.

    Attributes:
        top: where it starts.
        mood: ``bad`` or ``good``.
        title: what happens in it.
        rule: the rule in POSTROUTING, in pieces; every second one is emphasised.
        source: the packet's source address on the wire.
        verdict: what POSTROUTING does to the packet.
    """

    top: int
    mood: str
    title: str
    rule: tuple[str, ...]
    source: str
    verdict: str


PANELS = (
    Panel(
        top=16,
        mood="bad",
        title="Before: Docker's rule rewrites what leaves by another device than docker0",
        rule=("-s 172.7.21.0/24 ", "! -o docker0", " -j MASQUERADE"),
        source=NODE_ADDRESS,
        verdict="rewritten",
    ),
    Panel(
        top=16 + PANEL,
        mood="good",
        title="After natfix apply: the same rule leaves the cluster out",
        rule=("-s 172.7.21.0/24 ", "! -d 172.7.0.0/16", " ! -o docker0 -j MASQUERADE"),
        source=POD_ADDRESS,
        verdict="left alone",
    ),
)


def draw() -> str:
    """Return the whole picture."""
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
            ' role="img" aria-labelledby="title desc">'
        ),
        '<title id="title">A packet from pod A on host A to pod B on host B, before and after natfix</title>',
        (
            f'<desc id="desc">Before, POSTROUTING on host A rewrites the source {POD_ADDRESS} to {NODE_ADDRESS}, and the log of'
            " the server in pod B shows the host. After natfix apply the source stays, and the log shows the pod.</desc>"
        ),
        f"<style>\n{styles()}</style>",
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="12"/>',
        *(_panel(panel) for panel in PANELS),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def styles() -> str:
    """Return the style sheet of a picture, light and dark."""
    fixed = (
        "text { font-family: system-ui, 'DejaVu Sans', sans-serif; font-size: 14px }\n"
        ".mono { font-family: ui-monospace, 'DejaVu Sans Mono', monospace; font-size: 11.5px }\n"
        ".strong { font-weight: 600 }\n"
        ".small { font-size: 12px }\n"
        ".middle { text-anchor: middle }\n"
        ".line { fill: none; stroke-width: 2 }\n"
    )
    return f"{fixed}{_colours(LIGHT)}@media (prefers-color-scheme: dark) {{\n{_colours(DARK)}}}\n"


def _colours(named: dict[str, str]) -> str:
    return (
        f".page {{ fill: {named['page']} }}\n"
        f".host {{ fill: {named['host']}; stroke: {named['edge']} }}\n"
        f".box {{ fill: {named['box']}; stroke: {named['edge']} }}\n"
        f".pod {{ fill: {named['pod']}; stroke: {named['pod-edge']} }}\n"
        f".text {{ fill: {named['text']} }}\n"
        f".quiet {{ fill: {named['quiet']} }}\n"
        f".edge {{ stroke: {named['edge']} }}\n"
        f".bad {{ fill: {named['bad']} }}\n"
        f".bad-box {{ fill: {named['bad-fill']}; stroke: {named['bad']} }}\n"
        f".bad-line {{ stroke: {named['bad']} }}\n"
        f".good {{ fill: {named['good']} }}\n"
        f".good-box {{ fill: {named['good-fill']}; stroke: {named['good']} }}\n"
        f".good-line {{ stroke: {named['good']} }}\n"
    )


def _panel(panel: Panel) -> str:
    return "\n".join(
        [
            f'<g transform="translate(0 {panel.top})">',
            text(24, 20, panel.title, f"strong {panel.mood}"),
            box((24, 34, 470, 206), "host"),
            box((674, 34, 286, 206), "host"),
            text(40, 58, "host A", "strong text"),
            text(98, 58, NODE_ADDRESS, "mono quiet"),
            text(690, 58, "host B", "strong text"),
            text(748, 58, "10.4.7.22", "mono quiet"),
            *_path(panel),
            *_rule(panel),
            *_log(panel),
            "</g>",
        ]
    )


def _path(panel: Panel) -> list[str]:
    """Draw the way from pod A to pod B, and the packet on it."""
    mood = panel.mood
    return [
        _arrow(150, 190, "good-line"),
        _arrow(262, 300, "good-line"),
        _arrow(436, 472, f"{mood}-line"),
        _arrow(516, 652, f"{mood}-line"),
        _arrow(696, 724, f"{mood}-line"),
        _arrow(796, 836, f"{mood}-line"),
        *_node(40, 110, "pod", "pod A", POD_ADDRESS),
        *_node(190, 72, "box", "docker0"),
        *_node(300, 136, f"{mood}-box", "POSTROUTING", panel.verdict),
        *_node(472, 44, "box", "eth0"),
        *_node(652, 44, "box", "eth0"),
        *_node(724, 72, "box", "docker0"),
        *_node(836, 110, "pod", "pod B", "172.7.22.2"),
        *_packet(226, POD_ADDRESS, "good"),
        *_packet(584, panel.source, mood),
    ]


def _node(left: int, width: int, kind: str, name: str, below: str = "") -> list[str]:
    middle = left + width // 2
    label = text(middle, 137 if below else 145, name, "strong small middle text" if below else "small middle text")
    shown = [box((left, 116, width, 48), kind), label]
    return [*shown, text(middle, 154, below, "mono middle text")] if below else shown


def _packet(middle: int, source: str, mood: str) -> list[str]:
    """Draw a packet above the line, with the source address that it carries."""
    return [
        box((middle - 62, 82, 124, 22), f"{mood}-box", radius=11),
        text(middle, 97, f"from {source}", f"mono middle {mood}"),
    ]


def _rule(panel: Panel) -> list[str]:
    spans = [
        f'<tspan class="{f"strong {panel.mood}" if number % 2 else "text"}">{escape(piece)}</tspan>'
        for number, piece in enumerate(panel.rule)
    ]
    return [
        '<path class="line edge" d="M368 164 V188" stroke-dasharray="3 3"/>',
        box((36, 188, 446, 38), "box"),
        f'<text class="mono" x="259" y="211" text-anchor="middle" xml:space="preserve">{"".join(spans)}</text>',
    ]


def _log(panel: Panel) -> list[str]:
    return [
        '<path class="line edge" d="M891 164 V188" stroke-dasharray="3 3"/>',
        box((686, 188, 262, 38), "box"),
        (
            '<text class="mono" x="698" y="211" xml:space="preserve">'
            f'<tspan class="quiet">log: </tspan><tspan class="strong {panel.mood}">{panel.source}</tspan>'
            '<tspan class="text"> "GET /" 200</tspan></text>'
        ),
    ]


def _arrow(left: int, right: int, kind: str) -> str:
    tip = f"M{right - 6} 136 L{right - 1} 140 L{right - 6} 144"
    return f'<path class="line {kind}" d="M{left} 140 H{right - 1} {tip}"/>'


def box(place: tuple[int, int, int, int], kind: str, *, radius: int = 6) -> str:
    """Draw a box at *place*: left, top, width and height."""
    left, top, width, height = place
    return f'<rect class="{kind}" x="{left}" y="{top}" width="{width}" height="{height}" rx="{radius}"/>'


def text(left: int, base: int, words: str, kind: str) -> str:
    """Write *words* at the left end of their base line."""
    return f'<text class="{kind}" x="{left}" y="{base}">{escape(words)}</text>'


def main() -> None:
    """Write the picture, or print it."""
    if sys.argv[1:] == ["-"]:
        sys.stdout.write(draw())
        return
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(draw(), encoding="utf-8")
    print(f"wrote {PICTURE}")


if __name__ == "__main__":
    main()
