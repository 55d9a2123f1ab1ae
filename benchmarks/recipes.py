"""What each training recipe learns, on synthetic actions and on real clips: the experiments of docs/training.md.

    python benchmarks/recipes.py --recipes default paper --seeds 0 1 2 --out results.jsonl
    python benchmarks/recipes.py --recipes default --seeds 0 1 2 --real VIDEOS --out results.jsonl
    python benchmarks/recipes.py --table results.jsonl

Each run trains on unlabelled videos through `stpairs_core.train`, measures pairs of videos that were held out, and
reads the factors of other, unseen videos from the features, learned against untrained. One JSON line a run; `--table`
turns the lines into Markdown.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stpairs_core.cli.opening import short_side_for
from stpairs_core.embed import embed, fitting
from stpairs_core.evaluate import effective_rank, factor_table, neighbour_accuracy
from stpairs_core.protocols import Encoder, VideoSource
from stpairs_core.registry import find_backend
from stpairs_core.spec import TrainSpec
from stpairs_core.train import PRESETS, open_run, preset, progress_for, train
from stpairs_core.videos import ArraySource, open_videos
from stpairs_core.videos.synthetic import SyntheticSpec, arrays

TRAINING, UNSEEN = 900, 240
"""Synthetic videos to train on, a share of them held out for pairs, and others to read factors of."""
ACTIONS = ("translate", "rotate", "bounce", "zoom", "shake")
"""Those that differ at a glance; `--actions` takes others, such as all seven."""
WORLD = SyntheticSpec(videos=TRAINING, height=56, width=74, actions=ACTIONS)
"""Frames of the size that `stpairs train` scales to for volumes of 48x48."""
UNSEEN_SEED = 1_000_000
"""Added to a run's seed for the unseen videos."""
FACTORS = ("action", "direction", "speed", "kind", "texture", "background", "colour", "drift")


def small(spec: TrainSpec, **changes: Any) -> TrainSpec:
    """A recipe at the size that two CPU cores train in minutes: the default preset's volumes and width."""
    mining = replace(spec.mining, volume=preset("default").mining.volume, **changes.pop("mining", {}))
    network = replace(spec.network, width=preset("default").network.width, **changes.pop("network", {}))
    learning = replace(spec.learning, **changes.pop("learning", {}))
    return replace(spec, mining=mining, network=network, learning=learning, **changes)


def recipes() -> dict[str, TrainSpec]:
    """Every recipe that is compared: the two presets, and steps on the way from one to the other."""
    default, paper = preset("default"), preset("paper")
    return {
        "default": default,
        "paper": small(paper, steps=default.steps),
        "paper, batch norm, compare head": small(
            paper, steps=default.steps, network={"norm": "batch", "head": "compare"}
        ),
        "default, RGB": small(default, network={"input": "rgb"}),
        "default, no batch norm": small(default, network={"norm": "none"}),
        "default, concat head": small(default, network={"head": "concat"}),
        "default, dropout 0.5": small(default, network={"dropout": 0.5}),
        "default, plan's pairs only": small(default, learning={"hinge": "pairs"}, mining={"positive_ratio": 0.3}),
    }


@dataclass(frozen=True)
class World:
    """The videos of one run, and what is known of the unseen ones."""

    name: str
    source: VideoSource
    unseen: VideoSource
    factors: Mapping[str, Sequence[str]]
    groups: Sequence[int] | None = None


def synthetic_world(seed: int, actions: Sequence[str]) -> World:
    """Labelled synthetic actions, other videos for every seed."""
    spec = replace(WORLD, actions=tuple(actions))
    videos, _ = arrays(spec, seed)
    unseen, known = arrays(replace(spec, videos=UNSEEN), UNSEEN_SEED + seed)
    factors = {name: [asdict(factor)[name] for factor in known] for name in FACTORS}
    return World(f"{len(actions)} synthetic actions", ArraySource(videos), ArraySource(unseen), factors)


def real_world(folder: Path, short_side: int) -> World:
    """Real clips; the same ones are trained on and, by their labels, looked at."""
    videos = open_videos(folder, short_side)
    return World("real clips", videos, videos, {"label": list(videos.labels)}, videos.groups)


def knows(encoder: Encoder, world: World) -> dict[str, Any]:
    """What the features of the unseen videos know."""
    rows = fitting(world.unseen.extents, encoder.shape)
    counts = {name: {v: list(values).count(v) for v in values} for name, values in world.factors.items()}
    # A clip without a label, or alone of its kind, has no neighbour that could be right.
    rows = np.array([r for r in rows if all(v[r] and counts[n][v[r]] > 1 for n, v in world.factors.items())], np.intp)
    vectors = embed(encoder, world.unseen, videos=rows)
    known = {name: [values[row] for row in rows] for name, values in world.factors.items()}
    every = np.arange(len(rows))  # every second row: clips are listed class by class
    table = factor_table({"probe": vectors}, known, every[::2], every[1::2])
    return {
        "videos": len(rows),
        "neighbour": {name: neighbour_accuracy(vectors, values) for name, values in known.items()},
        "linear": {row.factor: row.accuracy["probe"] for row in table},
        "chance": {row.factor: row.chance for row in table},
        "rank": effective_rank(vectors),
    }


def measure(name: str, spec: TrainSpec, world: World) -> dict[str, Any]:
    """Train one recipe on one world; what it knew before and after."""
    where = machine()  # before the run: a commit made meanwhile is not what ran
    backend = find_backend("torch")
    untrained = knows(backend.learner(spec.learner, "auto").encoder(), world)
    rgb = replace(spec.learner, network=replace(spec.network, input="rgb"))
    untrained_rgb = knows(backend.learner(rgb, "auto").encoder(), world)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        result = train(spec, world.source, backend, run, groups=world.groups, progress=progress_for(sys.stderr))
        minutes = (time.perf_counter() - began) / 60
        learned = knows(open_run(run)[0].encoder(), world)
    return {
        "recipe": name,
        "world": world.name,
        "spec": asdict(spec),
        "auc": result.auc,
        "accuracy": result.accuracy,
        "minutes": round(minutes, 2),
        "learned": learned,
        "untrained": untrained,
        "untrained_rgb": untrained_rgb,
        "machine": where,
    }


def machine() -> dict[str, Any]:
    """Where and when a figure was measured."""
    head = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": head.stdout.strip() or "unknown",
        "cores": os.cpu_count(),
        "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
        "processor": platform.machine(),
        "versions": {name: version(name) for name in ("stpairs", "torch", "numpy", "numba")},
    }


def spread(values: Iterable[float]) -> str:
    """Mean, and the range where there are several."""
    found: NDArray[np.float64] = np.array(list(values), np.float64)
    return f"{found.mean():.2f}" + (f" ({found.min():.2f}-{found.max():.2f})" if len(found) > 1 else "")


def as_table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: a row for each world, recipe and length, then what is known of each factor."""
    grouped: dict[tuple[str, str, int], list[Mapping[str, Any]]] = {}
    for line in lines:
        grouped.setdefault((line["world"], line["recipe"], line["spec"]["steps"]), []).append(line)
    out = ["| world | recipe | steps | seeds | minutes | held-out AUC | 1-NN learned | untrained | untrained RGB |"]
    out.append("|---" * 9 + "|")
    for (world, recipe, steps), runs in grouped.items():
        first = next(iter(runs[0]["learned"]["neighbour"]))
        cells = [spread(run[kind]["neighbour"][first] for run in runs) for kind in KINDS]
        auc, minutes = (spread(run[name] for run in runs) for name in ("auc", "minutes"))
        out.append(f"| {world} | {recipe} | {steps} | {len(runs)} | {minutes} | {auc} | {' | '.join(cells)} |")
    for (world, recipe, steps), runs in grouped.items():
        out += ["", f"**{recipe}**, {world}, {steps} steps, linear:", ""]
        out += ["| factor | chance | learned | untrained | untrained RGB |", "|---" * 5 + "|"]
        for factor in runs[0]["learned"]["linear"]:
            chance = statistics.fmean(run["learned"]["chance"][factor] for run in runs)
            cells = [spread(run[kind]["linear"][factor] for run in runs) for kind in KINDS]
            out.append(f"| {factor} | {chance:.2f} | {' | '.join(cells)} |")
    return "\n".join(out)


KINDS = ("learned", "untrained", "untrained_rgb")


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", default=list(PRESETS), choices=["all", *recipes()])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--actions", nargs="+", default=list(ACTIONS), help="synthetic actions")
    parser.add_argument("--steps", type=int, default=None, help="instead of the recipe's own")
    parser.add_argument(
        "--real", type=Path, default=None, help="real clips: a folder of labelled folders, or a manifest"
    )
    parser.add_argument("--out", type=Path, default=Path("results.jsonl"), help="JSON lines are added here")
    parser.add_argument("--table", type=Path, default=None, help="print the lines of this file as Markdown, and end")
    asked = parser.parse_args()
    if asked.table:
        print(as_table([json.loads(line) for line in asked.table.read_text().splitlines()]))
        return
    for seed in asked.seeds:
        for name in recipes() if "all" in asked.recipes else asked.recipes:
            spec = replace(recipes()[name], seed=seed)
            spec = spec if asked.steps is None else replace(spec, steps=asked.steps)
            short_side = short_side_for(spec.mining.volume)
            world = synthetic_world(seed, asked.actions) if asked.real is None else real_world(asked.real, short_side)
            line = measure(name, spec, world)
            with asked.out.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(
                json.dumps({k: line[k] for k in ("recipe", "auc", "minutes")}), line["learned"]["neighbour"], flush=True
            )


if __name__ == "__main__":
    main()
