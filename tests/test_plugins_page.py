"""The plug-ins on the page about plug-ins pass the suites on it, and fail as it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "plugins.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of the page; each begins with its name."""
    for name, text in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.S):
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200)


def test_the_plug_ins_of_the_page_pass(folder: Path) -> None:
    assert len(list(folder.glob("*.py"))) == 4
    done = run(folder)
    assert done.returncode == 0, done.stdout
    assert "48 passed" in done.stdout


def test_a_spoilt_one_fails_as_the_page_says(folder: Path) -> None:
    code = (folder / "npy_folder.py").read_text(encoding="utf-8")
    (folder / "npy_folder.py").write_text(code.replace("frames[first :", "np.roll(frames, -1, axis=0)[first :"))
    done = run(folder, "--tb=native", "-k", "one_by_one")
    (said,) = re.findall(r"```text\n(.*?)```", PAGE, re.S)
    assert said in done.stdout
    assert "# There is no factory: make `source` here" in done.stdout
