"""A step of a seed, and whatever lies around it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from plan_laws.configurations import Mine, Plans
from plan_laws.fields import Codes, Population, codes, possible, rows_of
from stpairs_core.spec import PairPlan


class Impossible(Exception):
    """A plan holds a value out of its range, or none of the rows asked for."""


@dataclass(slots=True)
class Neighbourhood:
    """The rows of a population in one step of one seed; those of other steps and seeds are mined when asked for."""

    whose: Population
    mine: Mine
    seed: int
    step: int
    here: PairPlan = field(init=False)
    codes: Codes = field(init=False)
    _miners: dict[int, Plans] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.here = self._plan(self.seed, self.step)
        self.codes = codes(self.here, self.whose)

    def codes_of(self, seed: int, step: int) -> Codes:
        """Of the same rows of another step or seed."""
        if (seed, step) == (self.seed, self.step):
            return self.codes
        return codes(self._plan(seed, step), self.whose)

    def _plan(self, seed: int, step: int) -> PairPlan:
        if seed not in self._miners:
            self._miners[seed] = self.mine(self.whose.configuration, seed)
        found = self._miners[seed].plan(step, rows_of(self.whose))
        if not possible(found, self.whose):
            raise Impossible
        return found


def steps(whose: Population, mine: Mine, seed: int, first: int, count: int) -> Iterator[Neighbourhood]:
    """Some steps in a row."""
    miners: dict[int, Plans] = {}
    for step in range(first, first + count):
        yield Neighbourhood(whose, mine, seed, step, miners)
