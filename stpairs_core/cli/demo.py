"""`stpairs demo`: the whole main job at once, small, with a page to look at."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from numpy.typing import NDArray

from stpairs_core.cli.gallery import embed_reported, first_frames, open_encoder, root_of
from stpairs_core.cli.opening import miner_reported, open_reported, short_side_for
from stpairs_core.cli.output import Output
from stpairs_core.cli.page import Card, Row, write_page
from stpairs_core.embed import Features
from stpairs_core.index import nearest_others
from stpairs_core.protocols import Backend, Learner, Runtime
from stpairs_core.registry import find_backend, find_runtime
from stpairs_core.spec import TrainSpec
from stpairs_core.train import TrainResult, load_config, open_run, preset, stop_on_signals, train
from stpairs_core.videos import Videos
from stpairs_core.videos.synthetic import TABLE, SyntheticSpec, write_videos

SYNTHETIC = SyntheticSpec(videos=300, actions=("translate", "rotate", "bounce", "zoom", "shake"))
"""Five actions that differ at a glance."""
QUERIES = 8
"""Rows on the page."""
NEIGHBOURS = 4
"""Videos beside each query."""


@dataclass(frozen=True)
class Demo:
    """Do the whole main job, small: videos, pairs, training, ONNX, features, neighbours, a page.

    Without --videos it makes labelled synthetic actions as real video files first. Training never sees a label; the
    labels only say afterwards how often a video's nearest neighbour shows the same action. Again, it continues.
    """

    videos: Path | None = None
    """A folder of your own; the names of its subfolders are taken for labels."""
    out: Path = Path("demo")
    """Where everything goes, in a folder of the videos' name: run, encoder, features, page."""
    steps: int = 1200
    """Training steps; some minutes on two cores."""
    seed: int = 0
    """Of everything that is drawn."""
    output: Annotated[Output, tyro.conf.arg(name="")] = Output()

    def run(self) -> Mapping[str, object]:
        """Do it and say what was found."""
        backend, runtime = find_backend("torch"), find_runtime("onnx")  # what is missing ends it here
        spec = replace(preset("default"), steps=self.steps, seed=self.seed, held_out=0.25)
        self.output.note("1/4  opening the videos")
        path = self._synthetic() if self.videos is None else self.videos
        videos = open_reported(path, short_side_for(spec.mining.volume), self.output)
        miner_reported(videos, spec.mining, spec.seed, self.output)
        self.output.note("2/4  training: do two volumes come from one video, or from two?")
        result = self._train(backend, spec, videos, path)
        if result.interrupted:
            self.output.say(f"stopped at step {result.step}; the same command continues")
            return {"interrupted": True}
        self.output.note("3/4  exporting, and embedding through ONNX Runtime")
        run = self._folder / "run"
        learned = self._embed(runtime, "encoder", open_run(run, device="cpu")[0], videos, path)
        untrained = self._embed(runtime, "untrained", backend.learner(spec.learner, "cpu"), videos, path)
        self.output.note("4/4  searching")
        held_out = np.flatnonzero(np.isin(learned.paths, load_config(run).held_out))
        auc = "not measured" if result.auc is None else f"{result.auc:.3f}; 0.5 is guessing"
        facts = {
            "videos": f"{len(learned.paths)} hold a volume, of which {len(held_out)} were held out of training",
            "training": f"{spec.steps} steps of {spec.mining.pairs} pairs of volumes of {spec.mining.volume}",
            "held-out pairs told apart (AUC)": auc,
        }
        queries = held_out if len(held_out) else np.arange(len(learned.paths))
        labelled = queries[[bool(learned.labels[query]) for query in queries]]
        counts = {"learned": same_label(learned, labelled), "untrained": same_label(untrained, labelled)}
        if len(set(learned.labels)) > 1:
            for name, right in counts.items():
                facts[f"nearest video has the query's label, {name}"] = f"{right} of {len(labelled)}"
        page = self._write_page(videos, learned, queries, facts)
        for name, fact in facts.items():
            self.output.say(f"{name}: {fact}")
        self.output.say(f"look at {page}")
        return {"page": str(page), "auc": result.auc, "queries": len(labelled), "same_label": counts}

    @property
    def _folder(self) -> Path:
        source = f"synthetic-{self.seed}" if self.videos is None else f"{self.videos.resolve().name}-{self.seed}"
        return self.out / source

    def _synthetic(self) -> Path:
        folder = self._folder / "videos"
        if (folder / TABLE).exists():  # it comes last, so all videos are whole
            return folder / TABLE
        with self.output.progress().counting("making synthetic videos") as count:
            return write_videos(folder, SYNTHETIC, self.seed, on_progress=count)

    def _embed(self, runtime: Runtime, name: str, learner: Learner, videos: Videos, source: Path) -> Features:
        """Features through the exported graph, not through the network that was trained."""
        path = self._folder / f"{name}.onnx"
        runtime.publish(learner, path)
        opened = open_encoder(path, "auto")
        recipe = opened.recipe(root_of(source))
        features = embed_reported(opened.encoder, videos, recipe, self.output, name_small=False)
        features.save(self._folder / f"{name}.parquet")
        return features

    def _train(self, backend: Backend, spec: TrainSpec, videos: Videos, path: Path) -> TrainResult:
        with stop_on_signals() as stop:
            return train(
                spec,
                videos,
                backend,
                self._folder / "run",
                groups=videos.groups,
                names=videos.paths,
                describe={"videos": str(path.resolve())},
                progress=self.output.progress(),
                stop=stop,
            )

    def _write_page(
        self, videos: Videos, features: Features, queries: NDArray[np.intp], facts: Mapping[str, str]
    ) -> Path:
        chosen = queries[np.linspace(0, len(queries) - 1, min(QUERIES, len(queries))).round().astype(int)]
        found = zip(chosen.tolist(), neighbours(features, chosen), strict=True)
        rows = [_page_row(videos, features, query, near) for query, near in found]
        page = self._folder / "page.html"
        write_page(page, "What the encoder finds alike", rows, facts)
        return page


Near = list[tuple[int, float]]
"""Rows and their distances, nearest first."""


def neighbours(features: Features, queries: NDArray[np.intp]) -> list[Near]:
    """For each query row, the rows of its nearest other videos and how far they are."""
    order, distances = nearest_others(features.vectors, NEIGHBOURS)
    return [list(zip(order[query].tolist(), distances[query].tolist(), strict=True)) for query in queries]


def same_label(features: Features, queries: NDArray[np.intp]) -> int:
    """How many of the queries have the label of their nearest other video."""
    pairs = zip(queries.tolist(), neighbours(features, queries), strict=True)
    return sum(features.labels[query] == features.labels[near[0][0]] for query, near in pairs)


def _page_row(videos: Videos, features: Features, query: int, near: Near) -> Row:
    def card(row: int, note: str) -> Card:
        frames = first_frames(videos, videos.paths.index(features.paths[row]))
        return Card(features.paths[row], features.labels[row], note, frames)

    return Row(card(query, "the query"), [card(row, f"distance {far:.3f}") for row, far in near])
