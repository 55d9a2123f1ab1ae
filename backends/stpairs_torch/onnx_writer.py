"""Writes the networks as ONNX: single files, the number of volumes free, normalisation inside."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

from stpairs_torch.c3d import C3D, PairNetwork

OPSET = 20
"""The exporter's own default, stated so that a newer torch writes the same."""
EXAMPLES = 2
"""Volumes to trace with; from a single one the exporter would take n = 1 for a constant."""


def write_encoder(network: C3D, path: Path) -> None:
    """Write uint8 `volumes` (n, T, H, W, 3) -> `features` (n, width) to `path`."""
    _write(network, network, ["volumes"], "features", path)


def write_score(network: PairNetwork, path: Path) -> None:
    """Write uint8 `first` and `second`, each (n, T, H, W, 3) -> `score` (n,) to `path`."""
    _write(network, network.encoder, ["first", "second"], "score", path)


def _write(network: nn.Module, encoder: C3D, inputs: list[str], output: str, path: Path) -> None:
    volume = encoder.volume
    shape = (EXAMPLES, volume.frames, volume.height, volume.width, 3)
    count = torch.export.Dim("n")
    with _quiet():
        program = torch.onnx.export(
            _frozen(network),
            # A tensor for each input: given the same one twice, the exporter reads both from the last.
            tuple(torch.zeros(shape, dtype=torch.uint8) for _ in inputs),
            dynamo=True,
            opset_version=OPSET,
            input_names=inputs,
            output_names=[output],
            dynamic_shapes=tuple({0: count} for _ in inputs),
            verbose=False,
        )
    assert program is not None  # torch's signature: None is for the exporter before dynamo
    facts = {"version": version("stpairs"), "volume": str(volume), "width": str(encoder.width)}
    program.model.metadata_props.update({f"stpairs.{name}": fact for name, fact in facts.items()})
    program.save(path, external_data=False)


def _frozen(network: nn.Module) -> nn.Module:
    """A copy on the CPU in evaluation mode, weights in the plain layout that ONNX stores."""
    frozen = copy.deepcopy(network).eval().requires_grad_(False).cpu()
    frozen.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # torch's stubs lack it
    return frozen


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on its own insides and on torchvision, on which no caller can act."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
