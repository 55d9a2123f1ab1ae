"""The checks of augmentations, checked: each finds its planted fault, none accuses what is right."""

import pickle
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planted.draws import Volume, brighter
from planted.right import RIGHT
from planted.wrong import FAULTS, flickers, hangs_after_a_fork
from stpairs_core.errors import InvalidSpec
from stpairs_core.testing.augmentations import (
    CHECKS,
    Augmentation,
    AugmentationFailed,
    Declares,
    calls,
    case_of,
    check_augmentation,
    examine,
    paper_augmentations,
    parametrize_with_checks,
)
from stpairs_core.testing.augmentations.samples import colours

PROCESSES = "processes_equal_this"
INSIDE = tuple(check for check in CHECKS if check.name != PROCESSES)
"""All checks but the one that starts an interpreter, which takes as long as the others together."""

ALSO: dict[str, set[str]] = {
    "same_key_same_bytes": {
        "earlier_calls_do_not_matter",
        "global_generators_unused",
        "read_only_works",
        "layouts_do_not_matter",
        "commutes_with_time_crop",
        "commutes_with_frame_order",
        "threads_equal_serial",
        "pickles",
    },
    "earlier_calls_do_not_matter": {"threads_equal_serial"},
    "earlier_results_stay": {"commutes_with_frame_order", "threads_equal_serial"},
    "global_generators_untouched": {"threads_equal_serial"},
    "one_frame_works": {"commutes_with_time_crop"},
    "one_pixel_works": {"one_frame_works"},
    "one_draw_for_all_frames": {"commutes_with_time_crop", "commutes_with_frame_order"},
    "commutes_with_frame_order": {"commutes_with_time_crop"},
}
"""What a fault breaks besides the check that names it: a draw that is new in each call breaks every comparison."""


def run_script(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-"], input=script, capture_output=True, text=True, check=False)


def test_each_check_has_a_planted_fault_and_a_sentence() -> None:
    assert set(FAULTS) == {check.name for check in CHECKS}
    assert len(CHECKS) == len({check.name for check in CHECKS}) >= 20
    assert all(check.asks.endswith(".") for check in CHECKS)


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_fails_the_check_that_names_it_and_the_script_fails_too(name: str) -> None:
    checks = CHECKS if name == PROCESSES else INSIDE
    failed = {found.check: found for found in examine(case_of(FAULTS[name]), checks) if not found.ok}
    assert name in failed
    assert set(failed) <= {name} | ALSO.get(name, set())
    ended = run_script(failed[name].reproducer)
    assert ended.returncode == 1, failed[name].reproducer
    last = ended.stderr.strip().splitlines()[-1]
    raised = failed[name].detail.removeprefix("raised ")
    assert raised.split(" [")[0][:25] in last  # a race may spare another key the next time


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes_every_check(name: str) -> None:
    check_augmentation(RIGHT[name])


@dataclass(frozen=True)
class Shifted:
    """Another augmentation with other keys: its draws under another seed."""

    call: Any
    by: int

    def __call__(self, volume: Volume, key: int) -> Volume:
        result: Volume = self.call(volume, (key + self.by) % 2**63)
        return result

    def draw(self, key: int) -> dict[str, float]:
        drawn: dict[str, float] = self.call(key + self.by)
        return drawn


@pytest.mark.parametrize("name", [name for name in RIGHT if RIGHT[name][1].random])
def test_what_is_right_raises_no_alarm_over_many_seeds(name: str) -> None:
    aug, declares = RIGHT[name]
    numbers = declares.parameters
    chance = ("ranges_", "draws_", "neighbouring_", "probability_", "different_keys", "detail_", "mirror_")
    chosen = [check for check in CHECKS if check.name.startswith(chance)]
    for seed in range(1, 31):
        by = seed * 10**9
        shifted = declares if numbers is None else replace(declares, parameters=Shifted(numbers, by).draw)
        check_augmentation(Shifted(aug, by), shifted, checks=chosen)


PAPER = {name: given for name, given in paper_augmentations().items() if name != "F1 on the hue"}


@parametrize_with_checks(PAPER.values(), INSIDE)
def test_the_changes_of_the_paper(check: Augmentation) -> None:
    check()  # type: ignore[call-arg]


def test_the_changes_of_the_paper_are_the_same_in_other_processes() -> None:
    [alone] = [check for check in CHECKS if check.name == PROCESSES]
    check_augmentation(PAPER["F1 and F2"], checks=[alone])


def test_greys_stay_grey_only_where_f1_moves_the_hue_alone() -> None:
    greys = [check for check in CHECKS if check.name == "grey_stays_grey"]
    check_augmentation(paper_augmentations()["F1 on the hue"], checks=greys)
    aug, declares = paper_augmentations()["F1"]
    with pytest.raises(AugmentationFailed, match="channels of a grey volume"):
        check_augmentation(aug, replace(declares, grey_stays_grey=True), checks=greys)


def test_a_failure_names_every_check_and_holds_a_script() -> None:
    with pytest.raises(AugmentationFailed) as caught:
        check_augmentation(flickers, checks=INSIDE)
    text = str(caught.value)
    for name in ("one_draw_for_all_frames", "commutes_with_time_crop", "commutes_with_frame_order"):
        assert f"\n  {name}: " in text
    assert text.startswith("3 checks fail")
    assert "from planted.wrong import flickers" in text


KNOWN = {
    "one_draw_for_all_frames": "it is meant to flicker",
    "commutes_with_time_crop": "it is meant to flicker",
    "commutes_with_frame_order": "it is meant to flicker",
}


def test_known_failures_pass_and_stale_reasons_fail() -> None:
    check_augmentation(flickers, expected_failed=KNOWN, checks=INSIDE)
    with pytest.raises(AugmentationFailed, match="pickles: it passed, but was expected to fail: of old"):
        check_augmentation(flickers, expected_failed=KNOWN | {"pickles": "of old"}, checks=INSIDE)
    with pytest.raises(AugmentationFailed, match="grey_stays_grey: it skipped"):
        check_augmentation(flickers, expected_failed=KNOWN | {"grey_stays_grey": "who knows"}, checks=INSIDE)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((flickers, Declares(), {"one_draw": "misspelt"}), "expected_failed names no check: one_draw; there are ret"),
        ("planted.wrong:flickers", "an augmentation is a callable, or a tuple"),
        ((flickers, {"random": True}), "must be a Declares"),
        ((flickers, Declares(ranges={"a": (0, 1)})), "needs a range and `parameters`"),
        ((flickers, Declares(uniform=("a",))), "needs a range and `parameters`"),
        ((flickers, Declares(replay=lambda volume, drawn: volume)), "`replay` needs `parameters`"),
    ],
)
def test_what_cannot_be_checked_is_refused(given: tuple[Augmentation, Declares], words: str) -> None:
    with pytest.raises(InvalidSpec, match=words):
        check_augmentation(given)


def test_without_assertions_nothing_is_said_to_pass() -> None:
    code = "from stpairs_core.testing.augmentations import *; check_augmentation(lambda volume, key: volume)"
    ended = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, check=False)
    assert "InvalidSpec: python -O leaves assertions out" in ended.stderr


def test_one_test_for_each_check_and_strict_expected_failures(tmp_path: Path) -> None:
    path = tmp_path / "test_mine.py"
    path.write_text(
        """
import sys
from stpairs_core.testing import Declares, parametrize_with_checks
from stpairs_core.testing.augmentations import CHECKS

FEW = [check for check in CHECKS if check.name in ("one_draw_for_all_frames", "result_is_no_view", "grey_stays_grey")]

def same(volume, key):
    return volume

@parametrize_with_checks([
    (same, Declares(grey_stays_grey=True), {"result_is_no_view": "nothing to copy"}),
    (same, Declares(), {"one_draw_for_all_frames": "of old"}),
], FEW)
def test_same(check):
    check()
"""
    )
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path).stdout
    assert "2 failed, 2 passed, 1 xfailed" in said
    assert "PASSED test_mine.py::test_same[same-grey_stays_grey]" in said
    assert "XFAIL test_mine.py::test_same[same-result_is_no_view0]" in said
    assert "[XPASS(strict)] of old" in said
    assert "result_is_no_view: the result shares memory with the volume that was given" in said


BROKEN = """
import numpy as np

def darker(volume, key):
    by = np.random.default_rng(key).uniform(0.5, 1, LENGTH)
    return np.round(volume * by.reshape(-1, 1, 1, 1)).astype(np.uint8)
"""


def test_a_script_fails_until_the_augmentation_is_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "theirs.py"
    module.write_text(BROKEN.replace("LENGTH", "len(volume)"))
    monkeypatch.syspath_prepend(tmp_path)
    import theirs  # type: ignore[import-not-found]

    verdicts = {found.check: found for found in examine(case_of(theirs.darker), INSIDE)}
    script = verdicts["one_draw_for_all_frames"].reproducer
    assert "stpairs" not in script
    before = run_script(script)
    assert before.returncode == 1
    assert "AssertionError: of identical frames, frame 1 comes out" in before.stderr
    module.write_text(BROKEN.replace("LENGTH", "1"))
    after = run_script(script)
    assert (after.returncode, after.stdout) == (0, "passes\n"), after.stderr


def test_the_input_of_a_failure_is_made_small() -> None:
    def loses_a_blue(volume: Volume, key: int) -> Volume:
        result = brighter(volume, 0)
        if volume.shape[1] > 2 and key > 1:
            result = result.astype(np.float32)
        return result

    [found] = [one for one in examine(case_of(loses_a_blue), CHECKS[:1]) if not one.ok]
    assert "volume = np.full((1, 3, 1, 3), 0, np.uint8)\nkey = 2\n" in found.reproducer
    assert "aug = ...  # yours: no module names it" in found.reproducer


def test_large_inputs_are_written_as_bytes() -> None:
    from stpairs_core.testing.augmentations.reproducer import array_code

    for volume in (colours((3, 4, 5)), colours((1, 2, 2)), np.full((9, 9, 9, 3), 4, np.uint8), colours((0, 2, 2))):
        assert np.array_equal(eval(array_code(volume), {"np": np}), volume)


def test_claims_that_were_withdrawn_are_not_checked() -> None:
    def still_picture(volume: Volume, key: int) -> Volume:
        return brighter(np.repeat(volume[:1], 7, axis=0), 0)

    declares = Declares(framewise=False, output_shape=None)
    check_augmentation(still_picture, declares, {"pickles": "a local function"}, INSIDE)
    with pytest.raises(AugmentationFailed, match="commutes_with_frame_order"):
        check_augmentation(still_picture, replace(declares, framewise=True), {"pickles": "a local function"}, INSIDE)


def test_a_smallest_volume_is_respected() -> None:
    def needs_room(volume: Volume, key: int) -> Volume:
        if any(size < least for size, least in zip(volume.shape[:3], (2, 5, 4), strict=True)) and volume.size:
            raise ValueError(f"needs 2x5x4, not {volume.shape}")
        return brighter(volume, key % 7)

    checks = [check for check in INSIDE if check.name != "pickles"]
    check_augmentation(needs_room, Declares(smallest=(2, 5, 4), pixelwise=True, monotone=True), checks=checks)
    with pytest.raises(AugmentationFailed, match=r"one_pixel_works: raised ValueError: needs 2x5x4"):
        check_augmentation(needs_room, Declares(pixelwise=True), checks=checks)


def test_a_move_of_torchs_generator_is_seen() -> None:
    import torch

    def with_torch(volume: Volume, key: int) -> Volume:
        torch.manual_seed(key % 2**63)
        return brighter(volume, float(torch.rand(())) * 30)

    [check] = [check for check in CHECKS if check.name == "global_generators_untouched"]
    with pytest.raises(AugmentationFailed, match="the global generator of torch has moved"):
        check_augmentation(with_torch, checks=[check])


def test_what_does_not_pickle_is_not_sent_to_another_process() -> None:
    verdicts = {found.check: found for found in examine(case_of(lambda volume, key: brighter(volume, 0)))}
    assert verdicts["pickles"].outcome == "failed"
    assert (verdicts[PROCESSES].outcome, verdicts[PROCESSES].detail) == ("skipped", "it does not pickle")


def test_a_forked_process_that_hangs_is_ended_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "PATIENCE", 8)
    [check] = [check for check in CHECKS if check.name == PROCESSES]
    with pytest.raises(AugmentationFailed, match=f"{PROCESSES}: a forked process gives nothing: no answer in 8 s"):
        check_augmentation(hangs_after_a_fork, checks=[check])


def test_the_kit_needs_neither_pytest_nor_hypothesis_to_check() -> None:
    code = "import sys, stpairs_core.testing as t; t.check_augmentation; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pytest", "hypothesis", "torch"} & set(loaded)


@pytest.mark.parametrize("name", RIGHT)
def test_right_ones_pickle_to_equal_results(name: str) -> None:
    aug, _ = RIGHT[name]
    copy = pickle.loads(pickle.dumps(aug))
    assert np.array_equal(copy(colours((2, 4, 6)), 3), aug(colours((2, 4, 6)), 3))


def mirrors_squares_upside_down(volume: Volume, key: int) -> Volume:
    return (volume[:, ::-1] if volume.shape[1] == volume.shape[2] > 1 else volume[:, :, ::-1]).copy()


def draws_again_from_the_ninth_frame(volume: Volume, key: int) -> Volume:
    offset = np.where(np.arange(len(volume)) < 8, key % 50, (key + 7) % 50).astype(np.uint8)
    return volume // 2 + offset[:, np.newaxis, np.newaxis, np.newaxis]


@pytest.mark.parametrize(
    ("aug", "declares", "check"),
    [
        (mirrors_squares_upside_down, Declares(mirrors=True), "mirror_is_matrix_product"),
        (draws_again_from_the_ninth_frame, Declares(one_draw=True), "one_draw_for_all_frames"),
    ],
)
def test_what_goes_wrong_only_in_volumes_of_usual_size_is_seen(aug: Any, declares: Declares, check: str) -> None:
    with pytest.raises(AugmentationFailed, match=check):
        check_augmentation(aug, declares)
