"""Every kernel is held against a naive twin, compiled and not: one that no comparison reaches fails here.

Run as a program without the JIT, this file makes all comparisons and prints the functions that they entered.
"""

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import stpairs_core
from stpairs_core import rng
from stpairs_core.color import flip, recolor
from stpairs_core.materialize import materialize
from stpairs_core.plan import PairMiner
from stpairs_core.spec import MiningSpec, VolumeShape
from stpairs_core.testing import naive, naive_plan
from stpairs_core.videos.arrays import ArraySource

PACKAGE = Path(stpairs_core.__file__).parent
SHAPE = VolumeShape(2, 3, 4)
EXTENTS = [(6, 5, 6), (3, 7, 5), (2, 3, 9), (9, 3, 4)]
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)


def draws(count: int) -> list[int]:
    """The 64-bit draws at the address (3, 4, TESTS)."""
    halves = naive_plan.words(3, 4, rng.TESTS, 2 * count)
    return [low + 2**32 * high for low, high in zip(halves[::2], halves[1::2], strict=True)]


def compare_words() -> None:
    assert rng.words(3, 4, rng.TESTS, 11).tolist() == naive_plan.words(3, 4, rng.TESTS, 11)


def compare_below() -> None:
    assert rng.below(3, 4, rng.TESTS, 99, 9).tolist() == [draw * 99 >> 64 for draw in draws(9)]


def compare_permutation() -> None:
    expected = list(range(12))
    for last, draw in zip(range(11, 0, -1), draws(11), strict=True):
        other = draw * (last + 1) >> 64
        expected[last], expected[other] = expected[other], expected[last]
    assert rng.permutation(3, 4, rng.TESTS, 12).tolist() == expected


def compare_plans() -> None:
    for redraw, groups in (("volumes", None), ("video", ["a", "b", "a", None])):
        spec = MiningSpec(SHAPE, pairs=40, positive_ratio=0.5, redraw=redraw)  # type: ignore[arg-type]
        plan = PairMiner(EXTENTS, spec, 5, groups).plan(2)
        for row, expected in enumerate(naive_plan.plan_rows(EXTENTS, spec, 5, range(80, 120), groups)):
            found: tuple[Any, ...] = (plan.video, plan.origin, plan.flip, plan.recolor, plan.color, plan.label)
            for column, value in zip(found, expected, strict=True):
                assert column[row].tolist() == np.array(value, column.dtype).tolist()


def compare_colors() -> None:
    for channels in ("h", "sv", "hsv"):
        found = recolor(PIXELS, 0.07, 1.3, 0.8, channels).astype(int)
        assert np.abs(found - naive.recolor(PIXELS, 0.07, 1.3, 0.8, channels)).max() <= 1


def compare_flips() -> None:
    assert np.array_equal(flip(PIXELS), naive.flip(PIXELS))


def compare_pixels() -> None:
    random = np.random.default_rng(1)
    videos = [random.integers(0, 256, (*extent, 3), dtype=np.uint8) for extent in EXTENTS]
    plan = PairMiner(EXTENTS, MiningSpec(SHAPE, pairs=6), 5).plan(2)
    found = materialize(plan, ArraySource(videos)).astype(int)
    assert np.abs(found - naive.materialize(plan, videos)).max() <= 1


COMPARISONS: list[Callable[[], None]] = [
    compare_words,
    compare_below,
    compare_permutation,
    compare_plans,
    compare_colors,
    compare_flips,
    compare_pixels,
]


@pytest.mark.parametrize("compare", COMPARISONS)
def test_the_kernels_agree_with_their_twins(compare: Callable[[], None]) -> None:
    compare()


def kernels() -> set[str]:
    """Every function that is made a kernel, as `file:name`: by the decorator, or by a call."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
            if any("kernel" in ast.unparse(decorator).split("(")[0].split(".") for decorator in decorators):
                found.add(f"{path.relative_to(PACKAGE)}:{getattr(node, 'name', '')}")
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "kernel":
                found.update(f"{path.relative_to(PACKAGE)}:{ast.unparse(one)}" for one in node.args)
    return found


def entered() -> set[str]:
    """The functions of the package that the comparisons enter, as `file:name`."""
    found = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE):
            found.add(f"{path.relative_to(PACKAGE)}:{frame.f_code.co_name}")

    sys.setprofile(note)
    for compare in COMPARISONS:
        compare()
    sys.setprofile(None)
    return found


def test_every_kernel_is_reached_by_a_comparison() -> None:
    assert {"rng.py:_block", "rng.py:split", "draws.py:fill"} <= kernels()
    shown = subprocess.run(
        [sys.executable, "-W", "error", __file__],
        env={"NUMBA_DISABLE_JIT": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert kernels() - set(shown) == set()


if __name__ == "__main__":
    print(*sorted(entered()), sep="\n")
