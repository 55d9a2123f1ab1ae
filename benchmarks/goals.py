"""What was promised of the core, and whether the measurements keep it."""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.interleaved import Rounds

Results = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Goal:
    """One promise."""

    text: str
    """What was asked for."""
    found: str
    """What was measured."""
    met: bool | None
    """None where it could not be measured."""
    stretch: bool = False
    """Hoped for rather than promised."""


def goals(results: Results) -> list[Goal]:
    """Every goal of the core, judged by the medians."""
    return [*_plans(results["plans"]), *_pixels(results["pixels"]), *_mix(results["pixels"]), *_start(results["start"])]


def _plans(plans: Results) -> list[Goal]:
    found = []
    for pairs, table in plans["lengths"].items():
        if int(pairs) < 4096:
            continue
        rounds = Rounds(**table)
        twin = min((n for n in ("NumPy, Philox", "NumPy, PCG64")), key=rounds.median)
        at, ns, best = f"at {int(pairs):,} pairs", rounds.median("stpairs") * 1e9, rounds.least("stpairs") * 1e9
        found += [
            _most(f"a plan takes at most 20 ns a pair, one thread, {at}", ns, 20, f"ns (best {best:.3g})"),
            _most(f"... 10 ns, {at}", ns, 10, f"ns (best {best:.3g})", stretch=True),
            _least(f"at least 5 times as fast as vectorised NumPy ({twin.split()[-1]}), {at}", rounds, twin, 5),
            _most(f"videos of 33 frames: at most 1.1x the usual, {at}", _x(rounds, "stpairs, worst case"), 1.1, "x"),
        ]
    many, rounds = plans["built"][-1], Rounds(**plans["videos"])
    few = next(iter(rounds.seconds))
    words = f"a miner of {many['videos']:,} videos holds at most 100 MB"
    cost = _x(rounds, f"{many['videos']} videos")
    return [
        *found,
        _most(f"{words} (tracemalloc)", many["held_mib"] * 2**20 / 1e6, 100, "MB"),
        _most(f"{words} (resident)", (many["resident_mib"] or math.nan) * 2**20 / 1e6, 100, "MB"),
        _most(f"a pair of {many['videos']:,} videos costs what one of {few} costs (within 1.1x)", cost, 1.1, "x"),
    ]


def _pixels(pixels: Results) -> list[Goal]:
    rounds = Rounds(**pixels["volume"])
    ours = "F1 and F2"
    found = [
        _most("a volume cut takes at most 2x memcpy of its bytes", _x(rounds, "cut"), 2, "x"),
        _most("a volume cut and flipped, at most 2x memcpy", _x(rounds, "F2"), 2, "x"),
    ]
    for peer, times, stretch in (
        ("OpenCV, uint8", 3, False),
        ("OpenCV, uint8", 5, True),
        ("OpenCV, float32", 12, False),
        ("kornia", 40, False),
    ):
        text = f"F1 and F2 at least {times} times as fast as {peer}"
        found.append(_least(text, rounds, peer, times, ours=ours, stretch=stretch))
    return [*found, _most("F1's error is at most one level", pixels["errors"]["stpairs"]["levels"], 1, "")]


def _mix(pixels: Results) -> list[Goal]:
    rounds = Rounds(**pixels["mix"])
    one, two = "plan and pixels", "plan and pixels, two threads"
    rate, unit = 1 / rounds.median(one), f"pairs/s (best {1 / rounds.least(one):,.0f})"
    return [
        _most("the paper's mix, plan and pixels, takes at most 4.5x memcpy", _x(rounds, one), 4.5, "x"),
        _judged("... at least 2,500 pairs/s on one core", rate, 2500, unit, operator.ge),
        _judged("... 4,000 pairs/s on one core", rate, 4000, unit, operator.ge, stretch=True),
        _least("... at least 1.6 times as fast with two threads", rounds, one, 1.6, ours=two),
    ]


def _start(start: Results) -> list[Goal]:
    slowest = max(run["pixels"] for run in start["fresh"])
    at_import = max(run["compiled_at_import"] for run in start["fresh"])
    wrong = [way for way, found in start["ways"].items() if not found["equal"]]
    ways = ", ".join(start["ways"])
    return [
        _most("import and compilation, to the first pixels, take at most 6 s", slowest, 6, "s"),
        Goal("nothing is compiled at import", f"{at_import} kernels", at_import == 0),
        Goal(f"the same bytes by {ways}", f"wrong: {', '.join(wrong)}" if wrong else "equal", not wrong),
    ]


def _x(rounds: Rounds, name: str) -> float:
    return rounds.ratio(name, next(iter(rounds.seconds)))


def _judged(
    text: str, value: float, limit: float, unit: str, holds: Callable[[float, float], bool], stretch: bool = False
) -> Goal:
    number = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    return Goal(text, f"{number} {unit}".strip(), bool(holds(value, limit)), stretch)


def _most(text: str, value: float, limit: float, unit: str, stretch: bool = False) -> Goal:
    return _judged(text, value, limit, unit, operator.le, stretch)


def _least(text: str, rounds: Rounds, peer: str, times: float, ours: str = "stpairs", stretch: bool = False) -> Goal:
    missing = [name for name in (ours, peer) if name not in rounds.seconds]
    if missing:
        return Goal(text, f"not measured: no {missing[0]!r} here", None, stretch)
    return _judged(text, rounds.ratio(peer, ours), times, "times", operator.ge, stretch)
