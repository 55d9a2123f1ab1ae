"""Prefetch: the steps in order, from few buffers that nobody overwrites too early."""

import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stpairs_core.spec import PairPlan, VolumeShape
from stpairs_core.train.prefetch import Batch, Prefetch

EMPTY = PairPlan(
    video=np.zeros((0, 2), np.int32),
    origin=np.zeros((0, 2, 3), np.int32),
    flip=np.zeros((0, 2), np.bool_),
    recolor=np.zeros((0, 2), np.bool_),
    color=np.zeros((0, 2, 3), np.float32),
    label=np.zeros(0, np.int8),
    shape=VolumeShape(1, 1, 1),
)


class Kitchen:
    """Prepares step numbers, each taking as long as it is told."""

    def __init__(self, delays: list[float]) -> None:
        self.delays = delays
        self.made: list[int] = []
        self.buffers: set[int] = set()

    def __call__(self, step: int, out: NDArray[np.uint8] | None) -> Batch:
        self.made.append(step)
        out = np.empty(1000, np.uint8) if out is None else out
        self.buffers.add(id(out))
        out[:500] = step % 256
        time.sleep(self.delays[step % len(self.delays)])
        out[500:] = step % 256
        return EMPTY, out


@given(
    delays=st.lists(st.sampled_from([0.0, 0.001, 0.004]), min_size=1, max_size=5),
    first=st.integers(0, 300),
    steps=st.integers(0, 25),
    workers=st.integers(1, 8),
)
@settings(max_examples=40, deadline=None)
def test_every_step_comes_once_in_order_and_whole(delays: list[float], first: int, steps: int, workers: int) -> None:
    kitchen = Kitchen(delays)
    before = threading.active_count()
    with Prefetch(kitchen, first, first + steps, workers) as prefetch:
        for step in range(first, first + steps):
            _, volumes = prefetch.next()
            time.sleep(delays[0])  # while the threads go on
            assert (volumes == step % 256).all()
            assert max(kitchen.made) <= step + workers
    assert sorted(kitchen.made) == list(range(first, first + steps))
    assert len(kitchen.buffers) <= workers + 1
    assert threading.active_count() == before


def test_threads_work_at_the_same_time() -> None:
    meeting = threading.Barrier(4)

    def prepare(step: int, out: NDArray[np.uint8] | None) -> Batch:
        meeting.wait(timeout=20)
        return EMPTY, np.zeros(1, np.uint8)

    with Prefetch(prepare, 0, 8, workers=4) as prefetch:
        for _ in range(8):
            prefetch.next()


def test_an_error_is_raised_at_its_step_and_not_before() -> None:
    def prepare(step: int, out: NDArray[np.uint8] | None) -> Batch:
        if step == 3:
            raise OSError("gone")
        return EMPTY, np.full(1, step, np.uint8)

    with Prefetch(prepare, 0, 10, workers=3) as prefetch:
        for step in range(3):
            assert prefetch.next()[1] == step
        with pytest.raises(OSError, match="gone"):
            prefetch.next()


def test_leaving_early_leaves_no_thread() -> None:
    before = threading.active_count()
    with Prefetch(Kitchen([0.01]), 0, 1000, workers=5) as prefetch:
        prefetch.next()
    assert threading.active_count() == before


def test_time_spent_waiting_is_counted() -> None:
    with Prefetch(Kitchen([0.05]), 0, 2, workers=1) as prefetch:
        prefetch.next()
        assert 0.03 < prefetch.waited < 5
