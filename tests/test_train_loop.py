"""The loop: it learns, the same whatever the number of threads, and goes on where it stopped."""

import errno
import fcntl
import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stpairs_core.errors import BadVideos, InvalidSpec, MissingPart, NoPairs, StpairsError, TrainingStopped
from stpairs_core.registry import find_backend
from stpairs_core.spec import LearnerSpec, MiningSpec, PairPlan, TrainSpec, VolumeShape
from stpairs_core.train import TrainResult, read_metrics, train
from stpairs_core.train.progress import Silent
from stpairs_core.videos.arrays import ArraySource
from stpairs_numpy import NumpyBackend
from stpairs_numpy.learner import NumpyLearner
from stpairs_numpy.worlds import SPEC, colour_world

WORLD = colour_world()


def go(run: Path, spec: TrainSpec = SPEC, **others: Any) -> TrainResult:
    return train(spec, others.pop("source", WORLD), others.pop("backend", NumpyBackend()), run, **others)


def model_hash(run: Path) -> str:
    return hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()


def stop_after(steps: int) -> Callable[[], bool]:
    """True once the loop has asked that often; it asks before every step, and once a measuring chunk."""
    asked = iter(range(10**9))
    return lambda: next(asked) >= steps


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("straight") / "run"
    result = go(run)
    assert (result.step, result.steps_now, result.interrupted) == (SPEC.steps, SPEC.steps, False)
    return run


def test_the_held_out_auc_rises_on_an_easy_world(tmp_path: Path) -> None:
    result = go(tmp_path, replace(SPEC, steps=200, evaluate_every=200, save_every=200))
    before = read_metrics(tmp_path / "metrics.jsonl")[0]
    assert before["step"] == 0
    assert result.auc is not None
    assert result.accuracy is not None
    assert before["auc"] < 0.8
    assert result.auc > 0.95
    assert result.accuracy > before["accuracy"] + 0.2


def test_a_run_leaves_its_files(straight: Path) -> None:
    found = {path.relative_to(straight).as_posix() for path in straight.rglob("*") if path.is_file()}
    checkpoints = {"checkpoints/step-00000024.safetensors", "checkpoints/step-00000030.safetensors"}
    assert found == checkpoints | {
        "checkpoints/latest.json",
        "config.json",
        "metrics.jsonl",
        "model.safetensors",
        ".lock",
    }


def test_the_metrics_have_one_line_a_step_and_all_numbers(straight: Path) -> None:
    lines = read_metrics(straight / "metrics.jsonl")
    assert [line["step"] for line in lines] == [0, 8, 10, 16, 20, 24, 30]
    assert [line["step"] for line in lines if "auc" in line] == [0, 20, 30]
    for line in lines[1:]:
        assert line["loss"] > 0
        assert line["pairs_per_second"] > 0
        assert 0 <= line["waiting"] <= 1
    seconds = [line["seconds"] for line in lines]
    assert seconds == sorted(seconds)


@pytest.mark.parametrize("workers", [1, 4, 8])
def test_any_number_of_workers_ends_in_the_same_bytes(tmp_path: Path, straight: Path, workers: int) -> None:
    assert SPEC.workers not in (1, 4, 8)
    go(tmp_path, replace(SPEC, workers=workers))
    newest = "checkpoints/step-00000030.safetensors"
    assert (tmp_path / newest).read_bytes() == (straight / newest).read_bytes()
    assert model_hash(tmp_path) == model_hash(straight)


def test_other_seeds_end_elsewhere(tmp_path: Path, straight: Path) -> None:
    go(tmp_path, replace(SPEC, seed=SPEC.seed + 1))
    assert model_hash(tmp_path) != model_hash(straight)


@given(calls=st.lists(st.integers(0, 60), max_size=3), workers=st.integers(1, 3))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_run_stopped_anywhere_ends_in_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, straight: Path, calls: list[int], workers: int
) -> None:
    run = tmp_path_factory.mktemp("stopped") / "run"
    for asked in calls:
        result = go(run, replace(SPEC, workers=workers), stop=stop_after(asked))
        assert result.interrupted == (not (run / "model.safetensors").exists())
    result = go(run)
    assert not result.interrupted
    assert model_hash(run) == model_hash(straight)
    assert measured(run) == measured(straight)
    steps = [line["step"] for line in read_metrics(run / "metrics.jsonl")]
    assert steps == sorted(set(steps))


@pytest.mark.parametrize("asked", [22, 25, 30, 33, 39])
def test_a_stopped_run_saves_its_last_step(tmp_path: Path, asked: int) -> None:
    stopped = go(tmp_path, stop=stop_after(asked))
    assert stopped.interrupted
    assert stopped.step > 0
    assert go(tmp_path).steps_now == SPEC.steps - stopped.step


def measured(run: Path) -> list[tuple[int, float, float]]:
    lines = read_metrics(run / "metrics.jsonl")
    return [(line["step"], line["auc"], line["accuracy"]) for line in lines if "auc" in line]


class Dying(NumpyBackend):
    """A backend that the power fails at one step."""

    def __init__(self, step: int) -> None:
        self.at = step

    def learner(self, spec: LearnerSpec, device: str) -> NumpyLearner:
        learner, at = super().learner(spec, device), self.at
        learn = learner.step

        def step(plan: PairPlan, volumes: NDArray[np.uint8]) -> float:
            if int(learner.state()["step"]) == at:
                raise ZeroDivisionError("the power failed")
            return learn(plan, volumes)

        learner.step = step  # type: ignore[method-assign]
        return learner


@pytest.mark.parametrize("step", [0, 5, 8, 21, 29])
def test_a_run_that_dies_anywhere_ends_in_the_same_bytes(tmp_path: Path, straight: Path, step: int) -> None:
    with pytest.raises(ZeroDivisionError, match="power"):
        go(tmp_path, backend=Dying(step))
    notes = Notes()
    result = go(tmp_path, progress=notes)
    assert result.steps_now == SPEC.steps - step // 8 * 8
    assert model_hash(tmp_path) == model_hash(straight)
    assert measured(tmp_path) == measured(straight)
    assert any("before its first checkpoint" in note for note in notes.notes) == (step < 8)


def test_a_finished_run_says_so_and_does_nothing(tmp_path: Path) -> None:
    first = go(tmp_path)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    notes = Notes()
    again = go(tmp_path, backend=Dying(0), progress=notes)
    assert again == replace(first, steps_now=0)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == files
    assert "finished" in notes.notes[0]


def test_more_steps_go_on_to_what_a_longer_run_reaches(tmp_path: Path, straight: Path) -> None:
    go(tmp_path, replace(SPEC, steps=13, save_every=5, evaluate_every=3))
    short = model_hash(tmp_path)
    go(tmp_path)
    assert model_hash(tmp_path) == model_hash(straight) != short
    assert json.loads((tmp_path / "config.json").read_text())["spec"]["steps"] == SPEC.steps


def test_fewer_steps_than_are_made_are_refused(tmp_path: Path) -> None:
    go(tmp_path)
    with pytest.raises(InvalidSpec, match=r"steps=29 were asked for, but .* has made 30 already"):
        go(tmp_path, replace(SPEC, steps=29))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (replace(SPEC, seed=4), "seed=3, not 4"),
        (replace(SPEC, held_out=0.5), "held_out=0.4, not 0.5"),
        (replace(SPEC, mining=replace(SPEC.mining, positive_ratio=0.5)), "mining.positive_ratio=0.3, not 0.5"),
        (replace(SPEC, mining=replace(SPEC.mining, volume=VolumeShape(4, 6, 5))), "mining.volume.width=6, not 5"),
        (replace(SPEC, learning=replace(SPEC.learning, learning_rate=1.0)), "learning.learning_rate=0.03, not 1.0"),
    ],
)
def test_other_settings_are_refused_by_name(straight: Path, spec: TrainSpec, words: str) -> None:
    with pytest.raises(InvalidSpec, match=words):
        go(straight, spec)


def test_other_videos_are_refused(straight: Path) -> None:
    with pytest.raises(InvalidSpec, match="videos=24, not 23"):
        go(straight, source=colour_world(23))
    with pytest.raises(InvalidSpec, match="names, sizes or groups differ"):
        go(straight, source=colour_world(frames=17))
    with pytest.raises(InvalidSpec, match="names, sizes or groups differ"):
        go(straight, names=[f"{video}.mp4" for video in range(24)])
    with pytest.raises(InvalidSpec, match="names, sizes or groups differ"):
        go(straight, groups=[f"g{video}" for video in range(24)])


def test_another_backend_is_refused(straight: Path) -> None:
    other = NumpyBackend()
    other.name = "other"
    with pytest.raises(InvalidSpec, match="backend=numpy, not other"):
        go(straight, backend=other)


def test_videos_may_be_moved_between_two_sittings(tmp_path: Path) -> None:
    names = [f"{video}.mp4" for video in range(24)]
    go(tmp_path, names=[f"/here/{name}" for name in names], stop=stop_after(4))
    assert not go(tmp_path, names=[f"/there/{name}" for name in names]).interrupted


def test_a_backend_that_recolours_itself_gets_volumes_as_cut(tmp_path: Path) -> None:
    seen: list[bool] = []

    class Recoloring(NumpyBackend):
        def learner(self, spec: LearnerSpec, device: str) -> NumpyLearner:
            learner = super().learner(spec, device)
            learn = learner.step

            def step(plan: PairPlan, volumes: NDArray[np.uint8]) -> float:
                for row, (video, origin) in enumerate(zip(plan.video[:, 1], plan.origin[:, 1], strict=True)):
                    t, y, x = origin
                    cut = WORLD.read(int(video), int(t), 4)[:, y : y + 6, x : x + 6]
                    seen.append(np.array_equal(cut, volumes[row, 1]) and bool(plan.flip[row, 1]))
                return learn(plan, volumes)

            learner.step = step  # type: ignore[method-assign]
            learner.recolors = self.recolors
            return learner

        recolors = True

    short = replace(SPEC, steps=5)
    go(tmp_path / "itself", short, backend=Recoloring())
    assert any(seen), "no flipped volume came as cut"
    seen.clear()
    Recoloring.recolors = False
    go(tmp_path / "for it", short, backend=Recoloring())
    assert seen
    assert not any(seen), "a volume came unflipped to a backend that does not flip"


def test_what_fails_in_a_thread_reaches_the_caller_and_no_thread_is_left(tmp_path: Path) -> None:
    class Broken(ArraySource):
        def read(self, video: int, first: int, count: int) -> NDArray[np.uint8]:
            if threading.current_thread() is not threading.main_thread():
                raise BadVideos("the disk was pulled out")
            return super().read(video, first, count)

    videos = [WORLD.read(video, 0, 16) for video in range(24)]
    with pytest.raises(BadVideos, match="pulled out"):
        go(tmp_path, source=Broken(videos))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("stpairs-prefetch")]


def test_a_loss_that_is_not_finite_stops_the_run_with_what_was_saved_intact(tmp_path: Path) -> None:
    class Diverging(Dying):
        def learner(self, spec: LearnerSpec, device: str) -> NumpyLearner:
            learner, at = NumpyBackend.learner(self, spec, device), self.at
            learn = learner.step

            def step(plan: PairPlan, volumes: NDArray[np.uint8]) -> float:
                loss = learn(plan, volumes)
                return float("nan") if int(learner.state()["step"]) == at + 1 else loss

            learner.step = step  # type: ignore[method-assign]
            return learner

    with pytest.raises(TrainingStopped, match="the loss of step 12 is nan"):
        go(tmp_path, backend=Diverging(12))
    pointer = json.loads((tmp_path / "checkpoints" / "latest.json").read_text())
    assert pointer["newest"]["step"] == 8
    assert go(tmp_path).steps_now == 22


def test_nothing_is_measured_without_a_held_out_share(tmp_path: Path) -> None:
    notes = Notes()
    result = go(tmp_path, replace(SPEC, held_out=0.0), progress=notes)
    assert (result.auc, result.accuracy, notes.notes) == (None, None, [])


def test_too_few_videos_to_hold_out_are_said(tmp_path: Path) -> None:
    notes = Notes()
    result = go(tmp_path, source=colour_world(3), progress=notes)
    assert result.auc is None
    assert not result.interrupted
    assert "no AUC is measured: too few videos" in notes.notes[0]


def test_videos_that_give_no_pairs_leave_no_folder(tmp_path: Path) -> None:
    spec = replace(SPEC, mining=MiningSpec(VolumeShape(64, 6, 6)))
    with pytest.raises(NoPairs):
        go(tmp_path / "run", spec)
    with pytest.raises(NoPairs):
        go(tmp_path / "run", source=colour_world(1))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("mining", "words"),
    [
        ({"positive_ratio": 1.0}, "positive_ratio=1.0 of pairs=10 makes 10 positive and 0 negative pairs"),
        ({"positive_ratio": 0.04}, "positive_ratio=0.04 of pairs=10 makes 0 positive and 10 negative pairs"),
        ({"pairs": 1}, "positive_ratio=0.3 of pairs=1 makes 0 positive and 1 negative pairs"),
        ({"positive_ratio": 0.5, "literal_algorithm1": True}, "makes 5 positive and 0 negative pairs"),
    ],
)
@pytest.mark.parametrize("held_out", [0.0, 0.4])
def test_steps_of_one_class_are_refused_and_leave_no_folder(
    tmp_path: Path, mining: dict[str, Any], words: str, held_out: float
) -> None:
    spec = replace(SPEC, mining=replace(SPEC.mining, **mining), held_out=held_out)
    with pytest.raises(InvalidSpec, match=f"both classes.*{words}; change positive_ratio or pairs"):
        go(tmp_path / "run", spec)
    assert not (tmp_path / "run").exists()


def test_a_backend_that_is_not_here_leaves_no_folder(tmp_path: Path) -> None:
    class Missing(NumpyBackend):
        def learner(self, spec: LearnerSpec, device: str) -> NumpyLearner:
            raise MissingPart("no such device")

    with pytest.raises(MissingPart):
        go(tmp_path / "run", backend=Missing())
    assert not (tmp_path / "run").exists()


class Meddling(Silent):
    """Somebody who trains in the same folder in the middle of a run."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.said: list[str] = []

    def started(self, total: int, step: int) -> None:
        with pytest.raises(StpairsError) as caught:
            go(self.run)
        self.said.append(str(caught.value))


def test_a_second_training_in_one_folder_is_refused_and_the_first_one_goes_on(tmp_path: Path, straight: Path) -> None:
    run = tmp_path / "run"
    meddling = Meddling(run)
    assert go(run, progress=meddling, stop=stop_after(15)).interrupted
    go(run, progress=meddling)
    assert meddling.said == [f"another process is training in {run}: wait until it ends, or give another folder"] * 2
    assert model_hash(run) == model_hash(straight)


def test_two_that_begin_at_once_do_not_mix(tmp_path: Path, straight: Path) -> None:
    run = tmp_path / "run"

    class Slow(NumpyBackend):
        def learner(self, spec: LearnerSpec, device: str) -> NumpyLearner:
            go(run)  # another finds no folder either, and is quicker
            return super().learner(spec, device)

    with pytest.raises(StpairsError, match="another process began to train"):
        go(run, backend=Slow())
    assert model_hash(run) == model_hash(straight)


def test_a_file_system_without_locks_trains_all_the_same(
    tmp_path: Path, straight: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    go(tmp_path / "run", stop=stop_after(12))
    go(tmp_path / "run")
    assert model_hash(tmp_path / "run") == model_hash(straight)


def test_the_backend_is_found_by_its_name_for_real() -> None:
    assert isinstance(find_backend("numpy"), NumpyBackend)
