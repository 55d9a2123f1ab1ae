"""`stpairs search`: the nearest videos of one video."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from stpairs_core.cli.gallery import Gallery, Query, open_gallery
from stpairs_core.cli.output import Output
from stpairs_core.cli.page import Card, Row, write_page
from stpairs_core.errors import InvalidSpec
from stpairs_core.index import nearest


@dataclass(frozen=True)
class Search:
    """Find the videos nearest to one video in the feature space.

    With a run, its own training videos are searched unless --videos names others; with an ONNX encoder, those that
    --videos names; with features.parquet, the videos in it. A query that is among them does not find itself.
    """

    source: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN|ENCODER|FEATURES")]
    """A run's folder, an encoder.onnx, or a features.parquet: what to search with, or in."""
    query: tyro.conf.Positional[Path]
    """A video file, or the path of a video as features.parquet has it."""
    k: Annotated[int, tyro.conf.arg(aliases=["-k"])] = 5
    """How many neighbours."""
    videos: Path | None = None
    """The videos to search in; for features.parquet, where its videos are now."""
    encoder: Path | None = None
    """For features.parquet and a query that is not in it: the encoder that made the features."""
    page: Path | None = None
    """Also write a page that shows the query and its neighbours moving; one file, works offline."""
    device: str = "auto"
    """auto, cpu or cuda. Asking for cuda where there is none is an error."""
    output: Annotated[Output, tyro.conf.arg(name="")] = Output()

    def run(self) -> Mapping[str, object]:
        """Search and tell."""
        if self.page is not None and self.videos is None and self.source.suffix == ".parquet":
            raise InvalidSpec("a page needs the frames: --videos says where the searched videos are")
        if self.device != "auto" and self.encoder is None and self.source.suffix == ".parquet":
            raise InvalidSpec("nothing is computed on a device here: --device goes with an encoder")
        gallery = open_gallery(self.source, self.videos, self.encoder, self.device, self.output)
        features = gallery.features
        query = gallery.query(self.query, self.output)
        rows = np.setdiff1d(np.arange(len(features.paths)), [] if query.row is None else [query.row])
        order, distances = nearest(features.vectors[rows], query.vector[np.newaxis], self.k)
        found = [(int(rows[row]), float(far)) for row, far in zip(order[0], distances[0], strict=True)]
        for rank, (row, far) in enumerate(found, 1):
            label = f"  [{features.labels[row]}]" if features.labels[row] else ""
            self.output.say(f"{rank}  {far:10.4f}  {features.paths[row]}{label}")
        if self.page is not None:
            self._write_page(self.page, gallery, query, found)
        neighbours = [
            {"path": features.paths[row], "label": features.labels[row], "distance": far} for row, far in found
        ]
        return {"query": str(self.query), "neighbours": neighbours, "page": str(self.page) if self.page else None}

    def _write_page(self, page: Path, gallery: Gallery, query: Query, found: list[tuple[int, float]]) -> None:
        paths, labels = gallery.features.paths, gallery.features.labels
        assert query.frames is not None  # known videos or a known encoder: run() asked for one of them
        label = "" if query.row is None else labels[query.row]
        cards = [Card(paths[row], labels[row], f"distance {far:.4f}", gallery.clip(row)) for row, far in found]
        facts = {"searched with": str(self.source), "videos searched": str(len(paths))}
        rows = [Row(Card(self.query.name, label, "the query", query.frames), cards)]
        write_page(page, f"Nearest neighbours of {self.query.name}", rows, facts)
        self.output.say(f"{page}: query and neighbours as moving pictures")
