"""Videos that are in memory already."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stpairs_core.errors import InvalidSpec


class ArraySource:
    """A source of videos that are arrays: each (T, H, W, 3) `uint8` RGB, of its own size and of any layout.

    Nothing is copied, so memory maps stay on disk. `InvalidSpec` for an array of another shape or dtype.

    >>> source = ArraySource([np.zeros((20, 8, 8, 3), np.uint8)])
    >>> source.read(0, first=4, count=16).shape
    (16, 8, 8, 3)
    """

    def __init__(self, videos: Sequence[NDArray[np.uint8]]) -> None:
        self._videos = tuple(videos)
        for number, video in enumerate(self._videos):
            _check_video(number, video)
        self._extents = np.array([video.shape[:3] for video in self._videos], np.int32).reshape(-1, 3)
        self._extents.flags.writeable = False

    def __len__(self) -> int:
        """How many videos."""
        return len(self._videos)

    def __repr__(self) -> str:
        return f"ArraySource({len(self)} videos)"

    @property
    def extents(self) -> NDArray[np.int32]:
        """(N, 3): frames, height and width of each video; read-only."""
        return self._extents

    def read(self, video: int, first: int, count: int) -> NDArray[np.uint8]:
        """(count, H, W, 3): a read-only view of frames `first` to `first + count` of one video.

        `InvalidSpec` where there is no such video or it has no such frames.
        """
        if not 0 <= video < len(self):
            raise InvalidSpec(f"there is no video {video}: this source has {len(self)}, counted from 0")
        frames = self._videos[video]
        if first < 0 or count < 0 or first + count > len(frames):
            raise InvalidSpec(f"video {video} has {len(frames)} frames; asked for {count} from frame {first} on")
        view = frames[first : first + count].view()
        view.flags.writeable = False
        return view


def _check_video(number: int, video: Any) -> None:
    if not isinstance(video, np.ndarray):
        raise InvalidSpec(f"video {number} is a {type(video).__name__}; give a NumPy array of uint8 (T, H, W, 3)")
    if video.dtype != np.uint8 or video.ndim != 4 or video.shape[-1] != 3:
        raise InvalidSpec(f"video {number} is {video.dtype} {video.shape}; give uint8 (T, H, W, 3)")
