"""Stopping in good order when the system or the user asks for it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Stop = Callable[[], bool]
"""True once training should end after the step in hand."""


def never() -> bool:
    """False: train to the end."""
    return False


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """A `Stop` that turns true at the first SIGINT or SIGTERM; a second one raises KeyboardInterrupt at once.

    Outside the main thread, which alone may handle signals, it never turns true.
    """
    if threading.current_thread() is not threading.main_thread():
        yield never
        return
    seen: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
