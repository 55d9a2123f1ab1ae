"""`stpairs train`: from a folder of videos to an encoder."""

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from stpairs_core.cli.opening import miner_reported, open_reported, short_side_for
from stpairs_core.cli.output import Output
from stpairs_core.errors import BadFile, InvalidSpec
from stpairs_core.registry import find_backend
from stpairs_core.spec import TrainSpec
from stpairs_core.train import PRESETS, preset, spec_from_mapping, stop_on_signals, train


@dataclass(frozen=True)
class Train:
    """Learn an encoder from unlabelled videos.

    Leaves RUN/ with config.json, metrics.jsonl, checkpoints/ and model.safetensors. The same command again continues
    where it stopped, with the weights of an undisturbed run. Ctrl-C saves first; a second one ends at once.
    """

    videos: tyro.conf.Positional[Path]
    """A folder, a video, a list of paths (.txt) or a manifest (.csv, .parquet)."""
    out: Path
    """The run's folder; made, or continued."""
    preset: Literal["default", "paper"] = "default"
    """Where the settings below start: a recipe that learns in minutes on two CPU cores, or the paper's own."""
    config: Path | None = None
    """A TOML file with settings that differ from the preset; flags win over it."""
    backend: str = "torch"
    """Which training framework."""
    device: str = "auto"
    """auto, cpu or cuda. Asking for cuda where there is none is an error."""
    tolerate_damage: bool = False
    """Keep what decoded of a damaged file before the damage."""
    spec: Annotated[TrainSpec, tyro.conf.arg(name="")] = TrainSpec()
    output: Annotated[Output, tyro.conf.arg(name="")] = Output()

    def run(self) -> Mapping[str, object]:
        """Train to the end, or to the first signal."""
        if self.out.exists() and not self.out.is_dir():
            raise InvalidSpec(f"{self.out} is a file; --out names the run's folder")
        backend = find_backend(self.backend)
        short_side = short_side_for(self.spec.mining.volume)
        videos = open_reported(self.videos, short_side, self.output, self.tolerate_damage)
        miner_reported(videos, self.spec.mining, self.spec.seed, self.output)  # what cannot be mined ends it here
        with stop_on_signals() as stop:
            result = train(
                self.spec,
                videos,
                backend,
                self.out,
                device=self.device,
                groups=videos.groups,
                names=videos.paths,
                describe={"videos": str(self.videos.resolve()), "short_side": short_side},
                progress=self.output.progress(),
                stop=stop,
            )
        if result.interrupted:
            self.output.say(f"stopped at step {result.step} of {self.spec.steps}; the same command continues")
        else:
            auc = "not measured" if result.auc is None else f"{result.auc:.3f}"
            self.output.say(f"{self.out}: {result.step} steps; held-out pair AUC {auc}")
        return {
            "run": str(self.out),
            "step": result.step,
            "auc": result.auc,
            "accuracy": result.accuracy,
            "interrupted": result.interrupted,
        }


def train_defaults(argv: Sequence[str]) -> Train:
    """What the flags of `stpairs train` default to: the preset that ARGV names, changed by the TOML file it names."""
    peek = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    peek.add_argument("--preset", default="default")
    peek.add_argument("--config", type=Path, default=None)
    try:
        named, _ = peek.parse_known_args(list(argv))
    except argparse.ArgumentError:  # a flag without its value: the real parser says so
        named = argparse.Namespace(preset="default", config=None)
    spec = preset(named.preset if named.preset in PRESETS else "default")
    if named.config is not None:
        spec = spec_from_mapping(TrainSpec, _read_toml(named.config), spec)
    return Train(videos=tyro.MISSING, out=tyro.MISSING, spec=spec)


def _read_toml(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadFile(f"cannot read the settings in {path}: {error}") from error
