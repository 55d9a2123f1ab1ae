"""Volumes to vectors to Parquet and back."""

import errno
import json
import os
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from stpairs_core.embed import Features, Recipe, embed, fitting, origins
from stpairs_core.errors import BadFile, BadVideos, InvalidSpec, MissingPart, NoRoom, StpairsError
from stpairs_core.spec import VolumeShape

SHAPE = VolumeShape(4, 6, 5)


class Clips:
    """A source whose voxels say where they are: (t, y, x) in the three channels."""

    def __init__(self, *extents: tuple[int, int, int]) -> None:
        self.extents = np.array(extents, np.int32).reshape(-1, 3)
        self.reads: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self.extents)

    def read(self, video: int, first: int, count: int) -> NDArray[np.uint8]:
        self.reads.append((video, first))
        t, y, x = np.meshgrid(*map(np.arange, self.extents[video]), indexing="ij")
        return np.stack([t, y, x], -1).astype(np.uint8)[first : first + count]


class Corner:
    """An encoder whose feature is the volume's first and last voxel."""

    shape = SHAPE
    width = 6

    def __call__(self, volumes: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert volumes.dtype == np.uint8
        assert volumes.shape[1:] == (4, 6, 5, 3)
        return np.concatenate([volumes[:, 0, 0, 0], volumes[:, -1, -1, -1]], axis=1).astype(np.float32)


def features(count: int = 3, width: int = 4) -> Features:
    recipe = Recipe("encoder.onnx", "ab" * 32, SHAPE, 10, 7, "0.1.0")
    vectors = np.random.default_rng(0).normal(size=(count, width)).astype(np.float32)
    return Features(tuple(f"dir/{i} é.mp4" for i in range(count)), ("run", "", "jump")[:count], vectors, recipe)


def test_a_vector_is_the_mean_over_the_volumes_that_origins_names() -> None:
    source = Clips((9, 12, 11), (4, 6, 5), (30, 7, 40))
    vectors = embed(Corner(), source, volumes=6, seed=3)
    assert vectors.shape == (3, 6)
    assert vectors.dtype == np.float32
    for video, extent in enumerate(source.extents):
        first = origins(extent.tolist(), SHAPE, video, 6, seed=3)
        expected = np.concatenate([first, np.add(first, (3, 5, 4))], axis=1).mean(axis=0)
        np.testing.assert_allclose(vectors[video], expected, rtol=1e-6)
    assert vectors[1].tolist() == [0, 0, 0, 3, 5, 4]


def test_volumes_of_every_second_frame_span_twice_as_much() -> None:
    source = Clips((9, 12, 11), (7, 6, 5), (6, 60, 50))
    assert fitting(source.extents, SHAPE, stride=2).tolist() == [0, 1]
    vectors = embed(Corner(), source, videos=[0, 1], volumes=6, seed=3, stride=2)
    for row, extent in enumerate(source.extents[:2]):
        first = origins(extent.tolist(), SHAPE.span(2), row, 6, seed=3)
        expected = np.concatenate([first, np.add(first, (6, 5, 4))], axis=1).mean(axis=0)
        np.testing.assert_allclose(vectors[row], expected, rtol=1e-6)
    with pytest.raises(BadVideos, match=r"one volume of 7x6x5: video 2 \(6x60x50\)"):
        embed(Corner(), source, stride=2)
    with pytest.raises(InvalidSpec, match="stride must be at least 1, not 0"):
        embed(Corner(), source, stride=0)


@given(
    extent=st.tuples(st.integers(4, 40), st.integers(6, 40), st.integers(5, 40)),
    video=st.integers(0, 2**40),
    volumes=st.integers(1, 30),
    seed=st.integers(0, 2**64 - 1),
)
def test_origins_fit_and_more_volumes_begin_with_the_same(
    extent: tuple[int, int, int], video: int, volumes: int, seed: int
) -> None:
    found = origins(extent, SHAPE, video, volumes, seed)
    assert (found >= 0).all()
    assert (np.add(found, (4, 6, 5)) <= extent).all()
    np.testing.assert_array_equal(origins(extent, SHAPE, video, volumes + 3, seed)[:volumes], found)


def test_origins_are_uniform_over_all_that_fit() -> None:
    extent = (6, 8, 6)  # 3 x 3 x 2 places
    found = np.concatenate([origins(extent, SHAPE, video, 10, seed=11) for video in range(900)])
    counts = Counter(map(tuple, found.tolist()))
    assert len(counts) == 18
    assert stats.chisquare(list(counts.values())).pvalue > 1e-4


def test_seeds_and_videos_differ() -> None:
    draws = {origins((99, 99, 99), SHAPE, video, 3, seed).tobytes() for video in range(5) for seed in range(5)}
    assert len(draws) == 25


def test_any_split_over_machines_gives_the_same_vectors() -> None:
    source = Clips((9, 12, 11), (4, 6, 5), (30, 7, 40), (8, 8, 8))
    whole = embed(Corner(), source, seed=5)
    np.testing.assert_array_equal(embed(Corner(), source, videos=[2, 0], seed=5), whole[[2, 0]])
    assert embed(Corner(), source, videos=[], seed=5).shape == (0, 6)


def test_fitting_and_the_refusal_of_the_others() -> None:
    source = Clips((9, 12, 11), (3, 60, 50), (9, 5, 50), (9, 60, 4), (4, 6, 5))
    assert fitting(source.extents, SHAPE).tolist() == [0, 4]
    with pytest.raises(BadVideos, match=r"4x6x5: video 1 \(3x60x50\), video 2 \(9x5x50\), video 3 \(9x60x4\); leave"):
        embed(Corner(), source)
    assert source.reads == []
    assert embed(Corner(), source, videos=fitting(source.extents, SHAPE)).shape == (2, 6)
    with pytest.raises(InvalidSpec, match="at least one volume"):
        embed(Corner(), source, volumes=0)


def test_progress_counts_videos() -> None:
    seen: list[tuple[int, int]] = []
    embed(Corner(), Clips((9, 9, 9), (9, 9, 9)), on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_the_next_video_is_read_while_one_is_encoded() -> None:
    source = Clips((9, 9, 9), (9, 9, 9))
    second = threading.Event()
    read = source.read

    def watched(video: int, first: int, count: int) -> NDArray[np.uint8]:
        if video == 1:
            second.set()
        return read(video, first, count)

    source.read = watched  # type: ignore[method-assign]

    class Waiting(Corner):
        def __call__(self, volumes: NDArray[np.uint8]) -> NDArray[np.float32]:
            assert second.wait(10), "the second video was not read while the first was encoded"
            return super().__call__(volumes)

    embed(Waiting(), source, volumes=2)


def test_failures_of_the_source_and_of_the_encoder_come_through() -> None:
    source = Clips((9, 9, 9), (9, 9, 9))

    class Broken(Corner):
        def __call__(self, volumes: NDArray[np.uint8]) -> NDArray[np.float32]:
            return np.full((len(volumes), 6), np.nan, np.float32)

    with pytest.raises(StpairsError, match="not finite for video 0"):
        embed(Broken(), source)

    def failing(video: int, first: int, count: int) -> NDArray[np.uint8]:
        raise BadVideos("gone")

    source.read = failing  # type: ignore[method-assign]
    before = threading.active_count()
    with pytest.raises(BadVideos, match="gone"):
        embed(Corner(), source)
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "new" / "features.parquet"
    saved = features()
    saved.save(path)
    loaded = Features.load(path)
    assert (loaded.paths, loaded.labels, loaded.recipe) == (saved.paths, saved.labels, saved.recipe)
    np.testing.assert_array_equal(loaded.vectors, saved.vectors)
    assert loaded.vectors.dtype == np.float32
    assert [p.name for p in path.parent.iterdir()] == ["features.parquet"]
    assert repr(loaded) == "Features(3 videos, 4 numbers each, by encoder.onnx)"


def test_other_programs_can_read_it(tmp_path: Path) -> None:
    features().save(tmp_path / "f.parquet")
    table = pq.read_table(tmp_path / "f.parquet")
    assert table.column_names == ["path", "label", "feature"]
    assert table.schema.field("feature").type.equals(pa.list_(pa.float32(), 4))
    facts = json.loads(table.schema.metadata[b"stpairs.features"])
    assert facts["sha256"] == "ab" * 32
    assert facts["shape"] == {"frames": 4, "height": 6, "width": 5}


@settings(max_examples=30, deadline=None)
@given(names=st.lists(st.text(st.sampled_from("a/\\ud80c5x\udc80\udcff\ud800é"), max_size=12), min_size=1, max_size=6))
def test_names_that_are_no_text_come_back_as_they_were(names: list[str], tmp_path_factory: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "names.parquet"
    saved = replace(features(1), vectors=np.zeros((len(names), 4), np.float32), paths=tuple(names), labels=tuple(names))
    saved.save(path)
    loaded = Features.load(path)
    assert (loaded.paths, loaded.labels) == (saved.paths, saved.labels)


def test_a_file_name_that_is_no_utf8_can_be_read_in_the_table(tmp_path: Path) -> None:
    name = os.fsdecode(b"dir/caf\xe9.mp4")
    replace(features(2), paths=(name, r"C:\clips\udder.mp4")).save(tmp_path / "f.parquet")
    table = pq.read_table(tmp_path / "f.parquet")
    assert table["path"].to_pylist() == [r"dir/caf\udce9.mp4", r"C:\clips\udder.mp4"]
    assert os.fsencode(Features.load(tmp_path / "f.parquet").paths[0]) == b"dir/caf\xe9.mp4"


def test_no_videos_keep_their_width(tmp_path: Path) -> None:
    features(0).save(tmp_path / "f.parquet")
    assert Features.load(tmp_path / "f.parquet").vectors.shape == (0, 4)


def test_the_recipe_knows_the_encoder_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "e.onnx").write_bytes(b"abc")
    recipe = Recipe.of(tmp_path / "e.onnx", SHAPE, 10, 7)
    assert recipe.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (recipe.encoder, recipe.volumes, recipe.seed) == ("e.onnx", 10, 7)
    with pytest.raises(BadFile, match=r"cannot read .*nowhere\.onnx: No such file"):
        Recipe.of(tmp_path / "nowhere.onnx", SHAPE)


def test_files_that_are_no_features_are_bad_files(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    with pytest.raises(BadFile, match=r"f\.parquet: No such file"):
        Features.load(path)
    for content in (b"", b"PAR1", b"junk" * 100):
        path.write_bytes(content)
        with pytest.raises(BadFile, match=r"f\.parquet: it is no Parquet file"):
            Features.load(path)
    with pytest.raises(BadFile, match="Is a directory"):
        Features.load(tmp_path)
    for table in (
        pa.table({"a": [1]}),
        pa.table({"a": [1]}).replace_schema_metadata({"stpairs.features": "{}"}),
        pa.table({"a": [1]}).replace_schema_metadata({"stpairs.features": "{"}),
    ):
        pq.write_table(table, path)
        with pytest.raises(BadFile, match="no features of ours"):
            Features.load(path)


def test_columns_of_another_kind_are_bad_files(tmp_path: Path) -> None:
    features().save(tmp_path / "good.parquet")
    good = pq.read_table(tmp_path / "good.parquet")
    wide = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(12)), 4)
    for name, column in (("feature", wide), ("feature", pa.array(["a", "b", "c"])), ("label", None)):
        table = good.drop_columns([name])
        table = table if column is None else table.append_column(name, column)
        pq.write_table(table, tmp_path / "f.parquet")
        with pytest.raises(BadFile, match="no features of ours"):
            Features.load(tmp_path / "f.parquet")


def test_damage_is_never_silent(tmp_path: Path) -> None:
    """Any byte flipped in the vectors, and the file cut anywhere."""
    path = tmp_path / "f.parquet"
    saved = features()
    saved.save(path)
    good = path.read_bytes()
    where = good.index(saved.vectors.tobytes()[:8])
    for at in (where, where + 20, where + 40):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(BadFile):
            Features.load(path)
    for size in range(0, len(good), 97):
        path.write_bytes(good[:size])
        with pytest.raises(BadFile):
            Features.load(path)


@pytest.mark.parametrize(("code", "kind"), [(errno.ENOSPC, NoRoom), (errno.EIO, StpairsError)])
def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[StpairsError]
) -> None:
    path = tmp_path / "f.parquet"
    path.write_bytes(b"old")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(code, "the reason")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(kind, match=r"write .*f\.parquet"):
        features().save(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_disagreeing_columns_are_refused() -> None:
    with pytest.raises(InvalidSpec, match=r"2 paths, 3 labels and vectors of shape \(3, 4\)"):
        replace(features(), paths=("a", "b"))


def test_without_pyarrow_the_hint_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPart, match=r"pip install \"stpairs\[search\]\""):
        Features.load(tmp_path / "f.parquet")
