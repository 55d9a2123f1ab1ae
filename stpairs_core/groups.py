"""Which videos belong together: names of groups as callers have them, and as numbers."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stpairs_core.errors import InvalidSpec

Groups = Sequence[Hashable] | NDArray[Any] | None
"""A group for each video, or none."""


def numbered(groups: Groups, videos: int) -> NDArray[np.int64]:
    """(N,): a number for each video's group; as `PairMiner` reads them, None and -1 are groups by themselves.

    >>> numbered(["g01", None, "g01", None], 4)
    array([0, 1, 0, 2])
    """
    if groups is None:
        return np.arange(videos)
    if len(groups) != videos:
        raise InvalidSpec(f"groups must name a group for each of the {videos} videos, not {len(groups)}")
    numbers: dict[Hashable, int] = {}
    alone = ((None, video) if name in (None, -1) else name for video, name in enumerate(groups))
    return np.array([numbers.setdefault(name, len(numbers)) for name in alone], np.int64)
