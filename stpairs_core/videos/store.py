"""Videos decoded once: one `.npy` file of frames each, mapped into memory when read, and a small record beside it.

A file's name is a digest of what decided its pixels: which state of which video, every flag of the decoder, and which
decoder. So nothing in the store is ever out of date, and two processes that write the same entry write the same bytes.

The store is the folder `frames` in $STPAIRS_CACHE where that is set, else in $XDG_CACHE_HOME/stpairs, else in
~/.cache/stpairs. It only grows. `rm -r` of that folder empties it, whenever no stpairs runs: what is asked for again is
decoded again, to the same bytes.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import resource
import threading
import time
from dataclasses import asdict, dataclass
from functools import lru_cache
from io import BufferedWriter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from stpairs_core.durable import TEMPORARY, cannot_write, whole
from stpairs_core.errors import BadFile
from stpairs_core.videos import ffmpeg
from stpairs_core.videos.ffmpeg import DamagedVideo

FORMAT = 1
"""Of the store's own files; part of each name."""


def _mapped_at_most() -> int:
    """Files to keep mapped, each of which holds a file handle: a quarter of the handles that the process may have."""
    handles, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 4096 if handles == resource.RLIM_INFINITY else min(4096, handles // 4)


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one decoded video."""

    frames: int
    """Good frames; all of them, or those before the damage."""
    height: int
    """Of each frame, in pixels."""
    width: int
    """Of each frame, in pixels."""
    damage: str | None = None
    """What is wrong with the video."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the array of frames."""
        return self.frames, self.height, self.width, 3


def default_store() -> Path:
    """The folder of decoded frames: in $STPAIRS_CACHE, else in the user's cache folder."""
    if own := os.environ.get("STPAIRS_CACHE"):
        return Path(own) / "frames"
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(cache) / "stpairs" / "frames"


def prepare(folder: Path) -> None:
    """Make the store's folder, and remove the unfinished files of writers that are gone."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = list(folder.glob(f".*{TEMPORARY}"))
    except OSError as error:
        raise cannot_write(folder, error) from error
    for path in unfinished:
        # A writer holds a lock while it writes, and loses it however it ends; the minute covers the moments around.
        with contextlib.suppress(OSError), path.open("rb") as file:
            if time.time() - os.fstat(file.fileno()).st_mtime > 60:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def key_of(file: str, recipe: str) -> str:
    """The name of a video's entry when decoded by an `ffmpeg.recipe`; a `DamagedVideo` without a readable file."""
    state = ffmpeg.identify(file)  # first, since it names what realpath chokes on
    parts = (FORMAT, os.path.realpath(file), *state, recipe)
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogateescape")).hexdigest()[:40]


def find(folder: Path, key: str) -> Record | None:
    """What the store has under a key; None when it has nothing, or nothing whole."""
    try:
        record = Record(**json.loads((folder / f"{key}.json").read_bytes()))
        if record.frames:
            _check(folder / f"{key}.npy", record)
    except (OSError, ValueError, TypeError):
        return None
    return record if record.frames or record.damage else None


def add(folder: Path, key: str, file: str, short_side: int | None, stop: threading.Event) -> Record:
    """Decode a video into the store. Broken data is recorded with the frames before it.

    A `DamagedVideo` for what may be different next time (a deadline, a killed decoder, a file that changes). A `NoRoom`
    when the disk is full. Either way nothing is left behind.
    """
    record = Record(0, 0, 0)
    try:
        with whole(folder / f"{key}.npy") as temporary:
            record = _write(temporary, file, short_side, stop)
            if not record.frames:
                raise DamagedVideo(file, record.damage or "no frames in it")
    except DamagedVideo as error:
        if not error.lasting:
            raise
        record = Record(0, 0, 0, error.reason)
    with whole(folder / f"{key}.json") as temporary:
        temporary.write_text(json.dumps(asdict(record)), encoding="utf-8")
    frames.cache_clear()  # a broken file of this name may still be mapped
    return record


@lru_cache(maxsize=_mapped_at_most())
def frames(path: str) -> NDArray[np.uint8]:
    """All frames in a file of the store, (T, H, W, 3), mapped and read-only; the files used last stay mapped."""
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError) as error:
        raise BadFile(f"the decoded frames in {path} are gone or broken ({error}); open the videos again") from error


def _write(path: Path, file: str, short_side: int | None, stop: threading.Event) -> Record:
    """Write frames as they come, then the header with their number."""
    count, shape, damage = 0, (0, 0, 3), None
    with path.open("xb") as out, contextlib.closing(ffmpeg.decode(file, short_side, stop)) as decoded:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(out, fcntl.LOCK_EX)
        try:
            for frame in decoded:
                if not count:
                    shape = frame.shape
                    _header(out, 0, shape)
                out.write(frame.data)
                count += 1
        except DamagedVideo as error:
            if not error.lasting:
                raise
            damage = error.reason
        if count:
            _header(out, count, shape)
    return Record(count, shape[0], shape[1], damage)


def _header(out: BufferedWriter, count: int, shape: tuple[int, ...]) -> None:
    """The header at the start of the file. NumPy leaves room for a larger count: its length does not change."""
    out.seek(0)
    kind: dict[str, Any] = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    npy.write_array_header_1_0(out, kind)


def _check(path: Path, record: Record) -> None:
    """A ValueError unless the file's header and size are those of the record."""
    with path.open("rb") as file:
        if npy.read_magic(file) != (1, 0) or npy.read_array_header_1_0(file) != (record.shape, False, np.dtype("u1")):
            raise ValueError("another array")
        size = file.tell() + record.frames * record.height * record.width * 3
        if os.fstat(file.fileno()).st_size != size:
            raise ValueError("cut off, or longer than it should be")
