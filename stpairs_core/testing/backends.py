"""What every backend must do besides its learners (see `learners`): names, devices, settings; a check each."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np

from stpairs_core.errors import InvalidSpec, MissingPart
from stpairs_core.protocols import Backend
from stpairs_core.registry import find_backend, plugin_names
from stpairs_core.spec import LearnerSpec
from stpairs_core.testing.learners import example_batch
from stpairs_core.testing.reproducing import refusal

NO_DEVICES = ("tpu", "CPU", "cuda:0", "")
"""Words that are none of the three that a backend knows."""


def has_a_name(backend: Backend, spec: LearnerSpec, device: str) -> None:
    """A backend's name is one word; where it is installed, the entry point of that name is this backend."""
    assert isinstance(backend.name, str), f"the name is {backend.name!r}, not a str"
    assert backend.name.split() == [backend.name], f"the name is {backend.name!r}, not one word"
    if backend.name in plugin_names("stpairs.backends"):
        found = find_backend(backend.name).name
        assert found == backend.name, f"the entry point {backend.name!r} gives a backend whose name is {found!r}"


def devices_work(backend: Backend, spec: LearnerSpec, device: str) -> None:
    """Each of `devices` is "cpu" or "cuda" and really learns, as "auto" does; one not there is a `MissingPart`."""
    devices = backend.devices()
    assert devices, "devices() names no device that works"
    for one, word in devices.items():
        assert one in ("cpu", "cuda"), f"devices() names {one!r}; the devices are cpu and cuda"
        assert isinstance(word, str), f"devices() says {word!r} of {one!r}, not a word"
        assert word.strip(), f"devices() says nothing of {one!r}"
    for one in ("auto", *devices):
        loss = float(backend.learner(spec, one).step(*example_batch(spec.volume, 0)))
        assert np.isfinite(loss), f"the loss on {one} is {loss}"
    for one in {"cpu", "cuda"} - devices.keys():
        text = refusal(partial(backend.learner, spec, one), f"the device {one!r} that is not there", MissingPart)
        assert one in text.lower(), f"the device {one!r} is missing, but the error does not say so: {text}"


def unknown_device(backend: Backend, spec: LearnerSpec, device: str) -> None:
    """A word that is no device is an `InvalidSpec` that names it."""
    text = refusal(partial(backend.learner, spec, device), f"the device {device!r}", InvalidSpec)
    assert f"'{device}'" in text or f'"{device}"' in text, f"the device {device!r} is refused without its name: {text}"


def setting_matters(
    backend: Backend, spec: LearnerSpec, device: str, part: str, field: str, value: str | float
) -> None:
    """Another value of a setting makes other losses or weights, or is an `InvalidSpec` that names it."""
    other = replace(spec, **{part: replace(getattr(spec, part), **{field: value})})
    try:
        learner = backend.learner(other, device)
    except InvalidSpec as error:
        if field not in str(error) and str(value) not in str(error):
            raise AssertionError(f"{part}.{field}={value!r} is refused without its name: {error}") from error
        return
    unchanged = backend.learner(spec, device)
    plan, volumes = example_batch(spec.volume, 0)
    losses = [float(one.step(plan, volumes.copy())) for one in (learner, unchanged)]
    assert np.isfinite(losses).all(), f"with {part}.{field}={value!r} and without the losses are {losses}"
    weights = [
        {key: array.tobytes() for key, array in one.state().items() if key.startswith("model.")}
        for one in (learner, unchanged)
    ]
    different = losses[0] != losses[1] or weights[0] != weights[1]
    assert different, f"{part}.{field}={value!r} is taken and changes nothing: refuse what is not done"


def other_settings(spec: LearnerSpec) -> Iterator[tuple[str, str, str | float]]:
    """(part, field, value): every other choice of each setting of network and learning, and half of each number."""
    for part in ("network", "learning"):
        values = getattr(spec, part)
        for field, kind in get_type_hints(type(values)).items():
            value = getattr(values, field)
            if get_origin(kind) is Literal:
                yield from ((part, field, choice) for choice in get_args(kind) if choice != value)
            else:
                yield part, field, value / 2 or 0.5
