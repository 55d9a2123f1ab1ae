"""A run's folder: what it was made with, and taking what it learned out again."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from stpairs_core.durable import whole
from stpairs_core.errors import BadFile, InvalidSpec
from stpairs_core.groups import Groups
from stpairs_core.protocols import Learner, VideoSource
from stpairs_core.registry import find_backend
from stpairs_core.spec import TrainSpec
from stpairs_core.train.checkpoint import Checkpoints, State, parsed_weights
from stpairs_core.train.settings import flat, spec_from_mapping, spec_to_mapping

_FORMAT = 1
_FREE = ("steps", "evaluate_every", "save_every", "workers")
"""Settings of a TrainSpec that change neither pairs nor weights."""


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What a run was begun with: `config.json`."""

    backend: str
    spec: TrainSpec
    videos: int
    """How many, those held out included."""
    videos_sha256: str
    """Of their names, sizes and groups in order."""
    held_out: tuple[str, ...]
    """Names of the videos kept out of training."""
    describe: Mapping[str, Any] = field(default_factory=dict)
    """What the caller wants remembered, such as where the videos are."""


def fingerprint(source: VideoSource, names: Sequence[str], groups: Groups = None) -> str:
    """SHA-256 of what decides the pairs besides the spec. Folders are left out of the names: videos may be moved."""
    files = [Path(name).name for name in names]
    listed = [files, source.extents.tolist(), None if groups is None else [str(group) for group in groups]]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def save_config(run: Path, config: RunConfig) -> None:
    """Write `config.json`."""
    values = {"format": _FORMAT, "stpairs": _version()} | asdict(config) | {"spec": spec_to_mapping(config.spec)}
    with whole(run / "config.json") as path:
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def load_config(run: Path) -> RunConfig:
    """What a run was begun with; `BadFile` when the folder is no run, or a broken one."""
    path = run / "config.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != _FORMAT:
            raise BadFile(f"{path} has format {values['format']}; this stpairs knows format {_FORMAT}")
        known = {name: values[name] for name in ("backend", "videos", "videos_sha256", "held_out", "describe")}
        return RunConfig(
            spec=spec_from_mapping(TrainSpec, values["spec"]), **known | {"held_out": tuple(known["held_out"])}
        )
    except FileNotFoundError as error:
        raise BadFile(f"{run} is no training run: it has no config.json") from error
    except OSError as error:
        raise BadFile(f"cannot read {path}: {error.strerror}") from error
    except (InvalidSpec, ValueError, TypeError, KeyError) as error:
        raise BadFile(f"{path} is broken: {error}") from error


def must_match(run: Path, old: RunConfig, new: RunConfig) -> None:
    """`InvalidSpec`, naming the setting, unless `new` would go on with the pairs and weights of `old`."""
    if old.backend != new.backend:
        raise InvalidSpec(_differs(run, "backend", old.backend, new.backend))
    before, now = flat(spec_to_mapping(old.spec)), flat(spec_to_mapping(new.spec))
    for name in now:
        if name not in _FREE and before[name] != now[name]:
            raise InvalidSpec(_differs(run, name, before[name], now[name]))
    if old.videos != new.videos:
        raise InvalidSpec(_differs(run, "videos", old.videos, new.videos))
    if old.videos_sha256 != new.videos_sha256:
        text = "was begun with other videos: their names, sizes or groups differ; give those, or a fresh folder"
        raise InvalidSpec(f"{run} {text}")


def open_run(run: Path, device: str = "auto") -> tuple[Learner, RunConfig]:
    """A run's learner with the weights that it has learned, and what it was begun with.

    The weights are `model.safetensors`, or those of the newest checkpoint while the run is not finished. A folder
    that is no run, has learned nothing yet or is damaged is a `BadFile`.
    """
    config = load_config(run)
    weights = _weights(run)
    learner = find_backend(config.backend).learner(config.spec.learner, device)
    restore(learner, weights, run)
    return learner, config


def restore(learner: Learner, state: State, run: Path) -> None:
    """Give a learner its state back; `BadFile` when it is that of another network."""
    try:
        learner.restore(state)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise BadFile(f"the weights in {run} do not fit the network of its config.json: {error}") from error


def _weights(run: Path) -> State:
    checkpoints = Checkpoints(run)
    model = run / "model.safetensors"
    if checkpoints.begun or not model.exists():
        checkpoints.open()
        return checkpoints.load_weights()
    # A finished run that was given away without its checkpoints.
    return parsed_weights(model.read_bytes(), model)


def _differs(run: Path, name: str, old: object, new: object) -> str:
    return f"{run} was begun with {name}={old}, not {new}: use {old} to continue it, or give a fresh folder"


def _version() -> str:
    try:
        return version("stpairs")
    except PackageNotFoundError:
        return "unknown"
