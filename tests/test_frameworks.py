"""The same million pairs through every framework's loader, and the page of docs that shows how."""

import importlib.util
import json
import multiprocessing
import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stpairs_core import PairSteps, PairStream
from stpairs_core.testing.golden import GOLDEN, digest, golden_steps

# Python 3.12 and later warn of a fork wherever threads run; torch has some, and so do the tests before this one.
# torch warns of more workers than cores.
pytestmark = [
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
]

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "frameworks.md").read_text(encoding="utf-8")


def torch_loader(steps: PairSteps, workers: int, method: str | None, first: int = 0) -> Any:
    data = pytest.importorskip("torch.utils.data")
    order = range(first, len(steps))
    return data.DataLoader(steps, None, sampler=order, num_workers=workers, multiprocessing_context=method)


@pytest.mark.parametrize(("workers", "method"), [(0, None), *product((1, 2, 4), ("fork", "spawn", "forkserver"))])
def test_a_torch_loader(workers: int, method: str | None) -> None:
    multiprocessing.get_context("forkserver").set_forkserver_preload(["torch.utils.data", "stpairs_core"])
    assert digest(torch_loader(golden_steps(), workers, method)) == GOLDEN


def test_a_torch_run_goes_on_with_other_workers_and_ranks() -> None:
    whole = golden_steps()
    done = PairStream(whole)
    for number, batch in enumerate(torch_loader(whole, 2, "fork")):
        assert digest([batch]) == digest([whole[number]])
        done.step += 1
        if done.step == 5:
            break
    again = PairStream(golden_steps())
    again.load_state_dict(json.loads(json.dumps(done.state_dict())))
    shares = [golden_steps(slice(rank, None, 2)) for rank in range(2)]
    first, second = (next(iter(torch_loader(share, 1, "fork", again.step))) for share in shares)
    for name, column in whole[5].items():
        assert np.array_equal(first[name], column[0::2])
        assert np.array_equal(second[name], column[1::2])


def test_grain_in_threads() -> None:
    grain = pytest.importorskip("grain")
    data = grain.MapDataset.source(golden_steps())
    assert digest(data.to_iter_dataset(grain.ReadOptions(num_threads=4, prefetch_buffer_size=4))) == GOLDEN


def test_grain_in_processes() -> None:
    grain = pytest.importorskip("grain")
    data = grain.MapDataset.source(golden_steps()).to_iter_dataset(grain.ReadOptions(2, prefetch_buffer_size=2))
    assert digest(data.mp_prefetch(grain.MultiprocessingOptions(num_workers=2))) == GOLDEN


def test_grain_keeps_the_same_position() -> None:
    grain = pytest.importorskip("grain")
    endless = PairSteps(golden_steps().miner)
    loader = iter(grain.MapDataset.source(endless).to_iter_dataset(grain.ReadOptions(1, prefetch_buffer_size=1)))
    loader.set_state(loader.get_state() | {"next_index": 10**9})
    assert digest([next(loader)]) == digest([endless[10**9]])


def test_tf_data() -> None:
    tf = pytest.importorskip("tensorflow")
    steps = golden_steps()
    signature = {name: tf.TensorSpec(column.shape, column.dtype) for name, column in steps[0].items()}
    data = tf.data.Dataset.from_generator(lambda: PairStream(steps), output_signature=signature).prefetch(2)
    assert digest(data) == GOLDEN


def test_dali() -> None:
    dali = pytest.importorskip("nvidia.dali")
    steps = PairSteps(golden_steps().miner)  # without an end: DALI asks ahead
    names = sorted(steps[0])

    @dali.pipeline_def(batch_size=62_500, num_threads=1, device_id=None)  # type: ignore[untyped-decorator]
    def columns() -> tuple[Any, ...]:
        source = dali.fn.external_source(
            lambda step: tuple(steps[step][name] for name in names), num_outputs=len(names), batch=True
        )
        return tuple(source)

    pipeline = columns()
    pipeline.build()
    runs = (pipeline.run() for _ in range(16))
    assert digest({name: out.as_array() for name, out in zip(names, run, strict=True)} for run in runs) == GOLDEN


def blocks() -> dict[str, list[str]]:
    """The pieces of code of each section of the page."""
    sections = re.split(r"^#+ (.*)\n", PAGE, flags=re.MULTILINE)[1:]
    texts = zip(sections[::2], sections[1::2], strict=True)
    found = {title: re.findall(r"```python\n(.*?)```", text, re.DOTALL) for title, text in texts}
    return {title: code for title, code in found.items() if code}


NEEDS = {"PyTorch": "torch", "Grain": "grain", "tf.data": "tensorflow", "DALI": "nvidia.dali"}


def there(module: str | None) -> bool:
    try:
        return module is None or importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package above it
        return False


def run(code: list[str]) -> dict[str, Any]:
    """The names that the page's first piece of code and these leave behind."""
    start, *_ = blocks().values()
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("\n".join([*start, *code]), "frameworks.md", "exec"), names)
    return names


@pytest.mark.parametrize("title", list(blocks())[1:])
def test_the_code_of_the_page_runs(title: str) -> None:
    if not there(NEEDS.get(title)):
        pytest.skip(f"{NEEDS[title]} is not installed")
    names = run(blocks()[title])
    for name in ("volumes", "label"):  # of the last step
        found, wanted = np.asarray(names["batch"][name]), names["steps"][19][name]
        assert found.dtype == wanted.dtype
        assert np.array_equal(found, wanted)


def test_the_page_has_every_framework() -> None:
    assert list(blocks())[1:] == ["Plain Python", *NEEDS, "Stopping and going on"]


def test_dali_s_callback_runs_without_dali() -> None:
    callback, pipeline = blocks()["DALI"]
    compile(pipeline, "frameworks.md", "exec")
    names = run([callback])
    volumes, label = names["volumes_and_label"](7)
    assert np.array_equal(volumes, names["steps"][7]["volumes"])
    assert np.array_equal(label, names["steps"][7]["label"])
    with pytest.raises(StopIteration):
        names["volumes_and_label"](20)
