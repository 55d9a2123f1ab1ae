"""A right encoder, and encoders that each break one promise."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stpairs_core.errors import InvalidSpec
from stpairs_core.spec import VolumeShape

Volumes = NDArray[np.uint8]
Features = NDArray[np.float32]


class Colours:
    """The mean colour of each frame, times a matrix. Right in all things."""

    shape: Any = VolumeShape(3, 4, 6)
    width: Any = 5

    def __init__(self) -> None:
        self.weight = np.random.default_rng(0).normal(size=(9, 5))

    def __call__(self, volumes: Volumes) -> Features:
        self.check(volumes)
        return self.encode(volumes)

    def check(self, volumes: Volumes) -> None:
        if volumes.dtype != np.uint8 or volumes.shape[1:] != (3, 4, 6, 3):
            raise InvalidSpec(f"takes uint8 (n, 3, 4, 6, 3), not {volumes.dtype} {volumes.shape}")

    def encode(self, volumes: Volumes) -> Features:
        means = volumes.mean(axis=(2, 3)) / 255  # (n, 3, 3)
        found: Features = (means.reshape(len(volumes), 9) @ self.weight).astype(np.float32)
        return found

    def train(self) -> None:
        self.weight = self.weight + 1


class Frozen(Colours):
    """What a learner should hand out: training goes on elsewhere."""

    def train(self) -> None:
        """Nothing of this encoder."""


class ShapeIsATuple(Colours):
    shape = (3, 4, 6)


class WidthIsAFloat(Colours):
    width = 5.0


class SaysOtherWidth(Colours):
    width = 6


class NeedsAVolume(Colours):
    def encode(self, volumes: Volumes) -> Features:
        return np.stack([super(NeedsAVolume, self).encode(volume[np.newaxis])[0] for volume in volumes])


class Double(Colours):
    def encode(self, volumes: Volumes) -> Any:
        return super().encode(volumes).astype(np.float64)


class DividesByLight(Colours):
    def encode(self, volumes: Volumes) -> Features:
        with np.errstate(invalid="ignore"):
            light = volumes.mean(axis=(1, 2, 3, 4))[:, np.newaxis] / 255
            found: Features = (super().encode(volumes) / light).astype(np.float32)
            return found


class BatchNorm(Colours):
    """Normalised by the batch, as in training."""

    def encode(self, volumes: Volumes) -> Features:
        found = super().encode(volumes)
        return found - found.mean(axis=0) if len(found) > 1 else found


class Backwards(Colours):
    """The features of a batch in the wrong order."""

    def encode(self, volumes: Volumes) -> Features:
        return super().encode(volumes)[::-1]


class Dropout(Colours):
    """Drops out, as in training."""

    def __init__(self) -> None:
        super().__init__()
        self.random = np.random.default_rng(0)

    def encode(self, volumes: Volumes) -> Features:
        return super().encode(volumes) * (self.random.random(5) < 0.5).astype(np.float32)


class InPlace(Colours):
    def encode(self, volumes: Volumes) -> Features:
        if volumes.flags.writeable:
            volumes //= 2
        return super().encode(volumes)


class AsItLies(Colours):
    """Takes the memory of the volumes as if it were C-contiguous."""

    def encode(self, volumes: Volumes) -> Features:
        return super().encode(volumes.ravel("K").reshape(volumes.shape))


class NeedsToWrite(Colours):
    def encode(self, volumes: Volumes) -> Features:
        if not volumes.flags.writeable:
            raise ValueError("output array is read-only")
        return super().encode(volumes)


class AnyShape(Colours):
    def check(self, volumes: Volumes) -> None:
        if volumes.dtype != np.uint8 or volumes.ndim != 5 or volumes.shape[1] != 3 or volumes.shape[-1] != 3:
            super().check(volumes)


class AnyNumbers(Colours):
    def check(self, volumes: Volumes) -> None:
        super().check(volumes.astype(np.uint8))


class SaysNothing(Colours):
    def check(self, volumes: Volumes) -> None:
        try:
            super().check(volumes)
        except InvalidSpec:
            raise ValueError("bad input") from None


class Scratch(Colours):
    """One place for all threads to work in."""

    def encode(self, volumes: Volumes) -> Features:
        self.scratch = super().encode(volumes)
        time.sleep(0.002)  # so that it happens every time
        return self.scratch.copy()


class Dead(Colours):
    def __init__(self) -> None:
        super().__init__()
        self.weight = 0 * self.weight


class OneBuffer(Colours):
    def __init__(self) -> None:
        super().__init__()
        self.buffer = np.empty((99, 5), np.float32)

    def encode(self, volumes: Volumes) -> Features:
        self.buffer[: len(volumes)] = super().encode(volumes)
        return self.buffer[: len(volumes)]


class Cached(Colours):
    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[bytes, Features] = {}

    def encode(self, volumes: Volumes) -> Features:
        return self.cache.setdefault(volumes.tobytes(), super().encode(volumes))
