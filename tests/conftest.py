"""Fixtures that every room's tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real clips beside the checkout; a stranger's checkout has none."""
    if not REAL_DATA.is_dir():
        if os.environ.get("STPAIRS_REQUIRE_DATA") == "1":
            pytest.fail("STPAIRS_REQUIRE_DATA=1 but there is no ../shared/data beside the checkout")
        pytest.skip("the real clips are not here (../shared/data beside the checkout)")
    return REAL_DATA


@pytest.fixture(scope="session", autouse=True)
def frame_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decoded frames go to a folder of this test run, never to the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STPAIRS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked `gpu` skip without CUDA, and fail instead when STPAIRS_REQUIRE_GPU=1."""
    if item.get_closest_marker("gpu") is None:
        return
    import torch

    if torch.cuda.is_available():
        return
    if os.environ.get("STPAIRS_REQUIRE_GPU") == "1":
        pytest.fail("STPAIRS_REQUIRE_GPU=1 but torch sees no CUDA device")
    pytest.skip("needs a CUDA device")
