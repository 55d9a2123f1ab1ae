"""The page: one file, offline, readable by ear as well as by eye."""

import base64
import re
import struct
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stpairs_core.cli.page import FRAMES, SIDE, Card, Row, shrink, write_page
from stpairs_core.errors import InvalidSpec


def clip(frames: int = 5, height: int = 24, width: int = 32, level: int = 0) -> NDArray[np.uint8]:
    out = np.full((frames, height, width, 3), level, np.uint8)
    out += (40 * np.arange(frames, dtype=np.uint8))[:, None, None, None]
    return out


class Reader(HTMLParser):
    """The page as a browser takes it apart."""

    VOID = ("meta", "img", "input")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"] and data.strip():
            self.words.append(data.strip())

    def images(self) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == "img"]


def webp(image: dict[str, str | None]) -> tuple[tuple[int, int], int]:
    """(width, height) and number of frames of a data URI, read from its RIFF chunks."""
    source = image["src"] or ""
    assert source.startswith("data:image/webp;base64,")
    data = base64.b64decode(source.split(",", 1)[1], validate=True)
    assert data[:4] == b"RIFF"
    assert data[8:12] == b"WEBP"
    at, frames, size = 12, 0, (0, 0)
    while at < len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        if name == b"VP8X":
            wide, high = (int.from_bytes(data[at + 12 + k : at + 15 + k], "little") + 1 for k in (0, 3))
            size = (wide, high)
        elif name == b"VP8 " and frames == 0:  # a single picture has no header but its own
            assert data[at + 11 : at + 14] == b"\x9d\x01\x2a"
            wide, high = struct.unpack_from("<HH", data, at + 14)
            size = (wide, high)
        frames += name in (b"ANMF", b"VP8 ")
        at += 8 + length + length % 2
    return size, frames


def page(path: Path, *rows: Row, title: str = "Found", **facts: str) -> Reader:
    write_page(path / "page.html", title, rows, facts)
    return Reader(path / "page.html")


def test_everything_is_in_one_file_and_said_in_words(tmp_path: Path) -> None:
    neighbours = [
        Card("b.mp4", "run", "distance 0.10", clip(level=20)),
        Card("c.mp4", "jump", "distance 0.20", clip(level=80)),
    ]
    rows = [Row(Card("a.mp4", "run", "first", clip()), neighbours), Row(Card("d.mp4", "", "", clip()), neighbours[:1])]
    found = page(tmp_path, *rows, encoder="e.onnx")
    text = " ".join(found.words)
    for word in ("Found", "encoder", "e.onnx", "a.mp4", "#1", "#2", "distance 0.10", "distance 0.20", "jump", "first"):
        assert word in text
    assert [w for w in found.words if "label" in w] == ["✓ same label", "✗ other label"]
    assert text.index("✓ same label") < text.index("b.mp4") < text.index("✗ other label") < text.index("c.mp4")
    addresses = [v for _, a in found.tags for k, v in a.items() if k in ("src", "href", "srcset", "action")]
    assert all((address or "").startswith("data:image/webp") for address in addresses)
    assert "url(" not in (tmp_path / "page.html").read_text()
    assert not {tag for tag, _ in found.tags} & {"script", "link", "iframe"}
    assert not [k for _, a in found.tags for k in a if k.startswith("on")]


def test_every_picture_moves_has_a_still_and_an_alternative_text(tmp_path: Path) -> None:
    found = page(tmp_path, Row(Card("a.mp4", "run", "", clip(6)), [Card("b.mp4", "", "", clip(4))]))
    pictures = [(p["class"], p["alt"], webp(p)) for p in found.images()]
    assert pictures == [
        ("moving", "Query: a.mp4, run", ((32, 24), 6)),
        ("still", "Query: a.mp4, run", ((32, 24), 1)),
        ("moving", "Neighbour 1: b.mp4", ((32, 24), 4)),
        ("still", "Neighbour 1: b.mp4", ((32, 24), 1)),
    ]
    style = (tmp_path / "page.html").read_text()
    assert "prefers-reduced-motion" in style
    assert "prefers-color-scheme: dark" in style
    labels = [a["for"] for tag, a in found.tags if tag == "label"]
    assert labels == [a["id"] for tag, a in found.tags if tag == "input"] == ["hold"]


def test_headings_name_their_sections(tmp_path: Path) -> None:
    found = page(tmp_path, *[Row(Card(f"{n}.mp4", "", "", clip()), []) for n in range(3)])
    named = [a["aria-labelledby"] for tag, a in found.tags if tag == "section"]
    assert named == [a["id"] for tag, a in found.tags if tag == "h2"]
    assert set(Counter(named).values()) == {1}
    assert [a["lang"] for tag, a in found.tags if tag == "html"] == ["en"]


def test_size_is_bounded(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 240, 320, 3), dtype=np.uint8)
    found = page(tmp_path, Row(Card("a.mp4", "", "", noise), []))
    assert [webp(p) for p in found.images()] == [((SIDE, 120), FRAMES), ((SIDE, 120), 1)]
    assert (tmp_path / "page.html").stat().st_size < 1_000_000


NASTY = [
    "<script>alert(1)</script>.mp4",
    '"><img src=x onerror=alert(1)>',
    "a&amp;b'.mp4",
    "{title}{0}.mp4",
    "é ✓ 日本",
]


@pytest.mark.parametrize("name", NASTY)
def test_names_are_text_wherever_they_stand(tmp_path: Path, name: str) -> None:
    card = Card(name, name, name, clip(1))
    write_page(tmp_path / "page.html", name, [Row(card, [card])], {name: name})
    found = Reader(tmp_path / "page.html")
    harmless = Reader(Path(_plain(tmp_path)))
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in harmless.tags]
    assert found.words.count(name) == harmless.words.count("plain")
    assert [p["alt"] for p in found.images()][-1] == f"Neighbour 1: {name}, {name}"


def _plain(folder: Path) -> str:
    card = Card("plain", "plain", "plain", clip(1))
    write_page(folder / "plain.html", "plain", [Row(card, [card])], {"plain": "plain"})
    return str(folder / "plain.html")


def test_a_name_that_is_no_text_does_not_break_the_page(tmp_path: Path) -> None:
    found = page(tmp_path, Row(Card("caf\udce9.mp4", "", "", clip(1)), []))
    assert "caf?.mp4" in found.words


def test_no_rows_and_no_facts_make_a_page(tmp_path: Path) -> None:
    assert page(tmp_path).words == ["Found", "Hold the pictures still", "Found"]


def test_the_old_page_stays_when_a_clip_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")
    wrong: tuple[NDArray[Any], ...] = (
        np.zeros((2, 4, 4), np.uint8),
        np.zeros((0, 4, 4, 3), np.uint8),
        np.zeros((2, 4, 4, 3)),
    )
    for frames in wrong:
        with pytest.raises(InvalidSpec, match=re.escape(f"not {frames.dtype} of shape {frames.shape}")):
            write_page(path, "t", [Row(Card("a", "", "", frames), [])], {})
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@settings(max_examples=40)
@given(height=st.integers(1, 40), width=st.integers(1, 40), side=st.integers(1, 20), seed=st.integers(0, 99))
def test_shrinking_keeps_the_proportions_and_the_mean(height: int, width: int, side: int, seed: int) -> None:
    frames = np.random.default_rng(seed).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    small = shrink(frames, side)
    assert max(small.shape[1:3]) == min(side, max(height, width))
    np.testing.assert_allclose(small.mean(axis=(1, 2)), frames.mean(axis=(1, 2)), atol=0.51)
    if max(height, width) <= side:
        np.testing.assert_array_equal(small, frames)


def test_shrinking_by_a_whole_number_averages_blocks() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 12, 20, 3), dtype=np.uint8)
    blocks = frames.reshape(3, 6, 2, 10, 2, 3).mean(axis=(2, 4))
    assert np.abs(shrink(frames, 10) - blocks).max() <= 0.5 + 1e-3
