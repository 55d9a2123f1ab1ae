"""`stpairs explain-pair`: one pair, by its number, in words and pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from stpairs_core.cli.output import Output
from stpairs_core.cli.pair_page import write_pair_page
from stpairs_core.cli.pair_pictures import pictures_of, write_sheet
from stpairs_core.cli.pair_source import PairSource, is_run, pairs_of_run, pairs_of_videos
from stpairs_core.cli.pair_words import fields_of, pair_of, words
from stpairs_core.errors import InvalidSpec
from stpairs_core.spec import MiningSpec


@dataclass(frozen=True)
class ExplainPair:
    """Say and show how one pair was made: which volumes of which videos, how far apart, and what F1 and F2 did.

    stpairs explain-pair VIDEOS 1234567 --out pair.html: of videos, seed 0.

    stpairs explain-pair RUN 42 --out pair.html: of a training run.

    Row r of step s is pair s * B + r, where a step has B pairs (--mining.pairs). A pair is a pure function of its
    number, the seed, the videos and the mining settings, so any pair that was ever used can be made again at once.
    Given videos, it is the one of `stpairs mine` with the same --seed and settings. Given a run, it is the one that
    the run learns from: with its seed, its settings, and its videos less those held out.
    """

    source: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="VIDEOS|RUN")]
    """A folder, a video, a list (.txt) or a manifest (.csv, .parquet); or the folder of a training run."""
    index: Annotated[tyro.conf.Positional[int], tyro.conf.arg(metavar="INDEX")]
    """Which pair, counted from 0."""
    out: Path | None = None
    """Also draw it: on a page where both volumes play (.html), or all their frames in one image (.png)."""
    seed: int | None = None
    """Which pairs; 0 unless given. A run has its own."""
    mining: MiningSpec = MiningSpec()
    videos: Path | None = None
    """For a run: where its videos are now, if they were moved."""
    tolerate_damage: bool = False
    """Keep what decoded of a damaged file before the damage."""
    output: Annotated[Output, tyro.conf.arg(name="")] = Output()

    def run(self) -> Mapping[str, object]:
        """Find it, say it, draw it."""
        if self.out is not None and self.out.suffix.lower() not in (".html", ".png"):
            raise InvalidSpec(f"--out names a page (.html) or an image (.png), not {self.out}")
        source = self._opened()
        pair = pair_of(source, self.index)
        sentences = words(pair)
        for sentence in sentences:
            self.output.say(sentence)
        if self.out is not None:
            write = write_sheet if self.out.suffix.lower() == ".png" else write_pair_page
            write(self.out, pair, pictures_of(pair))
            self.output.say(f"look at {self.out}")
        return {**fields_of(pair), "words": sentences, "out": None if self.out is None else str(self.out)}

    def _opened(self) -> PairSource:
        if not is_run(self.source):
            if self.videos is not None:
                raise InvalidSpec(f"--videos goes with a run, and {self.source} holds no config.json of one")
            return pairs_of_videos(self.source, self.mining, self.seed or 0, self.output, self.tolerate_damage)
        if self.seed is not None or self.mining != MiningSpec():
            raise InvalidSpec(f"{self.source} is a run with a seed and mining settings of its own: leave them out")
        return pairs_of_run(self.source, self.videos, self.output, self.tolerate_damage)
