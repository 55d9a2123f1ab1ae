"""Synthetic actions: repeatable, balanced, told apart by motion and by nothing else unless asked."""

import itertools
from collections.abc import Callable
from dataclasses import asdict, astuple, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom, chi2_contingency, chisquare
from sklearn.linear_model import RidgeClassifierCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stpairs_core.errors import BadFile, InvalidSpec, StpairsError
from stpairs_core.videos.ffmpeg import decode
from stpairs_core.videos.manifest import read_rows
from stpairs_core.videos.synthetic import (
    ACTIONS,
    BACKGROUNDS,
    COLOURS,
    DRIFTS,
    HEADINGS,
    KINDS,
    SPEEDS,
    TEXTURES,
    Factors,
    SyntheticSpec,
    arrays,
    draw,
    motion,
    read_table,
    render,
    write_videos,
)
from stpairs_core.videos.synthetic.factors import Looks
from stpairs_core.videos.synthetic.paint import canvas, distance

Video = NDArray[np.uint8]
Features = NDArray[np.float64]

SMALL = SyntheticSpec(videos=7, frames=10, height=48, width=64)
WORDS = {
    "direction": HEADINGS,
    "speed": SPEEDS,
    "kind": KINDS,
    "texture": TEXTURES,
    "colour": COLOURS,
    "background": BACKGROUNDS,
    "background_colour": COLOURS,
    "drift": DRIFTS,
}


@pytest.fixture(scope="module")
def many_draws() -> list[Factors]:
    spec = SyntheticSpec(object_follows_action=0.5)
    return [draw(spec, 11, index) for index in range(7 * 800)]


@pytest.fixture(scope="module")
def world() -> tuple[list[Video], list[Factors]]:
    return arrays(SyntheticSpec(videos=420, frames=24, height=48, width=64), seed=0)


def test_a_video_is_a_function_of_spec_seed_and_index() -> None:
    backwards = [render(SMALL, 5, index) for index in reversed(range(SMALL.videos))][::-1]
    videos, factors = arrays(SMALL, 5)
    assert factors == [known for _, known in backwards] == [draw(SMALL, 5, index) for index in range(SMALL.videos)]
    for one, (other, _) in zip(videos, backwards, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.shape == (10, 48, 64, 3)
        assert one.dtype == np.uint8


def test_seeds_and_indices_give_different_videos() -> None:
    seen = {render(SMALL, seed, index)[0].tobytes() for seed in range(3) for index in range(4)}
    assert len(seen) == 12


def test_more_videos_begin_with_the_same_ones() -> None:
    few, _ = render(SMALL, 2, 3)
    many, _ = render(replace(SMALL, videos=700), 2, 3)
    np.testing.assert_array_equal(few, many)


@given(
    actions=st.lists(st.sampled_from(ACTIONS), min_size=1, unique=True),
    seed=st.integers(0, 2**64 - 1),
    videos=st.integers(1, 40),
)
def test_actions_are_balanced(actions: list[str], seed: int, videos: int) -> None:
    spec = SyntheticSpec(videos=videos, actions=tuple(actions))
    drawn = [draw(spec, seed, index).action for index in range(videos)]
    counts = [drawn.count(action) for action in actions]
    assert sum(counts) == videos
    assert max(counts) - min(counts) <= 1


def test_an_action_has_no_fixed_place_among_the_indices() -> None:
    places = [draw(SMALL, 0, index).action for index in range(0, 7 * 60, 7)]
    assert set(places) == set(ACTIONS)


@pytest.mark.parametrize("factor", WORDS)
def test_factors_are_drawn_evenly(many_draws: list[Factors], factor: str) -> None:
    drawn = [getattr(known, factor) for known in many_draws]
    assert set(drawn) == set(WORDS[factor])
    assert chisquare([drawn.count(word) for word in WORDS[factor]]).pvalue > 1e-4


@pytest.mark.parametrize(("factor", "other"), [*itertools.combinations(sorted({"action", *WORDS}), 2)])
def test_factors_are_independent_but_for_the_kind(many_draws: list[Factors], factor: str, other: str) -> None:
    pvalue = chi2_contingency(_table(many_draws, factor, other)).pvalue
    if (factor, other) == ("action", "kind"):
        assert pvalue < 1e-100
    else:
        assert pvalue > 1e-4


def _table(known: list[Factors], row: str, column: str) -> NDArray[np.float64]:
    _, rows = np.unique([getattr(one, row) for one in known], return_inverse=True)
    _, columns = np.unique([getattr(one, column) for one in known], return_inverse=True)
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1)
    return table


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8, 1.0])
def test_the_object_follows_the_action_in_the_share_asked_for(share: float) -> None:
    spec = SyntheticSpec(object_follows_action=share)
    count = 2100
    own = sum(
        KINDS.index(known.kind) == ACTIONS.index(known.action) for known in (draw(spec, 4, i) for i in range(count))
    )
    expected = share + (1 - share) / len(KINDS)
    assert binom.ppf(1e-4, count, expected) <= own <= binom.ppf(1 - 1e-4, count, expected)


def test_an_action_keeps_its_kind_when_others_are_left_out() -> None:
    spec = SyntheticSpec(object_follows_action=1.0, actions=("shake", "zoom"))
    assert {(draw(spec, 0, i).action, draw(spec, 0, i).kind) for i in range(8)} == {("shake", "moon"), ("zoom", "star")}


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_moves(action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = replace(SMALL, actions=(action,))
    index = next(i for i in range(100) if draw(spec, 0, i).drift == "still")
    moving = _stir(render(spec, 0, index)[0])
    monkeypatch.setitem(motion._ACTIONS, action, lambda beat: motion._along(beat, 0 * beat.cycles))
    still = _stir(render(spec, 0, index)[0])
    assert moving > 2.5 * still
    assert moving > 4.0


def _stir(video: Video) -> float:
    """Mean difference of frames three apart, over blocks of 4x4 pixels so that grain fades."""
    frames, height, width, _ = video.shape
    blocks = video.reshape(frames, height // 4, 4, width // 4, 4, 3).mean((2, 4))
    return float(np.abs(blocks[3:] - blocks[:-3]).mean())


@pytest.mark.parametrize(("heading", "axis", "sign"), [("right", 2, 1), ("left", 2, -1), ("down", 1, 1), ("up", 1, -1)])
def test_headings_mean_what_they_say(heading: str, axis: int, sign: int) -> None:
    spec = replace(SMALL, actions=("translate",))
    index = next(i for i in range(300) if _moves_slowly(draw(spec, 0, i), heading))
    video = render(spec, 0, index)[0].astype(np.float64)
    missed = {shift: _miss(video, axis, shift) for shift in range(-3, 4)}
    assert np.sign(min(missed, key=missed.__getitem__)) == sign


def _moves_slowly(known: Factors, heading: str) -> bool:
    return (known.direction, known.speed, known.drift) == (heading, "slow", "still") and known.background == "slope"


def _miss(video: NDArray[np.float64], axis: int, shift: int) -> float:
    """How badly each frame, moved by `shift` pixels, foretells the next."""
    inner = (slice(None), slice(4, -4), slice(4, -4))
    return float(np.abs(video[1:][inner] - np.roll(video[:-1], shift, axis)[inner]).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_have_one_area_and_stay_in_their_cell(kind: str) -> None:
    y, x = np.mgrid[-1.2:1.2:241j, -1.2:1.2:241j].astype(np.float32)
    inside = distance(kind, x, y) < 0
    assert inside.sum() * 0.01**2 == pytest.approx(1.8, rel=0.02)
    assert np.hypot(x, y)[inside].max() <= 1.02


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_backgrounds_have_no_seam(background: str) -> None:
    picture = canvas(background, 60, 90, Looks(0, 0, 100))
    steps = np.abs(np.diff(picture, axis=0)).max(), np.abs(np.diff(picture, axis=1)).max()
    assert np.abs(picture[0] - picture[-1]).max() <= 1.2 * steps[0] + 1e-6
    assert np.abs(picture[:, 0] - picture[:, -1]).max() <= 1.2 * steps[1] + 1e-6
    assert picture.std() > 0.05


def test_colours_do_not_tell_the_action(world: tuple[list[Video], list[Factors]]) -> None:
    scores = _accuracies(world, _colour_histogram)
    assert max(scores) <= _chance_at_most(140), scores


def test_one_frame_does_not_tell_the_action(world: tuple[list[Video], list[Factors]]) -> None:
    scores = _accuracies(world, lambda video: video[12, ::3, ::3].ravel() / 255)
    assert max(scores) <= _chance_at_most(140), scores


def test_motion_tells_the_action(world: tuple[list[Video], list[Factors]]) -> None:
    nearest, linear = _accuracies(world, _flow_statistics)
    assert nearest > 0.5
    assert linear > 0.6


@pytest.mark.parametrize(("share", "low", "high"), [(1.0, 1.0, 1.0), (0.0, 0.0, 0.20)])
def test_the_kind_gives_the_action_away_only_when_asked_to(share: float, low: float, high: float) -> None:
    spec = SyntheticSpec(object_follows_action=share)
    known = [draw(spec, 1, index) for index in range(1400)]
    kinds = np.array([[one.kind == kind for kind in KINDS] for one in known], float)
    actions = np.array([one.action for one in known])
    score = RidgeClassifierCV().fit(kinds[:700], actions[:700]).score(kinds[700:], actions[700:])
    assert low <= score <= high


def _chance_at_most(count: int) -> float:
    """The accuracy that a guesser passes once in ten thousand times."""
    return float(binom.ppf(1 - 1e-4, count, 1 / len(ACTIONS)) / count)


def _accuracies(world: tuple[list[Video], list[Factors]], feature: Callable[[Video], Features]) -> tuple[float, float]:
    """Of the nearest neighbour and of a linear classifier, trained on two thirds of the videos."""
    features = StandardScaler().fit_transform(np.stack([feature(video) for video in world[0]]))
    actions = np.array([known.action for known in world[1]])
    models = KNeighborsClassifier(1), make_pipeline(StandardScaler(), RidgeClassifierCV(np.logspace(-2, 4, 7)))
    nearest, linear = (m.fit(features[:280], actions[:280]).score(features[280:], actions[280:]) for m in models)
    return nearest, linear


def _colour_histogram(video: Video) -> Features:
    levels = (video[::4] >> 5).reshape(-1, 3).astype(np.int64)
    counts = np.bincount(levels @ (64, 8, 1), minlength=512)
    return np.asarray(np.sqrt(counts / counts.sum()), np.float64)


def _flow_statistics(video: Video) -> Features:
    """How flow, by least squares in blocks of 16x16 pixels, varies over place and comes back over time."""
    grey = video.mean(3)
    dt, (dy, dx) = np.diff(grey, axis=0), np.gradient(grey[:-1], axis=(1, 2))
    xx, yy, xy, xt, yt = (_blocks(p) for p in (dx * dx + 20, dy * dy + 20, dx * dy, dx * dt, dy * dt))
    flow = np.stack([xy * yt - yy * xt, xy * xt - xx * yt]) / (xx * yy - xy * xy)  # (2, T - 1, blocks)
    mean, size = flow.mean(2), np.abs(flow).mean()
    lags = [(np.mean(z[:, k:] * z[:, :-k]) / np.mean(z * z)) for k in (1, 2, 3, 5, 7) for z in (flow, mean)]
    turning = np.abs(np.mean(mean[0, 1:] * mean[1, :-1] - mean[1, 1:] * mean[0, :-1])) / np.mean(mean * mean)
    round_path = np.divide(*np.linalg.eigvalsh(np.cov(mean)))
    steady = np.abs(mean.mean(1)).sum() / size
    return np.array([size, np.abs(mean).mean() / size, flow.std(2).mean() / size, steady, turning, round_path, *lags])


def _blocks(field: Features) -> Features:
    frames, height, width = field.shape
    blocks: Features = field.reshape(frames, height // 16, 16, width // 16, 16).mean((2, 4))
    return blocks.reshape(frames, -1)


def test_files_and_table_hold_what_was_rendered(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    table = write_videos(tmp_path / "new" / "videos", SMALL, 3, lambda done, total: heard.append((done, total)))
    known = read_table(table)
    assert heard == [(done, 7) for done in range(1, 8)]
    assert list(known.values()) == [draw(SMALL, 3, index) for index in range(7)]
    for index, (name, factors) in enumerate(known.items()):
        assert name == f"{factors.action}/{factors.action}_{index:04d}.mp4"
        decoded = np.stack(list(decode(table.parent / name)))
        rendered = render(SMALL, 3, index)[0]
        assert decoded.shape == rendered.shape
        assert np.abs(decoded.astype(float) - rendered).mean() < 12


def test_the_table_is_a_manifest(tmp_path: Path) -> None:
    table = write_videos(tmp_path, replace(SMALL, videos=2), 0)
    rows = read_rows(table)
    assert [row["label"] for row in rows] == [factors.action for factors in read_table(table).values()]
    assert [row["path"] for row in rows] == list(read_table(table))


def test_writing_again_replaces_what_was_there(tmp_path: Path) -> None:
    foreign = tmp_path / "zoom" / "my_holidays.mp4"
    foreign.parent.mkdir()
    foreign.write_bytes(b"mine")
    write_videos(tmp_path, replace(SMALL, videos=6), 8)
    small = replace(SMALL, videos=2)
    first = {path: path.read_bytes() for path in (write_videos(tmp_path, small, 9).parent).rglob("*.*")}
    second = {path: path.read_bytes() for path in (write_videos(tmp_path, small, 9).parent).rglob("*.*")}
    assert first == second
    assert {path.name for path in first} == {"factors.csv", "my_holidays.mp4"} | {
        f"{action}_{index:04d}.mp4" for index, action in enumerate(draw(small, 9, i).action for i in range(2))
    }


def test_what_a_killed_writer_left_is_cleared(tmp_path: Path) -> None:
    names = ("zoom/.zoom_0003.mp4.7-ab.tmp", "shake/.shake_10000.mp4.7-ab.tmp", ".factors.csv.7-ab.tmp")
    left = [tmp_path / name for name in names]
    mine = [tmp_path / name for name in ("zoom/.my.tmp", "zoom/zoom_draft.tmp")]
    for path in left + mine:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half of it")
    write_videos(tmp_path, replace(SMALL, videos=1), 0)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in mine)


def test_an_interrupted_writing_stops_at_once_and_leaves_no_table(tmp_path: Path) -> None:
    write_videos(tmp_path, replace(SMALL, videos=1), 0)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_videos(tmp_path, replace(SMALL, videos=200), 0, interrupt)
    assert not (tmp_path / "factors.csv").exists()
    assert len([*tmp_path.rglob("*")]) < 60


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StpairsError, match="taken"):
        write_videos(tmp_path / "taken", SMALL, 0)


@pytest.mark.parametrize(
    "text", ["", "path,label\na,b\n", ",".join(["path", *WORDS, "action"]) + "\na,b\n", "\x00\xff"]
)
def test_another_table_is_refused(tmp_path: Path, text: str) -> None:
    table = tmp_path / "factors.csv"
    table.write_text(text)
    with pytest.raises(BadFile, match=r"factors\.csv"):
        read_table(table)
    with pytest.raises(BadFile, match=r"nowhere\.csv"):
        read_table(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"videos": 0}, "one video"),
        ({"frames": 0}, "one frame"),
        ({"height": 49}, "even"),
        ({"width": 8}, "at least 16"),
        ({"rate": 0.0}, "rate"),
        ({"object_follows_action": 1.1}, "object_follows_action"),
        ({"actions": ()}, "actions"),
        ({"actions": ("zoom", "zoom")}, "each once"),
        ({"actions": ("juggle",)}, "juggle"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, object], word: str) -> None:
    with pytest.raises(InvalidSpec, match=word):
        SyntheticSpec(**(asdict(SMALL) | change))


def test_one_frame_and_odd_proportions_render() -> None:
    for spec in (replace(SMALL, frames=1), replace(SMALL, height=16, width=200), replace(SMALL, height=120, width=16)):
        video, known = render(spec, 1, 0)
        assert video.shape == (spec.frames, spec.height, spec.width, 3)
        assert all(astuple(known))
