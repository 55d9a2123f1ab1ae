"""From NumPy volumes to torch tensors, and the frozen encoder that a learner hands out."""

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stpairs_core.errors import InvalidSpec
from stpairs_core.spec import VolumeShape
from stpairs_torch.c3d import C3D

BATCH = 16
"""Volumes that are encoded at once, to bound memory: at full size one volume needs about 100 MB of activations."""


@final
class TorchEncoder:
    """A frozen copy of a C3D in evaluation mode; a `stpairs_core.protocols.Encoder`. Threads may share it.

    On CUDA its convolutions run in full precision, as ONNX Runtime's do for us (see `full_precision`).
    """

    def __init__(self, network: C3D, device: torch.device) -> None:
        self._network = copy.deepcopy(network).eval().requires_grad_(False)
        self._device = device

    @property
    def shape(self) -> VolumeShape:
        """The volumes it takes."""
        return self._network.volume

    @property
    def width(self) -> int:
        """Length of one feature vector."""
        return self._network.width

    def __call__(self, volumes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """fc7 features after their ReLU, (n, width), of (n, T, H, W, 3) RGB."""
        check_volumes(volumes, (len(volumes),), self.shape)
        features = np.empty((len(volumes), self.width), np.float32)
        with torch.inference_mode(), full_precision(self._device):
            for start in range(0, len(volumes), BATCH):
                rows = slice(start, start + BATCH)
                features[rows] = self._network(to_device(volumes[rows], self._device)).cpu().numpy()
        return features


_precision_lock = threading.Lock()
_precision_held: list[str | bool] = []
"""What the convolutions were set to before, once for each thread that is inside `full_precision`."""


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Convolutions on CUDA without TF32 inside, and as the caller had set them afterwards; nothing on the CPU.

    TF32, torch's default for convolutions, keeps 10 bits of each factor: features would differ from the CPU's and from
    ONNX Runtime's in the third digit. Torch has one switch for the whole process, so that a step in another thread is
    slower meanwhile. Matrix products are in full precision by torch's default, and a caller who changes that is obeyed.
    """
    if device.type != "cuda":
        yield
        return
    # Before torch 2.9, convolutions had no switch of their own; since then, reading the old one may raise.
    old = (torch.backends.cudnn, "allow_tf32", False)
    conv = getattr(torch.backends.cudnn, "conv", None)
    place, name, full = old if conv is None else (conv, "fp32_precision", "ieee")
    with _precision_lock:
        _precision_held.append(_precision_held[0] if _precision_held else getattr(place, name))
        setattr(place, name, full)
    try:
        yield
    finally:
        with _precision_lock:  # the last one out gives it back
            before = _precision_held.pop()
            if not _precision_held:
                setattr(place, name, before)


def check_volumes(volumes: NDArray[Any], leading: tuple[int, ...], shape: VolumeShape) -> None:
    """Raise `InvalidSpec` unless `volumes` is uint8 of `leading` + (T, H, W, 3)."""
    expected = (*leading, shape.frames, shape.height, shape.width, 3)
    if volumes.shape != expected or volumes.dtype != np.uint8:
        raise InvalidSpec(f"expected uint8 volumes of shape {expected}, got {volumes.dtype} of shape {volumes.shape}")


def to_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """The array as a tensor there. It may share the array's memory and is only to be read."""
    # torch warns of read-only memory, such as a memory map's, though nothing here writes.
    owned = np.require(array, requirements=["C", "W"])
    return torch.from_numpy(owned).to(device)
