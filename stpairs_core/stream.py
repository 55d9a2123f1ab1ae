"""The pairs of all steps for any framework's loader: by number, and in order with a position to keep."""

import operator
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self, SupportsIndex, final

import numpy as np
from numpy.typing import NDArray

from stpairs_core.errors import InvalidSpec
from stpairs_core.materialize import materialize
from stpairs_core.plan import PairMiner
from stpairs_core.protocols import VideoSource

Batch = dict[str, NDArray[Any]]
"""The columns of a step's `PairPlan` by name, and its `volumes` where there is a source."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class PairSteps:
    """A map-style data set whose item is one whole step: a dict of arrays, a pure function of the step's number.

    The arrays are the columns of the step's `PairPlan` and, with a source, `volumes` as `materialize` gives them. Any
    thread, forked or spawned process may ask for any step in any order. A step that is not there is an `IndexError`.

    >>> from stpairs_core.spec import MiningSpec
    >>> miner = PairMiner([(60, 128, 171)] * 5, MiningSpec(), seed=0)
    >>> PairSteps(miner)[10**9]["origin"].shape
    (10, 2, 3)
    """

    miner: PairMiner
    """Which pairs."""
    source: VideoSource | None = None
    """The videos that the miner knows the sizes of; None: plans without pixels."""
    rows: slice = field(default_factory=lambda: slice(None))
    """Which rows of each step; rank r of n takes `slice(r, None, n)`, and so a share of both classes."""
    steps: int | None = None
    """How many; None: all that have pair indices below 2**64, as far as `len` can say."""

    def __post_init__(self) -> None:
        most = _most(self.miner)
        if self.steps is not None and not 0 <= operator.index(self.steps) <= most:
            raise InvalidSpec(f"steps must lie between 0 and {most}, not {self.steps}")

    def __len__(self) -> int:
        return _most(self.miner) if self.steps is None else int(self.steps)

    def __getitem__(self, step: SupportsIndex) -> Batch:
        number = operator.index(step)
        if not 0 <= number < len(self):
            raise IndexError(f"there is no step {number}: there are {len(self)}, counted from 0")
        plan = self.miner.plan(number, self.rows)
        columns = {column.name: getattr(plan, column.name) for column in fields(plan)}
        batch = {name: column for name, column in columns.items() if isinstance(column, np.ndarray)}
        return batch if self.source is None else batch | {"volumes": materialize(plan, self.source)}

    def __iter__(self) -> "PairStream":
        return PairStream(self)


@final
class PairStream:
    """The steps in order, from `step` on; its state is a small dict for JSON, the same for any rank and any worker.

    Where a loader fetches ahead, count in `step` what was learned from, not what was fetched. For one thread.
    """

    def __init__(self, steps: PairSteps, step: int = 0) -> None:
        self._steps = steps
        self.step = step
        """The next step; free to be set."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        if self.step >= len(self._steps):
            raise StopIteration
        batch = self._steps[self.step]
        self.step += 1
        return batch

    def state_dict(self) -> dict[str, Any]:
        """The first pair of the next step, and what decides the pairs; as JSON less than 1 kB."""
        miner = self._steps.miner
        return {"pair": operator.index(self.step) * int(miner.spec.pairs), **_fingerprint(miner)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the state was taken; an `InvalidSpec` that names what differs if that was with other pairs."""
        miner = self._steps.miner
        _must_match(state, _fingerprint(miner))
        pair, size = state["pair"], _number(miner.spec.pairs)
        if not isinstance(pair, int) or pair % size or not 0 <= pair // size <= len(self._steps):
            raise InvalidSpec(f"the state's pair {pair!r} begins none of the {len(self._steps)} steps of {size} pairs")
        self.step = pair // size


def _most(miner: PairMiner) -> int:
    return min(2**64 // int(miner.spec.pairs), sys.maxsize)


def _number(value: Any) -> Any:
    """A NumPy number as a plain one, which JSON takes."""
    return value.item() if isinstance(value, np.generic) else value


def _fingerprint(miner: PairMiner) -> dict[str, Any]:
    """All that decides the pairs: each setting by name, and a hash for the videos."""
    spec = {setting.name: _number(getattr(miner.spec, setting.name)) for setting in fields(miner.spec)}
    return {"seed": miner.seed, **spec, "volume": str(miner.spec.volume), "videos": miner.videos_sha256}


def _must_match(state: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    missing = [name for name in ("pair", *now) if name not in state]
    if missing:
        raise InvalidSpec(f"this is no state of these pairs: it has no {missing[0]!r}; give what `state_dict` returned")
    for name, value in now.items():
        if name == "videos" and state[name] != value:
            raise InvalidSpec("the state is of other videos: their number, sizes or groups differ; give those")
        if state[name] != value:
            raise InvalidSpec(f"the state is of pairs with {name}={state[name]}, not {value}: use {state[name]}")
