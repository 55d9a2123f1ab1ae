"""The pixels of an explained pair: its volumes before and after, the frames around them, where in time they lie."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stpairs_core.cli.page import shrink
from stpairs_core.cli.pair_words import Pair
from stpairs_core.durable import whole
from stpairs_core.materialize import cut, materialize
from stpairs_core.videos import Videos
from stpairs_core.videos.ffmpeg import picture

THUMBNAILS = 14
"""Frames that stand for a whole video, evenly spaced."""
THUMBNAIL_SIDE = 96
"""Pixels of a thumbnail's longer side at most."""
FRAME_SIDE = 352
"""Pixels of a whole frame's longer side at most."""
GAP = 2
"""White pixels between the frames of a sheet; four times as many between the volumes."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """What is drawn of a pair."""

    before: NDArray[np.uint8]
    """(2, T, H, W, 3): the volumes as `cut` gives them."""
    after: NDArray[np.uint8]
    """(2, T, H, W, 3): the volumes as `materialize` gives them."""
    frames: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    """(T, h, w, 3) of each volume: the whole frames that it lies in."""
    thumbnails: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    """(THUMBNAILS, h, w, 3) of each volume: its video from beginning to end."""


def pictures_of(pair: Pair) -> Pictures:
    """The pixels of a pair."""
    videos, plan = pair.source.videos, pair.plan
    boxes = [(member.video, member.origin[0], member.box.frames) for member in pair.members]
    first, second = (shrink(videos.read(*box)[:: plan.stride], FRAME_SIDE) for box in boxes)
    start, end = (_thumbnails(videos, member.video) for member in pair.members)
    return Pictures(cut(plan, videos)[0], materialize(plan, videos)[0], (first, second), (start, end))


def _thumbnails(videos: Videos, video: int) -> NDArray[np.uint8]:
    length = int(videos.extents[video, 0])
    middles = (np.arange(THUMBNAILS) * 2 + 1) * length // (2 * THUMBNAILS)
    return np.concatenate([shrink(videos.read(video, t, 1), THUMBNAIL_SIDE) for t in middles.tolist()])


def sheet(pictures: Pictures) -> NDArray[np.uint8]:
    """(h, w, 3): all frames of the volumes; from above, 1 before and after, 2 before and after."""
    rows = [volumes[member] for member in (0, 1) for volumes in (pictures.before, pictures.after)]
    frames, height, width = rows[0].shape[:3]
    out = np.full((4 * height + 6 * GAP, frames * (width + GAP) - GAP, 3), 255, np.uint8)
    for row, volume in enumerate(rows):
        y = row * (height + GAP) + (3 * GAP if row > 1 else 0)
        for t, frame in enumerate(volume):
            x = t * (width + GAP)
            out[y : y + height, x : x + width] = frame
    return out


def write_sheet(path: Path, pair: Pair, pictures: Pictures) -> None:
    """Write the sheet as a PNG."""
    with whole(path) as part:
        part.write_bytes(picture(sheet(pictures), exact=True))
