"""Augmentations of other styles, made into `aug(volume, key)`."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stpairs_core.errors import InvalidSpec
from stpairs_core.testing.augmentations import (
    Declares,
    FloatClips,
    Keyless,
    OfBatch,
    PerFrame,
    Seeded,
    check_augmentation,
)
from stpairs_core.testing.augmentations.samples import colours

Volume = NDArray[np.uint8]
VOLUME = colours((3, 4, 6))
SHAPES = {
    "NCTHW": (1, 3, 3, 4, 6),
    "NTCHW": (1, 3, 3, 4, 6),
    "TCHW": (3, 3, 4, 6),
    "CTHW": (3, 3, 4, 6),
    "THWC": (3, 4, 6, 3),
}


def jitter(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return (frame // 2 + np.uint8(np.random.randint(0, 99))).astype(np.uint8)


def halve(clip: Any) -> Any:
    return clip / 2


@pytest.mark.parametrize("layout", SHAPES)
def test_clips_go_there_and_come_back_without_loss(layout: str) -> None:
    seen: list[tuple[int, ...]] = []

    def look(clip: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(clip.shape)
        assert clip.dtype == np.float32
        assert clip.max() <= 1
        return clip

    assert np.array_equal(FloatClips(look, layout=layout)(VOLUME), VOLUME)
    assert seen == [SHAPES[layout]]


def test_the_axes_of_a_layout_are_those_of_the_volume() -> None:
    def brighten_the_last_frame_of_green(clip: NDArray[np.float32]) -> NDArray[np.float32]:
        clip[0, 1, -1] = 1  # N, C, T
        return clip

    expected = VOLUME.copy()
    expected[-1, :, :, 1] = 255
    assert np.array_equal(FloatClips(brighten_the_last_frame_of_green)(VOLUME), expected)


def test_clips_of_torch() -> None:
    import torch

    aug = FloatClips(halve, torch.from_numpy, "NCTHW")
    assert np.abs(aug(VOLUME).astype(int) - VOLUME / 2).max() <= 0.5


@pytest.mark.parametrize("layout", ["NCHW", "NNTCHW", "nthwc", "TCHWW"])
def test_a_layout_that_is_none_is_refused(layout: str) -> None:
    with pytest.raises(InvalidSpec, match="a layout has each of T, H, W, C once"):
        FloatClips(halve, layout=layout)


def test_frames_share_a_draw_only_where_each_is_seeded() -> None:
    still = np.repeat(VOLUME[:1], 4, axis=0)
    for aug, same in ((PerFrame(jitter, np.random.seed), True), (Seeded(PerFrame(jitter), np.random.seed), False)):
        first, *others = aug(still, 2**40 + 3)
        assert all(np.array_equal(first, frame) for frame in others) == same
        assert np.array_equal(aug(still, 5), aug(still, 5))


def twice(volumes: NDArray[np.uint8], keys: Any) -> NDArray[np.uint8]:
    return volumes * np.uint8(2)


def mirror(volume: Volume) -> Volume:
    return volume[:, :, ::-1].copy()


@pytest.mark.parametrize(
    "aug", [Keyless(mirror), FloatClips(halve), PerFrame(jitter, np.random.seed), OfBatch(twice)], ids=repr
)
def test_adapters_pickle(aug: Callable[..., Volume]) -> None:
    copy = pickle.loads(pickle.dumps(aug))
    given = (VOLUME,) if isinstance(aug, FloatClips) else (VOLUME, 7)
    assert np.array_equal(copy(*given), aug(*given))


def test_a_float_pipeline_passes_with_its_tolerance() -> None:
    aug = Seeded(FloatClips(halve), int)
    check_augmentation(aug, Declares(pixelwise=True, monotone=True, grey_stays_grey=True))
