"""Augmentations that do what they claim: `RIGHT` maps a name to each, with its claims."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planted.draws import RANGES, Volume, amount, brighter, checked, draw, parameters
from stpairs_core.testing.augmentations import Augmentation, Declares, Keyless, OfBatch


def brightness(volume: Volume, key: int) -> Volume:
    return brighter(volume, amount(key))


def brightness_by(volume: Volume, drawn: Mapping[str, float]) -> Volume:
    return brighter(volume, drawn["amount"])


def unchanged(volume: Volume) -> Volume:
    return brighter(volume, 0)


def gamma(volume: Volume, key: int) -> Volume:
    return np.round(255 * (checked(volume) / 255) ** draw(key, 0.5, 2)).astype(np.uint8)


def invert(volume: Volume) -> Volume:
    return 255 - checked(volume)


def swap_channels(volume: Volume, key: int) -> Volume:
    return checked(volume)[..., np.random.default_rng(key).permutation(3)]


def flip_seldom(volume: Volume, key: int) -> Volume:
    mirrored = checked(volume)[:, :, ::-1].copy()
    return mirrored if draw(key, 0, 1) < 0.25 else volume.copy()


def backwards(volume: Volume) -> Volume:
    return checked(volume)[::-1].copy()


def one_hole(volume: Volume, key: int) -> Volume:
    """The same rectangle of every frame painted black."""
    result = checked(volume).copy(order="C")
    top, left = (int(draw(key, 0, size, axis)) for axis, size in enumerate(volume.shape[1:3]))
    result[:, top : top + 3, left : left + 3] = 0
    return result


def film_grain(volume: Volume, key: int) -> Volume:
    """The same noise on every frame, which looks like a dirty lens."""
    noise = np.random.default_rng(key).normal(0, 10, checked(volume).shape[1:])
    return brighter(volume, noise[np.newaxis])


def blur(volume: Volume) -> Volume:
    """The mean of three pixels of a row, the edges repeated."""
    if not checked(volume).size:
        return volume.copy()
    padded = np.pad(volume.astype(int), ((0, 0), (0, 0), (1, 1), (0, 0)), mode="edge")
    mean: Volume = ((padded[:, :, :-2] + padded[:, :, 1:-1] + padded[:, :, 2:]) // 3).astype(np.uint8)
    return mean


def centre(volume: Volume) -> Volume:
    """Every second row and column, as a crop or a scale changes the shape."""
    return checked(volume)[:, ::2, ::2].copy()


def halved(shape: tuple[int, ...]) -> tuple[int, ...]:
    frames, height, width, channels = shape
    return frames, -(-height // 2), -(-width // 2), channels


@dataclass(frozen=True)
class InPlace:
    """Changes what it is given, and says so."""

    most: float

    def __call__(self, volume: Volume, key: int) -> Volume:
        checked(volume)[:] = brighter(volume, draw(key, 0, self.most))
        return volume


in_place = InPlace(50)


def brightness_of_batch(volumes: NDArray[np.uint8], keys: Sequence[int]) -> NDArray[np.uint8]:
    return np.stack([brightness(volume, key) for volume, key in zip(volumes, keys, strict=True)])


RIGHT: dict[str, tuple[Augmentation, Declares]] = {
    "brightness": (
        brightness,
        Declares(
            random=True,
            pixelwise=True,
            monotone=True,
            grey_stays_grey=True,
            contiguous=False,
            parameters=parameters,
            ranges=RANGES,
            uniform=("amount",),
            replay=brightness_by,
            identity=unchanged,
        ),
    ),
    "gamma": (gamma, Declares(random=True, pixelwise=True, monotone=True, grey_stays_grey=True)),
    "invert": (Keyless(invert), Declares(pixelwise=True, involution=True, grey_stays_grey=True, probability=1)),
    "swapped channels": (swap_channels, Declares(random=True, pixelwise=True, monotone=True, grey_stays_grey=True)),
    "flip": (flip_seldom, Declares(random=True, mirrors=True, involution=True, probability=0.25, contiguous=True)),
    "backwards": (Keyless(backwards), Declares(framewise=False, involution=True)),
    "hole": (one_hole, Declares(random=True, contiguous=True)),
    "grain": (film_grain, Declares(random=True)),
    "blur": (Keyless(blur), Declares(grey_stays_grey=True)),
    "half the size": (Keyless(centre), Declares(output_shape=halved, grey_stays_grey=True)),
    "in place": (in_place, Declares(random=True, keeps_input=False, pixelwise=True, monotone=True)),
    "batch": (OfBatch(brightness_of_batch), Declares(random=True, pixelwise=True, batch=brightness_of_batch)),
}
