"""The look of the HTML report: two palettes, and a style sheet that needs nothing from anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

LIGHT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "page": "#ffffff", "text": "#1b1f24", "quiet": "#57606a", "edge": "#8c959f", "panel": "#f3f5f8",
        "bad": "#b42318", "bad-fill": "#fdecea", "good": "#18713a", "good-fill": "#e4f5ea",
        "warn": "#855300", "warn-fill": "#fff4dc", "link": "#0a58b8",
    }
)  # fmt: skip
DARK: Final[Mapping[str, str]] = MappingProxyType(
    {
        "page": "#12161c", "text": "#e8ecf1", "quiet": "#a3adb9", "edge": "#5f6b79", "panel": "#1b222b",
        "bad": "#ff9a8f", "bad-fill": "#401d1a", "good": "#6fdc93", "good-fill": "#12341f",
        "warn": "#f2c368", "warn-fill": "#382b10", "link": "#8fc1ff",
    }
)  # fmt: skip

# Letters and what they stand on, as the sheet below uses them.
PAIRS: Final = (
    ("text", "page"), ("text", "panel"), ("quiet", "page"), ("quiet", "panel"), ("link", "page"), ("link", "panel"),
    ("bad", "page"), ("bad", "panel"), ("bad", "bad-fill"), ("text", "bad-fill"), ("good", "page"), ("good", "good-fill"),
    ("text", "good-fill"), ("warn", "page"), ("warn", "warn-fill"), ("text", "warn-fill"),
)  # fmt: skip

_SHEET: Final = """\
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:76rem;padding:1rem;background:var(--page);color:var(--text);
font:1rem/1.5 system-ui,"DejaVu Sans",sans-serif;overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.2;margin:.5rem 0}
h2{font-size:1.25rem;margin:2.5rem 0 .5rem;border-bottom:1px solid var(--edge);padding-bottom:.25rem}
h3{font-size:1rem;margin:1.5rem 0 .5rem}
a{color:var(--link)}
a:focus-visible,summary:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-99rem}
.skip:focus{position:static}
code,pre,.mono{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:.875em}
pre{white-space:pre-wrap;background:var(--panel);border-radius:.4rem;padding:.75rem;margin:.5rem 0}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
caption{text-align:left;color:var(--quiet);padding:.25rem 0}
th,td{text-align:left;vertical-align:top;padding:.35rem .75rem .35rem 0;border-bottom:1px solid var(--edge)}
thead th,nav th{overflow-wrap:normal;white-space:nowrap}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.15rem 1rem;margin:.5rem 0}
dt{color:var(--quiet)}
dd{margin:0}
dd>p{margin:0}
ul{margin:.25rem 0;padding-left:1.25rem}
:target{scroll-margin:1rem}
th>:target{background:var(--warn-fill);color:var(--text);border-radius:.25rem;padding:.1rem .3rem;margin-left:-.3rem}
tbody th a{font-weight:400}
summary{cursor:pointer;padding:.4rem 0}
.quiet{color:var(--quiet)}
.verdict{border-left:.4rem solid;border-radius:.4rem;padding:.6rem 1rem;font-weight:600}
.verdict.bad{color:var(--bad);background:var(--bad-fill)}
.verdict.good{color:var(--good);background:var(--good-fill)}
.badge{display:inline-block;border:1px solid;border-radius:1rem;padding:0 .6rem;font-size:.875rem;font-weight:600}
.high{color:var(--bad);background:var(--bad-fill)}
.medium,.low{color:var(--warn);background:var(--warn-fill)}
.info{color:var(--quiet)}
article{background:var(--panel);border-radius:.6rem;padding:.25rem 1rem 1rem;margin:1rem 0}
article pre{background:var(--page)}
.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));gap:1rem;align-items:start}
figure{margin:0;max-width:31rem}
figcaption{font-weight:600;padding:.25rem 0}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:11px;fill:var(--text);white-space:pre}
.packet{fill:var(--page);stroke:var(--edge)}
.box{fill:var(--page);stroke:var(--edge)}
.closed{stroke-dasharray:4 3}
.end.bad,.row.culprit{fill:var(--bad-fill);stroke:var(--bad)}
.end.good,.row.new{fill:var(--good-fill);stroke:var(--good)}
.row.first{fill:var(--warn-fill);stroke:var(--warn)}
svg .chain,svg .taken{font-weight:700}
svg .count,svg .rule,svg .rest{fill:var(--quiet)}
svg .taken{fill:var(--text)}
svg .note{font-family:system-ui,"DejaVu Sans",sans-serif;font-style:italic}
svg .note.culprit{fill:var(--bad)}
svg .note.new{fill:var(--good)}
svg .note.first{fill:var(--warn)}
.jump{fill:none;stroke:var(--edge)}
.way{fill:none;stroke-width:3;stroke-linejoin:round;stroke-linecap:round}
.way.bad{stroke:var(--bad)}
.way.good{stroke:var(--good)}
.dot{stroke:var(--page);stroke-width:1.5}
.dot.bad{fill:var(--bad)}
.dot.good{fill:var(--good)}
@media (max-width:40rem){
body{padding:.6rem}
article{padding:.25rem .6rem .6rem}
thead{position:absolute;left:-99rem}
tr{display:block;border-bottom:1px solid var(--edge);padding:.35rem 0}
th,td{display:block;border:0;padding:0}
td:empty{display:none}
td[data-name]::before{content:attr(data-name) ": ";color:var(--quiet)}
}
@media print{body{max-width:none}article{break-inside:avoid}}
"""


def sheet() -> str:
    """The style sheet, light by default and dark where the reader's system is."""
    dark = f"@media (prefers-color-scheme:dark){{:root{{{_declared(DARK)}}}}}"
    return f":root{{color-scheme:light dark;{_declared(LIGHT)}}}\n{dark}\n{_SHEET}"


def _declared(palette: Mapping[str, str]) -> str:
    return ";".join(f"--{name}:{value}" for name, value in palette.items())
