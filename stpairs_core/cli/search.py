"""`stpairs search`: the nearest videos of one video."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from stpairs_core.cli.gallery import Gallery, open_gallery
from stpairs_core.cli.output import Output
from stpairs_core.cli.page import Card, Row, write_page
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
        gallery = open_gallery(self.source, self.videos, self.encoder, self.device, self.output)
        vector, own = gallery.query(self.query, self.output)
        rows = np.setdiff1d(np.arange(len(gallery.features.paths)), [] if own is None else [own])
        order, distances = nearest(gallery.features.vectors[rows], vector[np.newaxis], self.k)
        found = [(int(rows[row]), float(far)) for row, far in zip(order[0], distances[0], strict=True)]
        for rank, (row, far) in enumerate(found, 1):
            label = gallery.features.labels[row]
            self.output.say(f"{rank}  {far:10.4f}  {gallery.features.paths[row]}" + (f"  [{label}]" if label else ""))
        if self.page is not None:
            self._write_page(self.page, gallery, found)
        neighbours = [
            {"path": gallery.features.paths[row], "label": gallery.features.labels[row], "distance": far}
            for row, far in found
        ]
        return {"query": str(self.query), "neighbours": neighbours, "page": str(self.page) if self.page else None}

    def _write_page(self, page: Path, gallery: Gallery, found: list[tuple[int, float]]) -> None:
        query = Card(self.query.name, "", "query", gallery.query_clip(self.query, self.output))
        cards = [
            Card(gallery.features.paths[row], gallery.features.labels[row], f"distance {far:.4f}", gallery.clip(row))
            for row, far in found
        ]
        facts = {"searched with": str(self.source), "videos searched": str(len(gallery.features.paths))}
        write_page(page, f"Nearest neighbours of {self.query.name}", [Row(query, cards)], facts)
        self.output.say(f"{page}: query and neighbours as moving pictures")
