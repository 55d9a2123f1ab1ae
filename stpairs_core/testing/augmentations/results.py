"""Checks of what comes back: kind, shape and memory of the result, and that every volume is taken."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stpairs_core.testing.augmentations.declares import Augmentation, Shape, Volume

ACCIDENTS = (IndexError, KeyError, AttributeError, NameError, ArithmeticError, AssertionError, RecursionError)
"""Errors that say where a program broke, not what was wrong with the input."""


def returns_uint8_rgb(aug: Augmentation, volume: Volume, key: int) -> None:
    """The result is a NumPy array, uint8 (T, H, W, 3)."""
    result = aug(volume.copy(), key)
    assert isinstance(result, np.ndarray), f"the result is a {type(result).__name__}, not a NumPy array"
    assert result.dtype == np.uint8, f"the result is {result.dtype}, not uint8"
    rgb = result.ndim == 4 and result.shape[-1] == 3
    assert rgb, f"the result has the shape {result.shape}, not (T, H, W, 3)"


def shape_as_declared(aug: Augmentation, volume: Volume, key: int, output_shape: Callable[[Shape], Shape]) -> None:
    """The result has the declared shape."""
    wanted, found = tuple(output_shape(volume.shape)), np.shape(aug(volume.copy(), key))
    assert found == wanted, f"a volume of {volume.shape} comes out as {found}, not {wanted}"


def contiguous_as_declared(aug: Augmentation, volume: Volume, key: int) -> None:
    """The result is C-contiguous, for volumes in either order."""
    for given in (volume.copy(), np.asfortranarray(volume)):
        assert aug(given, key).flags.c_contiguous, "the result is not C-contiguous"


def input_untouched(aug: Augmentation, volume: Volume, key: int) -> None:
    """The volume given is what it was."""
    given = volume.copy()
    aug(given, key)
    assert np.array_equal(given, volume), "the volume that was given has been changed"


def result_is_no_view(aug: Augmentation, volume: Volume, key: int) -> None:
    """The result shares no memory with the volume given: changing one leaves the other."""
    given = volume.copy()
    assert not np.shares_memory(aug(given, key), given), "the result shares memory with the volume that was given"


def earlier_results_stay(aug: Augmentation, volume: Volume, key: int) -> None:
    """A result is still the same after the next call: no buffer is handed out twice."""
    result = aug(volume.copy(), key)
    kept = np.array(result)
    aug(255 - volume, key + 1)
    assert np.array_equal(result, kept), "a result changed with the next call"


def read_only_works(aug: Augmentation, volume: Volume, key: int) -> None:
    """A read-only volume, such as a memory-mapped one, gives what a writeable copy gives."""
    given = volume.copy()
    given.setflags(write=False)
    same = np.array_equal(aug(given, key), aug(volume.copy(), key))
    assert same, "a read-only volume gives another result than its writeable copy"


def layouts_do_not_matter(aug: Augmentation, volume: Volume, key: int) -> None:
    """Fortran order, negative strides and gaps in memory give what a contiguous volume gives."""
    wanted = aug(volume.copy(), key)
    layouts = {
        "in Fortran order": np.asfortranarray(volume),
        "with negative strides": volume[::-1, ::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1, ::-1],
        "with gaps": np.repeat(volume, 2, axis=2)[:, :, ::2],
    }
    for name, given in layouts.items():
        assert np.array_equal(aug(given, key), wanted), f"a volume {name} gives another result than its contiguous copy"


def taken(aug: Augmentation, volume: Volume, key: int, output_shape: Callable[[Shape], Shape] | None) -> None:
    """Nothing where a volume comes back as one, of the declared shape."""
    found = np.shape(aug(volume.copy(), key))
    assert len(found) == 4, f"a volume of {volume.shape} comes out as {found}, which is no volume"
    assert 0 not in found, f"a volume of {volume.shape} comes out empty: {found}"
    wanted = found if output_shape is None else tuple(output_shape(volume.shape))
    assert found == wanted, f"a volume of {volume.shape} comes out as {found}, not {wanted}"


def one_frame_works(aug: Augmentation, volume: Volume, key: int, output_shape: Callable[[Shape], Shape] | None) -> None:
    """A volume of one frame, or of the fewest declared, comes back as a volume."""
    taken(aug, volume, key, output_shape)


def one_pixel_works(aug: Augmentation, volume: Volume, key: int, output_shape: Callable[[Shape], Shape] | None) -> None:
    """Frames of one pixel, or of the smallest declared size, come back as a volume."""
    taken(aug, volume, key, output_shape)


def thin_volumes_work(
    aug: Augmentation, volume: Volume, key: int, output_shape: Callable[[Shape], Shape] | None
) -> None:
    """Frames of one row or one column come back as a volume."""
    taken(aug, volume, key, output_shape)


def odd_sizes_work(aug: Augmentation, volume: Volume, key: int, output_shape: Callable[[Shape], Shape] | None) -> None:
    """Odd numbers of frames, rows and columns lose no voxel."""
    taken(aug, volume, key, output_shape)


def extremes_work(aug: Augmentation, volume: Volume, key: int) -> None:
    """Black, white, grey and saturated volumes raise no error and no NumPy warning, such as a division by zero."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        aug(volume.copy(), key)


def refused(aug: Augmentation, bad: NDArray[Any], key: int, what: str) -> None:
    """Nothing where `bad` raises an error that was meant for the caller."""
    try:
        aug(bad, key)
    except Exception as error:
        if isinstance(error, ACCIDENTS) or not str(error):
            raise AssertionError(f"{what} break it with {type(error).__name__}: {error}; no clear error") from error
    else:
        raise AssertionError(f"{what} are taken without a word")


def refuses_float(aug: Augmentation, volume: Volume, key: int) -> None:
    """Floats where uint8 is needed are refused with a clear error, not guessed at."""
    refused(aug, (volume / 255).astype(np.float32), key, "floats in [0, 1]")


def refuses_wrong_channels(aug: Augmentation, volume: Volume, key: int) -> None:
    """One channel or four are refused with a clear error."""
    refused(aug, volume[..., :1].copy(), key, "volumes of one channel")
    refused(aug, np.concatenate([volume, volume[..., :1]], axis=-1), key, "volumes of four channels")


def empty_is_refused_or_stays_empty(aug: Augmentation, volume: Volume, key: int) -> None:
    """A volume without frames, rows or columns gives a clear error, or a result that is empty too."""
    for axis, name in enumerate(("frames", "rows", "columns")):
        empty = volume.take([], axis=axis)
        try:
            found = np.shape(aug(empty, key))
        except Exception as error:
            if isinstance(error, ACCIDENTS) or not str(error):
                raise AssertionError(f"a volume without {name} breaks it: {type(error).__name__}: {error}") from error
        else:
            assert 0 in found, f"a volume without {name} comes out as {found}"
