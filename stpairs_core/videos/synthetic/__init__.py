"""Labelled action videos made by us: every factor known, written as real video files.

An action here is a way of moving. It shows in neighbouring frames, not in one frame and not in the colours, so these
videos tell what an encoder knows: motion (`action`), things (`kind`), or the look of the scene (all other factors).
"""

from stpairs_core.videos.synthetic.factors import (
    ACTIONS,
    BACKGROUNDS,
    COLOURS,
    DRIFTS,
    HEADINGS,
    KINDS,
    SPEEDS,
    TEXTURES,
    Factors,
    SyntheticSpec,
    draw,
)
from stpairs_core.videos.synthetic.files import TABLE, read_table, write_videos
from stpairs_core.videos.synthetic.render import arrays, render

__all__ = [
    "ACTIONS",
    "BACKGROUNDS",
    "COLOURS",
    "DRIFTS",
    "HEADINGS",
    "KINDS",
    "SPEEDS",
    "TABLE",
    "TEXTURES",
    "Factors",
    "SyntheticSpec",
    "arrays",
    "draw",
    "read_table",
    "render",
    "write_videos",
]
