"""Frames out of video files and back into them, through the ffmpeg binary in a child process that cannot hurt us.

Nothing that a file says is trusted: sizes come with each frame (PAM), formats and protocols are listed here, time is
never resampled, and any word of complaint is damage.
"""

import contextlib
import os
import shutil
import stat
import threading
from collections.abc import Generator, Iterable
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stpairs_core.durable import whole
from stpairs_core.errors import BadVideos, InvalidSpec, MissingPart, NoRoom, StpairsError
from stpairs_core.videos.child import Child

Frame = NDArray[np.uint8]  # (H, W, 3) RGB

DEADLINE = 7200.0
"""Seconds that one video may take from first to last frame."""
PATIENCE = 10.0
"""Seconds that we wait for one frame."""
FRAME_CAP = 2_000_000
"""Frames in one video: 18 hours at 30 a second."""
MAX_PIXELS = 35_389_440
"""In one frame: 8192 x 4320."""

# Containers only. A playlist (m3u8, ffconcat, dash, sdp) can name other files, and the demuxer of each is left out.
_FORMATS = "mov,matroska,avi,mpeg,mpegts,mpegvideo,gif,flv,ogg,asf"
_SCALER = "flags=area+accurate_rnd+full_chroma_int+bitexact"
_UNTIMED = -(2**63)
_QUIET = "-hide_banner -loglevel error"


class Identity(NamedTuple):
    """What tells one state of a file from another."""

    device: int
    inode: int
    size: int
    modified: int
    """In nanoseconds."""


class DamagedVideo(BadVideos):
    """One video that cannot be read to its end."""

    def __init__(self, path: str | os.PathLike[str], reason: str, lasting: bool = True) -> None:
        super().__init__(f"{os.fspath(path)}: {reason}")
        self.path = os.fspath(path)
        self.reason = reason
        self.lasting = lasting
        """Whether the same bytes would fail again: True for broken data, False for a deadline or a killed child."""

    def __reduce__(self) -> tuple[type["DamagedVideo"], tuple[str, str, bool]]:
        return DamagedVideo, (self.path, self.reason, self.lasting)


def identify(path: str | os.PathLike[str]) -> Identity:
    """Which state of which file this is; a `DamagedVideo` when it is no readable, regular file with bytes in it."""
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        raise DamagedVideo(path, _reason(error), lasting=False) from error
    if not stat.S_ISREG(found.st_mode):
        raise DamagedVideo(path, "not a regular file", lasting=False)
    if found.st_size == 0:
        raise DamagedVideo(path, "empty file")
    if not os.access(path, os.R_OK):
        raise DamagedVideo(path, "no permission to read it", lasting=False)
    return Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def decode(
    path: str | os.PathLike[str], short_side: int | None = None, stop: threading.Event | None = None
) -> Generator[Frame, None, None]:
    """Each frame of a video's first picture stream in the order shown, (H, W, 3) RGB, upright.

    The shorter side becomes `short_side` where it is longer; nothing is enlarged, pixels keep their aspect. After the
    last good frame comes a `DamagedVideo` if anything at all was wrong. Setting `stop` ends it from any thread.
    Closing the iterator ends the child.
    """
    before = identify(path)
    with _start(_decode_arguments(_url(path), short_side), PATIENCE, stop) as child:
        count, torn = 0, None
        try:
            while (frame := _read_frame(child)) is not None:
                if count == FRAME_CAP:
                    raise DamagedVideo(path, f"more than {FRAME_CAP} frames")
                count += 1
                yield frame
        except EOFError as error:
            torn = str(error)
        problem = child.finish() or torn
        if problem:
            raise DamagedVideo(path, _plainly(problem), lasting=not child.killed)
    if count == 0:
        raise DamagedVideo(path, "no frames in it")
    if identify(path) != before:
        raise DamagedVideo(path, "the file changed while it was read", lasting=False)


def packets(path: str | os.PathLike[str], stop: threading.Event | None = None) -> tuple[int, int, int]:
    """Packets, height and width of a video's first picture stream as its container tells them, without decoding.

    Good for an estimate: headers lie, and some packets are never shown. Of a damaged file, what comes before. A
    `DamagedVideo` when ffmpeg was stopped on the way, by our patience or from outside: its count would be too low.
    """
    count, height, width = 0, 0, 0
    for line in _packet_lines(path, stop):
        if line.startswith(b"#dimensions 0: "):
            width, height = map(int, line.split()[-1].split(b"x"))
        count += not line.startswith(b"#")
    return count, height, width


def times(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    """Seconds from the first frame to each timed packet of a video's first picture stream, in the order shown.

    Where they are as many as the frames, they are the frames' times. Errors as `packets` has them.
    """
    unit = Fraction(1)
    shown: list[int] = []
    for line in _packet_lines(path):
        if line.startswith(b"#tb 0: "):
            unit = Fraction(line.split()[-1].decode())
        elif not line.startswith(b"#") and (moment := int(line.split(b",")[2])) != _UNTIMED:
            shown.append(moment)
    shown.sort()
    return np.array([float((moment - shown[0]) * unit) for moment in shown], np.float64)


def _packet_lines(path: str | os.PathLike[str], stop: threading.Event | None = None) -> Generator[bytes, None, None]:
    """The container's word on each packet: after some lines with "#", "stream, dts, pts, duration, size, checksum"."""
    identify(path)
    arguments = [*_source(_url(path)), *_words("-map 0:V:0 -c copy -f framecrc pipe:1")]
    with _start(arguments, PATIENCE, stop) as child:
        child.waiting(True)
        for line in child.stdout:
            child.waiting(True)
            yield line
        problem = child.finish()
    if child.killed:
        raise DamagedVideo(path, problem or "ffmpeg was killed", lasting=False)


def encode(path: str | os.PathLike[str], frames: Iterable[Frame], rate: float) -> None:
    """Write frames (H, W, 3) RGB, all of one even size, as an H.264 mp4 of `rate` frames a second.

    The file gets its name when it is whole and on the disk; the same frames give the same bytes. A `NoRoom` when the
    disk is full.
    """
    arguments = (
        "-an -c:v libx264 -preset medium -crf 18 -pix_fmt yuv420p -fflags +bitexact -flags:v +bitexact -f mp4 -y"
    )
    with whole(Path(path)) as temporary:
        temporary.touch()
        _write_frames(frames, rate, [*_words(arguments), _url(temporary)], even=True)


def animation(frames: Iterable[Frame], rate: float) -> bytes:
    """Frames (H, W, 3) RGB, all of one size, as an animated WebP that runs for ever at `rate` frames a second."""
    arguments = "-an -c:v libwebp_anim -quality 60 -loop 0 -fflags +bitexact -f webp pipe:1"
    return _write_frames(frames, rate, _words(arguments))


def picture(image: Frame, exact: bool) -> bytes:
    """One picture (H, W, 3) RGB as a file: a PNG, which keeps every pixel, or a JPEG, which is small."""
    codec = "-c:v png -pred mixed" if exact else "-c:v mjpeg -q:v 4 -pix_fmt yuvj420p"
    return _write_frames([image], 1.0, _words(f"-an {codec} -fflags +bitexact -flags:v +bitexact -f image2pipe pipe:1"))


def binary() -> bytes:
    """Path of the ffmpeg program: IMAGEIO_FFMPEG_EXE, else imageio-ffmpeg's own, else the environment's or system's."""
    return os.fsencode(_program())


def _program() -> str:
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ImportError as error:
        raise MissingPart("videos need the package 'imageio-ffmpeg': pip install imageio-ffmpeg") from error
    try:
        found: str = get_ffmpeg_exe()  # remembers what it found, since it tries each program by starting it
    except RuntimeError as error:
        hint = "install an imageio-ffmpeg wheel with a binary, or set IMAGEIO_FFMPEG_EXE"
        raise MissingPart(f"imageio-ffmpeg has no ffmpeg program for this machine: {hint}") from error
    return shutil.which(found) or found  # the system's is only called "ffmpeg"


def recipe(short_side: int | None) -> str:
    """All that decides the pixels besides the file: every flag, and which ffmpeg. Decodes nothing."""
    return f"{b' '.join(_decode_arguments(b'', short_side)).decode()} by {_which_program()}"


def _which_program() -> str:
    """The package's own program by the package's version; any other, which may change, by the state of its file."""
    path = _program()
    import imageio_ffmpeg

    try:
        package, state = version("imageio-ffmpeg"), os.stat(path)
    except (PackageNotFoundError, OSError) as error:
        raise MissingPart(f"no ffmpeg program: {error}") from error
    own = Path(path).parent == Path(imageio_ffmpeg.__file__).parent / "binaries"
    program = "the package's own" if own else f"{path} {state.st_size} {state.st_mtime_ns}"
    return f"imageio-ffmpeg {package}, {program}"


def _start(arguments: list[bytes], patience: float, stop: threading.Event | None = None) -> Child:
    program = binary()
    try:
        return Child([program, *arguments], DEADLINE, patience, stop)
    except OSError as error:
        raise MissingPart(f"cannot start {os.fsdecode(program)}: {_reason(error)}") from error


def _decode_arguments(url: bytes, short_side: int | None) -> list[bytes]:
    # -map 0:V:0 passes over cover art. The frames are numbered anew, since uneven timestamps are no damage; the count
    # starts again when the size or format changes on the way, which ffmpeg then complains of.
    out = "-map 0:V:0 -an -sn -dn -fps_mode passthrough -enc_time_base 1:25 -threads 1 -filter_threads 1 -vf"
    picture = f"{_scaling(short_side)},settb=1/25,setpts=N"
    return [*_source(url), *_words(out), os.fsencode(picture), *_words("-pix_fmt rgb24 -c:v pam -f image2pipe pipe:1")]


def _source(url: bytes) -> list[bytes]:
    """The hardened way to open a file: the first error ends it, only these containers, only this file."""
    guards = f"-nostdin -xerror -threads 1 -protocol_whitelist file,pipe -max_pixels {MAX_PIXELS}"
    return [*_words(_QUIET), *_words(guards), b"-format_whitelist", *_words(_FORMATS), b"-i", url]


def _words(line: str) -> list[bytes]:
    return line.encode().split()


def _scaling(short_side: int | None) -> str:
    """The filter that turns a frame into RGB of the wanted size; part of what decides every pixel."""
    if short_side is None:
        return f"scale={_SCALER}"
    if short_side < 1:
        raise InvalidSpec(f"short_side must be at least 1, not {short_side}")
    width, height = f"if(lt(iw,ih),min(iw,{short_side}),-1)", f"if(lt(iw,ih),-1,min(ih,{short_side}))"
    return f"scale=w='{width}':h='{height}':{_SCALER}"


def _url(path: str | os.PathLike[str]) -> bytes:
    return b"file:" + os.fsencode(os.path.abspath(path))


def _read_frame(child: Child) -> Frame | None:
    """The next PAM picture; None at the end, EOFError in the middle of one."""
    child.waiting(True)
    header = _read_header(child.stdout)
    if header is None:
        return None
    frame = np.empty((header[1], header[0], 3), np.uint8)
    got = child.stdout.readinto(frame.data.cast("B"))
    child.waiting(False)
    if got != frame.nbytes:
        raise EOFError("the last frame is cut off")
    return frame


def _read_header(stream: IO[bytes]) -> tuple[int, int] | None:
    """Width and height from a PAM header of 3 x 8 bits."""
    if not (line := stream.readline(80)):
        return None
    fields: dict[bytes, bytes] = {}
    while line and line != b"ENDHDR\n":
        key, _, value = line.rstrip(b"\n").partition(b" ")
        fields[key] = value
        line = stream.readline(80)
    if not line or b"P7" not in fields or fields.get(b"DEPTH") != b"3" or fields.get(b"MAXVAL") != b"255":
        raise EOFError("a frame's header is cut off")
    return int(fields[b"WIDTH"]), int(fields[b"HEIGHT"])


def _write_frames(frames: Iterable[Frame], rate: float, output: list[bytes], even: bool = False) -> bytes:
    """Feed frames to ffmpeg; returns what it writes to its standard output."""
    rest = iter(frames)
    first = next(rest, None)
    if first is None or rate <= 0:
        raise InvalidSpec("a video needs at least one frame and a rate above 0")
    height, width = _checked(first, first.shape).shape[:2]
    if even and (height % 2 or width % 2):
        raise InvalidSpec(f"H.264 takes frames of even size, not {width}x{height}")
    source = f"-f rawvideo -pix_fmt rgb24 -video_size {width}x{height} -framerate {rate!r} -i pipe:0 -threads 1"
    with _start([*_words(_QUIET), *_words(source), *output], DEADLINE) as child:
        with contextlib.suppress(BrokenPipeError):  # the child has ended, and has said why
            child.stdin.write(np.ascontiguousarray(first).data)
            for frame in rest:
                child.stdin.write(np.ascontiguousarray(_checked(frame, first.shape)).data)
            child.stdin.close()
        written = child.stdout.read()
        problem = child.finish()
    if problem:
        kind = NoRoom if "No space left" in problem else StpairsError
        raise kind(f"ffmpeg could not write a video: {problem}")
    return written


def _checked(frame: Frame, shape: tuple[int, ...]) -> Frame:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.shape != shape:
        raise InvalidSpec(f"frames must be uint8 (H, W, 3) of one size, not {frame.dtype} {frame.shape}")
    return frame


def _plainly(problem: str) -> str:
    if "non monotonically increasing dts" in problem:  # the numbering of the frames began anew
        return "the size or format of its picture changes midway"
    return problem


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
