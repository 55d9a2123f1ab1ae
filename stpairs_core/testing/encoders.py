"""What every encoder must do, each promise a check of its own; `suites.EncoderTests` runs them.

The same calls must give the same bits. That is promised on the CPU alone: on another device an encoder passes only if
its kernels repeat their bits there.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stpairs_core import rng
from stpairs_core.errors import StpairsError
from stpairs_core.protocols import Encoder
from stpairs_core.spec import VolumeShape
from stpairs_core.testing.reproducing import refusal

LAYOUTS = ("read-only", "Fortran order", "negative strides", "gaps")
WRONG_SHAPES = (
    "a volume without a batch",
    "one more frame",
    "one more row",
    "one more column",
    "one channel",
    "four channels",
    "a batch of batches",
)
MANY = 18
"""Volumes of a large batch: more than some encoders take at once."""


def example_volumes(shape: VolumeShape, count: int, seed: int = 0) -> NDArray[np.uint8]:
    """(count, T, H, W, 3): noise, each volume around a colour of its own."""
    size = (count, shape.frames, shape.height, shape.width, 3)
    noise = rng.uniform(3, seed, rng.TESTS, int(np.prod(size))).reshape(size)
    color = rng.uniform(4, seed, rng.TESTS, count * 3).reshape(count, 1, 1, 1, 3)
    return (160 * color + 95 * noise).astype(np.uint8)


def shape_and_width(encoder: Encoder) -> None:
    """An encoder says which volumes it takes and how long its vectors are."""
    assert isinstance(encoder.shape, VolumeShape), f"shape is {encoder.shape!r}, not a VolumeShape"
    assert isinstance(encoder.width, int), f"width is {encoder.width!r}, not an int"
    assert encoder.width > 0, f"width is {encoder.width}"


def features(encoder: Encoder, count: int) -> None:
    """`count` volumes give finite float32 features, (count, width)."""
    found = encoder(example_volumes(encoder.shape, count))
    wanted = (count, encoder.width)
    assert found.shape == wanted, f"{count} volumes give the shape {found.shape}, not {wanted}"
    assert found.dtype == np.float32, f"features are {found.dtype}, not float32"
    assert np.isfinite(found).all(), "a feature is not finite"


def extremes(encoder: Encoder, level: int) -> None:
    """A volume of one level everywhere has finite features."""
    volume = np.full_like(example_volumes(encoder.shape, 1), level)
    assert np.isfinite(encoder(volume)).all(), f"a volume of {level} everywhere has features that are not finite"


def batch_equals_loop(encoder: Encoder, tolerance: float) -> None:
    """The features of a volume are the same alone, in any batch, and at any place of it."""
    volumes = example_volumes(encoder.shape, MANY)
    alone = np.concatenate([encoder(volumes[row : row + 1]) for row in range(MANY)])
    for order in (np.arange(MANY), np.arange(MANY)[::-1], np.arange(3)):
        off = float(np.abs(encoder(volumes[order]) - alone[order]).max())
        most = tolerance * float(np.abs(alone).max())
        assert off <= most, f"{len(order)} volumes together are {off} off from each alone; {most} is allowed"


def deterministic(encoder: Encoder) -> None:
    """The same volumes have the same features every time, whatever was encoded between."""
    volumes = example_volumes(encoder.shape, 3)
    first = encoder(volumes).copy()
    encoder(example_volumes(encoder.shape, 2, seed=1))
    assert np.array_equal(first, encoder(volumes)), "the same volumes have other features the second time"


def input_untouched(encoder: Encoder) -> None:
    """Encoding does not change the volumes."""
    volumes = example_volumes(encoder.shape, 3)
    kept = volumes.copy()
    encoder(volumes)
    assert np.array_equal(volumes, kept), "the encoder changed the volumes that it was given"


def layouts(encoder: Encoder, layout: str, tolerance: float) -> None:
    """How the volumes lie in memory does not matter."""
    volumes = example_volumes(encoder.shape, 3)
    if layout == "read-only":
        given = volumes.copy()
        given.flags.writeable = False
    elif layout == "Fortran order":
        given = np.asfortranarray(volumes)
    elif layout == "negative strides":
        given = volumes[::-1, ::-1, ::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1, ::-1, ::-1]
    else:  # every second one of a larger array
        given = np.repeat(volumes, 2, axis=3)[:, :, :, ::2]
    right = encoder(volumes)
    off = float(np.abs(encoder(given) - right).max())
    most = tolerance * float(np.abs(right).max())
    assert off <= most, f"with {layout} the same volumes have features {off} off; {most} is allowed"


def wrong_shape(encoder: Encoder, change: str) -> None:
    """Volumes of another shape are an error that names a size given."""
    volumes = example_volumes(encoder.shape, 2)
    wrong = {
        "a volume without a batch": volumes[0],
        "one more frame": np.concatenate([volumes, volumes[:, :1]], axis=1),
        "one more row": np.concatenate([volumes, volumes[:, :, :1]], axis=2),
        "one more column": np.concatenate([volumes, volumes[:, :, :, :1]], axis=3),
        "one channel": volumes[..., :1],
        "four channels": np.concatenate([volumes, volumes[..., :1]], axis=4),
        "a batch of batches": volumes[np.newaxis],
    }[change]
    what = f"{change}, {wrong.shape} for {encoder.shape},"
    text = refusal(lambda: encoder(wrong), what, StpairsError, ValueError, TypeError)
    assert any(str(size) in text for size in wrong.shape), f"{what} is refused without a size: {text}"


def wrong_dtype(encoder: Encoder, dtype: str) -> None:
    """Volumes that are not uint8 are an error that names what was given."""
    wrong = example_volumes(encoder.shape, 2).astype(dtype)
    text = refusal(lambda: encoder(wrong), f"a batch of {dtype}", StpairsError, ValueError, TypeError)
    assert dtype in text, f"a batch of {dtype} is refused without the word: {text}"


def threads(encoder: Encoder) -> None:
    """Threads that encode at once get the features of their own volumes."""
    batches = [example_volumes(encoder.shape, 2, seed) for seed in range(8)]
    alone = [encoder(volumes).copy() for volumes in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(encoder, batches * 3))
    for number, found in enumerate(together):
        assert np.array_equal(found, alone[number % 8]), f"among threads, batch {number % 8} has other features"


def tells_apart(encoder: Encoder) -> None:
    """Different volumes have different features."""
    found = encoder(example_volumes(encoder.shape, 6))
    for first in range(6):
        for second in range(first):
            assert not np.array_equal(found[first], found[second]), f"volumes {second} and {first} have equal features"


def features_stay(encoder: Encoder) -> None:
    """Features stay as they are when more is encoded, and belong to the caller."""
    volumes, others = (example_volumes(encoder.shape, 3, seed) for seed in (0, 1))
    first = encoder(volumes)
    kept = first.copy()
    encoder(others)
    assert np.array_equal(first, kept), "features changed when more was encoded: give each call memory of its own"
    first[...] = 0
    assert np.array_equal(encoder(volumes), kept), "writing into features changes what is given next"


def does_not_follow(encoder: Encoder, train: Callable[[], Any]) -> None:
    """Features stay the same while `train` goes on with what the encoder was taken from."""
    volumes = example_volumes(encoder.shape, 3)
    kept = encoder(volumes).copy()
    train()
    assert np.array_equal(encoder(volumes), kept), "the encoder follows what happens after it was taken"
