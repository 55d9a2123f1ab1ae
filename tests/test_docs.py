"""The documents say what is there."""

import re
from pathlib import Path
from types import ModuleType

import pytest

import stpairs_core
import stpairs_core.testing.augmentations
import stpairs_onnx
import stpairs_torch

ROOT = Path(__file__).resolve().parents[1]


PACKAGES = [stpairs_core, stpairs_core.testing, stpairs_core.testing.augmentations, stpairs_torch, stpairs_onnx]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_public_name_is_in_the_docs(package: ModuleType) -> None:
    words = set(re.findall(r"\w+", (ROOT / "docs" / "api.md").read_text(encoding="utf-8")))
    assert set(package.__all__) <= words


@pytest.mark.parametrize(
    "page", sorted(["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))])
)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{page} links to {target}"


def test_the_page_on_the_paper_names_real_tests_and_names() -> None:
    text = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    for test in set(re.findall(r"`(test_\w+\.py)`", text)):
        assert (ROOT / "tests" / test).exists(), test
