"""Times of several things, each measured once a round, in turn.

A shared machine drifts by a factor of two within minutes, but hardly within a round: the ratio of two times of one
round is the fact, and the median over the rounds is what we report of it.
"""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Run:
    """Something to be timed."""

    name: str
    """What the table calls it."""
    call: Callable[[], object]
    """Does it; gives itself other inputs each time where they have to be cold."""
    units: float = 1
    """Pairs, volumes, ... that one call makes; a part of one where a whole would take too long."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """What was measured: for each name the seconds a unit, one number a round."""

    unit: str
    """What one unit is."""
    seconds: Mapping[str, Sequence[float]]
    """In the order of measurement; the first is the reference."""

    def median(self, name: str) -> float:
        """Seconds a unit in the middle round."""
        return statistics.median(self.seconds[name])

    def least(self, name: str) -> float:
        """Seconds a unit in the best round."""
        return min(self.seconds[name])

    def ratios(self, name: str, to: str) -> list[float]:
        """How many times as long as `to` it took, round by round."""
        return [a / b for a, b in zip(self.seconds[name], self.seconds[to], strict=True)]

    def ratio(self, name: str, to: str) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios(name, to))

    def spread(self, name: str, to: str) -> tuple[float, float]:
        """The lower and upper quartile of the ratios."""
        low, _, high = statistics.quantiles(self.ratios(name, to), n=4, method="inclusive")
        return low, high

    def as_json(self) -> dict[str, Any]:
        """Numbers for a file, four digits each."""
        return {"unit": self.unit, "seconds": {n: [float(f"{s:.4g}") for s in r] for n, r in self.seconds.items()}}


def interleave(
    unit: str,
    runs: Sequence[Run],
    rounds: int,
    least: float = 0.02,
    clock: Callable[[], float] = time.perf_counter,
) -> Rounds:
    """Every run timed once a round, there and back: warmed up, for at least `least` seconds, without the collector."""
    calls = [_calls_for(run.call, least, clock) for run in runs]
    seconds: dict[str, list[float]] = {run.name: [] for run in runs}
    order = list(zip(runs, calls, strict=True))
    with _no_collector():
        for _ in range(rounds):
            for run, count in order:
                seconds[run.name].append(_timed(run.call, count, clock) / (count * run.units))
            order.reverse()  # so that no run always follows the same other
    return Rounds(unit, seconds)


def _calls_for(call: Callable[[], object], least: float, clock: Callable[[], float]) -> int:
    call()  # compiles, and touches its memory for the first time
    once = min(_timed(call, 1, clock) for _ in range(2))
    return max(1, round(least / max(once, 1e-7)))


def _timed(call: Callable[[], object], count: int, clock: Callable[[], float]) -> float:
    began = clock()
    for _ in range(count):
        call()
    return clock() - began


@contextmanager
def _no_collector() -> Iterator[None]:
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def as_text(rounds: Rounds) -> str:
    """The table that a script prints."""
    first = next(iter(rounds.seconds))
    lines = [f"{'a ' + rounds.unit:<44}{'median us':>12}{'least us':>12}  x {first}"]
    for name in rounds.seconds:
        low, high = rounds.spread(name, first)
        times = f"{rounds.median(name) * 1e6:12.4g}{rounds.least(name) * 1e6:12.4g}"
        lines.append(f"{name:<44}{times}  {rounds.ratio(name, first):.3g} ({low:.3g}-{high:.3g})")
    return "\n".join(lines)
