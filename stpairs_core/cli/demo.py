"""`stpairs demo`: the whole main job at once, small, with a page to look at."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from numpy.typing import NDArray

from stpairs_core.cli.gallery import CLIP, embed_reported, recipe_of
from stpairs_core.cli.opening import miner_reported, open_reported, short_side_for
from stpairs_core.cli.output import Output
from stpairs_core.cli.page import Card, Row, write_page
from stpairs_core.embed import Features
from stpairs_core.index import nearest_others
from stpairs_core.protocols import Learner
from stpairs_core.registry import find_backend, find_runtime
from stpairs_core.spec import TrainSpec
from stpairs_core.train import load_config, open_run, preset, stop_on_signals, train
from stpairs_core.videos import Videos
from stpairs_core.videos.synthetic import SyntheticSpec, write_videos

QUERIES = 8
"""Rows on the page."""
NEIGHBOURS = 5
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
    """Where everything goes: videos, run, encoder, features, page."""
    steps: int = 600
    """Training steps; a few minutes on two cores."""
    seed: int = 0
    """Of everything that is drawn."""
    output: Annotated[Output, tyro.conf.arg(name="")] = Output()

    def run(self) -> Mapping[str, object]:
        """Do it and say what was found."""
        self.out.mkdir(parents=True, exist_ok=True)
        spec = replace(preset("default"), steps=self.steps, seed=self.seed, held_out=0.25, evaluate_every=200)
        path = self._synthetic() if self.videos is None else self.videos
        self.output.note("1/4  opening the videos")
        videos = open_reported(path, short_side_for(spec.mining.volume), self.output)
        miner_reported(videos, spec.mining, spec.seed, self.output)
        self.output.note("2/4  training: is it the same video, or another?")
        run = self.out / "run"
        with stop_on_signals() as stop:
            result = train(
                spec,
                videos,
                find_backend("torch"),
                run,
                groups=videos.groups,
                names=videos.paths,
                describe={"videos": str(path.resolve())},
                progress=self.output.progress(),
                stop=stop,
            )
        if result.interrupted:
            self.output.say(f"stopped at step {result.step}; the same command continues")
            return {"interrupted": True}
        self.output.note("3/4  exporting, and embedding through ONNX Runtime")
        learned = self._embed("encoder", open_run(run, device="cpu")[0], videos)
        fresh = find_backend("torch").learner(spec.learner, "cpu")
        untrained = self._embed("untrained", fresh, videos)
        self.output.note("4/4  searching")
        unseen = _rows(learned, load_config(run).held_out)
        return self._tell(videos, learned, untrained, unseen, result.auc, spec)

    def _synthetic(self) -> Path:
        folder = self.out / "videos"
        with self.output.progress().counting("making synthetic videos") as count:
            return write_videos(folder, SyntheticSpec(videos=240), self.seed, on_progress=count)

    def _embed(self, name: str, learner: Learner, videos: Videos) -> Features:
        """Features through the exported graph, not through the network that was trained."""
        path = self.out / f"{name}.onnx"
        runtime = find_runtime("onnx")
        runtime.publish(learner, path)
        encoder = runtime.encoder(path, "auto")
        features = embed_reported(encoder, videos, recipe_of(path, encoder), self.output)
        features.save(self.out / f"{name}.parquet")
        return features

    def _tell(
        self,
        videos: Videos,
        learned: Features,
        untrained: Features,
        unseen: NDArray[np.intp],
        auc: float | None,
        spec: TrainSpec,
    ) -> Mapping[str, object]:
        found = neighbours(learned, unseen)
        facts = {
            "videos": f"{len(learned.paths)}, {len(unseen)} of them never trained on",
            "volumes": f"{spec.mining.volume}, {spec.steps} steps of {spec.mining.pairs} pairs",
            "held-out pairs told apart (AUC)": "not measured" if auc is None else f"{auc:.3f}; 0.5 is guessing",
        }
        counts = {
            name: [same_label(features, unseen), len(unseen)]
            for name, features in (("learned", learned), ("untrained", untrained))
        }
        if len(set(learned.labels)) > 1:
            for name, (right, total) in counts.items():
                facts[f"nearest neighbour has the query's label, {name}"] = f"{right} of {total}"
        page = self.out / "page.html"
        chosen = np.linspace(0, len(unseen) - 1, min(QUERIES, len(unseen))).round().astype(int)
        rows = [_page_row(videos, learned, unseen[i], *found[i]) for i in chosen]
        write_page(page, "What the encoder finds alike", rows, facts)
        for name, fact in facts.items():
            self.output.say(f"{name}: {fact}")
        self.output.say(f"look at {page}")
        return {"page": str(page), "auc": auc, "encoder": str(self.out / "encoder.onnx"), "nearest_label": counts}


def neighbours(features: Features, queries: NDArray[np.intp]) -> list[tuple[list[int], list[float]]]:
    """For each query row, the rows of its nearest other videos and how far they are."""
    order, distances = nearest_others(features.vectors, NEIGHBOURS)
    return [(order[query].tolist(), distances[query].tolist()) for query in queries]


def same_label(features: Features, queries: NDArray[np.intp]) -> int:
    """How many of the queries have the label of their nearest other video."""
    pairs = zip(queries, neighbours(features, queries), strict=True)
    return sum(features.labels[query] == features.labels[rows[0]] for query, (rows, _) in pairs)


def _rows(features: Features, names: tuple[str, ...]) -> NDArray[np.intp]:
    """Rows of the held-out videos; all rows where nothing was held out."""
    held = np.flatnonzero(np.isin(features.paths, names))
    return held if len(held) else np.arange(len(features.paths))


def _page_row(videos: Videos, features: Features, query: int, rows: list[int], distances: list[float]) -> Row:
    def card(row: int, note: str) -> Card:
        video = videos.paths.index(features.paths[row])
        frames = videos.read(video, 0, min(CLIP, int(videos.extents[video, 0])))
        return Card(features.paths[row], features.labels[row], note, frames)

    cards = [card(row, f"distance {far:.3f}") for row, far in zip(rows, distances, strict=True)]
    return Row(card(int(query), "query, never trained on"), cards)
