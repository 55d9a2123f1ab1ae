"""Volumes to one vector a video: "for each video, we extract 10 random s-t volumes ... followed by mean pooling"."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stpairs_core import boxes, rng
from stpairs_core.durable import whole
from stpairs_core.errors import BadFile, BadVideos, InvalidSpec, MissingPart, StpairsError
from stpairs_core.protocols import Encoder, VideoSource
from stpairs_core.spec import VolumeShape

_KEY = b"stpairs.features"
"""Where the recipe lies in the metadata of the Parquet file."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How feature vectors were made: what two sets must share before their vectors may be compared."""

    encoder: str
    """Name of the encoder's file."""
    sha256: str
    """Of the encoder's file, in hexadecimal."""
    shape: VolumeShape
    """Of the volumes."""
    volumes: int
    """Random volumes a video."""
    seed: int
    """Which volumes."""
    stpairs: str
    """Version that made them."""
    root: str = ""
    """Folder that the paths of the videos were relative to; "" where it is not known."""
    stride: int = 1
    """Every how many frames of its video one was taken into a volume."""

    @classmethod
    def of(cls, encoder: Path, shape: VolumeShape, volumes: int = 10, seed: int = 0) -> Self:
        """The recipe for an encoder's file, whose SHA-256 is taken here."""
        try:
            with encoder.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise BadFile(f"cannot read {encoder}: {error.strerror}") from error
        return cls(encoder.name, digest, shape, volumes, seed, version("stpairs"))


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """One feature vector a video, with what tells the videos apart."""

    paths: tuple[str, ...]
    """(N,) each video's path, as its source names it."""
    labels: tuple[str, ...]
    """(N,) each video's label; "" where there is none."""
    vectors: NDArray[np.float32]
    """(N, width)."""
    recipe: Recipe
    """How the vectors were made."""

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or not len(self.paths) == len(self.labels) == len(self.vectors):
            counts = f"{len(self.paths)} paths, {len(self.labels)} labels"
            raise InvalidSpec(f"{counts} and vectors of shape {self.vectors.shape} do not agree")

    def __repr__(self) -> str:
        return f"Features({len(self.paths)} videos, {self.vectors.shape[1]} numbers each, by {self.recipe.encoder})"

    def save(self, path: Path) -> None:
        r"""Write a Parquet file of `path`, `label` and `feature`; it gets its name when it is whole and on the disk.

        Parquet's text is UTF-8, which file names need not be: a byte that is not stands in the file as `\udc80` to
        `\udcff`, as Python writes it, and `load` gives the name itself back.
        """
        pa, parquet = _pyarrow()
        width = self.vectors.shape[1]
        flat = pa.array(np.ascontiguousarray(self.vectors, np.float32).reshape(-1))
        columns = {
            "path": pa.array([_text(path) for path in self.paths], pa.string()),
            "label": pa.array([_text(label) for label in self.labels], pa.string()),
            "feature": pa.FixedSizeListArray.from_arrays(flat, width),
        }
        table = pa.table(columns).replace_schema_metadata({_KEY: json.dumps(asdict(self.recipe))})
        with whole(path) as part, part.open("wb") as file:
            parquet.write_table(table, file, write_page_checksum=True)

    @classmethod
    def load(cls, path: Path) -> Self:
        """What `save` wrote; a `BadFile` where the file is missing, damaged, or no features of ours."""
        pa, parquet = _pyarrow()
        try:
            with path.open("rb") as file:
                table = parquet.read_table(file, page_checksum_verification=True)
        except OSError as error:
            # Arrow raises OSError of its own for damage; only the system's has an errno with a plain text.
            reason = error.strerror if error.errno else "it is damaged"
            raise BadFile(f"cannot read features from {path}: {reason}") from error
        except (pa.ArrowException, ValueError) as error:
            raise BadFile(f"cannot read features from {path}: it is no Parquet file, or damaged") from error
        try:
            return cls._of_table(table)
        except (InvalidSpec, KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadFile(f"{path} holds no features of ours; `stpairs embed --out` writes such a file") from error

    @classmethod
    def _of_table(cls, table: Any) -> Self:
        facts = json.loads(table.schema.metadata[_KEY])
        recipe = Recipe(**{**facts, "shape": VolumeShape(**facts["shape"])})
        feature = table["feature"].combine_chunks()
        vectors = feature.flatten().to_numpy().reshape(len(feature), feature.type.list_size)
        if vectors.dtype != np.float32:
            raise TypeError(f"features of {vectors.dtype}")
        paths, labels = (tuple(_name(text) for text in table[column].to_pylist()) for column in ("path", "label"))
        return cls(paths, labels, vectors, recipe)


# A lone surrogate is how Python keeps a byte of a file name that is no UTF-8. A backslash is written so too where it
# would be read as the start of such a code, so that the way back is exact.
_CODE = "d[89a-f][0-9a-f]{2}|005c"
_UNWRITABLE = re.compile(rf"[\ud800-\udfff]|\\(?=u(?:{_CODE}))")
_WRITTEN = re.compile(rf"\\u({_CODE})")


def _text(name: str) -> str:
    """The name as text that UTF-8 can hold; nearly always itself."""
    return _UNWRITABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", name)


def _name(text: str) -> str:
    """The name that `_text` wrote."""
    return _WRITTEN.sub(lambda found: chr(int(found[1], 16)), text)


def fitting(extents: NDArray[np.int32], shape: VolumeShape, stride: int = 1) -> NDArray[np.intp]:
    """The numbers of the videos that hold a volume of every `stride`-th frame; `extents` is (N, 3), frames first."""
    return np.flatnonzero(boxes.fits(extents, shape.span(stride)))


def origins(extent: Sequence[int], shape: VolumeShape, video: int, volumes: int, seed: int) -> NDArray[np.int64]:
    """(volumes, 3): first voxels (t, y, x), uniform over all that fit, a pure function of (seed, video, k).

    More volumes of the same video begin with the same ones.

    >>> origins((20, 10, 10), VolumeShape(16, 8, 8), 3, 2, seed=0).shape
    (2, 3)
    """
    return rng.below(seed, video, rng.EMBED, np.tile(boxes.starts(extent, shape), volumes)).reshape(volumes, 3)


def embed(
    encoder: Encoder,
    source: VideoSource,
    *,
    videos: Sequence[int] | NDArray[np.intp] | None = None,
    volumes: int = 10,
    seed: int = 0,
    stride: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """(n, width): for each of `videos` (None: all), the mean of the features of random volumes of it.

    The volumes of a video, of every `stride`-th frame, depend on the seed and its number alone, so that any split over
    machines agrees. A video that holds no volume is a `BadVideos`: ask `fitting` first. `on_progress` is told how many
    videos are done, and of how many. While one video is encoded, a thread reads the next.
    """
    numbers = [int(v) for v in (range(len(source)) if videos is None else videos)]
    if volumes < 1:
        raise InvalidSpec(f"a video needs at least one volume to be embedded, not {volumes}")
    if stride < 1:
        raise InvalidSpec(f"stride must be at least 1, not {stride}")
    _refuse_small(source.extents, encoder.shape.span(stride), numbers)
    vectors = np.empty((len(numbers), encoder.width), np.float32)
    cuts = _one_ahead(lambda video: _volumes(source, video, encoder.shape, volumes, seed, stride), numbers)
    for row, cut in enumerate(cuts):
        vectors[row] = encoder(cut).mean(axis=0, dtype=np.float64)
        if not np.isfinite(vectors[row]).all():
            raise StpairsError(f"the encoder gave numbers that are not finite for video {numbers[row]}")
        if on_progress is not None:
            on_progress(row + 1, len(numbers))
    return vectors


def _one_ahead(work: Callable[[int], NDArray[np.uint8]], items: list[int]) -> Iterator[NDArray[np.uint8]]:
    """What `work` makes of each item, in order; a thread makes the next while this one is used."""
    with ThreadPoolExecutor(1, "stpairs-embed") as thread:
        coming = [thread.submit(work, item) for item in items[:1]]
        for done in range(1, len(items) + 1):
            ready = coming.pop().result()
            coming.extend(thread.submit(work, item) for item in items[done : done + 1])
            yield ready


def _refuse_small(extents: NDArray[np.int32], shape: VolumeShape, numbers: list[int]) -> None:
    small = sorted(set(numbers) - set(fitting(extents, shape).tolist()))
    if small:
        sizes = ", ".join(f"video {v} ({'x'.join(map(str, extents[v].tolist()))})" for v in small[:5])
        more = f" and {len(small) - 5} more" if len(small) > 5 else ""
        raise BadVideos(f"too small for one volume of {shape}: {sizes}{more}; leave them out")


def _volumes(
    source: VideoSource, video: int, shape: VolumeShape, volumes: int, seed: int, stride: int
) -> NDArray[np.uint8]:
    """(volumes, T, H, W, 3)."""
    span = shape.span(stride)
    out = np.empty((volumes, shape.frames, shape.height, shape.width, 3), np.uint8)
    for k, (t, y, x) in enumerate(origins(source.extents[video], span, video, volumes, seed).tolist()):
        out[k] = source.read(video, t, span.frames)[::stride, y : y + shape.height, x : x + shape.width]
    return out


def _pyarrow() -> tuple[ModuleType, ModuleType]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise MissingPart("feature files need the package 'pyarrow': pip install \"stpairs[search]\"") from error
    return pyarrow, pyarrow.parquet
