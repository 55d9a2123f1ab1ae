"""The steps by number and in order: the same bytes from any process, and a small state to go on from."""

import json
import multiprocessing
import pickle
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stpairs_core import ArraySource, PairMiner, PairSteps, PairStream, materialize
from stpairs_core.errors import InvalidSpec
from stpairs_core.spec import MiningSpec, VolumeShape
from stpairs_core.stream import Batch
from stpairs_core.testing import naive_plan
from stpairs_core.testing.golden import GOLDEN, digest, golden_steps

SMALL = VolumeShape(3, 4, 5)
VIDEOS = [(9, 6, 9), (5, 8, 5), (7, 4, 5), (12, 9, 9), (5, 5, 10), (20, 9, 5)]
GROUPS = [1, 1, 2, 2, None, "x"]
SPEC = MiningSpec(SMALL, pairs=10)
COLUMNS = ["video", "origin", "flip", "recolor", "color", "label"]


def mined(spec: MiningSpec = SPEC, seed: int = 7, groups: Sequence[Any] | None = None) -> PairMiner:
    return PairMiner(VIDEOS, spec, seed, groups)


def filmed() -> ArraySource:
    noise = np.random.default_rng(0)
    return ArraySource([noise.integers(0, 256, (*extent, 3), np.uint8) for extent in VIDEOS])


def through_json(state: Any) -> Any:
    text = json.dumps(state)
    assert len(text.encode()) <= 1000
    return json.loads(text)


def raw(batches: Iterable[Batch]) -> list[dict[str, bytes]]:
    return [{name: array.tobytes() for name, array in batch.items()} for batch in batches]


def test_the_golden_hash_of_a_million_pairs() -> None:
    steps = golden_steps()
    assert sum(len(batch["label"]) for batch in steps) == 1_000_000
    assert digest(steps) == GOLDEN, "run python -m stpairs_core.testing.golden if the plans of a seed had to change"


def test_the_golden_pairs_have_everything_in_them() -> None:
    batch = golden_steps()[0]
    assert batch["flip"].any()
    assert batch["recolor"].any()
    assert set(batch["label"].tolist()) == {-1, 1}
    assert len(golden_steps().miner.too_small)
    assert len(golden_steps().miner.negatives_only)
    assert len(np.unique(batch["group"])) < len(np.unique(batch["video"]))


@pytest.mark.parametrize("column", [*COLUMNS, "volumes"])
def test_the_hash_sees_one_bit_of_any_column(column: str) -> None:
    batches = [PairSteps(mined(), filmed())[step] for step in range(3)]
    before = digest(batches)
    assert before == digest(batches)
    batches[1][column].reshape(-1).view(np.uint8)[-1] ^= 1
    assert digest(batches) != before


def test_the_hash_sees_order_types_and_names_but_not_how_rows_are_parted() -> None:
    batch = PairSteps(mined())[0]
    halves = [{name: array[part] for name, array in batch.items()} for part in (slice(5), slice(5, None))]
    assert digest(halves) == digest([batch])
    assert digest(halves[::-1]) != digest([batch])
    assert digest([batch | {"label": batch["label"].astype(np.int16)}]) != digest([batch])
    assert digest([{name: array for name, array in batch.items() if name != "flip"}]) != digest([batch])


@pytest.mark.parametrize("groups", [None, GROUPS])
def test_an_item_is_the_plan_of_its_step_and_the_pixels(groups: Sequence[Any] | None) -> None:
    miner, source = mined(groups=groups), filmed()
    plan = miner.plan(41)
    wanted = {name: getattr(plan, name) for name in COLUMNS + ["group"] * (groups is not None)}
    assert raw([PairSteps(miner)[41]]) == raw([wanted])
    assert raw([PairSteps(miner, source)[np.int64(41)]]) == raw([wanted | {"volumes": materialize(plan, source)}])


def test_all_arrays_of_an_item_may_be_written() -> None:
    assert all(array.flags.writeable for array in PairSteps(mined(groups=GROUPS), filmed())[0].values())


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_the_rows_of_all_ranks_are_those_of_the_step(ranks: int) -> None:
    whole = PairSteps(mined(), filmed())[5]
    for rank in range(ranks):
        rows = slice(rank, None, ranks)
        share = PairSteps(mined(), filmed(), rows)[5]
        assert raw([share]) == raw([{name: array[rows] for name, array in whole.items()}])
        assert set(share["label"].tolist()) == ({-1, 1} if rank < 3 else {-1})  # 3 of 10 pairs are positive


def test_steps_are_counted_and_end() -> None:
    steps = PairSteps(mined(), steps=4)
    assert len(steps) == 4
    assert raw(steps) == raw(steps[number] for number in range(4))
    assert raw(steps) != raw(steps[number] for number in (0, 1, 3, 2))
    assert raw(PairStream(steps, 3)) == raw([steps[3]])
    for number in (-1, 4, 2**70):
        with pytest.raises(IndexError, match=rf"no step {number}: there are 4"):
            steps[number]


@pytest.mark.parametrize("pairs", [1, 2, 10])
def test_without_a_number_there_are_all_steps_that_len_can_say(pairs: int) -> None:
    steps = PairSteps(mined(replace(SPEC, pairs=pairs, positive_ratio=1.0)))
    assert len(steps) == min(2**64 // pairs, sys.maxsize)
    assert len(steps[len(steps) - 1]["label"]) == pairs
    for count in (-1, len(steps) + 1):
        with pytest.raises(InvalidSpec, match=f"steps must lie between 0 and {len(steps)}, not {count}"):
            PairSteps(steps.miner, steps=count)


def test_resuming_at_each_step_of_200_gives_the_same_stream() -> None:
    whole = raw(PairSteps(mined(), steps=200))
    stream = PairStream(PairSteps(mined(), steps=200))
    for step in range(201):
        state = through_json(stream.state_dict())
        resumed = PairStream(PairSteps(mined(), steps=200))
        resumed.load_state_dict(state)
        assert resumed.step == step
        assert raw(resumed) == whole[step:]
        assert next(stream, None) is not None or step == 200


def test_pixels_go_on_too() -> None:
    steps = PairSteps(mined(), filmed(), steps=9)
    stream = PairStream(steps, 4)
    resumed = PairStream(PairSteps(mined(), filmed(), steps=9))
    resumed.load_state_dict(through_json(stream.state_dict()))
    assert raw(resumed) == raw(stream)
    assert raw(stream) == []


def test_a_run_goes_on_with_another_number_of_ranks() -> None:
    stream = PairStream(PairSteps(mined(), rows=slice(1, None, 2)), 30)
    next(stream)
    state = through_json(stream.state_dict())
    shares = [PairStream(PairSteps(mined(), rows=slice(rank, None, 3))) for rank in range(3)]
    whole = PairSteps(mined())
    for share in shares:
        share.load_state_dict(state)
    for number in (31, 32):
        step = {name: np.empty_like(array) for name, array in whole[number].items()}
        for rank, share in enumerate(shares):
            for name, array in next(share).items():
                step[name][rank::3] = array
        assert raw([step]) == raw([whole[number]])


@pytest.mark.parametrize("pair", [10**9, 10**18])
def test_seeking_is_instant(pair: int) -> None:
    stream = PairStream(PairSteps(mined()))
    state = through_json(stream.state_dict()) | {"pair": pair}
    next(stream)  # compiles
    took = []
    for _ in range(3):  # a busy machine is no fault
        began = time.perf_counter()
        stream.load_state_dict(state)
        batch = next(stream)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.05
    rows = naive_plan.plan_rows(VIDEOS, SPEC, 7, range(pair, pair + 10))
    assert batch["video"].tolist() == [list(row.video) for row in rows]
    assert batch["origin"].tolist() == [[list(origin) for origin in row.origin] for row in rows]


def test_the_state_of_a_million_videos_is_small() -> None:
    number = np.arange(10**6)
    extents = np.stack([40 + number % 500, 100 + number % 2, 120 + number % 3], axis=1)
    long = MiningSpec(VolumeShape(16, 99, 120), 10, 0.1 + 0.2, "negatives", 1 / 3, 2 / 3, "hsv", "volumes", 2**31 - 1)
    steps = PairSteps(PairMiner(extents, long, 2**64 - 1))
    state = PairStream(steps, len(steps)).state_dict()
    assert len(json.dumps(state).encode()) <= 1000


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (mined(seed=8), "seed=8, not 7"),
        (mined(replace(SPEC, pairs=20)), "pairs=20, not 10"),
        (mined(replace(SPEC, positive_ratio=0.30000000000000004)), "positive_ratio=0.30000000000000004, not 0.3"),
        (mined(replace(SPEC, volume=VolumeShape(3, 4, 4))), "volume=3x4x4, not 3x4x5"),
        (mined(replace(SPEC, augment="negatives")), "augment=negatives, not both"),
        (mined(replace(SPEC, channels="h")), "channels=h, not hsv"),
        (mined(replace(SPEC, boundary=9)), "boundary=9, not None"),
        (mined(replace(SPEC, literal_algorithm1=True)), "literal_algorithm1=True, not False"),
        (mined(groups=GROUPS), "other videos"),
        (PairMiner(VIDEOS[:-1], SPEC, 7), "other videos"),
        (PairMiner(VIDEOS[::-1], SPEC, 7), "other videos"),
        (PairMiner([*VIDEOS[:-1], (20, 9, 6)], SPEC, 7), "other videos"),
        (PairMiner([*VIDEOS, (1, 1, 1)], SPEC, 7), "other videos"),
    ],
)
def test_the_state_of_other_pairs_is_refused(other: PairMiner, named: str) -> None:
    stream = PairStream(PairSteps(mined()), 3)
    with pytest.raises(InvalidSpec, match=named):
        stream.load_state_dict(through_json(PairStream(PairSteps(other)).state_dict()))
    assert stream.step == 3


def test_other_groups_are_other_pairs_but_other_names_of_groups_are_not() -> None:
    state = PairStream(PairSteps(mined(groups=GROUPS)), 5).state_dict()
    renamed = PairStream(PairSteps(mined(groups=["a", "a", "b", "b", -1, "c"])))
    renamed.load_state_dict(state)
    assert renamed.step == 5
    with pytest.raises(InvalidSpec, match="groups differ"):
        PairStream(PairSteps(mined(groups=[1, 1, 1, 2, None, "x"]))).load_state_dict(state)


@pytest.mark.parametrize("pair", [-10, 15, 50, 2**80, 10.0, "10", None, True])
def test_a_state_of_no_step_is_refused(pair: object) -> None:
    stream = PairStream(PairSteps(mined(), steps=4))
    stream.load_state_dict(stream.state_dict() | {"pair": 40})
    with pytest.raises(InvalidSpec, match="begins none of the 4 steps of 10 pairs"):
        stream.load_state_dict(stream.state_dict() | {"pair": pair})
    assert stream.step == 4


@pytest.mark.parametrize("lost", ["pair", "seed", "boundary", "videos"])
def test_a_state_with_something_missing_is_refused(lost: str) -> None:
    stream = PairStream(PairSteps(mined()))
    state = stream.state_dict()
    del state[lost]
    with pytest.raises(InvalidSpec, match=f"no '{lost}'"):
        stream.load_state_dict(state)


def test_numpy_numbers_make_the_same_state() -> None:
    numbers: dict[str, Any] = {"pairs": np.int64(10), "positive_ratio": np.float64(0.3)}
    step: Any = np.int64(10**18)
    stream = PairStream(PairSteps(mined(replace(SPEC, **numbers))), step)
    assert through_json(stream.state_dict()) == PairStream(PairSteps(mined()), 10**18).state_dict()


def test_a_state_does_not_follow_the_stream() -> None:
    stream = PairStream(PairSteps(mined()))
    state = stream.state_dict()
    next(stream)
    assert state["pair"] == 0


def test_used_and_fresh_miners_have_the_same_state() -> None:
    steps = PairSteps(mined(groups=GROUPS))
    before = PairStream(steps).state_dict()
    list(zip(range(3), steps, strict=False))
    assert PairStream(steps).state_dict() == before
    assert PairStream(pickle.loads(pickle.dumps(steps))).state_dict() == before


def test_pickles_carry_little_more_than_the_miner() -> None:
    steps = PairSteps(mined(), None, slice(1, None, 2), 50)
    copy = pickle.loads(pickle.dumps(steps))
    assert raw(copy) == raw(steps)
    assert len(pickle.dumps(steps)) < len(pickle.dumps(steps.miner)) + 300
    assert len(pickle.dumps(golden_steps())) < 150_000  # of 1,000 videos


def _hash_by_threads(steps: PairSteps) -> str:
    with ThreadPoolExecutor(4) as threads:
        return digest(threads.map(steps.__getitem__, range(40)))


# Python 3.12 and later warn of a fork wherever threads run, and torch in the same test run has some.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_threads_after_a_fork_after_use() -> None:
    steps = PairSteps(mined(), filmed(), steps=40)
    here = _hash_by_threads(steps)
    assert here == digest(steps)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(_hash_by_threads, [steps] * 2) == [here] * 2


FORKED = """
import os, threading, time
from stpairs_core import MiningSpec, PairMiner
miner = PairMiner([(60, 128, 171)] * 5, MiningSpec(), seed=0)
thread = threading.Thread(target=miner.plan, args=(0,))
thread.start()
time.sleep(0.3)  # it compiles now
child = os.fork()
if not child:
    miner.plan(0)
    os._exit(0)
raise SystemExit(os.waitpid(child, 0)[1])
"""


def test_a_process_forked_while_a_kernel_is_compiled_goes_on() -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], check=True, timeout=120)
