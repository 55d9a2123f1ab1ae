"""The training loop that every backend shares."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from stpairs_core.errors import BadFile, InvalidSpec, TrainingStopped
from stpairs_core.groups import Groups
from stpairs_core.materialize import cut, materialize
from stpairs_core.protocols import Backend, Learner, VideoSource
from stpairs_core.spec import PairPlan, TrainSpec
from stpairs_core.train.checkpoint import Checkpoints
from stpairs_core.train.claim import Claim
from stpairs_core.train.folder import RunConfig, fingerprint, load_config, must_match, restore, save_config
from stpairs_core.train.held_out import HeldOutPairs, Mined, split_videos
from stpairs_core.train.metrics import MetricsFile, read_metrics
from stpairs_core.train.prefetch import Prefetch
from stpairs_core.train.progress import Progress, Silent
from stpairs_core.train.stopping import Stop, never

LINE_EVERY = 10
"""Steps between two lines of `metrics.jsonl`."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """How a sitting of `train` ended."""

    step: int
    """Steps made in all, those of earlier sittings included."""
    auc: float | None
    """Last held-out AUC; None when nothing is held out."""
    accuracy: float | None
    """Last held-out accuracy."""
    interrupted: bool
    """Whether it was asked to stop before the last step."""
    steps_now: int
    """Steps made in this sitting; 0 when the run was finished already."""


def train(
    spec: TrainSpec,
    source: VideoSource,
    backend: Backend,
    run: Path,
    *,
    device: str = "auto",
    groups: Groups = None,
    names: Sequence[str] | None = None,
    describe: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    stop: Stop = never,
) -> TrainResult:
    """Train, or go on with, the run in the folder `run`; returns how it ended.

    The folder gets `config.json`, `metrics.jsonl`, `checkpoints/` and, at the end, `model.safetensors`. A run that was
    stopped goes on to the weights of an undisturbed one, bit for bit where the backend computes the same bits again.
    `groups` are kept apart as `PairMiner` does; `names` are those of the videos; `describe` is kept in `config.json`.

    Settings that cannot be obeyed or differ from the begun run's are an `InvalidSpec`; videos without pairs `NoPairs`;
    a damaged run `BadFile`; a full disk `NoRoom`; a loss or weight that is not finite `TrainingStopped`; another
    process that trains in the folder a `StpairsError`. What the settings, videos or backend refuse leaves no folder.
    """
    progress = progress or Silent()
    names = [str(video) for video in range(len(source))] if names is None else [str(name) for name in names]
    split = split_videos(source.extents, spec, groups)
    held_out = tuple(names[video] for video in split.held_out)
    print_ = fingerprint(source, names, groups)
    config = RunConfig(backend.name, spec, len(source), print_, held_out, dict(describe or {}))
    checkpoints = Checkpoints(run)
    with Claim(run) as claim:
        if _continues(run, config, checkpoints) and (done := _finished(run, spec, checkpoints)):
            progress.note(f"{run} is finished: all {spec.steps} steps are made; more steps would go on from there")
            return done
        if split.note:
            progress.note(split.note)
        mined = Mined(source, split.train, spec.mining, spec.seed, groups)
        exam = HeldOutPairs(source, split, spec, groups) if len(split.held_out) else None
        learner = backend.learner(spec.learner, device)
        claim.make_folder()
        first = _begin(run, config, checkpoints, learner, progress)
        sitting = _Sitting(spec, learner, exam, checkpoints, MetricsFile(run / "metrics.jsonl"), progress, stop)
        return sitting.learn(source, mined, first)


def _continues(run: Path, config: RunConfig, checkpoints: Checkpoints) -> bool:
    """Whether there is a run to go on with, whose state is then read; an error when it is another one."""
    if not (run / "config.json").exists():
        if any(run.glob("model.safetensors")) or any(run.glob("checkpoints/step-*.safetensors")):
            raise BadFile(f"{run} holds weights but no config.json: put that back, or give a fresh folder")
        return False
    must_match(run, load_config(run), config)
    checkpoints.open()
    newest = checkpoints.saved.newest
    if newest and newest.step > config.spec.steps:
        asked = f"steps={config.spec.steps} were asked for, but {run} has made {newest.step} already"
        raise InvalidSpec(f"{asked}: ask for more, or give a fresh folder")
    return True


def _finished(run: Path, spec: TrainSpec, checkpoints: Checkpoints) -> TrainResult | None:
    model = checkpoints.saved.model
    if model is None or model.step != spec.steps or not (run / model.file).exists():
        return None
    measured = _last_measured(read_metrics(run / "metrics.jsonl"))
    return TrainResult(spec.steps, *measured, interrupted=False, steps_now=0)


def _begin(run: Path, config: RunConfig, checkpoints: Checkpoints, learner: Learner, progress: Progress) -> int:
    """The step to start at, with the folder and the learner ready for it."""
    if not (run / "config.json").exists():
        checkpoints.begin()
        save_config(run, config)  # last, so that a folder with a config.json has a pointer, too
        return 0
    checkpoints.clean()
    if checkpoints.saved.newest is None:
        progress.note(f"{run} was stopped before its first checkpoint: starting at step 0")
        return 0
    newest = checkpoints.saved.newest.step
    step, state = checkpoints.load()
    if step != newest:
        progress.note(f"the checkpoint of step {newest} is gone: continuing from the one before, of step {step}")
    restore(learner, state, run)
    save_config(run, config)  # more steps may be asked for now
    return step


def _last_measured(lines: Sequence[Mapping[str, Any]]) -> tuple[float | None, float | None]:
    """AUC and accuracy of the last line that has them."""
    for line in reversed(lines):
        if "auc" in line:
            return line["auc"], line["accuracy"]
    return None, None


class _Sitting:
    """One call of `train`: from a step to the last one, or to where it is asked to stop."""

    def __init__(
        self,
        spec: TrainSpec,
        learner: Learner,
        exam: HeldOutPairs | None,
        checkpoints: Checkpoints,
        metrics: MetricsFile,
        progress: Progress,
        stop: Stop,
    ) -> None:
        self._spec, self._learner, self._exam = spec, learner, exam
        self._checkpoints, self._metrics, self._progress, self._stop = checkpoints, metrics, progress, stop
        self._since = _Since()
        self._saved = 0
        """The step of the last checkpoint."""

    def learn(self, source: VideoSource, mined: Mined, first: int) -> TrainResult:
        """Make the steps."""
        spec, fill = self._spec, cut if self._learner.recolors else materialize

        def prepare(step: int, out: NDArray[np.uint8] | None) -> tuple[PairPlan, NDArray[np.uint8]]:
            plan = mined.plan(step)
            return plan, fill(plan, source, out)

        step = self._saved = first
        self._progress.started(spec.steps, first)
        try:
            self._metrics.begin(first)
            self._measure_if_due(first)
            with Prefetch(prepare, first, spec.steps, spec.workers) as prefetch:
                while step < spec.steps and not self._stop():
                    self._step(step, prefetch)
                    step += 1
                    self._after(step)
            if step > self._saved:  # asked to stop between two checkpoints
                self._save(step)
            finished = step == spec.steps and not self._due(step)
            if finished:
                self._checkpoints.save_model(step, self._learner.state())
        finally:
            self._progress.ended()
        measured = _last_measured(self._metrics.lines)
        return TrainResult(step, *measured, interrupted=not finished, steps_now=step - first)

    def _step(self, step: int, prefetch: Prefetch) -> None:
        began, waited = time.perf_counter(), prefetch.waited
        plan, volumes = prefetch.next()
        self._since.losses.append(self._learner.step(plan, volumes))
        self._since.pairs += len(plan)
        self._since.waited += prefetch.waited - waited
        self._since.seconds += time.perf_counter() - began
        if self._since.shown + 1.0 < time.perf_counter():
            self._show(step + 1)

    def _after(self, step: int) -> None:
        """What is due after `step` steps: a line, a checkpoint, a measurement."""
        save = step % self._spec.save_every == 0 or step == self._spec.steps
        if save:
            self._save(step)
        elif step % LINE_EVERY == 0 or self._due(step):
            self._line(step)
        self._measure_if_due(step)  # it takes long: when it is cut short, the next sitting makes up for it

    def _due(self, step: int) -> bool:
        """Whether a measurement is still to be made after that many steps."""
        scheduled = step % self._spec.evaluate_every == 0 or step == self._spec.steps
        made = any(line["step"] == step and "auc" in line for line in self._metrics.lines[-1:])
        return self._exam is not None and scheduled and not made

    def _measure_if_due(self, step: int) -> None:
        if self._exam is None or not self._due(step):
            return
        measured = self._exam.measure(self._learner, self._stop)
        if measured is None:
            return
        self._progress.measured(step, measured.auc, measured.accuracy)
        self._metrics.put({"step": step, "seconds": self._seconds(), **asdict(measured)})

    def _save(self, step: int) -> None:
        self._line(step)  # looks at the losses, so that nothing broken is saved
        self._checkpoints.save(step, self._learner.state())
        self._saved = step

    def _line(self, step: int) -> None:
        if not self._since.losses:  # asked to stop right after a line
            return
        self._show(step)
        since = self._since
        numbers = {"loss": since.loss(step), "pairs_per_second": round(since.rate(), 3)}
        waiting = round(since.waited / since.seconds, 5)
        seconds = round(self._seconds() + since.seconds, 3)
        self._metrics.put({"step": step, "seconds": seconds, **numbers, "waiting": waiting})
        self._since = _Since()

    def _seconds(self) -> float:
        """Of learning, in all sittings, until the last line."""
        return float(self._metrics.lines[-1].get("seconds", 0.0)) if self._metrics.lines else 0.0

    def _show(self, step: int) -> None:
        self._progress.advanced(step, self._since.loss(step), self._since.rate())


class _Since:
    """What has happened since the last line of metrics."""

    def __init__(self) -> None:
        self.losses: list[SupportsFloat] = []
        """One for each step; of a device, perhaps not computed yet."""
        self.pairs = 0
        self.waited = 0.0
        """Seconds that the backend had nothing to do."""
        self.seconds = 0.0
        """Of learning, without measuring and saving."""
        self.shown = time.perf_counter()

    def loss(self, step: int) -> float:
        """Mean of the losses of the steps before `step`; a `TrainingStopped` when one is not finite."""
        began = time.perf_counter()
        numbers = [float(loss) for loss in self.losses]
        self.losses = [*numbers]
        self.shown = time.perf_counter()
        self.seconds += self.shown - began
        for index, number in enumerate(numbers):
            if not np.isfinite(number):
                wrong = step - len(numbers) + index
                advice = "a lower learning rate may help"
                raise TrainingStopped(
                    f"the loss of step {wrong} is {number}; what was saved before is intact: {advice}"
                )
        return sum(numbers) / len(numbers)

    def rate(self) -> float:
        """Pairs a second."""
        return self.pairs / max(self.seconds, 1e-9)
