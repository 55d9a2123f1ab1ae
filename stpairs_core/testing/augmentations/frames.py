"""Checks of what is done to frames, places and colours.

A check is a plain function of what its arguments name: the augmentation, a volume, a key, claims of `Declares`. Its
source, printed after the input that broke it, is the reproducer; so it uses NumPy, the standard library and the
functions of its own file only. It hands out copies, so that one fault, a changed input, stays one.
"""

from collections.abc import Callable

import numpy as np

from stpairs_core.testing.augmentations.declares import Augmentation, Volume


def apart(one: Volume, other: Volume) -> float:
    """The greatest difference of two volumes in levels; infinite where their shapes differ."""
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape:
        return float("inf")
    return float(np.abs(one.astype(np.float64) - other.astype(np.float64)).max(initial=0))


def one_draw_for_all_frames(aug: Augmentation, volume: Volume, key: int, tolerance: int) -> None:
    """Identical frames stay identical: one draw serves the whole volume."""
    still = np.repeat(volume[:1], max(4, len(volume)), axis=0)
    result = aug(still.copy(), key)
    for number, frame in enumerate(result):
        gap = apart(frame, result[0])
        assert gap <= tolerance, f"of identical frames, frame {number} comes out {gap:g} levels from frame 0"


def commutes_with_time_crop(
    aug: Augmentation, volume: Volume, key: int, tolerance: int, smallest: tuple[int, int, int]
) -> None:
    """Cutting frames out before or after is the same: a frame's change does not depend on its place."""
    if len(volume) == smallest[0]:
        return
    for part in (slice(1, None), slice(None, -1), slice(len(volume) - smallest[0], None)):
        gap = apart(aug(volume[part].copy(), key), aug(volume.copy(), key)[part])
        assert gap <= tolerance, f"frames {part.start}:{part.stop} cut before and after differ by {gap:g} levels"


def commutes_with_frame_order(aug: Augmentation, volume: Volume, key: int, tolerance: int) -> None:
    """Frames in another order give the same frames in that order: no frame looks at its neighbours."""
    order = np.roll(np.arange(len(volume))[::-1], 1)
    gap = apart(aug(volume[order].copy(), key), aug(volume.copy(), key)[order])
    assert gap <= tolerance, f"frames in the order {order.tolist()} before and after differ by {gap:g} levels"


def commutes_with_spatial_crop(
    aug: Augmentation, volume: Volume, key: int, tolerance: int, smallest: tuple[int, int, int]
) -> None:
    """A colour change of pixels is the same before and after a crop: no pixel knows its place or its neighbours."""
    height, width = volume.shape[1:3]
    for rows, columns in ((height - height // 3, width - width // 3), smallest[1:]):
        rows, columns = max(rows, smallest[1]), max(columns, smallest[2])
        top = height - rows
        gap = apart(aug(volume[:, top:, :columns].copy(), key), aug(volume.copy(), key)[:, top:, :columns])
        assert gap <= tolerance, f"the crop [:, {top}:, :{columns}] before and after differs by {gap:g} levels"


def commutes_with_flip(aug: Augmentation, volume: Volume, key: int, tolerance: int) -> None:
    """A colour change of pixels is the same before and after a flip."""
    gap = apart(aug(volume[:, :, ::-1].copy(), key), aug(volume.copy(), key)[:, :, ::-1])
    assert gap <= tolerance, f"mirrored before and after, the results differ by {gap:g} levels"


def twice_is_nothing(aug: Augmentation, volume: Volume, key: int, tolerance: int) -> None:
    """Applied twice with one key, it gives the volume back."""
    gap = apart(aug(aug(volume.copy(), key), key), volume)
    assert gap <= tolerance, f"applied twice, the volume is changed by {gap:g} levels"


def mirror_is_matrix_product(aug: Augmentation, volume: Volume) -> None:
    """The result is X A, A anti-diagonal, or X itself, for each of 64 keys, and X A for one of them at least.

    A flip of probability p is missed with the chance (1 - p)**64.
    """
    anti_diagonal = np.fliplr(np.eye(volume.shape[2], dtype=np.int64))
    mirrored = np.einsum("thwc,wx->thxc", volume, anti_diagonal)
    gaps = []
    for key in range(64):
        result = aug(volume.copy(), key)
        gaps.append(apart(result, mirrored))
        assert min(gaps[-1], apart(result, volume)) == 0, f"key {key} gives neither the volume nor its mirror image"
    assert min(gaps) == 0, "none of 64 keys mirrors the volume"


def identity_changes_nothing(identity: Callable[[Volume], Volume], volume: Volume, tolerance: int) -> None:
    """With the parameters of no change, nothing changes."""
    gap = apart(identity(volume.copy()), volume)
    assert gap <= tolerance, f"the identity changes the volume by {gap:g} levels"


def grey_stays_grey(aug: Augmentation, volume: Volume, key: int, tolerance: int) -> None:
    """Where r = g = b, the result has r = g = b."""
    grey = np.repeat(volume[..., :1], 3, axis=-1)
    result = np.asarray(aug(grey.copy(), key)).astype(int)
    gap = (result.max(axis=-1) - result.min(axis=-1)).max()
    assert gap <= tolerance, f"the channels of a grey volume come out {gap} levels apart"


def no_wrap_around(aug: Augmentation, key: int, tolerance: int, smallest: tuple[int, int, int]) -> None:
    """A brighter grey does not come out darker: no sum or product has left eight bits and begun anew."""
    ramp = np.zeros((smallest[0], smallest[1], max(256, smallest[2]), 3), np.uint8)
    ramp[:, :, :256] = np.arange(256, dtype=np.uint8)[:, np.newaxis]
    values = np.asarray(aug(ramp.copy(), key)).astype(int).max(axis=-1)[0, 0, :256]
    drop = int(np.diff(values).argmin())
    fall = int(-np.diff(values)[drop])
    assert fall <= tolerance, (
        f"grey {drop} comes out as {values[drop]}, the brighter grey {drop + 1} as {values[drop + 1]}"
    )


def detail_survives(aug: Augmentation, volume: Volume) -> None:
    """Half of 32 keys leave 16 levels or more of a colourful volume: not all black, white, or cast from [0, 1]."""
    levels = sorted(len(np.unique(aug(volume.copy(), key))) for key in range(32))
    seen = len(np.unique(volume))
    assert levels[16] >= 16, f"of the {seen} levels of a volume, half of 32 keys leave {levels[16]} or fewer"
