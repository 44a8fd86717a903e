"""Draw docs/pictures/two-hosts-narrow.svg: the packet of tools/draw_hosts.py for a telephone, with one host below the other.

python tools/draw_hosts_narrow.py           # writes the picture
python tools/draw_hosts_narrow.py -         # prints it
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.draw_hosts import NODE_ADDRESS, PANELS, PICTURE, POD_ADDRESS, Panel, box, styles, text

NARROW = PICTURE.with_name("two-hosts-narrow.svg")
WIDTH, PANEL = 380, 396
_TITLES = {
    "bad": ("Before: Docker's rule rewrites what", "leaves by another device than docker0"),
    "good": ("After natfix apply:", "the same rule leaves the cluster out"),
}


def draw_narrow() -> str:
    """Return the whole picture."""
    height = len(PANELS) * PANEL + 16
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
            ' role="img" aria-labelledby="title desc">'
        ),
        '<title id="title">A packet from pod A on host A to pod B on host B, before and after natfix</title>',
        (
            f'<desc id="desc">Before, POSTROUTING on host A rewrites the source {POD_ADDRESS} to {NODE_ADDRESS}, and the log of'
            " the server in pod B shows the host. After natfix apply the source stays, and the log shows the pod.</desc>"
        ),
        f"<style>\n{styles()}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}" rx="12"/>',
        *(_panel(panel, 8 + number * PANEL) for number, panel in enumerate(PANELS)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _panel(panel: Panel, top: int) -> str:
    mood = panel.mood
    first, second = _TITLES[mood]
    return "\n".join(
        [
            f'<g transform="translate(0 {top})">',
            text(12, 20, first, f"strong {mood}"),
            text(12, 38, second, f"strong {mood}"),
            box((8, 48, 364, 168), "host"),
            text(20, 70, "host A", "strong text"),
            text(78, 70, NODE_ADDRESS, "mono quiet"),
            box((8, 248, 364, 132), "host"),
            text(20, 270, "host B", "strong text"),
            text(78, 270, "10.4.7.22", "mono quiet"),
            *_way(mood),
            *_node((18, 108, 84), "pod", "pod A", POD_ADDRESS),
            *_node((116, 108, 62), "box", "docker0"),
            *_node((192, 108, 110), f"{mood}-box", "POSTROUTING", panel.verdict),
            *_node((316, 108, 48), "box", "eth0"),
            *_node((316, 282, 48), "box", "eth0"),
            *_node((192, 282, 110), "box", "docker0"),
            *_node((18, 282, 110), "pod", "pod B", "172.7.22.2"),
            *_packet(74, 92, POD_ADDRESS, "good"),
            *_packet(256, 232, panel.source, mood),
            *_rule(panel),
            box((18, 342, 346, 26), "box"),
            (
                '<text class="mono" x="26" y="359" xml:space="preserve"><tspan class="quiet">log: </tspan>'
                f'<tspan class="strong {mood}">{panel.source}</tspan><tspan class="text"> "GET /" 200</tspan></text>'
            ),
            "</g>",
        ]
    )


def _way(mood: str) -> list[str]:
    """The way of the packet: to the right through host A, down the wire, and to the left through host B."""
    return [
        *(_arrow(f"M{left} 130 H{right - 1}", (right - 1, 130), (-1, 0), "good") for left, right in ((102, 116), (178, 192))),
        _arrow("M302 130 H315", (315, 130), (-1, 0), mood),
        _arrow("M340 152 V281", (340, 281), (0, -1), mood),
        _arrow("M316 304 H303", (303, 304), (1, 0), mood),
        _arrow("M192 304 H129", (129, 304), (1, 0), mood),
    ]


def _arrow(line: str, tip: tuple[int, int], back: tuple[int, int], mood: str) -> str:
    """A line with its tip; *back* is the direction from the tip to where the line comes from."""
    (x, y), (across, down) = tip, back
    one = f"M{x + 5 * across + 4 * down} {y + 5 * down + 4 * across}"
    other = f"L{x + 5 * across - 4 * down} {y + 5 * down - 4 * across}"
    return f'<path class="line {mood}-line" d="{line} {one} L{x} {y} {other}"/>'


def _node(place: tuple[int, int, int], kind: str, name: str, below: str = "") -> list[str]:
    """A box at left and top, so wide, with a name and a second line."""
    left, top, width = place
    middle = left + width // 2
    label = "strong small middle text" if below else "small middle text"
    shown = [box((left, top, width, 44), kind), text(middle, top + (19 if below else 27), name, label)]
    return [*shown, text(middle, top + 35, below, "mono middle text")] if below else shown


def _packet(middle: int, base: int, source: str, mood: str) -> list[str]:
    return [
        box((middle - 62, base - 10, 124, 20), f"{mood}-box", radius=10),
        text(middle, base + 4, f"from {source}", f"mono middle {mood}"),
    ]


def _rule(panel: Panel) -> list[str]:
    """The rule on two lines: what is emphasised begins the second, and what does not fit beside it follows there."""
    before, marked, after = map(escape, panel.rule)
    spans = f'<tspan class="strong {panel.mood}">{marked}</tspan><tspan class="text">{after}</tspan>'
    return [
        '<path class="line edge" d="M247 152 V164" stroke-dasharray="3 3"/>',
        box((18, 164, 314, 44), "box"),
        f'<text class="mono text" x="26" y="182">{before}</text>',
        f'<text class="mono" x="26" y="199" xml:space="preserve">{spans}</text>',
    ]


def main() -> None:
    """Write the picture, or print it."""
    if sys.argv[1:] == ["-"]:
        sys.stdout.write(draw_narrow())
        return
    NARROW.write_text(draw_narrow(), encoding="utf-8")
    print(f"wrote {NARROW}")


if __name__ == "__main__":
    main()
