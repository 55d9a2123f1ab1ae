"""Where explained pairs come from: videos with mining settings, or a training run with its own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stpairs_core.cli.gallery import root_of
from stpairs_core.cli.opening import open_reported, short_side_for
from stpairs_core.cli.output import Output
from stpairs_core.errors import InvalidSpec
from stpairs_core.plan import PairMiner
from stpairs_core.spec import MiningSpec, PairPlan
from stpairs_core.train import load_config
from stpairs_core.train.folder import fingerprint
from stpairs_core.train.held_out import Mined, split_videos
from stpairs_core.videos import Videos


@dataclass(frozen=True)
class PairSource:
    """Videos, and the plans of pairs of all or some of them."""

    videos: Videos
    path: Path
    """What named the videos."""
    usable: NDArray[np.int64]
    """The videos that pairs are mined from, in ascending order."""
    mining: MiningSpec
    seed: int
    plan: Callable[[int, slice], PairPlan]
    """(step, rows) -> their plan, with the numbers that the videos have in `videos`."""
    steps: int | None = None
    """How many steps the run has; None: no run."""

    @property
    def root(self) -> Path:
        """Folder that the videos' paths are relative to."""
        return root_of(self.path)

    def pair(self, index: int) -> PairPlan:
        """The plan of one pair; an `InvalidSpec` when there is none of that index."""
        pairs = self.mining.pairs
        most = 2**64 // pairs * pairs - 1
        if not 0 <= index <= most:
            raise InvalidSpec(f"a pair's index lies between 0 and {most}, not {index}")
        step, row = divmod(index, pairs)
        plan = self.plan(step, slice(row, row + 1))
        if not len(plan):
            drawn = len(self.plan(0, slice(None)))
            raise InvalidSpec(
                f"pair {index} is not drawn: it would be row {row} of step {step}, and literal_algorithm1 ends each "
                f"step of {pairs} pairs after row {drawn - 1}; ask for {index - row} to {index - row + drawn - 1}"
            )
        return plan


def pairs_of_videos(
    path: Path, mining: MiningSpec, seed: int, output: Output, tolerate_damage: bool = False
) -> PairSource:
    """Pairs of all videos of a path, as `stpairs mine` draws them."""
    videos = open_reported(path, short_side_for(mining.volume), output, tolerate_damage)
    miner = PairMiner(videos.extents, mining, seed, videos.groups)
    usable = np.setdiff1d(np.arange(len(videos)), miner.too_small)
    return PairSource(videos, path, usable, mining, miner.seed, miner.plan)


def is_run(path: Path) -> bool:
    """Whether a path is the folder of a training run."""
    return (path / "config.json").is_file()


def pairs_of_run(run: Path, moved: Path | None, output: Output, tolerate_damage: bool = False) -> PairSource:
    """The pairs that a run learns from, of the videos it was begun with; `moved` is where they are now."""
    config = load_config(run)
    spec, path = config.spec, moved or config.describe.get("videos")
    if path is None:
        raise InvalidSpec(f"{run} does not say where its videos are: --videos does")
    path = Path(path)
    short_side = int(config.describe.get("short_side", short_side_for(spec.mining.volume)))
    videos = open_reported(path, short_side, output, tolerate_damage)
    if fingerprint(videos, videos.paths, videos.groups) != config.videos_sha256:
        raise InvalidSpec(
            f"{path} is not what {run} was begun with: names, sizes or groups of its {len(videos)} videos differ from "
            f"the run's {config.videos}; --videos (and --tolerate-damage, where it was used) name those"
        )
    train = split_videos(videos.extents, spec, videos.groups).train
    mined = Mined(videos, train, spec.mining, spec.seed, videos.groups)
    usable = np.setdiff1d(train, mined.too_small)
    return PairSource(videos, path, usable, spec.mining, spec.seed, mined.plan, spec.steps)
