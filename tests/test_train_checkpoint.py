"""Checkpoints: whole or not there, and damage is always named, never trained over."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stpairs_core.errors import BadFile, NoRoom, StpairsError, TrainingStopped
from stpairs_core.train import TrainResult, load_config, open_run, train
from stpairs_core.train.checkpoint import Checkpoints
from stpairs_numpy import NumpyBackend, backend
from stpairs_numpy.worlds import SPEC, VOLUME, colour_world

WORLD = colour_world()
NEWEST = "checkpoints/step-00000024.safetensors"
BEFORE = "checkpoints/step-00000016.safetensors"
POINTER = "checkpoints/latest.json"


def go(run: Path, steps: int = SPEC.steps, **others: Any) -> TrainResult:
    return train(replace(SPEC, steps=steps), WORLD, backend, run, **others)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 steps made; asking for 30 goes on from there."""
    run = tmp_path_factory.mktemp("finished") / "run"
    go(run, 24)
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def fill_with_garbage(path: Path) -> None:
    path.write_bytes(b"\x00garbage\xff" * 9)


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGE = [truncate, flip_a_bit, fill_with_garbage, empty]


def snapshot(run: Path) -> dict[str, bytes]:
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_named_and_nothing_is_written(run: Path, damage: Callable[[Path], None]) -> None:
    damage(run / NEWEST)
    before = snapshot(run)
    with pytest.raises(
        BadFile, match=r"step-00000024.* is damaged .*delete it to continue from step 16, or give a fresh"
    ):
        go(run)
    assert snapshot(run) == before


def test_the_advice_on_a_damaged_checkpoint_works(run: Path, tmp_path: Path) -> None:
    truncate(run / NEWEST)
    (run / NEWEST).unlink()
    assert go(run).steps_now == 14
    straight = tmp_path / "straight"
    go(straight)
    assert (run / "model.safetensors").read_bytes() == (straight / "model.safetensors").read_bytes()


def test_without_any_checkpoint_it_does_not_start_again_by_itself(run: Path) -> None:
    (run / NEWEST).unlink()
    (run / BEFORE).unlink()
    with pytest.raises(BadFile, match=r"step-00000024.* cannot be read .*: give a fresh folder"):
        go(run)


def test_with_only_a_damaged_checkpoint_left_it_does_not_start_again_by_itself(run: Path) -> None:
    (run / BEFORE).unlink()
    flip_a_bit(run / NEWEST)
    with pytest.raises(BadFile, match=r"damaged .*: give a fresh folder, or delete this one to start from step 0"):
        go(run)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"format": 2}', '{"format": 1, "newest": 3}', "\0"])
def test_a_broken_pointer_is_named(run: Path, text: str) -> None:
    (run / POINTER).write_text(text)
    for use in (go, open_run):
        with pytest.raises(BadFile, match=r"latest\.json is broken"):
            use(run)


def test_a_pointer_out_of_the_folder_is_broken(run: Path) -> None:
    pointer = json.loads((run / POINTER).read_text())
    pointer["newest"]["file"] = "../../elsewhere.safetensors"
    (run / POINTER).write_text(json.dumps(pointer))
    with pytest.raises(BadFile, match=r"latest\.json is broken"):
        go(run)


def test_a_missing_pointer_is_named(run: Path) -> None:
    (run / POINTER).unlink()
    with pytest.raises(BadFile, match=r"latest\.json is missing, .* cannot be continued"):
        go(run)


def test_weights_without_a_config_are_not_trained_over(run: Path) -> None:
    (run / "config.json").unlink()
    with pytest.raises(BadFile, match=r"holds weights but no config\.json"):
        go(run)
    (run / "model.safetensors").unlink()
    with pytest.raises(BadFile, match=r"holds weights but no config\.json"):
        go(run)


def test_what_a_killed_process_left_is_removed(run: Path) -> None:
    left = [run / ".config.json.7-ab.tmp", run / "checkpoints" / ".latest.json.7-ab.tmp"]
    left.append(run / "checkpoints" / "step-00000032.safetensors")
    for path in left:
        path.write_bytes(b"half of it")
    go(run)
    assert not any(path.exists() for path in left)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (errno.ENOSPC, NoRoom, "no room on the disk to write .*safetensors"),
        (errno.EDQUOT, NoRoom, "no room on the disk"),
        (errno.EROFS, StpairsError, "cannot write .*: read-only file system"),
        (errno.EACCES, StpairsError, "cannot write .*: permission denied"),
    ],
)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_refuses_leaves_the_old_checkpoint(
    run: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[StpairsError], words: str, call: str
) -> None:
    real = getattr(os, call)
    refusing = False

    def refuse(*args: Any) -> Any:
        if refusing:
            raise OSError(code, os.strerror(code))
        return real(*args)

    class Filling(NumpyBackend):
        """The disk is full once training begins, that is, for the checkpoint of step 30."""

        def learner(self, *args: Any) -> Any:
            learner: Any = super().learner(*args)
            learn = learner.step

            def step(*given: Any) -> Any:
                nonlocal refusing
                refusing = True
                return learn(*given)

            learner.step = step
            return learner

    monkeypatch.setattr(os, call, refuse)
    before = {name: data for name, data in snapshot(run).items() if name.startswith("checkpoints/")}
    with pytest.raises(kind, match=words):
        train(SPEC, WORLD, Filling(), run)
    assert {name: data for name, data in snapshot(run).items() if name.startswith("checkpoints/")} == before
    refusing = False
    monkeypatch.undo()
    assert go(run).steps_now == 6


def test_a_pointer_that_cannot_be_written_leaves_the_old_checkpoints(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def refuse(old: Path, new: Path) -> None:
        if new.name == "latest.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(old, new)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(NoRoom):
        go(run)
    monkeypatch.undo()
    assert (run / BEFORE).exists()
    assert (run / NEWEST).exists()
    assert go(run).steps_now == 6


VICTIM = """
import sys
from dataclasses import replace
from pathlib import Path
from stpairs_numpy import backend
from stpairs_numpy.worlds import SPEC, colour_world
from stpairs_core.train import train
from stpairs_core.train.progress import Silent

class Telling(Silent):
    def advanced(self, *_):
        print("a step is made", flush=True)

spec = replace(SPEC, save_every=1, steps=100_000)
train(spec, colour_world(), backend, Path(sys.argv[1]), progress=Telling())
"""


def test_a_run_killed_while_it_saves_goes_on_without_a_trace(tmp_path: Path) -> None:
    run = tmp_path / "run"
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = os.environ | {"PYTHONPATH": paths, "NUMBA_DISABLE_JIT": "1"}  # nothing to compile: it starts sooner
    for delay in (0.05, 0.13):
        command = [sys.executable, "-c", VICTIM, str(run)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            with pytest.raises(StpairsError, match=f"another process is training in {run}"):
                go(run)
            time.sleep(delay)
            process.kill()
        assert process.returncode == -signal.SIGKILL
    made = json.loads((run / POINTER).read_text())["newest"]["step"]
    train(replace(SPEC, steps=made + 2), WORLD, backend, run)
    train(replace(SPEC, steps=made + 2), WORLD, backend, tmp_path / "straight")
    assert (run / "model.safetensors").read_bytes() == (tmp_path / "straight" / "model.safetensors").read_bytes()
    assert [path.name for path in run.rglob(".*")] == [".lock"]
    assert len(list(run.rglob("step-*"))) == 2


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for run in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(StpairsError, match=r"cannot write .*(file exists|not a directory)"):
            go(run)


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.begin()
    checkpoints.save(1, {"model.weight": np.ones(3)})
    with pytest.raises(TrainingStopped, match=r"model\.weight is not finite after step 2"):
        checkpoints.save(2, {"model.weight": np.array([1.0, np.inf, 0.0])})
    assert Checkpoints.load(checkpoints)[0] == 1


NUMBERS = st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_])
ARRAYS: st.SearchStrategy[Any] = st.tuples(NUMBERS, st.lists(st.integers(0, 4), max_size=3)).map(
    lambda drawn: (np.arange(int(np.prod(drawn[1]))) % 2).reshape(drawn[1]).astype(drawn[0])
)


@given(st.dictionaries(st.text("abc.", min_size=1, max_size=6).map("model.".__add__), ARRAYS, min_size=1, max_size=5))
@settings(max_examples=30, deadline=None)
def test_any_state_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, state: dict[str, Any]) -> None:
    run = tmp_path_factory.mktemp("state")
    checkpoints = Checkpoints(run)
    checkpoints.begin()
    checkpoints.save(5, {name: array.T for name, array in state.items()})  # of any layout
    again = Checkpoints(run)
    again.open()
    step, loaded = again.load()
    assert step == 5
    assert loaded.keys() == state.keys()
    for name, array in state.items():
        assert loaded[name].dtype == array.dtype
        assert loaded[name].shape == array.T.shape
        assert np.array_equal(loaded[name], array.T)


def test_the_newest_two_checkpoints_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.begin()
    for step in (1, 2, 2, 3, 3):
        checkpoints.save(step, {"model.weight": np.full(3, step)})
        assert checkpoints.saved.before is None or checkpoints.saved.before.step < step
    assert sorted(path.name for path in (tmp_path / "checkpoints").glob("step-*")) == [
        "step-00000002.safetensors",
        "step-00000003.safetensors",
    ]


def test_open_run_gives_the_learned_encoder(run: Path) -> None:
    learner, config = open_run(run)
    fresh = backend.learner(config.spec.learner, "cpu")
    volumes = np.stack([WORLD.read(video, 0, 4)[:, :6, :6] for video in range(5)])
    learned = learner.encoder()(volumes)
    assert config == load_config(run)
    assert config.backend == "numpy"
    assert learner.encoder().shape == VOLUME
    assert not np.allclose(learned, fresh.encoder()(volumes))
    shutil.rmtree(run / "checkpoints")  # a finished run, given away without them
    assert np.array_equal(open_run(run)[0].encoder()(volumes), learned)


def test_open_run_takes_the_newest_weights_of_a_run_that_is_not_finished(run: Path, tmp_path: Path) -> None:
    asked = iter(range(100))
    result = go(run, stop=lambda: next(asked) >= 3)
    assert result.interrupted
    assert (run / "model.safetensors").exists()  # that of step 24, older than the checkpoint
    go(tmp_path / "other", result.step)
    newest, other = open_run(run)[0].state(), open_run(tmp_path / "other")[0].state()
    assert np.array_equal(newest["model.weight"], other["model.weight"])


def test_open_run_names_what_is_no_run_or_a_broken_one(run: Path, tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"is no training run: it has no config\.json"):
        open_run(tmp_path / "nowhere")
    config = (run / "config.json").read_text()
    flip_a_bit(run / "model.safetensors")
    with pytest.raises(BadFile, match=r"model\.safetensors is damaged .*delete it and train again"):
        open_run(run)
    (run / "model.safetensors").unlink()
    with pytest.raises(BadFile, match=r"model\.safetensors cannot be read"):
        open_run(run)
    go(run, 24)  # as the advice has it
    assert open_run(run)[1].spec.steps == 24
    shutil.rmtree(run / "checkpoints")
    fill_with_garbage(run / "model.safetensors")
    with pytest.raises(BadFile, match="is not a safetensors file"):
        open_run(run)
    for broken in ("", "{", "[]", config.replace('"format": 1', '"format": 9'), config.replace("seed", "sead")):
        (run / "config.json").write_text(broken)
        with pytest.raises(BadFile, match=r"config\.json"):
            open_run(run)


def test_weights_of_another_network_are_named(run: Path) -> None:
    path = run / "config.json"
    path.write_text(path.read_text().replace('"width": 1.0', '"width": 2.0'))
    with pytest.raises(BadFile, match=r"do not fit the network of its config\.json"):
        open_run(run)


def test_a_run_that_has_saved_nothing_yet_is_said(tmp_path: Path) -> None:
    go(tmp_path, stop=lambda: True)
    with pytest.raises(BadFile, match="has no checkpoint yet"):
        open_run(tmp_path)
