"""The volumes that checks are tried on: small, made by arithmetic alone, and at the edges of what a volume can be."""

import numpy as np

from stpairs_core.testing.augmentations.declares import Volume

KEYS = range(6)
"""The keys that each volume is tried with."""
COLOURS = "colours"
PLAIN = (COLOURS, "grey", "saturated", "usual")
"""For checks of anything but an edge: what breaks at an edge should fail the check of that edge, and no other."""
EXTREMES = ("black", "white", "grey", "saturated")
ONE_FRAME = ("one frame", "one voxel")
ONE_PIXEL = ("one pixel", "one voxel")
THIN = ("one row", "one column")
ODD = ("odd sizes",)

_SIZES = {
    COLOURS: (4, 8, 10),
    "usual": (16, 32, 32),  # as long and as square as volumes are: some mistakes begin at the tenth frame
    "one frame": (1, 6, 4),
    "one pixel": (4, 1, 1),
    "one voxel": (1, 1, 1),
    "one row": (2, 1, 6),
    "one column": (2, 6, 1),
}


def samples(smallest: tuple[int, int, int] = (1, 1, 1)) -> dict[str, Volume]:
    """Volumes by name, none of them smaller than `smallest`.

    >>> samples()["one row"].shape
    (2, 1, 6, 3)
    """
    small = _fitted((3, 4, 6), smallest)
    frames, height, width = _fitted((3, 5, 7), smallest)
    corners = np.array([[r, g, b] for r in (0, 255) for g in (0, 255) for b in (0, 255)], np.uint8)
    return {
        **{name: colours(_fitted(size, smallest)) for name, size in _SIZES.items()},
        "odd sizes": colours((frames | 1, height | 1, width | 1)),
        "black": np.zeros((*small, 3), np.uint8),
        "white": np.full((*small, 3), 255, np.uint8),
        "grey": np.repeat(colours(small)[..., :1], 3, axis=-1),
        "saturated": np.resize(corners, (*small, 3)),
    }


def colours(size: tuple[int, int, int]) -> Volume:
    """(T, H, W, 3): colours of all hues without order; squares of the index, spread by the golden ratio."""
    index = np.arange(int(np.prod(size)) * 3, dtype=np.uint64)
    return (
        ((index * index * np.uint64(40503) + index * np.uint64(2654435761)) >> np.uint64(13))
        .astype(np.uint8)
        .reshape(*size, 3)
    )


def _fitted(size: tuple[int, int, int], smallest: tuple[int, int, int]) -> tuple[int, int, int]:
    frames, height, width = (max(pair) for pair in zip(size, smallest, strict=True))
    return frames, height, width
