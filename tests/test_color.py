"""F1 and F2 against their oracles. Each check takes the implementation, so that planted bugs meet the same checks."""

import colorsys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from stpairs_core.color import flip, flip_in_place, recolor, recolor_in_place
from stpairs_core.errors import InvalidSpec
from stpairs_core.jit import compiled
from stpairs_core.spec import Channels
from stpairs_core.testing import naive

Bytes = NDArray[np.uint8]
Recolor = Callable[[Bytes, float, float, float, Channels], Bytes]
Color = tuple[float, float, float, Channels]

FLAGS: tuple[Channels, ...] = ("h", "sv", "hsv")
IDENTITY: Color = (0.0, 1.0, 1.0, "hsv")
EXAMPLES = settings(deadline=None, max_examples=60 if compiled() else 5)


@cache
def every_rgb(step: int = 1) -> Bytes:
    """Each `step`-th of the 16.7 million RGB values, once; with step 1 as an image of 4096x4096."""
    codes = np.arange(0, 2**24, step, dtype=">u4")
    values = codes.view(np.uint8).reshape(-1, 4)[:, 1:].copy()
    values.flags.writeable = False
    return values.reshape(4096, 4096, 3) if step == 1 else values


def paper_colors(seed: int, count: int) -> list[Color]:
    """Parameters drawn from the ranges of the paper, for each place that the offset can go to."""
    random = np.random.default_rng(seed)
    return [
        (random.uniform(-0.1, 0.1), random.uniform(0.5, 2), random.uniform(0.7, 2), channels)
        for channels in FLAGS
        for _ in range(count)
    ]


def check_recolor(implementation: Recolor, image: Bytes, color: Color) -> None:
    """At most one level from the float64 oracle, and that only where a value lies almost between two levels.

    Full saturation makes exact halves, which either side may round: hence a share of 1 %, against 50 % for truncation.
    """
    result = implementation(image, *color)
    assert result.shape == image.shape
    assert result.dtype == np.uint8
    differing = 0
    pixels, results = image.reshape(-1, 3), result.reshape(-1, 3)
    for start in range(0, len(pixels), 2**13):  # what the oracle makes of so many stays in the cache
        truth = naive.recolor(pixels[start : start + 2**13], *color)
        found = results[start : start + 2**13]
        off = np.maximum(truth, found) - np.minimum(truth, found)
        assert off.max() <= 1, f"{off.max()} levels off with {color}"
        differing += int(np.count_nonzero(off))
    assert differing <= 0.01 * image.size, f"{differing} of {image.size} values are a level off with {color}"


def check_rounding(implementation: Recolor) -> None:
    """Greys at half the value are exact halves of levels; they round up, so 1 -> 1, 3 -> 2, 5 -> 3."""
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    np.testing.assert_array_equal(implementation(greys, 0.0, 1.0, 0.5, "hsv"), (greys.astype(int) + 1) // 2)


def check_one_change(implementation: Recolor, color: Color) -> None:
    """A pixel value becomes the same wherever in the volume it stands."""
    random = np.random.default_rng(7)
    palette = random.integers(0, 256, (5, 3), dtype=np.uint8)
    chosen = random.integers(0, 5, (4, 30, 40))
    result = implementation(palette[chosen], *color)
    np.testing.assert_array_equal(result, implementation(palette, *color)[chosen])


def check_flip(implementation: Callable[[Bytes], Bytes], volume: Bytes) -> None:
    result = implementation(volume)
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result, naive.flip(volume))


# ---- the oracle itself


@EXAMPLES
@given(rgb=st.tuples(*[st.integers(0, 255)] * 3), seed=st.integers(0, 2**32 - 1))
def test_the_scalar_oracle_agrees_with_colorsys(rgb: tuple[int, int, int], seed: int) -> None:
    assert naive.recolor_pixel(rgb, 0.0, 1.0, 1.0) == pytest.approx(rgb, abs=1e-9)
    for offset, exponent, scale, channels in paper_colors(seed, 1):
        h, s, v = colorsys.rgb_to_hsv(*(level / 255 for level in rgb))
        h += offset if "h" in channels else 0
        s, v = (min(max(x + (offset if "sv" in channels else 0), 0), 1) for x in (s, v))
        truth = colorsys.hsv_to_rgb(h % 1, min(scale * s**exponent, 1), min(scale * v**exponent, 1))
        found = naive.recolor_pixel(rgb, offset, exponent, scale, channels)
        assert found == pytest.approx([255 * x for x in truth], abs=1e-6)


@pytest.mark.parametrize("color", [IDENTITY, *paper_colors(1, 2)])
def test_the_two_forms_of_the_oracle_agree(color: Color) -> None:
    image = every_rgb(step=40_009)
    scalar = [naive.recolor_pixel((int(r), int(g), int(b)), *color) for r, g, b in image]
    assert np.abs(naive.recolor(image, *color) - np.array(scalar)).max() <= 0.5 + 1e-9


# ---- F1


@pytest.mark.parametrize("color", [*paper_colors(2, 6), (-0.1, 2.0, 2.0, "hsv"), (0.1, 0.5, 0.7, "sv")])
def test_every_rgb_value_is_within_one_level(color: Color) -> None:
    check_recolor(recolor, every_rgb(step=1 if compiled() else 40_009), color)


@EXAMPLES
@given(
    offset=st.floats(-2, 2),
    exponent=st.floats(0.001, 1000),
    scale=st.floats(0, 1000),
    channels=st.sampled_from(FLAGS),
)
def test_any_parameters_are_obeyed_within_one_level(
    offset: float, exponent: float, scale: float, channels: Channels
) -> None:
    color = (offset, exponent, scale, channels)
    image = np.concatenate([every_rgb(step=40_009), np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)])
    off = recolor(image, *color).astype(int) - naive.recolor(image, *color)
    assert np.abs(off).max() <= 1


def test_halves_round_up() -> None:
    check_rounding(recolor)


@pytest.mark.parametrize("color", paper_colors(3, 1))
def test_a_whole_volume_gets_one_change(color: Color) -> None:
    check_one_change(recolor, color)


def test_identity_parameters_change_no_byte() -> None:
    image = every_rgb(step=1 if compiled() else 40_009)
    for channels in FLAGS:
        assert recolor(image, 0.0, 1.0, 1.0, channels).tobytes() == image.tobytes()


def test_grey_turns_red_where_the_offset_gives_it_saturation() -> None:
    grey = np.full((1, 3), 100, np.uint8)
    r, g, b = recolor(grey, 0.1, 1.0, 1.0, "sv")[0].tolist()
    assert r > g == b
    assert len(set(recolor(grey, 0.1, 1.0, 1.0, "h")[0].tolist())) == 1


# ---- a bug at a time, in an implementation that is right without it


def variant(
    volume: Bytes, offset: float, exponent: float, scale: float, channels: Channels, bug: str | None = None
) -> Bytes:
    """F1 by another road than the oracle's, and with one fault if asked."""
    rgb = volume.astype(np.float64)
    v, low = rgb.max(axis=-1), rgb.min(axis=-1)
    d = np.where(v > low, v - low, 1.0)
    r, g, b = (rgb[..., c] for c in range(3))
    h = np.select([v == low, v == r, v == g], [0 * v, (g - b) / d % 6, 2 + (b - r) / d], 4 + (r - g) / d) / 6
    s = (v - low) / np.maximum(v, 1)
    v = v / 255
    if "h" in channels:
        h = np.clip(h + offset, 0, 1) if bug == "hue not wrapped" else (h + offset) % 1
    if "sv" in channels:
        s, v = np.clip(s + offset, 0, 1), np.clip(v + offset, 0, 1)
    s = np.minimum(scale * (s if bug == "exponent on v only" else s**exponent), 1)
    v = np.minimum(scale * v**exponent, 1)
    away = np.abs((6 * h[..., None] - np.array([0, 2, 4]) + 3) % 6 - 3)  # of each channel from the hue, on the circle
    levels = 255 * (v[..., None] * (1 - s[..., None] * np.clip(away - 1, 0, 1)))
    if bug == "half to even":
        levels = np.rint(levels)
    elif bug != "truncated":
        levels = levels + 0.5
    if bug == "first frame only":
        levels = np.concatenate([levels[:1], volume[1:]])
    result: Bytes = levels.astype(np.uint8)
    return result


def check_all(implementation: Recolor) -> None:
    for color in paper_colors(4, 2):
        check_recolor(implementation, every_rgb(step=4_001), color)
        check_one_change(implementation, color)
    check_rounding(implementation)


def test_the_sound_implementations_pass_every_check() -> None:
    check_all(recolor)
    check_all(variant)


@pytest.mark.parametrize(
    "bug", ["hue not wrapped", "exponent on v only", "half to even", "truncated", "first frame only"]
)
def test_a_planted_bug_is_caught(bug: str) -> None:
    with pytest.raises(AssertionError):
        check_all(partial(variant, bug=bug))


def test_a_flip_of_the_first_frame_only_is_caught() -> None:
    def first_only(volume: Bytes) -> Bytes:
        return np.concatenate([flip(volume[:1]), volume[1:]])

    volume = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    check_flip(flip, volume)
    with pytest.raises(AssertionError):
        check_flip(first_only, volume)


# ---- shapes, layouts, misuse


def layouts(volume: Bytes) -> list[Bytes]:
    """The same values in memory orders that users have."""
    wide = np.repeat(volume, 2, axis=-2)
    frozen = volume.copy()
    frozen.flags.writeable = False
    backwards = volume[..., ::-1, ::-1].copy()[..., ::-1, ::-1]
    return [volume, np.asfortranarray(volume), wide[..., ::2, :], frozen, backwards]


VOLUMES = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=9).map(lambda s: (*s, 3)))


@EXAMPLES
@given(volume=VOLUMES, color=st.sampled_from(paper_colors(5, 2)))
def test_shape_and_layout_do_not_matter(volume: Bytes, color: Color) -> None:
    truth = naive.recolor(volume, *color)
    for same in layouts(volume):
        before = same.copy()
        result = recolor(same, *color)
        assert result.flags.c_contiguous
        assert result.flags.writeable
        assert not np.shares_memory(result, same)
        np.testing.assert_array_equal(same, before)
        np.testing.assert_allclose(result.astype(int), truth, atol=1, rtol=0)
        check_flip(flip, same)
        np.testing.assert_array_equal(flip(flip(same)), same)
        np.testing.assert_array_equal(flip(result), recolor(flip(same), *color))


@pytest.mark.parametrize("pixels", [0, 1, 1023, 1024, 1025, 2049])
def test_no_pixel_is_lost_where_chunks_meet(pixels: int) -> None:
    row = np.random.default_rng(pixels).integers(0, 256, (pixels, 3), dtype=np.uint8)
    color = paper_colors(6, 1)[0]
    np.testing.assert_allclose(recolor(row, *color).astype(int), naive.recolor(row, *color), atol=1, rtol=0)
    check_flip(flip, row)


def test_memory_maps_are_read_and_arrays_come_back(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), dtype=np.uint8)
    values.tofile(tmp_path / "frames")
    mapped = np.memmap(tmp_path / "frames", np.uint8, mode="r", shape=values.shape)
    assert type(recolor(mapped, 0.1, 1.0, 1.0)) is np.ndarray
    check_flip(flip, mapped)


def test_in_place_is_the_same_change() -> None:
    volume = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), dtype=np.uint8)
    recolored, flipped = volume.copy(), volume.copy()
    recolor_in_place(recolored, 0.05, 0.8, 1.5, "sv")
    flip_in_place(flipped)
    np.testing.assert_array_equal(recolored, recolor(volume, 0.05, 0.8, 1.5, "sv"))
    np.testing.assert_array_equal(flipped, flip(volume))


@pytest.mark.parametrize("wrong", [np.zeros((2, 2, 3)), np.zeros((2, 2), np.uint8), np.uint8(3), [[[1, 2, 3]]], None])
def test_what_is_no_volume_is_refused(wrong: Any) -> None:
    for change in (flip, flip_in_place, lambda v: recolor(v, 0, 1, 1), lambda v: recolor_in_place(v, 0, 1, 1)):
        with pytest.raises(InvalidSpec, match=r"a volume is .*uint8 \(\.\.\., "):
            change(wrong)


def test_a_flip_needs_a_width() -> None:
    with pytest.raises(InvalidSpec, match="W, 3"):
        flip(np.zeros(3, np.uint8))


@pytest.mark.parametrize("volume", [layouts(np.zeros((2, 4, 3), np.uint8))[i] for i in (1, 2, 3)])
def test_in_place_needs_memory_that_it_can_change(volume: Bytes) -> None:
    for change in (flip_in_place, lambda v: recolor_in_place(v, 0, 1, 1)):
        with pytest.raises(InvalidSpec, match="change a copy"):
            change(volume)


@pytest.mark.parametrize(
    ("color", "message"),
    [
        ((float("nan"), 1, 1), "finite"),
        ((0, float("inf"), 1), "finite"),
        ((0, 1, float("inf")), "finite"),
        ((0, 0, 1), "exponent above 0"),
        ((0, -1, 1), "exponent above 0"),
        ((0, 1, -0.1), "scale of at least 0"),
        ((0, 1, 1, "s"), "one of h, sv, hsv, not 's'"),
    ],
)
def test_parameters_that_cannot_be_obeyed_are_refused(color: Any, message: str) -> None:
    with pytest.raises(InvalidSpec, match=message):
        recolor(np.zeros((1, 3), np.uint8), *color)
