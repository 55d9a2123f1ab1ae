import subprocess
import sys
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stpairs_core import rng
from stpairs_core.errors import InvalidSpec
from stpairs_core.testing import naive_plan

# Random123's kat_vectors for philox4x32-10: counter, key, output.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]
EXAMPLES = settings(deadline=None)  # the first call compiles
words64 = st.integers(0, 2**64 - 1)
words32 = st.integers(0, 2**32 - 1)


def hexadecimal(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


def block(counter: Any, key: Any) -> list[int]:
    seed, item = key[0] | key[1] << 32, counter[0] | counter[1] << 32
    numbers = (np.uint64(number) for number in (seed, item, counter[2], counter[3]))
    return [int(word) for word in rng.block(*numbers)]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_known_answers(counter: str, key: str, answer: str) -> None:
    assert block(hexadecimal(counter), hexadecimal(key)) == hexadecimal(answer)
    words = naive_plan.philox(tuple(hexadecimal(counter)), tuple(hexadecimal(key)))  # type: ignore[arg-type]
    assert list(words) == hexadecimal(answer)


@EXAMPLES
@given(st.tuples(words32, words32, words32, words32), st.tuples(words32, words32))
def test_equal_to_randomgen(counter: tuple[int, int, int, int], key: tuple[int, int]) -> None:
    randomgen = pytest.importorskip("randomgen", reason="randomgen is not installed")
    number = sum(word << 32 * place for place, word in enumerate(counter))
    # Its counter goes up by one before the first block.
    before = (number - 1) % 2**128
    theirs = randomgen.Philox(key=key[0] | key[1] << 32, counter=before, number=4, width=32)
    assert block(counter, key) == theirs.random_raw(4).tolist()


@EXAMPLES
@given(words64, words64, words32, st.integers(0, 13))
def test_words_are_the_blocks_in_order(seed: int, item: int, purpose: int, count: int) -> None:
    assert rng.words(seed, item, purpose, count).tolist() == naive_plan.words(seed, item, purpose, count)


@EXAMPLES
@given(words64, words64, st.integers(0, 20))
def test_draws_are_two_words_low_first(seed: int, item: int, count: int) -> None:
    halves = naive_plan.words(seed, item, rng.TESTS, 2 * count)
    draws = [low + 2**32 * high for low, high in zip(halves[::2], halves[1::2], strict=True)]
    assert rng.uniform(seed, item, rng.TESTS, count).tolist() == [(draw >> 11) / 2**53 for draw in draws]
    assert rng.below(seed, item, rng.TESTS, 2**62 + 1, count).tolist() == [draw * (2**62 + 1) >> 64 for draw in draws]


@EXAMPLES
@given(words64, words64)
def test_split_is_divmod(draw: int, limit: int) -> None:
    whole, rest = rng.split(np.uint64(draw), np.uint64(limit))
    assert (int(whole), int(rest)) == divmod(draw * limit, 2**64)


@EXAMPLES
@given(words64, words64, st.lists(st.integers(1, 2**63 - 1), max_size=9))
def test_below_takes_a_limit_for_each(seed: int, item: int, limits: list[int]) -> None:
    found = rng.below(seed, item, rng.TESTS, limits)
    assert found.shape == (len(limits),)
    assert found.dtype == np.int64
    assert all(0 <= number < limit for number, limit in zip(found.tolist(), limits, strict=True))


def test_below_is_uniform() -> None:
    counts = np.bincount(rng.below(1, 2, rng.TESTS, 7, 70_000), minlength=7)
    assert stats.chisquare(counts).pvalue > 1e-6


def test_uniform_is_uniform() -> None:
    numbers = rng.uniform(1, 3, rng.TESTS, 50_000)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert stats.kstest(numbers, "uniform").pvalue > 1e-6


@EXAMPLES
@given(words64, st.integers(0, 30))
def test_permutation_holds_each_once(seed: int, n: int) -> None:
    assert sorted(rng.permutation(seed, 0, rng.TESTS, n).tolist()) == list(range(n))


def test_permutations_are_uniform() -> None:
    codes = [tuple(rng.permutation(5, item, rng.TESTS, 4).tolist()) for item in range(12_000)]
    counts = np.unique(np.array(codes), axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-6


def test_distinct_addresses_give_distinct_streams() -> None:
    addresses = [(seed, item, purpose) for seed in (0, 1, 2**32) for item in (0, 1, 2**32) for purpose in (0, 1, 2)]
    streams = [set(rng.words(*address, 64).tolist()) for address in addresses]
    assert not any(a & b for a, b in combinations(streams, 2))


def test_seed_and_item_do_not_add_up() -> None:
    assert rng.words(1, 0, rng.TESTS, 8).tolist() != rng.words(0, 1, rng.TESTS, 8).tolist()


def test_purposes_differ() -> None:
    names = ["PAIR", "EMBED", "HELD_OUT", "SYNTHETIC", "DROPOUT", "WEIGHTS", "TESTS"]
    assert len({getattr(rng, name) for name in names}) == len(names)
    assert rng.PAIR == naive_plan.PAIR


@pytest.mark.parametrize(
    "call",
    [
        lambda: rng.words(-1, 0, 0, 1),
        lambda: rng.words(2**64, 0, 0, 1),
        lambda: rng.words(0.5, 0, 0, 1),  # type: ignore[arg-type]
        lambda: rng.words(0, 2**64, 0, 1),
        lambda: rng.words(0, 0, 2**32, 1),
        lambda: rng.words(0, 0, 0, -1),
        lambda: rng.uniform(0, 0, 0, -1),
        lambda: rng.below(0, 0, 0, 0, 3),
        lambda: rng.below(0, 0, 0, [3, 4], 3),
        lambda: rng.below(0, 0, 0, 2.9, 3),  # type: ignore[arg-type]
        lambda: rng.below(0, 0, 0, np.array([3.0, 4.0])),
        lambda: rng.below(0, 0, 0, True, 3),
        lambda: rng.below(0, 0, 0, -1, 3),
        lambda: rng.below(0, 0, 0, 2**63, 3),
        lambda: rng.below(0, 0, 0, 2**64, 3),
        lambda: rng.below(0, 0, 0, 3, -1),
        lambda: rng.permutation(0, 0, 0, -1),
    ],
)
def test_wrong_addresses_are_refused(call: Any) -> None:
    with pytest.raises(InvalidSpec, match=r"must|needs"):
        call()


SHOW = """
import hashlib
from stpairs_core import rng
from stpairs_core.plan import PairMiner
from stpairs_core.spec import MiningSpec, VolumeShape
spec = MiningSpec(volume=VolumeShape(4, 8, 8), pairs=60, positive_ratio=0.6, redraw="video", boundary=30)
plan = PairMiner([(9, 9, 9), (4, 20, 8), (70, 8, 30), (4, 8, 8), (12, 17, 13)], spec, seed=2**63 + 11).plan(5)
columns = (plan.video, plan.origin, plan.flip, plan.recolor, plan.color, plan.label)
draws = (rng.words(3, 4, 5, 9), rng.uniform(3, 4, 5, 9), rng.below(3, 4, 5, 99, 9), rng.permutation(1, 2, 3, 9))
print(hashlib.sha256(b"".join(array.tobytes() for array in columns + draws)).hexdigest())
"""


def test_plain_python_agrees_with_compiled_code() -> None:
    shown = {
        subprocess.run(
            [sys.executable, "-W", "error", "-c", SHOW],
            env={"NUMBA_DISABLE_JIT": disabled, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for disabled in ("0", "1")
    }
    assert len(shown) == 1
