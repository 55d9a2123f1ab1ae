"""From NumPy volumes to torch tensors, and the frozen encoder that a learner hands out."""

import copy
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
    """A frozen copy of a C3D in evaluation mode; a `stpairs_core.protocols.Encoder`. Threads may share it."""

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
        with torch.inference_mode():
            for start in range(0, len(volumes), BATCH):
                rows = slice(start, start + BATCH)
                features[rows] = self._network(to_device(volumes[rows], self._device)).cpu().numpy()
        return features


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
