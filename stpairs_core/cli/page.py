"""One HTML file, self-contained and without scripts, that shows queries and their neighbours as moving pictures."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stpairs_core.durable import whole
from stpairs_core.errors import InvalidSpec
from stpairs_core.videos.ffmpeg import animation

FRAMES = 24
"""Frames of a clip that are shown, from its first."""
SIDE = 160
"""Pixels of a picture's longer side at most; with the bound on frames, about 100 kB a clip."""
RATE = 12.0
"""Frames a second: half the usual speed, so that an eye can follow."""


@dataclass(frozen=True, slots=True, eq=False)
class Card:
    """One video on the page."""

    name: str
    """Its file's name."""
    label: str
    """Its label; "" for none."""
    note: str
    """A few words below, such as the distance."""
    frames: NDArray[np.uint8]
    """(T, H, W, 3) RGB."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A query and its neighbours, nearest first."""

    query: Card
    neighbours: Sequence[Card]


def write_page(path: Path, title: str, rows: Sequence[Row], facts: Mapping[str, str]) -> None:
    """Write the page: a heading, the facts as a small table, then a row for each query.

    Where a query and a neighbour both have labels, words say whether they are the same. Clips move at once, unless the
    reader's system asks for less motion; a box on the page holds them still.
    """
    body = "\n".join(_row(number, row) for number, row in enumerate(rows, 1))
    text = document(title, f"{fact_table(facts)}\n{body}")
    with whole(path) as part:
        part.write_text(text, encoding="utf-8", errors="replace")


def document(title: str, body: str, style: str = "") -> str:
    """A whole page around a body that is HTML already; it has a box that holds moving pictures still, `#hold`."""
    return _PAGE.format(title=escape(title), style=_STYLE + style, body=body)


def fact_table(facts: Mapping[str, str]) -> str:
    """The facts as an HTML table; nothing for none."""
    rows = (f'<tr><th scope="row">{escape(name)}</th><td>{escape(fact)}</td></tr>' for name, fact in facts.items())
    return "\n".join(["<table>", *rows, "</table>"]) if facts else ""


def _row(number: int, row: Row) -> str:
    cards = "\n".join(f"<li>{_neighbour(rank, card, row.query)}</li>" for rank, card in enumerate(row.neighbours, 1))
    return (
        f'<section aria-labelledby="query{number}">\n<h2 id="query{number}">{escape(row.query.name)}</h2>\n'
        f'<div class="row"><div class="query">{_figure(row.query, "Query", "Query", "")}</div>\n'
        f'<ol aria-label="Neighbours, nearest first">\n{cards}\n</ol></div>\n</section>'
    )


def _neighbour(rank: int, card: Card, query: Card) -> str:
    verdict = ""
    if card.label and query.label:
        same = card.label == query.label
        verdict = '<span class="same">✓ same label</span>' if same else '<span class="other">✗ other label</span>'
    return _figure(card, f"#{rank}", f"Neighbour {rank}", verdict)


def _figure(card: Card, tag: str, role: str, verdict: str) -> str:
    moving, still = _pictures(card.frames)
    height, width = moving.shape[1:3]
    spoken = escape(f"{role}: {card.name}" + (f", {card.label}" if card.label else ""))
    size = f'width="{width}" height="{height}" alt="{spoken}"'
    words = [f"<b>{tag}</b>", f'<span class="label">{escape(card.label)}</span>' if card.label else "", verdict]
    return (
        f'<figure><img class="moving" {size} src="{_data(moving)}"><img class="still" {size} src="{_data(still)}">'
        f'<figcaption>{" ".join(filter(None, words))}<span class="name">{escape(card.name)}</span>'
        f'<span class="note">{escape(card.note)}</span></figcaption></figure>'
    )


def _pictures(frames: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The clip as it is shown, (T, H, W, 3), and its middle frame, (1, H, W, 3)."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape or frames.dtype != np.uint8:
        raise InvalidSpec(f"a clip on a page is uint8 (T, H, W, 3), not {frames.dtype} of shape {frames.shape}")
    shown = shrink(frames[:FRAMES], SIDE)
    middle = len(shown) // 2
    return shown, shown[middle : middle + 1]


def _data(frames: NDArray[np.uint8]) -> str:
    return "data:image/webp;base64," + base64.b64encode(animation(frames, RATE)).decode("ascii")


def shrink(frames: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(T, h, w, 3): the frames with a longer side of at most `side`, each pixel the mean of what it covers.

    >>> shrink(np.zeros((2, 128, 171, 3), np.uint8), 160).shape
    (2, 120, 160, 3)
    """
    height, width = frames.shape[1:3]
    scale = min(1.0, side / max(height, width))
    if scale == 1.0:
        return frames
    rows, columns = _cover(height, max(1, round(height * scale))), _cover(width, max(1, round(width * scale)))
    means = np.einsum("yh,thwc,xw->tyxc", rows, frames.astype(np.float32), columns, optimize=True)
    shrunk: NDArray[np.uint8] = np.rint(means).astype(np.uint8)
    return shrunk


def _cover(source: int, target: int) -> NDArray[np.float32]:
    """(target, source): which share of each target pixel each source pixel covers."""
    edges = np.arange(target + 1) * (source / target)
    pixels = np.arange(source)
    overlap = np.minimum(edges[1:, np.newaxis], pixels + 1) - np.maximum(edges[:-1, np.newaxis], pixels)
    share: NDArray[np.float32] = (np.clip(overlap, 0, None) * (target / source)).astype(np.float32)
    return share


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<input type="checkbox" id="hold"><label for="hold">Hold the pictures still</label>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5b636b; --paper: #fbfbfa; --card: #fff; --line: #d9dcdf;
  --same: #146c33; --other: #a3330b; --query: #1f5fbf; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaec; --soft: #a4abb3; --paper: #15181b; --card: #1e2226;
  --line: #3a4046; --same: #6fce8d; --other: #ff9d73; --query: #84b4ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 84rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: .8rem 0 .6rem; }
h2 { font-size: 1rem; margin: 0 0 .6rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: 0 0 1.5rem; }
th, td { text-align: left; padding: .15rem 1.2rem .15rem 0; vertical-align: top; }
th { font-weight: 500; color: var(--soft); }
section { border-top: 1px solid var(--line); padding: 1rem 0 1.2rem; }
.row { display: flex; gap: 1.2rem; align-items: flex-start; }
ol { list-style: none; display: flex; flex-wrap: wrap; gap: 1rem; margin: 0; padding: 0; }
figure { margin: 0; width: 176px; padding: 8px; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; }
.query figure { border: 2px solid var(--query); padding: 7px; }
img { display: block; width: 100%; height: auto; border-radius: 4px; }
figcaption { margin-top: .4rem; font-size: .85rem; }
figcaption b { font-weight: 600; }
.name, .note { display: block; color: var(--soft); overflow-wrap: anywhere; }
.note { font-variant-numeric: tabular-nums; }
.same, .other { font-weight: 600; white-space: nowrap; }
.same { color: var(--same); }
.other { color: var(--other); }
.still, #hold:checked ~ main .moving { display: none; }
#hold:checked ~ main .still { display: block; }
#hold, label { accent-color: var(--query); cursor: pointer; }
label { margin-left: .4rem; }
@media (prefers-reduced-motion: reduce) { .moving, #hold, label { display: none; } .still { display: block; } }
@media (max-width: 40rem) { .row { flex-direction: column; } }
"""
