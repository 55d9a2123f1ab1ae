"""`stpairs embed`: one feature vector a video."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from stpairs_core.cli.gallery import embed_reported, open_encoder, root_of
from stpairs_core.cli.opening import open_reported, short_side_for
from stpairs_core.cli.output import Output
from stpairs_core.errors import InvalidSpec


@dataclass(frozen=True)
class Embed:
    """Write one feature vector a video.

    By the paper: the features of ten random volumes of a video, averaged. Given an ONNX file it needs no torch.
    """

    encoder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN|ENCODER")]
    """A folder that `stpairs train` made, or an ONNX file that `stpairs export` wrote."""
    videos: tyro.conf.Positional[Path]
    """A folder, a video, a list of paths (.txt) or a manifest (.csv, .parquet)."""
    out: Path
    """The Parquet file to write: path, label, feature."""
    volumes: int = 10
    """Random volumes a video."""
    seed: int = 0
    """Which volumes."""
    temporal_stride: int | None = None
    """Take one of this many frames into a volume; by default as the run was trained, and every one for ONNX."""
    device: str = "auto"
    """auto, cpu or cuda. Asking for cuda where there is none is an error."""
    tolerate_damage: bool = False
    """Keep what decoded of a damaged file before the damage."""
    output: Annotated[Output, tyro.conf.arg(name="")] = Output()

    def run(self) -> Mapping[str, object]:
        """Embed and write."""
        if self.volumes < 1:
            raise InvalidSpec(f"volumes must be at least 1, not {self.volumes}")
        opened = open_encoder(self.encoder, self.device)
        if self.temporal_stride is not None:
            opened = replace(opened, stride=self.temporal_stride)
        short_side = short_side_for(opened.encoder.shape)
        videos = open_reported(self.videos, short_side, self.output, self.tolerate_damage)
        recipe = opened.recipe(root_of(self.videos), self.volumes, self.seed)
        features = embed_reported(opened.encoder, videos, recipe, self.output)
        features.save(self.out)
        count, width = features.vectors.shape
        self.output.say(f"{self.out}: {count} videos, {width} numbers each")
        return {"out": str(self.out), "videos": count, "width": width}
