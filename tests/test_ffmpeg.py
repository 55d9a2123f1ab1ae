"""Frames out of files and into them: right frames, every fault named, nothing left running."""

import csv
import os
import pickle
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray

from stpairs_core.errors import InvalidSpec, MissingPart, NoRoom, StpairsError
from stpairs_core.videos import ffmpeg
from stpairs_core.videos.child import Child
from stpairs_core.videos.ffmpeg import DamagedVideo, animation, binary, decode, encode, packets

Frames = NDArray[np.uint8]


def children() -> list[int]:
    """Numbers of this process's children, the dead ones that nobody reaped included; other Pythons do not count."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = stat.read_text().rsplit(")", 1)
        except OSError:
            continue
        if int(rest.split()[1]) == os.getpid() and "python" not in name:
            found.append(int(stat.parent.name))
    return found


@pytest.fixture(autouse=True)
def _no_child_left() -> Iterator[None]:
    yield
    assert children() == []


def numbered(count: int, height: int = 64, width: int = 128) -> Frames:
    """Frames that carry their number as eight black or white bars."""
    bits = (np.arange(count)[:, None] >> np.arange(8)) & 1
    bars = np.repeat(bits.astype(np.uint8) * 255, width // 8, axis=1)
    return np.ascontiguousarray(np.broadcast_to(bars[:, None, :, None], (count, height, width, 3)))


def number(frame: Frames) -> int:
    bars = frame[frame.shape[0] // 2, :, 1].reshape(8, -1).mean(axis=1) > 127
    return int((bars << np.arange(8)).sum())


def noise(count: int, height: int = 96, width: int = 128) -> Frames:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("movie") / "numbered.mp4"
    encode(path, numbered(60), 25.0)
    return path


def frames_and_fault(path: Path, short_side: int | None = None) -> tuple[int, str | None]:
    count = 0
    try:
        for _ in decode(path, short_side):
            count += 1
    except DamagedVideo as error:
        return count, error.reason
    return count, None


def program(folder: Path, script: str) -> bytes:
    path = folder / "ffmpeg.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return os.fsencode(path)


def run_ffmpeg(*arguments: str | Path) -> None:
    subprocess.run([binary(), "-v", "error", "-y", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL)


def test_what_was_encoded_comes_back_frame_by_frame(movie: Path) -> None:
    frames = list(decode(movie))
    assert [number(frame) for frame in frames] == list(range(60))
    assert all(frame.shape == (64, 128, 3) and frame.dtype == np.uint8 for frame in frames)


def test_colours_survive(tmp_path: Path) -> None:
    colours = np.array([[200, 30, 30], [30, 200, 30], [30, 30, 200], [128, 128, 128]], np.uint8)
    video = np.broadcast_to(colours[:, None, None], (4, 32, 48, 3))
    encode(tmp_path / "v.mp4", video, 10.0)
    for frame, colour in zip(decode(tmp_path / "v.mp4"), colours, strict=True):
        assert np.abs(frame.astype(int) - colour).max() <= 4


@pytest.mark.parametrize(
    ("height", "width", "side", "expected"),
    [
        (64, 96, 32, (32, 48)),
        (96, 64, 32, (48, 32)),
        (64, 96, 64, (64, 96)),
        (64, 96, 500, (64, 96)),
        (48, 64, 31, (31, 41)),
    ],
)
def test_the_shorter_side_shrinks_and_never_grows(
    tmp_path: Path, height: int, width: int, side: int, expected: tuple[int, int]
) -> None:
    encode(tmp_path / "v.mp4", noise(2, height, width), 25.0)
    assert {frame.shape for frame in decode(tmp_path / "v.mp4", side)} == {(*expected, 3)}


def test_a_nonsense_size_is_refused(movie: Path) -> None:
    with pytest.raises(InvalidSpec, match="short_side"):
        next(decode(movie, 0))


def test_the_same_frames_give_the_same_bytes(tmp_path: Path, movie: Path) -> None:
    encode(tmp_path / "again.mp4", iter(numbered(60)), 25.0)
    assert (tmp_path / "again.mp4").read_bytes() == movie.read_bytes()
    assert list(tmp_path.iterdir()) == [tmp_path / "again.mp4"]


def test_a_video_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    def breaks() -> Iterator[Frames]:
        yield from numbered(3)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        encode(tmp_path / "v.mp4", breaks(), 25.0)
    bad: list[tuple[list[Frames], str]] = [
        ([], "at least one"),
        ([*noise(2, 31, 32)], "even"),
        ([*noise(1), *noise(1, 64, 64)], "one size"),
        ([noise(2)], "uint8"),
    ]
    for frames, word in bad:
        with pytest.raises(InvalidSpec, match=word):
            encode(tmp_path / "v.mp4", frames, 25.0)
    (tmp_path / "file").touch()
    with pytest.raises(StpairsError, match=r"cannot write .*v\.mp4"):
        encode(tmp_path / "file" / "v.mp4", noise(2), 25.0)
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_failing_encoder_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "binary", lambda: program(tmp_path, "echo No space left on device >&2; exit 1"))
    with pytest.raises(NoRoom, match="No space left"):
        encode(tmp_path / "v.mp4", noise(20), 25.0)
    monkeypatch.setattr(ffmpeg, "binary", lambda: program(tmp_path, "exit 3"))
    with pytest.raises(StpairsError, match="exit code 3"):
        encode(tmp_path / "v.mp4", noise(20), 25.0)


def test_an_animation_has_every_frame() -> None:
    data = animation(numbered(12), 8.0)
    assert data[:4] == b"RIFF"
    assert data[8:12] == b"WEBP"
    assert b"ANIM" in data
    assert data.count(b"ANMF") == 12


def test_a_half_copied_file_is_damaged(tmp_path: Path, movie: Path) -> None:
    whole = movie.read_bytes()
    for share in (0.1, 0.5, 0.9):
        (tmp_path / "v.mp4").write_bytes(whole[: int(len(whole) * share)])
        assert frames_and_fault(tmp_path / "v.mp4")[1] is not None


def test_flipped_bits_never_hang_and_are_mostly_seen(tmp_path: Path) -> None:
    encode(tmp_path / "v.mp4", noise(8), 25.0)
    whole = np.frombuffer((tmp_path / "v.mp4").read_bytes(), np.uint8)
    seen = 0
    for seed in range(8):
        broken = whole.copy()
        broken[np.random.default_rng(seed).integers(100, len(whole), 40)] ^= 0x55
        (tmp_path / "v.mp4").write_bytes(broken.tobytes())
        count, fault = frames_and_fault(tmp_path / "v.mp4")
        assert fault is not None or count == 8
        seen += fault is not None
    assert seen >= 6


def test_no_video_at_all(tmp_path: Path) -> None:
    text, empty, folder, pipe = (tmp_path / f"{name}.mp4" for name in ("text", "empty", "folder", "pipe"))
    text.write_text("this is no video\n" * 100)
    empty.touch()
    folder.mkdir()
    os.mkfifo(pipe)
    started = time.monotonic()
    assert frames_and_fault(text) == (0, "[in#0] moov atom not found")
    assert frames_and_fault(empty) == (0, "empty file")
    assert frames_and_fault(folder) == (0, "not a regular file")
    assert frames_and_fault(pipe) == (0, "not a regular file")
    assert frames_and_fault(tmp_path / "none.mp4") == (0, "no such file or directory")
    assert time.monotonic() - started < 5


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path, movie: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(movie.read_bytes())
    (tmp_path / "v.mp4").chmod(0)
    assert frames_and_fault(tmp_path / "v.mp4") == (0, "no permission to read it")


@pytest.mark.parametrize("name", ["list.m3u8", "list.mp4", "list.ts", "list.ffconcat"])
def test_a_playlist_reads_no_other_file(tmp_path: Path, movie: Path, name: str) -> None:
    run_ffmpeg("-i", movie, "-c", "copy", tmp_path / "part.ts")
    hls = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\npart.ts\n#EXT-X-ENDLIST\n"
    for text in (hls, "ffconcat version 1.0\nfile part.ts\n"):
        (tmp_path / name).write_text(text)
        count, fault = frames_and_fault(tmp_path / name)
        assert count == 0
        assert fault is not None


def test_names_that_look_like_options_or_protocols(
    tmp_path: Path, movie: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-i.mp4", "concat:a|b.mp4", "a 'b' %d $HOME;x.mp4", os.fsdecode(b"\xff\xfe.mp4"), "line\nbreak.mp4"):
        Path(name).write_bytes(movie.read_bytes())
        assert frames_and_fault(Path(name)) == (60, None)


def test_cover_art_is_not_the_video(tmp_path: Path, movie: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "color=red:size=32x32", "-frames:v", "1", tmp_path / "art.png")
    both = f"-i {tmp_path}/art.png -i {movie} -map 0 -map 1 -c copy -disposition:v:0 attached_pic {tmp_path}/v.mp4"
    run_ffmpeg(*both.split())
    assert [number(frame) for frame in decode(tmp_path / "v.mp4")] == list(range(60))
    song = f"-i {tmp_path}/art.png -f lavfi -t 0.2 -i anullsrc -map 0 -map 1 -c:v copy -disposition:v:0 attached_pic"
    run_ffmpeg(*song.split(), tmp_path / "song.mp4")
    assert frames_and_fault(tmp_path / "song.mp4") == (0, "Stream map '' matches no streams.")


def test_a_change_of_size_midway_is_damage(tmp_path: Path) -> None:
    raw = b""
    for size in ("64x48", "96x64"):
        source = ["-f", "lavfi", "-i", f"testsrc=size={size}:rate=25:duration=0.4", "-c:v", "libx264", "-bf", "0"]
        run_ffmpeg(*source, tmp_path / "part.h264")
        raw += (tmp_path / "part.h264").read_bytes()
    (tmp_path / "both.h264").write_bytes(raw)
    run_ffmpeg("-i", tmp_path / "both.h264", "-c", "copy", tmp_path / "both.mkv")
    assert frames_and_fault(tmp_path / "both.mkv")[1] == "the size or format of its picture changes midway"


def test_uneven_time_neither_adds_nor_drops_frames(tmp_path: Path, movie: Path) -> None:
    uneven = "setpts='if(gt(N,10),N*900,N)/TB/25'"  # the eleventh frame comes hours after the tenth
    run_ffmpeg("-i", movie, "-vf", uneven, "-fps_mode", "passthrough", tmp_path / "v.mkv")
    assert [number(frame) for frame in decode(tmp_path / "v.mkv")] == list(range(60))


def test_a_file_that_changes_on_the_way(tmp_path: Path, movie: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(movie.read_bytes())
    frames = decode(path)
    next(frames)
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(DamagedVideo, match="changed") as caught:
        list(frames)
    assert not caught.value.lasting


def test_a_killed_decoder_is_no_verdict_on_the_file(tmp_path: Path) -> None:
    encode(tmp_path / "v.mp4", noise(30, 256, 256), 25.0)
    frames = decode(tmp_path / "v.mp4")
    next(frames)
    os.kill(children()[0], signal.SIGKILL)
    with pytest.raises(DamagedVideo, match="killed by signal 9") as caught:
        list(frames)
    assert not caught.value.lasting


def test_letting_go_of_the_frames_ends_the_decoder(tmp_path: Path) -> None:
    encode(tmp_path / "v.mp4", noise(30, 256, 256), 25.0)
    frames = decode(tmp_path / "v.mp4")
    next(frames)
    assert len(children()) == 1
    frames.close()
    assert children() == []


def test_another_thread_can_stop_it(tmp_path: Path, movie: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "binary", lambda: program(tmp_path, "sleep 60"))
    stop, started = threading.Event(), time.monotonic()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(DamagedVideo, match="interrupted"):
        list(decode(movie, stop=stop))
    assert time.monotonic() - started < 5


def test_a_decoder_that_gives_nothing_runs_out_of_patience(
    tmp_path: Path, movie: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ffmpeg, "binary", lambda: program(tmp_path, f"sleep 60 & echo $! > {tmp_path}/pid; wait"))
    monkeypatch.setattr(ffmpeg, "PATIENCE", 0.5)
    started = time.monotonic()
    with pytest.raises(DamagedVideo, match=r"nothing came from ffmpeg for 0\.5 s") as caught:
        list(decode(movie))
    assert not caught.value.lasting
    assert time.monotonic() - started < 5
    grandchild = Path(f"/proc/{int((tmp_path / 'pid').read_text())}/stat")
    time.sleep(0.2)
    assert not grandchild.exists() or grandchild.read_text().rsplit(")", 1)[1].split()[0] == "Z"


def test_the_deadline_holds_for_a_slow_reader_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode(tmp_path / "v.mp4", noise(30, 256, 256), 25.0)
    monkeypatch.setattr(ffmpeg, "DEADLINE", 0.5)
    frames = decode(tmp_path / "v.mp4")
    next(frames)
    time.sleep(0.8)
    with pytest.raises(DamagedVideo, match=r"not done after 0\.5 s"):
        list(frames)


def test_patience_does_not_count_the_readers_own_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode(tmp_path / "v.mp4", noise(12, 256, 256), 25.0)
    monkeypatch.setattr(ffmpeg, "PATIENCE", 2.0)
    frames = decode(tmp_path / "v.mp4")
    next(frames)
    time.sleep(2.5)
    assert len(list(frames)) == 11


def test_a_frame_cap(movie: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "FRAME_CAP", 59)
    assert frames_and_fault(movie) == (59, "more than 59 frames")
    monkeypatch.setattr(ffmpeg, "FRAME_CAP", 60)
    assert frames_and_fault(movie) == (60, None)


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ("head -c 20000000 /dev/zero | tr '\\0' x >&2", "x" * 300),
        (
            "printf 'P7\\nWIDTH 4\\nHEIGHT 4\\nDEPTH 3\\nMAXVAL 255\\nTUPLTYPE RGB\\nENDHDR\\nabc'",
            "the last frame is cut off",
        ),
        ("printf 'P7\\nWIDTH 4\\n'", "a frame's header is cut off"),
        ("printf '[h264 @ 0x55d0] \\033[31mbad\\033[0m\\nmore' >&2", "[h264] ?[31mbad?[0m"),
        ("exit 7", "ffmpeg ended with exit code 7 and no message"),
        ("exit 0", "no frames in it"),
    ],
)
def test_whatever_the_decoder_does_is_told_in_one_line(
    tmp_path: Path, movie: Path, monkeypatch: pytest.MonkeyPatch, script: str, fault: str
) -> None:
    monkeypatch.setattr(ffmpeg, "binary", lambda: program(tmp_path, script))
    assert frames_and_fault(movie) == (0, fault)


def test_a_decoder_that_cannot_start(tmp_path: Path, movie: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "binary", lambda: os.fsencode(tmp_path / "none"))
    for work in (lambda: next(decode(movie)), lambda: packets(movie), lambda: animation(numbered(2), 5.0)):
        with pytest.raises(MissingPart, match=r"cannot start .*no such file"):
            work()
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "none"))
    with pytest.raises(MissingPart, match="no ffmpeg program"):
        ffmpeg.recipe(None)


def test_errors_pickle() -> None:
    error = pickle.loads(pickle.dumps(DamagedVideo("a: b.mp4", "bad: very", lasting=False)))
    assert (error.path, error.reason, error.lasting) == ("a: b.mp4", "bad: very", False)
    assert str(error) == "a: b.mp4: bad: very"


def test_packets_are_counted_without_decoding(movie: Path) -> None:
    assert packets(movie) == (60, 64, 128)


def test_packets_of_a_probe_that_was_killed_are_no_estimate(
    tmp_path: Path, movie: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = "echo '#dimensions 0: 128x64'; echo '0, 0, 0, 1, 9, 0x0'"
    monkeypatch.setattr(ffmpeg, "PATIENCE", 0.3)
    monkeypatch.setattr(ffmpeg, "binary", lambda: program(tmp_path, f"{some}; sleep 60"))
    with pytest.raises(DamagedVideo, match=r"nothing came from ffmpeg for 0\.3 s") as caught:
        packets(movie)
    assert not caught.value.lasting
    monkeypatch.setattr(ffmpeg, "binary", lambda: program(tmp_path, f"{some}; echo torn >&2; exit 1"))
    assert packets(movie) == (1, 64, 128)  # of a damaged file, what comes before


def test_the_recipe_names_the_packages_own_program_by_its_version() -> None:
    assert ffmpeg.recipe(None).endswith(f"by imageio-ffmpeg {version('imageio-ffmpeg')}, the package's own")


def test_the_recipe_follows_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the package has none for this machine it falls back to the system's, which it only calls "ffmpeg"."""
    (tmp_path / "bin").mkdir()
    found = Path(os.fsdecode(program(tmp_path / "bin", "exit 0"))).rename(tmp_path / "bin" / "ffmpeg")
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: "ffmpeg")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert binary() == os.fsencode(found)
    seen = {ffmpeg.recipe(None)}
    os.utime(found, ns=(0, 123))
    seen.add(ffmpeg.recipe(None))
    with found.open("a") as file:
        file.write("# a later version")
    os.utime(found, ns=(0, 123))
    seen.add(ffmpeg.recipe(None))
    other = found.rename(tmp_path / "ffmpeg")
    monkeypatch.setenv("PATH", f"{other.parent}:{os.environ['PATH']}")
    seen.add(ffmpeg.recipe(None))
    monkeypatch.undo()
    assert len(seen | {ffmpeg.recipe(None)}) == 5


def test_every_real_clip_decodes_to_its_last_frame(real_data: Path) -> None:
    with (real_data / "clips.csv").open() as file:
        clips = [row for row in csv.DictReader(file) if row["dataset"] != "weird"]
    found = {row["path"]: frames_and_fault(real_data / row["path"], 32) for row in clips}
    assert found == {row["path"]: (int(row["frames"]), None) for row in clips}
    assert len(found) == 39


BROKEN = {  # name -> good frames before the damage; PyAV finds the same 28
    "decord_corrupted.mp4": 28,
    "truncated_v_SoccerJuggling_g23_c01.avi": 96,
    "truncated_clean_and_jerk.mp4": 0,
    "empty.mp4": 0,
    "not_a_video_README.avi": 0,
}


def test_every_odd_clip_decodes_or_says_why(real_data: Path) -> None:
    with (real_data / "clips.csv").open() as file:
        clips = {Path(row["path"]).name: row for row in csv.DictReader(file) if row["dataset"] == "weird"}
    assert len(clips) == 29
    for name, row in clips.items():
        started = time.monotonic()
        count, fault = frames_and_fault(real_data / row["path"], 32)
        assert (fault is not None) == (name in BROKEN), name
        assert count == BROKEN.get(name, int(row["frames"])), name
        assert time.monotonic() - started < 10, name


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("nasa_13013_rotated.mp4", (480, 270, 3)),
        ("decord_video_0.mov", (320, 568, 3)),
        ("decord_video_90.mov", (568, 320, 3)),
        ("decord_video_180.mov", (320, 568, 3)),
        ("decord_video_270.mov", (568, 320, 3)),
        ("nasa_13013.mp4", (180, 320, 3)),  # the first of its two streams
    ],
)
def test_videos_come_out_upright(real_data: Path, name: str, shape: tuple[int, int, int]) -> None:
    assert next(decode(real_data / "weird" / name)).shape == shape


def test_times_are_those_of_the_frames(movie: Path) -> None:
    assert ffmpeg.times(movie) == pytest.approx(np.arange(60) / 25)


def test_packets_without_a_time_are_left_out(tmp_path: Path, movie: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["#tb 0: 1/10", "0, 0, 7, 1, 9, 0x0", "0, 1, -9223372036854775808, 1, 9, 0x0", "0, 2, 2, 1, 9, 0x0"]
    monkeypatch.setattr(ffmpeg, "binary", lambda: program(tmp_path, "".join(f"echo '{line}';" for line in lines)))
    assert ffmpeg.times(movie).tolist() == [0.0, 0.5]


def test_an_exact_picture_is_exact() -> None:
    image = np.random.default_rng(0).integers(0, 256, (33, 21, 3), dtype=np.uint8)
    png, jpeg = (ffmpeg.picture(image, exact) for exact in (True, False))
    command = [binary(), *b"-v error -f png_pipe -i pipe:0 -f rawvideo -pix_fmt rgb24 pipe:1".split()]
    assert subprocess.run(command, input=png, capture_output=True, check=True).stdout == image.tobytes()
    assert jpeg.startswith(b"\xff\xd8\xff")


def test_a_child_that_is_cut_short_as_it_ends_says_nothing_of_its_input() -> None:
    with Child([b"sh", b"-c", b"exit 0"], deadline=60, patience=60) as child:
        assert child.finish() is None
        assert not child.killed
        child._cut_short = "interrupted"  # as by a watcher that was a moment too late to kill it
        assert child.killed
