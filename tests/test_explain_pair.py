"""`stpairs explain-pair`: what it says is the plan, what it shows is what is learned from, pixel for pixel."""

import base64
import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stpairs_core import MiningSpec, PairMiner, PairPlan, VolumeShape, cut, false_negatives, materialize, open_videos
from stpairs_core.cli import main
from stpairs_core.cli.pair_pictures import GAP
from stpairs_core.spec import NetworkSpec, TrainSpec
from stpairs_core.testing import naive_plan
from stpairs_core.train import train
from stpairs_core.videos import Videos
from stpairs_core.videos.ffmpeg import binary, encode
from stpairs_core.videos.synthetic import SyntheticSpec, write_videos
from stpairs_numpy import NumpyBackend
from stpairs_numpy.learner import NumpyLearner

SHAPE = VolumeShape(6, 24, 28)
SIZE = (6, 24, 28)
MINING = MiningSpec(SHAPE)
VOLUME = ["--mining.volume.frames", "6", "--mining.volume.height", "24", "--mining.volume.width", "28"]
SHORT_SIDE = 32


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight synthetic videos of 15x32x44 in folders named after what happens in them."""
    folder = tmp_path_factory.mktemp("synthetic")
    write_videos(folder, SyntheticSpec(videos=8, frames=15, height=32, width=44), seed=0)
    return folder


@pytest.fixture(scope="module")
def opened(clips: Path) -> Videos:
    """Those videos, as the command opens them."""
    return open_videos(clips, SHORT_SIDE)


def answer(capsys: pytest.CaptureFixture[str], *argv: object) -> dict[str, Any]:
    """The JSON object that the command prints."""
    assert main(["explain-pair", *map(str, argv), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def refusal(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    """The one sentence with which the command refuses."""
    assert main(["explain-pair", *map(str, argv)]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("stpairs: ")
    assert not any("Traceback" in line for line in lines)
    return lines[-1]


def pixels(data: bytes) -> NDArray[np.uint8]:
    """(H, W, 3) of a PNG, as another program reads it."""
    width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    command = [binary(), *b"-v error -f png_pipe -i pipe:0 -f rawvideo -pix_fmt rgb24 pipe:1".split()]
    raw = subprocess.run(command, input=data, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(height, width, 3)


def shown(page: Path, shape: VolumeShape) -> NDArray[np.uint8]:
    """(volume, before or after, T, H, W, 3): what a page plays."""
    sources = re.findall(r"data:image/png;base64,([^\"]+)", page.read_text(encoding="utf-8"))
    clips = [pixels(base64.b64decode(source, validate=True)) for source in sources]
    return np.stack(clips).reshape(2, 2, shape.frames, shape.height, shape.width, 3)


def expected(plan: PairPlan, videos: Videos) -> NDArray[np.uint8]:
    """(volume, before or after, T, H, W, 3): what the core makes of a plan of one pair."""
    return np.stack([cut(plan, videos)[0], materialize(plan, videos)[0]], axis=1)


@pytest.mark.parametrize("index", [*range(12), 2**40, 2**64 - 17])
def test_what_it_says_is_the_plan(index: int, clips: Path, opened: Videos, capsys: pytest.CaptureFixture[str]) -> None:
    seed = 5
    plan = PairMiner(opened.extents, MINING, seed, opened.groups).pair(index)
    said = answer(capsys, clips, index, "--seed", seed, *VOLUME)
    assert (said["pair"], said["seed"], said["label"]) == (index, seed, plan.label[0])
    assert said["step"] * MINING.pairs + said["row"] == index
    for member, volume in enumerate(said["volumes"]):
        video = plan.video[0, member]
        first = plan.origin[0, member].tolist()
        spans = [[start, start + size - 1] for start, size in zip(first, SIZE, strict=True)]
        assert [volume["frames"], volume["rows"], volume["columns"]] == spans
        assert (volume["path"], volume["label"]) == (opened.paths[video], opened.labels[video])
        assert volume["flip"] == plan.flip[0, member]
        color = plan.color[0, member].tolist() if plan.recolor[0, member] else None
        assert volume["color"] == (color and dict(zip(("offset", "exponent", "scale"), color, strict=True)))


def test_the_distance_is_that_of_the_boxes(clips: Path, opened: Videos, capsys: pytest.CaptureFixture[str]) -> None:
    """On every axis that an oracle, voxel by voxel, finds them disjoint on; and all three are seen."""
    seen = set()
    for index in (*range(3), *range(10, 13), *range(20, 23), *range(30, 33)):
        said = answer(capsys, clips, index, *VOLUME)
        sets = [[set(range(v[unit][0], v[unit][1] + 1)) for unit in UNITS] for v in said["volumes"]]
        overlap = [len(a & b) for a, b in zip(*sets, strict=True)]
        assert said["disjoint_on"] == [axis for axis, shared in zip(AXES, overlap, strict=True) if not shared]
        for unit, shared, a, b in zip(UNITS, overlap, *sets, strict=True):
            between = max(min(a), min(b)) - min(max(a), max(b)) - 1
            assert said["apart"][unit] == (between if not shared else -shared)
        extent = opened.extents[said["volumes"][0]["video"]].tolist()
        assert said["disjoint_pairs"] == sum(naive_plan.counts(tuple(extent), SIZE)[:3])
        seen.update(said["disjoint_on"])
    assert seen == {"time"}  # 24 of 32 rows and 28 of 44 columns leave no room


@pytest.mark.parametrize("index", [1, 5], ids=["positive", "negative"])
def test_a_stride_is_said_and_shown(
    index: int, clips: Path, opened: Videos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mining = MiningSpec(VolumeShape(3, 24, 28), temporal_stride=2)
    flags = ["--mining.temporal-stride", 2, "--mining.volume.frames", 3, *VOLUME[2:]]
    said = answer(capsys, clips, index, *flags, "--out", tmp_path / "pair.html")
    plan = PairMiner(opened.extents, mining, 0, opened.groups).pair(index)
    for member, volume in enumerate(said["volumes"]):
        first = int(plan.origin[0, member, 0])
        assert (volume["frames"], volume["stride"]) == ([first, first + 4], 2)
        assert f"frames {first} to {first + 4} of 0 to 14, one in 2 of them" in said["words"][1 + 2 * member]
    np.testing.assert_array_equal(shown(tmp_path / "pair.html", mining.volume), expected(plan, opened))
    if index == 1:
        assert said["apart"]["frames"] == abs(plan.origin[0, 0, 0] - plan.origin[0, 1, 0]) - 5


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain-pair", "--help"]) == 0
    said = capsys.readouterr().out
    assert "usage: stpairs explain-pair [-h] [EXPLAIN-PAIR OPTIONS] VIDEOS|RUN INDEX" in said
    assert "stpairs explain-pair RUN 42 --out pair.html" in said


def test_a_boundary_leaves_fewer_choices(clips: Path, opened: Videos, capsys: pytest.CaptureFixture[str]) -> None:
    said = answer(capsys, clips, 0, "--mining.boundary", 13, *VOLUME)
    extent = opened.extents[said["volumes"][0]["video"]].tolist()
    assert said["disjoint_pairs"] == sum(naive_plan.counts(tuple(extent), SIZE, 13)[:3])
    assert "pairs of disjoint volumes within 13 frames in this video" in " ".join(said["words"])


UNITS, AXES = ("frames", "rows", "columns"), ("time", "height", "width")


@pytest.mark.parametrize(
    ("shape", "axis"), [((15, 16, 44), "height"), ((15, 32, 22), "width")], ids=["height", "width"]
)
def test_volumes_may_be_disjoint_in_space(
    shape: tuple[int, int, int], axis: str, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames, height, width = shape
    flags = ["--mining.volume.frames", frames, "--mining.volume.height", height, "--mining.volume.width", width]
    said = answer(capsys, clips, 1, *flags)
    assert said["disjoint_on"] == [axis]
    assert f"disjoint in {axis}" in " ".join(said["words"])


@pytest.mark.parametrize("label", [1, -1], ids=["positive", "negative"])
@pytest.mark.parametrize("change", [(False, False), (False, True), (True, False), (True, True)])
def test_the_page_plays_the_pixels_of_materialize(
    label: int,
    change: tuple[bool, bool],
    clips: Path,
    opened: Videos,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of the first pair of each class with each of I, F2, F1 and both."""
    miner = PairMiner(opened.extents, MINING, 0, opened.groups)
    index = next(
        index
        for index in range(1000)
        if (plan := miner.pair(index)).label[0] == label and (plan.recolor[0, 1], plan.flip[0, 1]) == change
    )
    said = answer(capsys, clips, index, "--out", tmp_path / "pair.html", *VOLUME)
    assert said["out"] == str(tmp_path / "pair.html")
    found = shown(tmp_path / "pair.html", SHAPE)
    np.testing.assert_array_equal(found, expected(miner.pair(index), opened))
    assert (found[1, 0] != found[1, 1]).any() == any(change)
    page = (tmp_path / "pair.html").read_text(encoding="utf-8")
    arrow = "∘".join(name for name, applied in zip(("F1", "F2"), change, strict=True) if applied) or "="
    assert re.findall(r'aria-hidden="true">(.*?)<', page) == ["=", arrow]


def test_the_image_has_all_frames(
    clips: Path, opened: Videos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = PairMiner(opened.extents, MINING, 0, opened.groups).pair(0)
    answer(capsys, clips, 0, "--out", tmp_path / "pair.png", *VOLUME)
    sheet = pixels((tmp_path / "pair.png").read_bytes())
    _, height, width = SIZE
    tops = [0, height + GAP, 2 * height + 5 * GAP, 3 * height + 6 * GAP]
    lefts = [t * (width + GAP) for t in range(6)]
    tiles = np.stack([sheet[y : y + height, x : x + width] for y in tops for x in lefts])
    np.testing.assert_array_equal(tiles, expected(plan, opened).reshape(-1, height, width, 3))
    assert sheet.shape == (tops[-1] + height, lefts[-1] + width, 3)
    assert (sheet[height : height + GAP] == 255).all()


def test_the_page_marks_the_boxes_and_the_spans(
    clips: Path, opened: Videos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = answer(capsys, clips, 0, "--out", tmp_path / "pair.html", *VOLUME)
    page = (tmp_path / "pair.html").read_text(encoding="utf-8")
    extent = opened.extents[said["volumes"][0]["video"]]
    for number, volume in enumerate(said["volumes"], 1):
        top, left = volume["rows"][0] / extent[1], volume["columns"][0] / extent[2]
        box = f"top:{top:.4%};left:{left:.4%};height:{24 / extent[1]:.4%};width:{28 / extent[2]:.4%}"
        assert f'<span class="box own b{number}" style="{box}">' in page
        assert f'<span class="box other b{number}" style="{box}">' in page  # beside the other volume of one video
        span = f"left:{volume['frames'][0] / extent[0]:.4%};width:{6 / extent[0]:.4%}"
        assert f'<span class="shade b{number}" style="{span}">' in page
        assert f'<span class="bar b{number}" style="{span}">' in page
    order = re.findall(r'class="box (own|other) b(\d)"', page)
    assert order == [("own", "1"), ("other", "2"), ("own", "2"), ("other", "1")]
    assert page.count('class="film"') == 1  # one video, one line of time
    answer(capsys, clips, 5, "--out", tmp_path / "pair.html", *VOLUME)
    page = (tmp_path / "pair.html").read_text(encoding="utf-8")
    assert page.count('class="film"') == 2
    assert "box other" not in page


def test_the_page_needs_nothing_else(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = answer(capsys, clips, 5, "--out", tmp_path / "pair.html", *VOLUME)
    page = (tmp_path / "pair.html").read_text(encoding="utf-8")
    sources = re.findall(r'(?:src|href|url)\s*[=(]\s*"?([^")]{0,15})', page)
    assert len(sources) == 8
    assert all(source.startswith("data:image/") for source in sources)
    assert "<script" not in page
    assert "prefers-reduced-motion" in page
    assert all(volume["path"] in page for volume in said["volumes"])
    assert all(image.count("alt=") == 1 for image in re.findall(r"<img [^>]*>", page))


def test_names_are_text_on_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "videos"
    for name in ("<b>bold.mp4", '"&amp;.mp4'):
        (folder / name).parent.mkdir(exist_ok=True)
        encode(folder / name, np.zeros((15, 32, 44, 3), np.uint8), 24)
    answer(capsys, folder, 5, "--out", tmp_path / "pair.html", *VOLUME)
    page = (tmp_path / "pair.html").read_text(encoding="utf-8")
    assert "<b>bold" not in page
    assert "&lt;b&gt;bold.mp4" in page
    assert "&quot;&amp;amp;.mp4" in page


def test_it_speaks_in_sentences(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain-pair", str(clips), "1", *VOLUME, "--mining.augment", "negatives"]) == 0
    said = capsys.readouterr().out
    assert "Pair 1 of seed 0, row 1 of step 0, is positive: one video, label +1." in said
    assert 'augment="negatives" leaves positive pairs alone' in said
    assert main(["explain-pair", str(clips), "5", *VOLUME]) == 0
    said = capsys.readouterr().out
    assert "is negative: two videos, label -1." in said
    assert re.search(r"Volume 2: \S+ \[\w+\]: frames \d+ to \d+ of 0 to 14 \(\d\.\d\d to \d\.\d\d s\), rows", said)
    assert "F changes the second volume of a pair only" in said
    assert re.search(r"F1 (recolours it|was not drawn)", said)
    assert re.search(r"F2 (mirrors it|was not drawn)", said)
    assert "key 0 (the seed) at counter 5 (the pair), over 8 videos" in said
    assert "expected false negatives: " in said


def test_a_false_negative_is_called_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("run/a.mp4", "run/b.mp4", "jump/c.mp4", "d.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        encode(tmp_path / name, np.zeros((15, 32, 44, 3), np.uint8), 24)
    said = {}
    for index in range(3, 40):
        found = answer(capsys, tmp_path, index, *VOLUME)
        labels = tuple(sorted(volume["label"] for volume in found["volumes"]))
        if found["label"] < 0:
            said[labels] = " ".join(found["words"])
    assert "both labelled run: a false negative" in said["run", "run"]
    assert "a true negative" in said["jump", "run"]
    assert "nobody knows" in said["", "run"]
    assert "(of those with two labels, which are 50.0%)" in said["", "run"]


class Recorder(NumpyLearner):
    """Remembers all that it learned from."""

    seen: list[NDArray[np.uint8]]

    def step(self, plan: PairPlan, volumes: NDArray[np.uint8]) -> float:
        type(self).seen.append(volumes.copy())
        return super().step(plan, volumes)


class RecordingBackend(NumpyBackend):
    def learner(self, spec: Any, device: str) -> NumpyLearner:
        return Recorder(spec)


SPEC = TrainSpec(
    replace(MINING, pairs=4, positive_ratio=0.5),
    NetworkSpec(width=0.5, head="compare"),
    steps=3,
    seed=9,
    held_out=0.3,
    save_every=9,
)


@pytest.fixture(scope="module")
def run(clips: Path, opened: Videos, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps, that learned from `Recorder.seen`."""
    out, Recorder.seen = tmp_path_factory.mktemp("runs") / "run", []
    train(SPEC, opened, RecordingBackend(), out, names=opened.paths, describe={"videos": str(clips)})
    return out


@pytest.mark.parametrize("index", [0, 1, 5, 6, 11])
def test_of_a_run_it_shows_what_was_learned_from(
    index: int, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = answer(capsys, run, index, "--out", tmp_path / "pair.html")
    learned = Recorder.seen[index // 4][index % 4]
    np.testing.assert_array_equal(shown(tmp_path / "pair.html", SHAPE)[:, 1], learned)
    held_out = json.loads((run / "config.json").read_text())["held_out"]
    assert held_out
    assert not {volume["path"] for volume in said["volumes"]} & set(held_out)
    assert said["seed"] == 9


def test_a_pair_that_a_run_does_not_reach_is_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "The run ends before it" in " ".join(answer(capsys, run, 12)["words"])
    assert "The run ends before it" not in " ".join(answer(capsys, run, 11)["words"])


def test_a_run_keeps_its_own_settings(
    run: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "of its own" in refusal(capsys, run, 0, "--seed", 9)
    assert "of its own" in refusal(capsys, run, 0, *VOLUME)
    moved = tmp_path / "moved"
    moved.symlink_to(clips)
    assert answer(capsys, run, 0, "--videos", moved)["words"] == answer(capsys, run, 0)["words"]
    fewer = tmp_path / "fewer.txt"
    fewer.write_text("\n".join(str(path) for path in sorted(clips.glob("*/*.mp4"))[:-1]))
    assert "is not what" in refusal(capsys, run, 0, "--videos", fewer)
    assert "--videos goes with a run" in refusal(capsys, clips, 0, "--videos", clips)


def test_a_run_that_does_not_know_its_videos_says_so(
    run: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = json.loads((run / "config.json").read_text())
    config["describe"] = {}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert "--videos does" in refusal(capsys, tmp_path, 0)
    assert answer(capsys, tmp_path, 0, "--videos", clips)["words"] == answer(capsys, run, 0)["words"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["-1"], "between 0 and 18446744073709551609, not -1"),
        ([str(2**64)], "between 0 and 18446744073709551609, not 18446744073709551616"),
        (
            ["28", "--mining.literal-algorithm1"],
            "pair 28 is not drawn: it would be row 8 of step 2, and literal_algorithm1 ends each step of 10 pairs "
            "after row 6; ask for 20 to 26",
        ),
        (["0", "--out", "pair.gif"], "a page (.html) or an image (.png), not pair.gif"),
        (["0", "--mining.volume.frames", "99"], "no video holds two disjoint volumes"),
        (["0", "--seed", "-1"], "seed"),
    ],
)
def test_what_cannot_be_explained_is_one_sentence(
    argv: Sequence[str], words: str, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in refusal(capsys, clips, *VOLUME, *argv)


def test_no_videos_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is an empty folder" in refusal(capsys, tmp_path, 0)
    assert "there is no" in refusal(capsys, tmp_path / "nowhere", 0)


def test_the_last_pair_there_is(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, clips, 2**64 // 10 * 10 - 1, *VOLUME)["row"] == 9
    assert answer(capsys, clips, 26, "--mining.literal-algorithm1", *VOLUME)["row"] == 6


def test_mine_says_how_many_negatives_are_false(
    clips: Path, opened: Videos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["mine", str(clips), "--out", str(tmp_path / "plan.npz"), *VOLUME]
    assert main(argv) == 0
    known = false_negatives(opened.labels)
    line = f"{known.rate:.1%} of the negative pairs share a label; the paper's bound is {known.bound:.1%}"
    assert line in capsys.readouterr().out
    assert main([*argv, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["false_negatives"]
    assert found == {"rate": known.rate, "labelled": known.labelled, "bound": known.bound}
    assert main([*argv, "--json", "--mining.positive-ratio", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["false_negatives"] is None


def test_videos_that_are_never_drawn_do_not_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Five frames hold no volume of six; eight hold one, but no two that are disjoint."""
    for name, frames in {"run/a": 8, "run/b": 12, "jump/c": 12, "run/d": 5, "jump/e": 5}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        encode(tmp_path / f"{name}.mp4", np.zeros((frames, 32, 44, 3), np.uint8), 24)
    known = false_negatives(["run", "run", "jump"])
    assert main(["mine", str(tmp_path), "--out", str(tmp_path / "plan.npz"), *VOLUME, "--json"]) == 0
    for found in (json.loads(capsys.readouterr().out), answer(capsys, tmp_path, 5, *VOLUME)):
        assert found["false_negatives"] == {"rate": known.rate, "labelled": 1.0, "bound": known.bound}


def test_without_labels_nothing_is_said_of_them(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, path in enumerate(sorted(clips.glob("*/*.mp4"))[:3]):
        (tmp_path / f"{number}.mp4").symlink_to(path)
    said = answer(capsys, tmp_path, 5, *VOLUME)
    assert said["false_negatives"] is None
    assert "expected false negatives: unknown without labels" in said["words"]


def test_real_clips_have_groups_and_seconds(
    real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = sorted((real_data / "ucf101").glob("*/*_g*_c01.avi"))
    (tmp_path / "list.txt").write_text("\n".join(map(str, listed)))
    videos = open_videos(tmp_path / "list.txt", 128)
    seconds = {}
    for index in (0, 3, 4, 5):
        said = answer(capsys, tmp_path / "list.txt", index, "--out", tmp_path / "pair.html")
        plan = PairMiner(videos.extents, MiningSpec(), 0, videos.groups).pair(index)
        np.testing.assert_array_equal(shown(tmp_path / "pair.html", VolumeShape()), expected(plan, videos))
        for volume in said["volumes"]:
            name = Path(volume["path"]).name
            assert volume["group"] == name.removeprefix("v_").removesuffix("_c01.avi")
            if volume["seconds"] is not None:
                seconds[name] = (volume["frames"], volume["seconds"])
    assert any("SoccerJuggling" in name for name in seconds)
    assert not any("ApplyEyeMakeup" in name for name in seconds)  # its packets have no times
    for frames, shown_at in seconds.values():
        assert shown_at == pytest.approx([frame * 1001 / 30000 for frame in frames], abs=0.02)
