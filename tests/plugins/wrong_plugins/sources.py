"""A right source of raw files, and sources that each break one promise."""

import contextlib
import fcntl
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stpairs_core.errors import InvalidSpec

Bytes = NDArray[np.uint8]
SIZES = ((9, 6, 5), (7, 4, 8), (12, 5, 5))
FRAMES = [np.random.default_rng(n).integers(0, 256, (*size, 3), dtype=np.uint8) for n, size in enumerate(SIZES)]


@cache
def folder() -> tempfile.TemporaryDirectory[str]:
    """The videos as raw files, for as long as this process runs."""
    made = tempfile.TemporaryDirectory()
    for number, video in enumerate(FRAMES):
        video.tofile(Path(made.name, str(number)))
    return made


class Files:
    """Raw files; each read opens its file. Right in all things."""

    def __init__(self) -> None:
        self.folder = folder().name
        self.sizes = np.array(SIZES, np.int32)

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def extents(self) -> NDArray[np.int32]:
        return self.sizes.copy()

    def check(self, video: int, first: int, count: int) -> None:
        if not 0 <= video < len(self.sizes):
            raise InvalidSpec(f"there is no video {video}")
        if first < 0 or count < 0 or first + count > self.sizes[video, 0]:
            raise InvalidSpec(f"there are no {count} frames from {first} on")

    def read(self, video: int, first: int, count: int) -> Bytes:
        self.check(video, first, count)
        return self.load(video, first, count)

    def load(self, video: int, first: int, count: int) -> Bytes:
        height, width = SIZES[video][1:]
        with open(os.path.join(self.folder, str(video)), "rb") as file:
            file.seek(first * height * width * 3)
            return np.frombuffer(file.read(count * height * width * 3), np.uint8).reshape(count, height, width, 3)


class OffByOne(Files):
    def load(self, video: int, first: int, count: int) -> Bytes:
        return super().load(video, min(first + 1, SIZES[video][0] - count), count)


class BlueFirst(Files):
    def load(self, video: int, first: int, count: int) -> Bytes:
        return super().load(video, first, count)[..., ::-1].copy()


class FloatFrames(Files):
    def load(self, video: int, first: int, count: int) -> Any:
        return super().load(video, first, count).astype(np.float32)


class ChannelsFirst(Files):
    def load(self, video: int, first: int, count: int) -> Bytes:
        return super().load(video, first, count).transpose(0, 3, 1, 2).copy()


class NotContiguous(Files):
    def load(self, video: int, first: int, count: int) -> Bytes:
        return np.asfortranarray(super().load(video, first, count))


class OneShort(Files):
    def __len__(self) -> int:
        return 2


class WidthFirst(Files):
    @property
    def extents(self) -> NDArray[np.int32]:
        return self.sizes[:, [0, 2, 1]]


class WideExtents(Files):
    @property
    def extents(self) -> Any:
        return self.sizes.astype(np.int64)


class LentExtents(Files):
    @property
    def extents(self) -> NDArray[np.int32]:
        return self.sizes


class NoEmptyRead(Files):
    def load(self, video: int, first: int, count: int) -> Bytes:
        return np.stack(list(super().load(video, first, count)))


class Clamps(Files):
    def check(self, video: int, first: int, count: int) -> None:
        """Nothing: whatever is beyond the end is left out."""

    def load(self, video: int, first: int, count: int) -> Bytes:
        return FRAMES[video][max(first, 0) : first + count].copy()


class FromTheEnd(Files):
    def check(self, video: int, first: int, count: int) -> None:
        super().check(video % 3 if video < 0 else video, first, count)

    def load(self, video: int, first: int, count: int) -> Bytes:
        return super().load(video % 3, first, count)


class SaysNothing(Files):
    def check(self, video: int, first: int, count: int) -> None:
        try:
            super().check(video, first, count)
        except InvalidSpec:
            raise IndexError("out of range") from None


class OtherError(Files):
    def check(self, video: int, first: int, count: int) -> None:
        assert first >= 0, f"bad {first}"
        super().check(video, first, count)


class WritableView(Files):
    def __init__(self) -> None:
        super().__init__()
        self.store = [video.copy() for video in FRAMES]

    def load(self, video: int, first: int, count: int) -> Bytes:
        return self.store[video][first : first + count]


class FatPickle(WritableView):
    def load(self, video: int, first: int, count: int) -> Bytes:
        return super().load(video, first, count).copy()


class OneBuffer(Files):
    def __init__(self) -> None:
        super().__init__()
        self.buffer = np.empty(10**5, np.uint8)

    def load(self, video: int, first: int, count: int) -> Bytes:
        found = super().load(video, first, count)
        lent = self.buffer[: found.size].reshape(found.shape)
        lent[...] = found
        return lent


class OneMemoryForEachSize(Files):
    """As `OneBuffer`, but each thread has its own, and another where the size changes."""

    def __init__(self) -> None:
        super().__init__()
        self.lent: dict[tuple[int, tuple[int, ...]], Bytes] = {}

    def load(self, video: int, first: int, count: int) -> Bytes:
        found = super().load(video, first, count)
        lent = self.lent.setdefault((threading.get_ident(), found.shape), np.empty_like(found))
        lent[...] = found
        return lent


class CachedByCount(Files):
    def __init__(self) -> None:
        super().__init__()
        self.cached: dict[tuple[int, int], Bytes] = {}

    def load(self, video: int, first: int, count: int) -> Bytes:
        if count > 1 or first == 1:  # a run is kept without its place, and single frames are read through
            return self.cached.setdefault((video, count), super().load(video, first, count))
        return super().load(video, first, count)


class ForwardOnly(Files):
    """A decoder that never goes back."""

    def __init__(self) -> None:
        super().__init__()
        self.place = dict.fromkeys(range(3), 0)

    def load(self, video: int, first: int, count: int) -> Bytes:
        first = max(first, self.place[video])
        self.place[video] = min(first, SIZES[video][0] - count)
        return super().load(video, self.place[video], count)


class Noisy(Files):
    reads = 0

    def load(self, video: int, first: int, count: int) -> Bytes:
        self.reads += 1
        return super().load(video, first, count) ^ np.uint8(self.reads % 2)


class Leaks(Files):
    def load(self, video: int, first: int, count: int) -> Bytes:
        LEAKED.append(os.open(os.path.join(self.folder, str(video)), os.O_RDONLY))
        return super().load(video, first, count)


LEAKED: list[int] = []


@contextlib.contextmanager
def closing_leaked() -> Iterator[None]:
    yield
    while LEAKED:
        os.close(LEAKED.pop())


class OpenFiles(Files):
    """Files stay open and have one place each, which threads move under one another."""

    def __init__(self) -> None:
        super().__init__()
        self.open()

    def open(self) -> None:
        self.handles = [open(os.path.join(self.folder, str(n)), "rb", buffering=0) for n in range(3)]  # noqa: SIM115

    def close(self) -> None:
        for handle in self.handles:
            handle.close()

    def __del__(self) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("handles", "lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.open()

    def load(self, video: int, first: int, count: int) -> Bytes:
        height, width = SIZES[video][1:]
        self.handles[video].seek(first * height * width * 3)
        time.sleep(0.0005)  # so that it happens every time
        data = self.handles[video].read(count * height * width * 3)
        return np.frombuffer(data.ljust(count * height * width * 3, b"\0"), np.uint8).reshape(count, height, width, 3)


class LockedFiles(OpenFiles):
    """Right among threads; forked processes still share the place in each file."""

    def open(self) -> None:
        super().open()
        self.lock = threading.Lock()

    def load(self, video: int, first: int, count: int) -> Bytes:
        with self.lock:
            return super().load(video, first, count)


class Unpicklable(Files):
    def __init__(self) -> None:
        super().__init__()
        self.names = lambda number: str(number)


class HandleInPickle(Files):
    """The pickle has the numbers of open files, which another process does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = []
        for number in range(3):
            with open(os.path.join(self.folder, str(number)), "rb") as file:
                self.numbers.append(fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 100))
        LEAKED.extend(self.numbers)

    def load(self, video: int, first: int, count: int) -> Bytes:
        height, width = SIZES[video][1:]
        size = height * width * 3
        return np.frombuffer(os.pread(self.numbers[video], count * size, first * size), np.uint8).reshape(
            count, height, width, 3
        )
