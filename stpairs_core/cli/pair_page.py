"""One explained pair as a page: both volumes playing in step, where they lie in the frame and in time, and the words.

A volume is one tall picture, its frames one below the other, of which a style shows one after the other: so everything
on the page moves together and stops together, without a script, and every pixel of a volume is exact.
"""

import base64
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stpairs_core.cli.labels import said
from stpairs_core.cli.page import RATE, document, fact_table
from stpairs_core.cli.pair_pictures import THUMBNAILS, Pictures
from stpairs_core.cli.pair_words import Member, Pair, changes, distance, headline, origin, where
from stpairs_core.durable import whole
from stpairs_core.videos.ffmpeg import picture

VOLUME_SIDE = 240
"""Pixels that a volume is enlarged to at most, by a whole number; a larger one is shown as it is."""


def write_pair_page(path: Path, pair: Pair, pictures: Pictures) -> None:
    """Write the page: one file, offline, without scripts."""
    members = list(zip(pair.members, pictures.frames, pictures.before, pictures.after, strict=True))
    parts = [f'<p class="lead">{escape(headline(pair))} {escape(distance(pair))}</p>']
    parts += [_volume(pair, *member) for member in members]
    parts += [_time(pair, pictures)]
    parts += [f"<footer>\n{fact_table(_facts(pair))}\n</footer>"]
    seconds = pictures.before.shape[1] / RATE
    style = _STYLE.replace("SECONDS", f"{seconds:.3f}").replace("FRAMES", str(max(2, pictures.before.shape[1])))
    with whole(path) as part:
        text = document(f"Pair {pair.index}: {'positive' if pair.positive else 'negative'}", "\n".join(parts), style)
        part.write_text(text, encoding="utf-8", errors="replace")


def _facts(pair: Pair) -> dict[str, str]:
    mining = pair.source.mining
    labels = {} if pair.positive else {"false negatives": said(pair.known)}
    return {
        "where it comes from": origin(pair),
        **labels,
        "volumes": f"{mining.volume} (frames x height x width)",
        "a step": f"{mining.pairs} pairs, {mining.positive_ratio:.0%} of them positive",
    }


def _volume(
    pair: Pair, member: Member, frames: NDArray[np.uint8], before: NDArray[np.uint8], after: NDArray[np.uint8]
) -> str:
    name = f"Volume {member.number}"
    applied = ["F1"] * (member.color is not None) + ["F2"] * member.flip
    scale = _scale(before)
    steps = [
        _figure(_framed(pair, member, frames, scale), "in its frame"),
        _figure(_clip(before, f"{name} as it is cut", scale), "before"),
        f'<div class="arrow" aria-hidden="true">{"∘".join(applied) or "="}<span>→</span></div>',
        _figure(
            _clip(after, f"{name} as it is learned from", scale),
            "after" if applied else "after: the same",
        ),
    ]
    return (
        f'<section class="v{member.number}" aria-labelledby="volume{member.number}">\n'
        f'<h2 id="volume{member.number}"><b>{name}</b> {escape(where(member))}</h2>\n'
        f'<div class="stages">{"".join(steps)}</div>\n<p>{escape(changes(pair, member))}</p>\n</section>'
    )


def _figure(inner: str, caption: str) -> str:
    return f"<figure>{inner}<figcaption>{caption}</figcaption></figure>\n"


def _scale(volume: NDArray[np.uint8]) -> int:
    height, width = volume.shape[1:3]
    return max(1, VOLUME_SIDE // int(max(height, width)))


def _clip(frames: NDArray[np.uint8], spoken: str, scale: int, exact: bool = True) -> str:
    """Frames (T, H, W, 3) as one picture that plays."""
    height, width = frames.shape[1:3]
    kind = "png" if exact else "jpeg"
    tall = frames.reshape(-1, width, 3)
    size = (
        f'width="{width * scale}" height="{height * scale}" style="width:{width * scale}px;height:{height * scale}px"'
    )
    return f'<img class="clip" {size} alt="{escape(spoken)}" src="{_data(tall, kind)}">'


def _data(image: NDArray[np.uint8], kind: str) -> str:
    data = base64.b64encode(picture(image, exact=kind == "png")).decode("ascii")
    return f"data:image/{kind};base64,{data}"


def _framed(pair: Pair, member: Member, frames: NDArray[np.uint8], scale: int) -> str:
    """The whole frames with the volume's box, and with that of the other one where it lies in the same video."""
    shown = _clip(frames, f"The frames that volume {member.number} lies in", scale, exact=False)
    other = pair.members[2 - member.number]
    there = _box(other, "other") if pair.positive else ""
    return f'<div class="frame">{shown}{_box(member, "own")}{there}</div>'


def _box(member: Member, kind: str) -> str:
    _, height, width = member.extent
    _, y, x = member.origin
    place = (y / height, x / width, member.box.height / height, member.box.width / width)
    style = ";".join(
        f"{side}:{share:.4%}" for side, share in zip(("top", "left", "height", "width"), place, strict=True)
    )
    return f'<span class="box {kind} b{member.number}" style="{style}"></span>'


def _time(pair: Pair, pictures: Pictures) -> str:
    """A line of time for each video, with the spans of its volumes."""
    first, second = pair.members
    lines = [([first, second], 0)] if pair.positive else [([first], 0), ([second], 1)]
    drawn = "\n".join(_line(members, pictures.thumbnails[at]) for members, at in lines)
    return f'<section aria-labelledby="time">\n<h2 id="time"><b>In time</b></h2>\n{drawn}\n</section>'


def _line(members: list[Member], thumbnails: NDArray[np.uint8]) -> str:
    member = members[0]
    length = member.extent[0]
    wide = np.concatenate(list(thumbnails), axis=1)  # (h, THUMBNAILS * w, 3)
    film = f'<img class="film" alt="{THUMBNAILS} frames of {escape(member.name)}" src="{_data(wide, "jpeg")}">'
    shades = "".join(f'<span class="shade b{each.number}" style="{_span(each)}"></span>' for each in members)
    lanes = "".join(_lane(each) for each in members)
    ends = f"<span>frame 0</span><span>{escape(member.name)}</span><span>frame {length - 1}</span>"
    return f'<div class="line"><div class="reel">{film}{shades}</div>{lanes}<div class="ends">{ends}</div></div>'


def _lane(member: Member) -> str:
    first, last = member.origin[0], member.last[0]
    seconds = "" if member.seconds is None else f", {member.seconds[0]:.2f} to {member.seconds[1]:.2f} s"
    words = f"volume {member.number}: frames {first} to {last}{seconds}"
    side = "after" if first + last < member.extent[0] else "before"
    return (
        f'<div class="lane"><span class="bar b{member.number}" style="{_span(member)}"><i class="head"></i>'
        f'<span class="{side}">{words}</span></span></div>'
    )


def _span(member: Member) -> str:
    length = member.extent[0]
    return f"left:{member.origin[0] / length:.4%};width:{member.box.frames / length:.4%}"


# One clock for all: an animation of each picture by itself would begin when the browser has come to it.
_STYLE = """
@property --played { syntax: "<percentage>"; inherits: true; initial-value: 0%; }
:root { --one: #1f5fbf; --two: #c2410c; }
@media (prefers-color-scheme: dark) { :root { --one: #84b4ff; --two: #ff9d5c; } }
.lead { max-width: 60rem; font-size: 1.05rem; }
h2 { font-weight: 400; }
.v1 h2 b, .b1 { color: var(--one); } .v2 h2 b, .b2 { color: var(--two); }
.stages { display: flex; flex-wrap: wrap; align-items: center; gap: 1rem; }
figure { width: auto; }
figcaption { text-align: center; color: var(--soft); }
.clip { object-fit: cover; object-position: 0 var(--played); image-rendering: pixelated; border-radius: 0;
  max-width: none; }
.frame { position: relative; overflow: hidden; border-radius: 4px; }
.frame .clip { image-rendering: auto; }
.box { position: absolute; border: 2px solid currentColor; }
.box.b1 { color: #5fa4ff; } .box.b2 { color: #ff8a3c; }
.own { box-shadow: 0 0 0 100rem #0007; }
.other { border-style: dashed; }
.arrow { text-align: center; color: var(--soft); font-style: italic; line-height: 1; }
.arrow span { display: block; font-size: 1.6rem; font-style: normal; }
.line { margin: 0 0 1.2rem; overflow: hidden; }
.reel { position: relative; overflow: hidden; border-radius: 6px; }
.film { width: 100%; height: auto; }
.shade { position: absolute; top: 0; bottom: 0; min-width: 3px; border: 3px solid currentColor; border-radius: 3px; }
.lane { position: relative; height: 1.5rem; margin-top: 4px; background: var(--card); border-radius: 4px; }
.bar { position: absolute; top: 0; bottom: 0; min-width: 3px; background: currentColor; border-radius: 3px; }
.bar > span { position: absolute; white-space: nowrap; font-size: .85rem; line-height: 1.5rem; padding: 0 .5rem; }
.after { left: 100%; } .before { right: 100%; }
.head { position: absolute; top: 0; bottom: 0; width: 3px; margin-left: -1px; background: var(--paper);
  left: var(--played); }
.ends { display: flex; justify-content: space-between; color: var(--soft); font-size: .85rem; margin-top: 2px; }
footer { border-top: 1px solid var(--line); padding-top: 1rem; }
@keyframes play { to { --played: 100%; } }
main { animation: play SECONDSs steps(FRAMES, jump-none) infinite; }
#hold:checked ~ main { animation-play-state: paused; }
@media (prefers-reduced-motion: reduce) { main { animation: none; } }
"""
