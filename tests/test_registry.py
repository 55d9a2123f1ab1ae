"""Plug-ins are found by their name, for real and in all the ways that fail."""

import importlib.metadata
import sys
from pathlib import Path

import pytest

import stpairs_numpy
from stpairs_core.errors import MissingPart
from stpairs_core.registry import find_backend, find_runtime, plugin_names


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed distribution with one backend named `odd`, whose module the test writes."""
    info = tmp_path / "stpairs_odd-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stpairs-odd\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[stpairs.backends]\nodd = stpairs_odd:backend\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "stpairs_odd", raising=False)
    return tmp_path / "stpairs_odd.py"


def test_a_backend_is_found_by_its_name() -> None:
    assert find_backend("numpy") is stpairs_numpy.backend
    assert "numpy" in plugin_names("stpairs.backends")


def test_the_tests_backend_comes_from_a_real_entry_point() -> None:
    (point,) = importlib.metadata.entry_points(group="stpairs.backends", name="numpy")
    assert point.dist is not None
    assert point.dist.name == "stpairs-numpy"


def test_an_unknown_name_lists_what_is_installed() -> None:
    with pytest.raises(MissingPart, match=r"no 'jaxx' in stpairs\.backends; installed: .*numpy"):
        find_backend("jaxx")
    with pytest.raises(MissingPart, match=r"no 'numpy' in stpairs\.runtimes"):
        find_runtime("numpy")


def test_a_plugin_is_loaded_when_it_is_asked_for(plugin: Path) -> None:
    plugin.write_text("backend = 'the backend'\n")
    assert "odd" in plugin_names("stpairs.backends")
    assert "stpairs_odd" not in sys.modules
    assert str(find_backend("odd")) == "the backend"


def test_a_package_that_a_plugin_needs_is_named(plugin: Path) -> None:
    plugin.write_text("import a_framework_that_is_nowhere.parts\n")
    with pytest.raises(MissingPart, match=r"'odd' needs the package 'a_framework_that_is_nowhere.*") as caught:
        find_backend("odd")
    assert str(caught.value).endswith("is not installed")  # what a stranger's extras are called we cannot know


def test_a_package_that_our_own_plugin_needs_comes_with_the_extras_that_bring_it(plugin: Path) -> None:
    plugin.write_text("import a_framework_that_is_nowhere\n")
    info = plugin.with_name("stpairs-0.dist-info")
    plugin.with_name("stpairs_odd-0.dist-info").rename(info)
    extras = "".join(f"Provides-Extra: {extra}\n" for extra in ("cli", "odd", "odd-cpu", "oddly"))
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: stpairs\nVersion: 0\n{extras}")
    with pytest.raises(MissingPart) as caught:
        find_backend("odd")
    hint = 'is not installed: pip install "stpairs[odd]" or pip install "stpairs[odd-cpu]"'
    assert str(caught.value).endswith(hint)


def test_without_onnx_runtime_the_hint_names_both_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "stpairs_onnx"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingPart, match=r"'onnx' needs .*'onnxruntime'.*\[onnx\]\" or .*\[onnx-cpu\]"):
        find_runtime("onnx")


def test_a_plugin_that_lacks_a_module_of_its_own_shows_it(plugin: Path) -> None:
    plugin.write_text("import stpairs_odd.missing\n")
    with pytest.raises(ModuleNotFoundError, match=r"stpairs_odd\.missing"):
        find_backend("odd")
