"""The one place with compile flags."""

import os
from collections.abc import Callable
from typing import Any

import numba


def kernel(function: Callable[..., Any] | None = None, *, inline: bool = False) -> Any:
    """The function, compiled when it is first called: serial, without the GIL, exact arithmetic, NumPy's division.

    Threads belong above a kernel: `parallel=True` aborts after a fork or under threads. Compiled code is not
    kept on disk: Numba does not notice when a kernel that another file's kernel calls has changed.
    `NUMBA_DISABLE_JIT=1` runs the same source as plain Python.
    """
    if function is None:
        return lambda f: kernel(f, inline=inline)
    return numba.njit(function, nogil=True, error_model="numpy", inline="always" if inline else "never")


def compiled() -> bool:
    """Whether kernels run compiled (False under `NUMBA_DISABLE_JIT=1`)."""
    return os.environ.get("NUMBA_DISABLE_JIT", "0") != "1"
