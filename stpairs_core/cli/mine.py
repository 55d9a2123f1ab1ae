"""`stpairs mine`: the pair plans of some steps, for any program to use."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import tyro

from stpairs_core.cli.labels import as_json, expected_false_negatives, said
from stpairs_core.cli.opening import miner_reported, open_reported, short_side_for
from stpairs_core.cli.output import Output
from stpairs_core.durable import whole
from stpairs_core.errors import InvalidSpec
from stpairs_core.spec import MiningSpec, PairPlan


@dataclass(frozen=True)
class Mine:
    """Write the pair plans of some steps to an .npz file.

    A plan says which volumes make the pairs and how each is changed; it holds no pixels. The same videos, seed and
    settings give the same bytes. By default the paper's pairs, of 16x112x112; `stpairs train` has settings of its own,
    and its config.json says which. Columns, one row a pair: step, video (2), origin (2x3: t, y, x), flip (2),
    recolor (2), color (2x3: offset, exponent, scale), label, group (2) where the videos have groups; and, once, the
    names of the videos, the shape of the volumes, where F1 adds its offset (channels), and of how many frames a volume
    takes one (stride).
    """

    videos: tyro.conf.Positional[Path]
    """A folder, a video, a list of paths (.txt) or a manifest (.csv, .parquet)."""
    out: Path
    """The .npz file to write."""
    steps: int = 100
    """How many steps, from step 0."""
    seed: int = 0
    """Which pairs."""
    mining: MiningSpec = MiningSpec()
    tolerate_damage: bool = False
    """Keep what decoded of a damaged file before the damage."""
    output: Annotated[Output, tyro.conf.arg(name="")] = Output()

    def run(self) -> Mapping[str, object]:
        """Mine and write."""
        if self.steps < 1:
            raise InvalidSpec(f"steps must be at least 1, not {self.steps}")
        short_side = short_side_for(self.mining.volume)
        videos = open_reported(self.videos, short_side, self.output, self.tolerate_damage)
        miner = miner_reported(videos, self.mining, self.seed, self.output)
        plans = [miner.plan(step) for step in range(self.steps)]
        columns = {
            field.name: np.concatenate([getattr(plan, field.name) for plan in plans])
            for field in fields(PairPlan)
            if field.name not in ("shape", "channels", "stride") and getattr(plans[0], field.name) is not None
        }
        volume = self.mining.volume
        columns["step"] = np.repeat(np.arange(self.steps, dtype=np.int32), [len(plan) for plan in plans])
        columns["names"] = np.array(videos.paths)
        columns["shape"] = np.array([volume.frames, volume.height, volume.width], np.int32)
        columns["channels"] = np.array(self.mining.channels)
        columns["stride"] = np.array(self.mining.temporal_stride)
        with whole(self.out) as unfinished, unfinished.open("wb") as file:
            np.savez_compressed(file, **cast(dict[str, Any], columns))
        pairs = len(columns["label"])
        self.output.say(f"{self.out}: {self.steps} steps, {pairs} pairs, from {len(videos)} videos")
        known = expected_false_negatives(videos, np.setdiff1d(np.arange(len(videos)), miner.too_small))
        if miner.negatives:
            self.output.say(said(known))
        return {
            "out": str(self.out),
            "steps": self.steps,
            "pairs": pairs,
            "videos": len(videos),
            "false_negatives": as_json(known) if miner.negatives else None,
        }
