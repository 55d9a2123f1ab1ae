"""Augmentations of other styles as `aug(volume, key)`. Each adapter is a frozen value, so that it pickles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stpairs_core.errors import InvalidSpec
from stpairs_core.testing.augmentations.declares import Volume

SEEDS = 2**32
"""What most libraries take for a seed is below this."""


@dataclass(frozen=True, slots=True)
class Keyless:
    """`call(volume)`, which draws nothing: the key is left out."""

    call: Callable[[Volume], Volume]

    def __call__(self, volume: Volume, key: int) -> Volume:
        """The volume changed."""
        return self.call(volume)


@dataclass(frozen=True, slots=True)
class Seeded:
    """`call(volume)` after `set_seed(key mod 2**32)`: for augmentations that draw from a state."""

    call: Callable[[Volume], Volume]
    set_seed: Callable[[int], object]

    def __call__(self, volume: Volume, key: int) -> Volume:
        """The volume changed by the draws that follow this seed."""
        self.set_seed(key % SEEDS)
        return self.call(volume)


@dataclass(frozen=True, slots=True)
class PerFrame:
    """An augmentation of pictures (H, W, 3) called on each frame; with `set_seed`, seeded anew before each."""

    call: Callable[[NDArray[np.uint8]], Any]
    set_seed: Callable[[int], object] | None = None

    def __call__(self, volume: Volume, key: int = 0) -> Volume:
        """The frames changed one by one."""
        frames = []
        for frame in volume:
            if self.set_seed is not None:
                self.set_seed(key % SEEDS)
            frames.append(np.asarray(self.call(frame)))
        return np.stack(frames)


@dataclass(frozen=True, slots=True)
class FloatClips:
    """`call(clips)` on floats in [0, 1] in another order of axes, such as torch's; give it to `Seeded` to have a key.

    `layout` has the letters T, H, W, C and perhaps N, in the order of the axes. `from_numpy` makes a tensor of a
    float32 array; the tensor that comes back is read with `np.asarray`, cut to [0, 1] and rounded.

        Seeded(FloatClips(kornia_video, torch.from_numpy, "NTCHW"), torch.manual_seed)
    """

    call: Callable[[Any], Any]
    from_numpy: Callable[[NDArray[np.float32]], Any] = np.asarray
    layout: str = "NCTHW"

    def __post_init__(self) -> None:
        if sorted(self.layout.replace("N", "", 1)) != sorted("THWC"):
            raise InvalidSpec(f"a layout has each of T, H, W, C once and perhaps N, not {self.layout!r}")

    def __call__(self, volume: Volume) -> Volume:
        """The volume changed."""
        if volume.dtype != np.uint8 or volume.ndim != 4 or volume.shape[-1] != 3:
            raise InvalidSpec(f"a volume is uint8 (T, H, W, 3), not {volume.dtype} {volume.shape}")
        axes = self.layout.replace("N", "")
        moved = volume.transpose(["THWC".index(axis) for axis in axes])
        scaled = np.ascontiguousarray(moved, np.float32) / np.float32(255)
        clip = np.expand_dims(scaled, self.layout.index("N")) if "N" in self.layout else scaled
        result = np.asarray(self.call(self.from_numpy(clip)))
        if "N" in self.layout:
            result = result.squeeze(self.layout.index("N"))
        back = result.transpose([axes.index(axis) for axis in "THWC"])
        return np.ascontiguousarray(np.floor(255 * back.clip(0, 1) + 0.5), np.uint8)


@dataclass(frozen=True, slots=True)
class OfBatch:
    """`batch(volumes, keys)`, on (N, T, H, W, 3) and N keys, called with one; declare `batch` as well."""

    batch: Callable[[NDArray[np.uint8], Sequence[int]], NDArray[np.uint8]]

    def __call__(self, volume: Volume, key: int) -> Volume:
        """The one volume changed."""
        result: Volume = self.batch(volume[np.newaxis], [key])[0]
        return result
