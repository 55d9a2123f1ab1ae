"""The measuring instruments measure, the peers do what they are compared in, and no script rots."""

import json
import sys
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import building, core, pixels, plans, start, table2
from benchmarks.footage import WORST, footage, mixed_sizes, short_sizes, ucf101_sizes
from benchmarks.goals import Goal, goals
from benchmarks.interleaved import Rounds, Run, as_text, interleave
from benchmarks.machine import machine
from benchmarks.page import page
from benchmarks.peers import Change, imported, peers
from benchmarks.scale import FULL, QUICK, Scale
from benchmarks.script import show
from benchmarks.twins import NumpyMiner, PythonMiner
from stpairs_core import MiningSpec, VolumeShape, disjoint
from stpairs_core.testing import naive

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "core.json"


class Clock:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slower = 1.0
        self.order: list[str] = []

    def taking(self, name: str, seconds: float, units: float = 1) -> Run:
        def call() -> None:
            self.order.append(name)
            self.now += seconds * self.slower

        return Run(name, call, units)


def test_a_ratio_is_of_the_same_round_and_of_one_unit() -> None:
    clock = Clock()
    runs = [clock.taking("one", 1.0), clock.taking("ten", 40.0, units=10)]
    rounds = interleave("thing", runs, rounds=5, least=0.0, clock=lambda: clock.now)
    assert rounds.seconds == {"one": [1.0] * 5, "ten": [4.0] * 5}
    assert (rounds.ratio("ten", "one"), rounds.spread("ten", "one"), rounds.ratio("one", "ten")) == (
        4.0,
        (4.0, 4.0),
        0.25,
    )
    assert "4" in as_text(rounds).splitlines()[-1]


def test_drift_of_the_machine_leaves_the_ratio_alone() -> None:
    seconds = {"one": [1.0, 2.0, 3.0], "other": [2.0, 4.0, 9.0]}
    rounds = Rounds("thing", seconds)
    assert (rounds.ratio("other", "one"), rounds.median("one"), rounds.least("other")) == (2.0, 2.0, 2.0)


def test_short_calls_are_repeated_and_every_run_has_its_turn() -> None:
    clock = Clock()
    interleave(
        "thing", [clock.taking("a", 0.01), clock.taking("b", 0.05)], rounds=2, least=0.1, clock=lambda: clock.now
    )
    warm, measured = clock.order[:6], clock.order[6:]
    assert warm == ["a"] * 3 + ["b"] * 3
    assert measured == ["a"] * 10 + ["b"] * 2 + ["b"] * 2 + ["a"] * 10


@pytest.mark.parametrize("bits", [np.random.Philox, np.random.PCG64])
def test_the_numpy_twin_mines_what_algorithm_1_says(bits: Any) -> None:
    spec = MiningSpec(VolumeShape(16, 112, 112), pairs=500)
    extents = np.concatenate(
        [mixed_sizes(40), short_sizes(3, FULL), np.array([[9, 128, 171], [20, 128, 171]], np.int32)]
    )
    plan = NumpyMiner(extents, spec, bits(0)).plan()
    size = np.array([16, 112, 112])
    assert (plan.origin >= 0).all()
    assert (plan.origin + size <= extents[plan.video]).all()
    positive = plan.label == 1
    assert positive.sum() == 150
    assert np.array_equal(positive, plan.video[:, 0] == plan.video[:, 1])
    assert np.all(disjoint(plan.origin[positive, 0], plan.origin[positive, 1], spec.volume))
    assert not (plan.flip[:, 0] | plan.recolor[:, 0]).any()
    assert 0.4 < plan.flip[:, 1].mean() < 0.6
    assert 0.4 < plan.recolor[:, 1].mean() < 0.6
    changed = plan.color[plan.recolor]
    assert (changed >= [-0.1, 0.5, 0.7]).all()
    assert (changed <= [0.1, 2.0, 2.0]).all()
    assert (plan.color[~plan.recolor] == [0, 1, 1]).all()


def test_the_python_twin_mines_the_same_kind_of_pairs() -> None:
    spec = MiningSpec(VolumeShape(16, 112, 112), pairs=100)
    pairs = PythonMiner(short_sizes(5, FULL), spec).plan()
    assert sum(pair.label == 1 for pair in pairs) == 30
    for pair in pairs:
        assert (pair.video[0] == pair.video[1]) == (pair.label == 1)
        assert pair.label == -1 or abs(pair.origin[0][0] - pair.origin[1][0]) >= 16


def test_sizes_are_as_said() -> None:
    usual = ucf101_sizes(13_320, (128, 171))
    assert (usual[:, 0].min(), usual[:, 0].max() <= 1776) == (29, True)
    assert 180 < usual[:, 0].mean() < 192
    assert set(short_sizes(2, FULL)[:, 0]) == {WORST}
    made = footage(QUICK)
    assert made.source.extents[:, 0].sum() * 20 * 27 * 3 == len(made.memory) >= QUICK.memory * 0.9
    assert made.source.extents[:, 0].min() >= 29


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("name", ["OpenCV, uint8", "OpenCV, float32", "torch", "kornia", "matplotlib"])
def test_each_peer_makes_the_same_change(name: str, flip: bool) -> None:
    found, missing = peers()
    if name in missing:
        pytest.skip(f"{name} is not installed")
    volume = np.random.default_rng(0).integers(0, 256, (3, 9, 14, 3), np.uint8)[:, 1:8, 2:13]
    volume[0, 0, :3] = [[0, 0, 0], [255, 255, 255], [90, 90, 90]]
    for offset, exponent, scale in [(0.1, 0.5, 1.9), (-0.1, 2.0, 0.7), (0.0, 1.0, 1.0)]:
        right = naive.recolor(volume, offset, exponent, scale)
        out = np.zeros(volume.shape, np.uint8)
        found[name](volume, Change(offset, exponent, scale, flip), out)
        error = np.abs(out.astype(int) - (naive.flip(right) if flip else right))
        # Eight bits of hue, saturation and value are coarse: that is what makes this one fast.
        assert error.mean() < (3 if name == "OpenCV, uint8" else 0.01), (offset, exponent, scale)
        assert error.max() <= (30 if name == "OpenCV, uint8" else 1), (offset, exponent, scale)


@pytest.mark.parametrize(("f1", "f2"), [(True, True), (True, False), (False, True), (False, False)])
def test_what_is_timed_is_the_whole_work(f1: bool, f2: bool) -> None:
    videos = footage(QUICK)
    made = pixels._plans(QUICK, videos)
    frames = [videos.source.read(v, 0, int(n)) for v, n in enumerate(videos.source.extents[:, 0])]
    size = QUICK.volume
    out = np.zeros((pixels.PAIRS, 2, size.frames, size.height, size.width, 3), np.uint8)
    timed = pixels._obeyed(made, videos, out, f1, f2)
    for plan in made:
        timed()
        asked = replace(plan, recolor=np.full_like(plan.recolor, f1), flip=np.full_like(plan.flip, f2))
        assert np.abs(out.astype(int) - naive.materialize(asked, frames)).max() <= int(f1)


def test_a_peer_is_timed_on_the_same_volumes() -> None:
    videos = footage(QUICK)
    made = pixels._plans(QUICK, videos)
    frames = [videos.source.read(v, 0, int(n)) for v, n in enumerate(videos.source.extents[:, 0])]
    volumes = [volume for plan in made for volume in pixels._volumes(plan, videos)]
    slots = np.zeros((2 * pixels.PAIRS, *volumes[0].pixels.shape), np.uint8)
    timed = pixels._through(peers()[0]["torch"], volumes, slots)
    for _ in slots:
        timed()
    assert np.abs(slots.reshape(-1) - naive.materialize(made[0], frames).reshape(-1).astype(int)).max() <= 1


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.peers.imported", lambda name: None if name == "cv2" else imported(name))
    assert {"OpenCV, uint8", "OpenCV, float32"} <= set(peers()[1])
    monkeypatch.setattr("benchmarks.table2.imported", lambda _: None)
    assert table2.flows() == ({}, ["Farneback", "TVL1"])


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """Every section, measured at tiny sizes; the fresh interpreters do not compile, which would take too long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_DISABLE_JIT", "1")
        first_calls = start.measure(QUICK)
    measured = {
        "quick": True,
        "scale": {
            "videos": QUICK.videos,
            "picture": QUICK.picture,
            "memory": QUICK.memory,
            "volume": {"frames": 4},
        },
        "machine": machine(),
        "load_after": [0.0] * 3,
        "minutes": 0.1,
        "start": first_calls,
        "plans": plans.measure(QUICK),
        "pixels": pixels.measure(QUICK),
        "table2": table2.measure(QUICK),
    }
    return json.loads(json.dumps(measured))  # type: ignore[no-any-return]


def test_every_section_measures_and_the_page_shows_it(results: dict[str, Any]) -> None:
    shown = page(results)
    assert "these figures mean nothing" in shown
    names = [name for table in _tables(results) for name in table["seconds"]]
    assert len(names) > 30
    for table in _tables(results):
        assert all(len(rounds) == QUICK.rounds and min(rounds) > 0 for rounds in table["seconds"].values())
    assert [name for name in names if f"| {name} |" not in shown] == []
    assert results["pixels"]["errors"]["stpairs"]["levels"] <= 1
    assert all(way["equal"] for way in results["start"]["ways"].values())
    assert results["plans"]["built"][-1]["held_mib"] > 0


def _tables(results: Any) -> list[dict[str, Any]]:
    if not isinstance(results, dict):
        return []
    if results.keys() == {"unit", "seconds"}:
        return [results]
    return [table for value in results.values() for table in _tables(value)]


def test_a_goal_that_is_missed_is_a_no(results: dict[str, Any]) -> None:
    kept = _results_with(results)
    assert {goal.met for goal in goals(kept)} == {True}
    spoilt: list[tuple[str, Any]] = [
        ("20 ns a pair", lambda r: _slow(r["plans"]["lengths"]["4096"], "stpairs", 3)),
        ("vectorised NumPy", lambda r: _slow(r["plans"]["lengths"]["4096"], "NumPy, PCG64", 0.01)),
        ("33 frames", lambda r: _slow(r["plans"]["lengths"]["4096"], "stpairs, worst case", 1.2)),
        ("(tracemalloc)", lambda r: r["plans"]["built"][-1].update(held_mib=96.0)),
        ("(resident)", lambda r: r["plans"]["built"][-1].update(resident_mib=96.0)),
        ("what one of", lambda r: _slow(r["plans"]["videos"], "50 videos", 1.2)),
        ("a volume cut takes", lambda r: _slow(r["pixels"]["volume"], "cut", 3)),
        ("cut and flipped", lambda r: _slow(r["pixels"]["volume"], "F2", 3)),
        ("3 times as fast as OpenCV, uint8", lambda r: _slow(r["pixels"]["volume"], "OpenCV, uint8", 0.4)),
        ("OpenCV, float32", lambda r: _slow(r["pixels"]["volume"], "OpenCV, float32", 0.4)),
        ("kornia", lambda r: _slow(r["pixels"]["volume"], "kornia", 0.4)),
        ("error", lambda r: r["pixels"]["errors"]["stpairs"].update(levels=2)),
        ("4.5x memcpy", lambda r: _slow(r["pixels"]["mix"], "memcpy", 0.4)),
        ("2,500 pairs/s", lambda r: _slow(r["pixels"]["mix"], "plan and pixels", 2)),
        ("two threads", lambda r: _slow(r["pixels"]["mix"], "plan and pixels, two threads", 2)),
        ("at most 6 s", lambda r: r["start"]["fresh"][0].update(pixels=6.1)),
        ("at import", lambda r: r["start"]["fresh"][0].update(compiled_at_import=1)),
        ("the same bytes", lambda r: r["start"]["ways"]["fork"].update(equal=False)),
    ]
    for words, spoil in spoilt:
        results = deepcopy(kept)
        spoil(results)
        missed = [goal.text for goal in goals(results) if not goal.met and not goal.stretch]
        assert any(words in text for text in missed), words


def test_a_goal_without_its_peer_is_open(results: dict[str, Any]) -> None:
    kept = _results_with(results)
    del kept["pixels"]["volume"]["seconds"]["kornia"]
    (goal,) = [goal for goal in goals(kept) if "kornia" in goal.text]
    assert goal == Goal(goal.text, "not measured: no 'kornia' here", None)


def _slow(table: dict[str, Any], name: str, times: float) -> None:
    table["seconds"][name] = [times * seconds for seconds in table["seconds"][name]]


def _results_with(results: dict[str, Any]) -> dict[str, Any]:
    """Results that keep every promise, shaped as the scripts shape them."""
    made = deepcopy(results)
    lengths = {"stpairs": 9e-9, "stpairs, worst case": 9.5e-9, "NumPy, Philox": 9e-8, "NumPy, PCG64": 8e-8}
    volume = {"memcpy": 5e-5, "cut": 8e-5, "F2": 9e-5, "F1 and F2": 2e-4, "OpenCV, uint8": 1.1e-3}
    volume |= {"OpenCV, float32": 4e-3, "kornia": 1e-2}
    mix = {"memcpy": 7e-5, "plan and pixels": 2.2e-4, "plan and pixels, two threads": 1.2e-4}
    made["plans"]["lengths"] = {"4096": _table("pair", lengths)}
    made["plans"]["videos"] = _table("pair", {"5 videos": 9e-9, "20 videos": 9e-9, "50 videos": 9.1e-9})
    made["pixels"]["volume"], made["pixels"]["mix"] = _table("volume", volume), _table("pair", mix)
    made["plans"]["built"][-1] |= {"held_mib": 70.0, "resident_mib": 90.0}
    made["start"]["fresh"] = [{"pixels": 5.0, "compiled_at_import": 0}]
    return made


def _table(unit: str, seconds: dict[str, float]) -> dict[str, Any]:
    return {"unit": unit, "seconds": {name: [value] * 3 for name, value in seconds.items()}}


def test_a_way_that_gives_other_bytes_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert start.beside("threads")["equal"]
    real = start.digest
    monkeypatch.setattr(start, "_run_by", lambda _: lambda steps: [real(step + 1) for step in steps])
    assert not start.beside("threads")["equal"]


def test_a_script_prints_its_tables(
    results: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["plans", "--quick"])
    show("about", lambda scale: results["plans"] if scale is QUICK else {})
    shown = capsys.readouterr().out
    assert all(name in shown for table in _tables(results["plans"]) for name in table["seconds"])
    assert "held_mib" in shown


def _measured(found: dict[str, Any], scale: Scale) -> dict[str, Any]:
    assert scale is QUICK
    return found


def test_one_command_measures_all_and_writes_both_files(
    results: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in core.SECTIONS:
        monkeypatch.setitem(core.SECTIONS, name, partial(_measured, results[name]))
    numbers, shown = tmp_path / "core.json", tmp_path / "page.md"
    monkeypatch.setattr(sys, "argv", ["core", "--quick", "--results", str(numbers), "--page", str(shown)])
    core.main()
    written = json.loads(numbers.read_text())
    assert {name: written[name] for name in core.SECTIONS} == {name: results[name] for name in core.SECTIONS}
    assert shown.read_text() == page(written)


def test_what_a_miner_holds_is_seen() -> None:
    few, many = building.traced(10), building.traced(10_000)
    assert many["held_mib"] > 20 * few["held_mib"] > 0


def test_the_page_says_what_the_results_say() -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert not results["quick"]
    assert (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8") == page(results)
