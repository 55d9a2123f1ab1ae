"""Random words by address: a pure function of (seed, item, purpose), with no state anywhere.

The generator is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011). One block of it
turns a key and a counter into four 32-bit words:

    key     = (seed low 32 bits, seed high 32 bits)
    counter = (item low, item high, purpose, block)

Word w of a stream is word w % 4 of block w // 4. A 64-bit draw takes two words, the low half first. So neither two
seeds, nor two items, nor two purposes ever share a word, which `seed + index` cannot promise.
"""

import operator
from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from stpairs_core.errors import InvalidSpec
from stpairs_core.intrinsics import multiply
from stpairs_core.jit import kernel

PAIR = 1
"""The pairs of a plan; the item is the pair index."""
EMBED = 2
"""Where the volumes of a video lie that are embedded; the item is the video."""
HELD_OUT = 3
"""Which videos or groups are kept out of training."""
SYNTHETIC = 4
"""What happens in a synthetic video; the item is the video."""
DROPOUT = 5
"""What a learner drops; the item is the step."""
WEIGHTS = 6
"""First weights of a learner."""
TESTS = 8
"""Tests."""

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)
_WEYL_1 = np.uint64(0xBB67AE85)
_MAX_WORDS = 4 << 32


def _block(seed: Any, item: Any, purpose: Any, index: Any) -> Any:
    key_0 = seed & _LOW
    key_1 = seed >> _HALF
    a = item & _LOW
    b = item >> _HALF
    c = purpose
    d = index
    for _ in range(10):
        p = _MULTIPLIER_0 * a
        q = _MULTIPLIER_1 * c
        a, b, c, d = (q >> _HALF) ^ b ^ key_0, q & _LOW, (p >> _HALF) ^ d ^ key_1, p & _LOW
        key_0 = (key_0 + _WEYL_0) & _LOW
        key_1 = (key_1 + _WEYL_1) & _LOW
    return a, b, c, d


# Inlined: a call to it would keep a loop over items from becoming SIMD code, which is six times faster.
block = kernel(_block, inline=True)
"""(seed, item, purpose, index) -> the four words of one block. A kernel: all are uint64, the words below 2**32."""


@kernel
def split(draw: Any, limit: Any) -> Any:
    """`divmod(draw * limit, 2**64)`: an integer below `limit`, and what is left of the draw, to split again.

    Both are uint64. Splitting one draw by n, m, ... gives each combination the chance 1/(nm...) within 2**-64.
    """
    return multiply(draw, limit)


@kernel
def _fill_words(seed: Any, item: Any, purpose: Any, out: Any) -> None:
    for index in range(len(out)):
        out[index, 0], out[index, 1], out[index, 2], out[index, 3] = block(seed, item, purpose, np.uint64(index))


@kernel
def _fill_below(draws: Any, limits: Any, out: Any) -> None:
    for index in range(len(draws)):
        out[index] = split(draws[index], limits[index])[0]


@kernel
def _shuffle(draws: Any, out: Any) -> None:
    """Fisher and Yates, from the last place down."""
    for index in range(len(draws)):
        last = len(out) - 1 - index
        other = np.int64(split(draws[index], np.uint64(last + 1))[0])
        out[last], out[other] = out[other], out[last]


def words(seed: int, item: int, purpose: int, count: int) -> NDArray[np.uint32]:
    """(count,): the first words of the stream at an address.

    Seed and item are whole numbers below 2**64, the purpose one below 2**32; others are an `InvalidSpec`.

    >>> words(0, 0, TESTS, 2).tolist() == words(0, 0, TESTS, 9)[:2].tolist()
    True
    """
    count = _checked("count", count, _MAX_WORDS)
    out = np.empty((-(-count // 4), 4), np.uint32)
    _fill_words(
        np.uint64(checked_seed(seed)),
        np.uint64(_checked("item", item, 2**64 - 1)),
        np.uint64(_checked("purpose", purpose, 2**32 - 1)),
        out,
    )
    return out.reshape(-1)[:count]


def uniform(seed: int, item: int, purpose: int, count: int) -> NDArray[np.float64]:
    """(count,): numbers in [0, 1), multiples of 2**-53, one per two words."""
    return (_draws(seed, item, purpose, count) >> np.uint64(11)).astype(np.float64) * np.float64(2.0**-53)


def below(
    seed: int, item: int, purpose: int, limits: int | Sequence[int] | NDArray[Any], count: int | None = None
) -> NDArray[np.int64]:
    """(count,): whole numbers in [0, limit), each with chance 1/limit within 2**-64, one per two words.

    `limits` is one limit for all `count` numbers, or one for each; every limit is a whole number from 1 to 2**63 - 1
    (else `InvalidSpec`).
    """
    each = _checked_limits(limits)
    if each.ndim != 1 or (count is not None and each.shape not in ((1,), (count,))):
        raise InvalidSpec(f"below needs one limit or {count} of them, not an array of shape {np.shape(limits)}")
    draws = _draws(seed, item, purpose, len(each) if count is None else count)
    out = np.empty(len(draws), np.int64)
    _fill_below(draws, np.ascontiguousarray(np.broadcast_to(each, draws.shape)).astype(np.uint64), out)
    return out


def permutation(seed: int, item: int, purpose: int, n: int) -> NDArray[np.int64]:
    """(n,): 0 to n-1 in random order."""
    out = np.arange(_checked("n", n, _MAX_WORDS // 2))
    _shuffle(_draws(seed, item, purpose, max(len(out) - 1, 0)), out)
    return out


def checked_seed(seed: SupportsIndex) -> int:
    """The seed as a plain int; an `InvalidSpec` unless it is a whole number below 2**64."""
    return _checked("seed", seed, 2**64 - 1)


def _checked_limits(limits: int | Sequence[int] | NDArray[Any]) -> NDArray[np.int64]:
    each = np.atleast_1d(np.asarray(limits))
    if not each.size:  # NumPy takes an empty list for numbers that are not whole
        return each.astype(np.int64)
    if each.dtype.kind not in "iu":
        raise InvalidSpec(f"every limit must be a whole number from 1 to 2**63 - 1, not {limits!r}")
    if each.min() < 1 or each.max() >= 2**63:
        raise InvalidSpec(f"every limit must lie between 1 and 2**63 - 1, not {each.min()} to {each.max()}")
    return each.astype(np.int64)


def _draws(seed: int, item: int, purpose: int, count: int) -> NDArray[np.uint64]:
    """(count,): 64-bit draws, the low word first on every machine."""
    halves = words(seed, item, purpose, 2 * _checked("count", count, _MAX_WORDS // 2)).astype(np.uint64)
    return halves[0::2] | (halves[1::2] << _HALF)


def _checked(name: str, value: SupportsIndex, most: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidSpec(f"{name} must be a whole number, not {value!r}") from None
    if not 0 <= number <= most:
        raise InvalidSpec(f"{name} must lie between 0 and {most}, not {number}")
    return number
