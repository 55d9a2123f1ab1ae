"""A run's folder for one process at a time."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self, final

from stpairs_core.durable import cannot_write
from stpairs_core.errors import StpairsError


@final
class Claim:
    """The right to train in a folder, for the time of a `with`; a `StpairsError` while another has it.

    It is a lock on the hidden file `.lock` in the folder. The system lets go of it however the process ends, so the
    file that stays behind says nothing. Where a file system has no locks, or takes no file, nothing is claimed.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._there = run.is_dir()
        self._handle: int | None = None

    def __enter__(self) -> Self:
        if self._there:
            self._lock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            os.close(self._handle)

    def make_folder(self) -> None:
        """Make the folder where it was not there when the `with` began, and claim it."""
        if self._there:
            return
        try:
            self._run.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self._run, error) from error
        self._lock()
        if (self._run / "config.json").exists():  # begun by another that has let go already
            raise StpairsError(f"another process began to train in {self._run}: run again to continue, or {_ELSEWHERE}")

    def _lock(self) -> None:
        try:
            self._handle = os.open(self._run / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.__exit__(None, None, None)
            raise StpairsError(
                f"another process is training in {self._run}: wait until it ends, or {_ELSEWHERE}"
            ) from error
        except OSError:
            return


_ELSEWHERE = "give another folder"
