"""All laws on all configurations, from one base seed."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from plan_laws.configurations import CONFIGURATIONS, LIBRARIES, ROWS, Configuration, Mine, mine
from plan_laws.fields import Population, population
from plan_laws.laws import NEIGHBOUR_LAWS, ROW_LAWS, VIDEOS, Law, p_values
from plan_laws.neighbourhood import steps

LABELS = (1, -1)
FALSE_ALARM = 1e-3
"""Chance that a run with fresh seeds raises an alarm although the miner is right, at most."""
MOST = 60_000
"""P-values of one run, at most."""
ALARM = FALSE_ALARM / MOST
"""A p-value below this is an alarm."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Some laws on one population: over how many steps."""

    whose: Population
    laws: list[Law]
    steps: int
    seed: int

    def run(self, mine: Mine = mine) -> dict[str, float]:
        """The p-values, by name."""
        first = self.seed % (1 << 20) + 1
        return p_values(self.whose, self.laws, steps(self.whose, mine, self.seed, first, self.steps))


def seed_of(base: int, name: str) -> int:
    """A seed below 2**64 for each name, so that no two trials share a draw."""
    return int.from_bytes(hashlib.sha256(f"{base} {name}".encode()).digest()[:8], "little")


def trials(base: int, rows: int, neighbours: int, libraries: int) -> Iterator[Trial]:
    """Every trial: for the laws of rows, for those of neighbours and for the libraries, over so many steps."""
    for configuration in CONFIGURATIONS + LIBRARIES:
        for label in LABELS:
            whose, seed = population(configuration, label), seed_of(base, f"{configuration.name} {label}")
            if configuration in LIBRARIES:
                chosen = [Trial(whose, [VIDEOS], libraries, seed)]
            else:
                chosen = [Trial(whose, ROW_LAWS, rows, seed), Trial(whose, NEIGHBOUR_LAWS, neighbours, seed)]
            yield from (trial for trial in chosen if trial.steps)


def pairs(rows: int, libraries: int) -> int:
    """How many different pairs the laws of rows look at."""
    return sum(_drawn(c) * (libraries if c in LIBRARIES else rows) for c in CONFIGURATIONS + LIBRARIES)


def _drawn(configuration: Configuration) -> int:
    spec = configuration.spec
    return ROWS - int(spec.positive_ratio * ROWS + 0.5) * spec.literal_algorithm1


def run_all(chosen: Iterator[Trial], threads: int = 2) -> dict[str, float]:
    """The p-values of all trials: kernels run outside the GIL."""
    with ThreadPoolExecutor(threads) as pool:
        return {name: p for found in pool.map(Trial.run, chosen) for name, p in found.items()}
