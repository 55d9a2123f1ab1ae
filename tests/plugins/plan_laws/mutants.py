"""The miner with one line of its source changed, run as plain Python: is a law broken that should be?

The table is the one place that quotes the source. Where a quoted line is gone, `mutated` says so: look for what the
line has become, and plant the same bug there.
"""

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numba

import stpairs_core
from plan_laws.configurations import CONFIGURATIONS, Configuration, Mine, Plans

_MODULES = ("intrinsics", "rng", "boxes", "draws", "plan")
"""All that takes part in making a plan, each after those that it imports."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug, where it is planted, and the law of the population that must catch it."""

    name: str
    module: str
    line: str
    becomes: str
    configuration: str
    label: int
    law: str
    pairs: int = 1 << 13

    @property
    def where(self) -> Configuration:
        """The configuration, with one step of `pairs` pairs of the one label."""
        found = next(one for one in CONFIGURATIONS if one.name == self.configuration)
        return replace(found, spec=replace(found.spec, pairs=self.pairs, positive_ratio=float(self.label == 1)))


def source_of(module: str) -> str:
    """A module's source text."""
    found = importlib.util.find_spec(f"stpairs_core.{module}")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).read_text()


def mutated(mutant: Mutant | None) -> Mine:
    """The miner as plain Python with the bug in it; None: as it is."""
    with _uncompiled():
        for name in _MODULES:
            text = source_of(name)
            if mutant is not None and mutant.module == name:
                times = text.count(mutant.line)
                assert times == 1, f"{mutant.name!r}: {mutant.line!r} stands {times} times in {name}.py, not once"
                text = text.replace(mutant.line, mutant.becomes)
            module = _load(name, text)

    def mine(configuration: Configuration, seed: int) -> Plans:
        made: Any = module
        plans: Plans = made.PairMiner(configuration.extents, configuration.spec, seed, configuration.groups)
        return plans

    return mine


@contextmanager
def _uncompiled() -> Iterator[None]:
    """Kernels defined in here are plain Python, and the package is as it was afterwards."""
    attributes = {name: getattr(stpairs_core, name) for name in _MODULES}
    with (
        mock.patch.dict(os.environ, NUMBA_DISABLE_JIT="1"),
        mock.patch.object(numba.config, "DISABLE_JIT", 1),
        mock.patch.dict(sys.modules),
        mock.patch.multiple(stpairs_core, **attributes),
    ):
        yield


def _load(name: str, text: str) -> ModuleType:
    module = ModuleType(f"stpairs_core.{name}")
    sys.modules[module.__name__] = module
    setattr(stpairs_core, name, module)
    exec(compile(text, f"<{name} with a bug>", "exec"), module.__dict__)
    return module


# What is mined is a population of plan_laws.configurations; the laws are those of plan_laws.laws.
MUTANTS = [
    Mutant("modulo bias: six bits modulo the limit", "rng",
           "    return multiply(draw, limit)\n",
           "    return (draw >> np.uint64(58)) % limit, multiply(draw, limit)[1]\n",
           "usual", -1, "starts"),
    Mutant("off by one: the last start is never drawn", "draws",
           "    one, rest = rng.split(draw, n)\n",
           "    one, rest = rng.split(draw, max(n - _ONE, _ONE))\n",
           "small", -1, "starts"),
    Mutant("off by one: a boundary one frame too wide", "plan",
           "min(spec.boundary - span.frames, 2**31)",
           "min(spec.boundary - span.frames + 1, 2**31)",
           "boundary", 1, "starts"),
    Mutant("n == m", "draws",
           "        other = other + size if other >= first else other\n", "",
           "usual", -1, "videos"),
    Mutant("groups are forgotten", "draws",
           "        if len(groups) > 0:\n", "        if False:\n",
           "groups", -1, "videos"),
    Mutant("overlap tested in y and x only", "plan",
           "        apart = a + b + c\n", "        a = 0\n        apart = b + c\n",
           "small", 1, "volumes"),
    Mutant("overlap tested in t only", "plan",
           "        apart = a + b + c\n", "        b = c = 0\n        apart = a\n",
           "every second frame", 1, "starts"),
    Mutant("volumes may share their last frame", "draws",
           "t0, t1 = _apart(draws[1, i], t, frames, reach)",
           "t0, t1 = _apart(draws[1, i], t, frames - _ONE, reach)",
           "usual", 1, "two fields"),
    Mutant("apart in y counted only where x overlaps", "boxes",
           "t[1] * y[0] * sum(x)", "t[1] * y[0] * x[1]",
           "one voxel", 1, "two fields"),
    Mutant("the first is always the earlier", "boxes",
           "    return first, second\n", "    return min(first, second), max(first, second)\n",
           "small", 1, "starts"),
    Mutant("y and x swapped", "draws",
           "origin[row, 1, 0], origin[row, 1, 1], origin[row, 1, 2] = t1, y1, x1",
           "origin[row, 1, 0], origin[row, 1, 1], origin[row, 1, 2] = t1, x1, y1",
           "33 frames", -1, "possible"),
    Mutant("t of the first out of the second video", "draws",
           "_anywhere(draws[1, i], kinds[one, STARTS_T], kinds[other, STARTS_T])",
           "_anywhere(draws[1, i], kinds[other, STARTS_T], kinds[one, STARTS_T])",
           "usual", -1, "possible"),
    Mutant("long videos weigh more", "plan",
           'weighted=spec.redraw == "video"', "weighted=True",
           "small", 1, "videos"),
    Mutant("the alias is never taken", "draws",
           "        elif rest >= keep[place]:\n", "        elif False:\n",
           "redraw the video", 1, "videos"),
    Mutant("a volume spans its frames, whatever the stride", "plan",
           "span = spec.span\n", "span = spec.volume\n",
           "every third frame", 1, "two fields"),
    Mutant("a coin of 0.52", "plan",
           "round(chance * 2**32)", "round((chance + 0.02) * 2**32)",
           "usual", -1, "two fields", 1 << 15),
    Mutant("one coin for F1 and F2", "draws",
           "(draw[i] >> _HALF) < settings[FLIP]", "(draw[i] & _LOW) < settings[FLIP]",
           "usual", -1, "two fields"),
    Mutant("F2 of every other row", "draws",
           "(draw[i] >> _HALF) < settings[FLIP]", "i % 2 == 1",
           "usual", -1, "row"),
    Mutant("positives are not changed", "draws",
           "unchanged = 0 if settings[CHANGE_POSITIVES] else p", "unchanged = p",
           "usual", 1, "two fields"),
    Mutant("log-uniform exponent", "draws",
           "exponent = (np.float32(np.int64((bits >> _EXPONENT) & _PART)) + _MIDDLE) * _EXPONENT_PART + _EXPONENT_FROM",
           "exponent = np.float32(2.0 ** (np.int64((bits >> _EXPONENT) & _PART) / 2**20 - 1.0))",
           "usual", -1, "colours"),
    Mutant("offset from -0.1 to 0.09", "draws",
           "(0.2, 1.5, 1.3)", "(0.19, 1.5, 1.3)",
           "usual", -1, "colours"),
    Mutant("one number for exponent and scale", "draws",
           "np.uint64(43), np.uint64(22), np.uint64(1)", "np.uint64(43), np.uint64(22), np.uint64(22)",
           "usual", -1, "two fields"),
    Mutant("the offset out of F2's word", "draws",
           "_color(recolor[start:end].reshape(-1), draws[5]", "_color(recolor[start:end].reshape(-1), draws[4]",
           "usual", -1, "two fields"),
    Mutant("every chunk has the words of the first", "draws",
           "_draw(settings[SEED], first + np.uint64(start), end - start, draws)",
           "_draw(settings[SEED], first, end - start, draws)",
           "usual", -1, "lags"),
    Mutant("the third block is the next pair's second", "draws",
           "rng.block(seed, pair, _PAIR, _THIRD)", "rng.block(seed, pair + _ONE, _PAIR, _SECOND)",
           "usual", -1, "next row"),
    Mutant("the step is forgotten", "plan",
           "first = operator.index(step) * self.spec.pairs\n", "first = 0\n",
           "usual", -1, "next step"),
    Mutant("the key is seed + pair", "rng",
           "    key_0 = seed & _LOW\n", "    seed, item = seed + item, seed & np.uint64(0)\n    key_0 = seed & _LOW\n",
           "usual", -1, "next seed, row before"),
    Mutant("the key is seed + step", "plan",
           "        first = np.uint64(self._first(step) + (chosen.start if count else 0))\n"
           "        draws.fill(self._settings, ",
           "        first = np.uint64(chosen.start)\n"
           "        draws.fill(self._settings + np.array([step] + [0] * 7, np.uint64), ",
           "usual", -1, "next seed, step before"),
    Mutant("the last bit of the seed is forgotten", "rng",
           "    key_0 = seed & _LOW\n", "    key_0 = seed & _LOW & ~np.uint64(1)\n",
           "usual", -1, "next seed"),
    Mutant("the high word of the seed is forgotten", "rng",
           "    key_1 = seed >> _HALF\n", "    key_1 = seed & np.uint64(0)\n",
           "usual", -1, "2**32 seeds on"),
    Mutant("the two words of the seed are mixed", "rng",
           "    key_0 = seed & _LOW\n    key_1 = seed >> _HALF\n",
           "    key_0 = key_1 = (seed & _LOW) ^ (seed >> _HALF)\n",
           "usual", -1, "seed's halves swapped"),
    Mutant("the high word of the pair is forgotten", "rng",
           "    b = item >> _HALF\n", "    b = item & np.uint64(0)\n",
           "usual", -1, "2**32 pairs on"),
    Mutant("Philox of two rounds", "rng",
           "    for _ in range(10):\n", "    for _ in range(2):\n",
           "usual", -1, "next row"),
]  # fmt: skip
"""Each must be found once in the source as it stands."""
