"""One fault each: `FAULTS` maps the check that must find it to the augmentation and what it claims."""

import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planted.draws import RANGES, Volume, amount, brighter, checked, draw, parameters
from stpairs_core.testing.augmentations import Augmentation, Declares

Faults = dict[str, tuple[Augmentation, Declares]]


def returns_float(volume: Volume, key: int) -> Any:
    return brighter(volume, amount(key)).astype(np.float32)


def loses_even_row(volume: Volume, key: int) -> Volume:
    rows = checked(volume).shape[1]
    return brighter(volume, amount(key))[:, : rows - (rows % 2 == 0 and rows > 6)]


def turned_in_memory(volume: Volume, key: int) -> Volume:
    return np.asfortranarray(brighter(volume, amount(key)))


def draws_anew(volume: Volume, key: int) -> Volume:
    return brighter(volume, float(np.random.default_rng().uniform(-40, 40)))


def forgets_the_key(volume: Volume, key: int) -> Volume:
    return brighter(volume, 20)


def takes_small_keys_only(volume: Volume, key: int) -> Volume:
    return brighter(volume, np.random.RandomState(key).uniform(-40, 40))


class RemembersTheKey:
    """A new draw with each new key, from a counter."""

    def __init__(self) -> None:
        self.key, self.calls = -1, 0

    def __call__(self, volume: Volume, key: int) -> Volume:
        if key != self.key:
            self.key, self.calls = key, self.calls + 1
        return brighter(volume, amount(self.calls))


remembers_the_key = RemembersTheKey()


def seeds_everyone(volume: Volume, key: int) -> Volume:
    np.random.seed(key % 2**32)
    return brighter(volume, np.random.uniform(-40, 40))


def peeks_at_everyone(volume: Volume, key: int) -> Volume:
    return brighter(volume, amount(key) + random.getstate()[1][5] % 7)


def paints_over(volume: Volume, key: int) -> Volume:
    result = brighter(volume, amount(key))
    if volume.flags.writeable:
        volume[:] = 0
    return result


def shows_the_same_memory(volume: Volume, key: int) -> Volume:
    return checked(volume)[:, :, ::-1]


class HandsOutOneBuffer:
    """The result of a call is overwritten by the next one."""

    def __init__(self) -> None:
        self.buffers: dict[tuple[int, ...], Volume] = {}

    def __call__(self, volume: Volume, key: int) -> Volume:
        buffer = self.buffers.setdefault(volume.shape, np.empty_like(volume, order="C"))
        buffer[:] = brighter(volume, amount(key))
        return buffer


hands_out_one_buffer = HandsOutOneBuffer()


def works_in_place_and_undoes_it(volume: Volume, key: int) -> Volume:
    checked(volume)[:] = 255 - volume
    result = brighter(volume, amount(key))
    volume[:] = 255 - volume
    return result


def reads_memory_in_its_order(volume: Volume, key: int) -> Volume:
    result = brighter(volume, amount(key))
    return result if volume.flags.c_contiguous else volume.ravel(order="K").reshape(volume.shape)


def squeezes_one_frame(volume: Volume, key: int) -> Volume:
    result = brighter(volume, amount(key))
    return result[0] if len(result) == 1 and result.shape[1] > 1 else result


def needs_more_than_a_pixel(volume: Volume, key: int) -> Volume:
    if checked(volume).shape[1:3] == (1, 1):
        np.gradient(volume, axis=1)
    return brighter(volume, amount(key))


def needs_two_columns(volume: Volume, key: int) -> Volume:
    if checked(volume).shape[2] == 1 < volume.shape[1]:
        np.gradient(volume, axis=2)
    return brighter(volume, amount(key))


def loses_odd_columns(volume: Volume, key: int) -> Volume:
    width = checked(volume).shape[2]
    return brighter(volume, amount(key))[:, :, : max(width // 2 * 2, 1)]


def divides_by_black(volume: Volume, key: int) -> Volume:
    greatest = checked(volume).max(axis=(1, 2, 3), keepdims=True, initial=0).astype(float)
    with np.errstate(divide="warn", invalid="warn"):
        scale = greatest / greatest
    return brighter(volume, amount(key) * np.nan_to_num(scale))


def takes_floats(volume: Volume, key: int) -> Volume:
    return brighter(volume.astype(np.uint8), amount(key))


def takes_any_channels(volume: Volume, key: int) -> Volume:
    if volume.dtype != np.uint8:
        raise TypeError(f"needs uint8, not {volume.dtype}")
    result: Volume = np.clip(volume.astype(int) + round(amount(key)), 0, 255).astype(np.uint8)
    return result


def stumbles_over_nothing(volume: Volume, key: int) -> Volume:
    return brighter(volume, amount(key) + 0 // checked(volume).size)


def forgets_to_scale_back(volume: Volume, key: int) -> Volume:
    return (checked(volume) / 255 * draw(key, 0.5, 1.5)).astype(np.uint8)


def flickers(volume: Volume, key: int) -> Volume:
    each = np.random.default_rng(key).uniform(-40, 40, len(volume))
    return brighter(volume, each[:, np.newaxis, np.newaxis, np.newaxis])


def stretches_the_whole_volume(volume: Volume, key: int) -> Volume:
    greatest = max(int(checked(volume).max(initial=1)), 1)
    least = int(volume.min(initial=255))
    return brighter((volume - least) // max(greatest - least, 1) * 40 + volume // 2, amount(key))


def blends_frames(volume: Volume, key: int) -> Volume:
    before = np.concatenate([checked(volume)[:1], volume[:-1]])
    return brighter((volume // 2 + before // 2).astype(np.uint8), amount(key))


def darkens_the_edges(volume: Volume, key: int) -> Volume:
    across = np.abs(np.linspace(-1, 1, checked(volume).shape[2]))[np.newaxis, np.newaxis, :, np.newaxis]
    return brighter(volume, amount(key) - 60 * across)


def stripes(volume: Volume, key: int) -> Volume:
    odd = (np.arange(checked(volume).shape[2]) % 2)[np.newaxis, np.newaxis, :, np.newaxis]
    return brighter(volume, amount(key) - 60.0 * odd)


def warms_greys(volume: Volume, key: int) -> Volume:
    return brighter(volume, amount(key) + np.array([10.0, 0.0, -10.0]))


def wraps_around(volume: Volume, key: int) -> Volume:
    return checked(volume) + np.uint8(draw(key, 20, 60))


def rolls(volume: Volume, key: int) -> Volume:
    return np.roll(checked(volume), 1 + key % 3, axis=2)


def mirrors_upside_down(volume: Volume, key: int) -> Volume:
    return checked(volume)[:, ::-1].copy()


def gamma(volume: Volume, exponent: float) -> Volume:
    return (255 * (checked(volume) / 255) ** exponent).astype(np.uint8)  # cut off, not rounded


def gamma_of_a_key(volume: Volume, key: int) -> Volume:
    return gamma(volume, draw(key, 0.5, 2))


def gamma_of_one(volume: Volume) -> Volume:
    return gamma(volume, 1.0 + 1e-12)


def brighter_by_key(volume: Volume, key: int) -> Volume:
    return brighter(volume, amount(key))


def too_wide(key: int) -> dict[str, float]:
    return {"amount": draw(key, -41, 40)}


def one_half(key: int) -> dict[str, float]:
    return {"amount": draw(key, 0, 40)}


def near_the_middle(key: int) -> dict[str, float]:
    return {"amount": 40 * draw(key, -1, 1) ** 3}


def in_a_row(key: int) -> dict[str, float]:
    return {"amount": -40 + 80 * (key % 100) / 99}


def replay_backwards(volume: Volume, drawn: Any) -> Volume:
    return brighter(volume, -drawn["amount"])


def seldom(volume: Volume, key: int) -> Volume:
    return brighter(volume, 20) if draw(key, 0, 1) < 0.3 else checked(volume).copy()


def batch_of_one_draw(volumes: NDArray[np.uint8], keys: Sequence[int]) -> NDArray[np.uint8]:
    return np.stack([brighter(volume, amount(keys[0])) for volume in volumes])


class WaitsBetween:
    """What was drawn lies on the object until it is used, and another thread may come between."""

    def __init__(self) -> None:
        self.amount = 0.0

    def __call__(self, volume: Volume, key: int) -> Volume:
        self.amount = amount(key)
        time.sleep(1e-4)
        return brighter(volume, self.amount)


waits_between = WaitsBetween()


class HoldsALock:
    """A lock does not pickle."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __call__(self, volume: Volume, key: int) -> Volume:
        with self.lock:
            return brighter(volume, amount(key))


holds_a_lock = HoldsALock()


class HangsAfterAFork:
    """Waits for threads that a fork has not taken along, as some libraries do."""

    user = 0

    def __call__(self, volume: Volume, key: int) -> Volume:
        HangsAfterAFork.user = HangsAfterAFork.user or os.getpid()
        if HangsAfterAFork.user != os.getpid():
            time.sleep(3600)
        return brighter(volume, amount(key))


hangs_after_a_fork = HangsAfterAFork()


def hashes_a_name(volume: Volume, key: int) -> Volume:
    return brighter(volume, amount(hash(("brightness", key)) % 2**63))


BRIGHTER = Declares(random=True)
PIXELWISE = Declares(random=True, pixelwise=True)


def _drawn(parameters: Callable[[int], dict[str, float]], **more: Any) -> tuple[Augmentation, Declares]:
    return brighter_by_key, Declares(random=True, parameters=parameters, ranges=RANGES, **more)


FAULTS: Faults = {
    "returns_uint8_rgb": (returns_float, BRIGHTER),
    "shape_as_declared": (loses_even_row, BRIGHTER),
    "contiguous_as_declared": (turned_in_memory, Declares(contiguous=True)),
    "same_key_same_bytes": (draws_anew, BRIGHTER),
    "different_keys_differ": (forgets_the_key, BRIGHTER),
    "large_keys_work": (takes_small_keys_only, BRIGHTER),
    "earlier_calls_do_not_matter": (remembers_the_key, BRIGHTER),
    "global_generators_untouched": (seeds_everyone, BRIGHTER),
    "global_generators_unused": (peeks_at_everyone, BRIGHTER),
    "input_untouched": (paints_over, BRIGHTER),
    "result_is_no_view": (shows_the_same_memory, Declares(involution=True)),
    "earlier_results_stay": (hands_out_one_buffer, BRIGHTER),
    "read_only_works": (works_in_place_and_undoes_it, BRIGHTER),
    "layouts_do_not_matter": (reads_memory_in_its_order, BRIGHTER),
    "one_frame_works": (squeezes_one_frame, BRIGHTER),
    "one_pixel_works": (needs_more_than_a_pixel, BRIGHTER),
    "thin_volumes_work": (needs_two_columns, BRIGHTER),
    "odd_sizes_work": (loses_odd_columns, BRIGHTER),
    "extremes_work": (divides_by_black, BRIGHTER),
    "refuses_float": (takes_floats, BRIGHTER),
    "refuses_wrong_channels": (takes_any_channels, BRIGHTER),
    "empty_is_refused_or_stays_empty": (stumbles_over_nothing, BRIGHTER),
    "detail_survives": (forgets_to_scale_back, Declares()),
    "one_draw_for_all_frames": (flickers, BRIGHTER),
    "commutes_with_time_crop": (stretches_the_whole_volume, BRIGHTER),
    "commutes_with_frame_order": (blends_frames, BRIGHTER),
    "commutes_with_spatial_crop": (darkens_the_edges, PIXELWISE),
    "commutes_with_flip": (stripes, PIXELWISE),
    "grey_stays_grey": (warms_greys, Declares(random=True, pixelwise=True, grey_stays_grey=True)),
    "no_wrap_around": (wraps_around, Declares(random=True, pixelwise=True, monotone=True)),
    "twice_is_nothing": (rolls, Declares(random=True, involution=True)),
    "mirror_is_matrix_product": (mirrors_upside_down, Declares(involution=True, mirrors=True)),
    "identity_changes_nothing": (gamma_of_a_key, Declares(random=True, pixelwise=True, identity=gamma_of_one)),
    "ranges_kept": _drawn(too_wide),
    "ranges_used": _drawn(one_half),
    "draws_are_uniform": _drawn(near_the_middle, uniform=("amount",)),
    "neighbouring_keys_are_independent": _drawn(in_a_row, uniform=("amount",)),
    "parameters_are_what_is_applied": _drawn(parameters, replay=replay_backwards),
    "probability_as_declared": (seldom, Declares(random=True, probability=0.5)),
    "batch_equals_loop": (brighter_by_key, Declares(random=True, batch=batch_of_one_draw)),
    "threads_equal_serial": (waits_between, BRIGHTER),
    "pickles": (holds_a_lock, BRIGHTER),
    "processes_equal_this": (hashes_a_name, BRIGHTER),
}
"""For each check the fault that it is there to find."""
