"""Files that are whole or not there: whatever happens while one is written, its name never holds half of it."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from stpairs_core.errors import NoRoom, StpairsError

TEMPORARY = ".tmp"
"""How the names of unfinished files end; one that outlives its writer may be deleted."""


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder, to write to; on a clean exit it becomes `path`, safe on the disk.

    On an error the temporary file is removed and an older file at `path` stays as it was. A disk that is full is a
    `NoRoom`, any other refusal of the system a `StpairsError`; both name the path.
    """
    if not path.name or path.is_dir():
        raise StpairsError(f"cannot write {path}: it is a folder; name a file")
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{TEMPORARY}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def cannot_write(path: Path, error: OSError) -> StpairsError:
    """The error to raise when the system refuses to write `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoRoom(f"no room on the disk to write {path}; free some and run the same command again")
    return StpairsError(f"cannot write {path}: {(error.strerror or str(error)).lower()}")
