"""The one place with compile flags."""

import os
from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast

import numba
from numba.core.compiler_lock import global_compiler_lock

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function, inline: bool = False) -> Function:
    """The function, compiled when it is first called: serial, without the GIL, exact arithmetic, NumPy's division.

    Threads belong above a kernel: `parallel=True` aborts after a fork or under threads. Compiled code is not
    kept on disk: Numba does not notice when a kernel that another file's kernel calls has changed.
    `NUMBA_DISABLE_JIT=1` runs the same source as plain Python.
    """
    how: Literal["always", "never"] = "always" if inline else "never"
    return cast(Function, numba.njit(function, nogil=True, error_model="numpy", inline=how))


def compiled() -> bool:
    """Whether kernels run compiled (False under `NUMBA_DISABLE_JIT=1`)."""
    return not numba.config.DISABLE_JIT  # type: ignore[attr-defined]  # numba sets it when it reads the environment


# A process forked while another thread compiles would hold a lock that nobody is left to give back.
os.register_at_fork(
    before=global_compiler_lock.acquire,
    after_in_parent=global_compiler_lock.release,
    after_in_child=global_compiler_lock.release,
)
