"""`materialize` in two threads, where the version at hand can do that."""

import inspect
from typing import Any

from numpy.typing import NDArray

from stpairs_core import PairPlan, materialize
from stpairs_core.protocols import VideoSource

THREADS: dict[str, Any] = {"threads": 2} if "threads" in inspect.signature(materialize).parameters else {}
"""What to ask for; nothing where threads are not offered."""


def in_two_threads(plan: PairPlan, source: VideoSource, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """The pixels of a plan."""
    return materialize(plan, source, out, **THREADS)
