"""What `import stpairs_core` brings along."""

import subprocess
import sys

HEAVY = (
    "torch",
    "onnx",
    "onnxruntime",
    "hypothesis",
    "imageio_ffmpeg",
    "jax",
    "tensorflow",
    "pyarrow",
    "sklearn",
    "rich",
)


def fresh(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_core_loads_no_framework_no_ffmpeg_no_hypothesis() -> None:
    loaded = fresh("import sys, stpairs_core; print(*sys.modules)").split()
    assert not {name.split(".")[0] for name in loaded} & set(HEAVY)


def test_serving_loads_no_torch() -> None:
    assert "torch" not in fresh("import sys, stpairs_onnx; print(*sys.modules)").split()


def test_the_testing_kit_loads_neither_pytest_nor_hypothesis() -> None:
    loaded = fresh("import sys, stpairs_core.testing; print(*sys.modules)").split()
    assert not {"pytest", "hypothesis", "torch"} & set(loaded)


def test_a_second_start_takes_less_than_a_second() -> None:
    fresh("import stpairs_core")
    code = "import time, stpairs_core; print(time.process_time())"  # the process's own time: a busy machine is no fault
    assert min(float(fresh(code)) for _ in range(3)) < 1.0


def test_nothing_is_compiled_at_import() -> None:
    code = "import numba.core.dispatcher as d\nn = []\nreal = d.Dispatcher.compile\n"
    code += "d.Dispatcher.compile = lambda s, *a: (n.append(s), real(s, *a))[1]\n"
    assert fresh(code + "import stpairs_core, stpairs_core.plan, stpairs_core.materialize\nprint(len(n))") == "0"


def test_every_name_of_the_core_is_there() -> None:
    assert (
        fresh("import stpairs_core as s; print(all(hasattr(s, n) for n in s.__all__), len(s.__all__) > 5)")
        == "True True"
    )
