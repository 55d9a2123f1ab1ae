"""One test of a suite, run without pytest, and the script that its failure ends with."""

import os
import subprocess
import sys
from pathlib import Path

from stpairs_core.testing.reproducing import HEAD


def failure(suite: object, test: str, *fixtures: object) -> Exception:
    """How a test of a suite fails."""
    try:
        getattr(suite, test)(*fixtures)
    except Exception as error:
        return error
    raise AssertionError(f"{test} found nothing")


def script_of(error: Exception) -> str:
    """What the failure ends with."""
    note = error.__notes__[-1]
    assert note.startswith(HEAD)
    return note


def fails_here(script: str, **known: object) -> bool:
    """Whether the script fails in this process, which knows these names already."""
    try:
        exec(compile(script, "<script>", "exec", dont_inherit=True), {"__name__": "__main__", **known})
    except Exception:
        return True
    return False


def run_alone(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The script in a fresh interpreter, as a reader would run it."""
    file = folder / "script.py"
    file.write_text(script, encoding="utf-8")
    path = os.pathsep.join([str(Path(__file__).resolve().parents[1]), *sys.path])
    return subprocess.run(
        [sys.executable, str(file)], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120
    )
