"""Encoders, feature vectors and the videos behind them, as `embed`, `search` and `demo` come by them."""

import hashlib
import os
from dataclasses import dataclass
from importlib.metadata import version
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


@dataclass(frozen=True)
class OpenedEncoder:
    """An encoder, and what tells its features from another's."""

    encoder: Encoder
    name: str
    """Of its file or of its run's folder."""
    sha256: str
    """Of the ONNX file, or of a run's weights."""
    stride: int = 1
    """Every how many frames one is taken into a volume: as the run was trained; an ONNX file does not say."""

    def recipe(self, root: Path, volumes: int = 10, seed: int = 0) -> Recipe:
        """What features by this encoder, of videos below `root`, are made by."""
        made_by = version("stpairs")
        return Recipe(self.name, self.sha256, self.encoder.shape, volumes, seed, made_by, str(root), self.stride)


def open_encoder(path: Path, device: str) -> OpenedEncoder:
    """The encoder of a run's folder, through its backend, or of an ONNX file, through ONNX Runtime."""
    if path.is_dir():
        learner, config = open_run(path, device=device)
        digest = hashlib.sha256()
        for name, array in sorted(learner.state().items()):
            if name.startswith("model."):
                digest.update(name.encode() + array.tobytes())
        stride = config.spec.mining.temporal_stride
        return OpenedEncoder(learner.encoder(), path.resolve().name, digest.hexdigest(), stride)
    if not path.exists():
        raise BadFile(f"{path} does not exist; give a folder made by `stpairs train` or a file by `stpairs export`")
    encoder = find_runtime("onnx").encoder(path, device)
    with path.open("rb") as file:
        return OpenedEncoder(encoder, path.name, hashlib.file_digest(file, "sha256").hexdigest())


def embed_reported(
    encoder: Encoder, videos: Videos, recipe: Recipe, output: Output, name_small: bool = True
) -> Features:
    """Features of all videos that hold a volume; the others are named, unless somebody did before."""
    rows = fitting(videos.extents, encoder.shape, recipe.stride)
    span = encoder.shape.span(recipe.stride)
    for row in np.setdiff1d(np.arange(len(videos)), rows) if name_small else ():
        size = "x".join(str(side) for side in videos.extents[row])
        output.note(f"left out: {videos.paths[row]}: {size} is too small for one volume of {span}")
    if not len(rows):
        raise BadVideos(f"none of the {len(videos)} videos holds a volume of {span}")
    with output.progress().counting("embedding") as count:
        settings = {"volumes": recipe.volumes, "seed": recipe.seed, "stride": recipe.stride}
        vectors = embed(encoder, videos, videos=rows, **settings, on_progress=count)
    paths, labels = zip(*((videos.paths[row], videos.labels[row]) for row in rows), strict=True)
    return Features(paths, labels, vectors, recipe)


def first_frames(videos: Videos, video: int) -> NDArray[np.uint8]:
    """(T, H, W, 3): what a page shows of a video."""
    return videos.read(video, 0, min(CLIP, int(videos.extents[video, 0])))


@dataclass(frozen=True)
class Query:
    """The video that is searched for."""

    vector: NDArray[np.float32]
    """(width,)."""
    row: int | None
    """Where it is among the searched videos itself."""
    frames: NDArray[np.uint8] | None
    """(T, H, W, 3): what a page shows of it, where the frames are at hand."""


@dataclass(frozen=True)
class Gallery:
    """What is searched in."""

    features: Features
    videos: Videos | None
    """The frames, where they are at hand."""
    root: Path | None
    """Folder that the paths are relative to, where it is known."""
    encoder: Encoder | None

    def query(self, path: Path, output: Output) -> Query:
        """The query, taken from the gallery where it is in it, embedded otherwise."""
        row = self._row_of(path)
        if row is not None:
            output.note(f"the query is {self.features.paths[row]} of the searched videos")
            return Query(self.features.vectors[row], row, None if self.videos is None else self.clip(row))
        if self.encoder is None:
            raise InvalidSpec(f"{path} is not among the searched videos; --encoder names what can embed it")
        found = open_reported(path, short_side_for(self.encoder.shape), output)
        if len(found) != 1:
            raise InvalidSpec(f"a query is one video, and {path} holds {len(found)}")
        vector = embed_reported(self.encoder, found, self.features.recipe, output).vectors[0]
        return Query(vector, None, first_frames(found, 0))

    def clip(self, row: int) -> NDArray[np.uint8]:
        """(T, H, W, 3): what a page shows of a video in the gallery."""
        if self.videos is None:
            raise InvalidSpec("a page needs the frames: --videos says where the searched videos are")
        return first_frames(self.videos, self.videos.paths.index(self.features.paths[row]))

    def _row_of(self, path: Path) -> int | None:
        """The row of a query: the same file, by whatever way it is named; or the path as the features have it."""
        names = self.features.paths
        if not path.exists() or self.root is None:
            return names.index(str(path)) if str(path) in names else None
        asked = path.stat()
        same = [row for row, name in enumerate(names) if _is(self.root / name, asked)]
        absolute = os.path.abspath(path)
        return min(same, key=lambda row: os.path.abspath(self._file(row)) != absolute, default=None)

    def _file(self, row: int) -> Path:
        return Path(self.root or ".") / self.features.paths[row]


def _is(path: Path, asked: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), asked)
    except (OSError, ValueError):
        return False


def open_gallery(source: Path, videos: Path | None, encoder: Path | None, device: str, output: Output) -> Gallery:
    """The gallery of a run, an ONNX encoder or a features file."""
    if source.suffix == ".parquet":
        return _open_features(source, videos, encoder, device, output)
    if encoder is not None:
        raise InvalidSpec(f"--encoder goes with features.parquet; {source} is an encoder itself")
    found = open_encoder(source, device)
    if videos is None:
        known = load_config(source).describe.get("videos") if source.is_dir() else None
        if known is None:
            raise InvalidSpec(f"{source} knows no videos: --videos says which to search in")
        videos = Path(known)
    opened = open_reported(videos, short_side_for(found.encoder.shape), output)
    root = root_of(videos)
    features = embed_reported(found.encoder, opened, found.recipe(root), output)
    return Gallery(features, opened, root, found.encoder)


def _open_features(source: Path, videos: Path | None, encoder: Path | None, device: str, output: Output) -> Gallery:
    features = Features.load(source)
    found = None
    if encoder is not None:
        opened_encoder = open_encoder(encoder, device)
        if opened_encoder.sha256 != features.recipe.sha256:
            raise InvalidSpec(f"{encoder} is not the encoder that made {source}: their SHA-256 differ")
        found = opened_encoder.encoder
    if videos is None:
        return Gallery(features, None, Path(features.recipe.root) if features.recipe.root else None, found)
    opened = open_reported(videos, short_side_for(features.recipe.shape), output)
    if missing := set(features.paths) - set(opened.paths):
        raise BadVideos(f"{videos} lacks {len(missing)} of the videos in {source}, such as {min(missing)}")
    return Gallery(features, opened, root_of(videos), found)


def root_of(videos: Path) -> Path:
    """Folder that the paths of opened videos are relative to."""
    return Path(os.path.abspath(videos if videos.is_dir() else videos.parent))
