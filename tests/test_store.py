"""Videos decoded once: the store is reused, never believed blindly, and never left half written."""

import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stpairs_core.errors import BadFile, NoRoom, StpairsError
from stpairs_core.videos import ffmpeg, store
from stpairs_core.videos.ffmpeg import DamagedVideo, decode, encode
from stpairs_core.videos.store import Record


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    encode(tmp_path / "v.mp4", rng.integers(0, 256, (12, 48, 64, 3), np.uint8), 25.0)
    return tmp_path / "v.mp4"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store.prepare(tmp_path / "cache" / "frames")
    return tmp_path / "cache" / "frames"


def key_of(file: str | Path, short_side: int | None) -> str:
    return store.key_of(str(file), ffmpeg.recipe(short_side))


def add(folder: Path, movie: Path, short_side: int | None = None) -> tuple[str, Record]:
    key = key_of(movie, short_side)
    return key, store.add(folder, key, str(movie), short_side, threading.Event())


def test_the_frames_are_those_of_a_full_decode(folder: Path, movie: Path) -> None:
    key, record = add(folder, movie)
    assert record == Record(12, 48, 64)
    frames = store.frames(str(folder / f"{key}.npy"))
    np.testing.assert_array_equal(frames, np.stack(list(decode(movie))))
    assert not frames.flags.writeable
    assert store.find(folder, key) == record
    assert sorted(path.name for path in folder.iterdir()) == [f"{key}.json", f"{key}.npy"]


def test_the_key_follows_all_that_decides_the_pixels(movie: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = key_of(movie, 32)
    assert key_of(os.path.join(movie.parent, ".", movie.name), 32) == first
    keys = {first, key_of(movie, 31), key_of(movie, None)}
    os.utime(movie, ns=(0, 123))
    keys.add(key_of(movie, 32))
    monkeypatch.setattr(ffmpeg, "_SCALER", "flags=bilinear")
    keys.add(key_of(movie, 32))
    monkeypatch.setattr(store, "FORMAT", 2)
    keys.add(key_of(movie, 32))
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(movie))
    keys.add(key_of(movie, 32))
    with movie.open("ab") as file:
        file.write(b"x")
    keys.add(key_of(movie, 32))
    assert len(keys) == 8


@pytest.mark.parametrize(
    "spoil", ["cut", "grown", "header", "gone", "record", "no record", "other record", "empty record"]
)
def test_a_broken_entry_is_no_entry(folder: Path, movie: Path, spoil: str) -> None:
    key, record = add(folder, movie)
    array, note = folder / f"{key}.npy", folder / f"{key}.json"
    whole = array.read_bytes()
    spoilt: dict[str, tuple[Path, bytes | None]] = {
        "cut": (array, whole[:-1]),
        "grown": (array, whole + b"x"),
        "header": (array, b"garbage!" + whole[8:]),
        "gone": (array, None),
        "record": (note, b"{"),
        "no record": (note, None),
        "other record": (note, json.dumps({"frames": 12, "height": 64, "width": 48, "damage": None}).encode()),
        "empty record": (note, json.dumps({"frames": 0, "height": 0, "width": 0, "damage": None}).encode()),
    }
    path, content = spoilt[spoil]
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert store.find(folder, key) is None
    add(folder, movie)
    assert store.find(folder, key) == record
    np.testing.assert_array_equal(store.frames(str(array)), np.stack(list(decode(movie))))


def test_a_mapped_file_that_broke_is_mapped_anew(folder: Path, movie: Path) -> None:
    key, _ = add(folder, movie)
    array = folder / f"{key}.npy"
    store.frames(str(array))
    array.write_bytes(array.read_bytes()[:200])
    add(folder, movie)
    assert store.frames(str(array))[-1].any()


def test_frames_that_are_gone_say_so(folder: Path) -> None:
    with pytest.raises(BadFile, match="open the videos again"):
        store.frames(str(folder / "none.npy"))


MANY = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
import numpy as np
from stpairs_core.videos import store
for number in range(100):
    np.save(f"{sys.argv[1]}/{number}.npy", np.full((3, 2, 2, 3), number, np.uint8))
for number in [*range(100), *range(100)]:
    assert (store.frames(f"{sys.argv[1]}/{number}.npy")[1:] == number).all()
"""


def test_more_videos_than_file_handles(tmp_path: Path) -> None:
    """In a process of its own, since the limit would bind the other tests."""
    done = subprocess.run([sys.executable, "-c", MANY, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_many_threads_share_the_mapped_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "frames", lru_cache(maxsize=4)(store.frames.__wrapped__))
    for number in range(20):
        np.save(tmp_path / f"{number}.npy", np.full((3, 2, 2, 3), number, np.uint8))

    def right(k: int) -> bool:
        return bool((store.frames(str(tmp_path / f"{k % 20}.npy")) == k % 20).all())

    before = len(os.listdir("/proc/self/fd"))
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(right, range(2000)))
    assert len(os.listdir("/proc/self/fd")) <= before + 4


def test_damage_is_remembered_with_the_frames_before_it(folder: Path, real_data: Path) -> None:
    clip = real_data / "weird" / "truncated_v_SoccerJuggling_g23_c01.avi"
    key, record = add(folder, clip, 32)
    assert (record.frames, record.height) == (96, 32)
    assert record.damage is not None
    assert store.find(folder, key) == record
    assert store.frames(str(folder / f"{key}.npy")).shape == record.shape


def test_a_file_without_any_frame_is_remembered_too(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video " * 50)
    key, record = add(folder, tmp_path / "text.mp4")
    assert (record.frames, record.damage) == (0, "[in#0] moov atom not found")
    assert store.find(folder, key) == record
    assert [path.name for path in folder.iterdir()] == [f"{key}.json"]


def test_what_may_pass_is_not_remembered(folder: Path, movie: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = movie.parent / "ffmpeg.sh"
    hanging.write_text("#!/bin/sh\nsleep 60\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(ffmpeg, "binary", lambda: os.fsencode(hanging))
    monkeypatch.setattr(ffmpeg, "PATIENCE", 0.2)
    with pytest.raises(DamagedVideo, match="nothing came"):
        add(folder, movie)
    assert list(folder.iterdir()) == []
    monkeypatch.undo()
    assert add(folder, movie)[1].damage is None


def test_a_full_disk_leaves_nothing(folder: Path, movie: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store, "_header", full)
    with pytest.raises(NoRoom, match=str(folder)):
        add(folder, movie)
    assert list(folder.iterdir()) == []


def test_unfinished_files_of_the_dead_go_and_those_of_the_living_stay(folder: Path) -> None:
    dead, living, fresh = (folder / f".{name}.npy.1-2.tmp" for name in ("dead", "living", "fresh"))
    for path in (dead, living, fresh):
        path.write_bytes(b"half")
    for path in (dead, living):
        os.utime(path, (0, 0))
    with living.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        store.prepare(folder)
        assert sorted(folder.iterdir()) == [fresh, living]
    store.prepare(folder)
    assert list(folder.iterdir()) == [fresh]


def test_the_writer_holds_a_lock(folder: Path, movie: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header, locked = store._header, []

    def look(*arguments: Any) -> None:
        header(*arguments)
        (temporary,) = folder.iterdir()
        with temporary.open("rb") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        locked.append(temporary)

    monkeypatch.setattr(store, "_header", look)
    add(folder, movie)
    assert len(locked) == 2


def test_a_name_that_no_file_can_have_is_no_entry() -> None:
    with pytest.raises(DamagedVideo, match="null") as caught:
        key_of("a\0b.mp4", None)
    assert not caught.value.lasting


def test_where_the_store_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STPAIRS_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    monkeypatch.setenv("HOME", "/c")
    assert store.default_store() == Path("/a/frames")
    monkeypatch.delenv("STPAIRS_CACHE")
    assert store.default_store() == Path("/b/stpairs/frames")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert store.default_store() == Path("/c/.cache/stpairs/frames")


def test_a_store_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StpairsError, match="cannot write"):
        store.prepare(tmp_path / "file" / "frames")
