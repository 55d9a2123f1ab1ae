"""Volumes made ready by threads while the backend computes."""

import threading
import time
from collections.abc import Callable
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from stpairs_core.spec import PairPlan

Batch = tuple[PairPlan, NDArray[np.uint8]]
Prepare = Callable[[int, NDArray[np.uint8] | None], Batch]
"""The plan and volumes of a step, written into the buffer given, if one is."""


class Prefetch:
    """The batches of steps `first` to `last` in order, made ahead by threads in a small ring of reused buffers.

    A batch is valid until the next one is asked for. Every batch is a function of its step alone, so the number of
    threads changes nothing. What goes wrong in a thread is raised where its step is asked for. Use it in a `with`.
    """

    def __init__(self, prepare: Prepare, first: int, last: int, workers: int) -> None:
        self._prepare = prepare
        self._last = last
        self._claimed = first
        """The next step that no thread has taken yet."""
        self._served = first
        """The next step that will be asked for."""
        self._slots = workers + 1  # one for each thread, and the one that the learner holds
        self._buffers: list[NDArray[np.uint8] | None] = [None] * self._slots
        self._ready: dict[int, Batch | BaseException] = {}
        self._closed = False
        self._changed = threading.Condition()
        self.waited = 0.0
        """Seconds that `next` has waited in all."""
        names = [f"stpairs-prefetch-{index}" for index in range(workers)]
        self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for name in names]

    def __enter__(self) -> "Prefetch":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def next(self) -> Batch:
        """The next step's batch; the buffer of the batch before it may now be filled again."""
        began = time.perf_counter()
        with self._changed:
            step = self._served
            self._served = step + 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: step in self._ready)
            batch = self._ready.pop(step)
        self.waited += time.perf_counter() - began
        if isinstance(batch, BaseException):
            raise batch
        return batch

    def _work(self) -> None:
        while (step := self._claim()) is not None:
            slot = step % self._slots
            try:
                batch: Batch | BaseException = self._prepare(step, self._buffers[slot])
            except BaseException as error:  # a thread has nobody to raise to: `next` does
                batch = error
            with self._changed:
                if not isinstance(batch, BaseException):
                    self._buffers[slot] = batch[1]
                self._ready[step] = batch
                self._changed.notify_all()

    def _claim(self) -> int | None:
        """The step to prepare, once its buffer is free; None when there is none left."""
        with self._changed:
            step = self._claimed
            if self._closed or step >= self._last:
                return None
            self._claimed = step + 1
            # The learner holds step `served` - 1, so the buffer of step `served` - 1 - slots is free again.
            self._changed.wait_for(lambda: self._closed or step < self._served - 1 + self._slots)
            return None if self._closed else step
