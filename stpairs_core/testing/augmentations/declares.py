"""What an augmentation is, and what its author may say about it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Volume = NDArray[np.uint8]
"""uint8 (T, H, W, 3), RGB."""
Shape = tuple[int, ...]
Augmentation = Callable[[Volume, int], Volume]
"""aug(volume, key) -> volume: the key, 0 <= key < 2**63, is all that the draw depends on."""


def same_shape(shape: Shape) -> Shape:
    """The shape itself, which most augmentations keep."""
    return shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Declares:
    """What is claimed of an augmentation; a check whose claim is not made is skipped.

    The claims that are made unless withdrawn are those that anyone expects of a video augmentation.
    """

    one_draw: bool = True
    """One draw for the whole volume: identical frames stay identical."""
    framewise: bool = True
    """A frame's result depends on that frame and the key alone, not on its place or on other frames."""
    keeps_input: bool = True
    """The volume given is left as it was, and the result shares no memory with it. False: works in place."""
    strict_input: bool = True
    """Floats and other numbers of channels are refused. False: they are taken on purpose."""
    keeps_detail: bool = True
    """A colourful volume stays one, for most keys: not all black, not all white, not three levels."""
    output_shape: Callable[[Shape], Shape] | None = same_shape
    """Shape of the result for a shape of the volume; None: not claimed."""
    random: bool = False
    """Some keys give another result than others."""
    pixelwise: bool = False
    """A pixel's new colour depends on its old colour and the key alone."""
    grey_stays_grey: bool = False
    """A pixel with r = g = b keeps its three channels equal."""
    monotone: bool = False
    """Pixelwise, and a brighter grey never becomes darker than a darker one: nothing wraps around."""
    involution: bool = False
    """Applied twice with one key, it changes nothing."""
    mirrors: bool = False
    """The result is the volume mirrored left-right, X A with A anti-diagonal, or for some keys the volume itself."""
    contiguous: bool = False
    """The result is C-contiguous."""
    identity: Callable[[Volume], Volume] | None = None
    """The augmentation with parameters that change nothing, on a volume."""
    parameters: Callable[[int], Mapping[str, float]] | None = None
    """The numbers drawn for a key. A name may be missing for keys where that change is not made."""
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Least and greatest value of each drawn number, for names that `parameters` gives."""
    uniform: tuple[str, ...] = ()
    """Those names of `ranges` whose law is uniform over the range."""
    replay: Callable[[Volume, Mapping[str, float]], Volume] | None = None
    """The augmentation with the numbers handed to it, as `parameters` gives them."""
    probability: float | None = None
    """Chance, over the keys, that a colourful volume is changed at all."""
    batch: Callable[[NDArray[np.uint8], Sequence[int]], NDArray[np.uint8]] | None = None
    """The same for many: volumes (N, T, H, W, 3) and N keys."""
    smallest: tuple[int, int, int] = (1, 1, 1)
    """Least frames, height and width it works on."""
    tolerance: int = 0
    """Levels of 255 by which two ways to the same volume may differ; for floating-point arithmetic."""

    def claims(self, name: str) -> bool:
        """Whether the claim of that name is made."""
        value: Any = getattr(self, name)
        return value is not None and value is not False and value not in ((), {})
