"""VIDEOS, as every command takes them: opened with progress, and each file that is left out named."""

from pathlib import Path

from stpairs_core.cli.output import Output
from stpairs_core.plan import PairMiner
from stpairs_core.spec import MiningSpec, VolumeShape
from stpairs_core.videos import Videos, open_videos


def short_side_for(shape: VolumeShape) -> int:
    """Shorter side of the frames that volumes of this shape are cut from, in pixels.

    C3D cuts 112x112 out of 128x171; the same share of the frame is kept at other sizes.

    >>> short_side_for(VolumeShape(16, 112, 112))
    128
    """
    return round(max(shape.height, shape.width) * 128 / 112)


def open_reported(path: Path, short_side: int, output: Output, tolerate_damage: bool = False) -> Videos:
    """The videos under `path`, decoded once into the frame store."""
    progress = output.progress()
    with progress.counting("decoding videos") as count:
        videos = open_videos(
            path, short_side, tolerate_damage=tolerate_damage, on_progress=lambda done, total, _: count(done, total)
        )
    for left in videos.left_out:
        output.note(f"left out: {left.path}: {left.reason}")
    for cut in videos.shortened:
        output.note(f"shortened: {cut.path}: {cut.reason}")
    frames = int(videos.extents[:, 0].sum())
    output.note(f"{len(videos)} videos, {frames:,} frames; {len(videos.left_out)} left out")
    return videos


def miner_reported(videos: Videos, mining: MiningSpec, seed: int, output: Output) -> PairMiner:
    """The miner of these videos, with those named that it can use for negative pairs only, or not at all."""
    miner = PairMiner(videos.extents, mining, seed, videos.groups)
    for verdict, rows in (
        (f"cannot hold a volume of {mining.span}", miner.too_small),
        (f"holds no two disjoint volumes of {mining.span}: negative pairs only", miner.negatives_only),
    ):
        for row in rows:
            size = "x".join(str(side) for side in videos.extents[row])
            output.note(f"too small: {videos.paths[row]} ({size}) {verdict}")
    return miner
