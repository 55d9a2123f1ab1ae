"""`open_videos`: from a path to videos that can be read by number."""

import os
import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, TypeVar, final

import numpy as np
from numpy.typing import NDArray

from stpairs_core.errors import BadVideos, InvalidSpec, NoRoom
from stpairs_core.videos import ffmpeg, store
from stpairs_core.videos.ffmpeg import DamagedVideo
from stpairs_core.videos.listing import LeftOut, Listed, list_videos
from stpairs_core.videos.store import Record

RESERVE: Final = 256 * 2**20
"""Bytes of the disk that decoding leaves free."""

DECODERS: Final = 2
"""Videos decoded at a time."""

Progress = Callable[[int, int, str], None]
"""Hears how many videos are decoded, of how many that had to be, and the path of the last one."""

_T = TypeVar("_T")


@final
@dataclass(frozen=True, slots=True, eq=False)
class Videos:
    """Videos decoded into the frame store, a `VideoSource`. Holds names and numbers only, so it pickles cheaply."""

    paths: tuple[str, ...]
    """As listed, relative to the folder, list or manifest."""
    labels: tuple[str, ...]
    """The class of each video, "" where unknown."""
    groups: tuple[int, ...] | None
    """The group of each video, for `PairMiner`; None when no video has one. A video without one has its own."""
    extents: NDArray[np.int32]
    """(N, 3): frames, height and width of each video."""
    left_out: tuple[LeftOut, ...] = ()
    """Files that are not among the videos."""
    shortened: tuple[LeftOut, ...] = ()
    """Videos of which only the frames before some damage are here, as `tolerate_damage` asked."""
    _files: tuple[str, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, video: int, first: int, count: int) -> NDArray[np.uint8]:
        """(count, H, W, 3) RGB, read-only: frames `first` to `first + count` of one video, a view of the store."""
        if not 0 <= video < len(self):
            raise InvalidSpec(f"there is no video {video}: here are {len(self)}, counted from 0")
        total = int(self.extents[video, 0])
        if first < 0 or count < 0 or first + count > total:
            raise InvalidSpec(f"{self.paths[video]} has {total} frames; asked for {count} from frame {first} on")
        return store.frames(self._files[video])[first : first + count]


def open_videos(
    path: str | os.PathLike[str],
    short_side: int | None = 128,
    *,
    tolerate_damage: bool = False,
    on_progress: Progress | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> Videos:
    """The videos of a folder, file, list or manifest (see `list_videos`), each decoded unless it was before.

    The shorter side of the frames is `short_side` pixels at most. A file that cannot be read to its end is left out
    and named; with `tolerate_damage` the frames before the damage stay, if any, and it is named in `shortened`. Where
    the file may be good, and only its decoder was too slow or killed, it is tried twice before it is left out.
    `cache` is the folder of decoded frames, `default_store()` if None. `BadVideos` when no video is left, `NoRoom`
    when the frames do not fit the disk: before anything is decoded, as far as the headers tell.
    """
    listed, closed = list_videos(path)
    folder = store.default_store() if cache is None else Path(cache).absolute()
    store.prepare(folder)
    recipe = ffmpeg.recipe(short_side)
    found = [_Entry.of(folder, video, recipe) for video in listed]
    missing = {entry.key: entry.video for entry in found if entry.record is None}
    decoded = _decode_all(folder, short_side, missing, on_progress) if missing else {}
    files = [str(folder / f"{entry.key}.npy") for entry in found]
    return _collect(path, files, [(e.video, e.record or decoded[e.key]) for e in found], closed, tolerate_damage)


class _Entry(NamedTuple):
    """A listed video and what the store knows of it; `record` is None for one to decode."""

    video: Listed
    key: str
    record: Record | None

    @staticmethod
    def of(folder: Path, video: Listed, recipe: str) -> "_Entry":
        try:
            key = store.key_of(video.file, recipe)
        except DamagedVideo as error:
            return _Entry(video, "", Record(0, 0, 0, error.reason))
        return _Entry(video, key, store.find(folder, key))


def _decode_all(
    folder: Path, short_side: int | None, missing: dict[str, Listed], on_progress: Progress | None
) -> dict[str, Record]:
    """Decode into the store, a few videos at a time. When it fails or is interrupted, every child is killed first."""
    stop = threading.Event()

    def decode(key: str) -> Record:
        try:
            return _twice(lambda: store.add(folder, key, missing[key].file, short_side, stop), stop)
        except DamagedVideo as error:  # broken data is a record; this is of a kind that may pass
            return Record(0, 0, 0, f"{error.reason}, twice; opening the videos again may help")

    with ThreadPoolExecutor(DECODERS) as pool:
        try:
            sizes = pool.map(lambda video: _bytes_of(video.file, short_side, stop), missing.values())
            _require_room(folder, sum(sizes))
            futures = {pool.submit(decode, key): key for key in missing}
            for done, future in enumerate(as_completed(futures), 1):
                future.result()
                if on_progress is not None:
                    on_progress(done, len(missing), missing[futures[future]].path)
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return {key: future.result() for future, key in futures.items()}


def _twice(work: Callable[[], _T], stop: threading.Event) -> _T:
    """What comes of the work; it is tried once more when it fails for what may pass, such as a machine under load."""
    try:
        return work()
    except DamagedVideo as error:
        if error.lasting or stop.is_set():
            raise
    return work()


def _bytes_of(file: str, short_side: int | None, stop: threading.Event) -> int:
    """About how many bytes a video's frames will take, going by its headers.

    0 when that cannot be found out; should the disk then be too small after all, `store.add` is a `NoRoom`.
    """
    try:
        count, height, width = _twice(lambda: ffmpeg.packets(file, stop), stop)
    except DamagedVideo:
        return 0
    scale = 1.0 if short_side is None else min(1.0, short_side / max(1, min(height, width)))
    return count * round(height * scale) * round(width * scale) * 3


def _require_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed + RESERVE > free:
        raise NoRoom(
            f"decoding takes about {needed:,} bytes, besides {RESERVE:,} to spare, and {folder} has {free:,} free: "
            "make room, take fewer or smaller videos, or point STPAIRS_CACHE to another disk"
        )


def _collect(
    path: str | os.PathLike[str],
    files: list[str],
    outcomes: list[tuple[Listed, Record]],
    closed: list[LeftOut],
    tolerate_damage: bool,
) -> Videos:
    kept = [i for i, (_, record) in enumerate(outcomes) if record.frames and (tolerate_damage or not record.damage)]
    damaged = {i: LeftOut(video.path, record.damage) for i, (video, record) in enumerate(outcomes) if record.damage}
    left_out = (*closed, *(damaged[i] for i in damaged if i not in kept))
    if not kept:
        raise BadVideos(_none_left(path, left_out))
    extents = np.array([outcomes[i][1].shape[:3] for i in kept], np.int32)
    extents.flags.writeable = False
    return Videos(
        paths=tuple(outcomes[i][0].path for i in kept),
        labels=tuple(outcomes[i][0].label for i in kept),
        groups=_numbers([outcomes[i][0].group for i in kept]),
        extents=extents,
        left_out=left_out,
        shortened=tuple(damaged[i] for i in kept if i in damaged),
        _files=tuple(files[i] for i in kept),
    )


def _numbers(groups: list[str | None]) -> tuple[int, ...] | None:
    """A number for each group; a video without one is a group by itself."""
    if not any(groups):
        return None
    names = [group or (index,) for index, group in enumerate(groups)]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return tuple(numbers[name] for name in names)


def _none_left(path: str | os.PathLike[str], left_out: Sequence[LeftOut]) -> str:
    shown = "; ".join(f"{left.path}: {left.reason}" for left in left_out[:5])
    more = f"; and {len(left_out) - 5} more" if len(left_out) > 5 else ""
    return f"no video under {os.fspath(path)} can be used: {shown}{more}"
