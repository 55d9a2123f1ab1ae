"""The paper's own changes, F1, F2 and F1 after F2, as augmentations with all that is claimed of them."""

from collections.abc import Mapping
from dataclasses import replace

from stpairs_core import rng
from stpairs_core.color import flip, recolor
from stpairs_core.testing.augmentations.declares import Augmentation, Declares, Volume

RANGES = {"offset": (-0.1, 0.1), "exponent": (0.5, 2.0), "scale": (0.7, 2.0)}
"""Of F1's three draws; the paper's "Color Transformations", section 3."""


def f1_parameters(key: int) -> dict[str, float]:
    """F1's offset, exponent and scale for a key."""
    draws = rng.uniform(0, key, rng.TESTS, len(RANGES)).tolist()
    return {name: low + (high - low) * draw for draw, (name, (low, high)) in zip(draws, RANGES.items(), strict=True)}


def f1(volume: Volume, key: int) -> Volume:
    """F1: colours changed, the same way in the whole volume."""
    return _replay(volume, f1_parameters(key))


def f1_hue(volume: Volume, key: int) -> Volume:
    """F1 with the offset on the hue alone, so that greys stay grey."""
    return _replay_hue(volume, f1_parameters(key))


def f2(volume: Volume, key: int) -> Volume:
    """F2: mirrored left-right, for every key."""
    return flip(volume)


def f2_or_not(volume: Volume, key: int) -> Volume:
    """F2 on the toss of a fair coin, as the paper applies it."""
    mirrored = flip(volume)  # in any case, for it refuses what is no volume
    return mirrored if rng.uniform(0, key, rng.TESTS, 1)[0] < 0.5 else volume.copy()


def f1_f2(volume: Volume, key: int) -> Volume:
    """F1, then F2."""
    return flip(f1(volume, key))


def _replay(volume: Volume, parameters: Mapping[str, float]) -> Volume:
    return recolor(volume, parameters["offset"], parameters["exponent"], parameters["scale"])


def _replay_hue(volume: Volume, parameters: Mapping[str, float]) -> Volume:
    return recolor(volume, parameters["offset"], parameters["exponent"], parameters["scale"], channels="h")


def _replay_mirrored(volume: Volume, parameters: Mapping[str, float]) -> Volume:
    return flip(_replay(volume, parameters))


def _neutral(volume: Volume) -> Volume:
    return recolor(volume, offset=0.0, exponent=1.0, scale=1.0)


_F1 = Declares(
    random=True,
    pixelwise=True,
    monotone=True,
    contiguous=True,
    probability=1.0,
    parameters=f1_parameters,
    ranges=RANGES,
    uniform=tuple(RANGES),
    replay=_replay,
    identity=_neutral,
)

F1 = (f1, _F1)
F1_HUE = (f1_hue, replace(_F1, grey_stays_grey=True, replay=_replay_hue))
F2 = (f2, Declares(involution=True, mirrors=True, contiguous=True, grey_stays_grey=True))
F2_OR_NOT = (f2_or_not, replace(F2[1], random=True, probability=0.5))
F1_F2 = (f1_f2, replace(_F1, pixelwise=False, monotone=False, replay=_replay_mirrored, identity=None))


def paper_augmentations() -> dict[str, tuple[Augmentation, Declares]]:
    """Each change of the paper by name, with its claims, as `check_augmentation` takes them."""
    return {"F1": F1, "F1 on the hue": F1_HUE, "F2": F2, "F2 or not": F2_OR_NOT, "F1 and F2": F1_F2}
