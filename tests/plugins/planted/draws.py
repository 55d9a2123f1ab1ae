"""What the planted augmentations share: a refusal of what is no volume, and draws by key."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Volume = NDArray[np.uint8]


def checked(volume: Volume) -> Volume:
    if volume.dtype != np.uint8 or volume.ndim != 4 or volume.shape[-1] != 3:
        raise ValueError(f"a volume is uint8 (T, H, W, 3), not {volume.dtype} {volume.shape}")
    return volume


def draw(key: int, low: float, high: float, purpose: int = 0) -> float:
    return float(np.random.default_rng([purpose, key]).uniform(low, high))


def brighter(volume: Volume, by: float | NDArray[Any]) -> Volume:
    """The volume `by` levels brighter, cut to eight bits."""
    result: Volume = np.clip(checked(volume) + np.round(by), 0, 255).astype(np.uint8)
    return result


def amount(key: int) -> float:
    return draw(key, -40, 40)


def parameters(key: int) -> dict[str, float]:
    return {"amount": amount(key)}


RANGES = {"amount": (-40.0, 40.0)}
