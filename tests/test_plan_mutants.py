"""A test of the tests: bugs planted in the miner's source, each caught by the law that is there for it, on its own.

Bugs in pixels are planted beside the pixels' own checks, in test_color.py and test_materialize.py.
"""

from pathlib import Path

import numpy as np
import pytest

from plan_laws.configurations import CONFIGURATIONS, ROWS, mine
from plan_laws.fields import population
from plan_laws.laws import NEIGHBOUR_LAWS, ROW_LAWS, p_values
from plan_laws.mutants import MUTANTS, Mutant, mutated
from plan_laws.neighbourhood import steps
from plan_laws.trials import ALARM

SEED, STEP = 2**40 + 20170, 5
LAWS = {law.name: law for law in ROW_LAWS + NEIGHBOUR_LAWS}


def smallest(mutant: Mutant, planted: bool) -> float:
    """The smallest p-value of the law that must catch a bug, or of any value being impossible."""
    whose = population(mutant.where, mutant.label)
    laws = [LAWS[mutant.law]] if mutant.law in LAWS else []
    found = p_values(whose, laws, steps(whose, mutated(mutant if planted else None), SEED, STEP, 1))
    expected = f"{whose.name}: {mutant.law}"
    return min((p for name, p in found.items() if name.startswith(expected)), default=1.0)


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_each_planted_bug_is_caught_by_its_law_alone(mutant: Mutant) -> None:
    assert smallest(mutant, planted=True) < ALARM


@pytest.mark.parametrize("mutant", {(m.configuration, m.label, m.law): m for m in MUTANTS}.values())
def test_without_its_bug_the_miner_passes(mutant: Mutant) -> None:
    assert smallest(mutant, planted=False) >= ALARM


def test_the_plain_miner_is_the_compiled_one() -> None:
    for configuration in CONFIGURATIONS:
        rows = slice(ROWS // 2 - 300, ROWS // 2 + 300)
        plain, compiled = (make(configuration, SEED).plan(STEP, rows) for make in (mutated(None), mine))
        for column in ("video", "origin", "flip", "recolor", "color", "label"):
            assert np.array_equal(getattr(plain, column), getattr(compiled, column))


def test_the_page_has_each_bug_and_its_law() -> None:
    page = Path(__file__).resolve().parents[1].joinpath("docs", "statistics.md").read_text()
    assert [mutant.name for mutant in MUTANTS if f"| {mutant.name} | {mutant.law} |" not in page] == []
