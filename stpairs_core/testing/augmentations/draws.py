"""Checks of what is drawn. Those that judge chance fail for one right augmentation in 10**9, or fewer."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from stpairs_core.testing.augmentations.declares import Augmentation, Volume

FALSE_ALARMS = 1e-9
"""Chance that a check of chance fails for an augmentation that keeps its word."""
DRAWS = 1000
"""Keys whose parameters are looked at."""


def drawn(parameters: Callable[[int], Mapping[str, float]], name: str) -> list[float]:
    """The draws of one name for the first keys, where it is drawn."""
    found = [parameters(key) for key in range(DRAWS)]
    values = [float(one[name]) for one in found if name in one]
    assert values, f"no parameter {name!r} among {sorted(set().union(*found))} for {DRAWS} keys"
    return values


def ranges_kept(parameters: Callable[[int], Mapping[str, float]], ranges: Mapping[str, tuple[float, float]]) -> None:
    """Every number drawn for 1000 keys lies in its declared range."""
    for name, (least, greatest) in ranges.items():
        for value in drawn(parameters, name):
            assert least <= value <= greatest, f"{name} = {value} lies outside [{least}, {greatest}]"


def ranges_used(parameters: Callable[[int], Mapping[str, float]], ranges: Mapping[str, tuple[float, float]]) -> None:
    """Draws come into the lowest and the highest tenth of each range.

    For 1000 uniform draws the chance of a false alarm is 2 * 0.9**1000, below 1e-45.
    """
    for name, (least, greatest) in ranges.items():
        values = drawn(parameters, name)
        tenth = (greatest - least) / 10
        low = f"of {len(values)} draws of {name} the least is {min(values):g}, of a range from {least}"
        assert min(values) <= least + tenth, low
        high = f"of {len(values)} draws of {name} the greatest is {max(values):g}, of a range to {greatest}"
        assert max(values) >= greatest - tenth, high


def draws_are_uniform(
    parameters: Callable[[int], Mapping[str, float]],
    ranges: Mapping[str, tuple[float, float]],
    uniform: tuple[str, ...],
) -> None:
    """No draw's empirical distribution is further from the uniform one than chance allows.

    Kolmogorov and Smirnov's distance D of n draws; Massart's bound holds for every n: P(D > d) <= 2 exp(-2 n d^2).
    """
    for name in uniform:
        least, greatest = ranges[name]
        values = (np.sort(drawn(parameters, name)) - least) / (greatest - least)
        steps = np.arange(len(values) + 1) / len(values)
        distance = float(max((steps[1:] - values).max(), (values - steps[:-1]).max()))
        allowed = math.sqrt(math.log(2 / FALSE_ALARMS) / (2 * len(values)))
        text = f"{len(values)} draws of {name} are {distance:.3f} from uniform over [{least}, {greatest}]"
        assert distance <= allowed, f"{text}; chance allows {allowed:.3f}"


def neighbouring_keys_are_independent(
    parameters: Callable[[int], Mapping[str, float]], ranges: Mapping[str, tuple[float, float]]
) -> None:
    """The draws of keys k and k + 1 are not correlated, nor those of k and k + 2.

    A correlation of n independent pairs is nearly normal with deviation 1/sqrt(n): 6.1 deviations are one in 10**9.
    """
    for name in ranges:
        values = np.array(drawn(parameters, name))
        if values.std() == 0:
            continue
        for lag in (1, 2):
            found = float(np.corrcoef(values[:-lag], values[lag:])[0, 1])
            allowed = 6.1 / math.sqrt(len(values) - lag)
            text = f"draws of {name} for keys {lag} apart correlate by {found:.2f}"
            assert abs(found) <= allowed, f"{text}; chance allows {allowed:.2f}"


def parameters_are_what_is_applied(
    aug: Augmentation,
    volume: Volume,
    key: int,
    tolerance: int,
    parameters: Callable[[int], Mapping[str, float]],
    replay: Callable[[Volume, Mapping[str, float]], Volume],
) -> None:
    """Handing the drawn numbers back gives the same volume: what is declared is what was done."""
    replayed = np.asarray(replay(volume.copy(), parameters(key)))
    result = np.asarray(aug(volume.copy(), key))
    gap = np.abs(replayed.astype(int) - result.astype(int)).max()
    assert gap <= tolerance, f"the parameters {dict(parameters(key))} replayed differ from the result by {gap} levels"


def probability_as_declared(aug: Augmentation, volume: Volume, probability: float) -> None:
    """The share of 400 keys that change the volume is what was declared, within what chance allows.

    Chernoff's bound: a share q of n, or one further off, has the chance exp(-n KL(q, p)) at most, on either side.
    """
    keys = 400
    changed = sum(not np.array_equal(aug(volume.copy(), key), volume) for key in range(keys))
    share, distance = changed / keys, 0.0
    for found, wanted in ((share, probability), (1 - share, 1 - probability)):
        if found > 0:
            distance += found * math.log(found / wanted) if wanted > 0 else math.inf
    text = f"{changed} of {keys} keys change the volume, for a declared probability of {probability}"
    assert keys * distance <= math.log(2 / FALSE_ALARMS), text
