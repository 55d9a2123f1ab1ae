"""Ten million pairs against every law, at fixed seeds; with `-m deep`, a hundred times as many at fresh ones.

A run looks at some 59,000 p-values, and raises an alarm where one is below ALARM: for fresh seeds and a right miner
that happens in less than one run of a thousand (Bonferroni). docs/statistics.md says more.
"""

import os
from collections import defaultdict

import pytest
from scipy import stats

from plan_laws.configurations import CONFIGURATIONS
from plan_laws.fields import population
from plan_laws.laws import NEIGHBOUR_LAWS, ROW_LAWS
from plan_laws.trials import ALARM, LABELS, MOST, pairs, run_all, trials
from stpairs_core.jit import compiled

pytestmark = pytest.mark.skipif(not compiled(), reason="millions of pairs need compiled kernels")

BASE = 20170


def alarms(values: dict[str, float]) -> dict[str, float]:
    """The p-values that are too small for so many."""
    assert len(values) <= MOST
    return {name: p for name, p in values.items() if p < ALARM}


def fresh() -> int:
    """The base seed of a deep run, printed, so that a failure can be had again."""
    seed = int(os.environ.get("STPAIRS_SEED", int.from_bytes(os.urandom(8), "little")))
    print(f"\nSTPAIRS_SEED={seed}")
    return seed


@pytest.fixture(scope="module")
def values() -> dict[str, float]:
    rows, libraries = 4, 8
    assert pairs(rows, libraries) >= 10_000_000
    return run_all(trials(BASE, rows, 1, libraries))


def test_ten_million_pairs_follow_every_law(values: dict[str, float]) -> None:
    assert not alarms(values)


def test_no_law_is_silent(values: dict[str, float]) -> None:
    """Each law speaks of each population, but for single volumes where they are too many to count."""
    spoken = {tuple(name.split(": ")[:2]) for name in values}
    laws = {law.name for law in ROW_LAWS + NEIGHBOUR_LAWS} - {"volumes"}
    for configuration in CONFIGURATIONS:
        for label in LABELS:
            whose = population(configuration, label)
            expected = laws - {"colours"} if whose.chances[0] == 0 else laws
            assert {(whose.name, law) for law in expected} <= spoken
    assert sum(law == "volumes" for _, law in spoken) > 8


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_a_billion_fresh_pairs_follow_every_law() -> None:
    rows, libraries = 400, 800
    assert pairs(rows, libraries) >= 10**9
    assert not alarms(run_all(trials(fresh(), rows, 20, libraries)))


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_p_values_are_uniform_over_many_seeds() -> None:
    """What a law says of one thing, over all populations and many seeds: every p-value as likely as every other."""
    base = fresh()
    found: dict[str, list[float]] = defaultdict(list)
    for number in range(60):
        for name, p in run_all(trials(base + number, 1, number < 12, 0)).items():
            found[name.split(": ", 1)[1]].append(p)
    assert not alarms({name: float(stats.kstest(each, "uniform").pvalue) for name, each in found.items()})
