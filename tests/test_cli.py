"""The command, as a person runs it: what it leaves, what it says, how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stpairs_core.cli import main
from stpairs_core.cli.doctor import _one_onnxruntime
from stpairs_core.cli.train import train_defaults
from stpairs_core.embed import Features
from stpairs_core.train import preset
from stpairs_core.videos.ffmpeg import encode
from stpairs_core.videos.synthetic import SyntheticSpec, write_videos

VOLUME = ["--mining.volume.frames", "16", "--mining.volume.height", "32", "--mining.volume.width", "32"]
SMALL = [*VOLUME, "--network.width", "0.0625"]
TRAIN = [*SMALL, "--mining.pairs", "4", "--mining.positive-ratio", "0.5", "--held-out", "0.3"]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of fourteen small synthetic videos, two of each action."""
    folder = tmp_path_factory.mktemp("synthetic")
    write_videos(folder, SyntheticSpec(videos=14, frames=40, height=48, width=64), seed=0)
    return folder


@pytest.fixture(scope="module")
def run(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of six steps."""
    out = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", str(videos), "--out", str(out), "--steps", "6", *TRAIN]) == 0
    return out


@pytest.fixture(scope="module")
def onnx(run: Path) -> Path:
    """The encoder of that run."""
    path = run.parent / "encoder.onnx"
    assert main(["export", str(run), "--out", str(path), "--score", str(run.parent / "score.onnx")]) == 0
    return path


def said(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> dict[str, Any]:
    """The JSON object that a command prints, after checking that it printed nothing else there."""
    assert main([*map(str, argv), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert isinstance(answer, dict)
    return answer


def refused(capsys: pytest.CaptureFixture[str], *argv: str | Path, code: int = 1) -> str:
    """The last line of what a command that must fail says; one sentence, no traceback."""
    assert main([*map(str, argv)]) == code
    error = capsys.readouterr().err
    assert "Traceback" not in error
    last = error.strip().splitlines()[-1]
    assert code != 1 or last.startswith("stpairs: ")
    return last


def test_a_run_leaves_what_it_promises(run: Path) -> None:
    for name in ("config.json", "metrics.jsonl", "model.safetensors", "checkpoints"):
        assert (run / name).exists()
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 6]
    assert 0 <= lines[-1]["auc"] <= 1


def test_a_finished_run_says_so_and_does_nothing(run: Path, videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run / "model.safetensors").stat().st_mtime_ns
    assert said(capsys, "train", videos, "--out", run, "--steps", "6", *TRAIN)["step"] == 6
    assert (run / "model.safetensors").stat().st_mtime_ns == before


def test_mine_gives_equal_bytes_twice(videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / "a.npz", tmp_path / "b.npz"]
    options = ["--steps", "5", "--mining.volume.height", "32", "--mining.volume.width", "32"]
    for file in files:
        assert said(capsys, "mine", videos, "--out", file, *options)["pairs"] == 50
    assert files[0].read_bytes() == files[1].read_bytes()
    with np.load(files[0], allow_pickle=False) as plan:
        assert plan["video"].shape == (50, 2)
        assert plan["origin"].shape == (50, 2, 3)
        assert plan["step"].tolist() == sorted(list(range(5)) * 10)
        assert len(plan["names"]) == 14
    other = tmp_path / "c.npz"
    said(capsys, "mine", videos, "--out", other, "--seed", "1", *options)
    assert other.read_bytes() != files[0].read_bytes()


def test_a_run_on_every_second_frame_is_embedded_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos, run, strided = tmp_path / "videos", tmp_path / "run", ["--mining.temporal-stride", "2"]
    write_videos(videos, SyntheticSpec(videos=7, frames=64, height=38, width=38), seed=0)
    said(capsys, "train", videos, "--out", run, "--steps", "2", *TRAIN, *strided)
    for options, stride in (([], 2), (["--temporal-stride", "1"], 1)):
        said(capsys, "embed", run, videos, "--out", tmp_path / "features.parquet", "--volumes", "2", *options)
        assert Features.load(tmp_path / "features.parquet").recipe.stride == stride
    plan = tmp_path / "plan.npz"
    said(capsys, "mine", videos, "--out", plan, *VOLUME, *strided)
    with np.load(plan, allow_pickle=False) as columns:
        assert columns["stride"] == 2


def test_export_embed_search(
    run: Path, onnx: Path, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    features = tmp_path / "features.parquet"
    assert said(capsys, "embed", onnx, videos, "--out", features)["videos"] == 14
    query = sorted(videos.glob("*/*.mp4"))[3]
    inside = said(capsys, "search", features, query.relative_to(videos), "-k", "3")
    by_run = said(capsys, "search", run, query, "-k", "3")
    by_onnx = said(capsys, "search", onnx, query, "--videos", videos, "-k", "3", "--page", tmp_path / "page.html")
    names = [[n["path"] for n in answer["neighbours"]] for answer in (inside, by_run, by_onnx)]
    assert names[0] == names[1] == names[2]
    assert len(names[0]) == 3
    assert str(query.relative_to(videos)) not in names[0]
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/webp") >= 4
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_a_query_from_outside_needs_the_encoder_that_made_the_features(
    run: Path, onnx: Path, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    features, query = tmp_path / "features.parquet", tmp_path / "query.mp4"
    said(capsys, "embed", onnx, videos, "--out", features)
    query.write_bytes(sorted(videos.glob("*/*.mp4"))[3].read_bytes())
    assert "--encoder" in refused(capsys, "search", features, query)
    assert "SHA-256" in refused(capsys, "search", features, query, "--encoder", run)
    answer = said(capsys, "search", features, query, "--encoder", onnx, "-k", "1")
    assert len(answer["neighbours"]) == 1


def test_features_of_a_run_are_told_from_those_of_the_same_run_later(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, query = tmp_path / "run", tmp_path / "query.mp4"
    query.write_bytes(sorted(videos.glob("*/*.mp4"))[3].read_bytes())
    said(capsys, "train", videos, "--out", out, "--steps", "2", "--save-every", "1", *TRAIN)
    said(capsys, "embed", out, videos, "--out", tmp_path / "early.parquet")
    said(capsys, "search", tmp_path / "early.parquet", query, "--encoder", out)
    said(capsys, "train", videos, "--out", out, "--steps", "4", "--save-every", "1", *TRAIN)
    assert "SHA-256" in refused(capsys, "search", tmp_path / "early.parquet", query, "--encoder", out)


def test_a_query_is_one_video(onnx: Path, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    features = tmp_path / "features.parquet"
    said(capsys, "embed", onnx, videos, "--out", features)
    assert "is one video" in refused(capsys, "search", onnx, videos / "zoom", "--videos", videos)
    assert "--videos" in refused(capsys, "search", features, "zoom/x.mp4", "--page", tmp_path / "page.html")
    by_path = said(capsys, "search", features, sorted(videos.glob("*/*.mp4"))[0], "-k", "1")
    by_name = said(capsys, "search", features, sorted(videos.glob("*/*.mp4"))[0].relative_to(videos), "-k", "1")
    assert by_path["neighbours"] == by_name["neighbours"]


def test_a_link_in_the_gallery_does_not_find_itself(
    onnx: Path, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = tmp_path / "videos"
    inside.mkdir()
    for number, file in enumerate(sorted(videos.glob("*/*.mp4"))[:4]):
        (inside / f"{number}.mp4").symlink_to(file)
    answer = said(capsys, "search", onnx, inside / "2.mp4", "--videos", inside)
    assert "2.mp4" not in [n["path"] for n in answer["neighbours"]]


def test_a_query_is_the_same_file_however_it_is_named(
    onnx: Path, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted(videos.glob("*/*.mp4"))[:4]
    listed, linked, features = tmp_path / "list.txt", tmp_path / "linked", tmp_path / "features.parquet"
    listed.write_text("\n".join(str(file) for file in files))
    linked.symlink_to(videos)
    through_link = linked / files[2].relative_to(videos)
    said(capsys, "embed", onnx, listed, "--out", features)
    for query in (files[2], through_link):
        for argv in ([features, query], [onnx, query, "--videos", listed]):
            answer = said(capsys, "search", *argv)
            assert str(files[2]) not in [n["path"] for n in answer["neighbours"]]


def test_another_file_of_the_same_name_is_another_query(
    onnx: Path, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    features, files = tmp_path / "features.parquet", sorted(videos.glob("*/*.mp4"))
    said(capsys, "embed", onnx, videos, "--out", features)
    name = files[2].relative_to(videos)
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_bytes(files[9].read_bytes())
    monkeypatch.chdir(tmp_path)
    assert "--encoder" in refused(capsys, "search", features, name)
    answer = said(capsys, "search", features, name, "--encoder", onnx)
    assert answer["neighbours"][0]["path"] == str(files[9].relative_to(videos))


def test_a_run_is_a_folder(videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert "is a file" in refused(capsys, "train", videos, "--out", tmp_path / "file", *TRAIN)


def test_a_device_without_an_encoder_is_refused(
    onnx: Path, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "embed", onnx, videos, "--out", tmp_path / "features.parquet")
    name = sorted(videos.glob("*/*.mp4"))[0].relative_to(videos)
    assert "--device" in refused(capsys, "search", tmp_path / "features.parquet", name, "--device", "cuda")


def test_doctor_says_what_works(capsys: pytest.CaptureFixture[str]) -> None:
    answer = said(capsys, "doctor")
    found = {finding["name"]: finding["works"] for finding in answer["findings"]}
    assert found["ffmpeg"]
    assert found["backend torch"]
    assert found["runtime onnx"]


def test_doctor_finds_what_is_broken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("stpairs_core.cli.doctor.binary", lambda: b"/nowhere/ffmpeg")
    assert main(["doctor"]) == 1
    assert "BROKEN  ffmpeg" in capsys.readouterr().out


def test_doctor_survives_whatever_a_part_throws(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("stpairs_core.cli.doctor.binary", lambda: b"/bin/false")
    assert main(["doctor"]) == 1
    assert "BROKEN  ffmpeg: CalledProcessError" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wheels", "driver", "works"),
    [
        (["onnxruntime"], None, True),
        (["onnxruntime-gpu"], None, True),
        (["onnxruntime-gpu"], "/usr/bin/nvidia-smi", False),
        (["onnxruntime", "onnxruntime-gpu"], None, False),
        ([], None, None),
    ],
)
def test_doctor_knows_the_two_wheels(
    wheels: list[str], driver: str | None, works: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: driver)
    monkeypatch.setattr("stpairs_core.cli.doctor.find_runtime", lambda _: SimpleNamespace(devices=lambda: {"cpu": ""}))
    assert _one_onnxruntime(dict.fromkeys(wheels, "1.30")).works is works


def test_what_nobody_foresaw_is_still_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("stpairs_core.cli.doctor.Doctor.run", broken)
    assert "unexpected ZeroDivisionError: division by zero" in refused(capsys, "doctor")
    assert main(["doctor", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_folder_is_no_output_file(videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--steps", "1", "--mining.volume.height", "32", "--mining.volume.width", "32"]
    assert "name a file" in refused(capsys, "mine", videos, "--out", tmp_path, *options)
    assert said(capsys, "mine", videos, "--out", tmp_path / "new" / "plan.npz", *options)["steps"] == 1


def test_sigterm_ends_decoding_with_its_children(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    encode(film, (np.full((480, 640, 3), k % 255, np.uint8) for k in range(900)), 30)
    environment = {**os.environ, "STPAIRS_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "stpairs_core.cli", "mine", str(film), "--out", str(tmp_path / "plan.npz")]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list((tmp_path / "cache").glob("frames/*.tmp*")):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in error
    assert not list((tmp_path / "cache").rglob("*.tmp*"))


def test_bad_input_is_one_sentence(videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty, texts, one, short = (tmp_path / name for name in ("empty", "texts", "one", "short"))
    for folder in (empty, texts, one, short):
        folder.mkdir()
    (texts / "notes.txt").write_text("no video")
    (one / "a.mp4").write_bytes(sorted(videos.glob("*/*.mp4"))[0].read_bytes())
    for name in ("a.mp4", "b.mp4"):
        encode(short / name, np.zeros((4, 48, 64, 3), np.uint8), 24)
    out = tmp_path / "run"
    assert str(tmp_path / "nowhere") in refused(capsys, "train", tmp_path / "nowhere", "--out", out, *TRAIN)
    assert "is an empty folder" in refused(capsys, "train", empty, "--out", out, *TRAIN)
    assert "holds no file" in refused(capsys, "train", texts, "--out", out, *TRAIN)
    assert "need two videos" in refused(capsys, "train", one, "--out", out, *TRAIN)
    assert "need two videos" in refused(capsys, "train", one, "--out", out)  # whatever the preset
    assert "need two videos" in refused(capsys, "train", one, "--out", out, "--preset", "paper", *VOLUME)
    assert "16x32x32" in refused(capsys, "train", short, "--out", out, *TRAIN)
    assert not out.exists()


def test_a_broken_checkpoint_is_named(
    run: Path, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["train", str(videos), "--out", str(out), "--steps", "4", "--save-every", "2", *TRAIN]) == 0
    for broken in (max((out / "checkpoints").glob("*.safetensors")), out / "model.safetensors"):
        broken.write_bytes(broken.read_bytes()[:-7] + b"garbage")
    said = refused(capsys, "train", videos, "--out", out, "--steps", "8", "--save-every", "2", *TRAIN)
    assert "step-00000004.safetensors" in said
    assert "model.safetensors" in refused(capsys, "export", out, "--out", tmp_path / "e.onnx")
    assert not (tmp_path / "e.onnx").exists()


def test_a_full_disk_is_said_before_anything_starts(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STPAIRS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=1 << 40, used=1 << 40, free=0))
    assert "bytes" in refused(capsys, "mine", videos, "--out", tmp_path / "plan.npz")
    assert not (tmp_path / "plan.npz").exists()


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["learn"],
        ["train"],
        ["train", "x"],
        ["mine", "x", "--out", "y", "--steps", "many"],
        ["train", "x", "--preset"],
    ],
)
def test_wrong_usage_exits_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_no_steps_are_refused(videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "at least 1" in refused(capsys, "mine", videos, "--out", tmp_path / "plan.npz", "--steps", "0")


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["--help"], ["train", "--help"], ["search", "--help"]):
        assert main(argv) == 0
        assert "usage: stpairs" in capsys.readouterr().out


def test_settings_come_from_preset_then_file_then_flags(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("steps = 7\n[mining]\npairs = 12\n")
    assert train_defaults(["train", "--preset", "paper"]).spec == preset("paper")
    changed = train_defaults(["train", "--config", str(file)]).spec
    assert (changed.steps, changed.mining.pairs) == (7, 12)
    assert changed.network == preset("default").network


def test_a_wrong_settings_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[mining]\nvideos = 3\n")
    assert "mining.videos" in refused(capsys, "train", "x", "--out", "y", "--config", file, code=2)


def test_an_interrupted_run_continues_to_the_same_weights(videos: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stpairs_core.cli", "train", str(videos), "--steps", "60", *TRAIN, "--out"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    stopped, straight = tmp_path / "stopped", tmp_path / "straight"
    first = subprocess.Popen([*command, str(stopped)], stdout=subprocess.PIPE, text=True, env=environment)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and len(_steps(stopped)) < 2:
        time.sleep(0.05)
    first.send_signal(signal.SIGINT)
    out, _ = first.communicate(timeout=60)
    assert first.returncode == 130
    assert "the same command continues" in out
    assert 0 < _steps(stopped)[-1] < 60
    for run in (stopped, straight):
        subprocess.run([*command, str(run)], check=True, stdout=subprocess.DEVNULL, env=environment)
    assert (stopped / "model.safetensors").read_bytes() == (straight / "model.safetensors").read_bytes()


def _steps(run: Path) -> list[int]:
    metrics = run / "metrics.jsonl"
    return [json.loads(line)["step"] for line in metrics.read_text().splitlines()] if metrics.exists() else []


def test_the_demo_does_the_whole_job_on_my_videos(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--videos", str(tmp_path / "nowhere"), "--out", str(tmp_path / "demo")]) == 1
    assert not (tmp_path / "demo").exists()
    answer = said(capsys, "demo", "--videos", videos, "--out", tmp_path, "--steps", "2")
    page = Path(str(answer["page"]))
    assert page.read_text().count("data:image/webp") > 4
    assert answer["queries"] == 4  # a quarter of fourteen
    for name in ("encoder.onnx", "untrained.onnx", "encoder.parquet", "run/model.safetensors"):
        assert (page.parent / name).exists()
