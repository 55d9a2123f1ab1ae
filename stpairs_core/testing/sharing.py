"""What a source must do among threads and processes, each promise a check of its own (see `sources`)."""

import multiprocessing
import os
import pickle
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stpairs_core.protocols import VideoSource
from stpairs_core.testing.reads import Asked, Frames, compare, random_reads, read_all, wrapped
from stpairs_core.testing.reproducing import Broken, showing

THREADS = 8
"""That read at once."""
READS = 200
"""By all threads together; and after which no more files may be open than before."""
PATIENCE = 60.0
"""Seconds that another process is waited for."""

_SPAWNED = """import pickle
import subprocess
import sys

asked = {asked}
code = "import pickle, sys; source, asked = pickle.load(sys.stdin.buffer); "
code += "sys.stdout.buffer.write(b''.join(source.read(*one).tobytes() for one in asked))"
data = pickle.dumps((source, asked))
done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True)
assert done.stdout == b"".join(source.read(*one).tobytes() for one in asked), done.stderr.decode()
"""
_FORKED = """import multiprocessing

asked = {asked}


def read(one):
    return source.read(*one).tobytes()


alone = [read(one) for one in asked]
with multiprocessing.get_context("fork").Pool(2) as pool:
    there = pool.map_async(read, asked)
    here = [read(one) for one in asked]
    assert here == there.get(60) == alone
"""


def threads(source: VideoSource, frames: Frames) -> None:
    """Threads that read at once get what they asked for."""
    asked = random_reads(frames, READS)
    calls = f"from concurrent.futures import ThreadPoolExecutor\n\nasked = {wrapped(asked)}\n"
    calls += "alone = [source.read(*one).tobytes() for one in asked]\n"
    calls += f"with ThreadPoolExecutor({THREADS}) as pool:\n"
    calls += "    found = [frames.tobytes() for frames in pool.map(lambda one: source.read(*one).copy(), asked)]\n"
    calls += "assert found == alone\n"
    with showing(calls), ThreadPoolExecutor(THREADS) as pool:
        for one, found in zip(asked, pool.map(lambda one: source.read(*one).copy(), asked), strict=True):
            _same(found, frames, one, "among threads, ", calls)


def pickles(source: VideoSource, frames: Frames, within: int | None) -> None:
    """A source comes back from its pickle and reads the same; the pickle has `within` bytes at most, if that is set."""
    calls = "import pickle\n\ndata = pickle.dumps(source)\n"
    if within is not None:
        calls += f"assert len(data) <= {within}, len(data)\n"
    again = calls + "source = pickle.loads(data)\n"
    with showing(calls):
        data = pickle.dumps(source)
        assert within is None or len(data) <= within, f"the pickle has {len(data)} bytes, more than {within}"
    with showing(f"{again}assert source.extents.tolist() == {[list(video.shape[:3]) for video in frames]}\n"):
        copy = pickle.loads(data)
        assert copy.extents.tolist() == [list(video.shape[:3]) for video in frames], "its copy has other extents"
    asked = random_reads(frames, 10)
    try:
        read_all(copy, frames, asked)
    except Broken as broken:
        raise Broken(f"a copy from the pickle: {broken}", again + broken.calls) from None


def spawned(source: VideoSource, frames: Frames) -> None:
    """A process that is started afresh reads the same: the pickle holds no open file, and nothing of this process."""
    asked = random_reads(frames, 20)
    _among_processes(source, frames, asked, "spawn", _SPAWNED.format(asked=wrapped(asked)))


def forked(source: VideoSource, frames: Frames) -> None:
    """Forked processes read the same, and disturb neither one another nor this process."""
    asked = random_reads(frames, 100)
    _among_processes(source, frames, asked, "fork", _FORKED.format(asked=wrapped(asked)))


def _among_processes(source: VideoSource, frames: Frames, asked: list[Asked], start: str, calls: str) -> None:
    """Two processes and this one read at the same time, after this one has read already."""
    with showing(calls):
        _read_copies(source, asked)
        with _child(source, asked, start) as first, _child(source, asked, start) as second:
            found = {"this process": _read_copies(source, asked), "a child": first(), "the other child": second()}
    for who, answers in found.items():
        for one, answer in zip(asked, answers, strict=True):
            _same(answer, frames, one, f"{start}, {who}: ", calls)


@contextmanager
def _child(source: VideoSource, asked: list[Asked], start: str) -> Iterator[Callable[[], list[NDArray[np.uint8]]]]:
    """A function that waits for what another process reads."""
    context: Any = multiprocessing.get_context(start)
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(there, source, asked), daemon=True)

    def answer() -> list[NDArray[np.uint8]]:
        assert here.poll(PATIENCE), f"a process by {start} did not answer in {PATIENCE:.0f} s"
        try:
            found: list[NDArray[np.uint8]] | str = here.recv()
        except EOFError:
            raise AssertionError(f"a process by {start} ended before it could read; its stderr says why") from None
        assert not isinstance(found, str), f"a process by {start} failed: {found}"
        return found

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads, from Python 3.12 on
        process.start()
    there.close()
    try:
        yield answer
    finally:
        here.close()
        process.kill()
        process.join()


def _answer(pipe: Connection, source: VideoSource, asked: list[Asked]) -> None:
    try:
        pipe.send(_read_copies(source, asked))
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")


def _read_copies(source: VideoSource, asked: list[Asked]) -> list[NDArray[np.uint8]]:
    return [source.read(*one).copy() for one in asked]


def _same(found: NDArray[np.uint8], frames: Frames, asked: Asked, who: str, calls: str) -> None:
    try:
        compare(found, frames, asked, "")
    except Broken as broken:
        raise Broken(f"{who}{broken}", calls) from None


def keeps_no_files_open(source: VideoSource, frames: Frames) -> None:
    """Many reads leave no more files open than a few did."""
    few, many = random_reads(frames, 2 * len(frames)), random_reads(frames, READS)
    calls = f"import os\n\nasked = {wrapped(few)}\nfor one in asked:\n    source.read(*one)\n"
    calls += f"before = len(os.listdir('/dev/fd'))\nfor number in range({READS}):\n"
    calls += "    source.read(*asked[number % len(asked)])\nafter = len(os.listdir('/dev/fd'))\n"
    with showing(calls + "assert after <= before + 5, (before, after)\n"):
        for one in [*few, *((video, 0, 1) for video in range(len(frames)))]:
            source.read(*one)
        before = len(os.listdir("/dev/fd"))
        for one in many:
            source.read(*one)
        after = len(os.listdir("/dev/fd"))
        assert after <= before + 5, f"{READS} reads left {after - before} more files open"
