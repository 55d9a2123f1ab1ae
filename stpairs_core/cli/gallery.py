"""Encoders, feature vectors and the videos behind them, as `embed`, `search` and `demo` come by them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stpairs_core.cli.opening import open_reported, short_side_for
from stpairs_core.cli.output import Output
from stpairs_core.embed import Features, Recipe, embed, fitting
from stpairs_core.errors import BadFile, BadVideos, InvalidSpec
from stpairs_core.protocols import Encoder
from stpairs_core.registry import find_runtime
from stpairs_core.train import load_config, open_run
from stpairs_core.videos import Videos

CLIP = 24
"""Frames of a video that a page shows."""


def open_encoder(path: Path, device: str) -> Encoder:
    """The encoder of a run's folder, through its backend, or of an ONNX file, through ONNX Runtime."""
    if path.is_dir():
        return open_run(path, device=device)[0].encoder()
    if not path.exists():
        raise BadFile(f"{path} does not exist; give a folder made by `stpairs train` or a file by `stpairs export`")
    return find_runtime("onnx").encoder(path, device)


def recipe_of(path: Path, encoder: Encoder, volumes: int = 10, seed: int = 0) -> Recipe:
    """What the features of an encoder's file, or of a run's weights, are made by."""
    return Recipe.of(path / "model.safetensors" if path.is_dir() else path, encoder.shape, volumes, seed)


def embed_reported(encoder: Encoder, videos: Videos, recipe: Recipe, output: Output) -> Features:
    """Features of all videos that hold a volume; the others are named."""
    rows = fitting(videos.extents, encoder.shape)
    for row in np.setdiff1d(np.arange(len(videos)), rows):
        size = "x".join(str(side) for side in videos.extents[row])
        output.note(f"left out: {videos.paths[row]}: {size} is too small for one volume of {encoder.shape}")
    if not len(rows):
        raise BadVideos(f"none of the {len(videos)} videos holds a volume of {encoder.shape}")
    with output.progress().counting("embedding") as count:
        vectors = embed(encoder, videos, videos=rows, volumes=recipe.volumes, seed=recipe.seed, on_progress=count)
    return Features(
        tuple(videos.paths[row] for row in rows), tuple(videos.labels[row] for row in rows), vectors, recipe
    )


@dataclass(frozen=True)
class Gallery:
    """What is searched in."""

    features: Features
    videos: Videos | None
    """The frames, where they are at hand."""
    root: Path | None
    """Folder that the paths are relative to, where it is known."""
    encoder: Encoder | None

    def query(self, path: Path, output: Output) -> tuple[NDArray[np.float32], int | None]:
        """The feature vector of a video, (width,), and its own row where it is in the gallery."""
        if (own := self._row_of(path)) is not None:
            return self.features.vectors[own], own
        if self.encoder is None:
            raise InvalidSpec(f"{path} is not among the searched videos; --encoder names what can embed it")
        video = self._open(path, self.encoder, output)
        return embed_reported(self.encoder, video, self.features.recipe, output).vectors[0], None

    def clip(self, row: int) -> NDArray[np.uint8]:
        """(T, H, W, 3): the first frames of a video in the gallery."""
        if self.videos is None:
            raise InvalidSpec("a page needs the frames: --videos says where the searched videos are")
        video = self.videos.paths.index(self.features.paths[row])
        return self.videos.read(video, 0, min(CLIP, int(self.videos.extents[video, 0])))

    def query_clip(self, path: Path, output: Output) -> NDArray[np.uint8]:
        """(T, H, W, 3): the first frames of the query."""
        if (own := self._row_of(path)) is not None:
            return self.clip(own)
        if self.encoder is None:
            raise InvalidSpec(f"{path} is not among the searched videos; --encoder names what can embed it")
        video = self._open(path, self.encoder, output)
        return video.read(0, 0, min(CLIP, int(video.extents[0, 0])))

    def _row_of(self, path: Path) -> int | None:
        names = [str(path)]
        if self.root is not None and path.exists() and path.resolve().is_relative_to(self.root):
            names.append(str(path.resolve().relative_to(self.root)))
        return next((self.features.paths.index(name) for name in names if name in self.features.paths), None)

    def _open(self, path: Path, encoder: Encoder, output: Output) -> Videos:
        return open_reported(path, short_side_for(encoder.shape), output)


def open_gallery(source: Path, videos: Path | None, encoder: Path | None, device: str, output: Output) -> Gallery:
    """The gallery of a run, an ONNX encoder or a features file."""
    if source.suffix == ".parquet":
        return _open_features(source, videos, encoder, device, output)
    if encoder is not None:
        raise InvalidSpec(f"--encoder goes with features.parquet; {source} is an encoder itself")
    found = open_encoder(source, device)
    if videos is None:
        if not source.is_dir():
            raise InvalidSpec(f"{source} knows no videos: --videos says which to search in")
        videos = Path(load_config(source).describe["videos"])
    opened = open_reported(videos, short_side_for(found.shape), output)
    features = embed_reported(found, opened, recipe_of(source, found), output)
    return Gallery(features, opened, _root(videos), found)


def _open_features(source: Path, videos: Path | None, encoder: Path | None, device: str, output: Output) -> Gallery:
    features = Features.load(source)
    found = None
    if encoder is not None:
        found = open_encoder(encoder, device)
        if recipe_of(encoder, found).sha256 != features.recipe.sha256:
            raise InvalidSpec(f"{encoder} is not the encoder that made {source}: the SHA-256 of the files differ")
    if videos is None:
        return Gallery(features, None, None, found)
    opened = open_reported(videos, short_side_for(features.recipe.shape), output)
    if missing := set(features.paths) - set(opened.paths):
        raise BadVideos(f"{videos} lacks {len(missing)} of the videos in {source}, such as {min(missing)}")
    return Gallery(features, opened, _root(videos), found)


def _root(videos: Path) -> Path:
    """Folder that the paths of opened videos are relative to."""
    return (videos if videos.is_dir() else videos.parent).resolve()
