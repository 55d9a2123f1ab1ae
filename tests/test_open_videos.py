"""From a path to a source of videos: folders, files, lists, manifests, and all that can be wrong with them."""

import csv
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stpairs_core.errors import BadFile, BadVideos, NoRoom
from stpairs_core.videos import LeftOut, ffmpeg, open_videos, opening
from stpairs_core.videos.ffmpeg import encode

Frames = NDArray[np.uint8]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("STPAIRS_CACHE", str(folder))
    return folder / "frames"


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An mp4 of 40 frames of 64x96, frame k carrying k as eight bars."""
    bits = (np.arange(40)[:, None] >> np.arange(8)) & 1
    bars = np.repeat(bits.astype(np.uint8) * 255, 12, axis=1)
    path = tmp_path_factory.mktemp("movie") / "numbered.mp4"
    encode(path, np.broadcast_to(bars[:, None, :, None], (40, 64, 96, 3)), 25.0)
    return path.read_bytes()


def numbers(frames: Frames) -> list[int]:
    bars = frames[:, frames.shape[1] // 2, :, 1].reshape(len(frames), 8, -1).mean(axis=2) > 127
    return [int(value) for value in (bars << np.arange(8)).sum(axis=1)]


def put(root: Path, movie: bytes, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(movie)
    return root


def no_ffmpeg() -> bytes:
    raise AssertionError("ffmpeg was asked for")


def children() -> list[str]:
    path = Path(f"/proc/{os.getpid()}/task")
    numbers = " ".join((task / "children").read_text() for task in path.iterdir()).split()
    names = [Path(f"/proc/{number}/comm").read_text().strip() for number in numbers]
    return [name for name in names if "python" not in name]


def test_a_folder_is_walked_in_the_order_of_its_names(tmp_path: Path, movie: bytes) -> None:
    put(tmp_path, movie, "b/z.mp4", "b/deep/y.mp4", "a.MP4", "a/x.mp4", "B/w.mp4", ".hidden/v.mp4", ".v.mp4")
    put(tmp_path, b"words", "notes.txt", "table.csv", "README.md", "archive.zip")
    (tmp_path / "folder.mp4").mkdir()
    videos = open_videos(tmp_path)
    assert videos.paths == ("B/w.mp4", "a.MP4", "a/x.mp4", "b/deep/y.mp4", "b/z.mp4")
    assert videos.labels == ("B", "", "a", "deep", "b")
    assert videos.groups is None
    assert videos.left_out == videos.shortened == ()
    assert videos.extents.tolist() == [[40, 64, 96]] * 5
    assert videos.extents.dtype == np.int32
    assert not videos.extents.flags.writeable


def test_links_are_followed_and_loops_end(tmp_path: Path, movie: bytes) -> None:
    put(tmp_path / "elsewhere", movie, "c.mp4")
    root = put(tmp_path / "root", movie, "a/b.mp4")
    (root / "a" / "loop").symlink_to(root)
    (root / "one").symlink_to(tmp_path / "elsewhere")
    (root / "two").symlink_to(tmp_path / "elsewhere")
    (root / "gone.mp4").symlink_to(root / "nowhere")
    videos = open_videos(root)
    assert videos.paths == ("a/b.mp4", "one/c.mp4")
    assert videos.left_out == (LeftOut("gone.mp4", "no such file or directory"),)


def test_a_folder_that_cannot_be_looked_into_is_named(
    tmp_path: Path, movie: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, movie, "a.mp4", "secret/b.mp4")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    videos = open_videos(tmp_path)
    assert videos.paths == ("a.mp4",)
    assert videos.left_out == (LeftOut("secret", "permission denied"),)
    (tmp_path / "a.mp4").unlink()
    with pytest.raises(BadVideos, match="secret could not be looked into"):
        open_videos(tmp_path)


def test_one_file(tmp_path: Path, movie: bytes) -> None:
    put(tmp_path, movie, "v_Diving_g07_c02.avi")
    videos = open_videos(tmp_path / "v_Diving_g07_c02.avi", short_side=32)
    assert (videos.paths, videos.labels, videos.groups) == (("v_Diving_g07_c02.avi",), ("",), (0,))
    assert videos.extents.tolist() == [[40, 32, 48]]


def test_a_list_file_names_videos_in_its_own_order(tmp_path: Path, movie: bytes) -> None:
    put(tmp_path / "videos", movie, "b.mp4", "one/a.dat")
    lines = [
        "# two of them",
        "",
        "videos/b.mp4",
        "  videos/one/a.dat  ",
        str(tmp_path / "videos" / "b.mp4"),
        "none.mp4",
    ]
    (tmp_path / "list.txt").write_bytes("\r\n".join(lines).encode())
    videos = open_videos(tmp_path / "list.txt")
    assert videos.paths == ("videos/b.mp4", "videos/one/a.dat", str(tmp_path / "videos" / "b.mp4"))
    assert videos.labels == ("videos", "one", "videos")
    assert videos.left_out == (LeftOut("none.mp4", "no such file or directory"),)


ROWS = [
    {"path": "x/a.mp4", "label": "run", "group": "g1", "note": "ok"},
    {"path": "x/b.mp4", "label": "", "group": "", "note": ""},
    {"path": "x/c.mp4", "label": "jump", "group": "g1", "note": ""},
]


def write_manifest(path: Path, rows: list[dict[str, str]]) -> None:
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    else:
        pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pa.Table.from_pylist(rows), path)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_manifest_brings_labels_and_groups(tmp_path: Path, movie: bytes, kind: str) -> None:
    put(tmp_path, movie, "x/a.mp4", "x/b.mp4", "x/c.mp4")
    write_manifest(tmp_path / f"m.{kind}", ROWS)
    videos = open_videos(tmp_path / f"m.{kind}")
    assert videos.paths == ("x/a.mp4", "x/b.mp4", "x/c.mp4")
    assert videos.labels == ("run", "", "jump")
    assert videos.groups == (0, 1, 0)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_manifest_of_paths_alone_is_like_a_folder(tmp_path: Path, movie: bytes, kind: str) -> None:
    put(tmp_path, movie, "x/v_Run_g01_c01.mp4", "x/v_Run_g01_c02.mp4", "y/v_Sit_g01_c01.mp4")
    names = ["y/v_Sit_g01_c01.mp4", "x/v_Run_g01_c02.mp4", "x/v_Run_g01_c01.mp4"]
    write_manifest(tmp_path / f"m.{kind}", [{"path": name} for name in names])
    videos = open_videos(tmp_path / f"m.{kind}")
    assert (videos.paths, videos.labels, videos.groups) == (tuple(names), ("y", "x", "x"), (0, 1, 1))


def test_ucf101_groups_are_those_of_a_class(tmp_path: Path, movie: bytes) -> None:
    put(tmp_path, movie, "v_A_g01_c01.avi", "v_A_g01_c02.avi", "v_A_g02_c01.avi", "v_B_g01_c01.avi", "z.avi", "zz.avi")
    assert open_videos(tmp_path).groups == (0, 0, 1, 2, 3, 4)


def test_a_second_opening_needs_no_ffmpeg(tmp_path: Path, movie: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, movie, "a.mp4", "b.mp4")
    put(tmp_path, movie[: len(movie) // 2], "half.mp4")
    first = open_videos(tmp_path)
    assert [left.path for left in first.left_out] == ["half.mp4"]
    monkeypatch.setattr(ffmpeg, "binary", no_ffmpeg)
    seen: list[str] = []
    again = open_videos(tmp_path, on_progress=lambda done, total, path: seen.append(path))
    assert (again.paths, again.left_out, seen) == (first.paths, first.left_out, [])
    np.testing.assert_array_equal(again.read(1, 0, 40), first.read(1, 0, 40))
    (tmp_path / "b.mp4").write_bytes(movie + b"\0")
    with pytest.raises(AssertionError, match="asked for"):
        open_videos(tmp_path)


def test_progress_counts_what_is_decoded(tmp_path: Path, movie: bytes) -> None:
    open_videos(put(tmp_path, movie, "a.mp4"))
    put(tmp_path, movie, "b.mp4", "c.mp4")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "c.mp4")
    seen: list[tuple[int, int, str]] = []
    videos = open_videos(tmp_path, on_progress=lambda done, total, path: seen.append((done, total, path)))
    assert len(videos) == 4
    assert [(done, total) for done, total, _ in seen] == [(1, 2), (2, 2)]


def test_damaged_files_are_left_out_and_named(tmp_path: Path, movie: bytes) -> None:
    put(tmp_path, movie, "good.mp4")
    put(tmp_path, movie[:1000], "half.mp4")
    put(tmp_path, b"", "empty.mkv")
    put(tmp_path, b"just words", "words.avi")
    os.mkfifo(tmp_path / "pipe.mp4")
    videos = open_videos(tmp_path)
    assert videos.paths == ("good.mp4",)
    reasons = {left.path: left.reason for left in videos.left_out}
    assert sorted(reasons) == ["empty.mkv", "half.mp4", "pipe.mp4", "words.avi"]
    assert (reasons["empty.mkv"], reasons["pipe.mp4"]) == ("empty file", "not a regular file")
    assert open_videos(tmp_path, tolerate_damage=True).left_out == videos.left_out


def test_a_line_that_names_no_file_is_left_out(tmp_path: Path, movie: bytes) -> None:
    put(tmp_path, movie, "good.mp4")
    (tmp_path / "list.txt").write_bytes(b"go\0od.mp4\ngood.mp4\n")
    videos = open_videos(tmp_path / "list.txt")
    assert videos.paths == ("good.mp4",)
    assert videos.left_out == (LeftOut("go\0od.mp4", "embedded null byte"),)


def slow(folder: Path, kind: str, times: int) -> bytes:
    """An ffmpeg that hangs so many times when it decodes (image2pipe) or counts packets (framecrc), and then works."""
    path = folder / "slow.sh"
    hang = (
        f'case "$*" in *{kind}*) echo >> {folder}/calls; [ $(wc -l < {folder}/calls) -le {times} ] && sleep 60;; esac'
    )
    path.write_text(f'#!/bin/sh\n{hang}\nexec {os.fsdecode(ffmpeg.binary())} "$@"\n')
    path.chmod(0o755)
    return os.fsencode(path)


def test_a_decoder_that_is_too_slow_once_is_tried_again(
    tmp_path: Path, movie: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = slow(tmp_path, "image2pipe", 1)
    monkeypatch.setattr(ffmpeg, "binary", lambda: loaded)
    monkeypatch.setattr(ffmpeg, "PATIENCE", 1.0)
    videos = open_videos(put(tmp_path, movie, "a.mp4"))
    assert (videos.paths, videos.left_out) == (("a.mp4",), ())
    assert numbers(videos.read(0, 0, 40)) == list(range(40))
    assert len((tmp_path / "calls").read_text()) == 2


def test_a_decoder_that_is_too_slow_twice_leaves_the_video_out_until_the_next_opening(
    tmp_path: Path, movie: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = slow(tmp_path, "image2pipe", 2)
    monkeypatch.setattr(ffmpeg, "binary", lambda: loaded)
    monkeypatch.setattr(ffmpeg, "PATIENCE", 1.0)
    put(tmp_path, movie, "a.mp4")
    with pytest.raises(BadVideos, match=r"nothing came from ffmpeg for 1 s, twice; opening the videos again may help"):
        open_videos(tmp_path)
    assert open_videos(tmp_path).left_out == ()


def test_the_room_needed_is_asked_for_twice(tmp_path: Path, movie: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = slow(tmp_path, "framecrc", 1)
    monkeypatch.setattr(ffmpeg, "binary", lambda: loaded)
    monkeypatch.setattr(ffmpeg, "PATIENCE", 1.0)
    file = str(put(tmp_path, movie, "a.mp4") / "a.mp4")
    assert opening._bytes_of(file, 32, threading.Event()) == 40 * 32 * 48 * 3


def test_damage_can_be_tolerated(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strict = open_videos(real_data / "weird", short_side=32)
    monkeypatch.setattr(ffmpeg, "binary", no_ffmpeg)
    lenient = open_videos(real_data / "weird", short_side=32, tolerate_damage=True)
    torn = {"decord_corrupted.mp4": 28, "truncated_v_SoccerJuggling_g23_c01.avi": 96}
    nothing = {"empty.mp4", "not_a_video_README.avi", "truncated_clean_and_jerk.mp4"}
    assert {left.path for left in strict.left_out} == nothing | set(torn)
    assert {left.path for left in lenient.left_out} == nothing
    assert {left.path for left in lenient.shortened} == set(torn)
    assert {path: int(lenient.extents[lenient.paths.index(path), 0]) for path in torn} == torn
    assert len(strict) + len(strict.left_out) == len(lenient) + len(lenient.left_out) == 29


def test_real_clips_by_their_manifest(real_data: Path, tmp_path: Path) -> None:
    with (real_data / "clips.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["dataset"] in ("ucf101", "hmdb51")]
    write_manifest(tmp_path / "m.csv", [{**row, "path": str(real_data / row["path"])} for row in rows])
    videos = open_videos(tmp_path / "m.csv", short_side=32)
    assert videos.labels == tuple(row["label"] for row in rows)
    assert videos.extents[:, 0].tolist() == [int(row["frames"]) for row in rows]
    assert open_videos(real_data / "ucf101", short_side=32).groups == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("names", "match"),
    [
        ((), "is an empty folder"),
        (("notes.md", "clips.csv", "list.m3u8"), "holds no file with the name of a video"),
        (("a.mp4", "b.mp4"), r"no video under .* can be used: a\.mp4: empty file; b\.mp4: empty file$"),
        (tuple(f"{i}.mp4" for i in range(7)), "4.mp4: empty file; and 2 more"),
    ],
)
def test_a_folder_without_videos(tmp_path: Path, names: tuple[str, ...], match: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(BadVideos, match=match):
        open_videos(put(root, b"", *names))


def test_paths_that_name_no_videos(tmp_path: Path) -> None:
    with pytest.raises(BadVideos, match="there is no"):
        open_videos(tmp_path / "none")
    (tmp_path / "list.txt").write_text("# nothing\n\n")
    with pytest.raises(BadVideos, match="no rows"):
        open_videos(tmp_path / "list.txt")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nv.mp4\n")
    with pytest.raises(BadVideos, match=r"list\.m3u8"):
        open_videos(tmp_path / "list.m3u8")


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("m.csv", b"file,label\na.mp4,x\n", "no column 'path', only: file, label"),
        ("m.csv", b"", "no column 'path', only: none"),
        ("m.csv", b"path,label\na.mp4,x\n,y\n", "row 2 .* has no path"),
        ("m.parquet", b"PAR1 not really", "cannot read the manifest"),
    ],
)
def test_broken_manifests(tmp_path: Path, name: str, content: bytes, match: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadFile, match=match):
        open_videos(tmp_path / name)


def test_room_is_asked_for_before_anything_is_decoded(
    tmp_path: Path, movie: bytes, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, movie, "a.mp4", "b.mp4")
    needed = 2 * 40 * 32 * 48 * 3
    Usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, needed + opening.RESERVE - 1))
    with pytest.raises(NoRoom, match=f"about {needed:,} bytes.*{cache}"):
        open_videos(tmp_path, short_side=32)
    assert list(cache.iterdir()) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, needed + opening.RESERVE))
    assert len(open_videos(tmp_path, short_side=32)) == 2


def test_an_exception_on_the_way_leaves_nothing_half_done(tmp_path: Path, movie: bytes, cache: Path) -> None:
    put(tmp_path, movie, *(f"{number}.mp4" for number in range(8)))

    def stop(done: int, total: int, path: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_videos(tmp_path, on_progress=stop)
    assert list(cache.glob(".*")) == []
    assert children() == []
    assert len(open_videos(tmp_path)) == 8


def test_an_interrupt_kills_decoders_that_hang(
    tmp_path: Path, movie: bytes, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, movie, "a.mp4", "b.mp4", "c.mp4")
    hanging = tmp_path / "ffmpeg.sh"
    hanging.write_text('#!/bin/sh\ncase "$*" in *framecrc*) exit 0;; esac\nsleep 60\n')
    hanging.chmod(0o755)
    monkeypatch.setattr(ffmpeg, "binary", lambda: os.fsencode(hanging))
    started = time.monotonic()
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        open_videos(tmp_path)
    assert time.monotonic() - started < 5
    assert children() == []
    assert list(cache.iterdir()) == []


def test_a_broken_store_is_decoded_again(tmp_path: Path, movie: bytes, cache: Path) -> None:
    before = open_videos(put(tmp_path, movie, "a.mp4")).read(0, 0, 40).copy()
    (stored,) = cache.glob("*.npy")
    stored.write_bytes(stored.read_bytes()[:5000])
    np.testing.assert_array_equal(open_videos(tmp_path).read(0, 0, 40), before)


def test_two_processes_may_open_the_same_folder_at_once(tmp_path: Path, movie: bytes, cache: Path) -> None:
    put(tmp_path, movie, *(f"{number}.mp4" for number in range(6)))
    code = (
        "import sys, hashlib; from stpairs_core.videos import open_videos; v = open_videos(sys.argv[1]);"
        "print(len(v), hashlib.sha256(b''.join(v.read(i, 0, 40).tobytes() for i in range(len(v)))).hexdigest())"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    videos = open_videos(tmp_path)
    digest = hashlib.sha256(b"".join(videos.read(i, 0, 40).tobytes() for i in range(6))).hexdigest()
    assert said == [["6", digest]] * 2
    assert len(list(cache.iterdir())) == 12
