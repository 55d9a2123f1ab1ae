"""`stpairs check-augmentation`, as a person runs it, from the folder of their own module."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
import numpy as np
from stpairs_core.testing import Declares

def checked(volume):
    if volume.dtype != np.uint8 or volume.ndim != 4 or volume.shape[-1] != 3:
        raise ValueError("not a volume")
    return volume

def darker(volume, key):
    by = np.random.default_rng(key).integers(0, 99, dtype=np.uint8)
    return np.maximum(checked(volume), by) - by

def flickers(volume, key):
    by = np.random.default_rng(key).integers(0, 99, (len(volume), 1, 1, 1))
    return (np.maximum(checked(volume), by) - by).astype(np.uint8)

REASON = "meant to flicker"
DARKER = (darker, Declares(random=True, pixelwise=True, monotone=True, probability=0.99))
KNOWN = (flickers, Declares(), dict.fromkeys(
    ("one_draw_for_all_frames", "commutes_with_time_crop", "commutes_with_frame_order"), REASON))
STALE = (darker, Declares(), {"pickles": REASON})

class Holder:
    declares = Declares(random=True, involution=True)

    def __call__(self, volume, key):
        return darker(volume, key)

holder = Holder()
number = 7
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("theirs")
    (folder / "mine.py").write_text(MODULE)
    (folder / "broken.py").write_text("import nothing_of_that_name\n")
    return folder


def command(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "stpairs"
    return subprocess.run(
        [program, "check-augmentation", *argv], capture_output=True, text=True, check=False, cwd=folder
    )


def test_a_right_one_exits_with_0_and_says_a_line_for_each_check(folder: Path) -> None:
    ended = command(folder, "mine:DARKER")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "pass  no_wrap_around" in ended.stdout
    assert "skip  grey_stays_grey: not declared: grey_stays_grey" in ended.stdout
    assert "FAIL" not in ended.stdout
    assert "A script" not in ended.stdout


def test_a_wrong_one_exits_with_1_and_its_script_fails_by_itself(folder: Path) -> None:
    ended = command(folder, "mine:flickers")
    assert ended.returncode == 1
    assert "FAIL  one_draw_for_all_frames: of identical frames, frame 1 comes out" in ended.stdout
    script = ended.stdout.partition("A script that fails by itself:\n\n")[2]
    again = subprocess.run([sys.executable, "-"], input=script, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "AssertionError: of identical frames, frame 1 comes out" in again.stderr


def test_json_is_all_that_stands_on_stdout(folder: Path) -> None:
    ended = command(folder, "mine:holder", "--json")
    assert ended.returncode == 1
    answer = json.loads(ended.stdout)
    assert answer["ok"] is False
    failed = [check["name"] for check in answer["checks"] if check["outcome"] == "failed"]
    assert failed == ["twice_is_nothing"]  # the claim that the attribute `declares` makes
    assert "from mine import holder" in answer["reproducer"]


def test_known_failures_are_no_failures_and_stale_reasons_are(folder: Path) -> None:
    known = command(folder, "mine:KNOWN")
    assert known.returncode == 0
    assert "known one_draw_for_all_frames: meant to flicker (of identical frames" in known.stdout
    stale = command(folder, "mine:STALE")
    assert stale.returncode == 1
    assert "STALE pickles: it passed, but was expected to fail: meant to flicker" in stale.stdout


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mine", "an augmentation is named as module:object, such as mine.augment:jitter, not 'mine'"),
        ("mine:darkr", "mine has no 'darkr'; it has darker"),
        ("mine:darker.declares", "mine has no 'darker.declares'; it has nothing"),
        ("nowhere:darker", "nowhere cannot be imported, from"),
        ("broken:darker", "broken cannot be imported, from"),
        ("mine:number", "an augmentation is a callable, or a tuple (callable, Declares, reasons), not 7"),
    ],
)
def test_a_wrong_name_is_told_in_one_sentence(folder: Path, name: str, words: str) -> None:
    ended = command(folder, name)
    assert ended.returncode == 1
    assert ended.stdout == ""
    [line] = ended.stderr.strip().splitlines()
    assert line.startswith(f"stpairs: {words}")
